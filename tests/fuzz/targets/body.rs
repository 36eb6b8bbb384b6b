//! Any request body, for each client protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let subjects = pointsman_fuzz::subjects();
    pointsman_fuzz::body(&subjects[usize::from(*which) % subjects.len()], bytes);
});

mutator::behind!(1);
