//! Tools, and how the model may choose among them.

use super::{Extras, schema};
use crate::read::tools::HOSTED;
use pointsman_sdk::codec::chat::{Request, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

const NAME_CHARS_MAX: usize = 128;

pub fn insert(body: &mut Map<String, Value>, request: &Request, extras: &mut Extras) -> Result<(), Fault> {
    let hosted: Vec<Value> = hosted(request, extras);
    if request.tools.is_empty() && hosted.is_empty() {
        // Without tools there is nothing to choose, and the API refuses a choice.
        return Ok(());
    }
    let tools = request.tools.iter().enumerate().map(|(i, each)| tool(each, i, extras));
    let mut tools = tools.collect::<Result<Vec<Value>, Fault>>()?;
    tools.extend(hosted);
    body.insert("tools".into(), tools.into());
    if let Some(choice) = choice(request) {
        body.insert("tool_choice".into(), choice);
    }
    Ok(())
}

/// The tool that searches the web in its first version: what Vertex AI has of it
/// (docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/web-search).
const WEB_SEARCH_ON_VERTEX: &str = "web_search_20250305";
const TOOL_SEARCH: &str = "tool_search";

/// Tools that only Anthropic runs, as the caller wrote them. Bedrock runs none of them but the search for tools
/// (docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-tool-use.html), Vertex AI the search of
/// the web besides; both refuse a request with any other (web fetch, code execution).
fn hosted(request: &Request, extras: &mut Extras) -> Vec<Value> {
    let mut hosted = Vec::new();
    let own = extras.own;
    for extra in request.extras.iter().filter(|extra| own && extra.name.starts_with(HOSTED)) {
        let searches_web = !extras.bedrock && extra.name.ends_with(WEB_SEARCH_ON_VERTEX);
        let taken = !extras.cloud || extra.name.contains(TOOL_SEARCH) || searches_web;
        match serde_json::from_str(&extra.value) {
            Ok(tool) if taken => hosted.push(tool),
            _ => extras.drop(&extra.name),
        }
    }
    hosted
}

fn tool(tool: &Tool, position: usize, extras: &mut Extras) -> Result<Value, Fault> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if tool.name.is_empty() || tool.name.len() > NAME_CHARS_MAX || !tool.name.chars().all(is_legal) {
        let message = "Anthropic takes tool names of 1 to 128 letters, digits, `_` and `-`";
        return Err(fault_at(FaultKind::Unsupported, format!("tools[{position}].name"), message));
    }
    let mut wire = json!({ "name": tool.name });
    if extras.own && tool.extras.iter().any(|extra| extra.name == "type") {
        // Claude knows it by its type.
        extras.put(&tool.extras, &mut wire);
        return Ok(wire);
    }
    if let Some(description) = &tool.description {
        wire["description"] = description.as_str().into();
    }
    wire["input_schema"] =
        schema::of_arguments(&tool.parameters, &format!("tools[{position}].parameters"), extras.own)?;
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
