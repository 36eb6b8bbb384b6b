//! Servers of open models that copy OpenAI's protocols and know functions only. What one says of other types of tools and of their
//! calls depends on what it is written with; a model's name says which one it is.

use serde_json::Value;

use super::openai::rules::Wrong;

/// llama.cpp's, measured; it says so with status 500.
const LLAMA: &str = "functions/llama.cpp";
/// vLLM's.
const PYDANTIC: &str = "functions/vllm";
/// DeepSeek's.
const SERDE: &str = "functions/deepseek";
/// Types of items that call no function, and of the results of such calls.
const OTHER_ITEMS: [&str; 4] = ["custom_tool_call", "custom_tool_call_output", "local_shell_call", "apply_patch_call"];

pub fn check(body: &Value, model: &str) -> Result<(), Wrong> {
    let refuse = |status, message: String| Err(Wrong { status, param: None, message, code: None });
    let Some((what, kind)) = other_type(body) else { return Ok(()) };
    match model {
        LLAMA if body["input"].is_null() => {
            refuse(500, format!("Failed to parse {what}: Unsupported tool type: {{\"type\":\"{kind}\"}}"))
        }
        LLAMA => refuse(400, "Cannot determine type of 'item'".to_owned()),
        PYDANTIC => refuse(
            400,
            format!(
                "1 validation error:\n  {{'type': 'literal_error', 'loc': ('body', '{what}', 0, 'type'), 'msg': \"Input should be 'function'\", 'input': '{kind}'}}"
            ),
        ),
        SERDE => refuse(
            422,
            format!(
                "Failed to deserialize the JSON body into the target type: {what}[0].type: unknown variant `{kind}`, expected `function`"
            ),
        ),
        _ => Ok(()),
    }
}

/// Where a type is that is not `function`, and the type.
fn other_type(body: &Value) -> Option<(&'static str, &str)> {
    let list = |name: &str| body[name].as_array().into_iter().flatten();
    let tools = list("tools").filter_map(|tool| tool["type"].as_str());
    let calls = list("messages").flat_map(|message| message["tool_calls"].as_array().into_iter().flatten());
    let calls = calls.filter_map(|call| call["type"].as_str());
    let items = list("input").filter_map(|item| item["type"].as_str());
    let is_other = |kind: &&str| *kind != "function";
    let found = |what: &'static str| move |kind| (what, kind);
    tools
        .filter(is_other)
        .map(found("tools"))
        .next()
        .or_else(|| calls.filter(is_other).map(found("messages")).next())
        .or_else(|| items.filter(|kind| OTHER_ITEMS.contains(kind)).map(found("input")).next())
}
