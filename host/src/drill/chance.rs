//! Chance that does not depend on what came before: each roll follows from what it is about, so that two policies that are
//! compared meet the same fates, however many attempts each of them made.

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(mixed(seed))
    }

    /// The chance of something within this.
    pub fn of(self, number: u64) -> Chance {
        Chance(mixed(self.0 ^ mixed(number)))
    }

    pub fn of_text(self, text: &str) -> Chance {
        // FNV-1a: a name is short.
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        self.of(hash)
    }

    /// From 0 to less than 1, always the same for the same question.
    pub fn roll(self, question: &str) -> f64 {
        (self.of_text(question).0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of a normal distribution around 0 with the deviation 1.
    pub fn normal(self, question: &str) -> f64 {
        let chance = self.of_text(question);
        let (one, other) = (chance.roll("one").max(f64::MIN_POSITIVE), chance.roll("other"));
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }
}

/// SplitMix64's last step.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A log-normal distribution, as latencies and lengths have. With a `p999` what lies above the 95th percentile is stretched to
/// it: models that reason have such tails.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spread {
    pub median: f64,
    pub p95: f64,
    #[serde(default)]
    pub p999: Option<f64>,
}

impl Spread {
    pub fn new(median: f64, p95: f64) -> Spread {
        Spread { median, p95, p999: None }
    }

    /// Are its values in order, and none below one?
    pub fn is_sound(self) -> bool {
        self.median >= 1.0 && self.p95 >= self.median && self.p999.is_none_or(|p999| p999 >= self.p95)
    }

    /// The value that so many standard deviations lie above the median.
    pub fn at(self, normal: f64) -> f64 {
        // Percentiles of a normal distribution, in deviations.
        const P95: f64 = 1.645;
        const P999: f64 = 3.090;
        match self.p999 {
            Some(p999) if normal > P95 => self.p95 * ((p999 / self.p95).ln() * (normal - P95) / (P999 - P95)).exp(),
            _ => self.median * ((self.p95 / self.median).ln() * normal / P95).exp(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolls_are_even_and_follow_from_their_question() {
        let chance = Chance::new(7);
        assert_eq!(chance.of(3).roll("x"), chance.of(3).roll("x"));
        assert_ne!(chance.of(3).roll("x"), chance.of(3).roll("y"));
        let mean = (0..10_000).map(|number| chance.of(number).roll("x")).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        let spread = Spread::new(100.0, 400.0);
        let mut values: Vec<f64> = (0..10_000).map(|number| spread.at(chance.of(number).normal("x"))).collect();
        values.sort_by(f64::total_cmp);
        assert!((90.0..110.0).contains(&values[5_000]) && (350.0..450.0).contains(&values[9_500]), "{}", values[9_500]);
        let heavy = Spread { p999: Some(2_000.0), ..spread };
        assert!((heavy.at(3.09) - 2_000.0).abs() < 1.0 && heavy.at(1.0) == spread.at(1.0) && heavy.is_sound());
        assert!(!Spread { p999: Some(300.0), ..spread }.is_sound() && !Spread::new(0.5, 1.0).is_sound());
    }
}
