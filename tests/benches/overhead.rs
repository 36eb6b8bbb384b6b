//! What Pointsman costs, beside a bare hyper proxy, in one run on one machine: CPU time of the proxy's process for a
//! request, and what it adds to a request's latency. Both stand in front of the same canned provider; Pointsman has its
//! policy and its codec, in WebAssembly, in the path.
//!
//!     cargo bench -p pointsman-tests
//!
//! Quote the ratios, not the figures.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pointsman::clock::Clock;
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use tokio::net::TcpListener;
use tokio::time::Instant;

const ROUNDS: usize = 5;
const CONCURRENT: usize = 4;
const CHUNKS: usize = 200;
const PROXIES: [&str; 2] = ["hyper", "pointsman"];

struct Case {
    name: &'static str,
    body: String,
    requests: usize,
}

fn cases() -> Vec<Case> {
    let body = |bytes: usize, stream: bool| {
        let text = "lorem ipsum ".repeat(bytes / 12);
        format!(
            "{{\"model\":\"bench\",\"stream\":{stream},\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}]}}"
        )
    };
    vec![
        Case { name: "1 KB request", body: body(1_000, false), requests: 4_000 },
        Case { name: "100 KB request", body: body(100_000, false), requests: 2_000 },
        Case { name: "200-chunk stream", body: body(1_000, true), requests: 400 },
    ]
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().event_interval(8).build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["proxy", kind, upstream] => runtime.block_on(proxy(kind, upstream.parse()?)),
        _ => runtime.block_on(measure()),
    }
}

/// One proxy process; its address is its only line of output.
async fn proxy(kind: &str, upstream: SocketAddr) -> anyhow::Result<()> {
    if kind == "pointsman" {
        let text = format!(
            "[providers.bench]\nadapter = \"openai-chat\"\nbase_url = \"http://{upstream}/v1\"\nkey = \"k\"\n\
             [models.bench]\ntargets = [\"bench/bench\"]\n"
        );
        let config = pointsman::config::parse(&text, Path::new("bench.toml"), &|_| None)?;
        let gateway = Gateway::new(config, Clock::system()).await?;
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await?;
        println!("{}", port.address()?);
        port.serve(gateway, std::future::pending(), Duration::ZERO).await;
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    serve(listener, move |mut request: Request<Incoming>| {
        let client = client.clone();
        async move {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = format!("http://{upstream}{path}").parse::<Uri>().unwrap_or_default();
            let response = client.request(request).await;
            response.map(|response| response.map(|body| body.map_err(std::io::Error::other).boxed_unsync()))
        }
    })
    .await
}

async fn serve<F, B, E>(
    listener: TcpListener,
    handle: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let handle = handle.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service_fn(handle)).await;
        });
    }
}

/// A provider that answers at once: 1 KB of JSON, or a stream with a write for each chunk.
async fn provider(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let head = &body[..body.len().min(64)];
    let stream = head.windows(13).any(|window| window == b"\"stream\":true");
    let (kind, body) = match stream {
        true => ("text/event-stream", Chunks { left: CHUNKS, yielded: false }.boxed_unsync()),
        false => ("application/json", Full::new(Bytes::from(reply())).boxed_unsync()),
    };
    let response = Response::builder().header("content-type", kind).body(body);
    Ok(response.unwrap_or_default())
}

fn reply() -> String {
    format!(
        "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"bench\",\"choices\":[{{\"index\":0,\
         \"message\":{{\"role\":\"assistant\",\"content\":\"{}\"}},\"finish_reason\":\"stop\"}}],\"usage\":{{\
         \"prompt_tokens\":9,\"completion_tokens\":9,\"total_tokens\":18}}}}",
        "word ".repeat(150)
    )
}

struct Chunks {
    left: usize,
    yielded: bool,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // Between two chunks, hyper gets the time to write.
        self.yielded = !self.yielded;
        if self.yielded {
            context.waker().wake_by_ref();
            return std::task::Poll::Pending;
        }
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\
                 \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        self.left = match self.left.checked_sub(1) {
            Some(left) => left,
            None => return std::task::Poll::Ready(None),
        };
        let text = match self.left {
            0 => chunk("{}", "\"stop\"") + "data: [DONE]\n\n",
            _ => chunk("{\"content\":\"word \"}", "null"),
        };
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    fn start(kind: &str, upstream: SocketAddr) -> anyhow::Result<Proxy> {
        use std::io::BufRead as _;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["proxy", kind, &upstream.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("its output")?;
        let mut line = String::new();
        std::io::BufReader::new(stdout).read_line(&mut line)?;
        Ok(Proxy { child, address: line.trim().parse().with_context(|| format!("`{line}` from {kind}"))? })
    }

    /// CPU time of the process so far, user and system. The kernel counts in hundredths of a second.
    fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = stat.rsplit_once(')').context("the form of /proc/PID/stat")?.1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Send all requests of a case; the latencies come back, sorted.
async fn load(address: SocketAddr, case: &Case) -> anyhow::Result<Vec<Duration>> {
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CONCURRENT {
        let (body, requests) = (Bytes::from(case.body.clone()), case.requests / CONCURRENT);
        callers.spawn(async move {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
            let mut latencies = Vec::with_capacity(requests);
            for _ in 0..requests {
                let began = Instant::now();
                let request = Request::post(format!("http://{address}/v1/chat/completions"))
                    .header("content-type", "application/json")
                    .body(Full::new(body.clone()))?;
                let response = client.request(request).await?;
                anyhow::ensure!(response.status().is_success(), "{}", response.status());
                response.into_body().collect().await?;
                latencies.push(began.elapsed());
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(caller) = callers.join_next().await {
        latencies.extend(caller??);
    }
    latencies.sort_unstable();
    Ok(latencies)
}

async fn measure() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let upstream = listener.local_addr()?;
    tokio::spawn(serve(listener, provider));
    let proxies = PROXIES.map(|kind| Proxy::start(kind, upstream));
    let [hyper, pointsman] = proxies;
    let proxies = [hyper?, pointsman?];
    println!("medians of {ROUNDS} rounds, taken in turn; {CONCURRENT} callers at once");
    println!(
        "{:<18} {:>12} {:>12} {:>7}   {:>12} {:>12} {:>12}",
        "", "hyper", "pointsman", "ratio", "direct", "hyper", "pointsman"
    );
    println!(
        "{:<18} {:>12} {:>12} {:>7}   {:>12} {:>12} {:>12}",
        "", "CPU us", "CPU us", "", "p50 us", "adds us", "adds us"
    );
    for case in cases() {
        let mut cpu: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let mut p50: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for round in 0..=ROUNDS {
            let direct = load(upstream, &case).await?;
            for (position, proxy) in proxies.iter().enumerate() {
                let before = proxy.cpu()?;
                let latencies = load(proxy.address, &case).await?;
                let used = proxy.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / latencies.len() as f64;
                // The first round warms connections and instances.
                if round > 0 {
                    cpu.entry(position).or_default().push(used);
                    p50.entry(position).or_default().push(latencies[latencies.len() / 2].as_secs_f64() * 1e6);
                }
            }
            if round > 0 {
                p50.entry(PROXIES.len()).or_default().push(direct[direct.len() / 2].as_secs_f64() * 1e6);
            }
        }
        let (cpu, p50) = (medians(cpu), medians(p50));
        println!(
            "{:<18} {:>12.1} {:>12.1} {:>7.2}   {:>12.0} {:>12.0} {:>12.0}",
            case.name,
            cpu[0],
            cpu[1],
            cpu[1] / cpu[0],
            p50[2],
            p50[0] - p50[2],
            p50[1] - p50[2]
        );
    }
    Ok(())
}

fn medians(rounds: BTreeMap<usize, Vec<f64>>) -> Vec<f64> {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    rounds.into_values().map(median).collect()
}
