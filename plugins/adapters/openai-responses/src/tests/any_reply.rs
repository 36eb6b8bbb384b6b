//! Any reply, written for a caller and decoded again, says the same.

#[path = "../../../../sdk/testing/replies.rs"]
mod replies;

use super::*;
use crate::ids;
use crate::reasoning::Secret;
use proptest::option;
use proptest::prelude::*;
use replies::{Reply, Said, beginnings, faults, frames, only_failure, replies, told};

fn own() -> BoxedStrategy<Sealed> {
    let secret = (option::of("rs_[a-z0-9]{1,8}"), "[A-Za-z0-9+/=]{1,16}");
    secret.prop_map(|(id, encrypted_content)| Secret { id, encrypted_content }.seal()).boxed()
}

/// Written in two calls, as those bytes.
fn write(stream: bool, events: &[Event], cut: usize) -> Vec<u8> {
    let (first, rest) = events.split_at(cut % (events.len() + 1));
    let memory = Codec::read("chat".into(), vec![], body_with(json!({})).to_string().into_bytes()).unwrap().memory;
    let written = Codec::write("chat".into(), stream, memory, first.to_vec(), false);
    let end = Codec::write("chat".into(), stream, written.memory, rest.to_vec(), true);
    [written.bytes, end.bytes].concat()
}

fn decoded(bytes: &[u8]) -> Vec<Event> {
    let frames = frames(bytes, "\n");
    for frame in &frames {
        let data: Value = serde_json::from_slice(&frame.data).unwrap();
        assert_eq!(data["type"].as_str(), frame.event.as_deref());
    }
    let data: Vec<Value> = frames.iter().map(|frame| serde_json::from_slice(&frame.data).unwrap()).collect();
    decode(&data)
}

/// What a caller of this protocol gets of a reply: the normal forms of README.md.
fn normal(mut reply: Reply) -> Reply {
    reply.started.id = ids::response(&reply.started.id);
    let says = |part: &Said| match part {
        Said::Text(text) | Said::Thought(text, None) => !text.is_empty(),
        _ => true,
    };
    reply.parts.retain(says);
    for part in &mut reply.parts {
        if let Said::Call(_, _, arguments) = part
            && arguments.is_empty()
        {
            *arguments = "{}".into();
        }
    }
    let has_calls = reply.parts.iter().any(|part| matches!(part, Said::Call(..)));
    reply.finished.stop_sequence = None;
    reply.finished.reason = match reply.finished.reason {
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls if has_calls => Finish::ToolCalls,
        Finish::Stop | Finish::StopSequence | Finish::ToolCalls => Finish::Stop,
        Finish::Length | Finish::Pause => Finish::Length,
        Finish::ContentFilter | Finish::Refusal => Finish::ContentFilter,
    };
    reply
}

/// The seals as they are when the caller sends its history back.
fn unsealed(mut reply: Reply) -> Reply {
    for part in &mut reply.parts {
        if let Said::Thought(text, Some(sealed)) = part {
            let Secret { id, encrypted_content } = Secret::open(sealed).unwrap();
            *part = match Secret::unpack(id, encrypted_content) {
                (Some(signature), None) => Said::Thought(text.clone(), Some(signature)),
                (None, Some(redacted)) if text.is_empty() => Said::Redacted(redacted),
                other => panic!("either a signature or a whole thought, not {other:?}"),
            };
        }
    }
    reply
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_survives(events in replies(own()), cut in any::<usize>()) {
        let expected = normal(told(&events));
        let streamed = decoded(&write(true, &events, cut));
        prop_assert_eq!(unsealed(told(&streamed)), expected.clone());
        let whole = serde_json::from_slice(&write(false, &events, cut)).unwrap();
        prop_assert_eq!(unsealed(told(&decode_whole(&whole))), expected);
    }

    #[test]
    fn a_failure_stays_one(mut events in beginnings(own()), fault in faults(), cut in any::<usize>()) {
        events.push(Event::Failed(fault.clone()));
        let streamed = decoded(&write(true, &events, cut));
        prop_assert!(only_failure(&streamed).message.contains(&fault.message));
        // After another's bytes: nothing is remembered of the reply.
        let alone = Codec::write("chat".into(), true, Vec::new(), vec![Event::Failed(fault)], true).bytes;
        only_failure(&decoded(&alone));
        let whole = serde_json::from_slice(&write(false, &events, cut)).unwrap();
        only_failure(&decode_whole(&whole));
    }
}
