//! Tools, and how the model may choose among them.

use super::{Extras, schema};
use pointsman_sdk::codec::chat::{Request, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

const NAME_CHARS_MAX: usize = 128;

pub fn insert(body: &mut Map<String, Value>, request: &Request, extras: &mut Extras) -> Result<(), Fault> {
    if request.tools.is_empty() {
        // Without tools there is nothing to choose, and the API refuses a choice.
        return Ok(());
    }
    let tools = request.tools.iter().enumerate().map(|(i, each)| tool(each, i, extras));
    body.insert("tools".into(), tools.collect::<Result<Value, Fault>>()?);
    if let Some(choice) = choice(request) {
        body.insert("tool_choice".into(), choice);
    }
    Ok(())
}

fn tool(tool: &Tool, position: usize, extras: &mut Extras) -> Result<Value, Fault> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if tool.name.is_empty() || tool.name.len() > NAME_CHARS_MAX || !tool.name.chars().all(is_legal) {
        let message = "Anthropic takes tool names of 1 to 128 letters, digits, `_` and `-`";
        return Err(fault_at(FaultKind::Unsupported, format!("tools[{position}].name"), message));
    }
    let mut wire = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        wire["description"] = description.as_str().into();
    }
    wire["input_schema"] = schema::of_arguments(&tool.parameters, &format!("tools[{position}].parameters"))?;
    if let Some(strict) = tool.strict.filter(|strict| *strict || extras.own) {
        wire["strict"] = strict.into();
    }
    extras.put(&tool.extras, &mut wire);
    Ok(wire)
}

fn choice(request: &Request) -> Option<Value> {
    let one_at_a_time = request.parallel_tool_calls == Some(false);
    let mut choice = match &request.tool_choice {
        Some(ToolChoice::None) => return Some(json!({ "type": "none" })),
        Some(ToolChoice::Required) => json!({ "type": "any" }),
        Some(ToolChoice::Named(name)) => json!({ "type": "tool", "name": name }),
        Some(ToolChoice::Auto) => json!({ "type": "auto" }),
        None if one_at_a_time => json!({ "type": "auto" }),
        None => return None,
    };
    if one_at_a_time {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Some(choice)
}
