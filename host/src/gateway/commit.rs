//! The line that no failover crosses: the caller's first byte.
//!
//! An attempt can only be made with an [`Uncommitted`] in hand, and committing takes it away. So bytes of two attempts can
//! never mix in one reply: there is no way to write the code that would do it.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::Body;
use super::begun::Failed;
use super::exchange::Exchange;
use super::record::{LOST_CONTENT, Record};
use super::relay::Relay;
use super::spent::Told;
use crate::plugin::bindings::faults::Fault;

/// The caller has seen nothing yet. There is one for each request; it cannot be copied or made anew.
#[derive(Debug)]
pub struct Uncommitted(());

impl Uncommitted {
    pub(super) fn begin() -> Self {
        Uncommitted(())
    }
}

/// An attempt that succeeded as far as one can know: its first content is here, and the caller has seen none of it.
pub struct HeldBack {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content_type: HeaderValue,
    /// All that was held back, as the caller will read it.
    pub(super) first: Bytes,
    /// Of a streamed reply, what is still to come.
    pub(super) rest: Option<Box<Relay>>,
    pub(super) facts: Facts,
}

/// What the record wants to know of the attempt that answered.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub target: String,
    pub dropped: Vec<String>,
    pub usage: Option<crate::plugin::bindings::chat::Usage>,
    /// Of content that was held back.
    pub content_bytes: usize,
    /// It is a guess of ours.
    pub estimated: bool,
}

impl HeldBack {
    /// A reply that no provider gave.
    pub fn estimate(reply: Bytes) -> HeldBack {
        HeldBack {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            content_type: HeaderValue::from_static("application/json"),
            first: reply,
            rest: None,
            facts: Facts { target: "estimate".to_owned(), estimated: true, ..Facts::default() },
        }
    }

    /// Waits until a tool call that has begun is complete, so that a failure inside it can still fail over.
    pub async fn with_whole_calls(mut self, told: &Told) -> Result<HeldBack, Fault> {
        let Some(relay) = self.rest.take() else { return Ok(self) };
        let calls = relay.to_calls_end(told).await?;
        if !calls.bytes.is_empty() {
            self.first = [&self.first[..], &calls.bytes[..]].concat().into();
        }
        self.rest = calls.rest;
        if calls.has_lost_content && !self.facts.dropped.iter().any(|field| field == LOST_CONTENT) {
            self.facts.dropped.push(LOST_CONTENT.to_owned());
        }
        self.facts.usage = told.usage().or(self.facts.usage);
        Ok(self)
    }

    /// Where the route allows it, another target may go on if the reply breaks off.
    pub fn let_go_on(&mut self, exchange: &Arc<Exchange>, history: Vec<Failed>) {
        if let Some(relay) = &mut self.rest
            && relay.let_go_on(exchange, history)
        {
            let continuation =
                (HeaderName::from_static("x-pointsman-continuation"), HeaderValue::from_static("splice"));
            self.headers.extend([continuation]);
        }
    }

    /// Give the caller this reply. No attempt can follow.
    pub fn commit(self, _: Uncommitted, mut record: Record) -> Response<Body> {
        record.answered(&self.facts);
        let stamp = record.headers();
        let body = match self.rest {
            None => {
                record.done();
                Full::new(self.first).map_err(|never| match never {}).boxed_unsync()
            }
            Some(relay) => relay.body(self.first, record),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(CONTENT_TYPE, self.content_type);
        response.headers_mut().extend(stamp);
        response
    }
}
