//! The rules for content blocks, and what is read from them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::answer::{Asked, join};
use super::super::seal::opened;
use super::super::{Protocol, anthropic};
use super::rules::{constraint, fields};

/// What a block may be, and the fields that it then has. One of them, and only one.
const KINDS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("image", &["format", "source"]),
    ("document", &["format", "name", "source", "context", "citations"]),
    ("video", &["format", "source"]),
    ("audio", &["format", "source"]),
    ("toolUse", &["toolUseId", "name", "input", "type"]),
    ("toolResult", &["toolUseId", "content", "status", "type"]),
    ("guardContent", &["text", "image"]),
    ("cachePoint", &["type", "ttl"]),
    ("reasoningContent", &["reasoningText", "redactedContent"]),
    ("citationsContent", &["content", "citations"]),
    ("searchResult", &["source", "title", "content", "citations"]),
];
const IN_RESULTS: &[&str] = &["json", "text", "image", "document", "video", "searchResult"];
const ONLY_USER: &[&str] = &["image", "document", "video", "audio", "toolResult", "guardContent", "searchResult"];
const ONLY_ASSISTANT: &[&str] = &["toolUse", "reasoningContent", "citationsContent"];
const IMAGES: &[&str] = &["png", "jpeg", "gif", "webp"];
const DOCUMENTS: &[&str] = &["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
const NAME: &str = "The file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and \
                    square brackets. The name can't contain more than one consecutive whitespace character.";

/// A block of a message, by its role.
pub fn check_block(at: &str, role: &str, block: &Value) -> Result<(), String> {
    let kind = kind_of(at, block)?;
    let (inner, at_inner) = (&block[kind], format!("{at}.{kind}"));
    if role != "user" && ONLY_USER.contains(&kind) || role != "assistant" && ONLY_ASSISTANT.contains(&kind) {
        return Err(format!("The {kind} block at {at} is not allowed in messages with the {role} role."));
    }
    match kind {
        "text" => check_text(at, inner),
        "image" => check_image(&at_inner, inner),
        "document" => check_document(&at_inner, inner),
        "cachePoint" if inner["type"] != "default" => {
            constraint(&inner["type"], &format!("{at_inner}.type"), "Member must satisfy enum value set: [default]")
        }
        "toolUse" if !inner["input"].is_object() => Err(format!(
            "The format of the value at {at_inner}.input is invalid. Provide a json object for the field and try again."
        )),
        "toolUse" if inner["name"].as_str().is_none_or(str::is_empty) => {
            constraint(&inner["name"], &format!("{at_inner}.name"), "Member must not be null")
        }
        "toolResult" => check_result(&at_inner, inner),
        "reasoningContent" => check_thought(at, inner),
        _ => Ok(()),
    }
}

pub fn check_text(at: &str, text: &Value) -> Result<(), String> {
    match text.as_str() {
        None => constraint(text, &format!("{at}.text"), "Member must be a string"),
        Some(text) if text.trim().is_empty() => Err(format!(
            "The text field in the ContentBlock object at {at} is blank. Add text to the text field, and try again."
        )),
        Some(_) => Ok(()),
    }
}

fn kind_of<'a>(at: &str, block: &'a Value) -> Result<&'a str, String> {
    let known: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    fields(at, block, &known)?;
    let mut kinds = block.as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return Err(format!(
            "The ContentBlock object at {at} must set one of the following keys: {}.",
            known.join(", ")
        ));
    };
    let (_, inner) = KINDS.iter().find(|(known, _)| *known == kind).ok_or("unknown")?;
    if !inner.is_empty() {
        fields(&format!("{at}.{kind}"), &block[kind], inner)?;
    }
    Ok(kind)
}

fn check_bytes(at: &str, source: &Value, keys: &[&str]) -> Result<(), String> {
    fields(&format!("{at}.source"), source, keys)?;
    let Some(bytes) = source.get("bytes") else {
        let fits = source.as_object().is_some_and(|source| source.len() == 1);
        return if fits { Ok(()) } else { Err(format!("Exactly one key must be set at {at}.source.")) };
    };
    let good = bytes.as_str().is_some_and(|text| STANDARD.decode(text).is_ok_and(|bytes| !bytes.is_empty()));
    if good { Ok(()) } else { Err(format!("The value at {at}.source.bytes is not valid base64.")) }
}

fn check_image(at: &str, image: &Value) -> Result<(), String> {
    if !IMAGES.contains(&image["format"].as_str().unwrap_or_default()) {
        let rule = "Member must satisfy enum value set: [gif, jpeg, png, webp]";
        return constraint(&image["format"], &format!("{at}.format"), rule);
    }
    check_bytes(at, &image["source"], &["bytes", "s3Location"])
}

fn check_document(at: &str, document: &Value) -> Result<(), String> {
    if !DOCUMENTS.contains(&document["format"].as_str().unwrap_or("txt")) {
        let rule = "Member must satisfy enum value set: [pdf, csv, doc, docx, xls, xlsx, html, txt, md]";
        return constraint(&document["format"], &format!("{at}.format"), rule);
    }
    let name = document["name"].as_str().unwrap_or_default();
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter.is_whitespace() || "-()[]".contains(letter);
    if name.is_empty() || name.len() > 200 || !name.chars().all(legal) || name.contains("  ") {
        return Err(NAME.to_owned());
    }
    check_bytes(at, &document["source"], &["bytes", "s3Location", "text", "content"])
}

fn check_result(at: &str, result: &Value) -> Result<(), String> {
    if !matches!(result["status"].as_str().unwrap_or("success"), "success" | "error") || result["status"].is_number() {
        return constraint(
            &result["status"],
            &format!("{at}.status"),
            "Member must satisfy enum value set: [success, error]",
        );
    }
    let Some(content) = result["content"].as_array() else {
        return constraint(&result["content"], &format!("{at}.content"), "Member must not be null");
    };
    for (index, block) in content.iter().enumerate() {
        let at = format!("{at}.content.{index}");
        fields(&at, block, IN_RESULTS)?;
        if block.as_object().is_none_or(|block| block.len() != 1) {
            return Err(format!("The ToolResultContentBlock object at {at} must set exactly one key."));
        }
        if block.get("json").is_some_and(|json| !json.is_object()) {
            let rule = "Provide a json object for the field and try again.";
            return Err(format!("The format of the value at {at}.json is invalid. {rule}"));
        }
        if block.get("json").is_none() {
            check_block(&at, "user", block)?;
        }
    }
    Ok(())
}

/// A thought must come back with the signature that belongs to its very text.
fn check_thought(at: &str, thought: &Value) -> Result<(), String> {
    let Some(text) = thought.get("reasoningText") else { return Ok(()) };
    fields(&format!("{at}.reasoningContent.reasoningText"), text, &["text", "signature"])?;
    let signature = text["signature"].as_str().unwrap_or_default();
    // Claude's signatures hold wherever it runs: Anthropic's own fake signs like this.
    let anthropics = signature.starts_with(anthropic::SIGNATURE);
    if !anthropics && opened(Protocol::Bedrock, signature).is_none_or(|signed| text["text"] != signed.as_str()) {
        return Err(format!("The model returned the following errors: {at}: Invalid `signature` in `thinking` block"));
    }
    Ok(())
}

pub fn read(blocks: &[Value], asked: &mut Asked) {
    for block in blocks {
        asked.user = join(&asked.user, block["text"].as_str().unwrap_or_default());
        asked.images.extend(described(&block["image"]));
        if let Some(result) = block.get("toolResult") {
            let content = result["content"].as_array().into_iter().flatten();
            let said = content.clone().filter_map(|block| match block.get("json") {
                Some(json) => Some(json.to_string()),
                None => Some(block["text"].as_str()?.to_owned()),
            });
            asked.results.push(said.collect::<Vec<_>>().join("\n"));
            asked.images.extend(content.filter_map(|block| described(&block["image"])));
        }
    }
}

fn described(image: &Value) -> Option<String> {
    let format = image["format"].as_str()?;
    if let Some(uri) = image["source"]["s3Location"]["uri"].as_str() {
        return Some(format!("at {uri}"));
    }
    let bytes = STANDARD.decode(image["source"]["bytes"].as_str()?).ok()?.len();
    Some(format!("of {bytes} bytes (image/{format})"))
}
