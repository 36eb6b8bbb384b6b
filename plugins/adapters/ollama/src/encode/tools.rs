//! Tools, and the schemas of their arguments and of answers.

use super::{Dropped, unsupported};
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Request, Tool, ToolChoice};
use serde_json::{Map, Value, json};

/// None when there are no tools, or when none may be called: there is no `tool_choice` to say so. That a tool must be
/// called cannot be said either. Where it is one by name, only this one is offered.
pub fn wire(request: &Request, dropped: &mut Dropped) -> Result<Option<Value>, Fault> {
    let mut only = None;
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => return Ok(None),
        Some(ToolChoice::Required | ToolChoice::Named(_)) if request.tools.is_empty() => {
            return Err(unsupported("tool_choice", "a tool must be called, but there are no tools"));
        }
        Some(ToolChoice::Required) => dropped.add("tool_choice"),
        Some(ToolChoice::Named(name)) => {
            dropped.add("tool_choice");
            only = Some(name);
        }
    }
    if request.tools.is_empty() {
        return Ok(None);
    }
    dropped.add_if(request.parallel_tool_calls == Some(false), "parallel_tool_calls");
    let offered = request.tools.iter().enumerate().filter(|(_, each)| only.is_none_or(|name| each.name == *name));
    let tools = offered.map(|(position, each)| tool(each, position, dropped));
    tools.collect::<Result<Value, Fault>>().map(Some)
}

fn tool(tool: &Tool, position: usize, dropped: &mut Dropped) -> Result<Value, Fault> {
    dropped.extras(&tool.extras);
    dropped.add_if(tool.strict == Some(true), "strict");
    let mut function = json!({ "name": tool.name });
    if let Some(description) = &tool.description {
        function["description"] = description.as_str().into();
    }
    let parameters = match tool.parameters.trim() {
        "" => Map::new(),
        text => schema(text, &format!("tools[{position}].parameters"))?,
    };
    function["parameters"] = completed(parameters).into();
    Ok(json!({ "type": "function", "function": function }))
}

/// Templates of models walk over `type` and `properties` without asking whether they are there.
fn completed(mut schema: Map<String, Value>) -> Map<String, Value> {
    schema.entry("type").or_insert_with(|| "object".into());
    schema.entry("properties").or_insert_with(|| json!({}));
    schema
}

/// A schema that is an object: `true`, the schema that takes everything, cannot be said.
pub fn schema(text: &str, path: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text).map_err(|_| unsupported(path, "Ollama takes only a schema that is a JSON object"))
}
