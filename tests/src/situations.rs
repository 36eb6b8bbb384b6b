//! Situations for policies, made from a seed: every field takes all the shapes that it may have.

use pointsman::plugin::RouteTarget;
use pointsman::plugin::bindings::faults::FaultKind;
use pointsman::plugin::bindings::policy::{
    AttemptReport, Attribute, Circuit, Price, RequestFacts, RunningAttempt, Situation, TargetState,
};

/// So many targets of a route.
pub fn targets(count: usize) -> Vec<RouteTarget> {
    let target = |number: usize| RouteTarget {
        id: format!("provider-{number}/model-{number}"),
        provider: format!("provider-{number}"),
        model: format!("model-{number}"),
        weight: 1,
        attributes: vec![attribute("context-tokens", "200000")],
    };
    (0..count).map(target).collect()
}

/// One after the other, the same from the same seed.
pub struct Situations {
    random: fastrand::Rng,
}

impl Situations {
    pub fn seeded(seed: u64) -> Self {
        Situations { random: fastrand::Rng::with_seed(seed) }
    }

    pub fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    /// With so many targets, of which some were tried.
    pub fn next(&mut self, targets: usize) -> Situation {
        let tried = if targets == 0 { 0 } else { self.random.usize(0..=targets + 1) };
        Situation {
            request: self.request(),
            targets: (0..targets).map(|_| self.target()).collect(),
            history: (0..tried).map(|_| self.report(targets)).collect(),
            running: self.running(targets),
            elapsed_ms: self.number(),
            remaining_ms: self.number(),
            attempts_left: self.random.u32(..),
            now_unix_ms: self.random.u64(1_700_000_000_000..1_900_000_000_000),
            random: self.number(),
            sequence: self.number(),
            attributes: vec![attribute("a-later-fact", "1")],
        }
    }

    /// Nearly always nothing: else a policy has little to say.
    fn running(&mut self, targets: usize) -> Vec<RunningAttempt> {
        let count = if self.random.u8(..5) == 0 { targets.min(1) } else { 0 };
        (0..count).map(|_| RunningAttempt { target: 0, started_at_ms: self.number() }).collect()
    }

    fn request(&mut self) -> RequestFacts {
        RequestFacts {
            operation: "chat".to_owned(),
            protocol: "anthropic-messages".to_owned(),
            stream: self.random.bool(),
            body_bytes: self.number(),
            input_tokens_estimate: self.number(),
            tools: self.random.bool(),
            images: self.random.bool(),
            documents: self.random.bool(),
            audio: self.random.bool(),
            caller: "Grüße 🚦".to_owned(),
            conversation: self.number(),
            continuing: self.random.bool(),
            attributes: vec![attribute("header.x-team", "blue")],
        }
    }

    fn target(&mut self) -> TargetState {
        TargetState {
            able: self.random.u8(..) > 60,
            circuit: *self.one_of(&[Circuit::Closed, Circuit::HalfOpen, Circuit::Open]),
            ready_in_ms: if self.random.bool() { 0 } else { self.number() },
            retry_after_ms: self.number(),
            samples: self.random.u32(..),
            success_rate: self.random.f64(),
            first_token_ms: self.perhaps(|this| this.random.f64() * 1e4),
            in_flight: self.random.u32(..),
            room: self.perhaps(|this| this.random.u32(..)),
            headroom: self.perhaps(|this| this.random.f64()),
            price: self.perhaps(|this| Price { input: this.random.f64(), output: this.random.f64() }),
            warm_ms: self.perhaps(Self::number),
            attributes: vec![attribute("out-since-ms", "900")],
        }
    }

    fn report(&mut self, targets: usize) -> AttemptReport {
        AttemptReport {
            target: u32::try_from(self.random.usize(0..targets)).unwrap_or_default(),
            started_at_ms: self.number(),
            elapsed_ms: self.number(),
            fault: match self.random.u8(..8) {
                0 => *self.one_of(&FaultKind::ALL),
                _ => *self.one_of(&[FaultKind::Overloaded, FaultKind::TimedOut, FaultKind::AdapterFailed]),
            },
            status: self.random.u16(..),
            retry_after_ms: self.perhaps(Self::number),
            attributes: Vec::new(),
        }
    }

    /// Of any magnitude: 0 and 2^64 - 1 are among them.
    fn number(&mut self) -> u64 {
        match self.random.u8(..8) {
            0 => 0,
            1 => u64::MAX,
            _ => self.random.u64(..) >> self.random.u8(..64),
        }
    }

    fn perhaps<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Option<T> {
        self.random.bool().then(|| make(self))
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.random.usize(..all.len())]
    }
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), value: value.to_owned() }
}
