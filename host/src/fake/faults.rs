//! Faults and delays, applied to a reply.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use hyper::header::CONTENT_LENGTH;
use serde_json::Value;

use super::Protocol;
use super::behaviour::{Behaviour, Fault};
use super::reply::{Part, Piece, Refused, Script, Sent};
use super::server::{Body, JSON, respond, with_headers};
use super::socket::Scissors;
use super::state::{Running, Seen};

const GARBAGE: &str = "{\"what\": [";
const HTML: &str = "<!DOCTYPE html>\n<html><body><h1>We'll be back soon</h1></body></html>\n";
/// What was written before a cut must have left, or the cut would seem to come earlier than it was asked for.
const BEFORE_CUT: Duration = Duration::from_millis(5);

/// One reply, and how it is to go.
pub struct Performance {
    pub protocol: Protocol,
    pub seen: Seen,
    pub number: usize,
    pub behaviour: Behaviour,
    pub running: Running,
    pub scissors: Scissors,
}

impl Performance {
    /// Faults that come before a request is looked at. An error means: no answer, the connection ends.
    pub async fn before_headers(&self) -> Result<Option<Response<Body>>, io::Error> {
        let first_token = self.behaviour.first_token;
        match &self.behaviour.fault {
            Fault::Status { status, retry_after_s } => {
                tokio::time::sleep(first_token).await;
                Ok(Some(self.refuse(&self.protocol.failure(&self.seen, *status, *retry_after_s, self.number))))
            }
            Fault::StatusBody { status, content_type, body } => {
                tokio::time::sleep(first_token).await;
                Ok(Some(respond(*status, content_type, &self.headers(*status), body.clone())))
            }
            Fault::Html => {
                tokio::time::sleep(first_token).await;
                Ok(Some(respond(200, "text/html; charset=utf-8", &[], HTML.to_owned())))
            }
            Fault::ResetBeforeHeaders => {
                tokio::time::sleep(first_token).await;
                self.running.complete();
                Err(self.scissors.cut())
            }
            Fault::HangBeforeHeaders => std::future::pending().await,
            Fault::None
            | Fault::HangBeforeContent
            | Fault::HangAfter { .. }
            | Fault::ErrorBeforeContent
            | Fault::ErrorAfter { .. }
            | Fault::CutAfter { .. }
            | Fault::EndAfter { .. }
            | Fault::Garbage => Ok(None),
        }
    }

    pub async fn perform(self, script: Script) -> Result<Response<Body>, io::Error> {
        match script {
            Script::Stream(pieces) => Ok(self.streamed(pieces)),
            Script::Whole { body, chunks } => Ok(self.whole(&body, chunks).await),
        }
    }

    pub fn refuse(&self, refused: &Refused) -> Response<Body> {
        let headers = [self.headers(refused.status), refused.headers.clone()].concat();
        respond(refused.status, JSON, &headers, refused.body.to_string())
    }

    fn headers(&self, status: u16) -> Vec<(&'static str, String)> {
        self.protocol.headers(&self.seen, self.number, status)
    }

    /// A reply in one piece takes as long as the stream would have. Faults inside a stream become what they would be without
    /// one: an error its status, a break a break in the middle of the body.
    async fn whole(self, body: &Value, chunks: u32) -> Response<Body> {
        let Behaviour { fault, first_token, between_tokens, .. } = &self.behaviour;
        tokio::time::sleep(*first_token + *between_tokens * chunks.saturating_sub(1)).await;
        match fault {
            Fault::HangBeforeContent => std::future::pending().await,
            Fault::HangAfter { .. } | Fault::CutAfter { .. } | Fault::EndAfter { .. } => self.half(&body.to_string()),
            Fault::ErrorBeforeContent | Fault::ErrorAfter { .. } => {
                self.running.complete();
                let status = self.protocol.overloaded();
                self.refuse(&self.protocol.failure(&self.seen, status, None, self.number))
            }
            Fault::Garbage => {
                self.running.complete();
                respond(200, JSON, &self.headers(200), GARBAGE.to_owned())
            }
            // The others have had their turn before the headers.
            _ => {
                self.running.complete();
                respond(200, JSON, &self.headers(200), body.to_string())
            }
        }
    }

    /// Half of a body: then silence, a cut with a content length that promised more, or an end as if that were all.
    fn half(self, text: &str) -> Response<Body> {
        let headers = self.headers(200);
        let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
        let ends = matches!(self.behaviour.fault, Fault::EndAfter { .. });
        let frames = stream::unfold((Some(half), self), |(half, performance)| async move {
            if let Some(half) = half {
                return Some((Ok(Frame::data(half)), (None, performance)));
            }
            let error = performance.breaks().await?;
            Some((Err(error), (None, performance)))
        });
        let mut response = with_headers(Response::new(StreamBody::new(frames).boxed_unsync()), 200, JSON, &headers);
        if !ends {
            response.headers_mut().insert(CONTENT_LENGTH, text.len().into());
        }
        response
    }

    /// The fault's end: nothing more comes, or an error for hyper, or a clean end.
    async fn breaks(&self) -> Option<io::Error> {
        match self.behaviour.fault {
            Fault::HangBeforeContent | Fault::HangAfter { .. } => std::future::pending().await,
            Fault::CutAfter { .. } => {
                self.running.complete();
                tokio::time::sleep(BEFORE_CUT).await;
                Some(self.scissors.cut())
            }
            _ => {
                self.running.complete();
                None
            }
        }
    }

    fn streamed(self, pieces: Vec<Piece>) -> Response<Body> {
        let (headers, content_type) = (self.headers(200), self.protocol.stream_type(&self.seen));
        let (sent, waited) = (Sent::default(), Duration::ZERO);
        let pieces = self.behaviour.wire.of(pieces);
        let playing = Playing { pieces: pieces.into_iter(), performance: self, sent, waited, over: false };
        let frames = stream::unfold(playing, Playing::next);
        with_headers(Response::new(StreamBody::new(frames).boxed_unsync()), 200, content_type, &headers)
    }
}

/// A stream on its way.
struct Playing {
    pieces: std::vec::IntoIter<Piece>,
    performance: Performance,
    sent: Sent,
    /// Of the delay before the next piece, what has passed with pings.
    waited: Duration,
    over: bool,
}

impl Playing {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, io::Error>, Playing)> {
        if self.over {
            return None;
        }
        let running = &self.performance.running;
        if self.performance.behaviour.fault == Fault::Garbage {
            running.complete();
            self.over = true;
            return Some((Ok(Frame::data(self.performance.protocol.garbage())), self));
        }
        if let Some(ping) = self.due_ping() {
            let every = self.performance.behaviour.ping_every;
            tokio::time::sleep(every).await;
            self.waited += every;
            return Some((Ok(Frame::data(ping)), self));
        }
        let Some(piece) = self.pieces.next() else {
            running.complete();
            return None;
        };
        if self.is_due(&piece) {
            return self.break_off().await;
        }
        if piece.part == Part::Content {
            let delay = self.delay().saturating_sub(std::mem::take(&mut self.waited));
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            self.sent.chunks += 1;
        }
        self.sent.pieces += 1;
        // Callers may close as soon as they have read the last piece: that is no cancelling.
        if self.pieces.len() == 0 {
            running.complete();
        }
        Some((Ok(Frame::data(piece.bytes)), self))
    }

    /// Before the next piece of content.
    fn delay(&self) -> Duration {
        let Behaviour { first_token, between_tokens, .. } = self.performance.behaviour;
        if self.sent.chunks == 0 { first_token } else { between_tokens }
    }

    /// A ping that comes before the next piece of content does.
    fn due_ping(&self) -> Option<Bytes> {
        let next = self.pieces.as_slice().first()?;
        let every = self.performance.behaviour.ping_every;
        let is_awaited = next.part == Part::Content && !self.is_due(next);
        let is_due = is_awaited && !every.is_zero() && self.delay() > self.waited + every;
        if is_due { self.performance.protocol.ping() } else { None }
    }

    /// Does the fault strike before this piece? At the latest before the closing ones, so a fault that was asked for comes
    /// even if the reply is shorter than was thought.
    fn is_due(&self, piece: &Piece) -> bool {
        let Some(after) = self.performance.behaviour.fault.after() else { return false };
        match piece.part {
            Part::Opening => false,
            Part::Content | Part::Frame => self.sent.chunks >= after,
            Part::Closing => true,
        }
    }

    async fn break_off(mut self) -> Option<(Result<Frame<Bytes>, io::Error>, Playing)> {
        self.over = true;
        if matches!(self.performance.behaviour.fault, Fault::ErrorBeforeContent | Fault::ErrorAfter { .. }) {
            let Performance { protocol, seen, number, running, .. } = &self.performance;
            running.complete();
            let event = protocol.error_event(seen, self.sent, *number);
            return Some((Ok(Frame::data(event)), self));
        }
        let error = self.performance.breaks().await?;
        Some((Err(error), self))
    }
}
