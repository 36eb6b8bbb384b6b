//! Who answered: a plot for each policy, side by side, and one for none.

use std::collections::BTreeMap;

use super::super::headline::name;
use super::super::{Bin, Report, Run};
use super::course::LOW;
use super::markup::{Html, html};
use super::plot::{Kind, Plot, Series, Unit};
use super::scale::Axis;

/// Colours of areas that can be told apart.
const AREAS: usize = 8;

/// Targets that are shown as one.
#[derive(Debug, PartialEq, Eq)]
struct Group<'a> {
    label: String,
    class: String,
    targets: Vec<&'a str>,
}

/// All that answered in any run, by name: each alone, but those that answered least together, when there are many.
fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut answers: BTreeMap<&str, u64> = BTreeMap::new();
    for run in report.runs.iter().chain(report.baselines().map(|(_, run)| run)) {
        for (target, count) in &run.summary.by_target {
            *answers.entry(target).or_default() += count;
        }
    }
    let mut targets: Vec<(&str, u64)> = answers.into_iter().collect();
    targets.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let alone = if targets.len() > AREAS { AREAS - 1 } else { targets.len() };
    let others: Vec<&str> = targets.split_off(alone).into_iter().map(|(target, _)| target).collect();
    targets.sort_by_key(|(target, _)| *target);
    let groups = targets.into_iter().map(|(target, _)| (target.to_owned(), vec![target]));
    let rest = (!others.is_empty()).then(|| (format!("{} others", others.len()), others));
    let group = |(number, (label, targets))| Group { label, class: format!("t{number}"), targets };
    groups.chain(rest).enumerate().map(group).collect()
}

pub fn plots(report: &Report, axis: &Axis) -> Html {
    let groups = groups(report);
    let plot = |run: &Run, title: &str| {
        let share = |group: &Group, bin: &Bin| {
            let answered: u64 = group.targets.iter().filter_map(|target| bin.by_target.get(*target)).sum();
            (bin.answered > 0).then(|| answered as f64 * 100.0 / bin.answered as f64)
        };
        let series = |group: &Group| Series {
            label: group.label.clone(),
            class: group.class.clone(),
            values: run.bins.iter().map(|bin| share(group, bin)).collect(),
        };
        Plot {
            axis,
            title: title.to_owned(),
            about: "% of the answers",
            unit: Unit::Percent,
            kind: Kind::Stack { height: LOW },
            series: groups.iter().map(series).collect(),
            class: "",
        }
        .drawn()
    };
    let runs = report.runs.iter().map(|run| plot(run, name(report, run)));
    let alone = report.baselines().map(|(label, run)| plot(run, label));
    runs.chain(alone).collect()
}

pub fn legend(report: &Report) -> Html {
    let key = |group: &Group| {
        html(
            "<li><svg width=\"14\" height=\"12\" aria-hidden=\"true\"><path class=\"fill {}\" d=\"M0 0H14V12H0Z\"/></svg>{}</li>",
            &[&group.class, &group.label],
        )
    };
    html("<ul class=\"legend\">{}</ul>", &[&groups(report).iter().map(key).collect::<Html>()])
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn of_many_targets_those_that_answered_least_are_shown_together() {
        let mut report = report();
        let target = |number: u64| (format!("p/{number}"), if number < 5 { 1 } else { 100 });
        let labels = |report: &Report| groups(report).into_iter().map(|group| group.label).collect::<Vec<_>>();
        report.straight.summary.by_target.clear();
        report.sdk_retries = None;
        report.runs[0].summary.by_target = (0..8).map(target).collect();
        assert_eq!(labels(&report), ["p/0", "p/1", "p/2", "p/3", "p/4", "p/5", "p/6", "p/7"]);
        report.runs[0].summary.by_target = (3..12).map(target).collect();
        assert_eq!(labels(&report), ["p/10", "p/11", "p/5", "p/6", "p/7", "p/8", "p/9", "2 others"]);
        assert_eq!(groups(&report)[7].targets, ["p/3", "p/4"]);
    }
}
