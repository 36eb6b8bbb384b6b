//! The morning's timetable: what befalls the first provider, and when.

use std::time::Duration;

/// What the first provider is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Calm,
    /// The main model answers 40 % of its requests with 529.
    Errors,
    /// The first token takes ten times as long, and tokens come at a fifth of their rate.
    Slow,
    /// Requests are accepted, and nothing comes back. Streams that run fall silent as well.
    Silent,
    /// Status 200 and the opening frames (or half a body), then nothing.
    HalfDead,
}

/// A part of the morning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub name: &'static str,
    pub weather: Weather,
    pub from: Duration,
    pub to: Duration,
}

/// Name, weather, and length as a share of the morning. Each trouble is followed by a calm: the next trouble finds the traffic
/// at the first provider again, and the return to it takes at most 15 s of the 18 s that it has in the shortest morning.
const PLAN: [(&str, Weather, u32); 9] = [
    ("calm", Weather::Calm, 20),
    ("errors", Weather::Errors, 10),
    ("after errors", Weather::Calm, 12),
    ("slow", Weather::Slow, 10),
    ("after slow", Weather::Calm, 18),
    ("silence", Weather::Silent, 10),
    ("after silence", Weather::Calm, 18),
    ("half-dead", Weather::HalfDead, 8),
    ("after half-dead", Weather::Calm, 18),
];

/// The phases in their order, without gaps.
#[derive(Clone, Debug)]
pub struct Morning {
    pub phases: Vec<Phase>,
}

impl Morning {
    pub fn lasting(length: Duration) -> Morning {
        let whole: u32 = PLAN.iter().map(|(_, _, share)| share).sum();
        let mut from = Duration::ZERO;
        let phases = PLAN.iter().map(|(name, weather, share)| {
            let to = from + length * *share / whole;
            let phase = Phase { name, weather: *weather, from, to };
            from = to;
            phase
        });
        Morning { phases: phases.collect() }
    }

    pub fn lasts(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.to)
    }

    /// What comes after the end belongs to the last phase.
    pub fn weather(&self, at: Duration) -> Weather {
        self.phases.iter().find(|phase| at < phase.to).map_or(Weather::Calm, |phase| phase.weather)
    }

    /// When the next silence falls, seen from this time.
    pub fn next_silence(&self, at: Duration) -> Option<Duration> {
        let falls = |phase: &&Phase| phase.weather == Weather::Silent && phase.from > at;
        self.phases.iter().find(falls).map(|phase| phase.from)
    }
}

impl Phase {
    pub fn contains(&self, at: Duration) -> bool {
        (self.from..self.to).contains(&at)
    }

    pub fn is_bad(&self) -> bool {
        self.weather != Weather::Calm
    }
}

#[test]
fn phases_follow_one_another_and_fill_the_morning() {
    let morning = Morning::lasting(Duration::from_secs(124));
    assert!(morning.phases.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].is_bad() != pair[1].is_bad()));
    assert_eq!(morning.lasts(), Duration::from_secs(124));
    assert_eq!(morning.weather(Duration::from_secs(25)), Weather::Errors);
    assert_eq!(morning.weather(Duration::from_secs(500)), Weather::Calm);
    assert_eq!(morning.next_silence(Duration::ZERO), Some(Duration::from_secs(70)));
    assert_eq!(morning.next_silence(Duration::from_secs(70)), None);
}
