//! What is drawn in a plot's area.

use std::fmt::Write as _;

use super::markup::{Html, html};
use super::plot::Series;
use super::scale::{Axis, Scale, WIDTH};

/// To a hundredth of a pixel, so that the same report is the same page.
pub fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A line through the bins' middles. Where there is no value, it is broken, and a value alone is a dot.
pub fn line(series: &Series, axis: &Axis, scale: &Scale) -> Html {
    let values = &series.values;
    let mut path = String::new();
    for (bin, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let has = |neighbour: Option<usize>| neighbour.and_then(|at| *values.get(at)?).is_some();
        let (has_one, has_other) = (has(bin.checked_sub(1)), has(bin.checked_add(1)));
        let letter = if has_one { 'L' } else { 'M' };
        // Writing to a String cannot fail.
        let _ = write!(path, "{letter}{} {}", number(axis.middle(bin)), number(scale.y(*value)));
        if !has_one && !has_other {
            path.push_str("h.01");
        }
    }
    html("<path class=\"line {}\" d=\"{}\"/>", &[&series.class, &path])
}

/// Shares of a whole, one on the other: each is as high in a bin as its share of all.
pub fn stack(all: &[Series], axis: &Axis, height: f64) -> Html {
    let bins = all.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let value = |series: &Series, bin: usize| series.values.get(bin).copied().flatten().unwrap_or(0.0);
    let mut below = vec![0.0; bins];
    let mut shapes = Html::default();
    for series in all {
        let mut path = String::new();
        for (bin, below) in below.iter_mut().enumerate() {
            let whole: f64 = all.iter().map(|series| value(series, bin)).sum();
            let share = value(series, bin) / whole.max(f64::MIN_POSITIVE);
            if share <= 0.0 {
                continue;
            }
            let ((from, to), bottom) = (axis.edges(bin), height * (1.0 - *below));
            *below += share;
            let top = height * (1.0 - *below).max(0.0);
            let _ =
                write!(path, "M{} {}H{}V{}H{}Z", number(from), number(bottom), number(to), number(top), number(from));
        }
        shapes.add("<path class=\"fill {}\" d=\"{}\"/>", &[&series.class, &path]);
    }
    shapes
}

/// A band: in each bin as high as its value, from 0 to 100.
pub fn band(series: &Series, axis: &Axis, top: f64, height: f64) -> Html {
    let mut path = String::new();
    for (bin, value) in series.values.iter().enumerate() {
        let share = value.unwrap_or(0.0).clamp(0.0, 100.0) / 100.0;
        if share > 0.0 {
            let ((from, to), bottom) = (axis.edges(bin), top + height);
            let reaches = bottom - height * share;
            let _ = write!(
                path,
                "M{} {}H{}V{}H{}Z",
                number(from),
                number(bottom),
                number(to),
                number(reaches),
                number(from)
            );
        }
    }
    let (y, height) = (number(top), number(height));
    html(
        "<rect class=\"bed\" x=\"0\" y=\"{}\" width=\"{}\" height=\"{}\"/><path class=\"fill out\" d=\"{}\"/>",
        &[&y, &WIDTH, &height, &path],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIS: Axis = Axis { lasts_s: 400, bin_s: 100, phases: &[] };

    fn series(values: &[Option<f64>]) -> Series {
        Series { label: "a".to_owned(), class: "p0".to_owned(), values: values.to_vec() }
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured() {
        let scale = Scale::of([].into_iter(), (0.0, 10.0), 100.0);
        let drawn = line(&series(&[Some(0.0), Some(10.0), None, Some(5.0)]), &AXIS, &scale);
        let expected = "<path class=\"line p0\" d=\"M125 100L375 0M875 50h.01\"/>";
        assert_eq!(drawn.into_string(), expected);
    }

    #[test]
    fn a_stack_fills_its_height_and_no_more() {
        let all = [series(&[Some(1.0), None, Some(3.0)]), series(&[Some(3.0), None, None])];
        let expected = "<path class=\"fill p0\" d=\"M0 100H250V75H0ZM500 100H750V0H500Z\"/>\
                        <path class=\"fill p0\" d=\"M0 75H250V0H0Z\"/>";
        assert_eq!(stack(&all, &AXIS, 100.0).into_string(), expected);
    }

    #[test]
    fn a_band_is_as_high_as_its_share() {
        let drawn = band(&series(&[Some(0.0), Some(50.0), Some(200.0), None]), &AXIS, 10.0, 20.0).into_string();
        assert!(drawn.ends_with("d=\"M250 30H500V20H250ZM500 30H750V10H500Z\"/>"), "{drawn}");
    }
}
