//! Values that must not come out, and the search for them in every form in which they could.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem;

/// A value that is secret, and what it is.
#[derive(Clone, Debug)]
pub struct Canary {
    pub name: &'static str,
    pub value: String,
    forms: BTreeSet<Vec<u8>>,
}

impl Canary {
    pub fn new(name: &'static str, value: impl Into<String>) -> Canary {
        let value = value.into();
        let forms = Canary::forms(&value);
        Canary { name, value, forms }
    }

    /// The value as it stands, and every way in which it is often written.
    fn forms(value: &str) -> BTreeSet<Vec<u8>> {
        let bytes = value.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let listed: Vec<String> = bytes.iter().map(ToString::to_string).collect();
        let percent = |all: bool| -> String {
            let letter = |byte: &u8| match byte.is_ascii_alphanumeric() || (!all && b"-_.~".contains(byte)) {
                true => char::from(*byte).to_string(),
                false => format!("%{byte:02X}"),
            };
            bytes.iter().map(letter).collect()
        };
        let mut forms = BTreeSet::from([
            bytes.to_vec(),
            bytes.iter().rev().copied().collect(),
            hex.to_ascii_uppercase().into_bytes(),
            hex.into_bytes(),
            listed.join(", ").into_bytes(),
            percent(true).to_ascii_lowercase().into_bytes(),
            percent(true).into_bytes(),
            percent(false).into_bytes(),
            value.replace('/', "\\/").into_bytes(),
            value.replace('\n', "\\n").into_bytes(),
        ]);
        // In the middle of something longer its Base64 has three forms, by where it begins. What its neighbours decide is
        // left out.
        for before in 0..3_usize {
            let padded = [&[b'x'].repeat(before), bytes].concat();
            let whole = padded.len() / 3 * 4;
            let own = before.div_ceil(3) * 4..whole;
            forms.insert(STANDARD_NO_PAD.encode(&padded)[own.clone()].into());
            forms.insert(URL_SAFE_NO_PAD.encode(&padded)[own].into());
        }
        forms
    }
}

/// Which of the canaries stand in the bytes, with what stands before them.
pub fn find(canaries: &[Canary], place: &str, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for canary in canaries {
        for form in &canary.forms {
            if let Some(at) = memmem::find(bytes, form) {
                let around = &bytes[at.saturating_sub(160)..bytes.len().min(at + form.len() + 20)];
                found.push(format!("{} in {place}: …{}…", canary.name, String::from_utf8_lossy(around)));
                break;
            }
        }
    }
    found
}

/// A search that finds nothing proves nothing, unless it can find.
#[test]
fn every_form_is_found_wherever_it_stands() {
    let canary = Canary::new("it", "canary/with+signs=0123456789");
    let encoded = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{}:after", canary.value));
    let mut texts: Vec<String> = ["", "a", "ab", "abc"].map(encoded).into();
    texts.push(format!("Bearer {}", canary.value));
    texts.push("canary%2Fwith%2Bsigns%3D0123456789".to_owned());
    texts.push("canary%2fwith%2bsigns%3d0123456789".to_owned());
    texts.push(canary.value.chars().rev().collect());
    texts.push(format!("{:?}", canary.value.as_bytes()));
    texts.push(canary.value.bytes().map(|byte| format!("{byte:02x}")).collect());
    texts.push(serde_json::Value::from(canary.value.as_str()).to_string().replace('/', "\\/"));
    for text in texts {
        assert_eq!(find(std::slice::from_ref(&canary), "here", text.as_bytes()).len(), 1, "{text}");
    }
    assert!(find(&[canary], "here", b"canary/with+signs=012345678").is_empty());
}
