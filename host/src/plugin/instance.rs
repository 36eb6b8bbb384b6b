//! Instances of one plugin that wait for the next call. Making one costs about 20 µs, using one again about 1 µs; plugins
//! are pure functions, so it does not matter which call an instance served before.

use std::sync::{Mutex, PoisonError};

use wasmtime::Store;

use super::engine::{self, Guest};
use super::fault::PluginFault;

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
}

/// Instances that wait.
pub struct Pool<E> {
    idle: Mutex<Vec<Instance<E>>>,
}

impl<E> Pool<E> {
    pub fn new() -> Self {
        Pool { idle: Mutex::new(Vec::new()) }
    }

    /// An idle instance, ready for a call on `body_bytes`.
    pub fn take(&self, body_bytes: usize) -> Option<Instance<E>> {
        let mut instance = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        engine::arm(&mut instance.store, body_bytes);
        Some(instance)
    }

    /// What a call gave. Its instance waits for the next one if the call went well, and is thrown away if not: after a
    /// trap the inside of a guest is undefined.
    pub fn finish<R>(&self, instance: Instance<E>, result: wasmtime::Result<R>) -> Result<R, PluginFault> {
        match result {
            Ok(answer) => {
                self.give(instance);
                Ok(answer)
            }
            Err(error) => Err(PluginFault::of(&error, &instance.store)),
        }
    }

    pub fn give(&self, instance: Instance<E>) {
        if instance.store.data().grown_bytes() > IDLE_GROWN_BYTES_MAX {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(instance);
        }
    }
}
