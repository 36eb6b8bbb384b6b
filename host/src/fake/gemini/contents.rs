//! The rules for what was said, and what is read from it. Names are in camel case already.

use serde_json::Value;

use super::super::Protocol;
use super::super::answer::{Asked, join};
use super::super::seal::opened;
use super::pairs;
use super::shape::decoded;

/// Accepted in the place of a signature for calls that another model made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// What a part may be; exactly one of them.
const DATA: &[&str] =
    &["text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult"];
const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

pub fn check(contents: &Value, asked: &mut Asked) -> Result<(), String> {
    let contents = contents.as_array().filter(|contents| !contents.is_empty());
    let contents = contents.ok_or("* GenerateContentRequest.contents: contents is not specified")?;
    for (index, content) in contents.iter().enumerate() {
        let role = content["role"].as_str();
        let is_alone = role.is_none() && contents.len() == 1;
        if !is_alone && !matches!(role, Some("user" | "model")) {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        let parts = content["parts"]
            .as_array()
            .filter(|parts| !parts.is_empty())
            .ok_or(format!("* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty."))?;
        for (position, part) in parts.iter().enumerate() {
            check_part(&format!("contents[{index}].parts[{position}]"), role == Some("model"), part)?;
        }
    }
    pairs::check(contents)?;
    if asked.model.starts_with("gemini-3") {
        check_signatures(contents)?;
    }
    let turn = contents.iter().rposition(|content| content["role"] == "model").map_or(0, |model| model + 1);
    contents[turn..].iter().for_each(|content| read(content, asked));
    Ok(())
}

/// Instructions are text only.
pub fn check_system(system: &Value, asked: &mut Asked) -> Result<(), String> {
    for (position, part) in system["parts"].as_array().into_iter().flatten().enumerate() {
        let at = format!("system_instruction.parts[{position}]");
        check_part(&at, false, part)?;
        let text = part["text"].as_str().ok_or(format!("* GenerateContentRequest.{at}: only text is supported."))?;
        asked.system = join(&asked.system, text);
    }
    Ok(())
}

fn check_part(at: &str, from_model: bool, part: &Value) -> Result<(), String> {
    let mut data = DATA.iter().filter(|field| part.get(**field).is_some());
    let Some(kind) = data.next() else {
        let rule = "required oneof field 'data' must have one initialized field";
        return Err(format!("* GenerateContentRequest.{at}.data: {rule}"));
    };
    if let Some(other) = data.next() {
        let rule = "oneof field 'data' is already set. Cannot set";
        return Err(format!("Invalid value at '{at}' (oneof), {rule} '{other}'"));
    }
    let inner = &part[*kind];
    let signature = part["thoughtSignature"].as_str();
    if signature.is_some_and(|signature| signature != NO_SIGNATURE && opened(Protocol::Gemini, signature).is_none()) {
        return Err("Corrupted thought signature.".to_owned());
    }
    match *kind {
        // The model's own turns may have it: its streams end with an empty text, which its SDK sends back.
        "text" if inner == "" && signature.is_none() && !from_model => Err(format!(
            "Unable to submit request because it has an empty text parameter at {at}. Add a value to the parameter and \
             try again."
        )),
        "inlineData" => check_inline(&format!("{at}.inline_data"), inner),
        "fileData" if inner["fileUri"].as_str().is_none_or(str::is_empty) => {
            Err(format!("* GenerateContentRequest.{at}.file_data.file_uri: must not be empty"))
        }
        "functionCall" if !from_model => {
            Err("Please ensure that function call turn contains only model role.".to_owned())
        }
        "functionResponse" if from_model => {
            Err("Please ensure that function response turn contains only user role.".to_owned())
        }
        "functionCall" | "functionResponse" if inner["name"].as_str().is_none_or(str::is_empty) => {
            let field = if *kind == "functionCall" { "function_call" } else { "function_response" };
            Err(format!("* GenerateContentRequest.{at}.{field}.name: Name cannot be empty."))
        }
        "functionResponse" => check_response(&format!("{at}.function_response"), inner),
        _ => Ok(()),
    }
}

fn check_inline(at: &str, data: &Value) -> Result<(), String> {
    let kind = data["mimeType"].as_str().unwrap_or_default();
    let known = ["audio/", "video/", "text/"].iter().any(|family| kind.starts_with(family));
    if !known && kind != "application/pdf" && !IMAGES.contains(&kind) {
        return Err(format!("Unsupported MIME type: {kind}"));
    }
    if data["data"].as_str().and_then(decoded).is_none_or(|bytes| bytes.is_empty()) {
        return Err(format!("* GenerateContentRequest.{at}.data: must not be empty"));
    }
    Ok(())
}

/// What looks like a reference in it must be one, to a medium that came with the response.
fn check_response(at: &str, response: &Value) -> Result<(), String> {
    if response.get("response").is_none() {
        return Err(format!("* GenerateContentRequest.{at}.response: must not be empty"));
    }
    let parts: Vec<&Value> = response["parts"].as_array().into_iter().flatten().collect();
    for (position, part) in parts.iter().enumerate().filter(|(_, part)| part.get("inlineData").is_some()) {
        check_inline(&format!("{at}.parts[{position}].inline_data"), &part["inlineData"])?;
    }
    let mut references = Vec::new();
    collect_references(&response["response"], &mut references);
    let is_named = |name: &str| {
        parts.iter().any(|part| part["inlineData"]["displayName"] == name || part["fileData"]["displayName"] == name)
    };
    match references.into_iter().find(|name| !is_named(name)) {
        Some(name) => Err(format!("Invalid value at '{at}.response': the reference \"{name}\" names no part")),
        None => Ok(()),
    }
}

fn collect_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// Since the user spoke last, every step that calls functions begins with a call that is signed.
///
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
fn check_signatures(contents: &[Value]) -> Result<(), String> {
    let parts = |content: &Value| content["parts"].as_array().cloned().unwrap_or_default();
    let speaks = |content: &Value| {
        content["role"] != "model" && parts(content).iter().any(|part| part.get("functionResponse").is_none())
    };
    let begin = contents.iter().rposition(speaks).unwrap_or(0);
    for (index, content) in contents.iter().enumerate().skip(begin) {
        let parts = parts(content);
        let Some(call) = parts.iter().find(|part| part.get("functionCall").is_some()) else { continue };
        let name = call["functionCall"]["name"].as_str().unwrap_or_default();
        match call["thoughtSignature"].as_str() {
            Some(NO_SIGNATURE) => {}
            Some(signature) if opened(Protocol::Gemini, signature).as_deref() == Some(name) => {}
            Some(_) => return Err("Thought signature is not valid.".to_owned()),
            None => {
                return Err(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to \
                     work correctly, and missing thought_signature may lead to degraded model performance. Additional \
                     data, function call `default_api:{name}` , position {}. Please refer to \
                     https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                    index + 1
                ));
            }
        }
    }
    Ok(())
}

fn read(content: &Value, asked: &mut Asked) {
    for part in content["parts"].as_array().into_iter().flatten() {
        asked.user = join(&asked.user, part["text"].as_str().unwrap_or_default());
        asked.images.extend(described(part));
        let response = &part["functionResponse"];
        if response.is_object() {
            asked.results.push(said(&response["response"]));
            asked.images.extend(response["parts"].as_array().into_iter().flatten().filter_map(described));
        }
    }
}

/// The text of a result, if it is in one of the places where results usually are.
fn said(response: &Value) -> String {
    let only = ["output", "result", "error", "content"].iter().find_map(|name| response[*name].as_str());
    only.map_or_else(|| response.to_string(), str::to_owned)
}

fn described(part: &Value) -> Option<String> {
    if let Some(uri) = part["fileData"]["fileUri"].as_str() {
        return Some(format!("at {uri}"));
    }
    let kind = part["inlineData"]["mimeType"].as_str()?;
    Some(format!("of {} bytes ({kind})", decoded(part["inlineData"]["data"].as_str()?)?.len()))
}
