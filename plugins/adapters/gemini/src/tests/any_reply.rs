//! Any reply, written for a caller and decoded again, says the same.

#[path = "../../../../sdk/testing/replies.rs"]
mod replies;

use super::*;
use crate::arguments;
use crate::signature::{self, Returned};
use proptest::prelude::*;
use replies::{Reply, Said, beginnings, faults, frames, only_failure, replies, told};

fn own() -> BoxedStrategy<Sealed> {
    "[A-Za-z0-9+/]{8}".prop_map(|data| Sealed { maker: crate::PROTOCOL.into(), data }).boxed()
}

/// Written in two calls, as those bytes.
fn write(stream: bool, thoughts_wanted: bool, events: &[Event], cut: usize) -> Vec<u8> {
    let (first, rest) = events.split_at(cut % (events.len() + 1));
    let memory = crate::write::beginning(thoughts_wanted);
    let written = Codec::write("chat".into(), stream, memory, first.to_vec(), false);
    let end = Codec::write("chat".into(), stream, written.memory, rest.to_vec(), true);
    [written.bytes, end.bytes].concat()
}

fn decoded(bytes: &[u8]) -> Vec<Event> {
    let frames = frames(bytes, "\r\n");
    let data: Vec<Value> = frames.iter().map(|frame| serde_json::from_slice(&frame.data).unwrap()).collect();
    decode_stream(&data)
}

/// What a caller of this protocol gets of a reply, if it asked for thoughts: the normal forms of README.md.
fn normal(mut reply: Reply) -> Reply {
    reply.started.created_unix_s = 0;
    let mut parts: Vec<Said> = Vec::new();
    for part in reply.parts {
        match (parts.last_mut(), part) {
            (_, Said::Text(text) | Said::Thought(text, None)) if text.is_empty() => {}
            (_, Said::Call(id, name, text)) => parts.push(Said::Call(id, name, arguments::object(&text).to_string())),
            // A thought is over when it is signed.
            (Some(Said::Thought(last, seal @ None)), Said::Thought(text, signature)) => {
                last.push_str(&text);
                *seal = signature;
            }
            (_, Said::Text(text)) => {
                // A signature alone is taken for the text's own, which nobody needs back.
                if parts.last().is_some_and(|last| matches!(last, Said::Thought(text, Some(_)) if text.is_empty())) {
                    parts.pop();
                }
                match parts.last_mut() {
                    Some(Said::Text(last)) => last.push_str(&text),
                    _ => parts.push(Said::Text(text)),
                }
            }
            (_, part) => parts.push(part),
        }
    }
    let has_calls = parts.iter().any(|part| matches!(part, Said::Call(..)));
    reply.parts = parts;
    reply.finished.stop_sequence = None;
    reply.finished.reason = match reply.finished.reason {
        Finish::Length => Finish::Length,
        Finish::ContentFilter | Finish::Refusal => Finish::ContentFilter,
        _ if has_calls => Finish::ToolCalls,
        _ => Finish::Stop,
    };
    reply.usage = reply.usage.map(|usage| Usage { cache_write: 0, ..usage });
    reply
}

/// The seals as they are when the caller sends its history back.
fn unsealed(mut reply: Reply) -> Reply {
    let mut parts = Vec::new();
    for part in reply.parts {
        match part {
            Said::Thought(text, Some(sealed)) => match signature::unpack(sealed.data) {
                Some(Returned::Signature(signature)) => parts.push(Said::Thought(text, Some(signature))),
                Some(Returned::Redacted(redacted)) => {
                    parts.extend((!text.is_empty()).then_some(Said::Thought(text, None)));
                    parts.push(Said::Redacted(redacted));
                }
                // The mark of a call that nobody signed.
                None => parts.extend((!text.is_empty()).then_some(Said::Thought(text, None))),
            },
            Said::Call(id, name, text) => parts.push(Said::Call(id, name, arguments::object(&text).to_string())),
            part => parts.push(part),
        }
    }
    reply.parts = parts;
    reply
}

fn without_thoughts(mut reply: Reply) -> Reply {
    reply.parts.retain(|part| !matches!(part, Said::Thought(..) | Said::Redacted(_)));
    normal(reply)
}

/// Counts of nothing are as good as none.
fn counted(mut reply: Reply) -> Reply {
    let nothing = Usage { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    reply.usage = reply.usage.filter(|usage| *usage != nothing);
    reply
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_survives(events in replies(own()), cut in any::<usize>()) {
        let expected = counted(normal(told(&events)));
        let streamed = decoded(&write(true, true, &events, cut));
        prop_assert_eq!(counted(unsealed(told(&streamed))), expected.clone());
        let whole = serde_json::from_slice(&write(false, true, &events, cut)).unwrap();
        prop_assert_eq!(counted(unsealed(told(&decode_whole(&whole)))), expected);
    }

    #[test]
    fn a_reply_without_its_thoughts_survives(events in replies(own()), cut in any::<usize>()) {
        let expected = counted(without_thoughts(told(&events)));
        let streamed = decoded(&write(true, false, &events, cut));
        prop_assert_eq!(counted(without_thoughts(told(&streamed))), expected.clone());
        let whole = serde_json::from_slice(&write(false, false, &events, cut)).unwrap();
        prop_assert_eq!(counted(without_thoughts(told(&decode_whole(&whole)))), expected);
    }

    #[test]
    fn a_failure_stays_one(mut events in beginnings(own()), fault in faults(), cut in any::<usize>()) {
        events.push(Event::Failed(fault.clone()));
        let streamed = decoded(&write(true, true, &events, cut));
        prop_assert!(only_failure(&streamed).message.contains(&fault.message));
        // After another's bytes: nothing is remembered of the reply.
        let alone = Codec::write("chat".into(), true, Vec::new(), vec![Event::Failed(fault)], true).bytes;
        only_failure(&decoded(&alone));
        // Not streamed, a failure is the host's to say, and no bytes are no reply.
        prop_assert!(write(false, true, &events, cut).is_empty());
    }
}
