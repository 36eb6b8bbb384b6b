//! Any reply, written for a caller and decoded again, says the same.

#[path = "../../../../sdk/testing/replies.rs"]
mod replies;

use super::*;
use crate::encode::arguments;
use crate::{PROTOCOL, ids};
use pointsman_sdk::sealed::unpack;
use proptest::prelude::*;
use replies::{Reply, Said, beginnings, faults, frames, only_failure, replies, told};

fn own() -> BoxedStrategy<Sealed> {
    "[A-Za-z0-9+/=]{1,16}".prop_map(|data| sealed(PROTOCOL, &data)).boxed()
}

/// Written in two calls, as those bytes.
fn write(stream: bool, events: &[Event], cut: usize) -> Vec<u8> {
    let (first, rest) = events.split_at(cut % (events.len() + 1));
    let written = Codec::write("chat".into(), stream, crate::write::beginning(true, false), first.to_vec(), false);
    let end = Codec::write("chat".into(), stream, written.memory, rest.to_vec(), true);
    [written.bytes, end.bytes].concat()
}

fn decode(stream: bool, frames: Vec<Frame>) -> Vec<Event> {
    let at_once = Codec::decode("chat".into(), stream, Vec::new(), frames.clone(), true).events;
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for frame in frames {
        let decoded = Codec::decode("chat".into(), stream, memory, vec![frame], false);
        memory = decoded.memory;
        events.extend(decoded.events);
    }
    events.extend(Codec::decode("chat".into(), stream, memory, Vec::new(), true).events);
    assert_eq!(events, at_once);
    events
}

/// What a caller of this protocol gets of a reply: the normal forms of README.md.
fn normal(mut reply: Reply) -> Reply {
    reply.started.id = ids::message(&reply.started.id);
    reply.started.created_unix_s = 0;
    let says = |part: &Said| match part {
        Said::Text(text) | Said::Thought(text, None) => !text.is_empty(),
        _ => true,
    };
    reply.parts.retain(says);
    for part in &mut reply.parts {
        if let Said::Call(id, _, arguments) = part {
            *id = ids::legal(id);
            if arguments.is_empty() {
                *arguments = "{}".into();
            }
        }
    }
    let has_calls = reply.parts.iter().any(|part| matches!(part, Said::Call(..)));
    reply.finished.reason = match reply.finished.reason {
        Finish::Stop | Finish::ToolCalls if has_calls => Finish::ToolCalls,
        Finish::Stop | Finish::ToolCalls => Finish::Stop,
        Finish::ContentFilter => Finish::Refusal,
        other => other,
    };
    reply.usage = reply.usage.or(Some(Usage { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 }));
    reply
}

/// The seals as they are when the caller sends its history back.
fn unsealed(mut reply: Reply) -> Reply {
    for part in &mut reply.parts {
        match part {
            Said::Thought(_, signature) => {
                let back = signature.take().map(|sealed| unpack(sealed.data, PROTOCOL));
                *signature = back.filter(|sealed| sealed.maker != "unknown");
            }
            Said::Redacted(sealed) => *sealed = unpack(sealed.data.clone(), PROTOCOL),
            _ => {}
        }
    }
    reply
}

/// A whole reply has arguments as objects.
fn as_objects(mut reply: Reply) -> Reply {
    for part in &mut reply.parts {
        if let Said::Call(_, _, text) = part {
            *text = arguments(text).to_string();
        }
    }
    reply
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_survives(events in replies(own()), cut in any::<usize>()) {
        let expected = normal(told(&events));
        let streamed = decode(true, frames(&write(true, &events, cut), "\n"));
        prop_assert_eq!(unsealed(told(&streamed)), expected.clone());
        let whole = Frame { event: None, data: write(false, &events, cut) };
        let whole = decode(false, vec![whole]);
        prop_assert_eq!(as_objects(unsealed(told(&whole))), as_objects(expected));
    }

    #[test]
    fn a_failure_stays_one(mut events in beginnings(own()), fault in faults(), cut in any::<usize>()) {
        events.push(Event::Failed(fault.clone()));
        let streamed = decode(true, frames(&write(true, &events, cut), "\n"));
        prop_assert!(only_failure(&streamed).message.contains(&fault.message));
        // After another's bytes: nothing is remembered of the reply.
        let alone = Codec::write("chat".into(), true, Vec::new(), vec![Event::Failed(fault)], true).bytes;
        only_failure(&decode(true, frames(&alone, "\n")));
        // Not streamed, a failure is the host's to say, and no bytes are no reply.
        prop_assert!(write(false, &events, cut).is_empty());
    }
}
