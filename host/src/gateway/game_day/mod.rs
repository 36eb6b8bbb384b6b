//! Game days: operators break the running gateway on purpose, for a share of its requests and for a while, and see whether
//! anybody notices. What they inject befalls attempts where requests leave for the provider (`attempt.rs`); all that comes
//! after is production's. It ends by itself, no later than a few hours after it began, and a restart forgets it.

mod breaks;
mod harm;
mod injection;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use tokio::time::Instant;

use super::{Gateway, Table};
use crate::config::defaults::{FAULT_FOR_MAX, FAULTS_MAX};
use crate::sync::{Mutex, MutexGuard, PoisonError};

use self::injection::{Aim, Injection, What};

pub use self::breaks::{Break, How, Rest};
pub use self::harm::{Harm, Struck};
pub use self::injection::{InjectionView, Order};
pub use self::told::{Befell, Injected};

/// What is injected now.
#[derive(Debug, Default)]
pub struct GameDay(Mutex<Vec<Arc<Injection>>>);

impl GameDay {
    /// Those that an attempt at this target may meet.
    pub fn at(&self, provider: &str, model: &str, now: Instant) -> Vec<Arc<Injection>> {
        let meets = |one: &&Arc<Injection>| one.aim.fits(provider, model) && !one.is_over(now);
        self.lock().iter().filter(meets).map(Arc::clone).collect()
    }

    /// Does every request to this provider meet an error? Then a probe of it must not find it well.
    pub fn hides(&self, provider: &str, now: Instant) -> bool {
        let hides = |one: &Arc<Injection>| {
            one.aim == Aim::parse(provider) && one.has_all() && matches!(one.what, What::Error(_)) && !one.is_over(now)
        };
        self.lock().iter().any(hides)
    }

    /// Forget what is over, and say so.
    pub fn sweep(&self, now: Instant) {
        self.lock().retain(|one| {
            let is_over = one.is_over(now);
            if is_over {
                end(one, now, "its time is up");
            }
            !is_over
        });
    }

    /// End those that are meant, now: requests that run are not befallen any more.
    fn remove(&self, why: &str, now: Instant, is_meant: impl Fn(&Injection) -> bool) -> Vec<InjectionView> {
        let mut removed = Vec::new();
        self.lock().retain(|one| {
            let is_meant = is_meant(one);
            if is_meant {
                one.remove();
                end(one, now, why);
                removed.push(one.view(now));
            }
            !is_meant
        });
        removed
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Injection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(one: &Injection, now: Instant, why: &str) {
    let InjectionView { id, order, requests, .. } = one.view(now);
    tracing::warn!(fault = %id, target = ?order.target, kind = %order.kind, requests, why, "an injected fault has ended");
}

impl Gateway {
    /// Break a target on purpose, as an operator asks.
    ///
    /// # Errors
    /// Why not; nothing changes.
    pub async fn inject(&self, mut order: Order) -> anyhow::Result<InjectionView> {
        // A configuration that turns it off is not put into force meanwhile.
        let _changing = self.changing.lock().await;
        let (table, now) = (self.table(), Instant::now());
        ensure!(
            table.config.game_day,
            "the configuration does not allow it: write `[game_day]` with `enabled = true` into it"
        );
        let what = check(&table, &mut order).map_err(|text| anyhow!("{text}"))?;
        self.game_day.sweep(now);
        let mut all = self.game_day.lock();
        ensure!(all.len() < FAULTS_MAX, "{FAULTS_MAX} faults are on, and that is enough: remove one");
        let id = loop {
            let id = format!("f{:05x}", self.clock.random() & 0xf_ffff);
            if all.iter().all(|one| one.id != id) {
                break id;
            }
        };
        let ends = now + Duration::from_millis(order.for_ms);
        let one = Injection::new(id, order, what, self.clock.unix(), ends);
        let Order { target, kind, share_percent, caller, for_ms } = &one.order;
        tracing::warn!(fault = %one.id, ?target, %kind, share_percent, caller, for_ms, "an operator injects a fault");
        let view = one.view(now);
        all.push(Arc::new(one));
        Ok(view)
    }

    /// What is injected now, oldest first.
    pub fn injections(&self) -> Vec<InjectionView> {
        let now = Instant::now();
        self.game_day.sweep(now);
        self.game_day.lock().iter().map(|one| one.view(now)).collect()
    }

    /// End one before its time.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn remove_injection(&self, id: &str) -> anyhow::Result<InjectionView> {
        let removed = self.game_day.remove("an operator removed it", Instant::now(), |one| one.id == id).pop();
        removed.ok_or_else(|| anyhow!("no fault `{id}` is on (any more): `pointsman fault list` shows those that are"))
    }

    /// End all.
    pub fn remove_injections(&self, why: &str) -> Vec<InjectionView> {
        self.game_day.remove(why, Instant::now(), |_| true)
    }
}

/// Does it fit to what is in force?
fn check(table: &Table, order: &mut Order) -> Result<What, String> {
    order.kind = order.kind.trim().to_owned();
    let what = What::parse(&order.kind)?;
    let Aim { provider, model } = Aim::parse(&order.target);
    let targets = || table.routes.iter().flat_map(|route| &route.targets);
    if !targets().any(|target| target.provider.name == provider) {
        let known: BTreeSet<&str> = targets().map(|target| target.provider.name.as_str()).collect();
        let known: Vec<&str> = known.into_iter().collect();
        return Err(format!("no route has a provider `{provider}`: there are {}", known.join(", ")));
    }
    let is_asked =
        |model: &str| targets().any(|target| target.provider.name == provider && target.model(model) == model);
    if let Some(model) = model.filter(|model| model.is_empty() || !is_asked(model)) {
        return Err(format!("no route asks `{provider}` for `{model}`: `{provider}/*` means all of its models"));
    }
    if let Some(caller) = &order.caller {
        let named = || table.config.server.callers.iter().map(|caller| caller.name.as_str());
        if !named().any(|name| name == caller) {
            let known: Vec<&str> = named().filter(|name| !name.is_empty()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("no caller's key is called `{caller}`; those with a name: {known}"));
        }
    }
    if !(0.01..=100.0).contains(&order.share_percent) {
        return Err(format!("a share of {} % is none: 0.01 to 100", order.share_percent));
    }
    let (least, most) = (Duration::from_secs(1), FAULT_FOR_MAX);
    if !(least..=most).contains(&Duration::from_millis(order.for_ms)) {
        return Err(format!("a fault lasts for a second at least, and for {} hours at most", most.as_secs() / 3600));
    }
    Ok(what)
}
