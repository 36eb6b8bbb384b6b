//! Any bytes, for each framing.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    pointsman_fuzz::framing(usize::from(*cut) * 7, bytes);
});
