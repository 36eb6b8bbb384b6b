//! Any reply, written for a caller and decoded again, says the same.

#[path = "../../../../sdk/testing/replies.rs"]
mod replies;

use super::*;
use proptest::prelude::*;
use replies::{Reply, Said, beginnings, faults, frames, only_failure, replies, told};

/// OpenAI seals nothing here; servers that do so have no field for it.
fn own() -> BoxedStrategy<Sealed> {
    Just(Sealed { maker: "openai-chat".into(), data: "x".into() }).boxed()
}

/// Written in two calls, as those bytes.
fn write(stream: bool, events: &[Event], cut: usize) -> Vec<u8> {
    let (first, rest) = events.split_at(cut % (events.len() + 1));
    let memory = crate::write::first_memory(true, Vec::new());
    let written = <Codec as ClientProtocol>::write("chat".into(), stream, memory, first.to_vec(), false);
    let end = <Codec as ClientProtocol>::write("chat".into(), stream, written.memory, rest.to_vec(), true);
    [written.bytes, end.bytes].concat()
}

fn decoded(bytes: &[u8]) -> Vec<Event> {
    let frames = frames(bytes, "\n");
    let events = decode_stream(&frames);
    // Cut elsewhere, a text that waits may be told in other pieces.
    let mut slowly = decode_slowly(&frames);
    if matches!(events.last(), Some(Event::Finished(_))) {
        assert_eq!(told(&slowly), told(&events));
    } else {
        assert_eq!(slowly.pop(), events.last().cloned());
    }
    events
}

/// What a caller of this protocol gets of a reply: the normal forms of README.md.
fn normal(mut reply: Reply) -> Reply {
    if !reply.started.id.starts_with("chatcmpl-") {
        reply.started.id.insert_str(0, "chatcmpl-");
    }
    let mut parts: Vec<Said> = Vec::new();
    for part in reply.parts {
        match (parts.last_mut(), part) {
            (_, Said::Redacted(_)) => {}
            (_, Said::Text(text) | Said::Thought(text, _)) if text.is_empty() => {}
            (Some(Said::Text(last)), Said::Text(text)) => last.push_str(&text),
            (Some(Said::Thought(last, _)), Said::Thought(text, _)) => last.push_str(&text),
            (_, Said::Thought(text, _)) => parts.push(Said::Thought(text, None)),
            (_, Said::Call(id, name, arguments)) if arguments.is_empty() => {
                parts.push(Said::Call(id, name, "{}".into()));
            }
            (_, part) => parts.push(part),
        }
    }
    let has_calls = parts.iter().any(|part| matches!(part, Said::Call(..)));
    reply.parts = parts;
    reply.finished.stop_sequence = None;
    reply.finished.reason = match reply.finished.reason {
        Finish::Stop | Finish::StopSequence if has_calls => Finish::ToolCalls,
        Finish::StopSequence => Finish::Stop,
        Finish::Pause => Finish::Length,
        Finish::Refusal => Finish::ContentFilter,
        other => other,
    };
    reply.usage = reply.usage.map(|usage| Usage { cache_write: 0, ..usage });
    reply
}

/// A message has one field for its thoughts, one for its text and one for its calls.
fn in_fields(mut reply: Reply) -> Reply {
    let place = |part: &Said| match part {
        Said::Thought(..) | Said::Redacted(_) => 0,
        Said::Text(_) => 1,
        Said::Call(..) => 2,
    };
    reply.parts.sort_by_key(place);
    normal(reply)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_survives(events in replies(own()), cut in any::<usize>()) {
        let reply = told(&events);
        prop_assert_eq!(told(&decoded(&write(true, &events, cut))), normal(reply.clone()));
        let whole = serde_json::from_slice(&write(false, &events, cut)).unwrap();
        prop_assert_eq!(told(&decode_whole(whole)), in_fields(reply));
    }

    #[test]
    fn a_failure_stays_one(mut events in beginnings(own()), fault in faults(), cut in any::<usize>()) {
        events.push(Event::Failed(fault.clone()));
        let streamed = decoded(&write(true, &events, cut));
        prop_assert!(only_failure(&streamed).message.contains(&fault.message));
        // After another's bytes: nothing is remembered of the reply.
        let last = vec![Event::Failed(fault)];
        let alone = <Codec as ClientProtocol>::write("chat".into(), true, Vec::new(), last, true).bytes;
        only_failure(&decoded(&alone));
        let whole = serde_json::from_slice(&write(false, &events, cut)).unwrap();
        only_failure(&decode_whole(whole));
    }
}
