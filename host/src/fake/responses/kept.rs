//! The items that the API keeps: a later request may refer to one by its id, with the key that made it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::super::Protocol;
use super::super::openai;
use super::super::reply::{Piece, Refused, Script};
use super::super::seal::seal;
use super::super::state::Seen;
use super::items::not_found;

/// Of older items none is kept: `pointsman fake` may run for weeks under load.
const ITEMS_MAX: usize = 10_000;

/// What was answered of late, for each key.
#[derive(Default)]
pub struct Kept(Mutex<VecDeque<Item>>);

struct Item {
    key: String,
    item: Value,
}

impl Kept {
    /// Puts the items themselves in the place of the references to them.
    ///
    /// # Errors
    /// No item of this id was made with this key.
    pub fn resolve(&self, seen: &Seen, body: &mut Value) -> Result<(), Refused> {
        for item in body["input"].as_array_mut().into_iter().flatten() {
            let id = item["id"].as_str().unwrap_or_default().to_owned();
            // The type may be missing: <https://platform.openai.com/docs/api-reference/responses/create>.
            let is_untyped = item["type"].is_null() && item["role"].is_null() && item["id"].is_string();
            let is_reference = item["type"] == "item_reference" || is_untyped;
            let is_thought = item["type"] == "reasoning" && item["encrypted_content"].is_null();
            if !is_reference && !is_thought {
                continue;
            }
            match self.item(key(seen), &id) {
                Some(kept) => *item = kept,
                None if is_reference => return Err(openai::refusal(not_found(&id))),
                None => {}
            }
        }
        Ok(())
    }

    fn item(&self, key: &str, id: &str) -> Option<Value> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().rev().find(|kept| kept.key == key && kept.item["id"] == id)?;
        let mut item = found.item.clone();
        // Who keeps a thought knows it without being shown its encryption.
        if item["type"] == "reasoning" && item["encrypted_content"].is_null() {
            item["encrypted_content"] = json!(seal(Protocol::OpenAiResponses, id));
        }
        Some(item)
    }

    /// What was answered is kept, unless the request says otherwise.
    pub fn note(&self, seen: &Seen, body: &Value, script: &Script) {
        if body["store"] == false {
            return;
        }
        let response = match script {
            Script::Whole { body, .. } => body.clone(),
            Script::Stream(pieces) => pieces.last().map(last).unwrap_or_default(),
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for item in response["output"].as_array().into_iter().flatten() {
            kept.push_back(Item { key: key(seen).to_owned(), item: item.clone() });
        }
        let too_many = kept.len().saturating_sub(ITEMS_MAX);
        kept.drain(..too_many);
    }
}

/// The response in the last event of a stream.
fn last(piece: &Piece) -> Value {
    let text = String::from_utf8_lossy(&piece.bytes);
    let data = text.split_once("data: ").map(|(_, data)| data.trim_end());
    let event: Value = data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    event["response"].clone()
}

fn key(seen: &Seen) -> &str {
    seen.header("authorization").unwrap_or_default()
}
