//! What a request names of earlier answers: `{"type":"item_reference","id":…}` in place of an item, where the type may be missing,
//! and thoughts that are given back by their id alone. Only who made them, with the same key, knows the id: everybody else gets the item itself.
//!
//! <https://platform.openai.com/docs/api-reference/responses/create>: an unknown id is a 404, "Item with id '…' not found."

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::Value;
use tokio::time::Instant;

use super::items::{Item, Items, Known, Owner, PROTOCOL};
use super::keepers::Keeper;
use super::scan;
use crate::health::KeyId;

/// Of thoughts that another provider sealed.
const MARK: &str = "pointsman:";

/// A request's references, in its order.
#[derive(Default)]
pub struct References {
    /// Where the value of `input` stands in the body.
    input: Range<usize>,
    /// Where its elements stand, within it.
    elements: Vec<Range<usize>>,
    found: Vec<Reference>,
}

struct Reference {
    /// Which of the elements.
    element: usize,
    id: String,
    /// What it refers to, where that is known.
    item: Option<Arc<Item>>,
}

/// Who is to read the items.
enum Reader<'a> {
    /// It knows its own by their ids.
    Keeper(&'a Keeper),
    /// It speaks another protocol.
    Stranger,
}

impl References {
    /// # Errors
    /// The id of an item that was not this caller's.
    pub fn find(items: &Items, owner: &Owner, protocol: &str, body: &[u8]) -> Result<References, String> {
        let may_have = |word: &str| memmem::find(body, word.as_bytes()).is_some();
        if protocol != PROTOCOL || !may_have("\"id\"") {
            return Ok(References::default());
        }
        let Some(input) = scan::value_at(body, "input") else { return Ok(References::default()) };
        let elements = scan::elements(&body[input.clone()], usize::MAX);
        let (mut found, now) = (Vec::new(), Instant::now());
        for (element, at) in elements.iter().enumerate() {
            let json = &body[input.start + at.start..input.start + at.end];
            let Ok(fields) = scan::fields(json, &["type", "id", "encrypted_content", "role"]) else { continue };
            let text = |at: usize| fields[at].clone().and_then(|at| scan::text(&json[at]));
            let (kind, Some(id)) = (text(0), text(1)) else { continue };
            let is_message = || fields[3].is_some();
            let is_reference = kind.as_deref().map_or_else(|| !is_message(), |kind| kind == "item_reference");
            let is_bare_thought = kind.as_deref() == Some("reasoning") && text(2).is_none();
            if !is_reference && !is_bare_thought {
                continue;
            }
            match items.known(owner, &id, now) {
                Known::Own(item) => found.push(Reference { element, id, item: Some(item) }),
                Known::Nothing if is_reference => found.push(Reference { element, id, item: None }),
                Known::Others if is_reference => return Err(id),
                Known::Others | Known::Nothing => {}
            }
        }
        Ok(References { input, elements, found })
    }

    /// The first id of which nothing is known here: a provider that made it in another life of the gateway may know it.
    pub fn unknown(&self) -> Option<&str> {
        self.found.iter().find(|reference| reference.item.is_none()).map(|reference| reference.id.as_str())
    }

    /// The key with which a provider made the newest of its items.
    pub fn key_of(&self, provider: &str) -> Option<KeyId> {
        let mut keepers = self.found.iter().rev().filter_map(|reference| reference.item.as_ref()?.keeper.as_ref());
        keepers.find(|keeper| keeper.provider == provider).map(|keeper| keeper.key)
    }

    /// The body for one who speaks the caller's protocol. `None`: the caller's own bytes.
    pub fn for_keeper(&self, body: &[u8], keeper: &Keeper) -> Option<Bytes> {
        self.replaced(body, &Reader::Keeper(keeper))
    }

    /// The body for one who speaks another protocol. `None`: the caller's own bytes.
    pub fn for_stranger(&self, body: &[u8]) -> Option<Bytes> {
        self.replaced(body, &Reader::Stranger)
    }

    fn replaced(&self, body: &[u8], reader: &Reader<'_>) -> Option<Bytes> {
        let known = self.found.iter().filter_map(|reference| Some((reference.element, reference.item.as_ref()?)));
        let mut items = known.filter(|(_, item)| !reader.knows(item)).peekable();
        items.peek()?;
        let input = &body[self.input.clone()];
        let mut text = BytesMut::from(&body[..self.input.start]);
        let mut joint: &[u8] = b"[";
        for (at, element) in self.elements.iter().enumerate() {
            let written = match items.next_if(|(replaced, _)| *replaced == at) {
                Some((_, item)) => reader.substitute(item),
                None => Some(Bytes::copy_from_slice(&input[element.clone()])),
            };
            if let Some(written) = written {
                text.extend_from_slice(joint);
                text.extend_from_slice(&written);
                joint = b",";
            }
        }
        text.extend_from_slice(if joint == b"[" { b"[]" } else { b"]" });
        text.extend_from_slice(&body[self.input.end..]);
        Some(text.freeze())
    }
}

impl Reader<'_> {
    fn knows(&self, item: &Item) -> bool {
        matches!(self, Reader::Keeper(keeper) if item.keeper.as_ref() == Some(*keeper))
    }

    /// The item itself, for one who does not know its id. `None` for a thought that is nothing to this reader.
    fn substitute(&self, item: &Item) -> Option<Bytes> {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&item.json) else { return Some(item.json.clone()) };
        let is_for_keeper = matches!(self, Reader::Keeper(_));
        match fields.get("type").and_then(Value::as_str) {
            Some("reasoning") => {
                let sealed = fields.get("encrypted_content").and_then(Value::as_str);
                let is_readable = sealed.is_some_and(|sealed| !sealed.is_empty() && !sealed.starts_with(MARK));
                if is_for_keeper && !is_readable {
                    return None;
                }
                fields.shift_remove("status");
            }
            // An id promises that the item is kept under it.
            Some("message" | "function_call" | "custom_tool_call") => {
                fields.shift_remove("id");
                fields.shift_remove("status");
            }
            _ => {}
        }
        Some(Value::Object(fields).to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWNER: Owner = [7; 32];

    fn keeper(key: KeyId) -> Keeper {
        Keeper { provider: "openai".to_owned(), key }
    }

    fn items() -> Items {
        let (items, now) = (Items::default(), Instant::now());
        let note = |item: Value, keeper: Option<Keeper>| {
            items.note(OWNER, item["id"].as_str().expect("an id"), item.to_string().as_bytes(), keeper, now);
        };
        note(json!({"id": "rs_1", "type": "reasoning", "summary": []}), Some(keeper(1)));
        note(
            json!({"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "n", "arguments": "{}"}),
            Some(keeper(1)),
        );
        note(
            json!({"id": "rs_2", "type": "reasoning", "summary": [], "encrypted_content": "pointsman:gemini:x"}),
            None,
        );
        note(json!({"id": "msg_2", "type": "message", "role": "assistant", "content": []}), None);
        note(json!({"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "sealed"}), Some(keeper(2)));
        items
    }

    fn reference(id: &str) -> Value {
        json!({"type": "item_reference", "id": id})
    }

    fn find(body: &str) -> References {
        References::find(&items(), &OWNER, PROTOCOL, body.as_bytes()).unwrap_or_default()
    }

    #[test]
    fn each_reader_gets_what_it_does_not_know() {
        let said = json!({"role": "user", "content": "hi"});
        let input = [
            said.clone(),
            reference("rs_1"),
            reference("fc_1"),
            reference("rs_2"),
            reference("msg_2"),
            reference("rs_3"),
        ];
        let body = json!({"a": 1, "input": input, "model": "m"}).to_string();
        let references = find(&body);
        let read = |bytes: Option<Bytes>| -> Value {
            let bytes = bytes.expect("another body");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let call = json!({"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"});
        let message = json!({"type": "message", "role": "assistant", "content": []});
        let thought = json!({"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "sealed"});
        let own = read(references.for_keeper(body.as_bytes(), &keeper(1)));
        let first = [said.clone(), reference("rs_1"), reference("fc_1"), message.clone(), thought.clone()];
        assert_eq!(own, json!({"a": 1, "input": first, "model": "m"}));
        let another = read(references.for_keeper(body.as_bytes(), &keeper(2)));
        assert_eq!(another["input"], json!([said, call, message, reference("rs_3")]));
        let stranger = read(references.for_stranger(body.as_bytes()));
        assert_eq!(stranger["input"].as_array().map(Vec::len), Some(6), "its adapter decides about thoughts");
        assert_eq!(references.key_of("openai"), Some(2));
        assert_eq!((references.key_of("azure"), references.unknown()), (None, None));
    }

    #[test]
    fn a_body_whose_items_are_known_to_its_reader_keeps_its_bytes() {
        let body =
            r#"{ "input" : [ {"type":"item_reference", "id":"fc_1"} , {"type":"item_reference","id":"fc_9"} ] }"#;
        let references = find(body);
        assert_eq!(references.for_keeper(body.as_bytes(), &keeper(1)), None);
        assert_eq!(references.unknown(), Some("fc_9"));
        let other = references.for_keeper(body.as_bytes(), &keeper(3)).expect("another body");
        assert!(other.ends_with(br#","name":"n","arguments":"{}"},{"type":"item_reference","id":"fc_9"}] }"#));
    }

    #[test]
    fn thoughts_that_are_given_back_by_their_id_are_references_too() {
        let thought = json!({"type": "reasoning", "id": "rs_1", "summary": []});
        let body = json!({"input": [thought, {"role": "user", "content": "hi"}]}).to_string();
        let references = find(&body);
        assert_eq!(references.for_keeper(body.as_bytes(), &keeper(1)), None);
        let other = references.for_keeper(body.as_bytes(), &keeper(2)).expect("another body");
        assert_eq!(other, json!({"input": [{"role": "user", "content": "hi"}]}).to_string());
        let alone = json!({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}).to_string();
        assert_eq!(find(&alone).for_keeper(alone.as_bytes(), &keeper(2)).as_deref(), Some(&br#"{"input":[]}"#[..]));
    }

    #[test]
    fn what_another_caller_was_answered_is_not_found() {
        let body = json!({"input": [reference("fc_1")]}).to_string();
        let found = References::find(&items(), &[8; 32], PROTOCOL, body.as_bytes());
        assert_eq!(found.err().as_deref(), Some("fc_1"));
        let untyped =
            r#"{"input":[{"id":"fc_1"},{"type":null,"id":"fc_1"},{"id":"msg_2","role":"assistant","content":[]}]}"#;
        let found = find(untyped);
        assert_eq!(
            found.found.iter().map(|found| found.element).collect::<Vec<_>>(),
            [0, 1],
            "the type may be missing"
        );
        for body in ["", "[]", r#"{"input":"\"item_reference\""}"#, r#"{"input":[3,"reasoning",{"type":"reasoning"}]}"#]
        {
            assert!(find(body).found.is_empty(), "{body}");
        }
        let chat = References::find(&items(), &OWNER, "openai-chat", body.as_bytes());
        assert!(chat.is_ok_and(|references| references.found.is_empty()));
    }
}
