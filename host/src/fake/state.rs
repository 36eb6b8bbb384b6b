//! What the connections of one fake share: how it is to behave, and what it has seen.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Protocol;
use super::behaviour::Behaviour;
use super::responses;

/// What is remembered of requests is bounded: `pointsman fake` may run for weeks under load.
const SEEN_MAX: usize = 50_000;
const SEEN_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How many requests `GET /fake/seen` tells of.
const TOLD_MAX: usize = 20;
/// What it tells of their headers: names that never carry a secret.
const TOLD_HEADERS: &[&str] = &["accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent"];

/// A request that a fake received.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Empty if neither path nor body names one.
    pub model: String,
    /// When it was there, body and all.
    pub at: Option<Instant>,
    /// How it was treated.
    pub behaviour: Behaviour,
}

impl Seen {
    pub fn new(head: &Parts, body: Bytes, model: &str) -> Seen {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        let mut headers: Vec<_> = headers.collect();
        // HTTP/2 says it elsewhere.
        if let (false, Some(authority)) = (head.headers.contains_key("host"), head.uri.authority()) {
            headers.push(("host".to_owned(), authority.to_string()));
        }
        Seen {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers,
            body,
            model: model.to_owned(),
            at: Some(Instant::now()),
            behaviour: Behaviour::default(),
        }
    }

    /// Without the query.
    pub fn bare_path(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The first value of a name in the query, as it stands there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value)
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn told(&self) -> Value {
        let headers = self.headers.iter().filter(|(name, _)| TOLD_HEADERS.contains(&name.as_str()));
        let headers: serde_json::Map<_, _> = headers.map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "method": self.method, "path": self.path, "model": self.model, "headers": headers,
            "body_bytes": self.body.len(),
        })
    }
}

/// Decides how each request is treated, in place of what was told to the fake before. It is asked once for each, in the order
/// in which they are there.
pub trait Director: Send + Sync {
    fn direct(&self, seen: &Seen) -> Behaviour;
}

/// What the connections of one fake share.
pub struct State {
    pub protocol: Protocol,
    /// Of the Responses API.
    pub kept: responses::Kept,
    director: Option<Arc<dyn Director>>,
    behaviours: Mutex<Behaviours>,
    seen: Mutex<Memory>,
    open: AtomicUsize,
    cancelled: AtomicUsize,
    number: AtomicUsize,
}

#[derive(Default)]
struct Behaviours {
    general: Behaviour,
    by_model: HashMap<String, Behaviour>,
}

#[derive(Default)]
struct Memory {
    requests: VecDeque<Seen>,
    bytes: usize,
    /// Forgotten ones included.
    total: usize,
}

impl State {
    pub fn new(protocol: Protocol, director: Option<Arc<dyn Director>>) -> State {
        State {
            protocol,
            kept: responses::Kept::default(),
            director,
            behaviours: Mutex::default(),
            seen: Mutex::default(),
            open: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
            number: AtomicUsize::new(1),
        }
    }

    pub fn behave(&self, model: Option<&str>, behaviour: Behaviour) {
        let mut behaviours = lock(&self.behaviours);
        match model {
            Some(model) => drop(behaviours.by_model.insert(model.to_owned(), behaviour)),
            None => behaviours.general = behaviour,
        }
    }

    /// How a request is to be treated. What a director has seen is its own to remember.
    pub fn treat(&self, seen: &mut Seen) {
        match &self.director {
            Some(director) => seen.behaviour = director.direct(seen),
            None => {
                seen.behaviour = self.behaviour(&seen.model);
                self.remember(seen.clone());
            }
        }
    }

    /// A model named `fault/529` behaves so, whatever else is set.
    fn behaviour(&self, model: &str) -> Behaviour {
        if let Some(named) = model.strip_prefix("fault/").and_then(|fault| fault.parse().ok()) {
            return named;
        }
        let behaviours = lock(&self.behaviours);
        behaviours.by_model.get(model).unwrap_or(&behaviours.general).clone()
    }

    fn remember(&self, seen: Seen) {
        let mut memory = lock(&self.seen);
        memory.total += 1;
        memory.bytes += seen.body.len();
        memory.requests.push_back(seen);
        while memory.requests.len() > SEEN_MAX || memory.bytes > SEEN_BYTES_MAX {
            let Some(oldest) = memory.requests.pop_front() else { return };
            memory.bytes -= oldest.body.len();
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).requests.iter().cloned().collect()
    }

    pub fn forget(&self) {
        let mut memory = lock(&self.seen);
        (memory.requests, memory.bytes) = (VecDeque::new(), 0);
    }

    pub fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// For ids: no two replies of a fake have the same.
    pub fn next_number(&self) -> usize {
        self.number.fetch_add(1, Ordering::SeqCst)
    }

    /// For `GET /fake/seen`, newest first. Prompts are left out as well as keys: this may be pasted into an issue.
    pub fn told(&self) -> Value {
        let memory = lock(&self.seen);
        let last: Vec<_> = memory.requests.iter().rev().take(TOLD_MAX).map(Seen::told).collect();
        json!({ "requests": memory.total, "open": self.open(), "cancelled": self.cancelled(), "last": last })
    }
}

/// A panic elsewhere leaves nothing half-written behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request that is being answered. Dropped before it is complete, it counts as cancelled.
pub struct Running {
    state: Arc<State>,
    complete: AtomicBool,
}

impl Running {
    pub fn begin(state: &Arc<State>) -> Running {
        state.open.fetch_add(1, Ordering::SeqCst);
        Running { state: Arc::clone(state), complete: AtomicBool::new(false) }
    }

    /// The reply is as complete as it was meant to be.
    pub fn complete(&self) {
        self.complete.store(true, Ordering::SeqCst);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who sees that nothing is open any more must see the cancelled one already.
        if !self.complete.load(Ordering::SeqCst) {
            self.state.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        self.state.open.fetch_sub(1, Ordering::SeqCst);
    }
}
