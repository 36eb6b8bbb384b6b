//! THE LINE: one request, from its arrival to the reply that its caller gets. Every stage is named here, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as HttpBody;
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};

use super::attempt;
use super::commit::Uncommitted;
use super::decide::{self, Next};
use super::record::Record;
use super::refusal::Refusal;
use super::scan;
use super::table::{Endpoint, Route, Table};
use super::{Body, Gateway};
use crate::plugin::bindings::client_protocol::Reading;
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// A request larger than this is refused. Anthropic's own limit.
pub const REQUEST_BYTES_MAX: usize = 32 << 20;
/// A caller that takes longer to send its request has stalled.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What one request is about. It holds the table it began with, to its end.
pub struct Exchange {
    pub gateway: Arc<Gateway>,
    pub table: Arc<Table>,
    pub endpoint: Arc<Endpoint>,
    pub route: Arc<Route>,
    pub head: Parts,
    pub body: Bytes,
    pub asked: Asked,
    pub arrived: Instant,
    /// When all must be over.
    pub deadline: Instant,
    pub random: u64,
    pub sequence: u64,
    /// The request in words that no provider owns; made when the first target needs a translation.
    pub reading: OnceCell<Result<Reading, Fault>>,
}

/// What routing needs of a body.
pub struct Asked {
    pub model: String,
    /// Where the model's name stands in the body, quotes included.
    pub model_at: std::ops::Range<usize>,
    pub stream: bool,
}

/// Answer one request to an endpoint of a client protocol.
pub async fn answer<B>(
    gateway: Arc<Gateway>,
    table: Arc<Table>,
    endpoint: Arc<Endpoint>,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut record = Record::begin(&gateway.clock, &endpoint);
    let mut response = match line(gateway, table, Arc::clone(&endpoint), request, &mut record).await {
        Ok(response) => response,
        Err(refusal) => {
            record.refused(&refusal.fault);
            refusal.respond(&endpoint).await
        }
    };
    // An answer carries them already: its record has gone on with it.
    response.headers_mut().extend(record.headers());
    response
}

async fn line<B>(
    gateway: Arc<Gateway>,
    table: Arc<Table>,
    endpoint: Arc<Endpoint>,
    request: Request<B>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let body = read(body).await?;
    let asked = Asked::find(&body, &endpoint)?;
    record.asked(&asked);
    let route = Arc::clone(table.route(&asked.model).ok_or_else(|| Refusal::no_route(&asked.model, &table))?);
    record.route(&route);
    let exchange = Exchange {
        deadline: arrived + table.config.timeouts.total,
        random: gateway.clock.random(),
        sequence: route.sequence.fetch_add(1, Ordering::Relaxed),
        reading: OnceCell::new(),
        gateway,
        table,
        endpoint,
        route,
        head,
        body,
        asked,
        arrived,
    };
    let uncommitted = Uncommitted::begin();
    let mut history = Vec::new();
    loop {
        let step = match decide::next(&exchange, &history).await {
            Next::Attempt(step) => step,
            Next::GiveUp(reason) => return Err(Refusal::gave_up(&exchange, history, &reason)),
        };
        // Even a sleep of nothing lasts until the timer's next millisecond.
        if !step.after.is_zero() {
            sleep(step.after).await;
        }
        record.attempt(&exchange, &step);
        match attempt::run(&exchange, &step, &uncommitted).await {
            Ok(held_back) => return Ok(held_back.commit(uncommitted, record.take())),
            Err(failed) => history.push(*failed),
        }
    }
}

async fn read<B>(body: B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = timeout(REQUEST_TIMEOUT, Limited::new(body, REQUEST_BYTES_MAX).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("the request has more than {REQUEST_BYTES_MAX} bytes");
            Err(Refusal::of(FaultKind::TooLarge, None, text))
        }
        Ok(Err(error)) => Err(Refusal::of(FaultKind::InvalidRequest, None, format!("reading the request: {error}"))),
        Err(_) => Err(Refusal::of(FaultKind::InvalidRequest, None, "the request did not arrive within a minute")),
    }
}

impl Asked {
    fn find(body: &[u8], endpoint: &Endpoint) -> Result<Asked, Refusal> {
        let wrong = |field: Option<&str>, text: String| Refusal::of(FaultKind::InvalidRequest, field, text);
        let (model_field, stream_field) = (endpoint.model_field.as_str(), endpoint.stream_field.as_str());
        let [model_at, stream_at] =
            scan::fields(body, [model_field, stream_field]).map_err(|text| wrong(None, text))?;
        let model_at = model_at.ok_or_else(|| wrong(Some(model_field), format!("`{model_field}` is missing")))?;
        let model = scan::text(&body[model_at.clone()]).filter(|model| !model.is_empty() && model.len() <= 256);
        let model = model
            .ok_or_else(|| wrong(Some(model_field), format!("`{model_field}` must be a string of 1 to 256 letters")))?;
        let stream = match stream_at.map(|at| &body[at]) {
            None | Some(b"false" | b"null") => false,
            Some(b"true") => true,
            Some(_) => return Err(wrong(Some(stream_field), format!("`{stream_field}` must be true or false"))),
        };
        Ok(Asked { model, model_at, stream })
    }
}
