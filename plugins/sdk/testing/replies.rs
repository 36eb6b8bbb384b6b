//! Replies that nobody thought of, and what they say when it does not matter how they were cut. The codecs' tests include
//! this file by its path: a crate of helpers would have to be built for guests, too.

use pointsman_sdk::codec::chat::*;
use pointsman_sdk::codec::provider::Frame;
use pointsman_sdk::codec::{Fault, FaultKind};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// What a reply says, told apart from the events that say it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub started: Started,
    pub parts: Vec<Said>,
    pub usage: Option<Usage>,
    pub finished: Finished,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Text(String),
    Thought(String, Option<Sealed>),
    Redacted(Sealed),
    /// Id, name and arguments.
    Call(String, String, String),
}

/// Letters, and what JSON, UTF-8 and server-sent events make difficult.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z \"\\\\{}é世\u{0}\u{2028}]{0,8}",
        1 => Just("one\n\ndata: two\r\n\r\nevent: three\n".to_owned()),
        1 => Just("\u{1f44b} [DONE]".to_owned()),
    ]
}

/// The text of a JSON value, of nothing at all, or of a beginning: models write what they like.
fn arguments() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9).prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(3, 10, 3, |inner| {
        let fields = vec(("[a-z ]{0,4}", inner.clone()), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    prop_oneof![
        5 => json.clone().prop_map(|value| json!({ "value": value }).to_string()),
        1 => json.prop_map(|value| value.to_string()),
        1 => Just(String::new()),
        1 => Just("{}".to_owned()),
        1 => Just("{\n  \"n\": 12345678901234567890123,\n  \"x\": [1.50, {}]\n}".to_owned()),
        1 => Just("{\"cut\": \"of".to_owned()),
    ]
}

/// The text in pieces, some of them perhaps empty.
fn pieces(text: &str, cuts: &[usize]) -> Vec<String> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut % (text.len() + 1))).collect();
    cuts.sort_unstable();
    cuts.push(text.len());
    let mut from = 0;
    let piece = |to: usize| text[std::mem::replace(&mut from, to)..to].to_owned();
    cuts.into_iter().map(piece).collect()
}

/// One part, as the events with index 0 that say it.
fn part(own: BoxedStrategy<Sealed>) -> impl Strategy<Value = Vec<Event>> {
    let delta = |text| Delta { index: 0, text };
    let others = vec!["anthropic-messages", "gemini", "openai-responses", "x"];
    let foreign =
        (select(others), "[A-Za-z0-9+/=:{}\"]{1,16}").prop_map(|(maker, data)| Sealed { maker: maker.into(), data });
    let sealed = (own, foreign, any::<bool>());
    // Another's seal only: what a codec makes of its own is the codec's to say.
    let sealed =
        sealed.prop_map(|(own, foreign, is_own)| if is_own || foreign.maker == own.maker { own } else { foreign });
    let sealed = sealed.prop_map(|sealed| SealedDelta { index: 0, sealed }).boxed();
    let text = vec(words(), 1..4).prop_map(move |words| words.into_iter().map(delta).map(Event::TextDelta).collect());
    let thought = (vec(words(), 1..3), option::of(sealed.clone())).prop_map(move |(words, sealed)| {
        let words = words.into_iter().map(delta).map(Event::ReasoningDelta);
        words.chain(sealed.map(Event::ReasoningSignature)).collect()
    });
    let bare = sealed.clone().prop_map(|sealed| vec![Event::ReasoningSignature(sealed)]);
    let redacted = sealed.prop_map(|sealed| vec![Event::RedactedReasoning(sealed)]);
    let id = prop_oneof![3 => "[A-Za-z0-9_-]{1,30}", 1 => Just("odd id: é/".to_owned())];
    let call = (id, "[a-zA-Z_][a-zA-Z0-9_-]{0,11}", arguments(), vec(any::<usize>(), 0..4)).prop_map(
        move |(id, name, arguments, cuts)| {
            let pieces = pieces(&arguments, &cuts).into_iter().map(delta).map(Event::ToolArgumentsDelta);
            let started = Event::ToolCallStarted(ToolCallStarted { index: 0, id, name });
            std::iter::once(started).chain(pieces).collect::<Vec<Event>>()
        },
    );
    prop_oneof![3 => text, 2 => thought, 1 => bare, 1 => redacted, 3 => call]
}

fn numbered(mut event: Event, number: u32) -> Event {
    match &mut event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => {
            delta.index = number;
        }
        Event::ReasoningSignature(delta) | Event::RedactedReasoning(delta) => delta.index = number,
        Event::ToolCallStarted(call) => {
            call.index = number;
            // No two calls of a reply have the same id.
            call.id = format!("{}_{number}", call.id);
        }
        _ => {}
    }
    event
}

fn usage() -> impl Strategy<Value = Usage> {
    (0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000, 0_u64..1000).prop_map(
        |(fresh, cache_read, cache_write, said, reasoning)| Usage {
            input: fresh + cache_read + cache_write,
            output: said + reasoning,
            cache_read,
            cache_write,
            reasoning,
        },
    )
}

fn started() -> impl Strategy<Value = Started> {
    let id = prop_oneof!["[a-z0-9-]{0,9}", "(msg|resp)_[a-z0-9]{1,9}", "chatcmpl-[a-z0-9]{1,9}"];
    (id, "[a-z0-9.-]{1,9}", any::<u32>()).prop_map(|(id, model, created)| Started {
        id,
        model,
        created_unix_s: created.into(),
    })
}

/// Everything before the last event: parts that do not overlap, with pings between them and usage early.
pub fn beginnings(own: BoxedStrategy<Sealed>) -> impl Strategy<Value = Vec<Event>> {
    (started(), option::of(usage()), vec((part(own), any::<bool>()), 0..6)).prop_map(|(started, early, parts)| {
        let mut events = vec![Event::Started(started)];
        events.extend(early.map(Event::Usage));
        for ((part, has_ping), number) in parts.into_iter().zip(0..) {
            events.extend(part.into_iter().map(|event| numbered(event, number)));
            events.extend(has_ping.then_some(Event::Ping));
            events.push(Event::PartFinished(number));
        }
        events
    })
}

/// Any reply that ends well. `own` is what the codec's own provider seals.
pub fn replies(own: BoxedStrategy<Sealed>) -> impl Strategy<Value = Vec<Event>> {
    let reasons = vec![
        Finish::Stop,
        Finish::StopSequence,
        Finish::Length,
        Finish::ToolCalls,
        Finish::ContentFilter,
        Finish::Refusal,
        Finish::Pause,
    ];
    (beginnings(own), option::of(usage()), select(reasons), option::of(words())).prop_map(
        |(mut events, late, reason, stop_sequence)| {
            let early =
                events.iter().find_map(|event| if let Event::Usage(usage) = event { Some(*usage) } else { None });
            // Counts only grow.
            let grown = |early: Usage, late: Usage| Usage {
                input: early.input + late.input,
                output: early.output + late.output,
                cache_read: early.cache_read + late.cache_read,
                cache_write: early.cache_write + late.cache_write,
                reasoning: early.reasoning + late.reasoning,
            };
            let late = late.map(|late| early.map_or(late, |early| grown(early, late)));
            events.extend(late.map(Event::Usage));
            let stop_sequence = stop_sequence.filter(|_| reason == Finish::StopSequence);
            events.push(Event::Finished(Finished { reason, stop_sequence }));
            events
        },
    )
}

/// A failure of any kind.
pub fn faults() -> impl Strategy<Value = Fault> {
    let kinds = vec![
        FaultKind::Overloaded,
        FaultKind::RateLimited,
        FaultKind::QuotaExhausted,
        FaultKind::ServerError,
        FaultKind::Unavailable,
        FaultKind::TimedOut,
        FaultKind::Connection,
        FaultKind::MalformedReply,
        FaultKind::Truncated,
        FaultKind::Authentication,
        FaultKind::Permission,
        FaultKind::ModelNotFound,
        FaultKind::InvalidRequest,
        FaultKind::ContextTooLong,
        FaultKind::ContentPolicy,
        FaultKind::TooLarge,
        FaultKind::Unsupported,
        FaultKind::AdapterFailed,
    ];
    (select(kinds), words(), option::of(0..100_000_u64)).prop_map(|(kind, words, retry_after_ms)| Fault {
        kind,
        status: 0,
        message: format!("broken: {words}"),
        provider_code: None,
        field: None,
        retry_after_ms,
    })
}

/// What the events say. Panics where they break the contract's order.
pub fn told(events: &[Event]) -> Reply {
    let mut events = events.iter().filter(|event| !matches!(event, Event::Ping)).cloned();
    let Some(Event::Started(started)) = events.next() else { panic!("it does not begin with `started`") };
    let (mut parts, mut usage, mut finished) = (Vec::new(), None, None);
    let mut open: Option<Said> = None;
    for event in events {
        assert!(finished.is_none(), "{event:?} comes after the end");
        let expected = u32::try_from(parts.len()).unwrap();
        if let Some(index) = index(&event) {
            assert_eq!(index, expected, "{event:?} is in another part");
        }
        match (event, &mut open) {
            (Event::TextDelta(delta), None) => open = Some(Said::Text(delta.text)),
            (Event::TextDelta(delta), Some(Said::Text(text))) => text.push_str(&delta.text),
            (Event::ReasoningDelta(delta), None) => open = Some(Said::Thought(delta.text, None)),
            (Event::ReasoningDelta(delta), Some(Said::Thought(text, None))) => text.push_str(&delta.text),
            (Event::ReasoningSignature(delta), None) => {
                open = Some(Said::Thought(String::new(), Some(delta.sealed)));
            }
            (Event::ReasoningSignature(delta), Some(Said::Thought(_, signature @ None))) => {
                *signature = Some(delta.sealed);
            }
            (Event::RedactedReasoning(delta), None) => open = Some(Said::Redacted(delta.sealed)),
            (Event::ToolCallStarted(call), None) => open = Some(Said::Call(call.id, call.name, String::new())),
            (Event::ToolArgumentsDelta(delta), Some(Said::Call(_, _, arguments))) => arguments.push_str(&delta.text),
            (Event::PartFinished(_), Some(_)) => parts.extend(open.take()),
            (Event::Usage(now), _) => usage = Some(now),
            (Event::Finished(how), None) => finished = Some(how),
            (event, open) => panic!("{event:?} while {open:?} is open"),
        }
    }
    Reply { started, parts, usage, finished: finished.expect("an end") }
}

fn index(event: &Event) -> Option<u32> {
    match event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => Some(delta.index),
        Event::ReasoningSignature(delta) | Event::RedactedReasoning(delta) => Some(delta.index),
        Event::ToolCallStarted(call) => Some(call.index),
        Event::PartFinished(index) => Some(*index),
        _ => None,
    }
}

/// Server-sent events, whose lines all end alike.
pub fn frames(bytes: &[u8], line_end: &str) -> Vec<Frame> {
    let text = std::str::from_utf8(bytes).unwrap();
    let blank = line_end.repeat(2);
    assert!(text.is_empty() || text.ends_with(&blank), "it ends within an event");
    let frame = |lines: &str| {
        let mut frame = Frame { event: None, data: Vec::new() };
        for line in lines.split(line_end) {
            match line.split_once(": ") {
                Some(("event", name)) => frame.event = Some(name.to_owned()),
                Some(("data", data)) => frame.data.extend_from_slice(data.as_bytes()),
                Some(("", _comment)) => {}
                _ => panic!("no line of an event: {line:?}"),
            }
        }
        frame
    };
    text.split_terminator(&blank).map(frame).filter(|frame| !frame.data.is_empty()).collect()
}

/// A fault that ends a stream, and comes once.
pub fn only_failure(events: &[Event]) -> &Fault {
    let is_end = |event: &&Event| matches!(event, Event::Failed(_) | Event::Finished(_));
    assert_eq!(events.iter().filter(is_end).count(), 1, "{events:?}");
    match events.last() {
        Some(Event::Failed(fault)) => fault,
        other => panic!("not a failure, but {other:?}"),
    }
}
