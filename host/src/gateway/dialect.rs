//! The same protocol is not the same dialect: a body that was written for one model can hold what another refuses (a limit under
//! the wrong name or above the model's own, sampling, a form of reasoning). Where the target's model is not the one that was asked
//! for, or its provider's settings say how it differs, such fields are mended in place; all other bytes stay as the caller wrote
//! them. What the fields become is the adapter's word: it says the request anew, and its fields at the top are compared.

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::exchange::{COPIES, Exchange};
use super::outgoing;
use super::provider::Adapter;
use super::scan;
use super::table::Target;
use super::unread;
use crate::facts::Facts;
use crate::plugin::bindings::chat::{Request, Role};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::Encoded;

/// Fields at the top in which dialects differ: limits, sampling and reasoning of all protocols that callers speak.
pub const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
const SAMPLING: [&str; 5] = ["temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"];
const REASONING: [&str; 4] = ["thinking", "output_config", "reasoning", "reasoning_effort"];
/// Gemini's, for all three.
const CONFIGS: [&str; 2] = ["generationConfig", "generation_config"];
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
    // Reading takes room of its own, and gives it back.
    let reading = exchange.reading().await;
    let Ok(_room) = exchange.room_for(COPIES) else { return Ok(Body::AsWritten) };
    let reading = match reading {
        Ok(reading) => reading,
        Err(fault) if fault.kind == FaultKind::Unsupported => {
            return Ok(unread_body(exchange, target, adapter, &facts, &given).await);
        }
        Err(_) => return Ok(Body::AsWritten),
    };
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

/// The same for a body whose conversation only its own protocol can say: that goes as it is written.
async fn unread_body(exchange: &Exchange, target: &Target, adapter: &Adapter, facts: &Facts, given: &Given) -> Body {
    let mut mended = Mended::default();
    if let Some(top) = unread::top(exchange).await
        && let Ok(Ok(encoded)) = outgoing::encode(exchange, target, adapter, &top, facts).await
        && let Body::Mended(fields) = compare(given, encoded)
    {
        mended = fields;
    }
    mended.body = unread::without_late_system(exchange, facts);
    Body::Mended(mended)
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

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn numbers_are_compared_as_numbers() {
        assert!(is_equal(&json!({"a": [1, 0.5]}), &json!({"a": [1.0, 0.5]})));
        assert!(!is_equal(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!is_equal(&json!([1]), &json!([1, 2])));
    }
}
