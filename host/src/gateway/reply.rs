//! A provider's streamed reply: bytes to frames to events, in batches of what arrived together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::absurd;
use super::exchange::Exchange;
use super::game_day::{Break, Rest};
use super::halves::Halves;
use super::outgoing::adapter_failed;
use super::provider::Adapter;
use super::redact::Redaction;
use super::refusal::fault;
use super::shadow::Shadow;
use super::tool_names::ToolNames;
use super::torn::Torn;
use super::undecoded::{Call, Undecoded};
use crate::config::defaults::AFTER_STOP;
use crate::plugin::bindings::chat;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider;
use crate::upstream::{Frame, FrameError, Framer, Incoming};

/// Bytes that are put into one batch when more are waiting.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// How long the rest of a finished reply is waited for, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// A streamed reply of a provider, on its way.
pub struct Reply {
    incoming: Incoming,
    framer: Framer,
    adapter: Arc<Adapter>,
    operation: String,
    redaction: Arc<Redaction>,
    torn: Torn,
    shadow: Option<Shadow>,
    undecoded: Undecoded,
    tool_names: ToolNames,
    /// Of a game day.
    breaks: Option<Break>,
    fold: Fold,
    queue: VecDeque<Frame>,
    /// No more bytes will come, and why.
    ended: Option<Ended>,
    quiet: Quiet,
}

/// What is remembered from one batch to the next.
#[derive(Clone, Default)]
struct Fold {
    /// The adapter's.
    memory: Vec<u8>,
    halves: Halves,
}

enum Ended {
    Cleanly,
    Broken(String),
    /// A frame is larger than any may be: nobody's fault, but the end.
    TooLarge(String),
}

/// How long there were only signs of life, while the caller waited.
struct Quiet {
    since: Instant,
    /// When the last batch was handed on; what passed from then on was the caller's time.
    left: Instant,
    /// It was looked already whether the reply is complete as it is.
    looked: bool,
}

impl Quiet {
    fn new(now: Instant) -> Quiet {
        Quiet { since: now, left: now, looked: false }
    }

    /// The caller is back.
    fn enter(&mut self, now: Instant) {
        self.since += now.saturating_duration_since(self.left);
        self.left = now;
    }

    fn note(&mut self, batch: &Batch, now: Instant) {
        self.left = now;
        if !batch.events.iter().all(|event| matches!(event, chat::Event::Ping)) {
            *self = Quiet::new(now);
        }
    }

    /// When it should be looked. Absent: it was.
    fn due(&self) -> Option<Instant> {
        (!self.looked).then(|| self.since + AFTER_STOP)
    }
}

/// What arrived together.
#[derive(Default)]
pub struct Batch {
    /// As they stood on the wire.
    pub frames: Vec<Frame>,
    pub events: Vec<chat::Event>,
    /// A failure is known to follow at once. It comes as an event of its own in the next batch.
    pub failing: Option<Fault>,
}

impl Batch {
    pub fn failed(fault: Fault) -> Batch {
        Batch { events: vec![chat::Event::Failed(fault)], ..Batch::default() }
    }

    /// The failure in it, or at its heels.
    pub fn fault(&self) -> Option<&Fault> {
        self.failure().or(self.failing.as_ref())
    }

    /// The failure that is one of its events.
    pub fn failure(&self) -> Option<&Fault> {
        self.events.iter().find_map(|event| match event {
            chat::Event::Failed(fault) => Some(fault),
            _ => None,
        })
    }

    pub fn finished(&self) -> bool {
        self.events.iter().any(|event| matches!(event, chat::Event::Finished(_)))
    }

    /// Does it hold content that the contract has no word for? See `tool-arguments-delta` in `chat.wit`.
    pub fn has_other_content(&self) -> bool {
        let is_other =
            |event: &chat::Event| matches!(event, chat::Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX);
        self.events.iter().any(is_other)
    }

    /// Does it hold content that callers of every protocol can be given? Its end is none.
    pub fn has_sayable_content(&self) -> bool {
        self.events.iter().any(|event| match event {
            chat::Event::TextDelta(delta) => !delta.text.is_empty(),
            chat::Event::ToolCallStarted(_) => true,
            _ => false,
        })
    }

    /// Does it hold anything that a caller would miss?
    pub fn has_content(&self) -> bool {
        self.events.iter().any(|event| match event {
            chat::Event::TextDelta(delta)
            | chat::Event::ReasoningDelta(delta)
            | chat::Event::ToolArgumentsDelta(delta) => !delta.text.is_empty(),
            chat::Event::RedactedReasoning(_) | chat::Event::Finished(_) => true,
            // That a call begins is no content yet: nobody can act on it before its arguments.
            _ => false,
        })
    }
}

impl Reply {
    pub fn new(
        exchange: &Exchange,
        incoming: Incoming,
        framer: Framer,
        adapter: Arc<Adapter>,
        redaction: Arc<Redaction>,
    ) -> Reply {
        Reply {
            incoming,
            framer,
            operation: exchange.endpoint.operation.clone(),
            redaction,
            torn: Torn::default(),
            shadow: Shadow::of(exchange, &adapter),
            undecoded: Undecoded::of(exchange, &adapter.plugin),
            adapter,
            tool_names: ToolNames::default(),
            breaks: None,
            fold: Fold::default(),
            queue: VecDeque::new(),
            ended: None,
            quiet: Quiet::new(Instant::now()),
        }
    }

    /// Names of tools that the provider read in the place of the caller's are put back.
    pub fn naming(self, tool_names: ToolNames) -> Reply {
        Reply { tool_names, ..self }
    }

    /// It breaks off like this, and nobody is compared by it.
    pub fn breaking(mut self, breaks: Option<Break>) -> Reply {
        self.shadow = self.shadow.filter(|_| breaks.is_none());
        Reply { breaks, ..self }
    }

    /// The version that reads it hears how it ended.
    pub fn note_outcome(&self, is_good: bool) {
        self.adapter.plugin.tally.note_outcome(is_good);
    }

    /// The next batch; after one that is finished or failed there is none. Failures are events: a broken connection and a
    /// misbehaving adapter too. A reply that said why it stopped, and then gives only signs of life or nothing at all, is complete
    /// after [`AFTER_STOP`].
    pub async fn next(&mut self) -> Batch {
        self.quiet.enter(Instant::now());
        let batch = self.wait().await;
        self.quiet.note(&batch, Instant::now());
        batch
    }

    async fn wait(&mut self) -> Batch {
        loop {
            if self.breaks.is_some() && !self.queue.is_empty() {
                match self.up_to_break().await {
                    Some(batch) => return batch,
                    None => continue,
                }
            }
            if !self.queue.is_empty() {
                let frames: Vec<Frame> = self.queue.drain(..).collect();
                return self.decode(frames).await;
            }
            if let Some(ended) = &self.ended {
                let why = match ended {
                    Ended::Cleanly => None,
                    Ended::Broken(text) => Some(text.clone()),
                    Ended::TooLarge(text) => return Batch::failed(fault(FaultKind::Unsupported, text.clone())),
                };
                return self.end(why).await;
            }
            let Some(due) = self.quiet.due() else {
                self.receive().await;
                continue;
            };
            if Instant::now() < due && timeout_at(due, self.receive()).await.is_ok() {
                continue;
            }
            self.quiet.looked = true;
            if let Some(end) = self.complete().await {
                return end;
            }
        }
    }

    /// One frame, unless the break comes before it.
    async fn up_to_break(&mut self) -> Option<Batch> {
        let (frame, before) = (self.queue.pop_front()?, self.fold.clone());
        let batch = self.decode_all(vec![frame.clone()], false).await;
        let is_due = self.breaks.as_mut().is_some_and(|breaks| breaks.is_due(&batch, Instant::now()));
        if !is_due {
            return Some(batch);
        }
        // It was not read yet.
        self.fold = before;
        self.queue.push_front(frame);
        let rest = self.breaks.as_ref()?.strike().await;
        self.breaks = None;
        if let Some(Rest { frames, broken }) = rest {
            self.queue = frames.into();
            self.ended = Some(broken.map_or(Ended::Cleanly, Ended::Broken));
        }
        None
    }

    /// Wait for bytes, and take what else has arrived already.
    async fn receive(&mut self) {
        let (before, mut received) = (self.queue.len(), 0);
        let mut next = self.incoming.frame().await;
        loop {
            match next {
                None => self.ended = Some(Ended::Cleanly),
                Some(Err(error)) => self.ended = Some(Ended::Broken(self.redaction.text(error.to_string()))),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        received += data.len();
                        self.framer.push(data);
                    }
                }
            }
            if self.ended.is_some() || received >= BATCH_BYTES_MAX {
                break;
            }
            match self.incoming.frame().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        loop {
            match self.framer.next_frame() {
                Ok(Some(event)) => self.queue.push_back(event),
                Ok(None) => break,
                Err(error) => {
                    self.ended = Some(match error {
                        FrameError::TooLarge(text) => Ended::TooLarge(text),
                        FrameError::Damaged(text) => Ended::Broken(text),
                    });
                    break;
                }
            }
        }
        if matches!(self.ended, Some(Ended::Cleanly)) {
            self.queue.extend(self.framer.last_frame());
        }
        let new = self.queue.iter_mut().skip(before);
        new.for_each(|frame| self.redaction.next_frame(frame, &mut self.torn));
    }

    /// Nothing more is waited for. That is the fault, unless the reply was complete and only its connection did not end.
    pub async fn give_up(&mut self, fault: Fault) -> Batch {
        let batch = self.decode_all(Vec::new(), true).await;
        self.ended = Some(Ended::Cleanly);
        if batch.finished() && batch.fault().is_none() { batch } else { Batch::failed(fault) }
    }

    /// Its end, if it would be whole without another byte. Else nothing has happened.
    async fn complete(&mut self) -> Option<Batch> {
        let (before, shadow) = (self.fold.clone(), self.shadow.take());
        let batch = self.decode_all(Vec::new(), true).await;
        if batch.finished() && batch.fault().is_none() {
            return Some(batch);
        }
        (self.fold, self.shadow) = (before, shadow);
        None
    }

    async fn decode(&mut self, frames: Vec<Frame>) -> Batch {
        let before = self.fold.clone();
        let batch = self.decode_all(frames, false).await;
        if batch.frames.len() < 2 || batch.fault().is_none() {
            return batch;
        }
        // Something in this batch is a failure. What stands before it is the caller's, so find the frame: decoding is a
        // pure function, and can be done again.
        self.fold = before;
        // The version in the shadow has read the whole batch already.
        self.shadow = None;
        let mut good = Batch::default();
        let mut frames = VecDeque::from(batch.frames);
        while let Some(frame) = frames.pop_front() {
            let before = self.fold.clone();
            let mut one = self.decode_all(vec![frame], false).await;
            if let Some(fault) = one.fault() {
                if good.frames.is_empty() {
                    self.queue = frames;
                    return one;
                }
                good.failing = Some(fault.clone());
                self.fold = before;
                frames.extend(std::mem::take(&mut self.queue));
                self.queue = one.frames.drain(..).chain(frames).collect();
                return good;
            }
            good.frames.append(&mut one.frames);
            good.events.append(&mut one.events);
        }
        good
    }

    async fn end(&mut self, why: Option<String>) -> Batch {
        let mut batch = self.decode_all(Vec::new(), true).await;
        if let (Some(why), Some(chat::Event::Failed(fault))) = (why, batch.events.last_mut()) {
            fault.message = format!("{} ({why})", fault.message);
        }
        if batch.fault().is_none() && !batch.finished() {
            return Batch::failed(fault(FaultKind::Truncated, "the reply ended before it was complete"));
        }
        batch
    }

    async fn decode_all(&mut self, frames: Vec<Frame>, ended: bool) -> Batch {
        let given: Vec<provider::Frame> = frames
            .iter()
            .filter(|event| event.data.is_some())
            .map(|event| provider::Frame {
                event: event.name.clone(),
                data: event.data.as_ref().map(|data| self.fold.halves.mark(data).to_vec()).unwrap_or_default(),
            })
            .collect();
        if given.is_empty() && !ended {
            return Batch { frames, ..Batch::default() };
        }
        let Some(codec) = self.adapter.codec() else {
            return Batch::failed(fault(FaultKind::AdapterFailed, "the plugin is not an adapter"));
        };
        match codec.decode(&self.operation, true, &self.fold.memory, &given, ended).await {
            Ok(decoded) => {
                if let Some(shadow) = &mut self.shadow {
                    shadow.decode(&self.operation, true, &given, ended, &decoded.events).await;
                }
                self.fold.memory = decoded.memory;
                let mut events = self.fold.halves.join(decoded.events);
                absurd::without_usages(&mut events);
                self.tool_names.restore(&mut events);
                Batch { frames, events, failing: None }
            }
            Err(failed) => {
                let (operation, frames) = (self.operation.as_str(), &given[..]);
                let call = match self.fold.memory.is_empty() {
                    true => Call::Decode { operation, stream: true, frames, ended },
                    false => Call::Within,
                };
                self.undecoded.note(&self.adapter.plugin, &failed, call).await;
                Batch::failed(adapter_failed(&self.adapter, &failed))
            }
        }
    }

    /// The reply is complete: read what is left, so that its connection can serve another request.
    pub fn finish(self) {
        if self.ended.is_some() {
            return;
        }
        let mut incoming = self.incoming;
        tokio::spawn(timeout(DRAIN, async move { while let Some(Ok(_)) = incoming.frame().await {} }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(events: Vec<chat::Event>) -> Batch {
        Batch { events, ..Batch::default() }
    }

    fn piece(index: u32, text: &str) -> chat::Event {
        chat::Event::ToolArgumentsDelta(chat::Delta { index, text: text.to_owned() })
    }

    #[test]
    fn content_without_a_word_is_told_apart() {
        let other = of(vec![piece(u32::MAX, "")]);
        assert!(other.has_other_content() && !other.has_content() && !other.has_sayable_content());
        let call = of(vec![piece(0, "{}")]);
        assert!(!call.has_other_content() && call.has_content());
        let text = of(vec![chat::Event::TextDelta(chat::Delta { index: 0, text: "a".to_owned() })]);
        assert!(text.has_sayable_content() && !text.has_other_content());
        let empty = of(vec![chat::Event::Ping, piece(0, "")]);
        assert!(!empty.has_other_content() && !empty.has_content());
    }
}
