//! The rules for tools and formats.

use serde_json::Value;

use super::super::answer::{Asked, Choice, Tool};
use super::super::openai::rules::{Wrong, missing, unknown, wrong};
use super::super::openai::tools::{check_strict, check_types, is_legal};

/// What calls of some tools look like.
#[derive(Default)]
pub struct Forms {
    /// Names of the tools that take free text.
    pub custom: Vec<String>,
    /// Names of tools, and the namespace of each.
    pub namespaced: Vec<(String, String)>,
}

/// The tools of a list at `list`, of this namespace if they stand in one.
pub fn check_tools(
    list: &str,
    tools: &Value,
    namespace: Option<&str>,
    asked: &mut Asked,
    forms: &mut Forms,
) -> Result<(), Wrong> {
    for (index, tool) in tools.as_array().into_iter().flatten().enumerate() {
        let at = format!("{list}[{index}]");
        let Some(kind) = tool["type"].as_str() else { return missing(format!("{at}.type")) };
        if kind == "namespace" {
            let Some(name) = tool["name"].as_str() else { return missing(format!("{at}.name")) };
            check_tools(&format!("{at}.tools"), &tool["tools"], Some(name), asked, forms)?;
        }
        // The others run where the model is.
        if kind != "function" && kind != "custom" {
            continue;
        }
        let field = format!("{at}.name");
        let Some(name) = tool["name"].as_str().filter(|name| !name.is_empty()) else { return missing(field) };
        let known = ["type", "name", "description", "parameters", "strict", "format", "defer_loading"];
        let mut given = tool.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        if let Some(name) = given.find(|name| !known.contains(name)) {
            return unknown(format!("{at}.{name}"));
        }
        if !is_legal(name) {
            let pattern =
                "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
            return wrong(field.clone(), format!("Invalid '{field}': {pattern}"));
        }
        let (schema, invalid) = (&tool["parameters"], format!("Invalid schema for function '{name}'"));
        let param = format!("{at}.parameters");
        if !schema.is_null() && schema["type"] != "object" {
            return wrong(param, format!("{invalid}: schema must be a JSON Schema of 'type: \"object\"'."));
        }
        check_types(&invalid, &param, schema)?;
        if tool["strict"] == true {
            check_strict(&invalid, &param, schema)?;
        }
        if kind == "custom" {
            forms.custom.push(name.to_owned());
        }
        forms.namespaced.extend(namespace.map(|namespace| (name.to_owned(), namespace.to_owned())));
        asked.tools.push(Tool { name: name.to_owned(), schema: schema.clone() });
    }
    Ok(())
}

pub fn check_choice(choice: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    let is_known = |name: &str| asked.tools.iter().any(|tool| tool.name == name);
    let kind = choice["type"].as_str();
    let mode = choice.as_str().or(choice["mode"].as_str().filter(|_| kind == Some("allowed_tools")));
    let named = choice["name"].as_str();
    if mode == Some("required") && asked.tools.is_empty() {
        return wrong("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.");
    }
    asked.choice = match (mode, named) {
        _ if choice.is_null() => Choice::Auto,
        (Some("auto"), _) => Choice::Auto,
        (Some("none"), _) => Choice::None,
        (Some("required"), _) => Choice::Any,
        (Some(mode), _) => {
            return wrong(
                "tool_choice",
                format!("Invalid value: '{mode}'. Supported values are: 'none', 'auto', and 'required'."),
            );
        }
        (None, Some(name)) if is_known(name) => Choice::Named(name.to_owned()),
        (None, _) if matches!(kind, Some("function" | "custom")) && named.is_none() => {
            return missing("tool_choice.name");
        }
        (None, Some(_)) => return wrong("tool_choice", "Tool choice 'function' not found in 'tools' parameter."),
        // A tool that runs where the model is.
        (None, None) => Choice::Auto,
    };
    Ok(())
}

/// After the items, because JSON must have been spoken of in them.
pub fn check_format(body: &Value, asked: &mut Asked) -> Result<(), Wrong> {
    let mut given = body["text"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| !["format", "verbosity"].contains(name)) {
        return unknown(format!("text.{name}"));
    }
    let format = &body["text"]["format"];
    match format["type"].as_str() {
        Some("json_schema") => {}
        Some("json_object") if !body["input"].to_string().to_lowercase().contains("json") => {
            let rule = "to use 'text.format' of type 'json_object'.";
            return wrong("input", format!("Response input messages must contain the word 'json' in some form {rule}"));
        }
        None if !format.is_null() => return missing("text.format.type"),
        kind => {
            asked.json = kind == Some("json_object");
            return Ok(());
        }
    }
    let mut given = format.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(name) = given.find(|name| !["type", "name", "schema", "strict", "description"].contains(name)) {
        return unknown(format!("text.format.{name}"));
    }
    let field = "text.format.name";
    let Some(name) = format["name"].as_str().filter(|name| !name.is_empty()) else { return missing(field) };
    if !is_legal(name) {
        let pattern = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
        return wrong(field, format!("Invalid '{field}': {pattern}"));
    }
    let schema = &format["schema"];
    if !schema.is_object() {
        return missing("text.format.schema");
    }
    let invalid = format!("Invalid schema for response_format '{name}'");
    check_types(&invalid, "text.format.schema", schema)?;
    if format["strict"] == true {
        check_strict(&invalid, "text.format.schema", schema)?;
    }
    asked.schema = Some(schema.clone());
    Ok(())
}
