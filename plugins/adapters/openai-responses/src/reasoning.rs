//! The thoughts that OpenAI encrypts. The encrypted text is bound to the id of its item ("Encrypted content item_id did
//! not match the target item id"), so both are sealed together: `{"id": "rs_…", "encrypted_content": "…"}`.

use crate::PROTOCOL;
use pointsman_sdk::codec::chat::Sealed;
use pointsman_sdk::sealed;
use serde::{Deserialize, Serialize};

/// Behind the maker's name: what it sealed is a whole thought, not the signature of one. Items here have one field for both.
const REDACTED: &str = "#redacted";

/// Between the parts of a summary, which are one text in the contract.
pub const PARAGRAPH: &str = "\n\n";

#[derive(Serialize, Deserialize)]
pub struct Secret {
    /// Some servers give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub encrypted_content: String,
}

impl Secret {
    pub fn seal(&self) -> Sealed {
        // Strings into memory: nothing here can fail.
        Sealed { maker: PROTOCOL.into(), data: serde_json::to_string(self).unwrap_or_default() }
    }

    /// None for what another provider made.
    pub fn open(sealed: &Sealed) -> Option<Secret> {
        if sealed.maker == PROTOCOL { serde_json::from_str(&sealed.data).ok() } else { None }
    }

    /// What stood in `encrypted_content` of a caller's item with this id: a signature, or a whole thought.
    pub fn unpack(id: Option<String>, encrypted_content: String) -> (Option<Sealed>, Option<Sealed>) {
        if !encrypted_content.starts_with(sealed::MARK) {
            return (Some(Secret { id, encrypted_content }.seal()), None);
        }
        let sealed = sealed::unpack(encrypted_content, PROTOCOL);
        match sealed.maker.strip_suffix(REDACTED) {
            Some(maker) => (None, Some(Sealed { maker: maker.to_owned(), data: sealed.data })),
            None => (Some(sealed), None),
        }
    }
}

/// A whole thought, marked as one.
pub fn redacted(thought: Sealed) -> Sealed {
    Sealed { maker: thought.maker + REDACTED, data: thought.data }
}

/// As a caller gets it in an item whose id is not the one that its maker gave: always with the mark, so that the id
/// comes back too.
pub fn marked(sealed: &Sealed) -> String {
    format!("{}{}:{}", sealed::MARK, sealed.maker, sealed.data)
}
