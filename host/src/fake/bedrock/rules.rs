//! What Converse refuses, in its own words.
//!
//! The true one passes over unknown fields in silence. Here they are refused, so that nothing gets lost unnoticed.

use serde_json::Value;

use super::super::answer::{Asked, join};
use super::super::schema::is_closed;
use super::{claude, content, models, pairs, tools};

const FIELDS: &[&str] = &[
    "messages",
    "system",
    "inferenceConfig",
    "toolConfig",
    "outputConfig",
    "guardrailConfig",
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "promptVariables",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
];
const INFERENCE: &[&str] = &["maxTokens", "temperature", "topP", "stopSequences"];
const FROM_MODEL: &str = "The model returned the following errors: ";
const CACHE_POINTS_MAX: usize = 4;

/// A value that does not satisfy what the service's model says.
pub fn constraint<T>(value: &Value, at: &str, rule: &str) -> Result<T, String> {
    let value = value.as_str().map_or_else(|| value.to_string(), |text| format!("'{text}'"));
    Err(format!("1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {rule}"))
}

/// An object with no other fields than these.
pub fn fields(at: &str, value: &Value, known: &[&str]) -> Result<(), String> {
    let Some(object) = value.as_object() else {
        return constraint(value, at, "Member must be an object");
    };
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("Malformed input request: {at}: extraneous key [{name}] is not permitted")),
        None => Ok(()),
    }
}

pub fn check(model: &str, body: &Value) -> Result<Asked, String> {
    fields("#", body, FIELDS)?;
    let config = &body["inferenceConfig"];
    let more = &body["additionalModelRequestFields"];
    let mut asked = Asked {
        model: claude(model).unwrap_or(model).to_owned(),
        thinking: matches!(more["thinking"]["type"].as_str(), Some("enabled" | "adaptive")),
        one_call: more["tool_choice"]["disable_parallel_tool_use"] == true,
        max_tokens: config["maxTokens"].as_u64(),
        input_chars: body["messages"].to_string().len() + body["system"].to_string().len(),
        ..Asked::default()
    };
    check_inference(config, &mut asked)?;
    tools::check(&body["toolConfig"], &mut asked)?;
    check_output(&body["outputConfig"], &mut asked)?;
    check_system(&body["system"], &mut asked)?;
    check_messages(body, claude(model).is_some(), &mut asked)?;
    if claude(model).is_some() {
        models::check_claude(body, &asked).map_err(|message| format!("{FROM_MODEL}{message}"))?;
    }
    Ok(Asked { model: model.to_owned(), ..asked })
}

fn check_inference(config: &Value, asked: &mut Asked) -> Result<(), String> {
    if config.is_null() {
        return Ok(());
    }
    fields("inferenceConfig", config, INFERENCE)?;
    for field in ["temperature", "topP"] {
        let Some(given) = config.get(field) else { continue };
        let at = format!("inferenceConfig.{field}");
        match given.as_f64() {
            None => return constraint(given, &at, "Member must be a number"),
            Some(number) if number > 1.0 => {
                return constraint(given, &at, "Member must have value less than or equal to 1");
            }
            Some(number) if number < 0.0 => {
                return constraint(given, &at, "Member must have value greater than or equal to 0");
            }
            Some(_) => {}
        }
    }
    if let Some(given) = config.get("maxTokens").filter(|given| given.as_u64().is_none_or(|tokens| tokens < 1)) {
        return constraint(given, "inferenceConfig.maxTokens", "Member must have value greater than or equal to 1");
    }
    for (index, stop) in config["stopSequences"].as_array().into_iter().flatten().enumerate() {
        match stop.as_str().filter(|stop| !stop.is_empty()) {
            Some(stop) => asked.stop.push(stop.to_owned()),
            None => {
                let at = format!("inferenceConfig.stopSequences.{index}.member");
                return constraint(stop, &at, "Member must have length greater than or equal to 1");
            }
        }
    }
    Ok(())
}

/// The schema stands there as a text.
fn check_output(config: &Value, asked: &mut Asked) -> Result<(), String> {
    if config.is_null() {
        return Ok(());
    }
    fields("outputConfig", config, &["textFormat", "effort"])?;
    let Some(format) = config.get("textFormat") else { return Ok(()) };
    fields("outputConfig.textFormat", format, &["type", "structure"])?;
    if format["type"] != "json_schema" {
        return constraint(
            &format["type"],
            "outputConfig.textFormat.type",
            "Member must satisfy enum value set: [json_schema]",
        );
    }
    fields("outputConfig.textFormat.structure", &format["structure"], &["jsonSchema"])?;
    let at = "outputConfig.textFormat.structure.jsonSchema";
    let definition = &format["structure"]["jsonSchema"];
    fields(at, definition, &["schema", "name", "description"])?;
    let Some(text) = definition["schema"].as_str() else {
        return constraint(&definition["schema"], &format!("{at}.schema"), "Member must be a string");
    };
    let schema: Value =
        serde_json::from_str(text).map_err(|_| format!("The JSON schema at {at}.schema is not valid."))?;
    if !is_closed(&schema) {
        let wanted = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(format!("{FROM_MODEL}output_config.format.schema: {wanted}"));
    }
    asked.schema = Some(schema);
    Ok(())
}

fn check_system(system: &Value, asked: &mut Asked) -> Result<(), String> {
    if !system.is_array() && !system.is_null() {
        return constraint(system, "system", "Member must be a list");
    }
    for (index, block) in system.as_array().into_iter().flatten().enumerate() {
        let at = format!("system.{index}");
        fields(&at, block, &["text", "guardContent", "cachePoint"])?;
        if let Some(text) = block.get("text") {
            content::check_text(&at, text)?;
            asked.system = join(&asked.system, text.as_str().unwrap_or_default());
        }
    }
    Ok(())
}

fn check_messages(body: &Value, is_claude: bool, asked: &mut Asked) -> Result<(), String> {
    let messages: &[Value] = body["messages"].as_array().map_or(&[], Vec::as_slice);
    if messages.first().is_none_or(|message| message["role"] == "assistant") {
        return Err("A conversation must start with a user message. Try again with a conversation that starts with a \
                    user message."
            .to_owned());
    }
    let mut before = "";
    for (index, message) in messages.iter().enumerate() {
        let at = format!("messages.{index}");
        fields(&at, message, &["role", "content"])?;
        let role = message["role"].as_str().unwrap_or_default();
        if !["user", "assistant"].contains(&role) {
            let at = format!("messages.{}.member.role", index + 1);
            return constraint(&message["role"], &at, "Member must satisfy enum value set: [user, assistant]");
        }
        if role == before {
            return Err("A conversation must alternate between user and assistant roles. Make sure the conversation \
                        alternates between user and assistant roles and try again."
                .to_owned());
        }
        before = role;
        let blocks = message["content"].as_array().filter(|blocks| !blocks.is_empty()).ok_or(format!(
            "The content field in the Message object at {at} is empty. Add a ContentBlock object to the content field \
             and try again."
        ))?;
        for (position, block) in blocks.iter().enumerate() {
            content::check_block(&format!("{at}.content.{position}"), role, block)?;
        }
        if blocks.iter().any(|block| block.get("document").is_some())
            && !blocks.iter().any(|block| block.get("text").is_some())
        {
            return Err(format!(
                "Messages that have documents must also have a text block. There is none at {at}.content."
            ));
        }
    }
    check_tool_blocks(body, messages)?;
    pairs::check(messages, is_claude)?;
    let points = count("cachePoint", &body["messages"]) + count("cachePoint", &body["system"]);
    if points + count("cachePoint", &body["toolConfig"]["tools"]) > CACHE_POINTS_MAX {
        return Err(format!("{FROM_MODEL}A maximum of 4 blocks with cache_control may be provided."));
    }
    match messages.last() {
        Some(last) if last["role"] == "user" => {
            content::read(last["content"].as_array().map_or(&[], Vec::as_slice), asked);
        }
        _ => {}
    }
    Ok(())
}

/// Blocks of tools need tools, even where they are only history.
fn check_tool_blocks(body: &Value, messages: &[Value]) -> Result<(), String> {
    let mut blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let has_tool_blocks = blocks.any(|block| block.get("toolUse").is_some() || block.get("toolResult").is_some());
    if has_tool_blocks && body["toolConfig"].is_null() {
        return Err("The toolConfig field must be defined when using toolUse and toolResult content blocks.".to_owned());
    }
    Ok(())
}

/// How often this kind of block stands in a list of messages or of blocks.
fn count(kind: &str, value: &Value) -> usize {
    let list = value.as_array().into_iter().flatten();
    list.map(|item| usize::from(item.get(kind).is_some()) + count(kind, &item["content"])).sum()
}
