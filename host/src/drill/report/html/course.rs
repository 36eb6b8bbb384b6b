//! The plots: how it went over time.

use std::collections::BTreeSet;

use super::super::headline::name;
use super::super::{Bin, Report, Run, SDK_RETRIES};
use super::answerers;
use super::markup::{Html, html};
use super::plot::{Kind, Plot, Series, Unit};
use super::scale::Axis;
use super::tables;
use crate::drill::LedgerBin;

const HIGH: f64 = 190.0;
pub const LOW: f64 = 130.0;
/// Colours that can be told apart.
const LINES: usize = 8;
/// Classes of the lines of what would have been without: each request once, and with the SDKs' retries.
const STRAIGHT: [&str; 2] = ["straight", "sdk-retries"];

pub fn sections(report: &Report) -> Html {
    let axis = &Axis::of(report);
    html(
        "<section><h2>What callers saw</h2>{}<div class=\"plots\">{}</div></section>\n\
         <section><h2>Who answered</h2>{}<div class=\"plots\">{}</div></section>\n\
         <section><h2>Whose breaker was not closed</h2>\
         <p class=\"note\">The share of the time in which a target was out, or being tried again.</p>\
         <div class=\"plots\">{}</div></section>\n\
         <section><h2>What each provider saw</h2>\
         <p class=\"note\">Amplification is the times that a request came to it: 1x is each once.</p>\
         {}<div class=\"plots pairs\">{}</div>{}</section>\n",
        &[
            &legend_of_runs(report, true),
            &callers(report, axis),
            &answerers::legend(report),
            &answerers::plots(report, axis),
            &breakers(report, axis),
            &legend_of_runs(report, false),
            &providers(report, axis),
            &tables::providers(report),
        ],
    )
}

/// A line for each policy, and for none.
fn lines(report: &Report, value: impl Fn(&Bin) -> Option<f64>) -> Vec<Series> {
    let series = |run: &Run, class: String, label: &str| Series {
        label: label.to_owned(),
        class,
        values: run.bins.iter().map(&value).collect(),
    };
    let runs = report.runs.iter().enumerate().map(|(number, run)| series(run, line_class(number), name(report, run)));
    let alone = report.baselines().map(|(label, run)| series(run, straight_class(label), label));
    runs.chain(alone).collect()
}

fn straight_class(label: &str) -> String {
    STRAIGHT[usize::from(label == SDK_RETRIES)].to_owned()
}

fn line_class(number: usize) -> String {
    format!("p{}", number % LINES)
}

fn callers(report: &Report, axis: &Axis) -> Html {
    let plot = |title: &str, about, unit, always, series| Plot {
        axis,
        title: title.to_owned(),
        about,
        unit,
        kind: Kind::Lines { always, height: LOW },
        series,
        class: "",
    };
    let with_straight = |value: fn(&Bin) -> Option<f64>| lines(report, value);
    let only_runs = |value: fn(&Bin) -> Option<f64>| {
        let mut series = lines(report, value);
        series.truncate(report.runs.len());
        series
    };
    let success = |bin: &Bin| bin.success.map(|success| success * 100.0);
    let lost = |bin: &Bin| (bin.requests > 0).then(|| 100.0 - bin.answered as f64 * 100.0 / bin.requests as f64);
    let bins = report.straight.bins.iter().enumerate();
    let asked = bins.map(|(number, bin)| Some(bin.requests as f64 * 60.0 / axis.bin_lasts_s(number) as f64));
    let asked = vec![Series { label: "all callers".to_owned(), class: "asked".to_owned(), values: asked.collect() }];
    let to_first = "to the first token, streamed, s";
    let plots = [
        Plot {
            kind: Kind::Lines { always: (0.0, 100.0), height: HIGH },
            class: "wide",
            ..plot("Success rate", "% of requests answered", Unit::Percent, (0.0, 100.0), with_straight(success))
        },
        Plot {
            kind: Kind::Lines { always: (0.0, 1.0), height: HIGH },
            ..plot("Lost, policies only", "% of requests, enlarged", Unit::Percent, (0.0, 1.0), only_runs(lost))
        },
        plot("p50", to_first, Unit::Seconds, (0.0, 1.0), with_straight(|bin| s(bin.first_token_ms.p50))),
        plot("p95", to_first, Unit::Seconds, (0.0, 1.0), with_straight(|bin| s(bin.first_token_ms.p95))),
        plot("p99", to_first, Unit::Seconds, (0.0, 1.0), with_straight(|bin| s(bin.first_token_ms.p99))),
        plot(
            "Attempts",
            "per request",
            Unit::Count,
            (1.0, 1.2),
            only_runs(|bin| (bin.requests > 0).then_some(bin.attempts)),
        ),
        plot("Cost", "times that of the first targets", Unit::Times, (0.9, 1.1), only_runs(|bin| bin.cost)),
        plot("Asked", "requests a minute", Unit::Count, (0.0, 1.0), asked),
    ];
    plots.iter().map(Plot::drawn).collect()
}

fn s(ms: Option<u64>) -> Option<f64> {
    ms.map(|ms| ms as f64 / 1e3)
}

fn breakers(report: &Report, axis: &Axis) -> Html {
    let plot = |run: &Run| {
        let series = |(target, shares): (&String, &Vec<f64>)| Series {
            label: target.clone(),
            class: String::new(),
            values: shares.iter().map(|share| Some(share * 100.0)).collect(),
        };
        Plot {
            axis,
            title: name(report, run).to_owned(),
            about: "% of the time",
            unit: Unit::Percent,
            kind: Kind::Bands,
            series: run.breakers.iter().map(series).collect(),
            class: "",
        }
        .drawn()
    };
    report.runs.iter().map(plot).collect()
}

/// Two plots for each provider, with a line for each policy.
fn providers(report: &Report, axis: &Axis) -> Html {
    let names: BTreeSet<&String> = report.runs.iter().flat_map(|run| run.providers.keys()).collect();
    let asked = |(number, bin): (usize, &LedgerBin)| Some(bin.asked as f64 * 60.0 / axis.bin_lasts_s(number) as f64);
    let each = |(_, bin): (usize, &LedgerBin)| (bin.requests > 0).then(|| bin.asked as f64 / bin.requests as f64);
    let lines = |provider: &str, value: &dyn Fn((usize, &LedgerBin)) -> Option<f64>| -> Vec<Series> {
        let series = |(number, run): (usize, &Run)| Series {
            label: name(report, run).to_owned(),
            class: line_class(number),
            values: run
                .providers
                .get(provider)
                .map_or_else(Vec::new, |ledger| ledger.bins.iter().enumerate().map(value).collect()),
        };
        report.runs.iter().enumerate().map(series).collect()
    };
    let plots = |provider: &&String| {
        let plot = |about, unit, always, series| Plot {
            axis,
            title: (*provider).clone(),
            about,
            unit,
            kind: Kind::Lines { always, height: LOW },
            series,
            class: "",
        };
        [
            plot("asked, requests a minute", Unit::Count, (0.0, 1.0), lines(provider, &asked)).drawn(),
            plot("amplification", Unit::Times, (1.0, 1.2), lines(provider, &each)).drawn(),
        ]
    };
    names.iter().flat_map(plots).collect()
}

fn legend_of_runs(report: &Report, with_straight: bool) -> Html {
    let runs = report.runs.iter().enumerate().map(|(number, run)| (line_class(number), run.label.as_str()));
    let straight = report.baselines().filter(|_| with_straight).map(|(label, _)| (straight_class(label), label));
    let key = |(class, label): (String, &str)| {
        html(
            "<li><svg width=\"30\" height=\"10\" aria-hidden=\"true\"><path class=\"line {}\" d=\"M0 5H30\"/></svg>{}</li>",
            &[&class, &label],
        )
    };
    html("<ul class=\"legend\">{}</ul>", &[&runs.chain(straight).map(key).collect::<Html>()])
}
