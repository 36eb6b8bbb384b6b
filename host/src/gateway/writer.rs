//! From a provider's frames and events to the caller's bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::array::{Array, Shape};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::items::Noted;
use super::keepers::Keeper;
use super::position::{Position, Shift};
use super::raw::raw;
use super::refusal::{fault, is_about_us, ours};
use super::rename::Rename;
use super::reply::Batch;
use super::splice::Said;
use super::unwritten::{Call, Unwritten};
use crate::config::defaults::REPLY_MODEL_ASKED;
use crate::plugin::PluginFault;
use crate::plugin::bindings::chat;
use crate::plugin::bindings::client_protocol::Written;
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// Protocols whose events have a line with their name: the official SDKs pass over those without one.
const EVENT_LINES: [&str; 2] = ["anthropic-messages", "openai-responses"];

/// Of one reply.
pub struct Writer {
    endpoint: Arc<Endpoint>,
    stream: bool,
    how: How,
    /// For a caller who is streamed one.
    array: Option<Array>,
    /// For a caller who may refer to what it is answered.
    noted: Option<Noted>,
    /// Once our plugin writes the rest of what went through untouched.
    shift: Option<Shift>,
    unwritten: Unwritten,
}

enum How {
    /// Both sides speak the same protocol: bytes go through. How the reply began is kept for the case that it dies: its
    /// error event may have to name it.
    Same { rename: Option<Rename>, started: Option<chat::Started>, model: String },
    Translate {
        memory: Vec<u8>,
        /// Nothing of the reply was written yet.
        is_first: bool,
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
        let how = How::Same { rename: rename.flatten(), started: None, model: sent.to_owned() };
        Writer::new(exchange, how, Some(keeper))
    }

    pub fn translating(exchange: &Exchange, memory: Vec<u8>, sent: &str) -> Writer {
        Writer::new(exchange, How::translating(exchange, memory, sent), None)
    }

    /// Another target goes on with what the caller has `read`, which went through untouched. Our plugin writes that once more, to
    /// nobody, so that it knows what it goes on with.
    pub async fn take_over(&mut self, exchange: &Exchange, memory: Vec<u8>, read: &Said) -> Result<(), Fault> {
        let How::Same { started, model, .. } = &self.how else { return Ok(()) };
        let events = started.clone().map(chat::Event::Started).into_iter().chain(read.again()).collect();
        let translating = How::translating(exchange, memory, model);
        let untouched = std::mem::replace(&mut self.how, translating);
        let written = self.translate(events, false).await;
        let shift = written.and_then(|written| {
            let text = "its beginning cannot be written as the caller has read it";
            Shift::new(Position::of(&written), read.position()).ok_or_else(|| fault(FaultKind::Unsupported, text))
        });
        match shift {
            Ok(shift) => self.shift = Some(shift),
            Err(fault) => {
                self.how = untouched;
                return Err(fault);
            }
        }
        if let Some(noted) = &mut self.noted {
            noted.keep_by_nobody();
        }
        Ok(())
    }

    fn new(exchange: &Exchange, how: How, keeper: Option<Keeper>) -> Writer {
        let array = (exchange.shape() == Shape::Array).then(Array::default);
        let noted = Noted::of(exchange, keeper);
        let (endpoint, stream) = (Arc::clone(&exchange.endpoint), exchange.asked.stream);
        Writer { endpoint, stream, how, array, noted, shift: None, unwritten: Unwritten::of(exchange) }
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

    /// Does it hold content that the caller's protocol has no word for?
    pub fn loses(&self, batch: &Batch) -> bool {
        !self.is_same() && batch.has_other_content()
    }

    /// Is the stream one JSON array, with no place for a comment?
    pub fn is_array(&self) -> bool {
        self.array.is_some()
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
        let How::Same { rename, started, .. } = &mut self.how else {
            let mut written = self.translate(batch.events, last).await?;
            if let Some(shift) = &self.shift {
                written = shift.applied(&written);
            }
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
        if let Some(fault) = batch.failure() {
            let their_own = !batch.frames.is_empty()
                && !is_about_us(fault.kind)
                && !matches!(fault.kind, FaultKind::MalformedReply | FaultKind::AdapterFailed | FaultKind::Truncated);
            if !their_own {
                let started = started.take();
                return self.error_event(started, ours(fault.clone())).await;
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
    async fn last_words(&mut self, started: Option<chat::Started>, events: Vec<chat::Event>) -> Bytes {
        let events: Vec<chat::Event> = started.map(chat::Event::Started).into_iter().chain(events).collect();
        let written = self.ask(&[], &events, true, true).await;
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
    async fn error_event(&mut self, started: Option<chat::Started>, fault: Fault) -> Result<Bytes, Fault> {
        let (mut memory, mut is_first) = (Vec::new(), true);
        if let Some(started) = started {
            memory = self.ask(&memory, &[chat::Event::Started(started)], false, is_first).await?.memory;
            is_first = false;
        }
        Ok(self.ask(&memory, &[chat::Event::Failed(fault)], true, is_first).await?.bytes.into())
    }

    async fn translate(&mut self, mut events: Vec<chat::Event>, last: bool) -> Result<Bytes, Fault> {
        let How::Translate { memory, is_first, names_asked, model, created_unix_s, id } = &mut self.how else {
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
        let (memory, is_first) = (std::mem::take(memory), std::mem::take(is_first));
        let written = self.ask(&memory, &events, last, is_first).await?;
        if let How::Translate { memory, .. } = &mut self.how {
            *memory = written.memory;
        }
        Ok(written.bytes.into())
    }

    /// The caller's plugin writes that. `is_first`: nothing of the reply was written before.
    async fn ask(
        &mut self,
        memory: &[u8],
        events: &[chat::Event],
        ended: bool,
        is_first: bool,
    ) -> Result<Written, Fault> {
        let Some(codec) = self.endpoint.codec() else {
            return Err(self.broken(&PluginFault::Nonsense("no codec".to_owned())));
        };
        let (operation, stream) = (self.endpoint.operation.as_str(), self.stream);
        match codec.write(operation, stream, memory, events, ended).await {
            Ok(written) => {
                if ended {
                    self.endpoint.plugin.tally.note_reply_written();
                }
                Ok(written)
            }
            Err(failed) => {
                let call = Call { operation, stream, memory, events, ended, is_first };
                self.unwritten.note(&self.endpoint.plugin, &failed, call).await;
                Err(self.broken(&failed))
            }
        }
    }

    fn broken(&self, fault_: &PluginFault) -> Fault {
        let kind = if *fault_ == PluginFault::Full { FaultKind::Busy } else { FaultKind::AdapterFailed };
        fault(kind, format!("the plugin `{}` failed: {fault_}", self.endpoint.plugin.name))
    }
}

impl How {
    fn translating(exchange: &Exchange, memory: Vec<u8>, sent: &str) -> How {
        let created_unix_s = exchange.gateway.clock.unix().as_secs();
        let id = format!("{:016x}", exchange.random);
        let names_asked = names_asked(exchange);
        let model = if names_asked { exchange.asked.model.clone() } else { sent.to_owned() };
        How::Translate { memory, is_first: true, names_asked, model, created_unix_s, id }
    }
}

/// Does the caller read the model's name that it asked for, whoever answers?
fn names_asked(exchange: &Exchange) -> bool {
    let is_usual = || REPLY_MODEL_ASKED.contains(&exchange.endpoint.protocol.as_str());
    exchange.route.names_asked.unwrap_or_else(is_usual)
}
