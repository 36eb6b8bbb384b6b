//! A provider's machine that vanishes without a word: connections to it stay open, and nothing comes any more. One request finds out;
//! the next ones go to whatever answers at the same address now.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::http2::{acceptor, fixture, is_trusting};
use super::{Caller, Line};

const CONNECTIONS: usize = 4;

/// Between the gateway and a provider.
struct Network {
    address: SocketAddr,
    /// How often all connections that were there fell silent.
    vanished: watch::Sender<usize>,
}

impl Network {
    async fn start(provider: SocketAddr) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (address, vanished) = (listener.local_addr().expect("an address"), watch::Sender::new(0));
        let shared = vanished.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut vanished = shared.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(provider).await.expect("the provider");
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        _ = vanished.changed() => {}
                    }
                    // Open, and silent.
                    std::future::pending::<()>().await;
                });
            }
        });
        Network { address, vanished }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let body = std::fs::read(fixture("replies/text/openai-chat.json")).expect("a fixture");
    let response = Response::builder().header("content-type", "application/json");
    Ok(response.body(Full::new(Bytes::from(body))).expect("a response"))
}

/// A provider, by TLS and HTTP/2 or without both.
async fn provider(is_http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if is_http2 {
                    let Ok(stream) = acceptor("provider.pem").accept(stream).await else { return };
                    let server = http2::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                } else {
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
                }
            });
        }
    });
    address
}

async fn line(base_url: &str) -> Line {
    Line::usual(base_url, "[timeouts]\nfirst_token = \"1500ms\"\nreply = \"1500ms\"").await
}

async fn one_request_finds_out(network: &Network, line: &Line) {
    let all_at_once = |at: &'static str| async move {
        let asks = (0..CONNECTIONS).map(|number| async move {
            let answer = line.ask_for("alone", Caller::OpenAi, false).await;
            assert_eq!(answer.status.as_u16(), 200, "{at}, request {number}: {}", answer.body);
        });
        futures_util::future::join_all(asks).await;
    };
    all_at_once("at first").await;
    network.vanished.send_modify(|times| *times += 1);
    let answer = line.ask_for("both", Caller::OpenAi, false).await;
    assert_eq!(answer.header("x-pointsman-target"), "good/second", "{}", answer.body);
    for number in 0..CONNECTIONS {
        let answer = line.ask_for("alone", Caller::OpenAi, false).await;
        assert_eq!(answer.status.as_u16(), 200, "request {number} after it: {}", answer.body);
    }
    all_at_once("at last").await;
}

/// Faults: F11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_finds_out_that_all_connections_are_dead() {
    let network = Network::start(provider(false).await).await;
    let line = line(&format!("http://{}", network.address)).await;
    one_request_finds_out(&network, &line).await;
}

/// Faults: F11, F110
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_finds_out_that_a_connection_of_http_2_is_dead() {
    if !is_trusting("vanished::one_request_finds_out_that_a_connection_of_http_2_is_dead").await {
        return;
    }
    let network = Network::start(provider(true).await).await;
    let line = line(&format!("https://localhost:{}", network.address.port())).await;
    one_request_finds_out(&network, &line).await;
}
