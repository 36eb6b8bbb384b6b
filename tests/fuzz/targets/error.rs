//! Any error reply, for each provider's protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, status, bytes @ ..] = bytes else { return };
    pointsman_fuzz::error(&pointsman_fuzz::drawn(*which), 400 + u16::from(*status), bytes);
});

mutator::behind!(2);
