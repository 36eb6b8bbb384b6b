//! Any reply, streamed and whole, for each provider's protocol.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let subjects = pointsman_fuzz::subjects();
    let subject = &subjects[*which as usize % subjects.len()];
    pointsman_fuzz::reply(subject, true, &pointsman_fuzz::frames(bytes));
    pointsman_fuzz::reply(subject, false, &[(None, bytes.to_vec())]);
});
