//! Answers as events: the order that the contract wants them in, and some that callers must be able to get.

use crate::plugin::bindings::chat::{
    Delta, Event, Finish, Finished, Sealed, SealedDelta, Started, ToolCallStarted, Usage,
};
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// What the contract says of every reply: see `event` in `wit/chat.wit`.
///
/// # Errors
/// What is not so.
pub fn in_order(events: &[Event]) -> Result<(), String> {
    let (mut open, mut next) = (None, 0);
    for (position, event) in events.iter().enumerate() {
        let is_last = position + 1 == events.len();
        let is_end = matches!(event, Event::Finished(_) | Event::Failed(_));
        if is_end != is_last {
            let what = if is_end { "something follows the end" } else { "it has no end" };
            return Err(format!("{what}: {}", spelt(events)));
        }
        let index = match event {
            Event::Started(_) if events[..position].iter().all(|event| matches!(event, Event::Ping)) => continue,
            Event::Started(_) => return Err(format!("`started` is not the first: {}", spelt(events))),
            Event::PartFinished(index) if open == Some(*index) => {
                open = None;
                continue;
            }
            Event::PartFinished(index) => return Err(format!("part {index} ends, but is not open: {}", spelt(events))),
            Event::Finished(_) if open.is_some() => {
                return Err(format!("it finishes within a part: {}", spelt(events)));
            }
            event => match part(event) {
                Some(index) => index,
                None => continue,
            },
        };
        let expected = open.unwrap_or(next);
        if index != expected {
            return Err(format!("part {index} where part {expected} is expected: {}", spelt(events)));
        }
        if open.is_none() {
            (open, next) = (Some(index), next + 1);
        }
    }
    if events.is_empty() { Err("it says nothing at all, not even an end".to_owned()) } else { Ok(()) }
}

fn part(event: &Event) -> Option<u32> {
    match event {
        // Content that has no word in the contract belongs to no part.
        Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX && delta.text.is_empty() => None,
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => Some(delta.index),
        Event::ReasoningSignature(sealed) | Event::RedactedReasoning(sealed) => Some(sealed.index),
        Event::ToolCallStarted(call) => Some(call.index),
        _ => None,
    }
}

/// Is there anything in it that a caller could take for an answer?
pub fn has_content(events: &[Event]) -> bool {
    events.iter().any(|event| match event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) => !delta.text.is_empty(),
        Event::ToolCallStarted(_) | Event::RedactedReasoning(_) | Event::Embedding(_) | Event::Finished(_) => true,
        _ => false,
    })
}

/// The text of it.
pub fn text(events: &[Event]) -> String {
    events
        .iter()
        .filter_map(|event| if let Event::TextDelta(delta) = event { Some(&*delta.text) } else { None })
        .collect()
}

pub fn failure(events: &[Event]) -> Option<&Fault> {
    match events.last() {
        Some(Event::Failed(fault)) => Some(fault),
        _ => None,
    }
}

/// In a line.
pub fn spelt(events: &[Event]) -> String {
    let spell = |event: &Event| match event {
        Event::Started(_) => "started".to_owned(),
        Event::Ping => "ping".to_owned(),
        Event::TextDelta(delta) => format!("text {} {:?}", delta.index, delta.text),
        Event::ReasoningDelta(delta) => format!("reasoning {} {:?}", delta.index, delta.text),
        Event::ReasoningSignature(sealed) => format!("signature {}", sealed.index),
        Event::RedactedReasoning(sealed) => format!("redacted {}", sealed.index),
        Event::ToolCallStarted(call) => format!("call {} {}", call.index, call.name),
        Event::ToolArgumentsDelta(delta) => format!("arguments {} {:?}", delta.index, delta.text),
        Event::PartFinished(index) => format!("part-finished {index}"),
        Event::Usage(usage) => format!("usage {} in, {} out", usage.input, usage.output),
        Event::Embedding(embedding) => format!("embedding {}", embedding.index),
        Event::Finished(finished) => format!("finished {:?}", finished.reason),
        Event::Failed(fault) => format!("failed {} ({})", fault.kind.word(), fault.message),
    };
    super::json::short(&events.iter().map(spell).collect::<Vec<_>>().join("; "))
}

/// Ends well, or with this fault.
pub enum End {
    Well(Finish),
    Badly(FaultKind),
}

/// An answer with these parts, as the host hands it on.
pub fn answer(parts: &[&[Event]], usage: Option<(u64, u64)>, end: &End) -> Vec<Event> {
    let mut events = vec![Event::Started(Started {
        id: "0123456789abcdef".to_owned(),
        model: "model-1".to_owned(),
        created_unix_s: 1_780_394_400,
    })];
    for (part, number) in parts.iter().zip(0..) {
        events.extend(part.iter().cloned().map(|event| numbered(event, number)));
        events.push(Event::PartFinished(number));
    }
    let usage = usage.map(|(input, output)| Usage { input, output, cache_read: 0, cache_write: 0, reasoning: 0 });
    events.extend(usage.map(Event::Usage));
    events.push(match end {
        End::Well(reason) => Event::Finished(Finished { reason: *reason, stop_sequence: None }),
        End::Badly(kind) => Event::Failed(fault(*kind)),
    });
    events
}

pub fn fault(kind: FaultKind) -> Fault {
    let message = format!("pointsman tests how {} is told", kind.word());
    Fault { kind, status: 0, message, provider_code: None, field: None, retry_after_ms: None }
}

fn numbered(mut event: Event, number: u32) -> Event {
    match &mut event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => {
            delta.index = number
        }
        Event::ReasoningSignature(sealed) | Event::RedactedReasoning(sealed) => sealed.index = number,
        Event::ToolCallStarted(call) => call.index = number,
        _ => {}
    }
    event
}

pub fn delta(text: &str) -> Delta {
    Delta { index: 0, text: text.to_owned() }
}

pub fn call(id: &str, name: &str, arguments: &[&str]) -> Vec<Event> {
    let begun = ToolCallStarted { index: 0, id: id.to_owned(), name: name.to_owned() };
    let pieces = arguments.iter().map(|piece| Event::ToolArgumentsDelta(delta(piece)));
    std::iter::once(Event::ToolCallStarted(begun)).chain(pieces).collect()
}

/// Answers that end well, each with what is in it.
pub fn answers() -> Vec<(&'static str, Vec<Event>)> {
    let words = [Event::TextDelta(delta("He sets ")), Event::TextDelta(delta("the switches."))];
    let more = [Event::TextDelta(delta("And the signals."))];
    let hard = [
        Event::TextDelta(delta(super::requests::HARD)),
        Event::TextDelta(delta("")),
        Event::TextDelta(delta("[DONE]")),
    ];
    let seal =
        || SealedDelta { index: 0, sealed: Sealed { maker: "somebody-else".to_owned(), data: "c2VhbGVk".to_owned() } };
    let thought = [Event::ReasoningDelta(delta("Hm.")), Event::ReasoningSignature(seal())];
    let redacted = [Event::RedactedReasoning(seal())];
    let weather = call("call_1", "weather", &["{\"city\":", "\"Bern\"}"]);
    let bare = call("call_2", "look", &[]);
    let ended = |reason| End::Well(reason);
    let well = End::Well(Finish::Stop);
    let mut late = answer(&[&words], Some((3, 2)), &well);
    late.insert(1, Event::Usage(Usage { input: 3, output: 0, cache_read: 1, cache_write: 0, reasoning: 0 }));
    late.insert(2, Event::Ping);
    vec![
        ("a text", answer(&[&words], Some((3, 2)), &well)),
        ("a text and no usage", answer(&[&words], None, &well)),
        ("usage before and after, and a ping", late),
        ("two texts", answer(&[&words, &more], Some((3, 2)), &well)),
        ("a text that is hard to keep", answer(&[&hard], Some((3, 2)), &well)),
        ("a thought and a text", answer(&[&thought, &words], Some((3, 2)), &well)),
        ("a thought that is hidden", answer(&[&redacted, &words], Some((3, 2)), &well)),
        ("a call", answer(&[&weather], Some((3, 2)), &ended(Finish::ToolCalls))),
        ("a text and two calls", answer(&[&words, &weather, &bare], Some((3, 2)), &ended(Finish::ToolCalls))),
        ("nothing", answer(&[], Some((3, 0)), &well)),
        ("the beginning of a text", answer(&[&words], Some((3, 2)), &ended(Finish::Length))),
        ("a text that ends at a stop sequence", answer(&[&words], Some((3, 2)), &ended(Finish::StopSequence))),
        ("a refusal", answer(&[&words], Some((3, 2)), &ended(Finish::Refusal))),
        ("a text that is cut for its content", answer(&[&words], Some((3, 2)), &ended(Finish::ContentFilter))),
    ]
}

/// Answers that break off: a text, and then a failure.
pub fn broken(kind: FaultKind) -> Vec<Event> {
    let mut events = answer(&[&[Event::TextDelta(delta("He sets "))]], None, &End::Badly(kind));
    // It broke off within its part.
    events.retain(|event| !matches!(event, Event::PartFinished(_)));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_events() {
        for (name, events) in answers() {
            assert_eq!(in_order(&events), Ok(()), "{name}");
        }
        assert_eq!(in_order(&broken(FaultKind::Truncated)), Ok(()), "it may break off within a part");
        let good = answer(&[&[Event::TextDelta(delta("a"))]], None, &End::Well(Finish::Stop));
        let changed = |change: &dyn Fn(&mut Vec<Event>)| {
            let mut events = good.clone();
            change(&mut events);
            in_order(&events).expect_err("it is out of order")
        };
        for (change, words) in [
            (&(|events: &mut Vec<Event>| events.clear()) as &dyn Fn(&mut Vec<Event>), "nothing at all"),
            (&|events| events.truncate(2), "it has no end"),
            (&|events| events.push(Event::Ping), "something follows the end"),
            (&|events| events.swap(0, 1), "`started` is not the first"),
            (&|events| drop(events.remove(2)), "it finishes within a part"),
            (&|events| events[2] = Event::PartFinished(1), "part 1 ends, but is not open"),
            (
                &|events| events.insert(2, Event::TextDelta(Delta { index: 1, text: String::new() })),
                "part 1 where part 0",
            ),
            (&|events| events[1] = Event::TextDelta(Delta { index: 1, text: String::new() }), "part 1 where part 0"),
        ] {
            let told = changed(change);
            assert!(told.contains(words), "{words}: {told}");
        }
    }
}
