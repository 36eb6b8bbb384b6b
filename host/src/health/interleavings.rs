//! Orders in which threads can meet, tried by a scheduler that controls every lock of theirs:
//!
//!     cargo test -p pointsman --features shuttle --lib interleavings
//!
//! A failure prints the schedule that leads to it; `shuttle::replay` plays it again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use shuttle::thread;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::Instant;

use super::admission::Turn;
use super::*;
use crate::config::{BREAKER, LIMITS};
use crate::plugin::bindings::faults::FaultKind;
use crate::upstream::SentAt;

/// By chance, and by changing the order at few but telling places.
fn try_orders(run: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(run.clone(), 3_000);
    shuttle::check_pct(run, 3_000, 3);
}

fn threads(count: usize, run: impl Fn(usize) + Send + Sync + 'static) {
    let run = Arc::new(run);
    let threads = (0..count).map(|number| {
        let run = Arc::clone(&run);
        thread::spawn(move || run(number))
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("no panic");
    }
}

/// How many are at a place at once.
#[derive(Default)]
struct Inside(AtomicUsize);

impl Inside {
    fn enter(&self, most: usize) {
        let now = self.0.fetch_add(1, SeqCst) + 1;
        assert!(now <= most, "{now} at once");
        thread::yield_now();
    }

    fn leave(&self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Never more inside than may be; who waits gets its turn from those who leave, though others leave the queue at the same
/// time; and at the end nobody is in.
#[test]
fn interleavings_of_permits() {
    try_orders(|| {
        let settings = AdmissionSettings { max_in_flight: Some(2), queue: 3, slow_start: 0, ..LIMITS };
        let (admission, inside) = (Arc::new(Admission::default()), Inside::default());
        let shared = Arc::clone(&admission);
        threads(5, move |number| {
            let permit = match shared.ask(settings) {
                Err(Busy) => return,
                Ok(Turn::Now(permit)) => permit,
                // It leaves at any time: perhaps its turn has come.
                Ok(Turn::Later(_)) if number % 2 == 0 => return thread::yield_now(),
                Ok(Turn::Later(mut turn)) => loop {
                    match turn.try_recv() {
                        Ok(permit) => break permit,
                        Err(TryRecvError::Empty) => thread::yield_now(),
                        Err(TryRecvError::Closed) => panic!("forgotten"),
                    }
                },
            };
            inside.enter(2);
            inside.leave();
            drop(permit);
        });
        assert_eq!(admission.in_flight(), 0);
        assert_eq!(admission.room(settings, Instant::now()), Some(2));
        assert!(matches!(admission.ask(settings), Ok(Turn::Now(_))), "the queue is empty");
    });
}

fn begin(health: &Arc<Health>, settings: BreakerSettings, is_probe: bool, now: Instant) -> Result<Running, Probed> {
    let limits = AdmissionSettings { slow_start: 0, ..LIMITS };
    let Ok(Turn::Now(permit)) = health.admission.ask(limits) else { panic!("there is no limit") };
    let (form, sent_at) = (Form::new(true, 100), &SentAt::default());
    sent_at.note(now);
    let start = Start { keys: &[1, 2], key: None, settings, is_probe, form, conversation: 0, chance: 0, sent_at };
    Running::begin(health, permit, start, now)
}

/// Many find a target half-open and decide to probe it: one does. When it leaves, another may; when it fails, none.
#[test]
fn interleavings_of_probes() {
    try_orders(|| {
        let settings = BreakerSettings { faults: 1, ..BREAKER };
        let (health, now, inside) = (Arc::new(Health::default()), Instant::now(), Inside::default());
        begin(&health, settings, false, now).expect("closed").fail(FaultKind::Overloaded, 0, None, now);
        let later = now + settings.out_max;
        let (shared, probes) = (Arc::clone(&health), Arc::new(AtomicUsize::new(0)));
        let (counted, failed) = (Arc::clone(&probes), Arc::new(AtomicUsize::new(0)));
        let failures = Arc::clone(&failed);
        threads(4, move |number| {
            let limits = AdmissionSettings { slow_start: 0, ..LIMITS };
            if shared.view(&[1, 2], limits, Form::new(true, 100), later).ready_in_ms > 0 {
                return;
            }
            let Ok(running) = begin(&shared, settings, true, later) else { return };
            counted.fetch_add(1, SeqCst);
            inside.enter(1);
            inside.leave();
            match number {
                0 => drop(running),
                _ => {
                    failures.fetch_add(1, SeqCst);
                    running.fail(FaultKind::Overloaded, 0, None, later);
                }
            }
        });
        assert!((1..=2).contains(&probes.load(SeqCst)) && failed.load(SeqCst) <= 1);
        assert_eq!(health.admission.in_flight(), 0);
    });
}

/// The budget is given out once, however many ask for it.
#[test]
fn interleavings_of_a_budget() {
    try_orders(|| {
        let settings = BreakerSettings { faults: 1, ..BREAKER };
        let (health, now) = (Arc::new(Health::default()), Instant::now());
        begin(&health, settings, false, now).expect("closed").fail(FaultKind::Overloaded, 0, None, now);
        let (granted, budget) = (Arc::new(AtomicUsize::new(0)), BudgetSettings { share: 0.0, floor: 1 });
        let counted = Arc::clone(&granted);
        threads(4, move |_| {
            for _ in 0..4 {
                counted.fetch_add(usize::from(health.may_retry(budget, &settings, now)), SeqCst);
            }
        });
        assert_eq!(granted.load(SeqCst), 10, "one a second");
    });
}

/// All that requests do with health, at once: nobody waits for a lock that waits for another's.
#[test]
fn interleavings_of_everything() {
    try_orders(|| {
        let (healths, now) = (Arc::new(Healths::default()), Instant::now());
        threads(3, move |number| {
            let health = healths.of("p", if number == 0 { "one" } else { "other" }, Some(""), now);
            let limits = AdmissionSettings { slow_start: 0, ..LIMITS };
            health.view(&[1, 2], limits, Form::new(true, 100), now);
            let Ok(mut running) = begin(&health, BREAKER, false, now) else { return };
            running.content(now);
            match number {
                0 => {
                    running.fail(FaultKind::Authentication, 0, None, now);
                }
                1 => {
                    running.fail(FaultKind::RateLimited, 0, Some(Duration::from_secs(1)), now);
                }
                _ => running.succeed(now),
            }
            healths.answered(&health, 7, now);
            healths.warm_since(&health, 7, now);
            healths.out("p", now);
            healths.may_hedge(BudgetSettings { share: 0.1, floor: 1 }, now);
        });
    });
}
