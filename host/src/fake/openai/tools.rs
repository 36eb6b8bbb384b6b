//! The rules for tools, and for the names and schemas that formats have in common with them.

use serde_json::Value;

use super::super::answer::{Asked, Choice, Tool};
use super::super::schema::{is_all_required, is_closed, unknown_type};
use super::rules::{Wrong, is_given, missing, wrong};

const NAME_CHARS_MAX: usize = 64;

pub fn check_tools(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    if body["tools"].as_array().is_some_and(Vec::is_empty) {
        return wrong(
            "tools",
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        );
    }
    for (position, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let kind = match tool["type"].as_str() {
            Some(kind @ ("function" | "custom")) => kind,
            Some(kind) => return wrong(format!("tools[{position}].type"), format!("Invalid value: '{kind}'.")),
            None => return missing(format!("tools[{position}].type")),
        };
        let field = format!("tools[{position}].{kind}.name");
        let Some(name) = tool[kind]["name"].as_str().filter(|name| !name.is_empty()) else { return missing(field) };
        if !is_legal(name) {
            return wrong(
                field.clone(),
                format!("Invalid '{field}': string does not match pattern '^[a-zA-Z0-9_-]+$' or is too long."),
            );
        }
        if asked.tools.iter().any(|known| known.name == name) {
            return wrong(field, format!("Tool names must be unique: '{name}'."));
        }
        let schema = &tool[kind]["parameters"];
        let (invalid, param) =
            (format!("Invalid schema for function '{name}'"), format!("tools[{position}].function.parameters"));
        if !schema.is_null() && schema["type"] != "object" {
            return wrong(param, format!("{invalid}: schema must be a JSON Schema of 'type: \"object\"'."));
        }
        check_types(&invalid, &param, schema)?;
        if tool[kind]["strict"] == true {
            check_strict(&invalid, &param, schema)?;
        }
        asked.tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    Ok(())
}

pub fn check_choice(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    for field in ["tool_choice", "parallel_tool_calls"] {
        if asked.tools.is_empty() && is_given(body, field) {
            return wrong(
                field,
                format!("Invalid value for '{field}': '{field}' is only allowed when 'tools' are specified."),
            );
        }
    }
    let choice = &body["tool_choice"];
    let mode = choice.as_str().or(choice["allowed_tools"]["mode"].as_str());
    asked.choice = match (mode, choice["function"]["name"].as_str().or(choice["custom"]["name"].as_str())) {
        (None | Some("auto"), None) => Choice::Auto,
        (Some("required"), _) => Choice::Any,
        (Some("none"), _) => Choice::None,
        (None, Some(name)) if asked.tools.iter().any(|tool| tool.name == name) => Choice::Named(name.to_owned()),
        (None, Some(name)) => {
            return wrong("tool_choice", format!("Tool choice '{name}' not found in 'tools' parameter."));
        }
        _ => return wrong("tool_choice", format!("Invalid value for 'tool_choice': {choice}.")),
    };
    Ok(())
}

/// What `strict` demands of a schema. Which one it is stands in `invalid`.
/// What the API says of a schema with a type that JSON Schema does not have.
pub fn check_types(invalid: &str, param: &str, schema: &Value) -> Result<(), Wrong> {
    match unknown_type(schema) {
        Some(name) => wrong(param, format!("{invalid}: '{name}' is not valid under any of the given schemas.")),
        None => Ok(()),
    }
}

pub fn check_strict(invalid: &str, param: &str, schema: &Value) -> Result<(), Wrong> {
    if !is_closed(schema) {
        return wrong(param, format!("{invalid}: 'additionalProperties' is required to be supplied and to be false."));
    }
    if !is_all_required(schema) {
        let rule = "'required' is required to be supplied and to be an array including every key in properties.";
        return wrong(param, format!("{invalid}: {rule}"));
    }
    Ok(())
}

/// Names of tools and of formats.
pub fn is_legal(name: &str) -> bool {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    letters && name.len() <= NAME_CHARS_MAX
}
