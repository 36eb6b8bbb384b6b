//! Credentials that a cloud gives for some time: each source has a task that gets new ones before the old expire, so that no
//! request waits for them but those that come together with the first.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::Gateway;
use super::provider::{Access, Adapter};
use super::redact::Redaction;
use crate::clock::Clock;
use crate::config::{Proxy, Way};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::sync::{Mutex, PoisonError};
use crate::upstream::identity::{self, Askers, Credential, Granted, Source};

/// New credentials are asked for so long before the old expire. The metadata services of AWS and Google have new ones only in the
/// last five minutes.
const LEAD: Duration = Duration::from_secs(240);
/// Of what is left, if that is less.
const LEAD_SHARE: u32 = 4;
/// A service that does not answer so long has failed.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// The first credentials are waited for so long, from the first question on; after that an attempt fails at once.
const FIRST_WAIT: Duration = Duration::from_secs(3);
/// After a failure, doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Between two questions, whatever providers refuse.
const GAP: Duration = Duration::from_secs(5);

/// The sources in use. Providers with the same source share its credentials.
#[derive(Default)]
pub struct Identities {
    made: Mutex<Vec<(Source, Way, Arc<Identity>)>>,
}

/// One source, and what it gave last.
pub struct Identity {
    state: watch::Receiver<State>,
    refused: Arc<Notify>,
    began: Instant,
    task: AbortHandle,
}

/// A credential in force.
pub struct Issued {
    pub credential: Credential,
    /// Of its secrets.
    pub redaction: Arc<Redaction>,
    until: Option<Instant>,
    /// It replaced one that its provider refused.
    is_replacement: bool,
}

#[derive(Default)]
struct State {
    issued: Option<Arc<Issued>>,
    /// Why there is nothing newer.
    trouble: Option<String>,
}

impl Identities {
    /// The identity of an adapter whose credentials are fetched. The first call starts its task.
    ///
    /// # Errors
    /// A text for people: which certificates cannot be read.
    pub fn of(&self, gateway: &Gateway, source: &Source, way: &Way) -> Result<Arc<Identity>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, identity)) = made.iter().find(|(known, its_way, _)| known == source && its_way == way) {
            return Ok(Arc::clone(identity));
        }
        let client = gateway.clients.of(way)?;
        let direct = gateway.clients.of(&Way { proxy: Proxy::None, ..Way::default() })?;
        let (askers, clock) = (Askers { client, direct }, Arc::clone(&gateway.clock));
        let (asked, name, time) = (source.clone(), source.to_string(), Arc::clone(&clock));
        let fetch = move || {
            let (source, askers, now) = (asked.clone(), askers.clone(), time.unix());
            async move { identity::fetch(&source, &askers, now).await }
        };
        let identity = Arc::new(Identity::begin(name, clock, fetch));
        made.push((source.clone(), way.clone(), Arc::clone(&identity)));
        Ok(identity)
    }

    /// Ask for what the gateway's providers need, before requests do, and forget what none needs any more.
    pub fn follow(&self, gateway: &Gateway) {
        let table = gateway.table();
        let adapters: Vec<_> = table.providers.values().flat_map(|provider| provider.adapters()).collect();
        let needed = adapters.iter().filter_map(|adapter| Some((adapter.source()?, adapter.way())));
        for (source, way) in needed.clone() {
            if let Err(text) = self.of(gateway, source, way) {
                tracing::warn!("{source}: {text}");
            }
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|(source, way, _)| needed.clone().any(|needed| needed == (source, way)));
    }
}

impl Identity {
    /// Ask `fetch`, again and again. `name` is for people.
    fn begin<F>(name: String, clock: Arc<Clock>, fetch: impl Fn() -> F + Send + 'static) -> Identity
    where
        F: Future<Output = Result<Granted, String>> + Send + 'static,
    {
        let (sender, state) = watch::channel(State::default());
        let refused = Arc::new(Notify::new());
        let task = tokio::spawn(keep_fresh(name, clock, fetch, sender, Arc::clone(&refused)));
        Identity { state, refused, began: Instant::now(), task: task.abort_handle() }
    }

    /// The credential in force.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn current(&self) -> Result<Arc<Issued>, String> {
        let mut state = self.state.clone();
        let first = state.wait_for(|state| state.issued.is_some() || state.trouble.is_some());
        // Whether it came is seen below.
        let _ = timeout_at(self.began + FIRST_WAIT, first).await;
        let state = self.state.borrow();
        let why = || state.trouble.as_deref().unwrap_or("their source has not answered yet").to_owned();
        match &state.issued {
            Some(issued) if issued.until.is_none_or(|until| Instant::now() < until) => Ok(Arc::clone(issued)),
            Some(_) => Err(format!("they have expired, and there are no new ones: {}", why())),
            None => Err(why()),
        }
    }

    /// The provider refused this credential: a new one is asked for.
    ///
    /// Returns whether that can help: `false` if it was itself asked for after a refusal.
    pub fn refuse(&self, issued: &Issued) -> bool {
        let state = self.state.borrow();
        if state.issued.as_ref().is_some_and(|current| std::ptr::eq(&**current, issued)) {
            self.refused.notify_one();
        }
        !issued.is_replacement
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep_fresh<F>(
    name: String,
    clock: Arc<Clock>,
    fetch: impl Fn() -> F + Send,
    state: watch::Sender<State>,
    refused: Arc<Notify>,
) where
    F: Future<Output = Result<Granted, String>> + Send + 'static,
{
    let (mut failures, mut is_replacement) = (0_u32, false);
    loop {
        let late = |_| Err(format!("no answer within {} s", FETCH_TIME.as_secs()));
        let asked_at = Instant::now();
        let wait = match timeout(FETCH_TIME, fetch()).await.unwrap_or_else(late) {
            Ok(granted) => {
                tracing::debug!(source = name, "new credentials");
                failures = 0;
                let redaction = Arc::new(Redaction::new(granted.credential.secrets()));
                let until = granted.lasts.map(|lasts| asked_at + lasts);
                let issued = Issued { credential: granted.credential, redaction, until, is_replacement };
                state.send_modify(|state| *state = State { issued: Some(Arc::new(issued)), trouble: None });
                granted.lasts.map(|lasts| lasts - jittered(lead(lasts), &clock))
            }
            Err(text) => {
                tracing::warn!(source = name, "no new credentials: {text}");
                state.send_modify(|state| state.trouble = Some(text));
                let wait = BACKOFF.saturating_mul(1 << failures.min(6)).min(BACKOFF_MAX);
                failures += 1;
                Some(jittered(wait, &clock))
            }
        };
        let due = async {
            match wait {
                Some(wait) => sleep(wait.max(BACKOFF / 2)).await,
                None => std::future::pending().await,
            }
        };
        is_replacement = tokio::select! {
            () = due => false,
            () = refused.notified() => {
                sleep_until(asked_at + GAP).await;
                // What was refused meanwhile is replaced by the same question.
                let _ = refused.notified().now_or_never();
                true
            }
        };
    }
}

/// How long before its end a credential is replaced that lasts so long.
fn lead(lasts: Duration) -> Duration {
    LEAD.min(lasts / LEAD_SHARE)
}

/// Between three quarters of it and all of it, by chance: gateways that began together do not ask together.
fn jittered(most: Duration, clock: &Clock) -> Duration {
    let thousandths = u32::try_from(clock.random() % 250).unwrap_or_default();
    most * (750 + thousandths) / 1000
}

/// The credential that a request was sent with, and where it is from.
pub struct Shown {
    pub identity: Arc<Identity>,
    pub issued: Arc<Issued>,
}

impl Shown {
    /// Changes an authentication fault to `busy`, and returns true, if the credential can be replaced: that is no reason to let
    /// the account rest, because the next request shows another.
    pub fn reclassify(&self, fault: &mut Fault) -> bool {
        let is_replaced = fault.kind == FaultKind::Authentication && self.identity.refuse(&self.issued);
        if is_replaced {
            fault.kind = FaultKind::Busy;
            fault.message = format!("its credentials were refused, and new ones are asked for: {}", fault.message);
        }
        is_replaced
    }
}

impl Adapter {
    /// Where its credentials come from, if they are fetched.
    pub fn source(&self) -> Option<&Source> {
        match &self.access {
            Access::Fetched(_, source) => Some(source),
            Access::Open | Access::Header(..) | Access::Aws(..) => None,
        }
    }
}

#[cfg(test)]
mod tests;
