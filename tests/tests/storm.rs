//! A swap storm: a thousand changes of plugins, one after the other, a hundred a second where the machine keeps up. A policy,
//! a codec that speaks on both sides, and an adapter that traps when a reply goes from one of its versions to another; each
//! change puts in another version than before, and now and then one that was compiled a moment ago. Meanwhile requests
//! come steadily and streams are open. Nothing is lost, and when it is over, no version is left but those that the slots
//! name: not its code, not an instance, not a descriptor, not its memory.
//!
//! It has a process of its own, because it looks at all that this holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use pointsman::fake::Behaviour;
use pointsman::plugin::{Plugin, Tally};
use pointsman_tests::guests::{another, bundled, versioned};
use pointsman_tests::{Answer, CLAUDE, GPT, Line, behave, chat_body, messages_body, wait_until};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

const CHANGES: usize = 1_000;
/// Before what is held is looked at for the first time: pools, caches and the allocator's arenas have their fill then.
const WARM_UP: usize = 300;
/// Loaded during each, one after the other, while the changes go on.
const VERSIONS: usize = 9;
const EVERY: Duration = Duration::from_millis(10);
const CALLERS: usize = 6;
const STREAMS: usize = 18;
const SLOTS: [&str; 3] = ["failover", "openai-chat", "versioned"];
/// Of a compiled version that leaked there would be a megabyte and more; measured without one: see ARCHITECTURE.md.
const MORE_RESIDENT_BYTES: u64 = 24 << 20;
/// Connections to providers are kept for a minute, at most one to each for each request at once, with both ends here.
const MORE_SOCKETS: usize = 4 * (CALLERS + STREAMS);

/// What the process holds.
#[derive(Debug)]
struct Held {
    resident_bytes: u64,
    sockets: usize,
    other_descriptors: usize,
    instances: u64,
}

/// All versions that were ever in a slot.
#[derive(Default)]
struct Versions(Vec<(Weak<Plugin>, Arc<Tally>)>);

impl Versions {
    fn note(&mut self, line: &Line) {
        for version in line.gateway.table().slots.values().flat_map(|slot| slot.versions()) {
            if !self.0.iter().any(|(known, _)| known.as_ptr() == Arc::as_ptr(version)) {
                self.0.push((Arc::downgrade(version), Arc::clone(&version.tally)));
            }
        }
    }

    fn instances(&self) -> u64 {
        self.0.iter().map(|(_, tally)| tally.instances.count()).sum()
    }

    fn alive(&self) -> usize {
        self.0.iter().filter(|(version, _)| version.strong_count() > 0).count()
    }
}

impl Held {
    fn now(versions: &Versions) -> Held {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("Linux").filter_map(|entry| {
            // One that is gone by now is the one that reads the folder.
            std::fs::read_link(entry.expect("an entry").path()).ok()
        });
        let (sockets, others): (Vec<_>, Vec<_>) =
            descriptors.partition(|path| path.to_string_lossy().starts_with("socket:"));
        Held {
            resident_bytes: kilobytes << 10,
            sockets: sockets.len(),
            other_descriptors: others.len(),
            instances: versions.instances(),
        }
    }
}

/// A version that was not there before.
fn make(slot: &str, number: usize) -> Vec<u8> {
    match slot {
        "failover" => another(bundled(if number.is_multiple_of(2) { "failover" } else { "fastest" }), number),
        "versioned" => versioned("well", number),
        other => another(bundled(other), number),
    }
}

/// The next change: what is staged goes live, else what was live before.
async fn change(line: &Line, slot: &str) {
    let is_staged = line.gateway.table().slots[slot].staged.is_some();
    let changed = if is_staged { line.gateway.swap(slot, false).await } else { line.gateway.rollback(slot).await };
    changed.unwrap_or_else(|error| panic!("{slot}: {error:#}"));
}

/// So many changes, and more until all new versions were compiled and went live.
async fn storm(line: &Line, changes: usize, building: &JoinHandle<()>, versions: &mut Versions) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0_usize.. {
        if number >= changes && building.is_finished() {
            break;
        }
        ticks.tick().await;
        change(line, SLOTS[number % SLOTS.len()]).await;
        versions.note(line);
        // What the fakes remember is not the gateway's.
        line.anthropic.forget();
        line.openai.forget();
    }
}

struct Traffic {
    over: AtomicBool,
    answered: AtomicUsize,
    streamed: AtomicUsize,
}

/// Requests one after the other, until it is over.
async fn call(line: Arc<Line>, traffic: Arc<Traffic>, caller: usize) {
    for number in 0_usize.. {
        if traffic.over.load(Ordering::SeqCst) {
            break;
        }
        let (stream, prompt) = (number % 2 == 0, format!("caller {caller} request {number}"));
        let answer = match (caller + number) % 4 {
            0 => line.claude(CLAUDE, &prompt, stream).await,
            1 => line.claude(GPT, &prompt, stream).await,
            2 => line.gpt(GPT, &prompt, stream).await,
            _ => line.gpt("versioned", &prompt, stream).await,
        };
        assert!(answer.status == 200 && answer.text().ends_with(&prompt) && !answer.broken, "{}", answer.body);
        assert!(!stream || answer.complete(), "{}", answer.body);
        assert_eq!(answer.header("x-pointsman-attempts"), "1");
        traffic.answered.fetch_add(1, Ordering::SeqCst);
        sleep(EVERY).await;
    }
}

/// Long streams one after the other, until it is over: each sees hundreds of changes.
async fn stream(line: Arc<Line>, traffic: Arc<Traffic>, caller: usize) {
    while !traffic.over.load(Ordering::SeqCst) {
        let prompt = "write 120 words";
        let (path, body) = match caller % 3 {
            0 => ("/v1/messages", messages_body(GPT, prompt, true)),
            1 => ("/v1/chat/completions", chat_body("versioned", prompt, true)),
            _ => ("/v1/chat/completions", chat_body(CLAUDE, prompt, true)),
        };
        let answer = Answer::read(line.open(path, body.to_string()).await).await;
        assert!(answer.complete() && answer.text().ends_with("word120"), "{caller}: {}", answer.body);
        assert_eq!(answer.header("x-pointsman-attempts"), "1");
        traffic.streamed.fetch_add(1, Ordering::SeqCst);
    }
}

/// So many changes under load; then all is quiet.
async fn run(line: &Arc<Line>, changes: usize, versions: &mut Versions) -> (usize, usize) {
    let traffic = Arc::new(Traffic {
        over: AtomicBool::new(false),
        answered: AtomicUsize::new(0),
        streamed: AtomicUsize::new(0),
    });
    let mut callers = JoinSet::new();
    (0..CALLERS).for_each(|caller| drop(callers.spawn(call(Arc::clone(line), Arc::clone(&traffic), caller))));
    (0..STREAMS).for_each(|caller| drop(callers.spawn(stream(Arc::clone(line), Arc::clone(&traffic), caller))));
    let (loading, first) = (Arc::clone(line), versions.0.len());
    let building = tokio::spawn(async move {
        for number in first..first + VERSIONS {
            let slot = SLOTS[number % SLOTS.len()];
            loading.gateway.load(slot, &make(slot, number)).await.expect("a good version");
            wait_until("it is live", || loading.gateway.table().slots[slot].staged.is_none()).await;
        }
    });
    storm(line, changes, &building, versions).await;
    building.await.expect("all were good versions");
    traffic.over.store(true, Ordering::SeqCst);
    while let Some(caller) = callers.join_next().await {
        caller.expect("no caller lost anything");
    }
    wait_until("no reply is open", || line.anthropic.open() + line.openai.open() == 0).await;
    // The rest of a finished reply is waited for a second at most.
    sleep(Duration::from_millis(1_500)).await;
    (traffic.answered.load(Ordering::SeqCst), traffic.streamed.load(Ordering::SeqCst))
}

/// Faults: F101
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_storm_loses_nothing_and_leaks_nothing() {
    let file = std::env::temp_dir().join(format!("versioned-{}.wasm", std::process::id()));
    std::fs::write(&file, versioned("well", 0)).expect("a file");
    let line = Arc::new(Line::start().await);
    let more = format!(
        "[journal]\nrequests = 100\n[plugins.versioned]\nfile = {file:?}\n[providers.versioned]\n\
         adapter = \"versioned\"\nbase_url = \"{}\"\nkey = \"k\"\n[models.versioned]\ntargets = [\"versioned/gpt-5\"]\n",
        line.openai.base_url()
    );
    line.reconfigure(&more).await.expect("a configuration");
    let pause = Behaviour { between_tokens: Duration::from_millis(25), ..behave("ok") };
    line.anthropic.behave(pause.clone());
    line.openai.behave(pause);
    let mut versions = Versions::default();
    for (number, slot) in SLOTS.iter().enumerate() {
        line.gateway.load(slot, &make(slot, 1_000 + number)).await.expect("a good version");
        change(&line, slot).await;
        versions.note(&line);
    }
    // What compiling takes of the allocator, which keeps it, is in both measures: else it could be taken for a leak.
    for number in versions.0.len()..versions.0.len() + 2 * VERSIONS {
        let slot = SLOTS[number % SLOTS.len()];
        Plugin::load(slot, &make(slot, number)).await.expect("a good version");
    }
    run(&line, WARM_UP, &mut versions).await;
    let before = Held::now(&versions);
    let (answered, streamed) = run(&line, CHANGES, &mut versions).await;
    let after = Held::now(&versions);
    println!("{answered} requests, {streamed} streams, {} versions: {before:?}, then {after:?}", versions.0.len());
    assert!(answered > 100 && streamed >= STREAMS, "it was no storm");
    assert!(versions.0.len() - versions.alive() >= VERSIONS, "new versions took the place of others");

    let table = line.gateway.table();
    let held = table.slots.values().flat_map(|slot| slot.versions()).count();
    assert_eq!(versions.alive(), held, "versions that no slot names are gone, code and all");
    for (version, tally) in &versions.0 {
        let counts = tally.counts();
        assert_eq!((counts.faults, counts.impure, tally.running.count()), (0, 0, 0), "{tally:?}");
        assert!(version.strong_count() > 0 || tally.instances.count() == 0, "{tally:?}");
    }
    for slot in line.gateway.slots() {
        assert_eq!(slot.live.instances_running, 0, "{slot:?}");
    }
    // Each pool keeps as many as ran in it at once, which is chance.
    let at_once = (CALLERS + STREAMS) as u64;
    assert!(after.instances <= before.instances + 3 * at_once, "instances: {before:?}, then {after:?}");
    assert!(after.other_descriptors <= before.other_descriptors + 4, "descriptors: {before:?}, then {after:?}");
    assert!(after.sockets <= before.sockets + MORE_SOCKETS, "sockets: {before:?}, then {after:?}");
    assert!(after.resident_bytes <= before.resident_bytes + MORE_RESIDENT_BYTES, "memory: {before:?}, then {after:?}");
    std::fs::remove_file(&file).expect("the file");
}
