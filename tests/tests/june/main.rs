//! The morning of 2 June, over real sockets and with the default settings: a provider that refuses, that becomes slow, that
//! falls silent, and that is half dead; and afterwards it is well again. Each built-in policy has a gateway and providers of
//! its own, and all have the same morning at the same time. In virtual time, where the drill plays, it goes the same way.
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
mod scene;
mod table;
mod virtual_time;

use std::sync::Once;
use std::time::Duration;

use futures_util::future::join_all;
use pointsman::plugin::engine;
use tokio::time::Instant;

use self::bounds::Row;
use self::caller::{Rates, questions};
use self::morning::Morning;
use self::provider::{Speed, Spread};
use self::scene::{Line, Scene};

const SECONDS: u64 = 124;
const SEED: u64 = 1;
/// Of all mornings over sockets together, so many times traffic may move later than it should, because this machine was busy: of
/// some fifty moves, in real time, on two cores. In virtual time, where the same mornings are played, none may.
const MOVED_LATE_MAX: usize = 1;
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

/// What a row is called, a built-in policy, and its settings where it needs some.
const POLICIES: [(&str, &str, &str); 9] = [
    ("failover", "failover", ""),
    ("weighted", "weighted", ""),
    ("fastest", "fastest", ""),
    ("cheapest", "cheapest", ""),
    ("hedged", "hedged", ""),
    ("hedged-fastest", "hedged", "order = \"fastest\""),
    ("sticky", "sticky", ""),
    ("by-content", "by-content", "rules = [{ when = { stream = true }, targets = [\"anthropic/*\"] }]"),
    ("chain", "chain", "links = [{ policy = \"sticky\", settings = { attempts = 1 } }, { policy = \"failover\" }]"),
];

/// The morning of one policy.
struct Report {
    rows: Vec<Row>,
    table: String,
    violations: Vec<String>,
    moves: Vec<String>,
    /// Calls of the first calm, and those of them that got a second attempt.
    calm: [usize; 2],
}

/// Those that hedge take a second attempt on a good day as well: that is what they are for.
fn hedges(name: &str) -> bool {
    name.starts_with("hedged")
}

/// What does not hold of the first calms of all together; empty if all is well.
fn calm_violations(reports: impl Iterator<Item = [usize; 2]>) -> Vec<String> {
    let [calls, second] = reports.fold([0, 0], |sum, calm| [sum[0] + calm[0], sum[1] + calm[1]]);
    let is_wrong = second as f64 >= bounds::SECOND_BELOW * calls as f64;
    is_wrong.then(|| format!("{second} of {calls} calls got a second attempt in the first calm")).into_iter().collect()
}

async fn wake_up(scene: Scene, policy: &str, morning: &Morning, began: Instant, seed: u64) -> Report {
    let calls = scene.play(began, questions(RATES, morning.lasts(), WORDS, seed)).await;
    let rows = bounds::rows(&calls, morning);
    Report {
        table: table::table(policy, &rows, &calls),
        violations: bounds::violations(&calls, morning),
        moves: bounds::moves(&rows),
        rows,
        calm: if hedges(policy) { [0, 0] } else { bounds::second_attempts_in_calm(&calls, morning) },
    }
}

/// Plugins count instructions in this process: only so is a morning in virtual time the same each time.
fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| engine::count_fuel().expect("the first use of the engine"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_hardly_notice_the_morning_whatever_the_policy() {
    let seconds = std::env::var("POINTSMAN_JUNE").map_or(SECONDS, |text| text.parse().expect("a number of seconds"));
    let morning = Morning::lasting(Duration::from_secs(seconds));
    let _quiet = QUIET.lock().await;
    ready();
    // For whoever looks into one of them.
    let only = std::env::var("POINTSMAN_JUNE_POLICY").ok();
    let all = POLICIES.iter().map(|(name, _, _)| *name).filter(|name| only.as_deref().is_none_or(|only| only == *name));
    let wrong = play(&all.collect::<Vec<_>>(), &morning).await;
    assert!(wrong.is_empty(), "{} bounds do not hold: {wrong:#?}", wrong.len());
}

/// The morning of these policies, all at once; what does not hold, by policy.
async fn play(names: &[&'static str], morning: &Morning) -> Vec<(&'static str, String)> {
    let policies = POLICIES.iter().filter(|(name, _, _)| names.contains(name));
    let start = policies.map(|(name, policy, settings)| async {
        (*name, Scene::start(Line::Real, policy, settings, [USUAL, SLOWER, USUAL], Some(morning), SEED).await)
    });
    let scenes = join_all(start).await;
    let began = Instant::now() + Duration::from_millis(500);
    let mornings = scenes.into_iter().map(|(name, scene)| {
        let morning = morning.clone();
        tokio::spawn(async move {
            scene.begin(began);
            (name, wake_up(scene, name, &morning, began, SEED).await)
        })
    });
    let (mut wrong, mut late, mut calms) = (Vec::new(), Vec::new(), Vec::new());
    for ended in join_all(mornings).await {
        let (policy, report) = ended.expect("no morning breaks down");
        println!("{}", report.table);
        calms.push(report.calm);
        let simulated = virtual_time::again(policy, morning, SEED).await;
        let disagreements = bounds::disagreements(&report.rows, &simulated.rows);
        let simulated = simulated.violations.into_iter().chain(simulated.moves);
        let simulated = simulated.map(|violation| format!("in virtual time: {violation}"));
        let all = report.violations.into_iter().chain(disagreements).chain(simulated);
        wrong.extend(all.map(|violation| (policy, violation)));
        late.extend(report.moves.into_iter().map(|violation| (policy, violation)));
    }
    println!("moved late: {late:?}");
    if late.len() > MOVED_LATE_MAX {
        wrong.append(&mut late);
    }
    wrong.extend(calm_violations(calms.into_iter()).into_iter().map(|violation| ("all", violation)));
    wrong
}
