//! Answers written for callers: whole and streamed, all at once and event by event. What is written is what the framing says,
//! and an answer that broke off can be told from one that is complete.

use serde_json::Value;

use super::super::{Check, Failure};
use super::subject::Subject;
use super::{CHAT, events, json, read};
use crate::health::{Blame, blame};
use crate::plugin::bindings::chat::{Embedding, Event, Finish};
use crate::plugin::bindings::client_protocol::{Description, Streaming};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::upstream::{Frame, sse};

pub async fn check(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("writes");
    let Some(description) = subject.client() else { return check };
    let mut tried = 0;
    for (operation, _) in read::operations(description) {
        for stream in streams(description, operation) {
            for (name, answer) in answers(operation) {
                tried += 1;
                let place = format!("{operation}: {name}{}", if stream { ", streamed" } else { "" });
                check.note(&place, complete(subject, operation, stream, &answer).await);
            }
            for kind in FaultKind::ALL.iter().filter(|_| stream) {
                tried += 1;
                let place = format!("{operation}: a text that breaks off, {}", kind.word());
                check.note(&place, broken_off(subject, operation, *kind).await);
            }
        }
    }
    check.told = format!("{tried} answers, at once and event by event");
    check
}

/// How callers may ask for it.
pub fn streams(description: &Description, operation: &str) -> Vec<bool> {
    let may = |stream: bool| {
        let mut endpoints = description.endpoints.iter().filter(|endpoint| endpoint.operation == operation);
        endpoints.any(|endpoint| match &endpoint.stream {
            Streaming::Never => !stream,
            Streaming::Always => stream,
            Streaming::Field(_) => true,
        })
    };
    [false, true].into_iter().filter(|stream| may(*stream)).collect()
}

fn answers(operation: &str) -> Vec<(&'static str, Vec<Event>)> {
    let mut counted = events::answer(&[], Some((3, 0)), &events::End::Well(Finish::Stop));
    match operation {
        CHAT => events::answers(),
        "embeddings" => {
            let vector = |index| Event::Embedding(Embedding { index, values: vec![0.5, -0.25] });
            counted.splice(1..1, [vector(0), vector(1)]);
            vec![("two vectors", counted)]
        }
        _ => {
            counted.remove(0);
            vec![("a count", counted)]
        }
    }
}

async fn complete(subject: &Subject<'_>, operation: &str, stream: bool, answer: &[Event]) -> Result<(), Failure> {
    let bytes = bytes(subject, operation, stream, answer).await?;
    let documents = if stream { stream_of(subject, &bytes)? } else { vec![whole(&bytes)?] };
    let texts: String = documents.iter().map(json::texts).collect();
    for event in answer {
        if let Event::TextDelta(delta) = event
            && !texts.contains(&delta.text)
        {
            return Err(Failure::new(json::short(&texts), format!("all of the text, {:?} too", delta.text)));
        }
    }
    Ok(())
}

/// The bytes of an answer: the same at once and event by event.
///
/// # Errors
/// What is not so.
pub async fn bytes(subject: &Subject<'_>, operation: &str, stream: bool, answer: &[Event]) -> Result<Vec<u8>, Failure> {
    let at_once = subject.write(operation, stream, &[], answer, true).await?.bytes;
    // Input that is told together with the beginning may be told on together with it.
    let together = |a: &Event, b: &Event| matches!((a, b), (Event::Started(_), Event::Usage(_)));
    let (mut memory, mut pieces) = (Vec::new(), Vec::new());
    let mut batches = answer.chunk_by(together).peekable();
    while let Some(batch) = batches.next() {
        let is_last = batches.peek().is_none();
        let written = subject.write(operation, stream, &memory, batch, is_last).await?;
        if !stream && !is_last && !written.bytes.is_empty() {
            let said =
                format!("with {}: {}", events::spelt(batch), json::short(&String::from_utf8_lossy(&written.bytes)));
            return Err(Failure::new(said, "nothing before the call with `finished`: it is not streamed"));
        }
        memory = written.memory;
        pieces.extend(written.bytes);
    }
    if pieces == at_once {
        return Ok(at_once);
    }
    let [pieces, at_once] = [pieces, at_once].map(|bytes| json::short(&String::from_utf8_lossy(&bytes)));
    Err(Failure::new(format!("event by event: {pieces}"), format!("the same as at once: {at_once}")))
}

fn whole(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        let said = format!("{} ({error})", json::short(&String::from_utf8_lossy(bytes)));
        Failure::new(said, "one JSON document: the caller is told `application/json`")
    })
}

/// The data of a stream's events. Its last event may be a mark that is no JSON, such as `[DONE]`.
fn stream_of(subject: &Subject<'_>, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let said = || json::short(&String::from_utf8_lossy(bytes));
    if std::str::from_utf8(bytes).is_err() {
        return Err(Failure::new(said(), "text: server-sent events are UTF-8"));
    }
    let frames = frames(bytes)?;
    let data: Vec<Option<Value>> =
        frames.iter().filter_map(|frame| frame.data.as_ref()).map(|data| serde_json::from_slice(data).ok()).collect();
    let Some((last, others)) = data.split_last() else {
        return Err(Failure::new(said(), "at least one event with data"));
    };
    let asks_for_events = subject
        .client()
        .is_some_and(|description| description.endpoints.iter().any(|place| !place.events_query.is_empty()));
    if others.iter().any(Option::is_none) || (last.is_none() && asks_for_events) {
        return Err(Failure::new(
            said(),
            "JSON as the data of each event, but perhaps of a last one that marks the end",
        ));
    }
    let may_comment = subject.client().is_some_and(|description| description.comments);
    if !may_comment && frames.iter().any(|frame| frame.raw.starts_with(b":")) {
        return Err(Failure::new(said(), "no comments: `comments` says that clients fail on them"));
    }
    Ok(data.into_iter().flatten().collect())
}

/// Whole events: nothing is left over.
///
/// # Errors
/// They are not.
pub fn frames(bytes: &[u8]) -> Result<Vec<Frame>, Failure> {
    let (mut framer, mut frames) = (sse::Framer::default(), Vec::new());
    framer.push(bytes);
    while let Some(frame) =
        framer.next_frame().map_err(|error| Failure::new(error.to_string(), "events of a stream"))?
    {
        frames.push(frame);
    }
    if framer.is_empty() {
        return Ok(frames);
    }
    Err(Failure::new(json::short(&String::from_utf8_lossy(bytes)), "whole events: a blank line ends each"))
}

/// It ends with the protocol's own error, and not as an answer that is complete.
async fn broken_off(subject: &Subject<'_>, operation: &str, kind: FaultKind) -> Result<(), Failure> {
    let events = events::broken(kind);
    let written = bytes(subject, operation, true, &events).await?;
    tells(subject, &written, kind)?;
    // After the provider's own bytes there is no memory but of the beginning, or none.
    let failed = &events[events.len() - 1..];
    let started = subject.write(operation, true, &[], &events[..1], false).await?.memory;
    for memory in [&started[..], &[]] {
        let alone = subject.write(operation, true, memory, failed, true).await?;
        tells(subject, &alone.bytes, kind)?;
    }
    Ok(())
}

fn tells(subject: &Subject<'_>, written: &[u8], kind: FaultKind) -> Result<(), Failure> {
    let message = events::fault(kind).message;
    let texts: String = stream_of(subject, written)?.iter().map(json::texts).collect();
    if texts.contains(&message) {
        return Ok(());
    }
    let said = json::short(&String::from_utf8_lossy(written));
    Err(Failure::new(said, format!("an event with the fault's message: {message:?}")))
}

/// Errors before any byte of a reply.
pub async fn refuses(subject: &Subject<'_>) -> Check {
    let mut check = Check::new("tells");
    let Some(description) = subject.client() else { return check };
    for (operation, _) in read::operations(description) {
        for kind in FaultKind::ALL {
            let place = format!("{operation}: {}", kind.word());
            check.note(&place, refusal(subject, operation, &events::fault(kind)).await);
        }
    }
    check.told = format!("{} kinds of errors, before any byte of a reply", FaultKind::ALL.len());
    check
}

async fn refusal(subject: &Subject<'_>, operation: &str, fault: &Fault) -> Result<(), Failure> {
    let reply = subject.refuse(operation, fault).await?;
    let said = format!("{}: {}", reply.status, json::short(&String::from_utf8_lossy(&reply.body)));
    let (is_callers, status) = (blame(fault.kind) == Blame::Caller, reply.status);
    if !(400..600).contains(&status) || (is_callers && status >= 500) {
        let expected =
            if is_callers { "a status from 400 to 499: the caller's own mistake" } else { "a status from 400 to 599" };
        return Err(Failure::new(said, expected));
    }
    if !json::texts(&whole(&reply.body)?).contains(&fault.message) {
        return Err(Failure::new(said, format!("the fault's message: {:?}", fault.message)));
    }
    for header in &reply.headers {
        let is_one = super::provider::is_header(&header.name.to_ascii_lowercase())
            && hyper::header::HeaderValue::try_from(&header.value).is_ok();
        if !is_one {
            return Err(Failure::new(format!("{}: {}", header.name, header.value), "headers that can be sent"));
        }
    }
    Ok(())
}
