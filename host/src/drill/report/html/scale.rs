//! Where values and times are on a plot, and which of them stand at its edges.

use super::super::{PhaseView, Report};

/// A plot is so many units wide, however wide it is shown.
pub const WIDTH: f64 = 1_000.0;
/// Between two lines of the grid there is room for a few words.
const VALUE_STEPS_MAX: f64 = 5.0;
const TIME_STEPS_MAX: u64 = 6;
const TIME_STEPS_S: [u64; 11] = [60, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400];

/// Time, from left to right: the same on all plots of a report.
pub struct Axis<'a> {
    pub lasts_s: u64,
    pub bin_s: u64,
    pub phases: &'a [PhaseView],
}

impl<'a> Axis<'a> {
    pub fn of(report: &'a Report) -> Axis<'a> {
        Axis { lasts_s: report.lasts_s.max(1), bin_s: report.bin_s.max(1), phases: &report.phases }
    }

    /// From 0 to 100.
    pub fn percent(&self, at_s: u64) -> f64 {
        at_s.min(self.lasts_s) as f64 / self.lasts_s as f64 * 100.0
    }

    pub fn x(&self, at_s: u64) -> f64 {
        self.percent(at_s) * WIDTH / 100.0
    }

    /// Left and right edge of a bin.
    pub fn edges(&self, bin: usize) -> (f64, f64) {
        let from = bin as u64 * self.bin_s;
        (self.x(from), self.x(from + self.bin_s))
    }

    /// The last one may be shorter.
    pub fn bin_lasts_s(&self, bin: usize) -> u64 {
        self.bin_s.min(self.lasts_s.saturating_sub(bin as u64 * self.bin_s)).max(1)
    }

    pub fn middle(&self, bin: usize) -> f64 {
        let (from, to) = self.edges(bin);
        f64::midpoint(from, to)
    }

    pub fn ticks(&self) -> impl Iterator<Item = u64> {
        let fits = |step: &u64| self.lasts_s / step <= TIME_STEPS_MAX;
        let step = TIME_STEPS_S.into_iter().find(fits).unwrap_or(self.lasts_s.div_ceil(TIME_STEPS_MAX));
        (0..=self.lasts_s).step_by(usize::try_from(step).unwrap_or(usize::MAX))
    }
}

/// Values, from the bottom to the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    pub low: f64,
    pub high: f64,
    step: f64,
    pub height: f64,
}

impl Scale {
    /// At least what is `always` shown, and all values; both ends are round.
    pub fn of(values: impl Iterator<Item = f64>, always: (f64, f64), height: f64) -> Scale {
        let values = values.filter(|value| value.is_finite());
        let (low, high) = values.fold(always, |(low, high), value| (low.min(value), high.max(value)));
        let least = ((high - low) / VALUE_STEPS_MAX).max(1e-9);
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| *step >= least * 0.999_999);
        let step = step.unwrap_or(10.0 * power);
        // What is at the end of a step but for the last bit of a number needs no other step.
        let (low, high) = ((low / step + 1e-6).floor() * step, (high / step - 1e-6).ceil() * step);
        Scale { low, high, step, height }
    }

    pub fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(1e-9);
        (1.0 - part.clamp(0.0, 1.0)) * self.height
    }

    pub fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.step).round() as u32;
        (0..=count).map(|number| self.low + f64::from(number) * self.step)
    }

    /// With as many decimals as two neighbours need to differ.
    pub fn told(&self, tick: f64) -> String {
        let decimals = (-self.step.log10().floor()).clamp(0.0, 6.0) as usize;
        format!("{:.decimals$}", tick + 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[f64], always: (f64, f64)) -> Vec<String> {
        let scale = Scale::of(values.iter().copied(), always, 100.0);
        scale.ticks().map(|tick| scale.told(tick)).collect()
    }

    #[test]
    fn a_scale_has_round_ends_and_holds_everything() {
        assert_eq!(told(&[], (0.0, 100.0)), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(told(&[7.3], (0.0, 1.0)), ["0", "2", "4", "6", "8"]);
        assert_eq!(told(&[1.07, 1.31], (1.0, 1.2)), ["1.0", "1.1", "1.2", "1.3", "1.4"]);
        assert_eq!(told(&[0.8], (1.0, 1.1)), ["0.8", "0.9", "1.0", "1.1"]);
        assert_eq!(told(&[f64::NAN], (0.0, 0.02)), ["0.000", "0.005", "0.010", "0.015", "0.020"]);
        let scale = Scale::of([40.0].into_iter(), (0.0, 10.0), 100.0);
        assert_eq!([0.0, 10.0, 40.0, 99.0].map(|value| scale.y(value)), [100.0, 75.0, 0.0, 0.0]);
    }

    #[test]
    fn time_goes_from_edge_to_edge_with_few_ticks() {
        for lasts_s in [59, 720, 5_400, 23_400, 604_800] {
            let axis = Axis { lasts_s, bin_s: 600, phases: &[] };
            assert!((1..=8).contains(&axis.ticks().count()), "{lasts_s}");
            assert_eq!((axis.x(0), axis.x(lasts_s), axis.x(lasts_s * 2)), (0.0, WIDTH, WIDTH));
        }
        // The last bin is cut at the end.
        let axis = Axis { lasts_s: 1_000, bin_s: 600, phases: &[] };
        assert_eq!((axis.edges(1), axis.middle(1), axis.bin_lasts_s(1)), ((600.0, 1_000.0), 800.0, 400));
    }
}
