//! The whole gateway in virtual time: its own line, with fakes behind a network in memory, callers before it, and random faults
//! between them. Everything follows from a seed.
//!
//!     POINTSMAN_SEEDS=20000 cargo test -p pointsman-tests --test simulation seeds             # many more than usual
//!     POINTSMAN_SEED=17 cargo test -p pointsman-tests --test simulation seeds -- --nocapture  # one of them again
//!
//! A seed that failed once stands in `seeds.txt`, and is run every time.

mod doctored;
mod every_byte;
mod game_day;
mod linear;
mod network;
mod oracle;
mod outages;
mod plan;
mod promises;
mod recovery;
mod world;

use std::env;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use pointsman::plugin::engine;
use pointsman_tests::reply::Reply;

use plan::Plan;

/// How many seeds without being asked for more.
const SEEDS: u64 = 300;
const WORKERS: usize = 2;

/// Plugins count instructions in this process, and are compiled already, so that no run waits for that.
fn ready() {
    static READY: Once = Once::new();
    READY.call_once(|| engine::count_fuel().expect("the first use of the engine"));
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, and no number")))
}

/// What is wrong with the run of this seed.
fn failure(seed: u64, tally: &Mutex<Tally>) -> Option<String> {
    let plan = Plan::new(seed);
    let wrong = match catch_unwind(|| world::run(seed, &plan)) {
        Ok(history) => {
            tally.lock().expect("no panic").count(&plan, &history);
            oracle::judge(&plan, &history)
        }
        Err(_) => vec!["it panicked; the text stands above".to_owned()],
    };
    (!wrong.is_empty()).then(|| {
        format!(
            "seed {seed}: again by `POINTSMAN_SEED={seed} cargo test -p pointsman-tests --test simulation seeds -- \
             --nocapture`\n{}\n{}",
            wrong.join("\n"),
            oracle::told(&plan)
        )
    })
}

/// What happened in all runs together: a simulation in which nothing goes wrong proves nothing.
#[derive(Debug, Default)]
struct Tally {
    requests: usize,
    answered: usize,
    /// By another than the first target that was asked.
    after_failover: usize,
    refused: usize,
    /// The caller had seen a beginning.
    died: usize,
    left: usize,
    /// Where one target broke off another went on.
    spliced: usize,
    /// Times in which a target was known to be silent.
    silences: usize,
}

impl Tally {
    fn count(&mut self, plan: &Plan, history: &world::History) {
        self.silences += oracle::silences(plan, history).len();
        for outcome in &history.outcomes {
            let good = Reply::read(outcome.ask.speaks, outcome.ask.stream, &outcome.body).ends == [true];
            self.requests += 1;
            self.answered += usize::from(good);
            self.after_failover += usize::from(good && outcome.header("x-pointsman-attempts") > "1");
            self.refused += usize::from(!outcome.left && outcome.status != 200);
            self.died += usize::from(!outcome.left && outcome.status == 200 && !good);
            self.left += usize::from(outcome.left);
            self.spliced += usize::from(String::from_utf8_lossy(&outcome.body).contains("broke off, and"));
        }
    }

    /// Each kind of end was seen often enough.
    fn is_telling(&self) -> bool {
        let often = |part: usize| part * 200 > self.requests;
        let happened = [self.spliced, self.silences].into_iter().all(|count| count > 0);
        happened && [self.after_failover, self.refused, self.died, self.left].into_iter().all(often)
    }
}

/// Faults: F18, F20, F23, F25, F27, F29, F31, F36, F54, F55, F65, F66, F67, F76
#[test]
fn seeds() {
    ready();
    let old = include_str!("seeds.txt").lines().filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let seeds: Vec<u64> = match number("POINTSMAN_SEED") {
        Some(seed) => vec![seed],
        None => old.chain(0..number("POINTSMAN_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (next, failures, tally) = (AtomicU64::new(0), Mutex::new(Vec::new()), Mutex::default());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    failures.lock().expect("no panic").extend(failure(*seed, &tally));
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    let tally: Tally = tally.into_inner().expect("no panic");
    println!("{} seeds: {tally:?}", seeds.len());
    assert!(seeds.len() < 50 || tally.is_telling(), "{tally:?}");
    let some: Vec<&str> = failures.iter().take(5).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} seeds failed:\n{}", failures.len(), seeds.len(), some.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    ready();
    let mut traces = std::collections::BTreeSet::new();
    for seed in [3, 17, 40] {
        let plan = Plan::new(seed);
        let first = world::trace(&world::run(seed, &plan));
        let second = world::trace(&world::run(seed, &plan));
        assert!(first == second, "seed {seed}: {}", difference(&first, &second));
        traces.insert(first);
    }
    assert_eq!(traces.len(), 3, "other seeds give other runs");
}

fn difference(first: &str, second: &str) -> String {
    let pair = first.lines().zip(second.lines()).find(|(first, second)| first != second);
    pair.map_or("one is longer".to_owned(), |(first, second)| format!("\n{first}\n{second}"))
}
