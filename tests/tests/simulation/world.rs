//! A plan, carried out in virtual time: the gateway as it is, fakes behind it, callers before it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use pointsman::clock::Clock;
use pointsman::config::{self, Config};
use pointsman::fake::{Behaviour, Fake, Protocol, Seen};
use pointsman::gateway::Gateway;
use pointsman::net::{self, Door};
use pointsman::server::Port;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::network::{Link, Network};
use super::plan::{Ask, Plan, Target, What};

const BEGINNING_UNIX: Duration = Duration::from_secs(1_780_394_400);
/// Longer than any pooled connection lives.
const AFTERWARDS: Duration = Duration::from_secs(200);

/// What happened.
pub struct History {
    /// When the plan's time began.
    pub began: Instant,
    pub outcomes: Vec<Outcome>,
    /// By target.
    pub seen: Vec<Vec<Seen>>,
    /// Replies that were still open at the end, by target.
    pub open: Vec<usize>,
    pub tasks_before: usize,
    pub tasks_after: usize,
}

/// What a caller got.
#[derive(Debug)]
pub struct Outcome {
    pub ask: Ask,
    pub asked_at: Instant,
    pub head_at: Option<Instant>,
    pub ended_at: Instant,
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// The connection broke before the body's end.
    pub broken: bool,
    /// The caller left.
    pub left: bool,
}

impl Outcome {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// In a runtime of its own, whose clock stands still while anything can run.
pub fn run(seed: u64, plan: &Plan) -> History {
    in_virtual_time(play(seed, plan))
}

pub fn in_virtual_time<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

pub fn parsed(text: &str) -> Config {
    config::parse(text, Path::new("simulated.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A gateway with its fakes, in the runtime that runs now.
pub struct Stage {
    pub gateway: Arc<Gateway>,
    pub door: Door,
    pub fakes: Vec<Arc<Fake>>,
    pub links: Vec<Arc<Link>>,
    pub began: Instant,
}

impl Stage {
    /// The fakes are reached as `NAME.sim`.
    pub async fn new(seed: u64, fakes: &[(&str, Protocol)], configuration: &str) -> Stage {
        let mut network = Network::default();
        let (mut running, mut links) = (Vec::new(), Vec::new());
        for (name, protocol) in fakes {
            let (fake, door) = Fake::in_memory(*protocol);
            links.push(network.add(format!("{name}.sim"), door));
            running.push(Arc::new(fake));
        }
        let network = net::Network::Simulated(Arc::new(network));
        let clock = Clock::seeded(BEGINNING_UNIX, seed);
        let gateway = Gateway::on(&network, parsed(configuration), clock).await.expect("a gateway");
        let (port, door) = Port::memory();
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        // Whatever was spawned has begun by then.
        sleep(Duration::from_secs(1)).await;
        Stage { gateway, door, fakes: running, links, began: Instant::now() }
    }

    /// Somebody asks, `at` that time since the beginning.
    pub fn ask(&self, ask: Ask) -> JoinHandle<Outcome> {
        self.ask_model("all", ask)
    }

    /// The same, of another model.
    pub fn ask_model(&self, model: &'static str, ask: Ask) -> JoinHandle<Outcome> {
        tokio::spawn(call(self.door.clone(), self.began, model, ask))
    }
}

async fn play(seed: u64, plan: &Plan) -> History {
    let named: Vec<_> = plan.targets.iter().map(|target| (target.name.as_str(), target.protocol)).collect();
    let stage = Stage::new(seed, &named, &plan.configurations[0].1).await;
    let Stage { gateway, fakes, links, began, .. } = &stage;
    let (gateway, began) = (Arc::clone(gateway), *began);
    let tasks_before = tasks();
    let mut helpers = tokio::task::JoinSet::new();
    for (number, target) in plan.targets.iter().enumerate() {
        fakes[number].behave(target.well.clone());
        helpers.spawn(trouble(began, troubles(target), Arc::clone(&fakes[number]), Arc::clone(&links[number])));
    }
    let changes: Vec<_> = plan.configurations.iter().skip(1).map(|(at, text)| (*at, parsed(text))).collect();
    helpers.spawn(async move {
        for (at, config) in changes {
            sleep_until(began + at).await;
            gateway.apply(config).await.expect("a good configuration");
        }
    });
    let callers: Vec<_> = plan.asks.iter().map(|ask| stage.ask_model(ask.model(), ask.clone())).collect();
    let mut outcomes = Vec::new();
    for caller in callers {
        outcomes.push(caller.await.expect("no panic in a caller"));
    }
    helpers.join_all().await;
    sleep(AFTERWARDS).await;
    History {
        began,
        outcomes,
        seen: fakes.iter().map(|fake| fake.seen()).collect(),
        open: fakes.iter().map(|fake| fake.open()).collect(),
        tasks_before,
        tasks_after: tasks(),
    }
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// What changes at a target, and when.
fn troubles(target: &Target) -> Vec<(Duration, Behaviour, Option<super::plan::Break>)> {
    let mut changes = Vec::new();
    for trouble in &target.troubles {
        let (behaviour, link) = match &trouble.what {
            What::Behaves(behaviour) => (behaviour.clone(), None),
            What::Link(fault) => (target.well.clone(), Some(*fault)),
        };
        changes.push((trouble.from, behaviour, link));
        changes.push((trouble.to, target.well.clone(), None));
    }
    changes
}

async fn trouble(
    began: Instant,
    changes: Vec<(Duration, Behaviour, Option<super::plan::Break>)>,
    fake: Arc<Fake>,
    link: Arc<Link>,
) {
    for (at, behaviour, fault) in changes {
        sleep_until(began + at).await;
        fake.behave(behaviour);
        link.set(fault);
    }
}

async fn call(door: Door, began: Instant, model: &str, ask: Ask) -> Outcome {
    sleep_until(began + ask.at).await;
    let asked_at = Instant::now();
    let mut outcome = Outcome {
        asked_at,
        head_at: None,
        ended_at: asked_at,
        status: 0,
        headers: BTreeMap::new(),
        body: Vec::new(),
        broken: false,
        left: false,
        ask,
    };
    let patience = outcome.ask.leaves_after.unwrap_or(Duration::from_secs(3_600));
    outcome.left = timeout(patience, ask_and_read(&door, model, &mut outcome)).await.is_err();
    outcome.ended_at = Instant::now();
    outcome
}

async fn ask_and_read(door: &Door, model: &str, outcome: &mut Outcome) {
    let stream = door.knock().expect("the gateway listens");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a connection");
    // It ends with its sender.
    let connection = tokio::spawn(connection);
    let _end = AbortOnDrop(connection.abort_handle());
    let response = match sender.send_request(request(model, &outcome.ask)).await {
        Ok(response) => response,
        Err(_) => {
            outcome.broken = true;
            return;
        }
    };
    outcome.head_at = Some(Instant::now());
    outcome.status = response.status().as_u16();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    outcome.headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => outcome.body.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default()),
            Err(_) => outcome.broken = true,
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn request(model: &str, ask: &Ask) -> Request<Full<Bytes>> {
    let (path, body) = ask.speaks.ask(model, &ask.prompt, ask.stream);
    let request = Request::post(path).header("host", "gateway").header("content-type", "application/json");
    request.body(Full::new(body.to_string().into())).expect("a request")
}

/// All that was decided and said, in a form that two runs can be compared by.
pub fn trace(history: &History) -> String {
    let mut trace = String::new();
    let since = |at: Instant| at.saturating_duration_since(history.began).as_micros();
    for outcome in &history.outcomes {
        let (target, attempts) = (outcome.header("x-pointsman-target"), outcome.header("x-pointsman-attempts"));
        let head = outcome.head_at.map(since);
        let ended = since(outcome.ended_at);
        let body = String::from_utf8_lossy(&outcome.body);
        // Writing to a String cannot fail.
        let _ = writeln!(
            trace,
            "{} {} {target} {attempts} {head:?} {ended} {} {} {body}",
            outcome.ask.number, outcome.status, outcome.left, outcome.broken
        );
    }
    for (target, seen) in history.seen.iter().enumerate() {
        for seen in seen {
            let _ = writeln!(trace, "{target} {:?} {}", seen.at.map(since), seen.path);
        }
    }
    trace
}
