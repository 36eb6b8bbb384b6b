//! Tools, and the shape that the answer must have: the fields that carry JSON schemas.

use super::{Dropped, unsupported};
use pointsman_sdk::codec::chat::{JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

const NAME_CHARS_MAX: usize = 64;

pub fn list(tools: Vec<Tool>, dropped: &mut Dropped) -> Result<Vec<Value>, Fault> {
    let function = |(position, tool)| function(&format!("tools[{position}]"), tool, dropped);
    tools.into_iter().enumerate().map(function).collect()
}

fn function(at: &str, tool: Tool, dropped: &mut Dropped) -> Result<Value, Fault> {
    // A shorter name would come back in the reply, where nobody remembers the long one.
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
    function.insert("parameters".into(), schema(&format!("{at}.parameters"), &tool.parameters)?);
    // Without a word this API is strict, unlike all others, and refuses schemas that they allow. Its own callers know.
    if let Some(strict) = tool.strict.or((!dropped.is_own).then_some(false)) {
        function.insert("strict".into(), strict.into());
    }
    let mut function = Value::Object(function);
    dropped.extras(tool.extras, &mut function);
    Ok(function)
}

/// A choice without tools is left out where it says nothing, and refused where it asks for a call.
pub fn choice(choice: Option<ToolChoice>, no_tools: bool) -> Result<Option<Value>, Fault> {
    Ok(match choice {
        None => None,
        Some(ToolChoice::Auto) => Some("auto".into()),
        Some(ToolChoice::None) => Some("none".into()),
        Some(_) if no_tools => {
            return Err(fault_at(FaultKind::InvalidRequest, "tool_choice", "a tool must be called, but there is none"));
        }
        Some(ToolChoice::Required) => Some("required".into()),
        Some(ToolChoice::Named(name)) => Some(json!({"type": "function", "name": name})),
    })
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

fn is_name(name: &str) -> bool {
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
    let is_required = |name: &String| required.is_some_and(|names| names.iter().any(|required| required == name));
    let all_required = match object.get("properties") {
        Some(Value::Object(properties)) => properties.keys().all(is_required),
        _ => true,
    };
    all_required && object.get("additionalProperties") == Some(&Value::Bool(false))
}
