//! A fault that an operator injected: whom it befalls, with what, and how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::super::rollout::draw;
use crate::fake::{Behaviour, Fault, Kind};

/// Shares are told apart to a hundredth of a percent.
const SHARES: u32 = 10_000;

/// What an operator asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// `provider/model`, `provider/*` or `provider`.
    pub target: String,
    /// See [`What`].
    pub kind: String,
    /// Of a hundred requests.
    pub share_percent: f64,
    /// The name of a caller's key. Absent: all callers.
    pub caller: Option<String>,
    pub for_ms: u64,
}

/// What befalls an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// So much time passes before the request is sent.
    Slow(Duration),
    Error(Kind),
}

impl What {
    /// # Errors
    /// Which words there are.
    pub fn parse(word: &str) -> Result<What, String> {
        match word.parse() {
            Ok(Behaviour { fault: Fault::None, first_token, .. }) if first_token.is_zero() => {
                Err(format!("`{word}` breaks nothing"))
            }
            Ok(Behaviour { fault: Fault::None, first_token, .. }) => Ok(What::Slow(first_token)),
            _ => word.parse().map(What::Error),
        }
    }
}

/// Which attempts may be befallen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    pub provider: String,
    /// Absent: all models.
    pub model: Option<String>,
}

impl Aim {
    pub fn parse(target: &str) -> Aim {
        let (provider, model) = target.split_once('/').unwrap_or((target, "*"));
        Aim { provider: provider.to_owned(), model: (model != "*").then(|| model.to_owned()) }
    }

    pub fn fits(&self, provider: &str, model: &str) -> bool {
        self.provider == provider && self.model.as_ref().is_none_or(|own| own == model)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Injection {
    pub id: String,
    pub order: Order,
    pub aim: Aim,
    pub what: What,
    pub since_unix: Duration,
    pub ends: Instant,
    /// Requests that it befell.
    requests: AtomicU64,
    removed: watch::Sender<bool>,
}

impl Injection {
    pub fn new(id: String, order: Order, what: What, since_unix: Duration, ends: Instant) -> Injection {
        let (aim, requests) = (Aim::parse(&order.target), AtomicU64::new(0));
        Injection { id, order, aim, what, since_unix, ends, requests, removed: watch::Sender::new(false) }
    }

    /// Is this request one of those that it befalls? It is so in all its attempts.
    pub fn has(&self, caller: &str, random: u64) -> bool {
        let is_theirs = self.order.caller.as_ref().is_none_or(|own| own == caller);
        is_theirs && f64::from(draw(random, &self.id, SHARES)) < self.order.share_percent * f64::from(SHARES) / 100.0
    }

    /// Every request that comes to it.
    pub fn has_all(&self) -> bool {
        self.order.caller.is_none() && self.order.share_percent >= 100.0
    }

    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.ends || *self.removed.borrow()
    }

    /// Until it is. What waits because of it waits no longer than that.
    pub async fn over(&self) {
        let mut removed = self.removed.subscribe();
        tokio::select! {
            () = sleep_until(self.ends) => {}
            // An error means that the sender is gone, which is ours.
            _ = removed.wait_for(|removed| *removed) => {}
        }
    }

    /// For texts that tell what went wrong.
    pub fn words(&self) -> String {
        format!("the injected fault {}", self.id)
    }

    pub fn remove(&self) {
        self.removed.send_replace(true);
    }

    /// One more request.
    pub fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub fn view(&self, now: Instant) -> InjectionView {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let since_unix_ms = millis(self.since_unix);
        InjectionView {
            id: self.id.clone(),
            order: self.order.clone(),
            since_unix_ms,
            ends_unix_ms: since_unix_ms.saturating_add(self.order.for_ms),
            left_ms: millis(self.ends.saturating_duration_since(now)),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }
}

/// One that is on, for operators.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InjectionView {
    pub id: String,
    /// As it was given.
    pub order: Order,
    pub since_unix_ms: u64,
    pub ends_unix_ms: u64,
    pub left_ms: u64,
    /// That it befell.
    pub requests: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injection(target: &str, share_percent: f64, caller: Option<&str>) -> Injection {
        let (target, kind, caller) = (target.to_owned(), "overloaded".to_owned(), caller.map(str::to_owned));
        let order = Order { target, kind, share_percent, caller, for_ms: 60_000 };
        let what = What::parse(&order.kind).expect("a kind");
        Injection::new("f0".to_owned(), order, what, Duration::ZERO, Instant::now() + Duration::from_secs(60))
    }

    #[test]
    fn words() {
        assert_eq!(What::parse("slow:3s"), Ok(What::Slow(Duration::from_secs(3))));
        for word in ["overloaded", "timed-out", "truncated", "529:7", "cut-after:3", "hang-before-content"] {
            assert_eq!(What::parse(word), Ok(What::Error(Kind::known(word))), "{word}");
        }
        assert!(What::parse("overloded").is_err_and(|text| text.contains("there are overloaded")));
        for word in ["ok", "slow:0s"] {
            assert!(What::parse(word).is_err_and(|text| text.contains("breaks nothing")), "{word}");
        }
    }

    #[test]
    fn an_aim_is_a_provider_or_one_of_its_models() {
        for (target, model, fits) in [
            ("a", "m", true),
            ("a/*", "m", true),
            ("a/m", "m", true),
            ("a/m", "m2", false),
            ("a/org/m", "org/m", true),
            ("b", "m", false),
        ] {
            assert_eq!(Aim::parse(target).fits("a", model), fits, "{target} {model}");
        }
    }

    #[tokio::test]
    async fn a_share_is_of_requests_and_each_keeps_its_fate() {
        let random: Vec<u64> = (0..10_000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let befalls = |share| {
            let injection = injection("a", share, None);
            random.iter().filter(|random| injection.has("", **random)).copied().collect::<Vec<u64>>()
        };
        assert_eq!((befalls(100.0).len(), befalls(0.01).len() < 10), (10_000, true));
        assert!((2_800..3_200).contains(&befalls(30.0).len()), "{}", befalls(30.0).len());
        assert!((20..80).contains(&befalls(0.5).len()), "{}", befalls(0.5).len());
        assert_eq!(befalls(30.0), befalls(30.0));
        let one = injection("a", 100.0, Some("team"));
        assert!(one.has("team", 7) && !one.has("", 7) && !one.has("team-two", 7));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_by_itself_or_when_it_is_removed() {
        let began = Instant::now();
        let one = injection("a", 100.0, None);
        assert!(!one.is_over(began) && !one.is_over(began + Duration::from_millis(59_999)));
        one.over().await;
        assert!(one.is_over(Instant::now()));
        assert_eq!(began.elapsed(), Duration::from_secs(60));
        let other = injection("a", 100.0, None);
        other.remove();
        other.over().await;
        assert!(other.is_over(Instant::now()));
        assert_eq!(began.elapsed(), Duration::from_secs(60), "at once");
    }
}
