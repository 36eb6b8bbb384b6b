//! Traffic as a gateway recorded it: from its journal to a file that `--traffic` takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::ensure;

use super::traffic::Speaks;
use crate::journal::Entry;

/// Fewer requests say nothing of a rate.
const REQUESTS_MIN: usize = 10;
/// In which the rate is looked at.
const COURSE_MS: u64 = 15 * 60_000;

/// What entries of one sort have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sort<'a> {
    model: &'a str,
    protocol: &'a str,
    caller: &'a str,
}

/// The text of a traffic file: how many came and when, of which sorts, and how large they were. The journal holds no word of a
/// prompt, and so does this.
///
/// # Errors
/// When there is too little to go by.
pub fn recorded(entries: &[Entry]) -> anyhow::Result<String> {
    let chats = entries.iter().filter(|entry| entry.operation == "chat" && speaks(&entry.protocol).is_some());
    let chats: Vec<&Entry> = chats.collect();
    ensure!(
        chats.len() >= REQUESTS_MIN,
        "{} requests for chat are in the journal: {REQUESTS_MIN} at least are needed",
        chats.len()
    );
    let times = || chats.iter().map(|entry| entry.at_unix_ms);
    let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let minutes = ((last - first) as f64 / 60_000.0).max(1.0 / 60.0);
    let per_minute = chats.len() as f64 / minutes;
    let mut text =
        format!("# Made from {} requests of {minutes:.0} minutes.\nper_minute = {per_minute:.3}\n", chats.len());
    text += &course(times().map(|at| at - first), last - first, per_minute);
    let mut sorts: BTreeMap<Sort<'_>, Vec<&Entry>> = BTreeMap::new();
    for entry in &chats {
        let sort = Sort { model: &entry.model, protocol: &entry.protocol, caller: &entry.caller };
        sorts.entry(sort).or_default().push(entry);
    }
    for (sort, entries) in sorts {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{}", mix(&sort, &entries));
    }
    Ok(text)
}

fn speaks(protocol: &str) -> Option<Speaks> {
    serde_json::from_value(protocol.into()).ok()
}

/// Empty where all came within one interval.
fn course(times: impl Iterator<Item = u64>, lasted_ms: u64, per_minute: f64) -> String {
    let mut counts = vec![0_u64; (lasted_ms / COURSE_MS) as usize];
    // What is left over at the end is no whole interval.
    times.for_each(|at| counts.get_mut((at / COURSE_MS) as usize).into_iter().for_each(|count| *count += 1));
    if counts.len() < 2 {
        return String::new();
    }
    let minutes = COURSE_MS as f64 / 60_000.0;
    let point = |(number, count): (usize, &u64)| {
        // The middle of the interval.
        let at = (number as f64 + 0.5) * minutes * 60.0;
        format!("    {{ at = \"{at:.0}s\", times = {:.3} }},\n", *count as f64 / minutes / per_minute)
    };
    format!("course = [\n{}]\n", counts.iter().enumerate().map(point).collect::<String>())
}

fn mix(sort: &Sort<'_>, entries: &[&Entry]) -> String {
    let share =
        |is: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| is(entry)).count() as f64 / entries.len() as f64;
    let tools = |entry: &Entry| entry.deliberations.first().is_some_and(|first| first.situation.request.tools);
    let (stream, tools) = (share(&|entry| entry.stream), share(&tools));
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = format!(
        "[[mix]]\nmodel = {}\nprotocol = {}\nshare = {}\nstream = {stream:.3}\ntools = {tools:.3}\n",
        quoted(sort.model),
        quoted(sort.protocol),
        entries.len()
    );
    let sizes = |name: &str, of: &dyn Fn(&Entry) -> u64| {
        let mut sizes: Vec<u64> = entries.iter().map(|entry| of(entry)).filter(|tokens| *tokens > 0).collect();
        sizes.sort_unstable();
        let at = |share: f64| sizes.get(((sizes.len().max(1) - 1) as f64 * share) as usize).copied();
        let (median, p95) = (at(0.5)?, at(0.95)?);
        Some(format!("{name} = {{ median = {median}, p95 = {p95} }}\n"))
    };
    // Of those that were never answered nobody told.
    text += &sizes("input_tokens", &|entry| entry.input_tokens).unwrap_or_default();
    text += &sizes("output_tokens", &|entry| entry.output_tokens).unwrap_or_default();
    if !sort.caller.is_empty() {
        let _ = writeln!(text, "caller = {}", quoted(sort.caller));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::traffic::Traffic;
    use super::*;

    #[test]
    fn what_was_recorded_reads_as_traffic() {
        let entry = |number: u64| Entry {
            at_unix_ms: 1_780_000_000_000 + number * 6_000,
            operation: if number % 50 == 49 { "embeddings" } else { "chat" }.to_owned(),
            model: if number.is_multiple_of(4) { "gpt-5" } else { "a \"model\"" }.to_owned(),
            protocol: if number.is_multiple_of(4) { "openai-chat" } else { "anthropic-messages" }.to_owned(),
            stream: number.is_multiple_of(2),
            caller: if number.is_multiple_of(4) { "team-one" } else { "" }.to_owned(),
            input_tokens: 100 + number % 100,
            output_tokens: number % 7,
            ..Entry::default()
        };
        let entries: Vec<_> = (0..600).map(entry).collect();
        let text = recorded(&entries).expect("traffic");
        let traffic =
            Traffic::parse(&text, Path::new("recorded.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!((9.0..11.0).contains(&traffic.per_minute), "{text}");
        assert_eq!(traffic.mix.iter().map(|mix| mix.caller.as_deref()).collect::<Vec<_>>(), [None, Some("team-one")]);
        assert_eq!(traffic.mix[1].input_tokens.median as u64 / 10, 14, "{text}");
        assert!(traffic.mix[1].stream == 1.0 && traffic.course.len() == 3, "{text}");
        assert!(recorded(&entries[..5]).is_err());
    }
}
