//! Tools, and how the model may choose among them.

use super::below;
use crate::client;
use pointsman_sdk::codec::chat::{Extra, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

/// Before the name of the extra that holds a tool which only Anthropic runs.
pub const HOSTED: &str = "tools.";

/// Tools that Anthropic runs, such as `web_search`, become extras: elsewhere they are left out and named, because nothing
/// forces the model to use them.
pub fn tools(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (path, value) in top.array("tools")? {
        let kind = value["type"].as_str().unwrap_or("custom").to_owned();
        if kind == "custom" || client::schema(&kind).is_some() {
            tools.push(tool(Fields::new(path, value)?, &kind)?);
        } else {
            extras.push(Extra { name: format!("{HOSTED}{kind}"), value: value.to_string() });
        }
    }
    Ok(tools)
}

fn tool(mut fields: Fields, kind: &str) -> Result<Tool, Fault> {
    if let Some(parameters) = client::schema(kind) {
        // Claude knows these by their type, others by the schema.
        let (name, description) = (fields.string("name")?, Some(client::description(kind).to_owned()));
        return Ok(Tool { name, description, parameters: parameters.to_string(), strict: None, extras: fields.rest() });
    }
    fields.take("type");
    let parameters = match fields.required("input_schema")? {
        Value::Object(schema) => Value::Object(schema).to_string(),
        _ => return Err(json::wrong(fields.at("input_schema"), "an object")),
    };
    Ok(Tool {
        name: fields.string("name")?,
        description: fields.optional_string("description")?,
        parameters,
        strict: fields.bool("strict")?,
        extras: fields.rest(),
    })
}

/// A tool that only Anthropic runs cannot be called elsewhere.
pub fn check_choice(choice: Option<&ToolChoice>, tools: &[Tool], extras: &[Extra]) -> Result<(), Fault> {
    let hosted = |extra: &Extra| extra.name.starts_with(HOSTED);
    let is_lost = match choice {
        Some(ToolChoice::Required) => tools.is_empty() && extras.iter().any(hosted),
        Some(ToolChoice::Named(name)) => {
            let is_it = |extra: &Extra| {
                let tool: Value = serde_json::from_str(&extra.value).unwrap_or_default();
                hosted(extra) && tool["name"] == name.as_str()
            };
            tools.iter().all(|tool| tool.name != *name) && extras.iter().any(is_it)
        }
        _ => false,
    };
    if is_lost {
        let message = "a tool that Anthropic runs itself must be called, and this request goes elsewhere";
        return Err(fault_at(FaultKind::Unsupported, "tool_choice", message));
    }
    Ok(())
}

/// The choice, and whether tools may be called side by side where the caller says so.
pub fn choice(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<(Option<ToolChoice>, Option<bool>), Fault> {
    let Some(mut fields) = top.object("tool_choice")? else { return Ok((None, None)) };
    let choice = match fields.string("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(fields.string("name")?),
        _ => return Err(json::wrong(fields.at("type"), "one of auto, any, tool and none")),
    };
    let parallel = fields.bool("disable_parallel_tool_use")?.map(|disabled| !disabled);
    extras.extend(below("tool_choice", fields));
    Ok((Some(choice), parallel))
}
