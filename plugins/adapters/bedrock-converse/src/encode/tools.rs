//! `toolConfig`: tools, and how the model may choose among them.

use super::{Notes, schema, unsupported};
use crate::ids;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Part, Request, Tool, ToolChoice};
use pointsman_adapter_sdk::names::Names;
use serde_json::{Map, Value, json};

/// Of a tool that stands only in the history.
const GONE: &str = "This tool was used earlier and is not available any more: do not call it.";

/// Empty when there is nothing to configure.
pub fn config(request: &Request, notes: &mut Notes) -> Result<Map<String, Value>, Fault> {
    let mut config = Map::new();
    let mut tools = Vec::new();
    // There is no word for "none": the tools are not told then.
    if request.tool_choice != Some(ToolChoice::None) {
        for (position, tool) in request.tools.iter().enumerate() {
            tools.push(spec(tool, position)?);
            tools.extend(notes.cache_point(&tool.extras));
        }
    }
    if tools.is_empty() {
        let tools = stubs(request);
        if !tools.is_empty() {
            config.insert("tools".into(), tools.into());
        }
        return match &request.tool_choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => {
                Err(unsupported("tool_choice", "a tool must be called, but there are no tools"))
            }
            _ => Ok(config),
        };
    }
    config.insert("tools".into(), tools.into());
    notes.drop_if(request.parallel_tool_calls == Some(false), "parallel_tool_calls");
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::None) => return Ok(config),
        Some(ToolChoice::Auto) => json!({ "auto": {} }),
        Some(ToolChoice::Required) => json!({ "any": {} }),
        Some(ToolChoice::Named(name)) => json!({ "tool": { "name": name } }),
    };
    config.insert("toolChoice".into(), choice);
    Ok(config)
}

fn spec(tool: &Tool, position: usize) -> Result<Value, Fault> {
    if !ids::is_tool_name(&tool.name) {
        let message = "Bedrock takes tool names of 1 to 64 letters, digits, `_` and `-`";
        return Err(unsupported(&format!("tools[{position}].name"), message));
    }
    let mut spec = json!({ "name": tool.name });
    // An empty description is refused, none is fine.
    if let Some(description) = tool.description.as_deref().filter(|text| !text.trim().is_empty()) {
        spec["description"] = description.into();
    }
    let schema = schema::of_arguments(&tool.parameters, &format!("tools[{position}].parameters"))?;
    spec["inputSchema"] = json!({ "json": schema });
    if tool.strict == Some(true) {
        spec["strict"] = true.into();
    }
    Ok(json!({ "toolSpec": spec }))
}

/// Bedrock refuses a history with calls or results when no tools are told: each that was used is told of, once.
fn stubs(request: &Request) -> Vec<Value> {
    let mut names = Names::default();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        let Part::ToolCall(call) = part else { continue };
        names.add(&ids::tool(&call.name));
    }
    let stub = |name| {
        let schema = json!({ "json": { "type": "object" } });
        json!({ "toolSpec": { "name": name, "description": GONE, "inputSchema": schema } })
    };
    names.into_list().into_iter().map(stub).collect()
}
