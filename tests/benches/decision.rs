//! What a call into a plugin costs: the policy `failover` called natively, in an instance that is used again, and in a fresh
//! one for each call (`isolation = "fresh"`); the same for a small call of a codec, without a native one. Beside them what a
//! gateway pays at least that asks another process instead. The table in ARCHITECTURE.md.
//!
//!     cargo bench -p pointsman-tests --bench decision

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use failover::Failover;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pointsman::plugin::bindings::faults::FaultKind;
use pointsman::plugin::bindings::policy::{AttemptReport, Circuit, RequestFacts, Situation, TargetState};
use pointsman::plugin::{Plugin, Policy, bundled};
use pointsman_sdk::policy::Policy as _;
use pointsman_sdk::policy::testing;
use pointsman_tests::situations;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Duration, Instant};

/// As a route may have.
const TARGETS: usize = 4;
/// Rounds in which all are measured by turns, so that a busy moment of the machine is nobody's.
const ROUNDS: usize = 15;
const NATIVE: u32 = 20_000;
const WARM: u32 = 4_000;
const FRESH: u32 = 400;

fn main() -> anyhow::Result<()> {
    // One thread: what is measured is the call, not the waking of another thread.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure())
}

async fn measure() -> anyhow::Result<()> {
    let native: Failover =
        testing::open("{}", &[1; TARGETS]).map_err(|text| anyhow!("failover refuses its settings: {text}"))?;
    let natively = testing::after(
        testing::situation(vec![testing::ready(); TARGETS]),
        vec![testing::failed(0, pointsman_sdk::policy::FaultKind::Overloaded)],
    );
    let (policy, codec) = (bundled("failover").await?, bundled("openai-chat").await?);
    let (situation, targets) = (situation(), situations::targets(TARGETS));
    let opened = Policy::open(Arc::clone(&policy), "{}".to_owned(), targets).await?;
    let (mut by_tcp, mut by_socket) = (beside_by_tcp().await?, beside_by_socket().await?);
    let [mut plain, mut warm, mut fresh, mut codec_warm, mut codec_fresh, mut tcp, mut socket] =
        [const { Vec::new() }; 7];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..NATIVE {
            black_box(native.decide(black_box(&natively)));
        }
        plain.push(start.elapsed() / NATIVE);
        for (is_fresh, calls, times) in [(false, WARM, &mut warm), (true, FRESH, &mut fresh)] {
            policy.isolation.set(is_fresh);
            let start = Instant::now();
            for _ in 0..calls {
                opened.decide(&situation).await.map_err(|fault| anyhow!("{fault}"))?;
            }
            times.push(start.elapsed() / calls);
        }
        for (beside, times) in [(&mut by_tcp, &mut tcp), (&mut by_socket, &mut socket)] {
            let start = Instant::now();
            for _ in 0..FRESH {
                ask(beside).await?;
            }
            times.push(start.elapsed() / FRESH);
        }
        for (is_fresh, calls, times) in [(false, WARM, &mut codec_warm), (true, FRESH, &mut codec_fresh)] {
            codec.isolation.set(is_fresh);
            let start = Instant::now();
            for _ in 0..calls {
                forward(&codec).await?;
            }
            times.push(start.elapsed() / calls);
        }
    }
    let native = median(plain);
    println!("| call | time | of native |\n|---|---|---|");
    for (name, times) in [
        ("`failover` decides, natively", vec![native]),
        ("in an instance that is used again", warm),
        ("in a fresh instance", fresh),
        ("another thread is asked by HTTP over loopback, and does nothing", tcp),
        ("the same over a Unix socket", socket),
        ("`openai-chat` forwards, in an instance that is used again", codec_warm),
        ("in a fresh instance", codec_fresh),
    ] {
        let time = median(times);
        let ratio = time.as_secs_f64() / native.as_secs_f64();
        println!("| {name} | {:.2} µs | {ratio:.0} |", time.as_secs_f64() * 1e6);
    }
    Ok(())
}

/// Somebody to ask over a connection that is kept: a thread with a runtime of its own, which answers at once.
async fn beside_by_tcp() -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || -> anyhow::Result<()> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        answering(async || Ok(tokio::net::TcpStream::from_std(stream)?))
    });
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    asking(stream).await
}

async fn beside_by_socket() -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    std::thread::spawn(move || -> anyhow::Result<()> {
        theirs.set_nonblocking(true)?;
        answering(async || Ok(tokio::net::UnixStream::from_std(theirs)?))
    });
    ours.set_nonblocking(true)?;
    asking(tokio::net::UnixStream::from_std(ours)?).await
}

fn answering<S: AsyncRead + AsyncWrite + Unpin>(stream: impl AsyncFnOnce() -> anyhow::Result<S>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let answer = service_fn(|request: Request<hyper::body::Incoming>| async {
            let _ = request.into_body().collect().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&[b'a'; 200]))))
        });
        let stream = TokioIo::new(stream().await?);
        Ok(hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await?)
    })
}

async fn asking(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// What a situation takes, and what a decision takes back.
async fn ask(beside: &mut SendRequest<Full<Bytes>>) -> anyhow::Result<()> {
    let request = Request::post("/").header("host", "beside").body(Full::new(Bytes::from_static(&[b'a'; 1_000])))?;
    beside.ready().await?;
    beside.send_request(request).await?.into_body().collect().await?;
    Ok(())
}

async fn forward(plugin: &Plugin) -> anyhow::Result<()> {
    let codec = plugin.codec.as_ref().context("a codec")?;
    let call = codec.forward(&"{}".to_owned(), "chat", "gpt-5", true).await.map_err(|fault| anyhow!("{fault}"))?;
    call.map(drop).map_err(|fault| anyhow!("{}", fault.message))
}

/// The same that the SDK's `testing` makes: four targets that are well, and a first attempt that failed.
fn situation() -> Situation {
    let ready = TargetState {
        able: true,
        circuit: Circuit::Closed,
        ready_in_ms: 0,
        retry_after_ms: 0,
        samples: 0,
        success_rate: 1.0,
        first_token_ms: None,
        in_flight: 0,
        room: None,
        headroom: None,
        price: None,
        warm_ms: None,
        attributes: Vec::new(),
    };
    let failed = AttemptReport {
        target: 0,
        started_at_ms: 0,
        elapsed_ms: 5,
        fault: FaultKind::Overloaded,
        status: 0,
        retry_after_ms: None,
        attributes: Vec::new(),
    };
    Situation {
        request: RequestFacts {
            operation: "chat".to_owned(),
            protocol: "openai-chat".to_owned(),
            stream: false,
            body_bytes: 400,
            input_tokens_estimate: 100,
            tools: false,
            images: false,
            documents: false,
            audio: false,
            caller: String::new(),
            conversation: 0,
            continuing: false,
            attributes: Vec::new(),
        },
        targets: vec![ready; TARGETS],
        history: vec![failed],
        running: Vec::new(),
        elapsed_ms: 0,
        remaining_ms: 60_000,
        attempts_left: 2,
        now_unix_ms: 0,
        random: 7,
        sequence: 0,
        attributes: Vec::new(),
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
