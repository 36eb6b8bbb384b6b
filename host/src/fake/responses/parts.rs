//! The rules for the parts of an item, and what is read from them.

use serde_json::Value;

use super::super::answer::Asked;
use super::super::openai::messages::described;
use super::super::openai::rules::{Wrong, missing, unknown, wrong};

pub const INPUT: &[&str] = &["input_text", "input_image", "input_file"];
pub const OUTPUT: &[&str] = &["output_text", "refusal"];

/// A string, or parts of these types.
pub fn check_content(at: &str, content: &Value, allowed: &[&str]) -> Result<(), Wrong> {
    let parts = match content {
        Value::String(_) => return Ok(()),
        Value::Array(parts) => parts,
        Value::Null => return missing(at),
        _ => return wrong(at, format!("Invalid type for '{at}': expected one of a string or array of objects.")),
    };
    for (index, part) in parts.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let kind = part["type"].as_str().unwrap_or_default();
        if !allowed.contains(&kind) {
            let known = allowed.join("', '");
            return wrong(format!("{at}.type"), format!("Invalid value: '{kind}'. Supported values are: '{known}'."));
        }
        let fields: &[&str] = match kind {
            "input_text" => &["text", "prompt_cache_breakpoint"],
            "output_text" => &["text", "annotations", "logprobs"],
            "refusal" => &["refusal"],
            "input_image" => &["image_url", "file_id", "detail"],
            _ => &["file_data", "file_id", "file_url", "filename"],
        };
        let mut given = part.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if let Some(name) = given.find(|name| *name != "type" && !fields.contains(name)) {
            return unknown(format!("{at}.{name}"));
        }
        let text = if kind == "refusal" { "refusal" } else { "text" };
        if fields.contains(&text) && !part[text].is_string() {
            return missing(format!("{at}.{text}"));
        }
        if kind == "input_image" && part["file_id"].is_null() {
            check_image(&format!("{at}.image_url"), &part["image_url"])?;
        }
    }
    Ok(())
}

fn check_image(at: &str, url: &Value) -> Result<(), Wrong> {
    match url {
        Value::String(url) => described(url).map(drop).or_else(|message| wrong(at, message)),
        Value::Null => missing(at),
        _ => {
            let given = if url.is_object() { "an object" } else { "another type" };
            let message = format!("Invalid type for '{at}': expected an image URL, but got {given} instead.");
            Err(Wrong { status: 400, param: Some(at.to_owned()), message, code: Some("invalid_type") })
        }
    }
}

pub fn read_images(content: &Value, asked: &mut Asked) {
    let urls = content.as_array().into_iter().flatten().filter_map(|part| part["image_url"].as_str());
    asked.images.extend(urls.filter_map(|url| described(url).ok()));
}

pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}
