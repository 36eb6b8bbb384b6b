//! One connection of a caller, from its handshake to its end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_rustls::TlsAcceptor;

use super::activity::{Activity, Over};
use super::patient::{Linger, Patient};
use super::streams::{Streams, watched};
use super::unread::Unread;
use super::{edge, head};
use crate::config::Edge;
use crate::config::defaults::{self, TLS_HANDSHAKE};
use crate::gateway::{Body, Deadline};
use crate::net::Wire;

/// A caller may take so long to read what is left of a reply when its request has run out of time.
const LATE_READER_TIME: Duration = Duration::from_secs(5);
/// A connection that was asked to end, and on which nothing runs, has so long.
const LEAVE_TIME: Duration = Duration::from_secs(5);

/// Answer its requests until it ends. How it ends is the caller's business: it has hung up, or sent what is not HTTP.
///
/// `stopped` becomes true when no new requests are taken any more.
pub async fn serve<H, F>(
    wire: Box<dyn Wire>,
    acceptor: Option<TlsAcceptor>,
    edge: Edge,
    handle: H,
    activity: Activity,
    mut stopped: watch::Receiver<bool>,
) where
    H: Fn(Request<Unread>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let wire: Box<dyn Wire> = match acceptor {
        None => wire,
        Some(acceptor) => match tokio::time::timeout(TLS_HANDSHAKE, acceptor.accept(wire)).await {
            Ok(Ok(wire)) => Box::new(wire),
            _ => return,
        },
    };
    let linger = Linger::default();
    let patient = Patient::new(wire, &edge, linger.clone(), activity.clone());
    let of_service = activity.clone();
    let service = service_fn(move |request| {
        answer(handle.clone(), linger.clone(), of_service.clone(), edge.write_stall, request)
    });
    let mut serving = pin!(builder(&edge).serve_connection(TokioIo::new(patient), service).into_owned());
    let (mut is_stopping, mut is_leaving, mut leave_at) = (false, false, None::<Instant>);
    loop {
        let leave = async move {
            match leave_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = serving.as_mut() => return,
            // An error means that whoever stops is gone.
            _ = stopped.wait_for(|stopped| *stopped), if !is_stopping => {
                is_stopping = true;
                serving.as_mut().graceful_shutdown();
            }
            // What runs is finished, and the caller takes another connection for what comes next.
            () = activity.should_leave(), if !is_leaving => {
                is_leaving = true;
                serving.as_mut().graceful_shutdown();
            }
            over = activity.over(edge.keep_alive), if leave_at.is_none() => match over {
                Over::Late => return,
                // HTTP/2 says GOAWAY; HTTP/1.1 closes.
                Over::Idle => {
                    leave_at = Some(Instant::now() + LEAVE_TIME);
                    serving.as_mut().graceful_shutdown();
                }
            },
            () = leave => {
                if activity.is_idle() {
                    return;
                }
                // A request came in the same moment.
                leave_at = Some(Instant::now() + LEAVE_TIME);
            }
        }
    }
}

fn builder(edge: &Edge) -> Builder<Streams> {
    let mut builder = Builder::new(Streams::new(edge.write_stall));
    builder
        .http1()
        .timer(TokioTimer::new())
        // From the end of a reply to the next head; `Patient` ends sooner who began one.
        .header_read_timeout(edge.keep_alive + edge.header_timeout)
        .max_headers(defaults::HEADERS_MAX)
        .max_buf_size(defaults::HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(defaults::HTTP2_STREAMS_MAX)
        .max_pending_accept_reset_streams(defaults::HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(defaults::HTTP2_LOCAL_RESETS_MAX)
        .max_header_list_size(defaults::HEADER_BYTES_MAX as u32)
        .initial_stream_window_size(defaults::HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(defaults::HTTP2_CONNECTION_WINDOW)
        .max_send_buf_size(defaults::HTTP2_SEND_BYTES_MAX)
        .keep_alive_interval(defaults::HTTP2_PING)
        .keep_alive_timeout(defaults::HTTP2_PING_TIMEOUT);
    builder
}

async fn answer<H, F>(
    handle: H,
    linger: Linger,
    activity: Activity,
    write_stall: Duration,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible>
where
    H: Fn(Request<Unread>) -> F,
    F: Future<Output = Response<Body>>,
{
    let running = activity.begin();
    let (head, body) = request.into_parts();
    let (version, checked) = (head.version, head::check(&head));
    // What follows on the connection is for us only if everyone before us read the request as we did. Whoever hoped for
    // another protocol may have sent some of it already.
    let doubtful = checked.is_err() || head.headers.contains_key(UPGRADE);
    let (body, ended) = Unread::new(body);
    let mut response = match checked {
        Ok(()) => handle(Request::from_parts(head, body)).await,
        Err((status, text)) => edge::error(status, "invalid_request_error", text),
    };
    let deadline = response.extensions_mut().remove::<Deadline>().map(|Deadline(at)| at + LATE_READER_TIME);
    if version == Version::HTTP_2 {
        // It has no such header: a GOAWAY says the same.
        if response.headers_mut().remove(CONNECTION).is_some() {
            activity.leave();
        }
        return Ok(response.map(|body| running.with(watched(body, write_stall, deadline))));
    }
    if let Some(deadline) = deadline {
        running.ends_by(deadline);
    }
    if doubtful || !ended.so() {
        response.headers_mut().append(CONNECTION, HeaderValue::from_static("close"));
        linger.set();
    }
    Ok(response.map(|body| running.with(body)))
}
