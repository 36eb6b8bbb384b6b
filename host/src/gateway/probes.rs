//! What goes on beside requests: credentials of a cloud are asked for before requests need them, and active probes, where the
//! configuration asks for them: while a target is out, its provider is asked for something that costs nothing (such as its list
//! of models), so that recovery is noticed without a caller's request at stake. Who is well is never probed, and no probe ever
//! makes a call that is paid for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Request, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Gateway;
use super::authorize::authorize;
use super::provider::Adapter;
use crate::config;
use crate::upstream::{Pieces, SentAt};

/// How often it is looked whether a probe is due.
const LOOK: Duration = Duration::from_secs(1);
/// A provider that takes longer to answer a probe is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Probe until the task is aborted.
pub async fn probe(gateway: Arc<Gateway>) {
    let mut last: HashMap<String, Instant> = HashMap::new();
    let mut running = JoinSet::new();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while running.try_join_next().is_some() {}
        gateway.identities.follow(&gateway);
        let (table, now) = (gateway.table(), Instant::now());
        for (name, provider) in &table.config.providers {
            let Some(probe) = &provider.probe else { continue };
            let is_due = last.get(name).is_none_or(|last| now.saturating_duration_since(*last) >= probe.every);
            if !is_due || gateway.healths.out(name, now).is_empty() {
                continue;
            }
            let targets = table.routes.iter().flat_map(|route| &route.targets);
            let adapter =
                targets.filter(|target| target.provider.name == *name).find_map(|target| target.provider.first());
            let Some(adapter) = adapter.map(Arc::clone) else { continue };
            last.insert(name.clone(), now);
            running.spawn(one(Arc::clone(&gateway), adapter, probe.clone()));
        }
    }
}

async fn one(gateway: Arc<Gateway>, adapter: Arc<Adapter>, probe: config::Probe) {
    // What every request meets, its probe meets, too.
    let well = if gateway.game_day.hides(&adapter.provider, Instant::now()) {
        false
    } else {
        match timeout(TIMEOUT, ask(&gateway, &adapter, &probe)).await {
            Ok(Ok(status)) => status.is_success(),
            Ok(Err(_)) | Err(_) => false,
        }
    };
    let now = Instant::now();
    let out = gateway.healths.out(&adapter.provider, now);
    tracing::debug!(provider = %adapter.provider, well, out = out.len(), "probe");
    if well {
        out.iter().for_each(|health| health.seems_well(now));
    }
}

async fn ask(gateway: &Gateway, adapter: &Adapter, probe: &config::Probe) -> Result<StatusCode, String> {
    let request = Request::get(adapter.origin_with(&probe.path)).body(Pieces::default());
    let mut request = request.map_err(|error| error.to_string())?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    authorize(gateway, adapter, 0, &mut request).await.map_err(|fault| fault.message)?;
    Ok(adapter.client(gateway)?.send(request, &SentAt::default()).await.map_err(|unsent| unsent.text)?.status())
}
