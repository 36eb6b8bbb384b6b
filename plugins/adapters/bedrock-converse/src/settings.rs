//! What an operator must set for a provider of this protocol.

use serde_json::{Map, Value};

#[derive(Debug)]
pub struct Settings {
    /// Such as `us-east-1`: part of the host's name and of every signature.
    pub region: String,
}

impl Settings {
    /// By hand and not derived, because an error must name the setting.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let table: Map<String, Value> = serde_json::from_str(text).map_err(|_| "the settings must be a table")?;
        let mut region = None;
        for (name, value) in table {
            match (name.as_str(), value) {
                ("region", Value::String(name)) if is_region(&name) => region = Some(name),
                ("region", _) => return Err(format!("`region` must be {REGION}")),
                _ => return Err(format!("there is no setting `{name}`: known is region")),
            }
        }
        region.map(|region| Settings { region }).ok_or_else(|| format!("`region` is missing: it must be {REGION}"))
    }
}

const REGION: &str = "an AWS region such as `us-east-1`";

/// Words and a number, joined by hyphens.
fn is_region(name: &str) -> bool {
    let words: Vec<&str> = name.split('-').collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    match words.split_last() {
        Some((number, words)) if words.len() >= 2 => {
            words.iter().all(is_word) && number.len() <= 2 && number.parse::<u8>().is_ok() && name.len() <= 32
        }
        _ => false,
    }
}
