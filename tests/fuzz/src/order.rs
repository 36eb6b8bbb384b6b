//! What the contract says of the events of every reply: see `event` in `wit/chat.wit`.

use pointsman_sdk::codec::chat::Event;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Text,
    Reasoning,
    Redacted,
    Call,
}

/// Begins with `started`, parts do not overlap and are of one kind each, and there is one end.
///
/// # Panics
/// When the events are in another order.
pub fn in_order(events: &[Event], name: &str) {
    let mut started = false;
    let mut open: Option<(u32, Kind)> = None;
    let mut signed = false;
    let mut next = 0;
    one_end(events, name);
    for event in events {
        let (index, kind) = match event {
            Event::Started(_) => {
                assert!(!started, "{name}: starts twice: {events:?}");
                started = true;
                continue;
            }
            Event::PartFinished(index) => {
                let open = open.take().map(|(open, _)| open);
                assert_eq!(open, Some(*index), "{name}: a part ends that is not open: {events:?}");
                continue;
            }
            Event::Finished(_) => {
                assert!(started, "{name}: finished before it started: {events:?}");
                assert_eq!(open, None, "{name}: finished within a part: {events:?}");
                continue;
            }
            Event::Ping | Event::Usage(_) | Event::Embedding(_) | Event::Failed(_) => continue,
            Event::TextDelta(delta) => (delta.index, Kind::Text),
            Event::ReasoningDelta(delta) => (delta.index, Kind::Reasoning),
            Event::ReasoningSignature(sealed) => (sealed.index, Kind::Reasoning),
            Event::RedactedReasoning(sealed) => (sealed.index, Kind::Redacted),
            Event::ToolCallStarted(call) => (call.index, Kind::Call),
            // Content without a word in the contract belongs to no part.
            Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX && delta.text.is_empty() => continue,
            Event::ToolArgumentsDelta(delta) => (delta.index, Kind::Call),
        };
        assert!(started, "{name}: content before `started`: {events:?}");
        match open {
            Some(open) => {
                assert_eq!(open, (index, kind), "{name}: parts overlap, or one has two kinds: {events:?}");
                let again = matches!(event, Event::ToolCallStarted(_) | Event::RedactedReasoning(_));
                assert!(!again, "{name}: a part begins twice: {events:?}");
            }
            None => {
                assert_eq!(index, next, "{name}: parts are counted from 0: {events:?}");
                assert!(!matches!(event, Event::ToolArgumentsDelta(_)), "{name}: arguments of no call: {events:?}");
                (open, next, signed) = (Some((index, kind)), next + 1, false);
            }
        }
        if matches!(event, Event::ReasoningSignature(_)) {
            assert!(!signed, "{name}: signed twice: {events:?}");
            signed = true;
        }
    }
}

/// `finished` or `failed` is the last event, and no other is.
///
/// # Panics
/// When it is not so.
pub fn one_end(events: &[Event], name: &str) {
    let is_end = |event: &Event| matches!(event, Event::Finished(_) | Event::Failed(_));
    assert_eq!(
        events.iter().position(is_end).map(|at| at + 1),
        Some(events.len()),
        "{name}: one end, last: {events:?}"
    );
}
