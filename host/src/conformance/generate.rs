//! Situations as the host could meet them: rarely calm, and the same for the same seed.

use crate::plugin::bindings::faults::FaultKind;
use crate::plugin::bindings::policy::{
    AttemptReport, Attribute, Circuit, Price, RequestFacts, RunningAttempt, Situation, Target, TargetState,
};

/// Attempts that the host allows for one request, at most.
const ATTEMPTS_MAX: u32 = 5;

/// See the module.
pub struct Generator {
    random: fastrand::Rng,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator { random: fastrand::Rng::with_seed(seed) }
    }

    /// `p0/m`, `p1/m` and so on, of various weights.
    pub fn targets(&mut self, count: usize) -> Vec<Target> {
        (0..count)
            .map(|position| Target { weight: self.random.u32(1..10), ..super::target(&format!("p{position}/m")) })
            .collect()
    }

    /// Of a route with so many targets. Numbers hang together: so many attempts are left as were not made.
    pub fn situation(&mut self, count: usize) -> Situation {
        let targets: Vec<TargetState> = (0..count).map(|_| self.state()).collect();
        let mut history = Vec::new();
        let mut elapsed_ms = 0_u64;
        for _ in 0..self.random.u32(0..ATTEMPTS_MAX) {
            let report = self.report(count, elapsed_ms);
            elapsed_ms = elapsed_ms.saturating_add(report.elapsed_ms);
            history.push(report);
        }
        let made = history.iter().filter(|report| report.fault != FaultKind::Busy).count();
        let mut left = ATTEMPTS_MAX.saturating_sub(u32::try_from(made).unwrap_or(ATTEMPTS_MAX)).max(1);
        let mut running = Vec::new();
        if self.random.u8(0..4) == 0 {
            let first = self.position(count);
            running.push(RunningAttempt { target: first, started_at_ms: elapsed_ms });
            elapsed_ms = elapsed_ms.saturating_add(self.ms());
            let second = self.position(count);
            if self.random.bool() && second != first && left > 2 {
                running.push(RunningAttempt { target: second, started_at_ms: elapsed_ms });
            }
            left = left.saturating_sub(u32::try_from(running.len()).unwrap_or(1)).max(1);
        }
        Situation {
            request: self.request(),
            targets,
            history,
            running,
            elapsed_ms,
            remaining_ms: self.random.u64(1..120_000),
            attempts_left: left,
            now_unix_ms: self.random.u64(1_700_000_000_000..1_900_000_000_000),
            random: self.random.u64(..),
            sequence: self.random.u64(0..1_000_000),
            attributes: Vec::new(),
        }
    }

    fn request(&mut self) -> RequestFacts {
        let random = &mut self.random;
        let body_bytes = 1_u64 << random.u32(4..25);
        RequestFacts {
            operation: one_of(random, &["chat", "chat", "embeddings", "count-tokens"]).to_owned(),
            protocol: one_of(random, &["openai-chat", "openai-responses", "anthropic-messages", "gemini"]).to_owned(),
            stream: random.bool(),
            body_bytes,
            input_tokens_estimate: body_bytes / 4,
            tools: random.bool(),
            images: random.bool(),
            documents: random.bool(),
            audio: random.bool(),
            caller: one_of(random, &["", "team-a", "team-b"]).to_owned(),
            conversation: random.u64(0..4),
            continuing: random.u8(0..10) == 0,
            attributes: match random.bool() {
                true => vec![Attribute { name: "header.x-team".to_owned(), value: "a".to_owned() }],
                false => Vec::new(),
            },
        }
    }

    fn state(&mut self) -> TargetState {
        let retry_after_ms = if self.random.u8(0..5) == 0 { self.ms() } else { 0 };
        let circuit = match self.random.u8(0..6) {
            0 => Circuit::Open,
            1 => Circuit::HalfOpen,
            _ => Circuit::Closed,
        };
        let out_ms = if circuit == Circuit::Closed { 0 } else { self.ms() };
        let samples = if self.random.bool() { 0 } else { self.random.u32(1..500) };
        TargetState {
            able: self.random.u8(0..6) > 0,
            circuit,
            ready_in_ms: out_ms.max(retry_after_ms),
            retry_after_ms,
            samples,
            success_rate: if samples == 0 { 1.0 } else { share(&mut self.random) },
            first_token_ms: (samples > 0).then(|| f64::from(self.random.u32(50..30_000))),
            in_flight: self.random.u32(0..50),
            room: self.maybe(|random| random.u32(0..5)),
            headroom: self.maybe(share),
            price: self.maybe(|random| Price { input: 20.0 * share(random), output: 80.0 * share(random) }),
            warm_ms: self.maybe(|random| random.u64(0..900_000)),
            attributes: match circuit {
                Circuit::Closed => Vec::new(),
                _ => vec![Attribute { name: "out-since-ms".to_owned(), value: self.ms().to_string() }],
            },
        }
    }

    fn report(&mut self, count: usize, started_at_ms: u64) -> AttemptReport {
        let fault = FaultKind::ALL[self.random.usize(..FaultKind::ALL.len())];
        AttemptReport {
            target: self.position(count),
            started_at_ms,
            elapsed_ms: self.random.u64(0..30_000),
            fault,
            status: one_of(&mut self.random, &[0, 400, 429, 500, 503, 529]),
            retry_after_ms: self.maybe(|random| random.u64(0..60_000)),
            attributes: Vec::new(),
        }
    }

    fn position(&mut self, count: usize) -> u32 {
        self.random.u32(..u32::try_from(count).unwrap_or(u32::MAX).max(1))
    }

    /// An ordinary time, or an absurd one.
    fn ms(&mut self) -> u64 {
        if self.random.u8(0..12) == 0 { u64::MAX } else { self.random.u64(1..100_000) }
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut fastrand::Rng) -> T) -> Option<T> {
        self.random.bool().then(|| make(&mut self.random))
    }
}

/// 0 to 1, in steps that are exact in JSON, too.
fn share(random: &mut fastrand::Rng) -> f64 {
    f64::from(random.u8(0..=64)) / 64.0
}

fn one_of<T: Copy>(random: &mut fastrand::Rng, choices: &[T]) -> T {
    choices[random.usize(..choices.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_situations_of_every_kind() {
        let make = |seed| {
            let mut generator = Generator::new(seed);
            (0..300).map(|number| generator.situation(1 + number % 6)).collect::<Vec<_>>()
        };
        let made = make(1);
        assert!(made == make(1) && made != make(2));
        for fault in FaultKind::ALL {
            assert!(
                made.iter().flat_map(|situation| &situation.history).any(|report| report.fault == fault),
                "{fault:?}"
            );
        }
        assert!(made.iter().any(|situation| situation.running.len() == 2));
        assert!(made.iter().any(|situation| situation.targets.iter().all(|state| !state.able)));
        for situation in made {
            let told = serde_json::to_string(&situation).expect("JSON");
            assert_eq!(serde_json::from_str::<Situation>(&told).expect("the same"), situation);
        }
    }
}
