//! The adapter that is tried. It is asked everything three times: twice in a row, and in an instance that was never asked
//! before. An answer that differs is what the host would find once in a thousand calls, in production.

use std::fmt::Debug;

use super::super::Failure;
use crate::plugin::bindings::chat::{Event, Request};
use crate::plugin::bindings::client_protocol as client;
use crate::plugin::bindings::faults::Fault;
use crate::plugin::bindings::provider::{Call, Decoded, Description, Encoded, Frame, ModelFacts, ReplyHead};
use crate::plugin::{Codec, Plugin, PluginFault};

/// See the module.
pub struct Subject<'a> {
    codec: &'a Codec,
    fresh: Codec,
    /// JSON, of the provider.
    pub settings: String,
}

macro_rules! thrice {
    ($subject:ident, $function:ident($($argument:expr),*)) => {{
        let answer = answered($subject.codec.$function($($argument),*).await)?;
        let again = answered($subject.codec.$function($($argument),*).await)?;
        same(&answer, &again, "asked again")?;
        let fresh = answered($subject.fresh.$function($($argument),*).await)?;
        same(&answer, &fresh, "asked in a fresh instance")?;
        Ok(answer)
    }};
}

impl<'a> Subject<'a> {
    /// # Errors
    /// It is no adapter, or does not start a second time.
    pub async fn open(plugin: &'a Plugin, settings: &str) -> anyhow::Result<Subject<'a>> {
        let fresh = plugin.codec_apart().await?;
        let codec = plugin.codec.as_ref().ok_or_else(|| anyhow::anyhow!("it is a {}", plugin.kind))?;
        Ok(Subject { codec, fresh, settings: settings.to_owned() })
    }

    /// What its client side says of itself, and says again.
    pub fn client(&self) -> Option<&client::Description> {
        self.codec.client_description.as_ref()
    }

    pub fn client_says_it_again(&self) -> bool {
        self.codec.client_description == self.fresh.client_description
    }

    /// The inner error is its own word about the settings.
    pub async fn describe(&self, settings: &str) -> Result<anyhow::Result<Description>, Failure> {
        let settings = settings.to_owned();
        let [first, again, fresh] = [
            self.codec.describe(&settings).await,
            self.codec.describe(&settings).await,
            self.fresh.describe(&settings).await,
        ];
        match (first, again, fresh) {
            (Err(error), ..) => Ok(Err(error)),
            (Ok(first), Ok(again), Ok(fresh)) => {
                same(&first, &again, "asked again")?;
                same(&first, &fresh, "asked in a fresh instance")?;
                Ok(Ok(first))
            }
            (Ok(_), Err(error), _) | (Ok(_), _, Err(error)) => {
                Err(Failure::new(format!("asked again, {error:#}"), "the same as before"))
            }
        }
    }

    pub async fn encode(&self, operation: &str, request: &Request) -> Result<Result<Encoded, Fault>, Failure> {
        let (facts, size) = (nothing_known(), size(request));
        thrice!(self, encode(&self.settings, operation, request, &facts, size))
    }

    pub async fn forward(&self, operation: &str, model: &str, stream: bool) -> Result<Result<Call, Fault>, Failure> {
        thrice!(self, forward(&self.settings, operation, model, stream))
    }

    pub async fn classify(&self, operation: &str, head: &ReplyHead, body: &[u8]) -> Result<Fault, Failure> {
        thrice!(self, classify(operation, head, body))
    }

    pub async fn decode(
        &self,
        operation: &str,
        stream: bool,
        memory: &[u8],
        frames: &[Frame],
        ended: bool,
    ) -> Result<Decoded, Failure> {
        thrice!(self, decode(operation, stream, memory, frames, ended))
    }

    pub async fn read(&self, operation: &str, body: &[u8]) -> Result<Result<client::Reading, Fault>, Failure> {
        thrice!(self, read(operation, &[], body))
    }

    pub async fn write(
        &self,
        operation: &str,
        stream: bool,
        memory: &[u8],
        events: &[Event],
        ended: bool,
    ) -> Result<client::Written, Failure> {
        thrice!(self, write(operation, stream, memory, events, ended))
    }

    pub async fn refuse(&self, operation: &str, fault: &Fault) -> Result<client::HttpReply, Failure> {
        thrice!(self, refuse(operation, fault))
    }
}

fn answered<T>(answer: Result<T, PluginFault>) -> Result<T, Failure> {
    answer.map_err(|fault| Failure::new(fault.to_string(), "an answer within the limits of a call"))
}

fn same<T: PartialEq + Debug>(answer: &T, other: &T, when: &str) -> Result<(), Failure> {
    if answer == other {
        return Ok(());
    }
    let expected =
        "the same as before: an adapter remembers nothing between two calls but the `memory` that it hands back";
    Err(Failure::new(format!("{when}, it answers otherwise"), expected))
}

/// What the caller's body would have had, more or less: it earns the call its time.
fn size(request: &Request) -> usize {
    serde_json::to_vec(request).map_or(0, |body| body.len())
}

fn nothing_known() -> ModelFacts {
    ModelFacts {
        context_tokens: None,
        output_tokens: None,
        reasoning: None,
        sampling: None,
        prefill: None,
        mid_system: None,
        attributes: Vec::new(),
    }
}
