//! Tools, and how the model may choose among them.

use std::collections::BTreeSet;

use super::{below, fields, object, schema, strings};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Tool, ToolChoice};
use pointsman_sdk::json::{self, Fields};
use serde_json::{Value, json};

/// Before the name of the extra that holds a tool which only Google runs.
pub const HOSTED: &str = "tools.";

/// Search, code, maps, which Google runs itself, become extras: elsewhere they are left out and named, because nothing
/// forces the model to use them.
pub fn tools(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<Vec<Tool>, Fault> {
    let mut tools = Vec::new();
    for (path, value) in top.array("tools")? {
        let mut group = fields(path, value)?;
        for (path, value) in group.array("functionDeclarations")? {
            tools.push(declaration(fields(path, value)?)?);
        }
        extras.extend(group.rest().into_iter().map(|own| Extra { name: format!("{HOSTED}{}", own.name), ..own }));
    }
    Ok(tools)
}

fn declaration(mut tool: Fields) -> Result<Tool, Fault> {
    let name = tool.string("name")?;
    let description = tool.optional_string("description")?;
    let parameters = match (tool.take("parametersJsonSchema"), tool.take("parameters")) {
        (Some(given @ Value::Object(_)), _) => schema::standard(given),
        (Some(_), _) => return Err(json::wrong(tool.at("parametersJsonSchema"), "an object")),
        (None, Some(own)) => schema::json_schema(&tool.at("parameters"), own)?,
        (None, None) => json!({ "type": "object", "properties": {} }),
    };
    Ok(Tool { name, description, parameters: parameters.to_string(), strict: None, extras: tool.rest() })
}

/// `toolConfig`. A choice among some of the tools is said by offering no others.
pub fn choice(top: &mut Fields, tools: &mut Vec<Tool>) -> Result<(Option<ToolChoice>, Vec<Extra>), Fault> {
    let mut extras = Vec::new();
    let Some(mut config) = object(top, "toolConfig")? else { return Ok((None, extras)) };
    let mut choice = None;
    if let Some(mut calling) = object(&mut config, "functionCallingConfig")? {
        let allowed = strings(&mut calling, "allowedFunctionNames")?;
        let mode = calling.optional_string("mode")?.unwrap_or_default().to_ascii_uppercase();
        choice = match (mode.as_str(), allowed.as_slice()) {
            ("" | "MODE_UNSPECIFIED", _) => None,
            ("NONE", _) => Some(ToolChoice::None),
            ("ANY", [name]) => Some(ToolChoice::Named(name.clone())),
            ("ANY", _) => Some(ToolChoice::Required),
            ("AUTO" | "VALIDATED", _) => Some(ToolChoice::Auto),
            _ => return Err(json::wrong(calling.at("mode"), "one of AUTO, ANY, NONE and VALIDATED")),
        };
        if !allowed.is_empty() && matches!(mode.as_str(), "ANY" | "VALIDATED") {
            let declared: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            if let Some(unknown) = allowed.iter().find(|name| !declared.contains(name.as_str())) {
                let what = format!("names of functions that are declared: `{unknown}` is not");
                return Err(json::wrong(calling.at("allowedFunctionNames"), &what));
            }
            if allowed.len() > 1 || mode == "VALIDATED" {
                let allowed: BTreeSet<&String> = allowed.iter().collect();
                tools.retain(|tool| allowed.contains(&tool.name));
            }
        }
        extras.extend(below("toolConfig.functionCallingConfig", calling));
    }
    extras.extend(below("toolConfig", config));
    Ok((choice, extras))
}
