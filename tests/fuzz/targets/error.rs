//! Any error reply, for each provider's protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, status, bytes @ ..] = bytes else { return };
    let subjects = pointsman_fuzz::subjects();
    pointsman_fuzz::error(&subjects[usize::from(*which) % subjects.len()], 400 + u16::from(*status), bytes);
});

mutator::behind!(2);
