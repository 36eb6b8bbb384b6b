//! Replies that claim to be a success and are none: no content is made of them, they end as failures, and it does not matter
//! how they come in pieces.

use super::super::{Check, Failure};
use super::bad::NO_REPLIES;
use super::events;
use super::subject::Subject;
use crate::health::{Blame, blame};
use crate::plugin::bindings::chat::Event;
use crate::plugin::bindings::provider::{Description, Frame};

/// Frames of one reply that are given one by one, and in all splits of two.
const SPLIT_FRAMES_MAX: usize = 64;

pub async fn check(subject: &Subject<'_>, description: &Description) -> Check {
    let mut check = Check::new("decodes");
    let mut tried = 0;
    for operation in &description.operations {
        for stream in [false, true] {
            let how = if stream { "streamed" } else { "whole" };
            if stream && operation != super::CHAT {
                continue;
            }
            for (name, data) in NO_REPLIES {
                tried += 1;
                let frame = Frame { event: None, data: data.to_vec() };
                let place = format!("{operation}: {name} for a reply, {how}");
                check.note(&place, is_no_answer(subject, operation, stream, &[frame]).await);
            }
            tried += 1;
            let place = format!("{operation}: a reply without any frame, {how}");
            check.note(&place, is_no_answer(subject, operation, stream, &[]).await);
        }
    }
    let all: Vec<Frame> = NO_REPLIES.iter().map(|(_, data)| Frame { event: None, data: data.to_vec() }).collect();
    check.note("all of these in one stream", is_no_answer(subject, super::CHAT, true, &all).await);
    check.told = format!("{tried} replies that are none, as failures");
    check
}

async fn is_no_answer(subject: &Subject<'_>, operation: &str, stream: bool, frames: &[Frame]) -> Result<(), Failure> {
    let events = reply(subject, operation, stream, frames).await?;
    if events::has_content(&events) {
        return Err(Failure::new(events::spelt(&events), "no content: this is no reply"));
    }
    match events::failure(&events) {
        Some(fault) if blame(fault.kind) == Blame::Target && !fault.message.trim().is_empty() => Ok(()),
        _ => Err(Failure::new(
            events::spelt(&events),
            "`failed`, with a fault of the target in words, such as `malformed-reply` or `truncated`",
        )),
    }
}

/// The events of a reply to its end: in order, and the same however its frames come together.
///
/// # Errors
/// What is not so.
pub async fn reply(
    subject: &Subject<'_>,
    operation: &str,
    stream: bool,
    frames: &[Frame],
) -> Result<Vec<Event>, Failure> {
    if !stream {
        let events = subject.decode(operation, stream, &[], frames, true).await?.events;
        return lawful(events);
    }
    let (events, memory) = batches(subject, operation, &[frames, &[]]).await?;
    let events = lawful(events)?;
    let one_by_one: Vec<&[Frame]> = frames.chunks(1).chain([&[][..]]).collect();
    let splits = (0..frames.len().min(SPLIT_FRAMES_MAX)).map(|at| frames.split_at(at));
    let splits = splits.map(|(before, after)| vec![before, after, &[]]);
    for split in splits.chain([one_by_one, vec![frames]]) {
        let (others, _) = batches(subject, operation, &split).await?;
        if others != events {
            let lengths: Vec<usize> = split.iter().map(|batch| batch.len()).collect();
            let said = format!("with batches of {lengths:?} frames: {}", events::spelt(&others));
            return Err(Failure::new(said, format!("the same as in one batch: {}", events::spelt(&events))));
        }
    }
    // What comes after the end, nobody waits for; but the call is made.
    let after = subject.decode(operation, stream, &memory, frames, true).await?.events;
    if !after.is_empty() {
        return Err(Failure::new(events::spelt(&after), "nothing more: the reply has ended already"));
    }
    Ok(events)
}

fn lawful(events: Vec<Event>) -> Result<Vec<Event>, Failure> {
    events::in_order(&events).map_err(|text| Failure::new(text, "the order of events that `wit/chat.wit` names"))?;
    Ok(events)
}

/// Each batch in a call of its own; the last one ends the reply.
pub async fn batches(
    subject: &Subject<'_>,
    operation: &str,
    batches: &[&[Frame]],
) -> Result<(Vec<Event>, Vec<u8>), Failure> {
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for (position, batch) in batches.iter().enumerate() {
        let is_last = position + 1 == batches.len();
        let mut decoded = subject.decode(operation, true, &memory, batch, is_last).await?;
        events.append(&mut decoded.events);
        memory = decoded.memory;
    }
    Ok((events, memory))
}

/// Cut off before the frame with which it is complete, a stream is a failure: never a shorter answer.
///
/// # Errors
/// Where it is not so.
pub async fn never_shorter(subject: &Subject<'_>, operation: &str, frames: &[Frame]) -> Result<(), Failure> {
    for end in 0..frames.len() {
        let (before, _) = batches(subject, operation, &[&frames[..end], &[]]).await?;
        let is_complete = matches!(before.last(), Some(Event::Finished(_)));
        if !is_complete {
            lawful(before)?;
            continue;
        }
        // Then what is cut off has to be of no account.
        let (all, _) = batches(subject, operation, &[frames, &[]]).await?;
        if before != all {
            let said = format!("after {end} of {} frames: {}", frames.len(), events::spelt(&before));
            return Err(Failure::new(said, "`failed`: the reply was cut off, and is not complete"));
        }
    }
    Ok(())
}
