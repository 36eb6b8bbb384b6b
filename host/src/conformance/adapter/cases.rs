//! The author's own cases are asked, each in its direction, and by the built-in codec for `openai-chat` on the other side.

use std::sync::Arc;

use serde_json::Value;

use super::super::{Check, Failure};
use super::case::{self, Answer, Case, Expected, Pair, Sent, Usage};
use super::subject::Subject;
use super::{around, decode, encode, events, json, write};
use crate::plugin::bindings::chat::{Event, Request};
use crate::plugin::bindings::faults::Fault;
use crate::plugin::bindings::provider::{Encoded, ReplyHead};
use crate::plugin::{Compiler, Plugin, bundled_by};

/// Who speaks on the other side.
const OTHER_SIDE: &str = "openai-chat";

pub async fn check(compiler: &Compiler, plugin: &Arc<Plugin>, settings: &str, all: &[Case]) -> Check {
    let mut check = Check::new("cases");
    let bundled = bundled_by(compiler, OTHER_SIDE).await;
    let other = match &bundled {
        Ok(other) => Subject::open(other, "{}").await,
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    let other = match other {
        Ok(other) => other,
        Err(error) => {
            check.fail(OTHER_SIDE, format!("{error:#}"), "it speaks on the other side");
            return check;
        }
    };
    let mut good = 0;
    for case in all {
        // Whoever waits for it may give up, and requests come first.
        tokio::task::yield_now().await;
        let settings = case.settings.as_deref().unwrap_or(settings);
        let tried = match Subject::open(plugin, settings).await {
            Ok(subject) => tried(&subject, &other, case).await,
            Err(error) => Err(Failure::new(format!("{error:#}"), "it starts")),
        };
        // Each is told, as an author wants it.
        match tried {
            Ok(()) => good += 1,
            Err(broken) => check.failures.push(Failure { place: case.place.clone(), ..broken }),
        }
    }
    check.told = format!("{good} of {} are answered as expected", all.len());
    check
}

async fn tried(subject: &Subject<'_>, other: &Subject<'_>, case: &Case) -> Result<(), Failure> {
    let operation = case.operation.as_str();
    match &case.pair {
        Pair::Encode { request, expected } => {
            let request = asked(other, operation, request).await?;
            match (expected, subject.encode(operation, &request).await?) {
                (Expected::Said(sent), Ok(encoded)) => is_sent(sent, &encoded),
                (Expected::Refused(why), Err(fault)) => is_refused(why, &fault),
                (Expected::Said(_), Err(fault)) => Err(Failure::new(encode::told(&fault), "it can be said")),
                (Expected::Refused(why), Ok(encoded)) => {
                    let body = String::from_utf8_lossy(&encoded.body).into_owned();
                    Err(Failure::new(json::short(&body), format!("refused: {why}")))
                }
            }
        }
        Pair::Decode { status, frames, answer, .. } if !(200..300).contains(status) => {
            let body = frames.iter().map(|frame| frame.data.as_slice()).collect::<Vec<_>>().concat();
            let head = ReplyHead { status: *status, headers: Vec::new() };
            let fault = subject.classify(operation, &head, &body).await?;
            fits(answer, &[Event::Failed(fault)])
        }
        Pair::Decode { stream, frames, answer, .. } => {
            let events = decode::reply(subject, operation, *stream, frames).await?;
            fits(answer, &events)?;
            if *stream { decode::never_shorter(subject, operation, frames).await } else { Ok(()) }
        }
        Pair::Read { body, expected } => match (expected, subject.read(operation, body.as_bytes()).await?) {
            (Expected::Said(expected), Ok(reading)) => {
                let said = said(other, operation, &reading.request).await?;
                json::holds(expected, &said, "").map_err(|text| Failure::new(text, expected.to_string()))
            }
            (Expected::Refused(why), Err(fault)) => is_refused(why, &fault),
            (Expected::Said(_), Err(fault)) => Err(Failure::new(encode::told(&fault), "it can be read")),
            (Expected::Refused(why), Ok(_)) => Err(Failure::new("it reads it", format!("refused: {why}"))),
        },
        Pair::Write { answer, stream, written } => {
            let events = answer.events().map_err(|error| Failure::new(format!("{error:#}"), "an end"))?;
            let data = match (events.last(), stream) {
                // Where nothing is streamed, the host says failures before any byte.
                (Some(Event::Failed(fault)), false) => vec![subject.refuse(operation, fault).await?.body],
                (_, false) => vec![write::bytes(subject, operation, false, &events).await?],
                (_, true) => {
                    let frames = write::frames(&write::bytes(subject, operation, true, &events).await?)?;
                    frames.into_iter().filter_map(|frame| Some(frame.data?.to_vec())).collect()
                }
            };
            are_written(written, &data)
        }
    }
}

/// The request that callers of the other side mean. The model's name may be left out.
async fn asked(other: &Subject<'_>, operation: &str, body: &str) -> Result<Request, Failure> {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        fields.entry("model").or_insert_with(|| "model-1".into());
    }
    match other.read(operation, body.to_string().as_bytes()).await? {
        Ok(reading) => Ok(reading.request),
        Err(fault) => Err(Failure::new(encode::told(&fault), format!("`request` is one of {OTHER_SIDE}"))),
    }
}

/// What a provider of the other side would be sent.
async fn said(other: &Subject<'_>, operation: &str, request: &Request) -> Result<Value, Failure> {
    match other.encode(operation, request).await? {
        Ok(encoded) => encode::body(&encoded),
        Err(fault) => Err(Failure::new(encode::told(&fault), format!("it can be said in {OTHER_SIDE}"))),
    }
}

fn is_sent(sent: &Sent, encoded: &Encoded) -> Result<(), Failure> {
    let Sent { body, path, dropped } = sent;
    json::holds(body, &encode::body(encoded)?, "").map_err(|text| Failure::new(text, body.to_string()))?;
    if let Some(path) = path.as_ref().filter(|path| **path != encoded.call.path) {
        return Err(Failure::new(format!("the path {}", encoded.call.path), path.as_str()));
    }
    match dropped {
        Some(dropped) if *dropped != encoded.dropped => {
            Err(Failure::new(format!("it drops {:?}", encoded.dropped), format!("{dropped:?}")))
        }
        Some(_) | None => Ok(()),
    }
}

fn is_refused(why: &str, fault: &Fault) -> Result<(), Failure> {
    if fault.field.as_deref() == Some(why) || fault.kind.word() == why {
        return Ok(());
    }
    let field = fault.field.as_deref().unwrap_or("no field");
    Err(Failure::new(format!("{} ({field})", encode::told(fault)), format!("refused: {why}")))
}

/// Does the answer say all that is expected of it?
fn fits(expected: &Answer, events: &[Event]) -> Result<(), Failure> {
    let differs = |said: String, expected: String| Err(Failure::new(said, expected));
    let text = events::text(events);
    if expected.text.is_some() && text != expected.pieces().concat() {
        return differs(format!("the text {text:?}"), format!("{:?}", expected.pieces().concat()));
    }
    let wanted: Vec<(String, Value)> = match expected.calls.as_slice() {
        [] => Vec::new(),
        calls => around::calls(
            &calls.iter().flat_map(|call| events::call(&call.id, &call.name, &[&call.arguments])).collect::<Vec<_>>(),
        ),
    };
    let calls = around::calls(events);
    if !wanted.is_empty() && calls != wanted {
        return differs(format!("the calls {calls:?}"), format!("{wanted:?}"));
    }
    let usage = events.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(Usage { input: usage.input, output: usage.output }),
        _ => None,
    });
    if expected.usage.is_some() && usage != expected.usage {
        let told = |usage: Option<Usage>| usage.map_or("none".to_owned(), |usage| usage.to_string());
        return differs(format!("usage {}", told(usage)), told(expected.usage));
    }
    let (said, wanted) = match (events.last(), &expected.fault) {
        (Some(Event::Failed(fault)), Some(wanted)) if fault.kind.word() == *wanted => return Ok(()),
        (Some(Event::Failed(fault)), wanted) => {
            let wanted =
                wanted.as_deref().map_or("an answer that is complete".to_owned(), |word| format!("the fault {word}"));
            (format!("the fault {}: {}", fault.kind.word(), json::short(&fault.message)), wanted)
        }
        (Some(Event::Finished(finished)), None) => {
            let (word, wanted) = (case::word(finished.reason), expected.finish.as_deref());
            if wanted.is_none_or(|wanted| wanted == word) {
                return Ok(());
            }
            (format!("finish {word}"), wanted.unwrap_or_default().to_owned())
        }
        (_, wanted) => (events::spelt(events), format!("the fault {}", wanted.as_deref().unwrap_or_default())),
    };
    differs(said, wanted)
}

/// JSON has to hold what is expected, anything else is to be the very text.
fn are_written(expected: &[String], data: &[Vec<u8>]) -> Result<(), Failure> {
    let texts: Vec<String> = data.iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect();
    if texts.len() != expected.len() {
        let said = format!("{} events: {}", texts.len(), json::short(&texts.join(" ")));
        return Err(Failure::new(said, format!("{}", expected.len())));
    }
    for (expected, text) in expected.iter().zip(&texts) {
        let held = match (serde_json::from_str(expected), serde_json::from_str(text)) {
            (Ok(expected), Ok(found)) => json::holds(&expected, &found, ""),
            _ if expected == text => Ok(()),
            _ => Err(json::short(text)),
        };
        held.map_err(|text| Failure::new(text, json::short(expected)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a built-in adapter.
    async fn failures(name: &str, text: &str) -> Vec<Failure> {
        let compiler = Compiler::here();
        let plugin = bundled_by(&compiler, name).await.expect("it is built in");
        let cases = case::read(text, "here").expect("cases");
        check(&compiler, &plugin, "{}", &cases).await.failures
    }

    #[tokio::test]
    async fn what_is_so_passes_and_what_is_not_is_told() {
        let good = r#"
[[case]]
request = '{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "seed": 1}'
sent = '{"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "max_tokens": 9}'
path = "/v1/messages"
dropped = ["seed"]

[[case]]
request = '{"messages": [{"role": "user", "content": "Hi"}], "stop": [" "]}'
refused = "stop"

[[case]]
reply = '{"id":"m","model":"c","content":[{"type":"text","text":"Hello"}],"stop_reason":"max_tokens","usage":{"input_tokens":3,"output_tokens":2}}'
answer = { text = "Hello", usage = { input = 3, output = 2 }, finish = "length" }

[[case]]
reply = ''
status = 529
answer = { fault = "overloaded" }

[[case]]
body = '{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}'
request = '{"messages": [{"role": "user", "content": "Hi"}]}'

[[case]]
body = '{"model": "m", "max_tokens": 9, "messages": 5}'
refused = "messages"

[[case]]
answer = { text = ["Hel", "lo"], calls = [{ id = "a", name = "look", arguments = '{"at":1}' }], finish = "tool-calls" }
written = '{"content": [{"text": "Hello"}, {"input": {"at": 1}}], "stop_reason": "tool_use"}'

[[case]]
answer = { fault = "overloaded" }
written = '{"type": "error", "error": {"type": "overloaded_error"}}'
"#;
        assert_eq!(failures("anthropic-messages", good).await, []);
        for (was, is, words) in [
            ("\"max_tokens\": 9}'\npath", "\"max_tokens\": 8}'\npath", "`max_tokens` is 9"),
            ("path = \"/v1/messages\"", "path = \"/v1/say\"", "the path /v1/messages"),
            ("dropped = [\"seed\"]", "dropped = []", "it drops [\"seed\"]"),
            ("refused = \"stop\"", "refused = \"n\"", "(stop)"),
            ("answer = { text = \"Hello\"", "answer = { text = \"Hell\"", "the text \"Hello\""),
            ("input = 3", "input = 4", "usage { input = 3, output = 2 }"),
            ("finish = \"length\"", "finish = \"stop\"", "finish length"),
            ("finish = \"length\"", "fault = \"truncated\"", "finished Finish::Length"),
            ("{ fault = \"overloaded\" }\n\n", "{ fault = \"rate-limited\" }\n\n", "the fault overloaded"),
            ("{ fault = \"overloaded\" }\n\n", "{ text = \"\" }\n\n", "the fault overloaded"),
            (
                "request = '{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}'",
                "request = '{\"messages\": []}'",
                "`messages` is [",
            ),
            ("refused = \"messages\"", "request = '{}'", "it refuses: invalid-request"),
            ("{\"text\": \"Hello\"}, {", "{\"text\": \"Hell\"}, {", "`content[0].text` is \"Hello\""),
            ("overloaded_error", "api_error", "`error.type` is \"overloaded_error\""),
        ] {
            assert!(good.contains(was), "{was}");
            let failures = failures("anthropic-messages", &good.replacen(was, is, 1)).await;
            assert!(failures.len() == 1 && failures[0].said.contains(words), "{words}: {failures:?}");
        }
    }
}
