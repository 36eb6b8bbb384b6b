//! Instances of one plugin that wait for the next call. Making one costs about 20 µs, using one again about 1 µs; plugins
//! are pure functions, so it does not matter which call an instance served before. That is checked (`tally.rs`), and who
//! does not want to rely on it turns it off for a slot ([`Isolation`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::Store;

use super::engine::{self, Guest};
use super::fault::PluginFault;
use super::tally::{One, Tally};
use crate::sync::{Mutex, PoisonError};

/// Idle instances kept for each plugin (and route, for policies). More are made when more calls run at once.
const IDLE_MAX: usize = 32;
/// An instance whose memory has grown by more than this is dropped after its call: memory of a guest never shrinks, and one
/// large body should not be held for ever. What an interpreter begins with (13 MB for CPython) does not count: the pages that
/// it has not written are shared by all instances, and a new one for each call would cost milliseconds.
const IDLE_GROWN_BYTES_MAX: usize = 8 << 20;

/// A store, and what was found in it.
pub struct Instance<E> {
    pub store: Store<Guest>,
    pub exports: E,
    /// A call runs in it.
    running: Option<One>,
}

impl<E> Instance<E> {
    pub fn new(store: Store<Guest>, exports: E) -> Self {
        Instance { store, exports, running: None }
    }
}

/// Do the calls of a version share instances? Operators say so for a slot, while it runs.
#[derive(Debug, Default)]
pub struct Isolation {
    fresh: AtomicBool,
}

impl Isolation {
    /// From now on each call has an instance of its own, or not.
    pub fn set(&self, fresh: bool) {
        self.fresh.store(fresh, Ordering::Relaxed);
    }

    fn is_fresh(&self) -> bool {
        self.fresh.load(Ordering::Relaxed)
    }
}

/// Instances that wait.
pub struct Pool<E> {
    idle: Mutex<Vec<Instance<E>>>,
    tally: Arc<Tally>,
    isolation: Arc<Isolation>,
}

impl<E> Pool<E> {
    pub fn new(tally: &Arc<Tally>, isolation: &Arc<Isolation>) -> Self {
        Pool { idle: Mutex::new(Vec::new()), tally: Arc::clone(tally), isolation: Arc::clone(isolation) }
    }

    /// An idle instance, ready for a call on `body_bytes`.
    pub fn take(&self, body_bytes: usize) -> Option<Instance<E>> {
        if self.isolation.is_fresh() {
            // From before it was so.
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return None;
        }
        let instance = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(self.ready(instance, body_bytes))
    }

    /// Make an instance, idle or new, ready for a call on `body_bytes`.
    pub fn ready(&self, mut instance: Instance<E>, body_bytes: usize) -> Instance<E> {
        engine::arm(&mut instance.store, body_bytes);
        instance.running = Some(self.tally.running.one_more());
        instance
    }

    /// What a call gave. Its instance waits for the next one if the call went well, and is thrown away if not: after a
    /// trap the inside of a guest is undefined.
    pub fn finish<R>(&self, instance: Instance<E>, result: wasmtime::Result<R>) -> Result<R, PluginFault> {
        self.tally.note_fuel(engine::fuel_used(&instance.store));
        match result {
            Ok(answer) => {
                self.give(instance);
                Ok(answer)
            }
            Err(error) => Err(PluginFault::of(&error, &instance.store)),
        }
    }

    pub fn give(&self, mut instance: Instance<E>) {
        let grown = instance.store.data().grown_bytes();
        if self.isolation.is_fresh() || grown > IDLE_GROWN_BYTES_MAX || grown > 0 && engine::is_memory_short() {
            return;
        }
        instance.running = None;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(instance);
        }
    }
}

#[cfg(all(test, feature = "shuttle"))]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use shuttle::thread;

    use super::*;

    /// No instance is in two hands, and none is lost that has room: see `health/interleavings.rs`.
    #[test]
    fn interleavings_of_instances() {
        shuttle::check_random(
            || {
                let tally = Arc::new(Tally::new("x", ""));
                let (pool, held) = (Pool::new(&tally, &Arc::default()), Arc::new(Mutex::new(BTreeSet::new())));
                let pool = Arc::new(pool);
                let made = Arc::new(AtomicUsize::new(0));
                let threads = (0..3).map(|_| {
                    let (pool, held, made) = (Arc::clone(&pool), Arc::clone(&held), Arc::clone(&made));
                    thread::spawn(move || {
                        for _ in 0..2 {
                            let instance = pool.take(0).unwrap_or_else(|| {
                                let store = engine::store(engine::POLICY, &pool.tally).expect("a store");
                                Instance::new(store, made.fetch_add(1, Ordering::SeqCst))
                            });
                            assert!(held.lock().expect("no panic").insert(instance.exports), "in two hands");
                            thread::yield_now();
                            held.lock().expect("no panic").remove(&instance.exports);
                            pool.finish(instance, Ok(())).expect("it went well");
                        }
                    })
                });
                threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
                let idle = std::iter::from_fn(|| pool.take(0)).count();
                assert_eq!(idle, made.load(Ordering::SeqCst));
            },
            1_000,
        );
    }
}
