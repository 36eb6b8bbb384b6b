//! The rules for tools.

use serde_json::Value;

use super::super::answer::{Asked, Choice, Tool};
use super::messages::is_legal;

pub fn check_tools(body: &Value, asked: &mut Asked) -> Result<(), String> {
    for (position, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        let at = format!("tools.{position}");
        let name = tool["name"].as_str().ok_or(format!("{at}.name: Field required"))?;
        if name.is_empty() || name.len() > 128 || !is_legal(name) {
            return Err(format!("{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"));
        }
        let server_tool = tool["type"].as_str().is_some_and(|kind| kind != "custom");
        if !server_tool && tool["input_schema"]["type"] != "object" {
            return Err(format!("{at}.custom.input_schema.type: Input should be 'object'"));
        }
        let top = ["anyOf", "oneOf", "allOf"].into_iter().find(|keyword| tool["input_schema"].get(keyword).is_some());
        if !server_tool && top.is_some() {
            let rule = "input_schema does not support oneOf, allOf, or anyOf at the top level";
            return Err(format!("{at}.custom.input_schema: {rule}"));
        }
        if asked.tools.iter().any(|known| known.name == name) {
            return Err("tools: Tool names must be unique.".to_owned());
        }
        asked.tools.push(Tool { name: name.to_owned(), schema: tool["input_schema"].clone() });
    }
    let choice = &body["tool_choice"];
    if choice.is_null() {
        return Ok(());
    }
    if asked.tools.is_empty() {
        return Err("tool_choice: may only be specified while providing tools".to_owned());
    }
    asked.one_call = choice["disable_parallel_tool_use"] == true;
    asked.choice = match (choice["type"].as_str(), choice["name"].as_str()) {
        (Some("auto"), _) => Choice::Auto,
        (Some("any"), _) => Choice::Any,
        (Some("none"), _) => Choice::None,
        (Some("tool"), Some(name)) if asked.tools.iter().any(|tool| tool.name == name) => {
            Choice::Named(name.to_owned())
        }
        (Some("tool"), Some(name)) => return Err(format!("tool_choice: Tool '{name}' not found in provided tools")),
        (Some("tool"), None) => return Err("tool_choice.tool.name: Field required".to_owned()),
        _ => return Err("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'".to_owned()),
    };
    Ok(())
}
