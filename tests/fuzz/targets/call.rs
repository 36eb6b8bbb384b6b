//! Any settings, and any name of a model, for each provider's protocol.
#![no_main]

mod mutator;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, at, bytes @ ..] = bytes else { return };
    let text = String::from_utf8_lossy(bytes);
    let Some((model, settings)) = text.split_at_checked(usize::from(*at)) else { return };
    pointsman_fuzz::call(&pointsman_fuzz::drawn(*which), settings, model);
});

mutator::behind!(5);
