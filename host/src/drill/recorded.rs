//! Traffic as a gateway recorded it: from its journal to a file that `--traffic` takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::ensure;

use super::traffic::Speaks;
use crate::journal::Entry;

/// Fewer requests say nothing of a rate.
const REQUESTS_MIN: usize = 10;
/// Fewer replies say nothing of a speed, and shorter ones neither.
const REPLIES_MIN: usize = 20;
const TOKENS_MIN: u64 = 20;
/// In which the rate is looked at.
const COURSE_MS: u64 = 15 * 60_000;

/// What entries of one sort have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sort<'a> {
    model: &'a str,
    protocol: &'a str,
    caller: &'a str,
}

/// The text of a traffic file: how many came and when, of which sorts, how large they were, and how fast models answered. The
/// journal holds no word of a prompt, and so does this.
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
    Ok(text + &speeds(&chats))
}

/// Of models that streamed often enough. Only requests that went well at once: what came before the first token else is not
/// the model's time.
fn speeds(chats: &[&Entry]) -> String {
    let mut by_model: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for entry in chats.iter().filter(|entry| entry.stream && entry.outcome == "done" && entry.deliberations.len() <= 1)
    {
        let (Some(first_ms), Some((_, model))) = (entry.first_token_ms, entry.answered_by.split_once('/')) else {
            continue;
        };
        let rest_ms = entry.total_ms.saturating_sub(first_ms);
        if rest_ms > 0 && entry.output_tokens >= TOKENS_MIN && entry.injected.is_empty() {
            by_model.entry(model).or_default().push((first_ms.max(1), (entry.output_tokens * 1_000 / rest_ms).max(1)));
        }
    }
    let mut text = String::new();
    for (model, replies) in by_model.iter().filter(|(_, replies)| replies.len() >= REPLIES_MIN) {
        let of = |of: fn(&(u64, u64)) -> u64| spread(replies.iter().map(of)).unwrap_or_default();
        let (first, rate) = (of(|reply| reply.0), of(|reply| reply.1));
        let _ = write!(text, "\n[speeds.{}]\nfirst_token_ms = {first}\ntokens_per_second = {rate}\n", quoted(model));
    }
    text
}

/// As the file has it.
fn spread(values: impl Iterator<Item = u64>) -> Option<String> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share) as usize).copied();
    Some(format!("{{ median = {}, p95 = {} }}", at(0.5)?, at(0.95)?))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
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
    let mut text = format!(
        "[[mix]]\nmodel = {}\nprotocol = {}\nshare = {}\nstream = {stream:.3}\ntools = {tools:.3}\n",
        quoted(sort.model),
        quoted(sort.protocol),
        entries.len()
    );
    let sizes = |name: &str, of: &dyn Fn(&Entry) -> u64| {
        let sizes = spread(entries.iter().map(|entry| of(entry)).filter(|tokens| *tokens > 0))?;
        Some(format!("{name} = {sizes}\n"))
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
            output_tokens: number % 70,
            outcome: "done".to_owned(),
            answered_by: if number.is_multiple_of(8) { "openai/gpt-5" } else { "anthropic/a \"model\"" }.to_owned(),
            first_token_ms: Some(1_000 + number),
            total_ms: 2_000 + number,
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
        // A second for the rest: so many tokens as there are, of those that have twenty.
        let speed = traffic.speeds["gpt-5"];
        assert!((1_250.0..1_350.0).contains(&speed.first_token_ms.median), "{text}");
        assert!((40.0..50.0).contains(&speed.tokens_per_second.median), "{text}");
        assert!(traffic.speeds.contains_key("a \"model\""), "{text}");
        assert!(recorded(&entries[..5]).is_err());
        assert!(!recorded(&entries[..60]).expect("traffic").contains("speeds.gpt-5"), "eight replies are too few");
    }
}
