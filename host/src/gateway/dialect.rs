//! The same protocol is not the same dialect: a body that was written for one model can hold what another refuses (a limit under
//! the wrong name or above the model's own, sampling, a form of reasoning). Where the target's model is not the one that was asked
//! for, or its provider's settings say how it differs, such fields are mended in place; all other bytes stay as the caller wrote
//! them. What the fields become is the adapter's word: it says the request anew, and its fields at the top are compared.

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::exchange::Exchange;
use super::outgoing;
use super::provider::Adapter;
use super::scan;
use super::table::Target;
use crate::facts::Facts;
use crate::plugin::bindings::chat::{Part, Request, Role};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::Encoded;
use crate::upstream::Pieces;

/// Fields at the top in which dialects differ: limits, sampling and reasoning of all protocols that callers speak.
const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
const SAMPLING: [&str; 5] = ["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"];
const REASONING: [&str; 4] = ["thinking", "output_config", "reasoning", "reasoning_effort"];
/// Gemini's, for all three.
const CONFIGS: [&str; 2] = ["generationConfig", "generation_config"];
/// Where the answer is to stop, which models that think do not take.
const STOP: &str = "stop";
/// Fields that are changed one after the other in the same request: a limit under its other name (which are two), and three more.
/// Each costs a refused request, which comes fast.
const AMENDED_MAX: usize = 5;
/// The protocol in which the limit has two names.
const TWO_LIMITS: &str = "openai-chat";

/// What the caller's body becomes for this target.
pub enum Body {
    /// It is forwarded as it is.
    AsWritten,
    /// It is forwarded with some of its top-level fields changed.
    Mended(Mended),
    /// Something within the conversation has to change.
    Anew,
}

/// Fields at the top as the target takes them.
#[derive(Default)]
pub struct Mended {
    /// What is sent in place of the caller's body, before its fields are set. `None`: the caller's.
    pub body: Option<Bytes>,
    /// Names, and the values that they get; `None` for those that go.
    pub fields: Vec<(String, Option<Value>)>,
    pub dropped: Vec<String>,
}

/// # Errors
/// The target cannot be asked: it does not continue a message of the assistant.
pub async fn body(exchange: &Exchange, target: &Target, adapter: &Adapter) -> Result<Body, Fault> {
    let asked = &exchange.asked.model;
    let is_same = target.model(asked) == asked;
    // A caller who names the model itself knows what it takes; the provider's settings are the operator's word.
    if is_same && adapter.settings == "{}" {
        return Ok(Body::AsWritten);
    }
    let facts = match is_same {
        true => Facts::default(),
        false => target.facts(asked, &exchange.table.config.facts),
    };
    let given = Given::find(&exchange.body);
    if !may_differ(&facts, &given, &exchange.endpoint.protocol, adapter) {
        return Ok(Body::AsWritten);
    }
    let Ok(reading) = exchange.reading().await else { return Ok(Body::AsWritten) };
    let encoded = match outgoing::encode(exchange, target, adapter, &reading.request, &facts).await {
        // What the adapter cannot do with it, the provider may: it speaks the caller's protocol.
        Err(_) => return Ok(Body::AsWritten),
        Ok(Ok(encoded)) => encoded,
        Ok(Err(fault)) if fault.kind == FaultKind::Unsupported && is_prefilled(&reading.request, &facts) => {
            return Err(fault);
        }
        Ok(Err(_)) => return Ok(Body::AsWritten),
    };
    if has_late_system(&reading.request, &facts) {
        return Ok(Body::Anew);
    }
    Ok(compare(&given, encoded))
}

/// The dialect's fields that a body has.
struct Given(Vec<(&'static str, Value)>);

impl Given {
    fn find(body: &Bytes) -> Given {
        let names: Vec<&'static str> = names().collect();
        let found = scan::fields(body, &names).unwrap_or_default();
        let given = names.into_iter().zip(found).filter_map(|(name, at)| {
            let value: Value = serde_json::from_slice(&body[at?]).ok()?;
            (!value.is_null()).then_some((name, value))
        });
        Given(given.collect())
    }

    fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(name, _)| names.contains(name))
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    LIMITS.into_iter().chain(SAMPLING).chain(REASONING).chain(CONFIGS)
}

/// Could the body hold what the target refuses? It looks at few bytes, and errs towards yes.
fn may_differ(facts: &Facts, given: &Given, protocol: &str, adapter: &Adapter) -> bool {
    let limit = given.0.iter().filter(|(name, _)| LIMITS.contains(name)).find_map(|(_, value)| value.as_u64());
    let is_too_much = || limit.zip(facts.output_tokens).is_some_and(|(limit, most)| limit > u64::from(most));
    given.has(&SAMPLING) && facts.sampling == Some(false)
        || given.has(&REASONING) && facts.reasoning.is_some()
        || given.has(&CONFIGS) && *facts != Facts::default()
        || limit.is_some() && (protocol == TWO_LIMITS || is_too_much())
        || adapter.settings != "{}" && !given.0.is_empty()
        || facts.mid_system == Some(false)
        || facts.prefill == Some(false)
}

/// Does a system message stand between turns, where this model takes none there?
fn has_late_system(request: &Request, facts: &Facts) -> bool {
    let mut roles = request.messages.iter().map(|message| message.role).skip_while(|role| *role == Role::System);
    facts.mid_system == Some(false) && roles.any(|role| role == Role::System)
}

/// Is the last message the beginning of the answer, where this model continues none?
fn is_prefilled(request: &Request, facts: &Facts) -> bool {
    let mut spoken = request.messages.iter().filter(|message| message.role != Role::System);
    facts.prefill == Some(false) && spoken.next_back().is_some_and(|message| message.role == Role::Assistant)
}

fn compare(given: &Given, encoded: Encoded) -> Body {
    let Ok(Value::Object(said)) = serde_json::from_slice(&encoded.body) else { return Body::AsWritten };
    let mut fields = Vec::new();
    for name in names() {
        let before = given.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let after = said.get(name).filter(|value| !value.is_null());
        let is_equal = match (before, after) {
            (Some(before), Some(after)) => is_equal(before, after),
            (before, after) => before.is_none() && after.is_none(),
        };
        if !is_equal {
            fields.push((name.to_owned(), after.cloned()));
        }
    }
    if fields.is_empty() {
        Body::AsWritten
    } else {
        Body::Mended(Mended { body: None, fields, dropped: encoded.dropped })
    }
}

/// As JSON means it: 1 and 1.0 are one number.
fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|also| is_equal(value, also)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (one, other) => one == other,
    }
}

/// The object with these fields changed: values that are given replace those that are there or come last, and `None` takes a field
/// out. All other values keep their bytes and their order.
pub fn with_fields(json: &[u8], fields: &[(String, Option<Value>)]) -> Bytes {
    let mut text = BytesMut::with_capacity(json.len() + 64);
    let mut put = |name: &[u8], value: &[u8]| {
        text.extend_from_slice(if text.is_empty() { b"{" } else { b"," });
        text.extend_from_slice(name);
        text.extend_from_slice(b":");
        text.extend_from_slice(value);
    };
    // Of two changes of one field the later one holds.
    let is_last = |at: usize| fields[at + 1..].iter().all(|(name, _)| *name != fields[at].0);
    let mut rest: Vec<_> = fields.iter().enumerate().filter(|(at, _)| is_last(*at)).map(|(_, field)| field).collect();
    for (name, value) in scan::entries(json) {
        let called = scan::text(&json[name.clone()]).unwrap_or_default();
        match rest.iter().position(|(changed, _)| *changed == called) {
            None => put(&json[name], &json[value]),
            Some(at) => {
                if let (_, Some(new)) = rest.remove(at) {
                    put(&json[name], new.to_string().as_bytes());
                }
            }
        }
    }
    for (name, value) in rest {
        if let Some(value) = value {
            put(Value::from(name.as_str()).to_string().as_bytes(), value.to_string().as_bytes());
        }
    }
    if text.is_empty() {
        text.extend_from_slice(b"{");
    }
    text.extend_from_slice(b"}");
    text.freeze()
}

/// What is changed in a request that its target refused, for the one more attempt that it gets there.
pub enum Amendment {
    /// Fields at the top, as in [`Mended::fields`].
    Fields(Vec<(String, Option<Value>)>),
    /// Earlier thoughts go. `is_silent`: the model is not to think in this turn either, because a turn that thinks must begin with
    /// the thought that it had.
    Thoughts { is_silent: bool },
}

impl Amendment {
    /// `body` is what was sent, and `is_ours` says that the caller did not write it for this model, and that nothing was amended yet.
    /// Otherwise only a parameter is changed that OpenAI's `code` says the model does not take:
    /// <https://platform.openai.com/docs/guides/error-codes>.
    pub fn of(fault: &Fault, body: &Pieces, is_ours: bool) -> Option<Amendment> {
        if !matches!(fault.status, 400 | 422) {
            return None;
        }
        if fault.kind == FaultKind::Unsupported && is_about_thoughts(&fault.message) {
            return Some(Amendment::Thoughts { is_silent: fault.message.contains("thinking") });
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
            Amendment::Thoughts { .. } => &[],
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
        }
    }
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

/// Anthropic's signature that does not fit or a thought that is missing, OpenAI's encrypted content.
fn is_about_thoughts(message: &str) -> bool {
    let is_anthropics =
        message.contains("thinking") && (message.contains("signature") || message.contains("Expected `"));
    is_anthropics || message.to_ascii_lowercase().contains("encrypted content")
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
    use serde_json::json;

    use super::*;
    use crate::gateway::refusal;

    fn refused(message: &str, field: Option<&str>) -> Fault {
        let field = field.map(str::to_owned);
        Fault { status: 400, field, ..refusal::fault(FaultKind::Unsupported, message) }
    }

    #[test]
    fn fields_change_and_all_other_bytes_stay() {
        let body = br#"{ "model" : "m", "max_tokens": 5 ,"n\u0061me":1.50, "messages":[ {"x" : 1e2} ]}"#;
        let changed = |fields: &[(&str, Option<Value>)]| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            String::from_utf8(with_fields(body, &fields).to_vec()).expect("text")
        };
        assert_eq!(changed(&[]), r#"{"model":"m","max_tokens":5,"n\u0061me":1.50,"messages":[ {"x" : 1e2} ]}"#);
        assert_eq!(
            changed(&[("max_tokens", None), ("limit", Some(json!(5))), ("name", None)]),
            r#"{"model":"m","messages":[ {"x" : 1e2} ],"limit":5}"#
        );
        assert_eq!(changed(&[("max_tokens", Some(json!(3)))]).matches("\"max_tokens\":3").count(), 1);
        assert_eq!(with_fields(b"{}", &[]), "{}");
        assert_eq!(with_fields(br#"{"a":1}"#, &[("a".to_owned(), None)]), "{}");
    }

    #[test]
    fn a_refusal_names_what_can_be_left_out() {
        let body =
            json!({ "model": "m", "messages": [], "temperature": 0.2, "max_tokens": 9, "top_k": 3, "thinking": {} });
        let body = Pieces::new([Bytes::from(body.to_string())]);
        let fields = |message: &str, field: Option<&str>| match Amendment::of(&refused(message, field), &body, true) {
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
        let fault = refused("top_k: Extra inputs are not permitted", None);
        assert!(Amendment::of(&fault, &body, false).is_none(), "a body that the caller wrote for this model");
        let coded = |message: &str, field: &str| Fault {
            provider_code: Some("unsupported_value".to_owned()),
            ..refused(message, Some(field))
        };
        let temperature = coded("Unsupported value: 'temperature' does not support 0.2.", "temperature");
        let first = Amendment::of(&temperature, &body, false).and_then(|amendment| amendment.after(None));
        let limit = coded("Unsupported. Use 'max_completion_tokens' instead.", "max_tokens");
        let both = Amendment::of(&limit, &body, false).and_then(|amendment| amendment.after(first)).expect("both");
        assert_eq!((both.fields().len(), both.dropped()), (3, vec!["temperature".to_owned()]));
        let again = Amendment::of(&temperature, &body, false).and_then(|amendment| amendment.after(Some(both)));
        assert!(again.is_none(), "who refuses the same again is believed");
        assert!(Amendment::of(&coded("No.", "response_format"), &body, false).is_none());
        let thought = refused("messages.1.content.0: Invalid `signature` in `thinking` block", None);
        let amendment = Amendment::of(&thought, &body, false);
        assert!(matches!(amendment, Some(Amendment::Thoughts { is_silent: true })));
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert!(is_equal(&json!({"a": [1, 0.5]}), &json!({"a": [1.0, 0.5]})));
        assert!(!is_equal(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!is_equal(&json!([1]), &json!([1, 2])));
    }
}
