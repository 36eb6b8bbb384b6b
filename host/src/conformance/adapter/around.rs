//! A protocol that is spoken on both sides: the adapter understands what it says itself. Saying a request brings it into a
//! normal form, and saying it once more changes nothing; an answer that is written and read again says the same.

use serde_json::Value;

use super::super::{Check, Failure, Trial};
use super::requests::{self, QUESTION};
use super::subject::Subject;
use super::{CHAT, decode, encode, events, json, read, write};
use crate::plugin::bindings::chat::{Event, Finish, Message, Part, Request, Role};
use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::provider::{Frame, Framing};

/// Mixed requests that go around; more would say little new.
const MIXED_MAX: usize = 100;

pub async fn requests(subject: &Subject<'_>, trial: &Trial) -> Check {
    let mut check = Check::new("understands");
    let (mut around, mut odd) = (0, 0);
    let mut richest: Option<Value> = None;
    for (place, request) in requests::all(trial.seed, trial.situations.min(MIXED_MAX)) {
        // That there has to be a message is known before; and what an assistant says in a row may be read as one.
        let in_a_row = |pair: &[Message]| pair.iter().all(|message| message.role == Role::Assistant);
        if request.messages.is_empty() || request.messages.windows(2).any(in_a_row) || check.is_full() {
            continue;
        }
        let Some(Some(body)) = check.note(&place, said_again(subject, &request).await) else { continue };
        around += 1;
        let size = |body: &Value| body.as_object().map_or(0, serde_json::Map::len);
        if richest.as_ref().is_none_or(|before| size(before) < size(&body)) {
            richest = Some(body);
        }
    }
    if let Some(body) = richest {
        odd = read::odd(subject, CHAT, &body, &mut check).await;
    }
    check.told = format!("{around} of its own requests, and {odd} of them with something odd in a place");
    check
}

/// The body, if the request can be said at all.
async fn said_again(subject: &Subject<'_>, request: &Request) -> Result<Option<Value>, Failure> {
    let Ok(encoded) = subject.encode(CHAT, request).await? else { return Ok(None) };
    let first = encode::body(&encoded)?;
    let Some(reading) = read::in_words(subject, CHAT, &encoded.body, read::Place::Any).await? else {
        return Err(Failure::new(json::short(&first.to_string()), "it reads what it says itself"));
    };
    let mut again = reading.request;
    // As the host does, because they may stand outside of the body.
    again.model.clone_from(&request.model);
    again.stream = request.stream;
    if *request == requests::plain(request.stream) && !words(&again.messages).contains(QUESTION) {
        return Err(Failure::new(json::short(&words(&again.messages)), format!("it reads the words `{QUESTION}`")));
    }
    match subject.encode(CHAT, &again).await? {
        Err(fault) => Err(Failure::new(encode::told(&fault), "it says again what it has read")),
        Ok(encoded) => {
            let second = encode::body(&encoded)?;
            json::holds(&first, &second, "").and_then(|()| json::holds(&second, &first, "")).map_err(|text| {
                Failure::new(
                    format!("read and said again, {text}"),
                    format!("as at first: {}", json::short(&first.to_string())),
                )
            })?;
            Ok(Some(first))
        }
    }
}

fn words(messages: &[Message]) -> String {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts.filter_map(|part| if let Part::Text(text) = part { Some(&*text.text) } else { None }).collect()
}

pub async fn replies(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("rereads");
    let mut tried = 0;
    let Some(description) = subject.client() else { return check };
    // Where nobody can offer tools, nobody is called.
    let has_tools = matches!(subject.encode(CHAT, &requests::with_tools()).await, Ok(Ok(_)));
    for stream in write::streams(description, CHAT) {
        let how = if stream { ", streamed" } else { "" };
        for (name, answer) in events::answers() {
            if !has_tools && !calls(&answer).is_empty() {
                continue;
            }
            tried += 1;
            check.note(&format!("its own answer: {name}{how}"), read_again(subject, stream, &answer).await);
        }
        for kind in FaultKind::ALL.iter().filter(|_| stream) {
            tried += 1;
            let place = format!("its own answer that breaks off: {}", kind.word());
            check.note(&place, fails_again(subject, *kind).await);
        }
    }
    check.told = format!("{tried} of its own answers");
    check
}

async fn read_again(subject: &Subject<'_>, stream: bool, answer: &[Event]) -> Result<(), Failure> {
    let Some(frames) = frames(subject, stream, answer).await? else { return Ok(()) };
    let read = decode::reply(subject, CHAT, stream, &frames).await?;
    let (was, is) = (events::text(answer), events::text(&read));
    if was != is {
        return Err(Failure::new(format!("the text {is:?}"), format!("the text {was:?}")));
    }
    let (calls, again) = (calls(answer), calls(&read));
    if calls != again {
        return Err(Failure::new(format!("the calls {again:?}"), format!("the calls {calls:?}")));
    }
    let end = |events: &[Event]| match events.last() {
        Some(Event::Finished(finished)) => Some(finished.reason),
        _ => None,
    };
    // Other ends are not told apart everywhere.
    match (end(answer), end(&read)) {
        (Some(Finish::Length), Some(Finish::Length)) | (Some(Finish::ToolCalls), Some(Finish::ToolCalls)) => {}
        (Some(Finish::Length | Finish::ToolCalls), _) | (_, None) => {
            return Err(Failure::new(events::spelt(&read), format!("the end of {}", events::spelt(answer))));
        }
        (_, Some(_)) => {}
    }
    if stream { decode::never_shorter(subject, CHAT, &frames).await } else { Ok(()) }
}

async fn fails_again(subject: &Subject<'_>, kind: FaultKind) -> Result<(), Failure> {
    let Some(frames) = frames(subject, true, &events::broken(kind)).await? else { return Ok(()) };
    let read = decode::reply(subject, CHAT, true, &frames).await?;
    match events::failure(&read) {
        Some(_) => Ok(()),
        None => Err(Failure::new(events::spelt(&read), "`failed`, as it was written")),
    }
}

/// What is written, as the host would hand it to the provider's side; nothing, where that wants another framing.
async fn frames(subject: &Subject<'_>, stream: bool, answer: &[Event]) -> Result<Option<Vec<Frame>>, Failure> {
    let bytes = write::bytes(subject, CHAT, stream, answer).await?;
    if !stream {
        return Ok(Some(vec![Frame { event: None, data: bytes }]));
    }
    let framing = subject.encode(CHAT, &requests::plain(true)).await?.map(|encoded| encoded.call.framing);
    if framing != Ok(Framing::Sse) {
        return Ok(None);
    }
    let frames = write::frames(&bytes)?.into_iter();
    Ok(Some(frames.filter_map(|frame| Some(Frame { event: frame.name, data: frame.data?.to_vec() })).collect()))
}

/// Name and arguments of each call. One without arguments has none, or `{}`.
pub fn calls(events: &[Event]) -> Vec<(String, Value)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    for event in events {
        match event {
            Event::ToolCallStarted(call) => calls.push((call.name.clone(), String::new())),
            Event::ToolArgumentsDelta(delta) => {
                if let Some((_, arguments)) = calls.last_mut() {
                    arguments.push_str(&delta.text);
                }
            }
            _ => {}
        }
    }
    let value = |text: String| match text.as_str() {
        "" => Value::Object(serde_json::Map::new()),
        _ => serde_json::from_str(&text).unwrap_or(Value::from(text)),
    };
    calls.into_iter().map(|(name, arguments)| (name, value(arguments))).collect()
}
