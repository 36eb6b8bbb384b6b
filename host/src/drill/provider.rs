//! A simulated provider: what becomes of each request by the incident, by chance, and by how much is asked of it. The replies
//! are the fakes'; this tells them how to behave.
//!
//! Chance follows from the seed, the target, the request, and how often the request was here before, not from what others did
//! or when: policies that are compared meet the same fates.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memchr::memmem;
use tokio::time::Instant;

use super::chance::Chance;
use super::incident::{Incident, Phase, Rate, Unreachable};
use super::ledger::Ledger;
use super::load::{Bucket, Meter, Rise};
use super::scene::{Place, Scene};
use super::{KEY, MARK};
use crate::fake::{Behaviour, Director, Fault, Seen};

/// See the module.
pub struct Provider {
    pub place: Place,
    scene: Arc<Scene>,
    /// The incident's phases that are for it, and their positions.
    phases: Vec<(usize, Phase)>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    /// Of each phase.
    loads: Vec<Load>,
    /// How often each request was here.
    visits: Vec<u8>,
    ledger: Ledger,
}

/// What a phase remembers.
#[derive(Default)]
struct Load {
    meter: Meter,
    keys: Vec<KeyLoad>,
}

#[derive(Default)]
struct KeyLoad {
    requests: Bucket,
    tokens: Bucket,
    rise: Rise,
    used_tokens: u64,
}

/// One request at one provider.
pub struct Ask<'a> {
    /// Of the arrival.
    pub number: u32,
    pub model: &'a str,
    /// From 1.
    pub key: usize,
    /// Since the beginning.
    pub at: Duration,
}

/// What becomes of it.
pub struct Fate {
    pub behaviour: Behaviour,
    /// The word for what goes wrong.
    pub wrong: Option<String>,
}

impl Provider {
    /// `began` is the beginning of the drill.
    pub fn new(place: Place, scene: &Arc<Scene>, began: Instant) -> Provider {
        let Incident { phases, .. } = &scene.incident;
        let protocol = place.protocol.to_string();
        let is_for = |phase: &Phase| phase.scope.is_for_provider(&place.name, &protocol, place.is_first);
        let phases: Vec<_> = phases.iter().cloned().enumerate().filter(|(_, phase)| is_for(phase)).collect();
        let load = || Load { keys: (0..=place.keys).map(|_| KeyLoad::default()).collect(), ..Load::default() };
        let loads = phases.iter().map(|_| load()).collect();
        let ledger = Ledger::new(scene.bins(), scene.arrivals.len(), place.keys);
        let state = State { loads, visits: vec![0; scene.arrivals.len()], ledger };
        Provider { place, scene: Arc::clone(scene), phases, began, state: Mutex::new(state) }
    }

    /// What it has seen.
    pub fn ledger(&self) -> Ledger {
        self.lock().ledger.clone()
    }

    /// Can it be reached now? What befalls only some requests does not break connections.
    pub fn unreachable(&self) -> Option<Unreachable> {
        let at = self.began.elapsed();
        let befalls_all = |phase: &Phase| {
            let scope = &phase.scope;
            scope.model.is_none() && scope.key.is_none() && !scope.tools && scope.share >= 1.0
        };
        let now = self.phases.iter().filter(|(_, phase)| befalls_all(phase) && phase.intensity(at) > 0.0);
        now.filter_map(|(_, phase)| phase.unreachable).next()
    }

    /// Decide, and remember.
    pub fn fate(&self, ask: &Ask<'_>) -> Fate {
        let Some(arrival) = self.scene.arrivals.get(ask.number as usize) else {
            return self.of_a_stranger();
        };
        let mut state = self.lock();
        let speed = self.scene.speeds.of(ask.model);
        let target = Chance::new(self.scene.seed).of_text(&self.place.name).of_text(ask.model);
        let visits = &mut state.visits[ask.number as usize];
        let chance = target.of(ask.number.into()).of((*visits).into());
        *visits = visits.saturating_add(1);
        let mut first_token = speed.first_token_ms.at(chance.normal("first token")) / 1e3;
        let mut tokens_per_second = speed.tokens_per_second.at(chance.normal("speed"));
        let mut wrong = None;
        for (position, (phase_number, phase)) in self.phases.iter().enumerate() {
            let intensity = phase.intensity(ask.at);
            let own = Chance::new(self.scene.seed).of(*phase_number as u64).of(ask.number.into());
            if intensity <= 0.0 || !phase.scope.is_for(ask.model, ask.key, arrival.tools, own) {
                continue;
            }
            first_token *= 1.0 + (phase.first_token - 1.0) * intensity;
            tokens_per_second *= 1.0 + (phase.speed - 1.0) * intensity;
            if wrong.is_none() {
                let tokens = f64::from(arrival.input_tokens + arrival.output_tokens);
                let load = &mut state.loads[position];
                let judge = Judge { provider: self, phase, intensity, ask, tokens };
                wrong = judge.limits(load, chance).or_else(|| judge.error(chance.of(*phase_number as u64)));
                wrong = wrong.map(|wrong| Wrong { after: phase.error_after, ..wrong });
            }
        }
        state.ledger.count(self.scene.bin(ask.at), ask, arrival, wrong.as_ref().map(|wrong| wrong.word.as_str()));
        drop(state);
        let between = f64::from(arrival.output_tokens) / tokens_per_second.max(0.01) / f64::from(arrival.pieces);
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 3_600.0));
        let behaviour = match &wrong {
            Some(Wrong { fault: fault @ (Fault::Status { .. } | Fault::StatusBody { .. }), after, .. }) => Behaviour {
                fault: fault.clone(),
                first_token: after.mul_f64(0.5 + chance.roll("error")),
                between_tokens: Duration::ZERO,
                ..Behaviour::default()
            },
            wrong => Behaviour {
                fault: wrong.as_ref().map_or(Fault::None, |wrong| wrong.fault.clone()),
                first_token: seconds(first_token),
                between_tokens: seconds(between),
                ..Behaviour::default()
            },
        };
        Fate { behaviour, wrong: wrong.map(|wrong| wrong.word) }
    }

    /// Such as a probe, which asks for nothing that could be slow.
    fn of_a_stranger(&self) -> Fate {
        let fault = match self.unreachable() {
            Some(Unreachable::Refused) => Fault::ResetBeforeHeaders,
            Some(Unreachable::Vanished) => Fault::HangBeforeHeaders,
            None => Fault::None,
        };
        Fate { behaviour: Behaviour { fault, ..Behaviour::default() }, wrong: None }
    }

    /// A panic elsewhere leaves nothing half-written behind it.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Wrong {
    word: String,
    fault: Fault,
    after: Duration,
}

/// One phase looks at one request.
struct Judge<'a> {
    provider: &'a Provider,
    phase: &'a Phase,
    intensity: f64,
    ask: &'a Ask<'a>,
    tokens: f64,
}

impl Judge<'_> {
    fn wrong(&self, word: &str, fault: Fault) -> Wrong {
        Wrong { word: word.to_owned(), fault, after: Duration::ZERO }
    }

    fn limited(&self, word: &str, retry_after: Duration) -> Wrong {
        let retry_after_s = Some(retry_after.as_secs_f64().ceil().max(1.0) as u64);
        self.wrong(word, Fault::Status { status: 429, retry_after_s })
    }

    /// While a trouble comes up, more is borne than it says.
    fn per_minute(&self, rate: Rate) -> f64 {
        let per_minute = match rate {
            Rate::PerMinute(rate) => rate,
            Rate::OfTraffic(times) => times * self.provider.scene.mean_per_minute(),
        };
        per_minute / self.intensity
    }

    /// Connection, what the key may use, what the provider bears.
    fn limits(&self, load: &mut Load, chance: Chance) -> Option<Wrong> {
        let Ask { at, key, .. } = *self.ask;
        match self.phase.unreachable {
            Some(Unreachable::Refused) => return Some(self.wrong("connection", Fault::ResetBeforeHeaders)),
            Some(Unreachable::Vanished) => return Some(self.wrong("vanished", Fault::HangBeforeHeaders)),
            None => {}
        }
        let protocol = self.provider.place.protocol;
        // Every provider has one place more than keys: for requests that show none.
        let key = key.min(load.keys.len() - 1);
        let of_key = &mut load.keys[key];
        if let Some(quota) = self.phase.quota_tokens {
            if of_key.used_tokens >= quota {
                let kind = super::incident::Kind::known("quota-exhausted");
                return Some(self.wrong(&kind.word, kind.fault(protocol, None)));
            }
            of_key.used_tokens += self.tokens as u64;
        }
        if let Some(limit) = &self.phase.limit {
            let requests = limit.requests.map(|rate| of_key.requests.take(1.0, self.per_minute(rate), at));
            let tokens = limit.tokens_per_minute.map(|rate| of_key.tokens.take(self.tokens, rate / self.intensity, at));
            if let Some(Err(retry_after)) = [requests, tokens].into_iter().flatten().find(Result::is_err) {
                return Some(self.limited("rate-limited", retry_after));
            }
        }
        if let Some(rise) = &self.phase.acceleration
            && let Err(retry_after) = of_key.rise.take(self.per_minute(rise.floor), rise.doubling, at)
        {
            return Some(self.limited("too fast a rise", retry_after));
        }
        let capacity = self.phase.capacity.as_ref()?;
        let (asked, bears) = (load.meter.count(at), self.per_minute(capacity.rate));
        let over = (asked / bears.max(1e-6) - 1.0).max(0.0);
        let served = bears / (1.0 + capacity.collapse * over);
        let is_refused = over > 0.0 && chance.roll("capacity") >= served / asked;
        is_refused.then(|| self.wrong("over capacity", capacity.kind.fault(protocol, None)))
    }

    fn error(&self, chance: Chance) -> Option<Wrong> {
        let mut roll = chance.roll("errors");
        let error = self.phase.errors.iter().find(|error| {
            roll -= error.rate * self.intensity;
            roll < 0.0
        })?;
        Some(self.wrong(&error.kind.word, error.kind.fault(self.provider.place.protocol, error.retry_after)))
    }
}

impl Director for Provider {
    fn direct(&self, seen: &Seen) -> Behaviour {
        let at = self.began.elapsed();
        let ask = Ask { number: number(&seen.body).unwrap_or(u32::MAX), model: &seen.model, key: key(seen), at };
        self.fate(&ask).behaviour
    }
}

/// Which arrival it is about: callers write it into their prompts.
fn number(body: &[u8]) -> Option<u32> {
    let from = memmem::find(body, MARK.as_bytes())? + MARK.len();
    let digits = body[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&body[from..from + digits]).ok()?.parse().ok()
}

/// Which of its keys it shows, from 1; 0 for none.
fn key(seen: &Seen) -> usize {
    let of = |text: &str| {
        let digits = text.split_once(KEY)?.1;
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().ok()
    };
    seen.headers.iter().find_map(|(_, value)| of(value)).unwrap_or(0)
}
