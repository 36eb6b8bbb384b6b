//! A plot over time: title, legend of the incident's phases, grid, shapes, and the same numbers as a table.

use super::super::words::{clock, percent};
use super::markup::{Html, html};
use super::scale::{Axis, Scale, WIDTH};
use super::shape::{self, number};

/// Phases that get a line with their name; the others are shaded only.
const NAMED_MAX: usize = 5;
const LANE: f64 = 14.0;
/// Letters of a name in a lane.
const NAME_CHARS: usize = 36;
/// A band with the name above it.
const ROW: f64 = 30.0;
const BAND: f64 = 12.0;

/// What is shown, bin by bin.
#[derive(Clone, Debug)]
pub struct Series {
    pub label: String,
    /// Its colour and dashes.
    pub class: String,
    pub values: Vec<Option<f64>>,
}

/// How values are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 100.
    Percent,
    Seconds,
    Times,
    Count,
}

impl Unit {
    fn told(self, value: f64) -> String {
        match self {
            Unit::Percent => percent(value / 100.0),
            Unit::Seconds => format!("{value:.2} s"),
            Unit::Times => format!("{value:.2}x"),
            Unit::Count => format!("{value:.2}"),
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Unit::Percent => "%",
            Unit::Seconds => " s",
            Unit::Times => "x",
            Unit::Count => "",
        }
    }
}

pub enum Kind {
    /// What is shown whatever the values are.
    Lines {
        always: (f64, f64),
        height: f64,
    },
    Stack {
        height: f64,
    },
    /// A row for each.
    Bands,
}

pub struct Plot<'a> {
    pub axis: &'a Axis<'a>,
    pub title: String,
    /// What the values are, with their unit.
    pub about: &'static str,
    pub unit: Unit,
    pub kind: Kind,
    pub series: Vec<Series>,
    /// More of its place on the page, such as `wide`.
    pub class: &'static str,
}

impl Plot<'_> {
    pub fn drawn(&self) -> Html {
        let height = match self.kind {
            Kind::Lines { height, .. } | Kind::Stack { height } => height,
            Kind::Bands => self.series.len() as f64 * ROW,
        };
        let lanes = self.axis.phases.len().min(NAMED_MAX) as f64 * LANE;
        let (height_, lanes_) = (number(height), number(lanes));
        let inner = html(
            "<svg class=\"shapes\" viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" width=\"100%\" height=\"{}\">{}</svg>",
            &[&WIDTH, &height_, &height_, &self.shapes(height)],
        );
        let area = html(
            "<svg class=\"area\" role=\"img\" aria-label=\"{}: {}, over time. The table below has the numbers.\" \
             width=\"100%\" height=\"{}\">{}{}{}{}<line class=\"cursor\" y1=\"0\" y2=\"{}\"/></svg>",
            &[
                &self.title,
                &self.about,
                &height_,
                &self.phases(height, lanes),
                &self.grid(height),
                &inner,
                &self.names(),
                &height_,
            ],
        );
        html(
            "<figure class=\"plot {}\"><figcaption><b>{}</b> <span>{}</span></figcaption>\
             <div class=\"frame\" style=\"padding-top:{}px\">{}</div>\
             <div class=\"readout\" role=\"status\"></div>{}</figure>\n",
            &[&self.class, &self.title, &self.about, &lanes_, &area, &self.table()],
        )
    }

    fn scale(&self, height: f64) -> Option<Scale> {
        let Kind::Lines { always, .. } = self.kind else { return None };
        Some(Scale::of(self.series.iter().flat_map(|series| series.values.iter().copied().flatten()), always, height))
    }

    fn shapes(&self, height: f64) -> Html {
        match (&self.kind, self.scale(height)) {
            (Kind::Stack { .. }, _) => shape::stack(&self.series, self.axis, height),
            (Kind::Lines { .. }, Some(scale)) => {
                // The first one is the most important: it lies on top.
                self.series.iter().rev().map(|series| shape::line(series, self.axis, &scale)).collect()
            }
            (Kind::Bands | Kind::Lines { .. }, _) => {
                let top = |row: usize| (row + 1) as f64 * ROW - BAND - 2.0;
                let row = |(row, series): (usize, &Series)| shape::band(series, self.axis, top(row), BAND);
                self.series.iter().enumerate().map(row).collect()
            }
        }
    }

    /// Above the bands.
    fn names(&self) -> Html {
        let row = |(row, series): (usize, &Series)| {
            let y = number((row + 1) as f64 * ROW - BAND - 6.0);
            html("<text class=\"name\" x=\"0\" y=\"{}\">{}</text>", &[&y, &series.label])
        };
        let rows = self.series.iter().enumerate().filter(|_| matches!(self.kind, Kind::Bands));
        rows.map(row).collect()
    }

    fn grid(&self, height: f64) -> Html {
        let mut grid = Html::default();
        let mut level = |y: f64, text: &str| {
            let y = number(y);
            grid.add("<line class=\"level\" x2=\"100%\" y1=\"{}\" y2=\"{}\"/>", &[&y, &y]);
            grid.add("<text class=\"value\" x=\"-6\" y=\"{}\" dy=\".32em\">{}</text>", &[&y, &text]);
        };
        match (&self.kind, self.scale(height)) {
            (_, Some(scale)) => {
                scale.ticks().for_each(|tick| level(scale.y(tick), &(scale.told(tick) + self.unit.suffix())));
            }
            (Kind::Stack { .. }, _) => {
                [0.0, 0.5, 1.0].iter().for_each(|share| level(height * (1.0 - share), &format!("{}%", share * 100.0)));
            }
            (Kind::Bands | Kind::Lines { .. }, _) => {}
        }
        for tick in self.axis.ticks() {
            let (x, y, below) = (number(self.axis.percent(tick)), number(height), number(height + 16.0));
            grid.add(
                "<line class=\"tick\" x1=\"{}%\" x2=\"{}%\" y1=\"{}\" y2=\"{}\"/>",
                &[&x, &x, &y, &number(height + 4.0)],
            );
            grid.add("<text class=\"time\" x=\"{}%\" y=\"{}\">{}</text>", &[&x, &below, &clock(tick)]);
        }
        grid
    }

    /// Shaded, and named in lanes above the area: they may overlap.
    fn phases(&self, height: f64, lanes: f64) -> Html {
        let phase = |(lane, phase): (usize, &super::PhaseView)| {
            let (from, to) = (self.axis.percent(phase.from_s), self.axis.percent(phase.to_s));
            let (x, width) = (number(from), number(to - from));
            let mut drawn = html(
                "<rect class=\"phase\" x=\"{}%\" y=\"0\" width=\"{}%\" height=\"{}\"/>",
                &[&x, &width, &number(height)],
            );
            if lane < NAMED_MAX {
                let top = lane as f64 * LANE - lanes;
                drawn.add(
                    "<rect class=\"lane\" x=\"{}%\" y=\"{}\" width=\"{}%\" height=\"2\"/>",
                    &[&x, &number(top + LANE - 3.0), &width],
                );
                // It may be longer than its phase, but must not leave the plot.
                let (at, end) = if from > 50.0 { (number(to), "end") } else { (x, "") };
                let name: String = phase.name.chars().take(NAME_CHARS).collect();
                let text = number(top + LANE - 5.0);
                drawn.add("<text class=\"phase-name {}\" x=\"{}%\" y=\"{}\">{}</text>", &[&end, &at, &text, &name]);
            }
            drawn
        };
        self.axis.phases.iter().enumerate().map(phase).collect()
    }

    /// The readout takes its words from here.
    fn table(&self) -> Html {
        let head: Html = self.series.iter().map(|series| html("<th scope=\"col\">{}</th>", &[&series.label])).collect();
        let bins = self.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
        let row = |bin: usize| {
            let value = |series: &Series| {
                let value = series.values.get(bin).copied().flatten();
                html("<td>{}</td>", &[&value.map_or_else(|| "-".to_owned(), |value| self.unit.told(value))])
            };
            let cells: Html = self.series.iter().map(value).collect();
            html("<tr><th scope=\"row\">{}</th>{}</tr>", &[&clock(bin as u64 * self.axis.bin_s), &cells])
        };
        let rows: Html = (0..bins).map(row).collect();
        html(
            "<details><summary>Numbers</summary><div class=\"wide-table\"><table><caption>{}: {}</caption>\
             <thead><tr><th scope=\"col\">Time</th>{}</tr></thead><tbody>{}</tbody></table></div></details>",
            &[&self.title, &self.about, &head, &rows],
        )
    }
}
