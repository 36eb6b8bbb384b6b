//! Any reply, streamed or whole, for each provider's protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, batch, bytes @ ..] = bytes else { return };
    let subject = &pointsman_fuzz::drawn(*which);
    match batch {
        0 => pointsman_fuzz::reply(subject, false, &pointsman_fuzz::whole(bytes), 1),
        _ => pointsman_fuzz::reply(subject, true, &pointsman_fuzz::frames(bytes), usize::from(*batch)),
    };
});

mutator::behind!(2);
