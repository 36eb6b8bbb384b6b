//! The official clients, unmodified, against the gateway in front of the fakes.
#[test]
fn placeholder() {}
