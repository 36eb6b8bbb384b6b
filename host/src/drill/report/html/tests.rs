use std::collections::BTreeMap;

use super::super::{Bin, Lost, Percentiles, Run, Summary};
use super::*;
use crate::drill::{KeyLedger, Ledger, LedgerBin};

const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror='alert(2)'>\"&";

/// Eight requests in forty minutes.
pub fn report() -> Report {
    Report {
        incident: "loss".to_owned(),
        about: "It is gone.".to_owned(),
        began: None,
        seed: 1,
        lasts_s: 2_400,
        bin_s: 600,
        requests: 8,
        phases: vec![PhaseView { name: "gone".to_owned(), from_s: 600, to_s: 1_800 }],
        runs: vec![run("failover", [1, 3, 1, 1], 600)],
        straight: run("straight to the first target", [1, 0, 0, 1], 1_200),
        sdk_retries: Some(run("SDK retries only", [1, 1, 0, 1], 1_200)),
        value_usd: None,
    }
}

fn run(label: &str, answered: [u64; 4], outage_s: u64) -> Run {
    let bin = |(number, (requests, answered)): (usize, (u64, u64))| Bin {
        at_s: number as u64 * 600,
        requests,
        answered,
        success: Some(answered as f64 / requests as f64),
        first_token_ms: Percentiles { p50: Some(900), p95: Some(1_800), p99: Some(2_500) },
        attempts: 1.5,
        by_target: BTreeMap::from([("a/claude".to_owned(), answered)]),
        cost_usd: 0.01,
        cost: Some(1.05),
    };
    let (all, lost) = (answered.iter().sum::<u64>(), 8 - answered.iter().sum::<u64>());
    let mut ledger = Ledger::default();
    (ledger.asked, ledger.requests) = (12, 8);
    ledger.wrong = BTreeMap::from([("overloaded".to_owned(), 4)]);
    ledger.bins = vec![LedgerBin { asked: 3, requests: 2, wrong: 1 }; 4];
    ledger.keys = vec![KeyLedger { key: 1, used_up_at_s: Some(900.0), ..KeyLedger::default() }];
    Run {
        policy_faults: 0,
        explained: None,
        label: label.to_owned(),
        policies: BTreeMap::from([("claude-*".to_owned(), "failover@0123456789ab".to_owned())]),
        summary: Summary {
            requests: 8,
            answered: all,
            lost,
            success: all as f64 / 8.0,
            first_token_ms: Percentiles::default(),
            attempts: 1.5,
            by_others: 1,
            by_target: BTreeMap::from([("a/claude".to_owned(), all)]),
            cost_usd: 0.04,
            first_cost_usd: 0.03,
            cost: Some(1.05),
            wasted_usd: 0.001,
            wasted_tokens: 700,
            outage_s,
        },
        bins: [1, 3, 3, 1].into_iter().zip(answered).enumerate().map(bin).collect(),
        providers: BTreeMap::from([("a".to_owned(), ledger)]),
        breakers: BTreeMap::from([("a/claude".to_owned(), vec![0.0, 1.0, 0.5, 0.0])]),
        lost: vec![Lost {
            why: "failed: overloaded".to_owned(),
            count: lost,
            numbers: vec![3],
            ids: vec!["pm_1".to_owned()],
            story: Some("pm_1: it was overloaded".to_owned()),
        }],
    }
}

#[test]
fn a_page_has_all_that_the_report_has() {
    let report = report();
    let page = page(&report);
    assert_eq!(page, super::page(&report), "the same report is the same page");
    for words in [
        "With failover 75.00%",
        "SDK retries only 37.50%",
        "without Pointsman",
        "Success rate",
        "p99",
        "Attempts",
        "Cost",
        "% of the answers",
        "amplification",
        "pm_1: it was overloaded",
        "key 1 ran out at 0:15",
        "failover@0123456789ab",
        "4 overloaded",
        ">gone</text>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    // 8 of what callers saw, 3 of who answered, a breaker's and 2 of a provider: each with all its bins in its table.
    assert_eq!(page.matches("<figure").count(), 14);
    assert_eq!(page.matches("<th scope=\"row\">0:30</th>").count(), 14);
}

#[test]
fn words_of_others_are_text() {
    let mut report = report();
    let evil = || EVIL.to_owned();
    (report.incident, report.about, report.began, report.phases[0].name) = (evil(), evil(), Some(evil()), evil());
    for run in report.runs.iter_mut().chain([&mut report.straight]).chain(&mut report.sdk_retries) {
        run.label = evil();
        run.policies = BTreeMap::from([(evil(), evil())]);
        run.summary.by_target = BTreeMap::from([(evil(), 1)]);
        run.breakers = BTreeMap::from([(evil(), vec![1.0; 4])]);
        run.providers = run.providers.values().map(|ledger| (evil(), ledger.clone())).collect();
        run.providers.values_mut().for_each(|ledger| ledger.wrong = BTreeMap::from([(evil(), 1)]));
        let lost = &mut run.lost[0];
        (lost.why, lost.ids, lost.story) = (evil(), vec![evil()], Some(evil()));
    }
    let page = page(&report);
    assert!(page.matches("&lt;/script&gt;").count() > 20, "it is told");
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (1, 1));
    assert!(!page.contains("<img") && !page.contains("onerror='"));
}

#[test]
fn a_page_asks_no_network_for_anything() {
    let page = page(&report());
    for external in ["http:", "https:", "src=", "href", "url(", "@import"] {
        assert!(!page.contains(external), "{external}");
    }
}

#[test]
fn a_report_without_anything_is_a_page_too() {
    let mut report = report();
    (report.lasts_s, report.bin_s) = (0, 0);
    report.phases.clear();
    report.runs.clear();
    report.straight.bins.clear();
    assert!(page(&report).ends_with("</html>\n"));
}

#[test]
fn an_old_report_can_be_read() {
    let mut old = serde_json::to_value(report()).expect("JSON");
    for field in ["value_usd", "sdk_retries"] {
        assert!(old.as_object_mut().expect("an object").remove(field).is_some(), "{field}");
    }
    let summary = old["runs"][0]["summary"].as_object_mut().expect("an object");
    for field in ["wasted_usd", "wasted_tokens", "outage_s"] {
        assert!(summary.remove(field).is_some(), "{field}");
    }
    let bin = old["runs"][0]["bins"][0].as_object_mut().expect("an object");
    assert!(bin.remove("cost").is_some());
    let read: Report = serde_json::from_value(old).expect("a report");
    assert!(page(&read).contains("With failover 75.00%"));
}
