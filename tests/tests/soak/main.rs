//! A gateway under steady traffic for a while: sockets, all protocols, providers that fail by chance, one that comes and goes,
//! a policy swapped or a configuration saved every second, callers that leave; and beside them callers with odd bodies, slow
//! readers and silent connections. Nothing is lost, and at the end it holds no more than it did at the beginning: memory, file
//! descriptors, tasks.
//!
//!     cargo test -p pointsman-tests --test soak                            # 15 seconds
//!     POINTSMAN_SOAK=3600 cargo test -p pointsman-tests --test soak        # an hour, before a release
//!
//! What it holds is looked at while it rests, so that a slow machine is no leak.

mod nuisances;

use std::alloc::System;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::clock::Clock;
use pointsman::config::Source;
use pointsman::fake::{Behaviour, Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use pointsman::watch;
use pointsman_tests::guests::bundled;
use pointsman_tests::reply::{Reply, Speaks};
use pointsman_tests::{behave, wait_until};
use stats_alloc::StatsAlloc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Counts what is allocated.
#[global_allocator]
static HEAP: StatsAlloc<System> = StatsAlloc::system();

const SECONDS: u64 = 15;
/// The first part of the time fills caches, pools and the journal; what is held after it must not grow.
const WARM_UP: f64 = 0.4;
const CALLERS: u64 = 16;
/// Each caller waits so long between two requests.
const BETWEEN: Duration = Duration::from_millis(20);
/// Far above what anything takes here: who waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may be allocated at the end beyond what was after the warm-up: connections that are kept, and caches that are not yet full.
/// Measured: 1.5 MB more or less. A leak of a kilobyte a request shows in a run of minutes.
const MORE_HEAP_BYTES: usize = 4 << 20;
/// What may be resident beyond that. The allocator's arenas keep what is freed, by up to 30 MB as threads happen to meet, so this
/// finds only what is not on the heap: the memory of a guest that is never given back is a megabyte or more for each request.
const MORE_RESIDENT_BYTES: u64 = 64 << 20;
/// Connections to providers are kept for a minute: at most one to each for each caller. This process holds both ends of them,
/// with a descriptor and a task for each end.
const MORE_DESCRIPTORS: usize = 2 * CALLERS as usize * PROVIDERS.len();
const MORE_TASKS: usize = MORE_DESCRIPTORS;

/// The first three fail by chance, the fourth comes and goes, the last is always well.
const PROVIDERS: [(&str, Protocol); 5] = [
    ("chat", Protocol::OpenAiChat),
    ("messages", Protocol::AnthropicMessages),
    ("gemini", Protocol::Gemini),
    ("flapping", Protocol::OpenAiResponses),
    ("well", Protocol::OpenAiChat),
];
const FAULTY: usize = 3;
const FLAPPING: usize = 3;
/// Each route has two that may fail and the one that is well, and three attempts.
const ROUTES: [(&str, [usize; 3]); 4] =
    [("one", [0, 3, 4]), ("two", [1, 2, 4]), ("three", [2, 0, 4]), ("four", [3, 1, 4])];

/// All that can happen but what takes a target out for longer than this runs, and often nothing does.
const BEHAVIOURS: [&str; 20] = [
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
    "ok",
    "529",
    "503",
    "500",
    "429",
    "429:1",
    "reset",
    "error-before-content",
    "error-after:2",
    "cut-after:3",
    "end-after:2",
    "garbage",
    "html",
    "slow:40ms",
    "hang-after:2",
];

/// With a pause before each piece of content: what comes all at once, and a fault with it, fails over unseen.
fn word_by_word(word: &str) -> Behaviour {
    Behaviour { between_tokens: Duration::from_millis(2), ..behave(word) }
}

fn configuration(fakes: &[Fake], policy: &str) -> String {
    // Generous, for all that hangs in between: the target that is well must not be too late on a machine that is busy.
    let mut text = String::from(
        "[timeouts]\nidle = \"6s\"\nfirst_token = \"6s\"\nreply = \"6s\"\ntotal = \"50s\"\n\
         [journal]\nrequests = 200\n[breaker]\nout = \"300ms\"\nout_max = \"1s\"\n",
    );
    for ((name, protocol), fake) in PROVIDERS.iter().zip(fakes) {
        let url = fake.base_url();
        text +=
            &format!("[providers.{name}]\nadapter = \"{protocol}\"\nbase_url = \"{url}\"\nkey = \"key-of-{name}\"\n");
    }
    for (name, targets) in ROUTES {
        let targets: Vec<String> = targets.iter().map(|at| format!("\"{0}/{0}-model\"", PROVIDERS[*at].0)).collect();
        text += &format!("[models.{name}]\npolicy = \"{policy}\"\ntargets = [{}]\n", targets.join(", "));
    }
    text
}

/// What the process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// What is allocated on the heap of this process and not yet freed.
    heap_bytes: usize,
    resident_bytes: u64,
    descriptors: usize,
    tasks: usize,
}

impl Held {
    fn now() -> Held {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let heap = HEAP.stats();
        Held {
            heap_bytes: heap.bytes_allocated - heap.bytes_deallocated,
            resident_bytes: kilobytes << 10,
            descriptors: std::fs::read_dir("/proc/self/fd").expect("Linux").count(),
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        }
    }
}

/// How requests ended.
type Ends = BTreeMap<&'static str, usize>;

struct Soak {
    address: SocketAddr,
    gateway: Arc<Gateway>,
    fakes: Vec<Fake>,
    /// The configuration's file, which is watched.
    file: PathBuf,
}

impl Drop for Soak {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Soak {
    async fn start() -> Arc<Soak> {
        let mut fakes = Vec::new();
        for (_, protocol) in PROVIDERS {
            let fake = Fake::start(protocol).await.expect("a port");
            // From the first request on, so that the parts of a run differ in nothing.
            fake.behave(word_by_word("ok"));
            fakes.push(fake);
        }
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let file = std::env::temp_dir().join(format!("pointsman-soak-{}.toml", std::process::id()));
        std::fs::write(&file, configuration(&fakes, "failover")).expect("a file");
        let source = Source::File(file.clone());
        let config = source.load(&|_| None).unwrap_or_else(|error| panic!("{error}"));
        let gateway = Gateway::new(config, clock).await.expect("a gateway");
        tokio::spawn(watch::watch(Arc::clone(&gateway), source, Arc::default()));
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Arc::new(Soak { address, gateway, fakes, file })
    }

    /// Traffic, trouble and changes for so long; then all is well, and nothing runs any more.
    async fn run(self: &Arc<Soak>, seconds: f64, seed: u64) -> Ends {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            callers.spawn(Arc::clone(self).call(Rng::with_seed(seed + number), until));
        }
        let (trouble, changes) =
            (Arc::clone(self).trouble(Rng::with_seed(seed), until), Arc::clone(self).change(until));
        let (trouble, changes) = (tokio::spawn(trouble), tokio::spawn(changes));
        let nuisances = tokio::spawn(nuisances::run(self.address, Rng::with_seed(seed), until));
        let mut ends = Ends::new();
        while let Some(caller) = callers.join_next().await {
            for (end, count) in caller.expect("no caller lost anything") {
                *ends.entry(end).or_default() += count;
            }
        }
        trouble.await.expect("no panic");
        changes.await.expect("no panic");
        nuisances.await.expect("odd bodies are answered");
        wait_until("no reply is open", || self.fakes.iter().all(|fake| fake.open() == 0)).await;
        ends
    }

    async fn call(self: Arc<Soak>, mut dice: Rng, until: Instant) -> Ends {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut ends = Ends::new();
        while Instant::now() < until {
            let end = timeout(PATIENCE, self.ask(&client, &mut dice)).await.expect("every request ends");
            *ends.entry(end).or_default() += 1;
            sleep(BETWEEN).await;
        }
        ends
    }

    async fn ask(&self, client: &Client<HttpConnector, Full<Bytes>>, dice: &mut Rng) -> &'static str {
        let (speaks, stream) = (Speaks::ALL[dice.usize(..Speaks::ALL.len())], dice.bool());
        let (model, _) = ROUTES[dice.usize(..ROUTES.len())];
        let prompt = format!("ask {}:{}", dice.u32(..), " la".repeat(dice.usize(1..60)));
        let (path, mut body) = speaks.ask(model, &prompt, stream);
        if speaks == Speaks::Responses {
            // Answers that may be referred to are kept for a day, up to a limit that `items.rs` tests: no leak.
            body["store"] = false.into();
        }
        let request =
            Request::post(format!("http://{}{path}", self.address)).header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
        // One in twenty hangs up: before the head, or after some frames.
        let leaves_after = (dice.u32(..20) == 0).then(|| dice.usize(..4));
        if leaves_after == Some(0) {
            let _ = timeout(Duration::from_millis(dice.u64(1..20)), client.request(request)).await;
            return "left";
        }
        let response = client.request(request).await.expect("an answer");
        let (head, mut reply) = response.into_parts();
        let (mut bytes, mut frames, mut is_cut) = (Vec::new(), 0, false);
        while let Some(frame) = reply.frame().await {
            let Ok(frame) = frame else {
                is_cut = true;
                break;
            };
            bytes.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
            frames += 1;
            if leaves_after == Some(frames) {
                return "left";
            }
        }
        let target = head.headers.get("x-pointsman-target").map(|value| value.to_str().expect("text"));
        let told = || {
            format!("{speaks:?} {model} {stream} by {target:?}: {} {}", head.status, String::from_utf8_lossy(&bytes))
        };
        assert_eq!(head.status, 200, "one target is always well: {}", told());
        let reply = Reply::read(speaks, stream, &bytes);
        assert!(reply.nonsense.is_none() && reply.ends.len() == 1 && reply.beginnings <= 1, "{reply:?} {}", told());
        let said = format!("you said: {}", prompt.chars().take(200).collect::<String>());
        match reply.ends[0] {
            true => assert!(!is_cut && reply.text.ends_with(&said), "{said} {}", told()),
            // After an error the body has no proper end.
            false => assert!(is_cut && stream && target != Some("well/well-model"), "{}", told()),
        }
        if reply.ends[0] { "answered" } else { "broke off" }
    }

    /// Chance decides who fails, and how; one comes and goes.
    async fn trouble(self: Arc<Soak>, mut dice: Rng, until: Instant) {
        for round in 0_u64.. {
            if Instant::now() >= until {
                break;
            }
            self.fakes[dice.usize(..FAULTY)].behave(word_by_word(BEHAVIOURS[dice.usize(..BEHAVIOURS.len())]));
            self.fakes[FLAPPING].behave(word_by_word(if round % 6 < 3 { "503" } else { "ok" }));
            // What they remember is not the gateway's.
            self.fakes.iter().for_each(Fake::forget);
            sleep(Duration::from_millis(100)).await;
        }
        self.fakes.iter().for_each(|fake| fake.behave(word_by_word("ok")));
    }

    /// Every second: another configuration is saved, or another version of its policy is loaded under its name.
    async fn change(self: Arc<Soak>, until: Instant) {
        for round in 0_u64.. {
            sleep(Duration::from_secs(1)).await;
            if Instant::now() >= until {
                break;
            }
            let name = if round % 4 < 2 { "fastest" } else { "failover" };
            if round % 2 == 0 {
                std::fs::write(&self.file, configuration(&self.fakes, name)).expect("a file");
                let is_in_force = || self.gateway.table().routes.iter().all(|route| route.policy.plugin.name == name);
                wait_until("what was saved is in force", is_in_force).await;
            } else {
                self.gateway.load(name, bundled(name)).await.expect("a policy");
                self.gateway.swap(name, true).await.expect("a swap");
            }
        }
    }

    /// What is held when whatever was about to end has ended.
    async fn rest(&self) -> Held {
        sleep(Duration::from_secs(1)).await;
        Held::now()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_grows() {
    let seconds = std::env::var("POINTSMAN_SOAK").map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let soak = Soak::start().await;
    let idle = soak.rest().await;
    let warmed = soak.run(seconds as f64 * WARM_UP, 1).await;
    let before = soak.rest().await;
    let ends = soak.run(seconds as f64 * (1.0 - WARM_UP), 1_000).await;
    let after = soak.rest().await;
    println!("{warmed:?}, then {ends:?}\n{idle:?}\n{before:?}\n{after:?}");
    // A calm hour would prove nothing.
    let seen = |end| [&warmed, &ends].iter().filter_map(|ends| ends.get(end)).sum::<usize>();
    assert!(seen("answered") > 100 && seen("left") > 0 && seen("broke off") > 0, "{ends:?}");
    assert!(after.heap_bytes <= before.heap_bytes + MORE_HEAP_BYTES, "heap: {before:?}, then {after:?}");
    assert!(after.resident_bytes <= before.resident_bytes + MORE_RESIDENT_BYTES, "memory: {before:?}, then {after:?}");
    assert!(after.descriptors <= idle.descriptors + MORE_DESCRIPTORS, "descriptors: {idle:?}, then {after:?}");
    assert!(after.tasks <= idle.tasks + MORE_TASKS, "tasks: {idle:?}, then {after:?}");
}
