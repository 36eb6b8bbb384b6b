//! Half of the changes are ours, which keep JSON that is JSON, and half are libFuzzer's.

/// `$first` bytes are not the subject's.
macro_rules! behind {
    ($first:literal) => {
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            if seed % 2 == 0 || size <= $first {
                return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
            }
            let mut bytes = data[$first..size].to_vec();
            pointsman_fuzz::change(&mut bytes, u64::from(seed) >> 1);
            bytes.truncate(max_size - $first);
            data[$first..$first + bytes.len()].copy_from_slice(&bytes);
            $first + bytes.len()
        });
    };
}

pub(crate) use behind;
