//! The rules of the models behind Converse, which know of nothing but their own.

use serde_json::{Value, json};

use super::super::answer::Asked;
use super::super::anthropic;
use super::invoke::{MESSAGES_VERSION, check_betas};

/// What Claude takes beside all that.
const CLAUDE: &[&str] =
    &["thinking", "top_k", "anthropic_beta", "output_config", "tools", "tool_choice", "context_management", "speed"];
const TOKENS_DEFAULT: u64 = 4096;
/// What Claude Code's line about whom to bill begins with.
const RESERVED: &str = "x-anthropic-billing-header";

/// Those of Claude are the rules of the Messages API.
pub fn check_claude(body: &Value, asked: &Asked) -> Result<(), String> {
    let (config, more) = (&body["inferenceConfig"], &body["additionalModelRequestFields"]);
    let given = more.as_object().into_iter().flatten().map(|(name, _)| name);
    if let Some(name) = given.into_iter().find(|name| !CLAUDE.contains(&name.as_str())) {
        return Err(format!("{name}: Extra inputs are not permitted"));
    }
    check_betas(&more["anthropic_beta"])?;
    check_reserved(&body["system"])?;
    check_schemas(&body["toolConfig"]["tools"])?;
    let pairs = [
        ("temperature", config.get("temperature")),
        ("top_p", config.get("topP")),
        ("top_k", more.get("top_k")),
        ("thinking", more.get("thinking")),
    ];
    let given = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    let mut same = Value::Object(given.collect());
    let tokens = asked.max_tokens.unwrap_or(TOKENS_DEFAULT);
    same["max_tokens"] = json!(tokens);
    anthropic::rules::check_max_tokens(&same, &asked.model)?;
    anthropic::rules::check_sampling(MESSAGES_VERSION, &same, &asked.model)?;
    anthropic::rules::check_thinking(&same, tokens, asked)?;
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    check_last(messages, asked)
}

/// That line is for Anthropic's own API: code.claude.com/docs/en/llm-gateway-protocol.
pub fn check_reserved(system: &Value) -> Result<(), String> {
    let blocks = system.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str());
    let mut texts = blocks.chain(system.as_str());
    if texts.any(|text| text.starts_with(RESERVED)) {
        return Err(format!("{RESERVED} is a reserved keyword and may not be used in the system prompt."));
    }
    Ok(())
}

/// As Anthropic's own API: no choices at the top of a tool's schema.
fn check_schemas(tools: &Value) -> Result<(), String> {
    for (position, tool) in tools.as_array().into_iter().flatten().enumerate() {
        let schema = &tool["toolSpec"]["inputSchema"]["json"];
        if ["anyOf", "oneOf", "allOf"].into_iter().any(|keyword| schema.get(keyword).is_some()) {
            let rule = "input_schema does not support oneOf, allOf, or anyOf at the top level";
            return Err(format!("tools.{position}.custom.input_schema: {rule}"));
        }
    }
    Ok(())
}

/// How the last turn of the assistant must begin, and how it may end.
fn check_last(messages: &[Value], asked: &Asked) -> Result<(), String> {
    let Some(position) = messages.iter().rposition(|message| message["role"] == "assistant") else { return Ok(()) };
    let content = &messages[position]["content"];
    if asked.thinking && !asked.results.is_empty() && content[0].get("reasoningContent").is_none() {
        let rule = "When `thinking` is enabled, a final `assistant` message must start with a thinking block";
        return Err(format!("messages.{position}.content.0.type: Expected `thinking` or `redacted_thinking`. {rule}."));
    }
    if position + 1 != messages.len() {
        return Ok(());
    }
    if anthropic::rules::Age::of(&asked.model).is_newest() {
        return Err("messages: This model does not support assistant message prefill.".to_owned());
    }
    let ends = content.as_array().and_then(|blocks| blocks.last()?["text"].as_str()).unwrap_or_default();
    if ends.ends_with(char::is_whitespace) {
        return Err("messages: final assistant content cannot end with trailing whitespace".to_owned());
    }
    Ok(())
}
