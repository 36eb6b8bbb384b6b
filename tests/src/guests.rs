//! Plugins built for the tests.

/// The example policy: `examples/policies/night-shift`.
pub const NIGHT_SHIFT: &[u8] = include_bytes!(env!("GUEST_NIGHT_SHIFT"));
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

/// A built-in plugin's bytes.
pub fn bundled(name: &str) -> &'static [u8] {
    let bundled = pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == name);
    bundled.unwrap_or_else(|| panic!("no `{name}`")).bytes
}

/// The same plugin as another version: a custom section with a number in it, which changes nothing but the digest.
pub fn variant(bytes: &[u8], number: u8) -> Vec<u8> {
    [bytes, &[0, 4, 2, b'n', b'o', number]].concat()
}
