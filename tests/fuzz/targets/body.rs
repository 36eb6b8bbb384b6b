//! Any request body, for each client protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    pointsman_fuzz::body(&pointsman_fuzz::drawn(*which), bytes);
});

mutator::behind!(1);
