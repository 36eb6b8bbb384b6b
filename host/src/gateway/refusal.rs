//! No answer: what the caller is told instead, in its own protocol.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::Body;
use super::array::{self, Shape};
use super::begun::{Failed, RawReply};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::table::Table;
use super::untranslated;
use crate::callers::Over;
use crate::config::defaults::FULL_RETRY;
use crate::health::{Blame, blame};
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// Obeyed by the official SDKs: they would otherwise multiply our attempts by theirs.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// So little time is left that no attempt began any more.
const DEADLINE_NEAR: Duration = Duration::from_millis(250);

/// A fault without a reply behind it.
pub fn fault(kind: FaultKind, message: impl Into<String>) -> Fault {
    Fault { kind, status: 0, message: message.into(), provider_code: None, field: None, retry_after_ms: None }
}

/// Is it about our account at a provider, which is not the caller's?
pub fn is_about_us(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Authentication | FaultKind::Permission | FaultKind::QuotaExhausted)
}

/// Is it the answer of an address where nothing serves the path? Providers name the model that they do not have; whatever else
/// answers there says `Not Found`, `Invalid URL`, or shows a page.
pub fn is_unknown_path(fault: &Fault) -> bool {
    let text = fault.message.to_ascii_lowercase();
    let names_what = ["model", "deployment", "profile", "endpoints"].iter().any(|word| text.contains(word));
    fault.kind == FaultKind::ModelNotFound && fault.status == 404 && !names_what
}

/// As the caller is told: whose key a provider refuses is said, because callers take "your key is wrong" for their own.
pub fn ours(fault: Fault) -> Fault {
    let what = match fault.kind {
        FaultKind::Authentication => "the gateway's credentials at a provider were refused",
        FaultKind::Permission => "the gateway's account at a provider may not do this",
        FaultKind::QuotaExhausted => "the gateway's account at a provider has used up its quota",
        _ => return fault,
    };
    let message = format!("{what}: {}", fault.message);
    Fault { kind: FaultKind::Unavailable, message, provider_code: None, field: None, ..fault }
}

/// Why a request got no answer.
pub struct Refusal {
    pub fault: Fault,
    raw: Option<RawReply>,
    /// In place of the status that the caller's protocol has for the fault.
    pub status: Option<StatusCode>,
    /// Attempts were made, and more of them will not help at once.
    exhausted: bool,
}

impl Refusal {
    pub fn of(kind: FaultKind, field: Option<&str>, message: impl Into<String>) -> Refusal {
        let fault = Fault { field: field.map(str::to_owned), ..fault(kind, message) };
        Refusal { fault, raw: None, status: None, exhausted: false }
    }

    /// With a status that says more than the one that the caller's protocol has for the fault.
    pub fn with_status(self, status: StatusCode) -> Refusal {
        Refusal { status: Some(status), ..self }
    }

    /// It may be asked again after this time.
    pub fn after(mut self, wait: Duration) -> Refusal {
        self.fault.retry_after_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).ok();
        self
    }

    /// The gateway has no room for one more.
    pub fn full(what: &str) -> Refusal {
        let text = format!("the gateway holds {what} as it can: try again");
        let refusal = Refusal::of(FaultKind::Unavailable, None, text);
        refusal.with_status(StatusCode::SERVICE_UNAVAILABLE).after(FULL_RETRY)
    }

    /// A limit of the caller's key is reached.
    pub fn over(caller: &str, over: &Over) -> Refusal {
        let Over { limit, most, wait } = over;
        let text = format!("the key `{caller}` has used up its `{limit}` of {most}");
        Refusal::of(FaultKind::RateLimited, None, text).after(*wait)
    }

    /// The key is not for this model.
    pub fn forbidden(caller: &str, model: &str) -> Refusal {
        let text = format!("the key `{caller}` may not use the model `{model}`");
        Refusal::of(FaultKind::Permission, Some("model"), text)
    }

    pub fn no_route(model: &str, table: &Table) -> Refusal {
        let known: Vec<String> = table.routes.iter().map(|route| format!("`{}`", route.pattern)).collect();
        let text = format!("no model `{model}` is configured; there are: {}", known.join(", "));
        Refusal::of(FaultKind::ModelNotFound, Some("model"), text)
    }

    /// OpenAI says so with this status: <https://platform.openai.com/docs/api-reference/responses/create>.
    pub fn no_item(id: &str) -> Refusal {
        let text = format!("Item with id '{id}' not found.");
        Refusal::of(FaultKind::InvalidRequest, Some("input"), text).with_status(StatusCode::NOT_FOUND)
    }

    /// What the request names (an earlier response, a thread) was made for another caller, which is nothing to this one.
    pub fn not_kept(field: Option<&str>, id: &str) -> Refusal {
        let text = format!("nothing with the id '{id}' is known for this caller: send the whole conversation");
        Refusal::of(FaultKind::Unsupported, field, text).with_status(StatusCode::NOT_FOUND)
    }

    /// The policy makes no further attempt.
    pub fn gave_up(exchange: &Exchange, mut history: Vec<Failed>, reason: &str) -> Refusal {
        if let Some(refusal) = untranslated::refusal(exchange, &history) {
            return refusal;
        }
        let name = |failed: &Failed| {
            let target = &exchange.route.targets[failed.target];
            format!("{}/{}", target.provider.name, target.model(&exchange.asked.model))
        };
        let was_asked = history.iter().any(|failed| failed.fault.kind != FaultKind::Busy);
        let Some(last) = history.last().filter(|_| was_asked || resting(exchange).is_none()) else {
            if let Some(text) = nobody_can(exchange) {
                if let Some(id) = exchange.references.unknown() {
                    return Refusal::no_item(id);
                }
                return Refusal::of(FaultKind::Unsupported, exchange.asked.pinned.as_deref(), text);
            }
            let retry_after_ms = soonest(exchange);
            if let Some((kind, text)) = resting(exchange) {
                let fault = ours(Fault { retry_after_ms, ..fault(kind, text) });
                return Refusal { fault, raw: None, status: None, exhausted: true };
            }
            let text = format!("no target was asked: {reason}");
            let fault = Fault { retry_after_ms, ..fault(FaultKind::Unavailable, text) };
            return Refusal { fault, raw: None, status: None, exhausted: true };
        };
        let callers_own = blame(last.fault.kind) == Blame::Caller;
        if exchange.is_replayable() && !callers_own {
            let text = format!("{}, which keeps what it names: {}", name(last), last.fault.message);
            return Refusal::of(FaultKind::Unsupported, exchange.asked.pinned.as_deref(), text);
        }
        if callers_own || history.len() == 1 {
            let story = format!("{}: {}", name(last), last.fault.message);
            let fault_kind = last.fault.kind;
            let Some(Failed { fault, raw, .. }) = history.pop() else {
                return Refusal::of(FaultKind::Unavailable, None, story);
            };
            let (fault, raw) = (Fault { message: story, ..fault }, raw.filter(|_| !is_about_us(fault_kind)));
            return Refusal { fault: ours(fault), raw, status: None, exhausted: !callers_own };
        }
        let story: Vec<String> =
            history.iter().map(|failed| format!("{}: {}", name(failed), failed.fault.message)).collect();
        let message = format!("all {} attempts failed: {}", history.len(), story.join("; "));
        // A fault that passes says more to the caller than a key of ours that was refused somewhere else.
        let telling = history.iter().find(|failed| blame(failed.fault.kind) == Blame::Target).unwrap_or(&history[0]);
        // Who has waited until the deadline is not sent to wait once more.
        let is_over = tokio::time::Instant::now() + DEADLINE_NEAR >= exchange.deadline;
        let retry_after_ms = soonest(exchange).or(telling.fault.retry_after_ms).filter(|_| !is_over);
        let fault = ours(Fault { message, retry_after_ms, ..telling.fault.clone() });
        Refusal { fault, raw: None, status: None, exhausted: true }
    }

    /// The same, when not even a guess was to be had.
    pub fn gave_up_with(mut fault: Fault, reason: &str) -> Refusal {
        fault.message = format!("{} ({reason})", fault.message);
        Refusal { fault, raw: None, status: None, exhausted: false }
    }

    /// The reply. If the caller's protocol's plugin fails, a plain error.
    pub async fn respond(self, endpoint: &Endpoint, shape: Shape) -> Response<Body> {
        let Refusal { fault, raw, status, exhausted } = self;
        let (protocols_own, mut headers, body) = match raw {
            Some(raw) => (raw.status, raw.headers, raw.body),
            None => refused(endpoint, &fault).await,
        };
        if let Some(millis) = fault.retry_after_ms
            && !headers.contains_key(RETRY_AFTER)
        {
            headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1000).max(1)));
        }
        // Clients that are told when to come again must not be told that they need not: some obey the latter at once.
        if headers.contains_key(RETRY_AFTER) || headers.contains_key("retry-after-ms") {
            headers.remove(X_SHOULD_RETRY);
        } else if exhausted {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        let body = match shape {
            Shape::Events => body,
            Shape::Array => array::of_refusal(&body),
        };
        let mut response = Response::new(Full::new(body).map_err(|never| match never {}).boxed_unsync());
        *response.status_mut() = status.unwrap_or(protocols_own);
        *response.headers_mut() = headers;
        response
    }
}

async fn refused(endpoint: &Endpoint, fault: &Fault) -> (StatusCode, HeaderMap, Bytes) {
    let reply = match endpoint.codec() {
        Some(codec) => codec.refuse(&endpoint.operation, fault).await.ok(),
        None => None,
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let status = reply.as_ref().and_then(|reply| StatusCode::from_u16(reply.status).ok());
    let (Some(reply), Some(status)) = (reply, status.filter(|status| status.as_u16() >= 400)) else {
        return (StatusCode::BAD_GATEWAY, headers, plain("unavailable", &fault.message));
    };
    for header in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(&header.name), HeaderValue::try_from(&header.value)) {
            headers.insert(name, value);
        }
    }
    (status, headers, reply.body.into())
}

/// An error that belongs to no protocol: unknown paths, refused keys, a client plugin that fails.
pub fn plain(kind: &str, message: &str) -> Bytes {
    // Both families' clients find `error.message` in it.
    serde_json::json!({ "type": "error", "error": { "type": kind, "message": message, "code": kind } })
        .to_string()
        .into()
}

/// Why no target of the route can serve the request, if that is so.
fn nobody_can(exchange: &Exchange) -> Option<String> {
    let told = exchange.route.targets.iter().enumerate().map(|(at, target)| {
        let model = target.model(&exchange.asked.model);
        exchange.why_unable(at).map(|reason| format!("{}/{model}: {reason}", target.provider.name))
    });
    let told: Option<Vec<String>> = told.collect();
    told.map(|told| format!("no target can serve this request: {}", told.join("; ")))
}

/// Where each target that could serve the request rests: what the one that is ready first rests for, and who rests how long, for
/// people.
fn resting(exchange: &Exchange) -> Option<(FaultKind, String)> {
    let now = tokio::time::Instant::now();
    let able = exchange.route.targets.iter().enumerate().filter(|(at, _)| exchange.why_unable(*at).is_none());
    let rests = able.map(|(at, target)| Some((at, exchange.health(target).rests(exchange.keys(target), now)?)));
    let rests = rests.collect::<Option<Vec<_>>>()?;
    let (_, (_, kind)) = rests.iter().min_by_key(|(_, (until, _))| *until)?;
    let each = rests.iter().map(|(at, (until, why))| {
        let seconds = until.saturating_duration_since(now).as_secs_f64();
        format!("{} rests for another {seconds:.0} s ({})", exchange.name(*at), why.word())
    });
    Some((*kind, each.collect::<Vec<_>>().join("; ")))
}

/// Milliseconds until some target is ready again.
fn soonest(exchange: &Exchange) -> Option<u64> {
    let now = tokio::time::Instant::now();
    let able = exchange.route.targets.iter().enumerate().filter(|(at, _)| exchange.why_unable(*at).is_none());
    let ready_in_ms = able.map(|(_, target)| exchange.view(target, now).ready_in_ms);
    ready_in_ms.min().filter(|millis| *millis > 0)
}
