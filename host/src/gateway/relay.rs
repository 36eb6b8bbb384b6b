//! After the commit: frames come in and go out, until the reply ends. A reply that dies ends in an error event of the
//! caller's own protocol, never as if it were complete.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

use super::Body;
use super::array::{Array, Shape};
use super::attempt::usage;
use super::begun::Failed;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::hold::Hold;
use super::items::Noted;
use super::keepers::Keeper;
use super::pace::{Pace, content_bytes};
use super::raw::raw;
use super::record::Record;
use super::refusal::{fault, is_about_us, ours};
use super::rename::Rename;
use super::reply::{Batch, Reply};
use super::spent::Told;
use super::splice::{Said, Splice};
use crate::config::defaults::REPLY_MODEL_ASKED;
use crate::health::Running;
use crate::plugin::PluginFault;
use crate::plugin::bindings::chat;
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// Protocols whose events have a line with their name: the official SDKs pass over those without one.
const EVENT_LINES: [&str; 2] = ["anthropic-messages", "openai-responses"];
/// Bytes that were written before a body breaks off must have left: what waits to be sent is dropped with the connection.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The rest of a reply whose beginning the caller is about to see. Dropping it cancels the call upstream.
pub struct Relay {
    reply: Reply,
    writer: Writer,
    pace: Pace,
    /// Until its end is known.
    running: Option<Running>,
    /// The target that answers and what it said, until it is known whether another may go on.
    said: Option<(usize, Said)>,
    splice: Option<Splice>,
    hold: Hold,
}

impl Relay {
    pub fn new(
        reply: Reply,
        writer: Writer,
        pace: Pace,
        running: Running,
        said: Option<(usize, Said)>,
        hold: Hold,
    ) -> Relay {
        Relay { reply, writer, pace, running: Some(running), said, splice: None, hold }
    }

    /// Before the commit: what is still to come of a tool call, and the rest where there is one.
    pub async fn to_calls_end(mut self: Box<Self>, told: &Told) -> Result<(BytesMut, Option<Box<Relay>>), Fault> {
        let (mut bytes, since) = (BytesMut::new(), Instant::now());
        while self.hold.waits(since, bytes.len(), Instant::now()) {
            let mut batch = self.next().await;
            if let Some(fault) = failure(&batch) {
                self.end(Err(&fault));
                return Err(fault);
            }
            told.note(usage(&batch.events));
            self.hold.follow(&batch.events);
            if let Some((_, said)) = &mut self.said {
                batch.events = said.fit(batch.events);
                said.note(&batch.events);
            }
            let finished = batch.finished();
            match self.writer.write(batch, finished).await {
                Ok(written) => bytes.extend_from_slice(&written),
                Err(fault) => {
                    self.end_unwritten();
                    return Err(fault);
                }
            }
            if finished {
                self.end(Ok(()));
                self.reply.finish();
                return Ok((bytes, None));
            }
        }
        Ok((bytes, Some(self)))
    }

    /// True if another target may go on with it.
    pub fn let_go_on(&mut self, exchange: &Arc<Exchange>, history: Vec<Failed>) -> bool {
        let began = self.running.as_ref().map(Running::began);
        if let (Some((target, said)), Some(began)) = (self.said.take(), began) {
            self.splice = Some(Splice::new(Arc::clone(exchange), history, target, began, said));
        }
        self.splice.is_some()
    }

    /// The whole body: what was held back, and then the rest as it comes.
    pub fn body(self: Box<Self>, first: Bytes, record: Record) -> Body {
        let rest = stream::unfold(Rest::More(self, record), |state| async move {
            match state {
                Rest::More(relay, record) => relay.step(record).await,
                Rest::BreakOff(record) => {
                    tokio::time::sleep(LAST_WORDS).await;
                    drop(record);
                    Some((Err(io::Error::other("the reply broke off")), Rest::Over))
                }
                Rest::Over => None,
            }
        });
        let first = stream::once(std::future::ready(Ok(Frame::data(first))));
        StreamBody::new(stream::StreamExt::chain(first, rest)).boxed_unsync()
    }

    async fn step(mut self: Box<Self>, mut record: Record) -> Option<(Result<Frame<Bytes>, io::Error>, Rest)> {
        let mut bytes = BytesMut::new();
        loop {
            let mut batch = self.next().await;
            if let Some(fault) = failure(&batch) {
                self.end(Err(&fault));
                self.hold.forget();
                match self.go_on(&fault, &mut record).await {
                    Some((mark, held)) => {
                        bytes.extend_from_slice(&mark);
                        batch = held;
                    }
                    None => record.failed(&fault),
                }
            }
            let Some(kept) = self.hold.keep(batch, Instant::now()) else { continue };
            batch = kept;
            let (failed, finished) = (failure(&batch).is_some(), batch.finished());
            if let Some(splice) = &mut self.splice {
                batch.events = splice.said.fit(batch.events);
                splice.said.note(&batch.events);
            }
            record.usage(usage(&batch.events));
            record.content(content_bytes(&batch.events));
            match self.writer.write(batch, finished || failed).await {
                Ok(written) => bytes.extend_from_slice(&written),
                Err(fault) => {
                    self.end_unwritten();
                    // Without its protocol's plugin the caller cannot be told: a broken connection at least is no success.
                    record.failed(&fault);
                    return Some((Err(io::Error::other(fault.message)), Rest::Over));
                }
            }
            if failed {
                return Some((Ok(Frame::data(bytes.freeze())), Rest::BreakOff(record)));
            }
            if finished {
                self.end(Ok(()));
                self.reply.finish();
                record.done();
                return Some((Ok(Frame::data(bytes.freeze())), Rest::Over));
            }
            if !bytes.is_empty() {
                return Some((Ok(Frame::data(bytes.freeze())), Rest::More(self, record)));
            }
        }
    }

    async fn next(&mut self) -> Batch {
        let now = Instant::now();
        // Only where another can go on: elsewhere a stream that is cut is lost, and one that pauses is not.
        let running =
            self.running.as_ref().filter(|_| self.splice.as_ref().is_some_and(|splice| splice.may_go_on(now)));
        self.pace.expect(running.and_then(Running::pause_late_after));
        let until = self.pace.wait(now);
        match timeout_at(until.at, self.reply.next()).await {
            Ok(batch) => {
                let now = Instant::now();
                let pace = self.pace.keep(&batch, now);
                if let Some(running) = &mut self.running {
                    running.progress(now);
                    pace.into_iter().for_each(|pace| running.pace(pace.millis_per_kb, pace.is_too_slow, now));
                }
                if self.pace.is_empty() && !batch.finished() && failure(&batch).is_none() {
                    let text = "the provider sent only what has no content in the middle of its reply";
                    return self.reply.give_up(fault(FaultKind::MalformedReply, text)).await;
                }
                batch
            }
            Err(_) => self.reply.give_up(fault(FaultKind::TimedOut, until.why)).await,
        }
    }

    /// The target's health hears how it ended, and its adapter's version.
    fn end(&mut self, how: Result<(), &Fault>) {
        let Some(running) = self.running.take() else { return };
        self.reply.note_outcome(how.is_ok());
        match how {
            Ok(()) => {
                running.paused(self.pace.longest_pause(), Instant::now());
                running.succeed(Instant::now());
            }
            Err(fault) => {
                running.fail(fault.kind, fault.status, None, Instant::now());
            }
        }
    }

    /// The target answers, and the plugin of the caller's protocol cannot write it down: that is not the target's fault.
    fn end_unwritten(&mut self) {
        if let Some(running) = self.running.take() {
            running.fail(FaultKind::Unsupported, 0, None, Instant::now());
        }
    }

    /// The reply broke off: another may go on with it. A mark for the stream, and what came first.
    async fn go_on(&mut self, fault: &Fault, record: &mut Record) -> Option<(Bytes, Batch)> {
        let splice = self.splice.as_mut()?;
        let resumed = splice.resume(fault).await?;
        record.spliced(&resumed.target);
        // A comment among events; in an array there is no place for it.
        let mark = splice.mark(&resumed.target).filter(|_| self.writer.array.is_none()).unwrap_or_default();
        (self.reply, self.pace, self.running) = (resumed.reply, resumed.pace, Some(resumed.running));
        Some((mark, resumed.held))
    }
}

/// What is still to come of a body.
enum Rest {
    More(Box<Relay>, Record),
    /// The caller has the error event; the body ends without its proper end (no last chunk, RST_STREAM). Some clients know no
    /// error event (Gemini CLI) and would take a proper end for that of a whole answer.
    BreakOff(Record),
    Over,
}

fn failure(batch: &Batch) -> Option<Fault> {
    batch.events.iter().find_map(|event| match event {
        chat::Event::Failed(fault) => Some(fault.clone()),
        _ => None,
    })
}

/// From a provider's frames and events to the caller's bytes.
pub struct Writer {
    endpoint: Arc<Endpoint>,
    stream: bool,
    how: How,
    /// For a caller who is streamed one.
    array: Option<Array>,
    /// For a caller who may refer to what it is answered.
    noted: Option<Noted>,
}

enum How {
    /// Both sides speak the same protocol: bytes go through. How the reply began is kept for the case that it dies: its
    /// error event may have to name it.
    Same { rename: Option<Rename>, started: Option<chat::Started> },
    Translate {
        memory: Vec<u8>,
        /// Whatever the provider calls it.
        names_asked: bool,
        model: String,
        created_unix_s: u64,
        /// For a reply that has no id of its own.
        id: String,
    },
}

impl Writer {
    /// `keeper`: whose bytes they are.
    pub fn same(exchange: &Exchange, reply_model: &[String], sent: &str, keeper: Keeper) -> Writer {
        let rename = names_asked(exchange).then(|| Rename::new(reply_model, &exchange.asked.model, sent));
        Writer::new(exchange, How::Same { rename: rename.flatten(), started: None }, Some(keeper))
    }

    pub fn translating(exchange: &Exchange, memory: Vec<u8>, sent: &str) -> Writer {
        let created_unix_s = exchange.gateway.clock.unix().as_secs();
        let id = format!("{:016x}", exchange.random);
        let names_asked = names_asked(exchange);
        let model = if names_asked { exchange.asked.model.clone() } else { sent.to_owned() };
        Writer::new(exchange, How::Translate { memory, names_asked, model, created_unix_s, id }, None)
    }

    fn new(exchange: &Exchange, how: How, keeper: Option<Keeper>) -> Writer {
        let array = (exchange.shape() == Shape::Array).then(Array::default);
        let noted = Noted::of(exchange, keeper);
        Writer { endpoint: Arc::clone(&exchange.endpoint), stream: exchange.asked.stream, how, array, noted }
    }

    /// A reply that is not streamed.
    pub async fn write_whole(&mut self, body: Bytes, batch: Batch) -> Result<Bytes, Fault> {
        let written = match &self.how {
            How::Same { rename: None, .. } => body,
            How::Same { rename: Some(rename), .. } => rename.json(&body),
            How::Translate { .. } => self.translate(batch.events, true).await?,
        };
        if let Some(noted) = &self.noted {
            noted.whole(&written);
        }
        Ok(written)
    }

    /// Does the caller read the provider's own bytes?
    pub fn is_same(&self) -> bool {
        matches!(self.how, How::Same { .. })
    }

    /// A batch of a stream. A failure in it becomes the caller's protocol's own error event.
    pub async fn write(&mut self, batch: Batch, last: bool) -> Result<Bytes, Fault> {
        let events = self.events(batch, last).await?;
        match &mut self.array {
            Some(array) => array.write(&events, last).map_err(|text| fault(FaultKind::MalformedReply, text)),
            None => Ok(events),
        }
    }

    async fn events(&mut self, batch: Batch, last: bool) -> Result<Bytes, Fault> {
        let names_events = self.names_events();
        let How::Same { rename, started } = &mut self.how else {
            let written = self.translate(batch.events, last).await?;
            if let Some(noted) = &self.noted {
                noted.written(&written);
            }
            return Ok(written);
        };
        if let Some(noted) = &self.noted {
            noted.frames(&batch.frames);
        }
        if started.is_none() {
            *started = batch.events.iter().find_map(|event| match event {
                chat::Event::Started(started) => Some(started.clone()),
                _ => None,
            });
        }
        if let Some(fault) = failure(&batch) {
            let their_own = !batch.frames.is_empty()
                && !is_about_us(fault.kind)
                && !matches!(fault.kind, FaultKind::MalformedReply | FaultKind::AdapterFailed | FaultKind::Truncated);
            if !their_own {
                let started = started.take();
                return self.error_event(started, ours(fault)).await;
            }
        }
        if batch.finished() && batch.frames.is_empty() {
            let started = started.clone();
            return Ok(self.last_words(started, batch.events).await);
        }
        Ok(raw(&batch.frames, rename.as_ref(), names_events))
    }

    /// Do callers of this protocol look for an event's name in a line of its own? Some servers that copy it leave that out.
    fn names_events(&self) -> bool {
        self.stream && EVENT_LINES.contains(&self.endpoint.protocol.as_str())
    }

    /// The reply is complete, and its provider left out what says so (`message_stop`, `[DONE]`): callers wait for it. Only
    /// words that say nothing else are added.
    async fn last_words(&self, started: Option<chat::Started>, events: Vec<chat::Event>) -> Bytes {
        let Some(codec) = self.endpoint.codec() else { return Bytes::new() };
        let events: Vec<chat::Event> = started.map(chat::Event::Started).into_iter().chain(events).collect();
        let written = codec.write(&self.endpoint.operation, self.stream, &[], &events, true).await;
        let written = written.map(|written| written.bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&written);
        let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let data = last.rsplit("data: ").next().unwrap_or_default();
        let fields: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(data).ok();
        let is_bare = data == "[DONE]" || fields.is_some_and(|fields| fields.len() == 1 && fields.contains_key("type"));
        if is_bare { format!("{last}\n\n").into() } else { Bytes::new() }
    }

    /// An end in our words after a beginning in the provider's. The beginning is written too, to nobody, so that the end
    /// knows what it belongs to.
    async fn error_event(&self, started: Option<chat::Started>, fault: Fault) -> Result<Bytes, Fault> {
        let codec = self.endpoint.codec().ok_or_else(|| self.broken(&PluginFault::Nonsense("no codec".to_owned())))?;
        let operation = &self.endpoint.operation;
        let mut memory = Vec::new();
        if let Some(started) = started {
            let began = codec.write(operation, self.stream, &memory, &[chat::Event::Started(started)], false).await;
            memory = began.map_err(|fault| self.broken(&fault))?.memory;
        }
        let written = codec.write(operation, self.stream, &memory, &[chat::Event::Failed(fault)], true).await;
        Ok(written.map_err(|fault| self.broken(&fault))?.bytes.into())
    }

    async fn translate(&mut self, mut events: Vec<chat::Event>, last: bool) -> Result<Bytes, Fault> {
        let How::Translate { memory, names_asked, model, created_unix_s, id } = &mut self.how else {
            return Ok(Bytes::new());
        };
        if events.is_empty() && !last {
            return Ok(Bytes::new());
        }
        for event in &mut events {
            if let chat::Event::Failed(fault) = event {
                *fault = ours(fault.clone());
            }
            if let chat::Event::Started(started) = event {
                if *names_asked || started.model.is_empty() {
                    started.model.clone_from(model);
                }
                if started.id.is_empty() {
                    started.id.clone_from(id);
                }
                if started.created_unix_s == 0 {
                    started.created_unix_s = *created_unix_s;
                }
            }
        }
        let memory = std::mem::take(memory);
        let Some(codec) = self.endpoint.codec() else {
            return Err(self.broken(&PluginFault::Nonsense("no codec".to_owned())));
        };
        let written = codec.write(&self.endpoint.operation, self.stream, &memory, &events, last).await;
        let written = written.map_err(|fault| self.broken(&fault))?;
        if let How::Translate { memory, .. } = &mut self.how {
            *memory = written.memory;
        }
        Ok(written.bytes.into())
    }

    fn broken(&self, fault_: &PluginFault) -> Fault {
        let kind = if *fault_ == PluginFault::Full { FaultKind::Busy } else { FaultKind::AdapterFailed };
        fault(kind, format!("the plugin `{}` failed: {fault_}", self.endpoint.plugin.name))
    }
}

/// Does the caller read the model's name that it asked for, whoever answers?
fn names_asked(exchange: &Exchange) -> bool {
    let is_usual = || REPLY_MODEL_ASKED.contains(&exchange.endpoint.protocol.as_str());
    exchange.route.names_asked.unwrap_or_else(is_usual)
}
