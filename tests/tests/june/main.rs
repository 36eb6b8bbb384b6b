//! The morning of 2 June, over real sockets and with the default settings: a provider that refuses, that becomes slow, that
//! falls silent, and that is half dead; and afterwards it is well again. Each built-in policy has a gateway and providers of
//! its own, and all have the same morning at the same time.
//!
//!     cargo test -p pointsman-tests --test june                            # two minutes
//!     POINTSMAN_JUNE=600 cargo test -p pointsman-tests --test june         # seconds: ten minutes
//!
//! Times are a tenth of real ones: first tokens have a median of 150 ms.

mod bounds;
mod caller;
mod calm;
mod morning;
mod provider;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Director, Fake, Protocol};
use pointsman::gateway::{self, Gateway};
use pointsman::server::Port;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::caller::{Call, Question, Rates, Route, call_all, questions};
use self::morning::Morning;
use self::provider::{Provider, Speed, Spread};

const SECONDS: u64 = 124;
/// Far above what any reply takes here: whoever waits longer has given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Held by who measures: the morning and the calm would disturb one another on two cores.
static QUIET: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// For each policy: all of them together are what two cores bear in an unoptimised build.
const RATES: Rates = Rates { claude: 7.0, gpt: 1.5, healthy: 1.5 };
const WORDS: std::ops::RangeInclusive<u32> = 6..=24;

const FIRST_TOKEN: Spread = Spread { median: 150.0, p95: 450.0, p999: None };
const GAP: Spread = Spread { median: 12.0, p95: 30.0, p999: None };
const USUAL: Speed = Speed { first_token: FIRST_TOKEN, gap: GAP };
/// The backup is slower on a good day, so that every policy prefers the first provider then.
const SLOWER: Speed = Speed { first_token: Spread { median: 225.0, p95: 675.0, p999: None }, gap: GAP };

/// Each built-in policy, with settings where it needs some.
const POLICIES: [(&str, &str); 8] = [
    ("failover", ""),
    ("weighted", ""),
    ("fastest", ""),
    ("cheapest", ""),
    ("hedged", ""),
    ("sticky", ""),
    ("by-content", "rules = [{ when = { stream = true }, targets = [\"anthropic/*\"] }]"),
    ("chain", "links = [{ policy = \"sticky\", settings = { attempts = 1 } }, { policy = \"failover\" }]"),
];

/// A gateway with default settings and its three providers.
struct Scene {
    /// By the route that has it first.
    providers: [(Route, Arc<Provider>); 3],
    _fakes: Vec<Fake>,
    gateway: Arc<Gateway>,
    address: SocketAddr,
    _helpers: JoinSet<()>,
}

fn configuration(fakes: &[Fake], policy: &str, settings: &str) -> config::Config {
    let urls: Vec<String> = fakes.iter().map(Fake::base_url).collect();
    let settings = if settings.is_empty() { String::new() } else { format!("settings = {{ {settings} }}") };
    let text = format!(
        r#"
        [providers.anthropic]
        adapter = "anthropic-messages"
        base_url = "{}"
        key = "key-of-anthropic"

        [providers.openai]
        adapter = "openai-chat"
        base_url = "{}"
        key = "key-of-openai"

        [providers.gemini]
        adapter = "gemini"
        base_url = "{}"
        key = "key-of-gemini"

        [models."claude-*"]
        policy = "{policy}"
        {settings}
        targets = ["anthropic/*", "openai/gpt-5.5"]

        [models."gpt-*"]
        targets = ["openai/*", "anthropic/claude-sonnet-4-5"]

        [models."gemini-*"]
        targets = ["gemini/*"]
        "#,
        urls[0], urls[1], urls[2],
    );
    config::parse(&text, Path::new("june.toml"), &|_| None).unwrap_or_else(|error| panic!("{policy}: {error}"))
}

impl Scene {
    async fn start(policy: &str, settings: &str, speeds: [Speed; 3], morning: Option<&Morning>) -> Scene {
        let protocols = [Protocol::AnthropicMessages, Protocol::OpenAiChat, Protocol::Gemini];
        let names = [(Route::Claude, "anthropic"), (Route::Gpt, "openai"), (Route::Healthy, "gemini")];
        let mut fakes = Vec::new();
        let providers = [0, 1, 2].map(|at| {
            let (route, name) = names[at];
            let morning = morning.filter(|_| route == Route::Claude).cloned();
            (route, Provider::new(name, speeds[at], morning))
        });
        for ((_, provider), protocol) in providers.iter().zip(protocols) {
            let director = Arc::clone(provider) as Arc<dyn Director>;
            fakes.push(Fake::start_directed(protocol, director).await.expect("a port"));
        }
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let gateway = Gateway::new(configuration(&fakes, policy, settings), clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        let mut helpers = JoinSet::new();
        helpers.spawn(gateway::probe(Arc::clone(&gateway)));
        helpers.spawn(gateway::look_after(Arc::clone(&gateway)));
        helpers.spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Scene { providers, _fakes: fakes, gateway, address, _helpers: helpers }
    }

    fn begin(&self, at: Instant) {
        self.providers.iter().for_each(|(_, provider)| provider.begin(at));
    }

    /// Ask all, and learn from the providers whom each call met first.
    async fn play(&self, began: Instant, questions: Vec<Question>) -> Vec<Call> {
        let mut calls = call_all(self.address, began, questions, PATIENCE).await;
        let arrivals = self.providers.each_ref().map(|(_, provider)| (provider.name(), provider.first_arrivals()));
        for call in &mut calls {
            let number = call.question.number;
            let met = arrivals.iter().filter_map(|(name, first)| Some((first.get(&number)?, *name)));
            // Of a call that needed one attempt its answer says it: whoever else met it was probed beside it.
            let only = (call.attempts == 1).then(|| call.target.split('/').next()).flatten();
            let met = met.filter(|(_, name)| only.is_none_or(|only| only == *name));
            call.asked_first = met.min().map(|(_, name)| name);
            let provider = self.providers.iter().find(|(route, _)| *route == call.question.route);
            let times = provider.expect("each route has one").1.times(number);
            call.expected = if call.question.stream { times.first_token } else { times.whole(call.question.words) };
        }
        calls
    }
}

/// The morning of one policy: the table, and what does not hold.
async fn wake_up(scene: Scene, policy: &str, morning: &Morning, began: Instant) -> (String, Vec<String>) {
    let calls = scene.play(began, questions(RATES, morning.lasts(), WORDS, 1)).await;
    let table = table::table(policy, &bounds::rows(&calls, morning), &calls);
    (table, bounds::violations(&calls, morning))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_hardly_notice_the_morning_whatever_the_policy() {
    let seconds = std::env::var("POINTSMAN_JUNE").map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let morning = Morning::lasting(Duration::from_secs(seconds));
    let _quiet = QUIET.lock().await;
    // For whoever looks into one of them.
    let only = std::env::var("POINTSMAN_JUNE_POLICY").ok();
    let all = POLICIES.iter().map(|(name, _)| *name).filter(|name| only.as_deref().is_none_or(|only| only == *name));
    let mut wrong = play(&all.collect::<Vec<_>>(), &morning).await;
    if !wrong.is_empty() {
        // Two hundred bounds in real time: the policy that misses one by chance meets it in one more morning.
        println!("once more: {wrong:#?}");
        let mut missed: Vec<&str> = wrong.iter().map(|(policy, _)| *policy).collect();
        missed.dedup();
        wrong = play(&missed, &morning).await;
    }
    assert!(wrong.is_empty(), "{} bounds do not hold: {wrong:#?}", wrong.len());
}

/// The morning of these policies, all at once; what does not hold, by policy.
async fn play(names: &[&'static str], morning: &Morning) -> Vec<(&'static str, String)> {
    let policies = POLICIES.iter().filter(|(name, _)| names.contains(name));
    let start = policies.map(|(name, settings)| async {
        (*name, Scene::start(name, settings, [USUAL, SLOWER, USUAL], Some(morning)).await)
    });
    let scenes = join_all(start).await;
    let began = Instant::now() + Duration::from_millis(500);
    let mornings = scenes.into_iter().map(|(name, scene)| {
        let morning = morning.clone();
        tokio::spawn(async move {
            scene.begin(began);
            (name, wake_up(scene, name, &morning, began).await)
        })
    });
    let mut wrong = Vec::new();
    for ended in join_all(mornings).await {
        let (policy, (table, violations)) = ended.expect("no morning breaks down");
        println!("{table}");
        wrong.extend(violations.into_iter().map(|violation| (policy, violation)));
    }
    wrong
}
