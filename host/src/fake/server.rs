//! Sockets, and which request is for whom.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyDataStream, BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::io::{ReaderStream, StreamReader};

use super::Protocol;
use super::faults::Performance;
use super::socket::{Scissors, Socket};
use super::state::{Running, Seen, State};
use crate::coding::Coding;
use crate::net::Listener;

pub type Body = UnsyncBoxBody<Bytes, io::Error>;

pub const JSON: &str = "application/json";
const TEXT: &str = "text/plain";
/// What the real ones take: 32 MB.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Accepting fails when file descriptors run out; by then some may have come back.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accept connections until the task is aborted, which cuts them.
pub async fn serve(mut listener: Listener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (state, scissors) = (Arc::clone(&state), Scissors::default());
        let socket = TokioIo::new(Socket::new(stream, scissors.clone()));
        connections.spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&state), scissors.clone(), request));
            // How it ends is the client's business, or the fault that was asked for.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(socket, service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error here makes hyper close the connection without an answer.
async fn answer(
    state: Arc<State>,
    scissors: Scissors,
    request: Request<Incoming>,
) -> Result<Response<Body>, io::Error> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(too_large(&state, &Seen::new(&head, Bytes::new(), "")));
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    match (&head.method, head.uri.path()) {
        (&Method::HEAD, _) => return Ok(respond(200, TEXT, &[], String::new())),
        (&Method::POST, "/fake/behave") => return Ok(control(&state, &String::from_utf8_lossy(&body))),
        (&Method::GET, "/fake/seen") => return Ok(respond(200, JSON, &[], format!("{:#}\n", state.told()))),
        _ => {}
    }
    // What is not JSON is refused later, as a request without anything in it, unless a fault comes first.
    let mut value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let protocol = state.protocol;
    let path = head.uri.path_and_query().map_or("", |path| path.as_str());
    let mut seen = Seen::new(&head, body, &protocol.model(path, &value));
    state.treat(&mut seen);
    let performance = Performance {
        protocol,
        number: state.next_number(),
        behaviour: seen.behaviour.clone(),
        seen,
        running: Running::begin(&state),
        scissors,
    };
    let coding = performance.behaviour.coding;
    if let Some(response) = performance.before_headers().await? {
        performance.running.complete();
        return Ok(response);
    }
    let script = match protocol.of(&performance.seen) {
        Protocol::OpenAiResponses => state.kept.resolve(&performance.seen, &mut value),
        _ => Ok(()),
    };
    let script = script.and_then(|()| protocol.script(&performance.seen, &value, performance.number));
    let response = match script {
        Ok(script) => {
            if protocol.of(&performance.seen) == Protocol::OpenAiResponses {
                state.kept.note(&performance.seen, &value, &script);
            }
            performance.perform(script).await?
        }
        Err(refused) => {
            performance.running.complete();
            performance.refuse(&refused)
        }
    };
    Ok(match coding {
        Some(coding) => compressed(response, coding),
        None => response,
    })
}

fn compressed(mut response: Response<Body>, coding: Coding) -> Response<Body> {
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    response.map(|body| {
        let plain = StreamReader::new(BodyDataStream::new(body));
        let compressed = ReaderStream::new(coding.encoder(plain)).map_ok(Frame::data);
        StreamBody::new(compressed).boxed_unsync()
    })
}

fn too_large(state: &State, seen: &Seen) -> Response<Body> {
    let number = state.next_number();
    let refused = state.protocol.failure(seen, 413, None, number);
    respond(refused.status, JSON, &refused.headers, refused.body.to_string())
}

pub fn respond(status: u16, content_type: &str, headers: &[(&'static str, String)], body: String) -> Response<Body> {
    let full = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed_unsync();
    with_headers(Response::new(full), status, content_type, headers)
}

/// A status or a header that HTTP does not know is left out: they may come from the command line.
pub fn with_headers(
    mut response: Response<Body>,
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
) -> Response<Body> {
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in headers.chain([("content-type", content_type)]) {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// `529`, or `claude-sonnet-4-5=529` for one model.
fn control(state: &State, text: &str) -> Response<Body> {
    let (model, word) = text.trim().rsplit_once('=').map_or((None, text), |(model, word)| (Some(model.trim()), word));
    match word.parse() {
        Ok(behaviour) => {
            state.behave(model, behaviour);
            let who = model.unwrap_or("every model that has no behaviour of its own");
            respond(200, TEXT, &[], format!("{who} now behaves as `{}`\n", word.trim()))
        }
        Err(text) => respond(400, TEXT, &[], format!("{text}\n")),
    }
}
