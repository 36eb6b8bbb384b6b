//! A game day's fault in the middle of a reply: what a provider really says, up to a piece of content, and then silence, or
//! the end, or an error.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::super::refusal::fault;
use super::super::reply::Batch;
use super::Injection;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::Framing;
use crate::upstream::{Frame, Framer};

/// See the module.
pub struct Break {
    injection: Arc<Injection>,
    /// Pieces of content that come before it.
    left: usize,
    how: How,
}

/// What comes in place of the rest.
pub enum How {
    /// Nothing, until the injection is over: then the reply goes on.
    Hang,
    /// The connection breaks.
    Cut,
    /// The body ends as if all were well.
    End,
    /// These bytes, and then the end.
    Says(Bytes, Framing),
}

impl Break {
    pub fn new(injection: Arc<Injection>, left: usize, how: How) -> Break {
        Break { injection, left, how }
    }

    /// Does it come before this batch, which is one frame? At the latest before the reply is complete, so that a fault that was
    /// asked for comes to a short one, too.
    pub fn is_due(&mut self, batch: &Batch, now: Instant) -> bool {
        if !batch.has_content() || self.injection.is_over(now) {
            return false;
        }
        let is_due = self.left == 0 || batch.finished();
        self.left = self.left.saturating_sub(1);
        is_due
    }

    /// What there is now in place of the rest. Nothing: it goes on, because a hang is over.
    pub async fn strike(&self) -> Option<Rest> {
        let clean = |frames| Some(Rest { frames, broken: None });
        match &self.how {
            How::Hang => {
                self.injection.over().await;
                None
            }
            How::Cut => {
                let broken = Some(format!("the connection was reset ({})", self.injection.words()));
                Some(Rest { frames: Vec::new(), broken })
            }
            How::End => clean(Vec::new()),
            How::Says(bytes, framing) => clean(frames(bytes, *framing)),
        }
    }

    /// The same for a reply that is not streamed: half of it comes.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn strike_whole(&self, body: Bytes) -> Result<Bytes, Fault> {
        if self.injection.is_over(Instant::now()) {
            return Ok(body);
        }
        match self.strike().await {
            None => Ok(body),
            Some(Rest { broken: Some(why), .. }) => {
                Err(fault(FaultKind::Truncated, format!("the reply broke off: {why}")))
            }
            Some(_) => Ok(match &self.how {
                How::Says(bytes, _) => bytes.clone(),
                How::Hang | How::Cut | How::End => body.slice(..body.len() / 2),
            }),
        }
    }
}

/// How a reply ends that is broken.
pub struct Rest {
    pub frames: Vec<Frame>,
    /// Why, if it does not end cleanly.
    pub broken: Option<String>,
}

fn frames(bytes: &[u8], framing: Framing) -> Vec<Frame> {
    let Some(mut framer) = Framer::new(framing) else { return Vec::new() };
    framer.push(bytes);
    let mut frames: Vec<Frame> = std::iter::from_fn(|| framer.next_frame().ok().flatten()).collect();
    frames.extend(framer.last_frame());
    frames
}
