//! The settings that may be varied, each as a line from 0 to 1, and a point among them.

use serde_json::{Map, Number, Value};

use super::super::chance::Chance;
use crate::plugin::About;
use crate::plugin::bindings::about::{Kind, Variation};

/// Ranges that span more than so many times their beginning are gone through by factors, not by steps.
const WIDE: f64 = 20.0;
/// How far a neighbour is away, in the mean.
const STEP: f64 = 0.15;
/// A neighbour differs in this share of its settings; in one at least.
const CHANGED: f64 = 0.35;
/// What may be left out is left out in this share of the tries.
const ABSENT: f64 = 0.25;
/// Bases of the sequence that spreads points evenly.
const PRIMES: [u32; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// For each setting, from 0 to less than 1.
pub type Point = Vec<f64>;

/// See the module.
pub struct Space(Vec<Line>);

struct Line {
    name: String,
    values: Values,
    /// It means something to leave it out.
    may_be_absent: bool,
}

enum Values {
    Whole(f64, f64),
    Number(f64, f64),
    Among(Vec<Value>),
}

impl Space {
    /// What this policy declares.
    pub fn of(about: &About) -> Space {
        let lines = about.settings.iter().filter_map(|setting| {
            let values = match (&setting.variation, &setting.kind) {
                (Variation::Between(range), Kind::Whole(_)) => Values::Whole(range.min, range.max),
                (Variation::Between(range), _) => Values::Number(range.min, range.max),
                (Variation::Among(values), _) => {
                    Values::Among(values.iter().filter_map(|value| serde_json::from_str(value).ok()).collect())
                }
                (Variation::Fixed, _) => return None,
            };
            let is_empty = matches!(&values, Values::Among(values) if values.is_empty());
            let may_be_absent = setting.default.is_none();
            (!is_empty).then(|| Line { name: setting.name.clone(), values, may_be_absent })
        });
        Space(lines.collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|line| line.name.as_str())
    }

    /// The so-manieth of points that fill the space evenly (Halton's sequence; what has more settings than it is good for is
    /// filled by chance).
    pub fn spread(&self, number: usize, chance: Chance) -> Point {
        let lines = self.0.iter().enumerate();
        lines
            .map(|(position, line)| match PRIMES.get(position) {
                Some(base) => reversed(number + 1, *base),
                None => chance.roll(&line.name),
            })
            .collect()
    }

    /// One that differs a little.
    pub fn near(&self, point: &Point, chance: Chance) -> Point {
        let certain = (chance.roll("certain") * self.0.len() as f64) as usize;
        let lines = self.0.iter().zip(point).enumerate();
        lines
            .map(|(position, (line, at))| {
                let own = chance.of(position as u64);
                if position != certain && own.roll("changed") >= CHANGED {
                    return *at;
                }
                match &line.values {
                    // One word is as far from another as any.
                    Values::Among(_) => own.roll("word"),
                    Values::Whole(..) | Values::Number(..) => {
                        (at + own.normal("step") * STEP).clamp(0.0, 1.0 - f64::EPSILON)
                    }
                }
            })
            .collect()
    }

    /// These settings, but for those that vary.
    pub fn settings(&self, given: &Map<String, Value>, point: &Point) -> Map<String, Value> {
        let mut settings = given.clone();
        for (line, at) in self.0.iter().zip(point) {
            let absent = if line.may_be_absent { ABSENT } else { 0.0 };
            match *at < absent {
                true => drop(settings.remove(&line.name)),
                false => drop(settings.insert(line.name.clone(), line.values.at((at - absent) / (1.0 - absent)))),
            }
        }
        settings
    }
}

impl Values {
    fn at(&self, at: f64) -> Value {
        match self {
            // Both ends are as likely as what is between.
            Values::Whole(min, max) => {
                let value = if is_wide(*min, *max) {
                    between(*min, *max, at).round()
                } else {
                    (min + at * (max - min + 1.0)).floor()
                };
                Value::from(value.clamp(*min, *max) as i64)
            }
            Values::Number(min, max) => {
                let value = between(*min, *max, at);
                // Three digits are enough for anybody.
                let digits = 10_f64.powf(2.0 - value.abs().max(1e-9).log10().floor());
                let value = ((value * digits).round() / digits).clamp(*min, *max);
                Number::from_f64(value).map_or(Value::Null, Value::Number)
            }
            Values::Among(values) => values[((at * values.len() as f64) as usize).min(values.len() - 1)].clone(),
        }
    }
}

fn is_wide(min: f64, max: f64) -> bool {
    min >= 0.0 && max > WIDE * min.max(1.0)
}

fn between(min: f64, max: f64, at: f64) -> f64 {
    // One more, because a range may begin with nothing.
    if is_wide(min, max) { (min + 1.0) * ((max + 1.0) / (min + 1.0)).powf(at) - 1.0 } else { min + at * (max - min) }
}

/// The number's digits, read backwards behind the point.
fn reversed(mut number: usize, base: u32) -> f64 {
    let (base, mut part, mut sum) = (base as usize, 1.0, 0.0);
    while number > 0 {
        part /= base as f64;
        sum += part * (number % base) as f64;
        number /= base;
    }
    sum
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn space() -> Space {
        let line = |name: &str, values| Line { name: name.to_owned(), values, may_be_absent: name == "pace" };
        Space(vec![
            line("attempts", Values::Whole(1.0, 5.0)),
            line("hedge_after_ms", Values::Whole(100.0, 60_000.0)),
            line("share", Values::Number(0.0, 1.0)),
            line("pace", Values::Whole(1.0, 3.0)),
            line("on", Values::Among(vec![json!({}), json!({ "overloaded": "again" })])),
        ])
    }

    #[test]
    fn points_fill_the_ranges_evenly_and_never_leave_them() {
        let (space, given) =
            (space(), json!({ "order": ["a"], "attempts": 3 }).as_object().cloned().expect("an object"));
        let chance = |number: usize| Chance::new(1).of(number as u64);
        let tried: Vec<_> =
            (0..200).map(|number| space.settings(&given, &space.spread(number, chance(number)))).collect();
        for attempts in 1..=5 {
            let count = tried.iter().filter(|settings| settings["attempts"] == attempts).count();
            assert!((35..=45).contains(&count), "{attempts}: {count}");
        }
        assert!(tried.iter().all(|settings| settings["order"] == json!(["a"])));
        // By factors: as many below 2.5 s as above.
        let short = tried.iter().filter(|settings| settings["hedge_after_ms"].as_i64() < Some(2_500)).count();
        assert!((90..=110).contains(&short), "{short}");
        let absent = tried.iter().filter(|settings| !settings.contains_key("pace")).count();
        assert!((40..=60).contains(&absent), "{absent}");
        let mut point = space.spread(7, chance(7));
        for number in 0..2_000 {
            point = space.near(&point, chance(number));
            let settings = space.settings(&given, &point);
            assert!((1..=5).contains(&settings["attempts"].as_i64().expect("whole")));
            assert!((100..=60_000).contains(&settings["hedge_after_ms"].as_i64().expect("whole")));
            assert!((0.0..=1.0).contains(&settings["share"].as_f64().expect("a number")));
            assert!(settings["on"].is_object());
        }
    }
}
