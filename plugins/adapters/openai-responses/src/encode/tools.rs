//! Tools, and the shape that the answer must have: the fields that carry JSON schemas.

use std::collections::BTreeSet;

use super::{Dropped, unsupported};
use crate::client_tools::ClientTool;
use crate::{FOUND, NAMESPACE, TOOL_SEARCH};
use pointsman_sdk::codec::chat::{Extra, JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::freeform;
use pointsman_sdk::schema::fold_choices;
use serde_json::{Map, Value, json};

const NAME_CHARS_MAX: usize = 64;

pub fn list(tools: Vec<Tool>, dropped: &mut Dropped) -> Result<Vec<Value>, Fault> {
    let mut list: Vec<Value> = Vec::new();
    for (position, mut tool) in tools.into_iter().enumerate() {
        let at = format!("tools[{position}]");
        if !dropped.is_own {
            list.push(function(&at, tool, dropped)?);
            continue;
        }
        if take(&mut tool.extras, FOUND).is_some() {
            continue;
        }
        let Some(Value::Object(mut namespace)) = take(&mut tool.extras, NAMESPACE) else {
            list.push(own(&at, tool, dropped)?);
            continue;
        };
        let name = namespace.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        tool.name = name_in(&name, &tool.name);
        let wire = own(&at, tool, dropped)?;
        // Tools of one namespace stand together, as the caller wrote them.
        let is_same = |last: &&mut Value| last["type"] == NAMESPACE && last["name"] == name.as_str();
        match list.last_mut().filter(is_same).and_then(|last| last["tools"].as_array_mut()) {
            Some(tools) => tools.push(wire),
            None => {
                namespace.insert("type".into(), NAMESPACE.into());
                namespace.insert("tools".into(), vec![wire].into());
                list.push(Value::Object(namespace));
            }
        }
    }
    Ok(list)
}

/// The tools that only this protocol's provider runs, as the caller wrote them, and what `read` noted of their items.
pub fn hosted(extras: &mut Vec<Extra>) -> Vec<Value> {
    let mut hosted = Vec::new();
    extras.retain(|extra| {
        if extra.name.starts_with("tools.") {
            hosted.extend(serde_json::from_str::<Value>(&extra.value));
        }
        !extra.name.starts_with("tools.") && !extra.name.starts_with("input.")
    });
    hosted
}

/// The extra of this name, taken out.
pub fn take(extras: &mut Vec<Extra>, name: &str) -> Option<Value> {
    let position = extras.iter().position(|extra| extra.name == name)?;
    serde_json::from_str(&extras.remove(position).value).ok()
}

/// What `read` made a tool's flat name of.
pub fn name_in(namespace: &str, flat: &str) -> String {
    let rest = flat.strip_prefix(namespace).unwrap_or(flat);
    if namespace.ends_with('_') { rest } else { rest.strip_prefix("__").unwrap_or(rest) }.to_owned()
}

/// A tool of a caller of this protocol, which may be more than a function.
fn own(at: &str, mut tool: Tool, dropped: &mut Dropped) -> Result<Value, Fault> {
    let Some(Value::String(kind)) = take(&mut tool.extras, "type") else { return function(at, tool, dropped) };
    let mut wire = json!({"type": kind});
    if ClientTool::named(&kind).is_some() {
        dropped.extras(tool.extras, &mut wire);
        return Ok(wire);
    }
    if kind == TOOL_SEARCH {
        wire["parameters"] = schema(&format!("{at}.parameters"), &tool.parameters)?;
    } else {
        wire["name"] = tool.name.into();
    }
    if let Some(description) = tool.description {
        wire["description"] = description.into();
    }
    dropped.extras(tool.extras, &mut wire);
    Ok(wire)
}

fn function(at: &str, tool: Tool, dropped: &mut Dropped) -> Result<Value, Fault> {
    if !is_name(&tool.name) {
        let message = format!("OpenAI takes tool names of 1 to {NAME_CHARS_MAX} letters, digits, `_` and `-`");
        return Err(unsupported(format!("{at}.name"), message));
    }
    let mut function = Map::new();
    function.insert("type".into(), "function".into());
    function.insert("name".into(), tool.name.into());
    if let Some(description) = tool.description {
        function.insert("description".into(), description.into());
    }
    let mut parameters = schema(&format!("{at}.parameters"), &tool.parameters)?;
    if let (false, Value::Object(parameters)) = (dropped.is_own, &mut parameters) {
        fold_choices(parameters);
    }
    function.insert("parameters".into(), parameters);
    // Without a word this API is strict, unlike all others, and refuses schemas that they allow. Its own callers know.
    if let Some(strict) = tool.strict.or((!dropped.is_own).then_some(false)) {
        function.insert("strict".into(), strict.into());
    }
    let mut function = Value::Object(function);
    dropped.extras(tool.extras, &mut function);
    Ok(function)
}

/// A choice without tools is left out where it says nothing, and refused where it asks for a call.
pub fn choice(
    choice: Option<ToolChoice>,
    tools: &[Tool],
    has_tools: bool,
    is_own: bool,
) -> Result<Option<Value>, Fault> {
    Ok(match choice {
        None => None,
        Some(ToolChoice::Auto) => Some("auto".into()),
        Some(ToolChoice::None) => Some("none".into()),
        Some(_) if !has_tools => {
            return Err(fault_at(FaultKind::InvalidRequest, "tool_choice", "a tool must be called, but there is none"));
        }
        Some(ToolChoice::Required) => Some("required".into()),
        Some(ToolChoice::Named(name)) if is_own && is_client_tool(tools, &name) => Some(json!({"type": name})),
        Some(ToolChoice::Named(name)) => {
            let is_custom = is_own && tools.iter().any(|tool| tool.name == name && freeform::is_marked(&tool.extras));
            Some(json!({"type": if is_custom { freeform::KIND } else { "function" }, "name": name}))
        }
    })
}

fn is_client_tool(tools: &[Tool], name: &str) -> bool {
    let kind = Extra { name: "type".into(), value: Value::from(name).to_string() };
    ClientTool::named(name).is_some() && tools.iter().any(|tool| tool.name == name && tool.extras.contains(&kind))
}

/// The `text.format`.
pub fn format(output: OutputFormat, is_own: bool) -> Result<Option<Value>, Fault> {
    match output {
        OutputFormat::Text => Ok(None),
        OutputFormat::JsonObject => Ok(Some(json!({"type": "json_object"}))),
        OutputFormat::JsonSchema(format) => json_schema(format, is_own).map(Some),
    }
}

fn json_schema(format: JsonSchema, is_own: bool) -> Result<Value, Fault> {
    let schema = schema("output.schema", &format.schema)?;
    // Other protocols are strict without saying so; OpenAI's strictness refuses schemas that theirs allows.
    let strict = format.strict.or_else(|| (!is_own).then(|| fits_strict(&schema)));
    let mut wire = Map::new();
    wire.insert("type".into(), "json_schema".into());
    // OpenAI requires a name, with the same rules as a tool's; only people read it.
    wire.insert("name".into(), format.name.filter(|name| is_name(name)).unwrap_or_else(|| "response".into()).into());
    if let Some(description) = format.description {
        wire.insert("description".into(), description.into());
    }
    wire.insert("schema".into(), schema);
    if let Some(strict) = strict {
        wire.insert("strict".into(), strict.into());
    }
    Ok(Value::Object(wire))
}

fn schema(at: &str, text: &str) -> Result<Value, Fault> {
    match serde_json::from_str(text) {
        Ok(Value::Object(schema)) => Ok(Value::Object(schema)),
        _ => Err(fault_at(FaultKind::InvalidRequest, at, "a JSON schema must be a JSON object")),
    }
}

pub fn is_name(name: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether OpenAI's strict mode takes the schema: at every level, objects name all their keys as required and allow no
/// others.
fn fits_strict(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(fits_strict),
        Value::Object(map) => {
            let is_object = map.get("type").is_some_and(|kind| kind == "object");
            (!is_object || is_closed(map)) && map.values().all(fits_strict)
        }
        _ => true,
    }
}

fn is_closed(object: &Map<String, Value>) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    let required: BTreeSet<&str> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let is_required = |name: &String| required.contains(name.as_str());
    let all_required = match object.get("properties") {
        Some(Value::Object(properties)) => properties.keys().all(is_required),
        _ => true,
    };
    all_required && object.get("additionalProperties") == Some(&Value::Bool(false))
}
