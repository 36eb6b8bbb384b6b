//! The report as a page: one file that needs no network and, but for the readout of values, no script.
//!
//! It is the same for the same report, byte for byte. All that is not ours is escaped by the type of what it is put into
//! ([`markup`]), and should that ever fail, the page's policy runs no script but its own and loads nothing.

mod answerers;
mod course;
mod markup;
mod plot;
mod scale;
mod shape;
mod tables;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use self::markup::{Html, html};
use super::words::{clock, count, minutes};
use super::{PhaseView, Report, headline};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// See the module.
pub fn page(report: &Report) -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    let mut page = html(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{}'\">\n<title>{}: outage drill</title>\n<style>\n",
        &[&hash, &report.incident],
    );
    page.add_own(STYLE);
    page.add("</style>\n</head>\n<body data-lasts=\"{}\" data-bin=\"{}\">\n", &[&report.lasts_s, &report.bin_s]);
    page.append(&head(report));
    page.append(&course::sections(report));
    page.append(&rest(report));
    page.add("<script>", &[]);
    page.add_own(SCRIPT);
    page.add("</script>\n</body>\n</html>\n", &[]);
    page.into_string()
}

fn head(report: &Report) -> Html {
    let began = report.began.as_ref().map_or_else(String::new, |began| format!(", from {began} on"));
    let facts = format!(
        "{} requests in {}{began}. Seed {}; each point stands for {}.",
        count(report.requests),
        clock(report.lasts_s),
        report.seed,
        if report.bin_s < 60 { format!("{} seconds", report.bin_s) } else { minutes(report.bin_s) },
    );
    html(
        "<header><p class=\"kicker\">Outage drill: {}</p>\n<h1>{}</h1>\n<p class=\"about\">{}</p>\n\
         <p class=\"about\">{}</p>\n<p class=\"note\">{}</p></header>\n<main>\n{}\n",
        &[
            &report.incident,
            &headline::headline(report),
            &headline::price(report),
            &report.about,
            &facts,
            &tables::summary(report),
        ],
    )
}

fn rest(report: &Report) -> Html {
    html(
        "<section><h2>What was lost, and why</h2>\
         <p class=\"note\">Open one for the ids and the first one's story, as <code>pointsman explain</code> tells it.</p>\
         {}</section>\n\
         <section><h2>What it cost</h2>\
         <p class=\"note\">US dollars, for requests whose models have a known price. Wasted is what was paid for attempts that \
         did not answer: the input of whoever lost a race, and half of the output of a reply that broke off. An outage is \
         where less than 90% were answered.</p>{}</section>\n\
         <section><h2>What went wrong, and when</h2>{}</section>\n\
         <section><h2>Which policies these were</h2>{}</section>\n</main>\n\
         <footer>Made by <code>pointsman drill</code>, in virtual time with simulated providers: a rehearsal, not a \
         measurement. Times are hours and minutes since the beginning.</footer>\n",
        &[&tables::lost(report), &tables::cost(report), &phases(&report.phases), &tables::policies(report)],
    )
}

fn phases(phases: &[PhaseView]) -> Html {
    let phase = |phase: &PhaseView| {
        html("<li><b>{} to {}</b> {}</li>", &[&clock(phase.from_s), &clock(phase.to_s), &phase.name])
    };
    html("<ul class=\"phases\">{}</ul>", &[&phases.iter().map(phase).collect::<Html>()])
}

#[cfg(test)]
pub mod tests;
