//! Plugins built for the tests.

/// The example policy: `examples/policies/night-shift`.
pub const NIGHT_SHIFT: &[u8] = include_bytes!(env!("GUEST_NIGHT_SHIFT"));
/// The example adapters: `examples/adapters`.
pub const PLAIN_PROVIDER: &[u8] = include_bytes!(env!("GUEST_PLAIN_PROVIDER"));
pub const PLAIN_CLIENT: &[u8] = include_bytes!(env!("GUEST_PLAIN_CLIENT"));
/// A policy that misbehaves as its setting `how` says: `guests/hostile`.
pub const HOSTILE: &[u8] = include_bytes!(env!("GUEST_HOSTILE"));
/// A codec that misbehaves as the provider's setting `how` says: `guests/hostile-codec`.
pub const HOSTILE_CODEC: &[u8] = include_bytes!(env!("GUEST_HOSTILE_CODEC"));

/// A bad version of any policy: `guests/rogue`.
pub const ROGUE: &[u8] = include_bytes!(env!("GUEST_ROGUE"));
/// A policy that tells all that it is given, in its reasons: `guests/spy`.
pub const SPY: &[u8] = include_bytes!(env!("GUEST_SPY"));
/// A codec that tells all that it is given, to its provider and to its caller: `guests/spy-codec`.
pub const SPY_CODEC: &[u8] = include_bytes!(env!("GUEST_SPY_CODEC"));

/// The example policy as it was built against the contract's version 0.1.0: see `fixtures/contract/0.1.0`.
pub const NIGHT_SHIFT_0_1_0: &[u8] = include_bytes!("../fixtures/contract/0.1.0/night-shift.wasm");
/// A policy that remembers something between two calls: `guests/turns`.
pub const TURNS: &[u8] = include_bytes!(env!("GUEST_TURNS"));

/// A codec that is fit to serve, but for this flaw: `guests/unfit` has them all. `none` is none.
pub fn unfit(flaw: &str) -> Vec<u8> {
    const BEFORE: &[u8] = b"pointsman-flaw:";
    const FLAW_BYTES: usize = 25;
    let mut bytes = include_bytes!(env!("GUEST_UNFIT")).to_vec();
    let place = bytes.windows(BEFORE.len() + 5).position(|window| window == b"pointsman-flaw:none.");
    let at = place.expect("its flaw") + BEFORE.len();
    bytes[at..at + FLAW_BYTES].copy_from_slice(format!("{flaw:.<FLAW_BYTES$}").as_bytes());
    bytes
}

/// An adapter, in a version of its own: `guests/versioned`. `how` has four letters: `well`; `path` asks at a path that is not
/// there; `trap` reads no reply; `fail` says no request; `mute` writes no reply; `more` says a little more than it should.
pub fn versioned(how: &str, number: usize) -> Vec<u8> {
    const BEFORE: &[u8] = b"pointsman-version:";
    let mut bytes = include_bytes!(env!("GUEST_VERSIONED")).to_vec();
    let version = format!("{how}#{number:07}");
    let mut places = bytes.windows(BEFORE.len() + version.len()).enumerate();
    let place = places.find(|(_, window)| window.starts_with(BEFORE) && window.ends_with(b"well#0000000"));
    let at = place.expect("its version").0 + BEFORE.len();
    bytes[at..at + version.len()].copy_from_slice(version.as_bytes());
    bytes
}

/// The same plugin as another version: it has a section more, which nobody reads.
pub fn another(bytes: &[u8], number: usize) -> Vec<u8> {
    const CUSTOM: u8 = 0;
    let name = b"version";
    let number = number.to_string();
    let (length, name_length) = (1 + name.len() + number.len(), name.len());
    // Below 128 a length is one byte.
    let lengths = [length, name_length].map(|length| u8::try_from(length).expect("short"));
    [bytes, &[CUSTOM, lengths[0], lengths[1]], name, number.as_bytes()].concat()
}

/// A built-in plugin's bytes.
pub fn bundled(name: &str) -> &'static [u8] {
    let bundled = pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == name);
    bundled.unwrap_or_else(|| panic!("no `{name}`")).bytes
}

/// The same plugin as another version: a custom section with a number in it, which changes nothing but the digest.
pub fn variant(bytes: &[u8], number: u8) -> Vec<u8> {
    [bytes, &[0, 4, 2, b'n', b'o', number]].concat()
}
