//! Tools, and how the model may choose among them.

use super::below;
use pointsman_sdk::codec::chat::{Extra, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

pub fn tools(top: &mut Fields) -> Result<Vec<Tool>, Fault> {
    top.array("tools")?.into_iter().map(|(path, value)| tool(Fields::new(path, value)?)).collect()
}

fn tool(mut fields: Fields) -> Result<Tool, Fault> {
    if let Some(kind) = fields.optional_string("type")?.filter(|kind| kind != "custom") {
        let message = format!("`{kind}` is a tool that Anthropic runs itself, and this request goes elsewhere");
        return Err(fault_at(FaultKind::Unsupported, fields.at("type"), message));
    }
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
