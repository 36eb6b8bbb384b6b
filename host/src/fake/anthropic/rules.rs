//! What the Messages API refuses, in its own words. The rules for what is said are in [`messages`](super::messages).

use serde_json::Value;

use super::super::answer::{Asked, Choice, is_known};
use super::super::schema::is_closed;
use super::super::state::Seen;
use super::messages;
use super::tools::check_tools;

/// The fields of the API, beta ones included: which header allows which of those is not checked.
const FIELDS: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "context_management",
    "mcp_servers",
    "container",
    "service_tier",
    "speed",
    "inference_geo",
    "cache_control",
    "diagnostics",
    "billing_policy",
    "compaction",
    "fallback_credit_token",
    "fallbacks",
    "thread",
];
const VERSIONS: &[&str] = &["2023-01-01", "2023-06-01", NEWEST_VERSION];
/// Takes no sampling parameters any more, and less in messages.
pub const NEWEST_VERSION: &str = "2026-10-21";
/// How a refusal begins whose details say `thread_not_found`.
pub const THREAD_NOT_FOUND: &str = "thread: no usable state was found for";
/// Fields that counting does not take.
const NOT_COUNTED: &[&str] =
    &["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"];
const CACHE_CONTROLS_MAX: usize = 4;
const BUDGET_TOKENS_MIN: u64 = 1024;

/// A refusal.
#[derive(Debug)]
pub struct Wrong {
    pub status: u16,
    pub kind: &'static str,
    pub message: String,
}

/// Most of them are the same but for the words.
impl From<String> for Wrong {
    fn from(message: String) -> Wrong {
        if message.starts_with(messages::NO_FILE) {
            return Wrong { status: 404, kind: "not_found_error", message };
        }
        Wrong { status: 400, kind: "invalid_request_error", message }
    }
}

impl From<&str> for Wrong {
    fn from(message: &str) -> Wrong {
        message.to_owned().into()
    }
}

/// A model as far as its name tells its age; names that tell nothing may be of any model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Age(Option<(u32, u32)>);

impl Age {
    /// `claude-sonnet-4-5-20250929` and `claude-3-5-haiku-latest` alike: the first one or two short numbers.
    pub fn of(model: &str) -> Age {
        let Some(rest) = model.strip_prefix("claude-") else { return Age(None) };
        let mut numbers = rest
            .split(['-', '@'])
            .skip_while(|part| part.parse::<u32>().is_err())
            .map_while(|part| part.parse().ok().filter(|number: &u32| *number < 100));
        Age(numbers.next().map(|major| (major, numbers.next().unwrap_or(0))))
    }

    /// Takes `role: "system"` among the messages, or may do so.
    pub fn may_take_system(self) -> bool {
        self.0.is_none_or(|version| version >= (4, 8))
    }

    /// Is known to be of those that refuse sampling, prefilled answers and thinking with a budget.
    pub fn is_newest(self) -> bool {
        self.0.is_some_and(|version| version >= (4, 8))
    }

    /// Is known to be.
    pub fn is_older_than(self, version: (u32, u32)) -> bool {
        self.0.is_some_and(|known| known < version)
    }

    /// The longest answer, where it is known.
    fn tokens_max(self, model: &str) -> Option<u64> {
        match self.0? {
            (3, _) => Some(8192),
            (4, 0 | 1) if model.contains("opus") => Some(32_000),
            (4, 0..=5) => Some(64_000),
            _ => None,
        }
    }
}

/// All the rules, for a request that wants an answer.
pub fn check(version: &str, body: &Value) -> Result<Asked, Wrong> {
    let mut asked = check_body(version, body)?;
    let max_tokens = check_max_tokens(body, &asked.model)?;
    check_sampling(version, body, &asked.model)?;
    check_thinking(body, max_tokens, &asked)?;
    asked.max_tokens = Some(max_tokens);
    Ok(asked)
}

/// The rules where only tokens are to be counted: nothing is to be written, so nothing may be said of how.
pub fn check_count(version: &str, body: &Value) -> Result<Asked, Wrong> {
    match NOT_COUNTED.iter().find(|field| body.get(**field).is_some()) {
        Some(field) => Err(format!("{field}: Extra inputs are not permitted").into()),
        None => check_body(version, body),
    }
}

/// The rules for all that is read.
fn check_body(version: &str, body: &Value) -> Result<Asked, Wrong> {
    let object = body.as_object().ok_or("The request body is not valid JSON")?;
    if let Some(unknown) = object.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{unknown}: Extra inputs are not permitted").into());
    }
    let model = body["model"].as_str().ok_or("model: Field required")?;
    if !is_known(model) {
        return Err(Wrong { status: 404, kind: "not_found_error", message: format!("model: {model}") });
    }
    check_thread(&body["thread"])?;
    let mut asked = Asked {
        model: model.to_owned(),
        stream: body["stream"] == true,
        system: messages::text_of(&body["system"]),
        schema: check_format(body)?,
        thinking: matches!(body["thinking"]["type"].as_str(), Some("enabled" | "adaptive")),
        stop: check_stop(body)?,
        input_chars: body["messages"].to_string().len() + body["system"].to_string().len(),
        ..Asked::default()
    };
    check_tools(body, &mut asked)?;
    messages::check_system(&body["system"])?;
    messages::check(body, version == NEWEST_VERSION, &mut asked)?;
    let cached = cache_controls(&body["system"]) + cache_controls(&body["tools"]) + cache_controls(&body["messages"]);
    if cached > CACHE_CONTROLS_MAX {
        return Err(format!("A maximum of 4 blocks with cache_control may be provided. Found {cached}.").into());
    }
    Ok(asked)
}

/// A thread goes on from a reply of this API only. This fake remembers nothing, so any id of its own will do.
fn check_thread(thread: &Value) -> Result<(), Wrong> {
    match (thread["type"].as_str(), thread["previous_message_id"].as_str()) {
        _ if thread.is_null() => Ok(()),
        (Some("create"), None) => Ok(()),
        (Some("continue"), Some(id)) if id.starts_with("msg_fake") => Ok(()),
        (Some("continue"), Some(id)) => {
            let message = format!("{THREAD_NOT_FOUND} `{id}`");
            Err(Wrong { status: 404, kind: "not_found_error", message })
        }
        _ => Err("thread: Input should be of type 'create' or 'continue'".into()),
    }
}

/// The version. When both keys come, `x-api-key` counts.
pub fn check_headers(seen: &Seen) -> Result<&str, Wrong> {
    let bearer = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let key = seen.header("x-api-key").or(bearer).unwrap_or_default();
    if key.is_empty() || key.starts_with("bad-") {
        return Err(Wrong { status: 401, kind: "authentication_error", message: "invalid x-api-key".to_owned() });
    }
    let version = seen.header("anthropic-version").ok_or("anthropic-version: header is required")?;
    if !VERSIONS.contains(&version) {
        return Err(format!("anthropic-version: {version:?} is not a valid version").into());
    }
    Ok(version)
}

pub fn check_max_tokens(body: &Value, model: &str) -> Result<u64, String> {
    let given = body.get("max_tokens").ok_or("max_tokens: Field required")?;
    let given = given.as_i64().ok_or("max_tokens: Input should be a valid integer")?;
    let given = u64::try_from(given).ok().filter(|given| *given >= 1);
    let given = given.ok_or("max_tokens: Input should be greater than or equal to 1")?;
    if let Some(most) = Age::of(model).tokens_max(model).filter(|most| given > *most) {
        let allowed = "which is the maximum allowed number of output tokens for";
        return Err(format!("max_tokens: {given} > {most}, {allowed} {model}"));
    }
    Ok(given)
}

pub fn check_sampling(version: &str, body: &Value, model: &str) -> Result<(), String> {
    let given = ["temperature", "top_p", "top_k"].into_iter().filter(|field| body.get(field).is_some());
    for field in given {
        if version == NEWEST_VERSION {
            return Err(format!("{field}: Extra inputs are not permitted"));
        }
        if Age::of(model).is_newest() {
            return Err(format!("`{field}` is not supported for this model."));
        }
        let number = body[field].as_f64().ok_or(format!("{field}: Input should be a valid number"))?;
        if number < 0.0 {
            return Err(format!("{field}: Input should be greater than or equal to 0"));
        }
        if number > 1.0 && field != "top_k" {
            return Err(format!("{field}: Input should be less than or equal to 1"));
        }
    }
    let both = body.get("temperature").is_some() && body.get("top_p").is_some();
    if both && Age::of(model).0.is_some_and(|version| version >= (4, 1)) {
        return Err("`temperature` and `top_p` cannot both be specified for this model.".to_owned());
    }
    Ok(())
}

/// <https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking>,
/// <https://platform.claude.com/docs/en/build-with-claude/effort>
pub fn check_thinking(body: &Value, max_tokens: u64, asked: &Asked) -> Result<(), String> {
    let thinking = &body["thinking"];
    if !body["output_config"]["effort"].is_null() && Age::of(&asked.model).is_older_than((4, 5)) {
        return Err("This model does not support the effort parameter.".to_owned());
    }
    if asked.thinking && matches!(asked.choice, Choice::Any | Choice::Named(_)) {
        return Err("Thinking may not be enabled when tool_choice forces tool use.".to_owned());
    }
    if asked.thinking && body.get("temperature").is_some_and(|temperature| temperature.as_f64() != Some(1.0)) {
        return Err("`temperature` may only be set to 1 when thinking is enabled.".to_owned());
    }
    match thinking["type"].as_str() {
        Some("enabled") => {}
        Some("adaptive") if Age::of(&asked.model).is_older_than((4, 6)) => {
            return Err("adaptive thinking is not supported on this model".to_owned());
        }
        None if !thinking.is_null() => return Err("thinking.type: Field required".to_owned()),
        None | Some("adaptive" | "disabled" | "between_tools") => return Ok(()),
        Some(kind) => {
            return Err(format!(
                "thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            ));
        }
    }
    if Age::of(&asked.model).is_newest() {
        return Err("thinking.type: 'enabled' is not supported for this model. Use 'adaptive'.".to_owned());
    }
    let budget = thinking["budget_tokens"].as_u64().ok_or("thinking.enabled.budget_tokens: Field required")?;
    if budget < BUDGET_TOKENS_MIN {
        return Err("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024".to_owned());
    }
    if budget >= max_tokens {
        return Err("`max_tokens` must be greater than `thinking.budget_tokens`.".to_owned());
    }
    Ok(())
}

fn check_stop(body: &Value) -> Result<Vec<String>, String> {
    let given = body["stop_sequences"].as_array().into_iter().flatten();
    let given: Vec<String> = given.filter_map(|item| Some(item.as_str()?.to_owned())).collect();
    if given.iter().any(|sequence| sequence.trim().is_empty()) {
        return Err("stop_sequences: each stop sequence must contain non-whitespace".to_owned());
    }
    Ok(given)
}

/// The schema that the answer is to fit.
fn check_format(body: &Value) -> Result<Option<Value>, String> {
    let Some(format) = body["output_config"]["format"].as_object() else { return Ok(None) };
    let unknown = format.keys().find(|name| !["type", "schema"].contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return Err(format!("output_config.format.{unknown}: Extra inputs are not permitted"));
    }
    if format.get("type").is_none_or(|kind| kind != "json_schema") {
        return Err("output_config.format.type: Input should be 'json_schema'".to_owned());
    }
    let schema = format.get("schema").ok_or("output_config.format.schema: Field required")?;
    if !is_closed(schema) {
        let wanted = "For 'object' type, 'additionalProperties' must be explicitly set to false";
        return Err(format!("output_config.format.schema: {wanted}"));
    }
    Ok(Some(schema.clone()))
}

fn cache_controls(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(cache_controls).sum(),
        // Arguments of tools and schemas may use the word as they like.
        Value::Object(object) => {
            let own = usize::from(object.get("cache_control").is_some_and(|control| !control.is_null()));
            own + object.get("content").map_or(0, cache_controls)
        }
        _ => 0,
    }
}
