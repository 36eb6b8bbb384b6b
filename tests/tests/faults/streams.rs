//! A provider of HTTP/2 that takes a hundred requests on one connection: more come on another, and none waits for us.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::http2::{acceptor, fixture, is_trusting};
use super::{Caller, Line};

const LIMIT: u32 = 100;
const CALLS: usize = 150;

struct Provider {
    url: String,
    connections: AtomicUsize,
    /// Requests that are here. Nobody is answered before all of a round are.
    here: watch::Sender<usize>,
}

impl Provider {
    async fn start() -> Arc<Provider> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let provider = Arc::new(Provider { url, connections: AtomicUsize::new(0), here: watch::Sender::new(0) });
        let (shared, acceptor) = (Arc::clone(&provider), acceptor("provider.pem"));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (provider, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.expect("TLS");
                    let answer = service_fn(move |request| Arc::clone(&provider).answer(request));
                    let mut server = http2::Builder::new(TokioExecutor::new());
                    server.max_concurrent_streams(LIMIT);
                    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        provider
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let _ = request.into_body().collect().await;
        let mut here = self.here.subscribe();
        self.here.send_modify(|here| *here += 1);
        let _ = here.wait_for(|here| here.is_multiple_of(CALLS)).await;
        let body = std::fs::read(fixture("replies/text/openai-chat.json")).expect("a fixture");
        let response = Response::builder().header("content-type", "application/json").body(Full::new(body.into()));
        Ok(response.expect("a response"))
    }
}

/// Faults: F108
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_one_connection_takes_wait_for_nothing() {
    if !is_trusting("streams::more_requests_than_one_connection_takes_wait_for_nothing").await {
        return;
    }
    let provider = Provider::start().await;
    let more = "[timeouts]\nreply = \"5s\"\n[breaker]\nfaults = 1\n[limits]\nslow_start = 1000";
    let line = Line::usual(&provider.url, more).await;
    for round in 0..3 {
        let asks = (0..CALLS).map(|_| line.ask_for("alone", Caller::OpenAi, false));
        for answer in futures_util::future::join_all(asks).await {
            let told = format!("round {round}: {}", answer.body);
            assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "1"), "{told}");
        }
    }
    // As many as are needed, and they are used again.
    assert_eq!(provider.connections.load(Ordering::Relaxed), 2);
}
