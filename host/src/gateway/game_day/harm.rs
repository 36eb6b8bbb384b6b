//! What a game day does to one attempt, beside what the provider itself does. An error before any content is made here, in
//! the provider's own words, and nobody is called; one in the middle of a reply is made of the real reply (`breaks.rs`). A
//! caller never reads an answer that no provider gave.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::{Instant, sleep};

use super::super::begun::Begun;
use super::super::provider::Adapter;
use super::{Break, How, Injected, Injection, What};
use crate::fake::{Fault, Kind, Protocol, Seen, Sent};
use crate::plugin::bindings::provider::Framing;
use crate::upstream::Pieces;

/// See the module.
pub struct Harm {
    /// How long the request waits, each as long as its injection is on.
    slow: Vec<(Arc<Injection>, Duration)>,
    /// The first of all that befall it.
    error: Option<(Arc<Injection>, Fault)>,
    /// Whose words these are.
    protocol: Protocol,
    /// As far as the words depend on it.
    seen: Seen,
    framing: Framing,
}

/// What became of the request.
pub enum Struck {
    /// It goes to the provider; the reply breaks off, where there is something to break it.
    Spared(Option<Break>),
    /// In place of the provider's reply.
    Refused(Response<Full<Bytes>>),
    /// There was no connection, and why.
    Unconnected(String),
}

impl Harm {
    /// Absent: none. Else the request remembers it, and its injections count it.
    pub fn of(begun: &Begun<'_>, adapter: &Adapter, framing: Framing, request: &Request<Pieces>) -> Option<Harm> {
        let (exchange, now) = (begun.exchange, Instant::now());
        let model = begun.target.model(&exchange.asked.model);
        let mut met = exchange.gateway.game_day.at(&begun.target.provider.name, model, now);
        let caller = exchange.caller.as_ref().map(|caller| caller.name.as_str()).unwrap_or_default();
        met.retain(|one| one.has(caller, exchange.random));
        if met.is_empty() {
            return None;
        }
        // Whose provider nobody imitates tells errors in the words that most understand.
        let protocol =
            Protocol::spoken(&adapter.description.protocol, &adapter.settings).unwrap_or(Protocol::OpenAiChat);
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let seen = Seen { path, model: model.to_owned(), ..Seen::default() };
        let mut harm = Harm { slow: Vec::new(), error: None, protocol, seen, framing };
        for one in met {
            match &one.what {
                What::Slow(wait) => harm.slow.push((Arc::clone(&one), *wait)),
                What::Error(kind) if harm.error.is_none() => {
                    harm.error = Some((Arc::clone(&one), fault(kind, protocol, framing)));
                }
                What::Error(_) => continue,
            }
            let target = exchange.name(begun.step.target);
            tracing::debug!(id = %exchange.id, fault = %one.id, kind = %one.order.kind, ?target, "an injected fault");
            let at_ms = u64::try_from(exchange.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
            let injected = Injected { fault: one.id.clone(), kind: one.order.kind.clone(), target, at_ms };
            if exchange.befell.note(injected) {
                one.count();
            }
        }
        Some(harm)
    }

    /// Let it come over the request, as long as it is on.
    pub async fn strike(self) -> Struck {
        for (one, wait) in &self.slow {
            tokio::select! {
                () = sleep(*wait) => {}
                () = one.over() => {}
            }
        }
        let Some((one, fault)) = &self.error else { return Struck::Spared(None) };
        if one.is_over(Instant::now()) {
            return Struck::Spared(None);
        }
        let breaks = |chunks, how| Struck::Spared(Some(Break::new(Arc::clone(one), chunks, how)));
        match fault {
            Fault::Status { status, retry_after_s } => Struck::Refused(self.refused(*status, *retry_after_s)),
            Fault::StatusBody { status, content_type, body } => {
                Struck::Refused(response(*status, content_type, &[], body.clone()))
            }
            Fault::Html => Struck::Refused(response(200, "text/html", &[], String::new())),
            Fault::ResetBeforeHeaders => Struck::Unconnected(format!("the connection was reset ({})", one.words())),
            Fault::HangBeforeHeaders => {
                one.over().await;
                Struck::Spared(None)
            }
            Fault::HangBeforeContent => breaks(0, How::Hang),
            Fault::HangAfter { chunks } => breaks(*chunks, How::Hang),
            Fault::ErrorBeforeContent => breaks(0, self.says_error(0)),
            Fault::ErrorAfter { chunks } => breaks(*chunks, self.says_error(*chunks)),
            Fault::CutAfter { chunks } => breaks(*chunks, How::Cut),
            Fault::EndAfter { chunks } => breaks(*chunks, How::End),
            Fault::Garbage => breaks(0, How::Says(self.protocol.garbage(), self.framing)),
            Fault::None => Struck::Spared(None),
        }
    }

    /// As the provider words it, but without its usual headers: those tell limits and names that nobody made.
    fn refused(&self, status: u16, retry_after_s: Option<u64>) -> Response<Full<Bytes>> {
        let refused = self.protocol.failure(&self.seen, status, retry_after_s, 0);
        response(refused.status, "application/json", &refused.headers, refused.body.to_string())
    }

    fn says_error(&self, chunks: usize) -> How {
        How::Says(self.protocol.error_event(&self.seen, Sent { pieces: chunks, chunks }, 0), self.framing)
    }
}

/// Without a stream an error in its middle is a status.
fn fault(kind: &Kind, protocol: Protocol, framing: Framing) -> Fault {
    match kind.fault(protocol, None) {
        Fault::ErrorBeforeContent | Fault::ErrorAfter { .. } if matches!(framing, Framing::WholeBody) => {
            Fault::Status { status: protocol.overloaded(), retry_after_s: None }
        }
        fault => fault,
    }
}

fn response(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    body: String,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in headers.chain([(CONTENT_TYPE.as_str(), content_type)]) {
        if let (Ok(name), Ok(value)) = (hyper::header::HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
