//! A policy that does what none should, as its setting `how` says. With `how = "well"` it is the simplest there is.

use pointsman_sdk::policy::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hostile {
    how: String,
}

impl Policy for Hostile {
    type Settings = Hostile;

    fn open(settings: Hostile, _: Vec<Target>) -> Result<Self, String> {
        Ok(settings)
    }

    fn decide(&self, situation: &Situation) -> Decision {
        match self.how.as_str() {
            "loop" => loop {
                std::hint::black_box(0);
            },
            "bomb" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(vec![1; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            // A host that looks at the time only between instructions would never see this end.
            "copy" => {
                let mut memory = vec![1; 8 << 20];
                loop {
                    memory.copy_within(..4 << 20, 4 << 20);
                    std::hint::black_box(&memory);
                }
            }
            "wait" => wait("though nothing runs"),
            "same" => attempt(0, "again"),
            "trap" => unreachable!("on purpose"),
            "recursion" => attempt(deeper(situation.random) as usize, ""),
            "giant" => attempt(0, "x".repeat(8 << 20)),
            "nonsense" => attempt(99, "there is no such target"),
            "forever" => {
                let mut decision = attempt(situation.history.len(), "\u{1F6A6}".repeat(1000));
                if let Action::Attempt(attempt) = &mut decision.action {
                    attempt.first_token_timeout_ms = Some(u64::MAX);
                    attempt.idle_timeout_ms = Some(u64::MAX);
                }
                decision
            }
            "give-up" => give_up("before any attempt"),
            _ => attempt(situation.history.len(), "well"),
        }
    }
}

#[expect(unconditional_recursion, reason = "on purpose")]
fn deeper(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 64]);
    deeper(n + 1) + frame[(n % 64) as usize]
}

pointsman_sdk::policy!(Hostile);
