//! One more attempt at a target that refused a request for something that the request can do without: a field at the top, its
//! earlier thoughts, or types of tools that the target does not know.

use serde_json::Value;

use super::dialect::{LIMITS, names};
use super::scan;
use crate::plugin::bindings::chat::{Part, Request};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::Encoded;
use crate::upstream::Pieces;

/// Where the answer is to stop, which models that think do not take.
const STOP: &str = "stop";
/// What OpenAI is to put into its answer besides.
const INCLUDE: &str = "include";
/// Fields that are changed one after the other in the same request: a limit under its other name (which are two), and three more.
/// Each costs a refused request, which comes fast.
const AMENDED_MAX: usize = 5;

/// An answer that gets no more tokens than this and less than half of what was asked for is not worth asking for.
const ANSWER_TOKENS_MIN: u64 = 1024;

/// What is changed in a request that its target refused, for the one more attempt that it gets there.
pub enum Amendment {
    /// Fields at the top, as in [`Mended::fields`].
    Fields(Vec<(String, Option<Value>)>),
    /// Earlier thoughts go. `is_silent`: the model is not to think in this turn either, because a turn that thinks must begin with
    /// the thought that it had.
    Thoughts { is_silent: bool },
    /// All tools become functions, and their calls come back as the caller knows them: the target speaks the caller's protocol, but
    /// of its types of tools it knows this one only, as most servers of open models do.
    Functions,
}

impl Amendment {
    /// `body` is what was sent, and `is_ours` says that the caller did not write it for this model, and that nothing was amended yet.
    /// Otherwise only a parameter is changed that OpenAI's `code` says the model does not take:
    /// <https://platform.openai.com/docs/guides/error-codes>.
    /// `same`: the target speaks the caller's protocol. Another one has got functions already.
    pub fn of(fault: &Fault, body: &Pieces, same: bool, is_ours: bool) -> Option<Amendment> {
        if same && fault.kind == FaultKind::Unsupported && fault.field.as_deref().is_some_and(is_tool_type) {
            return Some(Amendment::Functions);
        }
        if !matches!(fault.status, 400 | 422) {
            return None;
        }
        // A model that has no thoughts refuses to be asked for their encryption, not a thought.
        let is_asked_for = fault.field.as_deref() == Some(INCLUDE);
        if fault.kind == FaultKind::Unsupported && !is_asked_for && is_about_thoughts(&fault.message) {
            return Some(Amendment::Thoughts { is_silent: fault.message.contains("thinking") });
        }
        if is_ours && fault.kind == FaultKind::ContextTooLong {
            return Some(Amendment::Fields(smaller_limit(&fault.message, &body.joined())?));
        }
        let kinds = [FaultKind::Unsupported, FaultKind::InvalidRequest];
        if !is_ours && !names_unsupported(fault) || !kinds.contains(&fault.kind) {
            return None;
        }
        Some(Amendment::Fields(refused_fields(fault, &body.joined())?))
    }

    /// This one after an earlier one, whose request was refused for something else. `None`: who refuses the same again shall be
    /// believed.
    pub fn after(self, earlier: Option<Amendment>) -> Option<Amendment> {
        match (earlier, self) {
            (None, new) => Some(new),
            (Some(Amendment::Fields(mut fields)), Amendment::Fields(new)) => {
                let is_known = |name: &str| fields.iter().any(|(changed, _)| changed == name);
                let is_other = new.iter().all(|(name, _)| !is_known(name));
                (is_other && fields.len() + new.len() <= AMENDED_MAX).then(|| {
                    fields.extend(new);
                    Amendment::Fields(fields)
                })
            }
            (Some(_), _) => None,
        }
    }

    /// See [`Amendment::Fields`]; none where thoughts go.
    pub fn fields(&self) -> &[(String, Option<Value>)] {
        match self {
            Amendment::Fields(fields) => fields,
            Amendment::Thoughts { .. } | Amendment::Functions => &[],
        }
    }

    /// The names of what is left out, for the caller.
    pub fn dropped(&self) -> Vec<String> {
        match self {
            Amendment::Fields(fields) => {
                // A limit has a new name or a new value.
                let is_kept = |name: &str| {
                    LIMITS.contains(&name)
                        && fields.iter().any(|(name, value)| LIMITS.contains(&name.as_str()) && value.is_some())
                };
                fields.iter().map(|(name, _)| name.clone()).filter(|name| !is_kept(name)).collect()
            }
            Amendment::Thoughts { .. } => vec!["reasoning".to_owned()],
            // The adapter names what it leaves out.
            Amendment::Functions => Vec::new(),
        }
    }
}

/// Of `tools[0].type` and `tools[].type`, but not of a content's type.
fn is_tool_type(field: &str) -> bool {
    field.strip_prefix("tools[").and_then(|rest| rest.split_once(']')).is_some_and(|(_, rest)| rest == ".type")
}

/// The request as one of a protocol that no adapter knows: each says only what every server of its protocol understands.
pub fn with_functions(request: &Request) -> Request {
    Request { protocol: String::new(), ..request.clone() }
}

/// Fields of the caller's body that the adapter left out of such a request because it did not know whose they are: the target
/// speaks the caller's protocol, and may know them. What dialects differ in stays out: there the adapter knew.
pub fn caller_fields(body: &[u8], encoded: &mut Encoded) -> Vec<(String, Option<Value>)> {
    let mut fields = Vec::new();
    encoded.dropped.retain(|name| {
        let is_missing = scan::value_at(&encoded.body, name).is_none();
        let at = scan::value_at(body, name).filter(|_| is_missing && names().all(|known| known != name));
        let value = at.and_then(|at| serde_json::from_slice(&body[at]).ok());
        let is_kept = value.is_some();
        fields.extend(value.map(|value| (name.clone(), Some(value))));
        !is_kept
    });
    fields
}

/// The request without its earlier thoughts.
pub fn without_thoughts(request: &Request, is_silent: bool) -> Request {
    let mut request = request.clone();
    for message in &mut request.messages {
        message.parts.retain(|part| !matches!(part, Part::Reasoning(_)));
    }
    request.messages.retain(|message| !message.parts.is_empty());
    if is_silent {
        request.reasoning_effort = Some("none".to_owned());
        request.reasoning_budget_tokens = None;
        // What stands beside thinking is refused without it.
        let is_beside = |name: &str| name.starts_with("thinking") || name.starts_with("context_management");
        request.extras.retain(|extra| !is_beside(&extra.name));
    }
    request
}

/// Anthropic's signature that does not fit or a thought that is missing, OpenAI's encrypted content, and OpenAI's thought without
/// what it led to, or the other way round.
fn is_about_thoughts(message: &str) -> bool {
    let is_anthropics =
        message.contains("thinking") && (message.contains("signature") || message.contains("Expected `"));
    // "missing a thought_signature", "Corrupted thought signature", "Thought signature is not valid".
    let lower = message.to_ascii_lowercase();
    let is_googles = lower.contains("thought_signature") || lower.contains("thought signature");
    let is_alone = message.contains("'reasoning'") && message.contains("was provided without its required");
    is_anthropics || is_googles || is_alone || lower.contains("encrypted content")
}

/// The field that a refusal names and that a request can do without: it goes, gets the name that the refusal says, or the most that
/// the refusal allows.
fn refused_fields(fault: &Fault, body: &[u8]) -> Option<Vec<(String, Option<Value>)>> {
    let message = fault.message.as_str();
    let field = fault.field.iter().map(String::as_str).chain(named(message)).map(top);
    let mut field = field.filter(|name| !NEEDED.contains(name));
    let (name, at) = field.find_map(|name| Some((name, scan::value_at(body, name)?)))?;
    if !LIMITS.contains(&name) {
        return Some(vec![(name.to_owned(), None)]);
    }
    let value: Value = serde_json::from_slice(&body[at]).ok()?;
    let instead = LIMITS.into_iter().find(|limit| *limit != name && message.contains(&format!("'{limit}' instead")));
    Some(match instead {
        Some(instead) => vec![(name.to_owned(), None), (instead.to_owned(), Some(value))],
        None => vec![(name.to_owned(), Some(most(message)?.into()))],
    })
}

/// "max_tokens: 99999 > 64000, which is the maximum", "This model supports at most 16384 completion tokens".
fn most(message: &str) -> Option<u64> {
    let (_, after) = [" > ", "at most "].iter().find_map(|words| message.split_once(words))?;
    let digits = after.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok().filter(|most| *most > 0)
}

/// The prompt fits, and only the limit of the answer does not: "This model's maximum context length is 8192 tokens and your request
/// has 20 input tokens" (vLLM), "However, you requested 32020 tokens (20 in the messages, 32000 in the completion)" (OpenAI and
/// older servers). What is left for the answer becomes its limit, unless that is too little for an answer: then a model with a larger
/// context serves better.
fn smaller_limit(message: &str, body: &[u8]) -> Option<Vec<(String, Option<Value>)>> {
    let digits = |text: &str| text.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u64>().ok();
    let after = |words: &str| digits(message.split_once(words)?.1);
    let context = after("maximum context length is ")?;
    let (name, at) = LIMITS.into_iter().find_map(|name| Some((name, scan::value_at(body, name)?)))?;
    let asked: u64 = serde_json::from_slice(&body[at]).ok()?;
    // Messages, tools, and what else is not the answer.
    let requested = || after("you requested ").filter(|_| message.contains(" in the messages"))?.checked_sub(asked);
    let left = context.checked_sub(after("your request has ").or_else(requested)?)?;
    let is_enough = left >= ANSWER_TOKENS_MIN.min(asked / 2);
    (asked > left && is_enough).then(|| vec![(name.to_owned(), Some(left.into()))])
}

/// Does the refusal say that the model does not take a parameter, and is it one that a request can do without?
fn names_unsupported(fault: &Fault) -> bool {
    let code = fault.provider_code.as_deref();
    let is_about_one = matches!(code, Some("unsupported_parameter" | "unsupported_value"));
    let field = fault.field.as_deref().map(top);
    is_about_one && field.is_some_and(|field| field == STOP || names().any(|name| name == field))
}

/// Without them there is no request, or another one.
const NEEDED: [&str; 10] = [
    "model",
    "messages",
    "input",
    "contents",
    "system",
    "instructions",
    "systemInstruction",
    "tools",
    "stream",
    "response_format",
];

/// Of `reasoning.effort` and `messages[0].content`, the field at the top.
fn top(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// Words of a message that may name a field: its first word, its last where it says what was supplied, what it quotes, and the
/// names that dialects differ in.
fn named(message: &str) -> impl Iterator<Item = &str> {
    let first = message.split_once(": ").map(|(first, _)| first).filter(|first| !first.contains(char::is_whitespace));
    let supplied = message.rsplit_once("supplied: ").map(|(_, name)| name.trim_end_matches('.'));
    let quoted = message.split(['\'', '`', '"']).skip(1).step_by(2).take(4);
    let words = message.split_whitespace().filter(|word| names().any(|name| name == *word));
    first.into_iter().chain(supplied).chain(quoted).chain(words)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::gateway::refusal;

    fn refused(message: &str, field: Option<&str>) -> Fault {
        let field = field.map(str::to_owned);
        Fault { status: 400, field, ..refusal::fault(FaultKind::Unsupported, message) }
    }

    #[test]
    fn a_refusal_names_what_can_be_left_out() {
        let body =
            json!({ "model": "m", "messages": [], "temperature": 0.2, "max_tokens": 9, "top_k": 3, "thinking": {} });
        let body = Pieces::new([Bytes::from(body.to_string())]);
        let fields =
            |message: &str, field: Option<&str>| match Amendment::of(&refused(message, field), &body, true, true) {
                Some(Amendment::Fields(fields)) => fields,
                _ => Vec::new(),
            };
        let gone = |name: &str| vec![(name.to_owned(), None)];
        for (message, field, expected) in [
            (
                "Unsupported value: 'temperature' does not support 0.2 with this model.",
                Some("temperature"),
                gone("temperature"),
            ),
            ("Unrecognized request argument supplied: top_k", None, gone("top_k")),
            ("top_k: Extra inputs are not permitted", None, gone("top_k")),
            ("`temperature` is deprecated for this model.", None, gone("temperature")),
            ("adaptive thinking is not supported on this model", None, gone("thinking")),
            ("thinking.type: 'enabled' is not supported for this model. Use 'adaptive'.", None, gone("thinking")),
            ("messages.1.content: Field required", None, Vec::new()),
            ("Unknown parameter: 'not_there'.", Some("not_there"), Vec::new()),
            ("max_tokens: 9 > 8, which is the maximum", None, vec![("max_tokens".to_owned(), Some(json!(8)))]),
            ("max_tokens: must be odd", None, Vec::new()),
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                Some("max_tokens"),
                vec![("max_tokens".to_owned(), None), ("max_completion_tokens".to_owned(), Some(json!(9)))],
            ),
        ] {
            assert_eq!(fields(message, field), expected, "{message}");
        }
        let asked = Pieces::new([Bytes::from(json!({ "include": ["reasoning.encrypted_content"] }).to_string())]);
        let encryption = refused("Encrypted content is not supported with this model.", Some("include"));
        let amendment = Amendment::of(&encryption, &asked, true, true).expect("it can do without");
        assert_eq!(amendment.fields(), gone("include"));
        let fault = refused("top_k: Extra inputs are not permitted", None);
        assert!(Amendment::of(&fault, &body, true, false).is_none(), "a body that the caller wrote for this model");
        let coded = |message: &str, field: &str| Fault {
            provider_code: Some("unsupported_value".to_owned()),
            ..refused(message, Some(field))
        };
        let temperature = coded("Unsupported value: 'temperature' does not support 0.2.", "temperature");
        let first = Amendment::of(&temperature, &body, true, false).and_then(|amendment| amendment.after(None));
        let limit = coded("Unsupported. Use 'max_completion_tokens' instead.", "max_tokens");
        let both =
            Amendment::of(&limit, &body, true, false).and_then(|amendment| amendment.after(first)).expect("both");
        assert_eq!((both.fields().len(), both.dropped()), (3, vec!["temperature".to_owned()]));
        let again = Amendment::of(&temperature, &body, true, false).and_then(|amendment| amendment.after(Some(both)));
        assert!(again.is_none(), "who refuses the same again is believed");
        assert!(Amendment::of(&coded("No.", "response_format"), &body, true, false).is_none());
        let thought = refused("messages.1.content.0: Invalid `signature` in `thinking` block", None);
        let amendment = Amendment::of(&thought, &body, true, false);
        assert!(matches!(amendment, Some(Amendment::Thoughts { is_silent: true })));
        for alone in [
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
            "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
        ] {
            let amendment = Amendment::of(&refused(alone, None), &body, true, false);
            assert!(matches!(amendment, Some(Amendment::Thoughts { is_silent: false })), "{alone}");
        }
    }

    #[test]
    fn an_answers_limit_becomes_what_the_prompt_leaves() {
        let body = |limit: u64| Pieces::new([Bytes::from(json!({ "max_tokens": limit, "messages": [] }).to_string())]);
        let refused = |message: &str| Fault { status: 400, ..refusal::fault(FaultKind::ContextTooLong, message) };
        let vllm = "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 8192 \
                    tokens and your request has 192 input tokens (32000 > 8192 - 192).";
        let older = "This model's maximum context length is 8192 tokens. However, you requested 32192 tokens (192 in the messages, \
                     32000 in the completion). Please reduce the length of the messages or completion.";
        for message in [vllm, older] {
            let amendment = Amendment::of(&refused(message), &body(32_000), true, true).expect("it fits");
            assert_eq!(amendment.fields(), [("max_tokens".to_owned(), Some(json!(8000)))], "{message}");
            assert!(amendment.dropped().is_empty());
            assert!(
                Amendment::of(&refused(message), &body(32_000), true, false).is_none(),
                "the caller wrote it for this model"
            );
            assert!(Amendment::of(&refused(message), &body(10), true, true).is_none(), "it is not the limit");
        }
        let tools = "This model's maximum context length is 8192 tokens. However, you requested 32192 tokens (100 in the messages, \
                     92 in the functions, 32000 in the completion).";
        let amendment = Amendment::of(&refused(tools), &body(32_000), true, true).expect("it fits");
        assert_eq!(amendment.fields(), [("max_tokens".to_owned(), Some(json!(8000)))]);
        for message in [
            "This model's maximum context length is 8192 tokens and your request has 8000 input tokens: too little is left",
            "This model's maximum context length is 8192 tokens and your request has 9000 input tokens.",
            "This model's maximum context length is 8192 tokens.",
            "prompt is too long: 9000 tokens > 8192 maximum",
        ] {
            assert!(Amendment::of(&refused(message), &body(32_000), true, true).is_none(), "{message}");
        }
    }

    #[test]
    fn a_type_of_tool_that_is_not_known_becomes_a_function() {
        let body = Pieces::new([Bytes::from_static(b"{}")]);
        let at = |field: &str| Fault { status: 500, ..refused("no", Some(field)) };
        for (field, is_it) in [
            ("tools[].type", true),
            ("tools[12].type", true),
            ("tools[0].name", false),
            ("messages[0].content[0].type", false),
        ] {
            let amendment = Amendment::of(&at(field), &body, true, false);
            assert_eq!(matches!(amendment, Some(Amendment::Functions)), is_it, "{field}");
        }
        assert!(Amendment::of(&at("tools[].type"), &body, false, true).is_none(), "they were functions already");
        let again = Amendment::of(&at("tools[].type"), &body, true, false).expect("once");
        assert!(again.after(Some(Amendment::Functions)).is_none(), "who refuses functions as well is believed");
    }
}
