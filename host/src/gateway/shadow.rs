//! An adapter's version in the shadow of the live one: it is asked to say the same request and to read the same reply. What
//! it answers is compared and never obeyed; where the answers part is kept without a word of them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::Gateway;
use super::exchange::Exchange;
use super::provider::Adapter;
use super::unlike::unlike;
use crate::journal::{Difference, What};
use crate::plugin::bindings::chat;
use crate::plugin::bindings::faults::Fault;
use crate::plugin::bindings::provider::{Call, Decoded, Encoded, Frame, ModelFacts, ReplyHead};
use crate::plugin::{Codec, Plugin, PluginFault};

/// A request or a batch of frames larger than this is not asked of a shadow: it would cost its caller too much time.
const COMPARED_BYTES_MAX: usize = 1 << 20;

/// The version in the shadow, during one attempt.
pub struct Shadow {
    gateway: Arc<Gateway>,
    adapter: Arc<Adapter>,
    live: Arc<Plugin>,
    request: String,
    route: String,
    /// Of its own fold over the reply's frames.
    memory: Vec<u8>,
    /// It parted from the live version, or failed: the rest of this reply would show nothing new.
    is_done: bool,
}

impl Shadow {
    /// Of the version that serves the request, if it has one.
    pub fn of(exchange: &Exchange, adapter: &Adapter) -> Option<Shadow> {
        Some(Shadow {
            gateway: Arc::clone(&exchange.gateway),
            adapter: Arc::clone(adapter.shadow.as_ref()?),
            live: Arc::clone(&adapter.plugin),
            request: exchange.id.clone(),
            route: exchange.route.pattern.to_string(),
            memory: Vec::new(),
            is_done: false,
        })
    }

    pub async fn forward(mut self, operation: &str, model: &str, stream: bool, said: &Result<Call, Fault>) {
        let plugin = Arc::clone(&self.adapter.plugin);
        let Some(codec) = self.asked(&plugin, 0) else { return };
        let answer = codec.forward(&self.adapter.settings, operation, model, stream).await;
        self.compare("forward", said, answer.as_ref(), plain);
    }

    pub async fn encode(
        mut self,
        operation: &str,
        asked: &chat::Request,
        facts: &ModelFacts,
        body_bytes: usize,
        said: &Result<Encoded, Fault>,
    ) {
        let plugin = Arc::clone(&self.adapter.plugin);
        let Some(codec) = self.asked(&plugin, body_bytes) else { return };
        let answer = codec.encode(&self.adapter.settings, operation, asked, facts, body_bytes).await;
        let readable = |said: &Result<Encoded, Fault>| match said {
            Ok(Encoded { call, body, dropped }) => json!({ "call": call, "body": read(body), "dropped": dropped }),
            Err(fault) => json!({ "Err": fault }),
        };
        self.compare("encode", said, answer.as_ref(), readable);
    }

    pub async fn classify(mut self, operation: &str, head: &ReplyHead, body: &[u8], said: &Fault) {
        let plugin = Arc::clone(&self.adapter.plugin);
        let Some(codec) = self.asked(&plugin, body.len()) else { return };
        let answer = codec.classify(operation, head, body).await;
        self.compare("classify", said, answer.as_ref(), plain);
    }

    /// The next batch of the reply; only the events are compared, for what a version remembers is its own affair.
    pub async fn decode(&mut self, operation: &str, stream: bool, frames: &[Frame], ended: bool, said: &[chat::Event]) {
        let (plugin, bytes) = (Arc::clone(&self.adapter.plugin), frames.iter().map(|frame| frame.data.len()).sum());
        let Some(codec) = self.asked(&plugin, bytes) else { return };
        let answer = codec.decode(operation, stream, &self.memory, frames, ended).await;
        let (events, memory) = match answer {
            Ok(Decoded { events, memory }) => (Ok(events), memory),
            Err(fault) => (Err(fault), Vec::new()),
        };
        self.memory = memory;
        self.compare("decode", said, events.as_deref(), plain);
    }

    fn asked<'a>(&mut self, plugin: &'a Plugin, body_bytes: usize) -> Option<&'a Codec> {
        self.is_done |= body_bytes > COMPARED_BYTES_MAX;
        plugin.codec.as_ref().filter(|_| !self.is_done)
    }

    /// A fault is counted already.
    fn compare<T: PartialEq + ?Sized>(
        &mut self,
        function: &str,
        said: &T,
        answer: Result<&T, &PluginFault>,
        readable: impl Fn(&T) -> Value,
    ) {
        let tally = &self.adapter.plugin.tally;
        let unlike = match answer {
            Ok(answer) if answer == said => return tally.note_comparison(true),
            Ok(answer) => {
                tally.note_comparison(false);
                unlike(&readable(said), &readable(answer))
            }
            Err(fault) => {
                // The live version did it: what was too much for this one is its own fault.
                if function != "forward" && *fault != PluginFault::Full {
                    tally.hold_against();
                }
                Some(format!("it failed ({})", fault.label()))
            }
        };
        self.is_done = true;
        let what = What::Answer {
            function: function.to_owned(),
            provider: self.adapter.provider.clone(),
            unlike: unlike.unwrap_or_else(|| "not in what can be shown".to_owned()),
        };
        let difference = Difference {
            request: self.request.clone(),
            at_unix_ms: u64::try_from(self.gateway.clock.unix().as_millis()).unwrap_or(u64::MAX),
            route: self.route.clone(),
            live: format!("{:?}", self.live),
            shadow: format!("{:?}", self.adapter.plugin),
            what,
        };
        self.gateway.differences.add(&self.live.name, difference);
    }
}

fn plain<T: Serialize + ?Sized>(answer: &T) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

/// A body as JSON, or as a text that nobody will see.
fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body)))
}
