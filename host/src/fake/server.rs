//! Sockets, and faults applied to them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::behaviour::{Behaviour, Fault};
use super::reply::{Piece, Script};
use super::{Protocol, anthropic, openai};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A request that a fake received.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub model: String,
}

impl Seen {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// What the connections of one fake share.
pub struct State {
    protocol: Protocol,
    general: Mutex<Behaviour>,
    by_model: Mutex<HashMap<String, Behaviour>>,
    seen: Mutex<Vec<Seen>>,
    open: AtomicUsize,
    cancelled: AtomicUsize,
    number: AtomicUsize,
}

impl State {
    pub fn new(protocol: Protocol) -> State {
        State {
            protocol,
            general: Mutex::default(),
            by_model: Mutex::default(),
            seen: Mutex::default(),
            open: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            number: AtomicUsize::new(1),
        }
    }

    pub fn behave(&self, model: Option<&str>, behaviour: Behaviour) {
        match model {
            Some(model) => drop(lock(&self.by_model).insert(model.to_owned(), behaviour)),
            None => *lock(&self.general) = behaviour,
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// A model named `fault/529` behaves so, whatever else is set.
    fn behaviour(&self, model: &str) -> Behaviour {
        let named = model.strip_prefix("fault/").and_then(|fault| fault.parse().ok());
        named.or_else(|| lock(&self.by_model).get(model).cloned()).unwrap_or_else(|| lock(&self.general).clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accept connections until the task is aborted, which cuts them.
pub async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            // How it ends is the client's business, or the fault that was asked for.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error here makes hyper close the connection without an answer.
async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    match (&head.method, head.uri.path()) {
        (&Method::HEAD, _) => return Ok(respond(200, "text/plain", &[], String::new())),
        (&Method::POST, "/fake/behave") => return Ok(control(&state, &String::from_utf8_lossy(&body))),
        (&Method::GET, "/fake/seen") => return Ok(respond(200, "application/json", &[], told(&state).to_string())),
        _ => {}
    }
    let value = serde_json::from_slice::<serde_json::Value>(&body).unwrap_or_default();
    let model = value["model"].as_str().unwrap_or_default().to_owned();
    let path = head.uri.path_and_query().map(|path| path.to_string()).unwrap_or_default();
    let headers = head.headers.iter();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let seen = Seen { method: head.method.to_string(), path, headers, body, model: model.clone() };
    lock(&state.seen).push(seen.clone());
    let running = Running::begin(&state);
    let behaviour = state.behaviour(&model);
    if let Some(response) = before_headers(&state, &behaviour, &running).await? {
        running.complete();
        return Ok(response);
    }
    let number = state.number.fetch_add(1, Ordering::SeqCst);
    let script = match state.protocol {
        Protocol::OpenAiChat => openai::script(&seen, &value, number),
        Protocol::AnthropicMessages => anthropic::script(&seen, &value, number),
    };
    match script {
        Ok(script) => perform(script, behaviour, running, value["stream"] == true, &state).await,
        Err(refused) => {
            running.complete();
            Ok(respond(refused.status, "application/json", &[], refused.body.to_string()))
        }
    }
}

/// Faults that come before a request is looked at.
async fn before_headers(
    state: &State,
    behaviour: &Behaviour,
    _: &Running,
) -> Result<Option<Response<Body>>, io::Error> {
    match &behaviour.fault {
        Fault::Status { status, retry_after_s } => {
            let headers: Vec<_> = retry_after_s.iter().map(|seconds| ("retry-after", seconds.to_string())).collect();
            Ok(Some(respond(*status, "application/json", &headers, error_body(state.protocol, *status).to_string())))
        }
        Fault::StatusBody { status, content_type, body } => Ok(Some(respond(*status, content_type, &[], body.clone()))),
        Fault::Html => Ok(Some(respond(200, "text/html", &[], "<html>maintenance</html>".to_owned()))),
        Fault::ResetBeforeHeaders => Err(io::Error::other("reset on purpose")),
        Fault::HangBeforeHeaders => std::future::pending().await,
        _ => Ok(None),
    }
}

fn error_body(protocol: Protocol, status: u16) -> serde_json::Value {
    match protocol {
        Protocol::OpenAiChat => openai::error_body(status),
        Protocol::AnthropicMessages => anthropic::error_body(status),
    }
}

async fn perform(
    script: Script,
    behaviour: Behaviour,
    running: Running,
    stream: bool,
    state: &State,
) -> Result<Response<Body>, io::Error> {
    if !stream {
        return whole(script, &behaviour, running, state).await;
    }
    let mut response = Response::new(streamed(script.pieces, script.error_event, behaviour, running));
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(script.content_type));
    for (name, value) in script.headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn whole(
    script: Script,
    behaviour: &Behaviour,
    running: Running,
    state: &State,
) -> Result<Response<Body>, io::Error> {
    tokio::time::sleep(behaviour.first_token).await;
    let body: String = script.pieces.into_iter().map(|piece| piece.bytes).collect();
    match &behaviour.fault {
        Fault::HangBeforeContent | Fault::HangAfter { .. } => std::future::pending().await,
        Fault::ErrorBeforeContent | Fault::ErrorAfter { .. } => {
            running.complete();
            let status = if state.protocol == Protocol::AnthropicMessages { 529 } else { 503 };
            Ok(respond(status, "application/json", &[], error_body(state.protocol, status).to_string()))
        }
        Fault::CutAfter { .. } | Fault::EndAfter { .. } => {
            // Half of what the content length promises.
            running.complete();
            let half = Bytes::from(body.clone()).slice(..body.len() / 2);
            let pieces = stream::iter([Ok(Frame::data(half)), Err(io::Error::other("cut on purpose"))]);
            let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
            response.headers_mut().insert("content-length", body.len().into());
            response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
            Ok(response)
        }
        Fault::Garbage => {
            running.complete();
            Ok(respond(200, "application/json", &[], "{\"what\": [".to_owned()))
        }
        _ => {
            running.complete();
            Ok(respond(200, "application/json", &script.headers, body))
        }
    }
}

/// The stream, with its faults and delays.
fn streamed(pieces: Vec<Piece>, error_event: String, behaviour: Behaviour, running: Running) -> Body {
    struct Playing {
        pieces: std::vec::IntoIter<Piece>,
        error_event: String,
        behaviour: Behaviour,
        running: Running,
        chunks: usize,
    }
    let playing = Playing { pieces: pieces.into_iter(), error_event, behaviour, running, chunks: 0 };
    let frames = stream::unfold(Some(playing), |playing| async move {
        let mut playing = playing?;
        let piece = playing.pieces.next();
        let content = piece.as_ref().is_none_or(|piece| piece.content);
        let reached = |chunks: usize| content && playing.chunks >= chunks;
        let frame = |text: String| Ok(Frame::data(Bytes::from(text)));
        match playing.behaviour.fault {
            Fault::HangBeforeContent if content => std::future::pending().await,
            Fault::HangAfter { chunks } if reached(chunks) => std::future::pending().await,
            Fault::Garbage => {
                playing.running.complete();
                return Some((frame("data: {\"what\": [\n\ndata: }\n\n".to_owned()), None));
            }
            Fault::ErrorBeforeContent if content => {
                playing.running.complete();
                return Some((frame(playing.error_event), None));
            }
            Fault::ErrorAfter { chunks } if reached(chunks) => {
                playing.running.complete();
                return Some((frame(playing.error_event), None));
            }
            Fault::CutAfter { chunks } if reached(chunks) => {
                playing.running.complete();
                // What was written must leave before the connection breaks, or the cut would come too early.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Some((Err(io::Error::other("cut on purpose")), None));
            }
            Fault::EndAfter { chunks } if reached(chunks) => {
                playing.running.complete();
                return None;
            }
            _ => {}
        }
        let Some(piece) = piece else {
            playing.running.complete();
            return None;
        };
        if piece.content {
            let delay =
                if playing.chunks == 0 { playing.behaviour.first_token } else { playing.behaviour.between_tokens };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            playing.chunks += 1;
        }
        if playing.pieces.len() == 0 && playing.behaviour.fault == Fault::None {
            playing.running.complete();
        }
        Some((frame(piece.bytes), Some(playing)))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn respond(status: u16, content_type: &str, headers: &[(&'static str, String)], body: String) -> Response<Body> {
    let full = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut builder = Response::builder().status(status).header("content-type", content_type);
    for (name, value) in headers {
        builder = builder.header(*name, value);
    }
    builder.body(full).unwrap_or_default()
}

fn control(state: &State, text: &str) -> Response<Body> {
    let (model, word) = text.trim().rsplit_once('=').map_or((None, text), |(model, word)| (Some(model), word));
    match word.parse() {
        Ok(behaviour) => {
            state.behave(model, behaviour);
            respond(
                200,
                "text/plain",
                &[],
                format!("{} now behaves as `{}`\n", model.unwrap_or("every model"), word.trim()),
            )
        }
        Err(text) => respond(400, "text/plain", &[], format!("{text}\n")),
    }
}

/// Requests so far, without the headers: keys stand in them.
fn told(state: &State) -> serde_json::Value {
    let seen = lock(&state.seen);
    let last: Vec<_> =
        seen.iter().rev().take(20).map(|seen| json!({ "path": seen.path, "model": seen.model })).collect();
    json!({ "requests": seen.len(), "open": state.open(), "cancelled": state.cancelled(), "last": last })
}

/// A request that is being answered.
struct Running {
    state: Arc<State>,
    complete: std::sync::atomic::AtomicBool,
}

impl Running {
    fn begin(state: &Arc<State>) -> Running {
        state.open.fetch_add(1, Ordering::SeqCst);
        Running { state: Arc::clone(state), complete: false.into() }
    }

    /// The reply is as complete as it was meant to be.
    fn complete(&self) {
        self.complete.store(true, Ordering::SeqCst);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::SeqCst);
        if !self.complete.load(Ordering::SeqCst) {
            self.state.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}
