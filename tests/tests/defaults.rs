//! The table of all defaults and limits, each with its reason: `host/DEFAULTS.md`, made from the sources. A number without a
//! reason fails, and so does a setting of the table that does not mean what the gateway does without it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pointsman::config::{self, Config};

/// A number that the sources name.
#[derive(Debug)]
struct Named {
    name: String,
    value: String,
    reason: String,
}

/// Constants of `defaults.rs` and the tables of the configuration whose settings they are.
const TABLES: [(&str, &str); 6] = [
    ("TIMEOUTS", "timeouts"),
    ("BREAKER", "breaker"),
    ("ATTEMPTS", "attempts"),
    ("LIMITS", "limits"),
    ("EDGE", "server"),
    ("COMPILE", "gate"),
];
/// Settings that are called otherwise there.
const CALLED: [(&str, &str); 21] = [
    ("LISTEN", "server.listen"),
    ("ADMIN", "server.admin"),
    ("DRAIN_LEAD", "server.drain_lead"),
    ("DRAIN", "server.drain"),
    ("JOURNAL", "journal.requests"),
    ("CASES_TIME", "gate.cases_time"),
    ("gate.time", "gate.compile_time"),
    ("gate.memory_bytes", "gate.max_compile_bytes"),
    ("JOURNAL_DISK_BYTES", "journal.max_disk_bytes"),
    ("POLICY", "models.NAME.policy"),
    ("PROBE_EVERY", "providers.NAME.probe.every"),
    ("attempts.retries.share", "attempts.retry_share"),
    ("attempts.retries.floor", "attempts.retry_floor"),
    ("attempts.hedges.share", "attempts.hedge_share"),
    ("attempts.hedges.floor", "attempts.hedge_floor"),
    ("server.connections", "server.max_connections"),
    ("server.connections_per_ip", "server.max_connections_per_ip"),
    ("server.body_bytes", "server.max_body_bytes"),
    ("server.body_rate", "server.min_body_rate"),
    ("server.requests", "server.max_requests"),
    ("server.body_bytes_held", "server.max_body_bytes_held"),
];
/// Where else there are numbers that somebody meets.
const FOLDERS: [&str; 9] = ["callers", "gateway", "health", "journal", "plugin", "server", "ship", "store", "upstream"];
/// By these endings of their names.
const MET: [&str; 9] = ["_MAX", "TIMEOUT", "WAIT", "REST", "IDLE", "DRAIN", "PATIENCE", "PING", "CODEC"];

fn host() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("host")
}

/// The constants of a file: each line of one, or each line of a constant that is a struct. A comment above is the reason, for
/// all constants that stand together.
fn constants(text: &str, place: &str) -> Vec<Named> {
    let (mut found, mut inside) = (Vec::new(), None);
    let (mut reason, mut is_used, mut field_reason) = (String::new(), false, String::new());
    for line in text.lines().take_while(|line| *line != "#[cfg(test)]") {
        let bare = line.trim();
        if let Some(table) = &inside {
            if line == "};" {
                inside = None;
            } else if let Some(words) = bare.strip_prefix("// ") {
                join(&mut field_reason, words);
            } else if let Some((name, value)) = bare.trim_end_matches(',').split_once(": ") {
                add(&mut found, &format!("{table}.{name}"), value, &std::mem::take(&mut field_reason), place);
            }
        } else if let Some(words) = line.strip_prefix("/// ") {
            if std::mem::take(&mut is_used) {
                reason.clear();
            }
            join(&mut reason, words);
        } else if let Some((_, rest)) = line
            .split_once("const ")
            .filter(|(before, _)| before.trim_start_matches("pub").trim().is_empty() || *before == "pub(crate) ")
            && let Some((name, rest)) = rest.split_once(": ")
            && let Some((_, value)) = rest.split_once(" = ")
        {
            is_used = true;
            match value.strip_suffix(" {") {
                Some(_) => inside = Some(name.to_owned()),
                None => add(&mut found, name, value.trim_end_matches(';'), &reason, place),
            }
        } else if !line.starts_with("#[") {
            reason.clear();
        }
    }
    found
}

fn join(text: &mut String, words: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

/// A struct on one line is as many numbers.
fn add(found: &mut Vec<Named>, name: &str, value: &str, reason: &str, place: &str) {
    if let Some((_, fields)) = value.split_once(" { ") {
        for field in fields.trim_end_matches(" }").split(", ") {
            let (field, value) = field.split_once(": ").expect("a field");
            add(found, &format!("{name}.{field}"), value, reason, place);
        }
        return;
    }
    let is_number = value.starts_with("Duration::") || value.starts_with(|letter: char| letter.is_ascii_digit());
    let named = Named { name: name.to_owned(), value: value.to_owned(), reason: reason.to_owned() };
    if place.ends_with("defaults.rs") || (is_number && MET.iter().any(|met| is_met(name, met))) {
        assert!(!reason.is_empty(), "{place}: {name} has no reason: write one above it");
        found.push(named);
    }
}

fn is_met(name: &str, met: &str) -> bool {
    let constant = name.split('.').next().unwrap_or_default();
    constant.ends_with(met) || (met == "CODEC" && constant == "POLICY")
}

/// As the source has it: `Duration::from_secs(3)`, `32 << 20`, `10_000`, another constant.
fn number(value: &str, known: &BTreeMap<String, String>) -> Option<f64> {
    let value = known.get(value).map_or(value, String::as_str);
    let factor = |word: &str| word.trim().replace('_', "").parse::<f64>().ok();
    let product = |text: &str| text.split('*').map(factor).product::<Option<f64>>();
    if let Some(inner) = value.strip_prefix("Duration::from_").and_then(|inner| inner.strip_suffix(')')) {
        let (unit, amount) = inner.split_once('(')?;
        return Some(product(amount)? * if unit == "millis" { 1e-3 } else { 1.0 });
    }
    match value.split_once(" << ") {
        Some((number, shift)) => Some(factor(number)? * factor(shift)?.exp2()),
        None => product(value),
    }
}

fn is_time(value: &str) -> bool {
    value.starts_with("Duration::")
}

/// For people.
fn told(name: &str, value: &str, known: &BTreeMap<String, String>) -> String {
    let Some(number) = number(value, known) else {
        return if value == "None" { "none".to_owned() } else { format!("`{}`", value.trim_matches('"')) };
    };
    let lower = name.to_ascii_lowercase();
    if is_time(value) {
        return [(3600.0, "h"), (60.0, "min"), (1.0, "s")]
            .iter()
            .find(|(unit, _)| number >= *unit && number % unit == 0.0)
            .map_or_else(|| format!("{} ms", number * 1e3), |(unit, name)| format!("{} {name}", number / unit));
    }
    if lower.contains("rate") && number > 1.0 || lower.contains("slowest") {
        return if number == 0.0 { "off".to_owned() } else { format!("{number} bytes/s") };
    }
    if lower.contains("bytes") || lower.contains("window") {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let unit = units.iter().find(|(shift, _)| number % f64::from(1_u32 << shift) == 0.0);
        return unit.map_or_else(
            || format!("{number} bytes"),
            |(shift, name)| format!("{} {name}", number / f64::from(1_u32 << shift)),
        );
    }
    if lower.contains("ticks") {
        return format!("{number} ticks of 1 ms");
    }
    number.to_string()
}

/// For the parser of configurations; absent for what has no value.
fn toml(value: &str, known: &BTreeMap<String, String>) -> Option<String> {
    match number(value, known) {
        Some(number) if is_time(value) => Some(format!("\"{}ms\"", number * 1e3)),
        Some(number) if value.contains('.') => Some(format!("{number:?}")),
        Some(number) => Some(number.to_string()),
        None => (value != "None").then(|| value.to_owned()),
    }
}

/// The setting's name, where it is one.
fn setting(name: &str) -> Option<String> {
    let called = |name: &str| CALLED.iter().find(|(own, _)| *own == name).map(|(_, setting)| (*setting).to_owned());
    match name.split_once('.') {
        Some((constant, field)) => {
            let (_, table) = TABLES.iter().find(|(known, _)| *known == constant)?;
            let name = format!("{table}.{field}");
            Some(called(&name).unwrap_or(name))
        }
        None => called(name),
    }
}

fn parsed(settings: &str) -> Config {
    let text = format!(
        "{settings}\n[providers.NAME]\nadapter = \"ollama\"\nprobe.path = \"/\"\n[models.NAME]\ntargets = [\"NAME/m\"]\n"
    );
    config::parse(&text, Path::new("defaults.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_table_of_defaults_is_true() {
    let text = std::fs::read_to_string(host().join("src/config/defaults.rs")).expect("the source");
    let defaults = constants(&text, "config/defaults.rs");
    assert!(defaults.len() > 40, "{defaults:?}");
    let known: BTreeMap<String, String> =
        defaults.iter().map(|named| (named.name.clone(), named.value.clone())).collect();
    let mut table = String::from(
        "# Defaults and limits\n\n\
         Made from the comments in the sources by `UPDATE_GOLDEN=1 cargo test -p pointsman-tests --test defaults`; a test fails \
         when it is out of date.\n\n## Settings\n\n| setting | default | why |\n|---|---|---|\n",
    );
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    let mut fixed = String::new();
    for Named { name, value, reason } in &defaults {
        let shown = told(name, known.get(value).unwrap_or(value), &known);
        match setting(name) {
            Some(setting) => {
                writeln!(table, "| `{setting}` | {shown} | {reason} |").expect("memory");
                let (section, setting) = setting.rsplit_once('.').expect("a table and a name");
                if let Some(value) = toml(value, &known).filter(|_| !section.contains("NAME")) {
                    writeln!(written.entry(section.to_owned()).or_default(), "{setting} = {value}").expect("memory");
                }
            }
            None => writeln!(fixed, "| `{name}` | {shown} | {reason} |").expect("memory"),
        }
    }
    write!(table, "\n## Fixed\n\n| name | value | what, and why |\n|---|---|---|\n{fixed}").expect("memory");
    for (place, Named { name, value, reason }) in elsewhere() {
        writeln!(table, "| `{place}`: `{name}` | {} | {reason} |", told(&name, &value, &known)).expect("memory");
    }
    // What the table says is what the gateway does without it.
    let sections: String = written.iter().map(|(section, lines)| format!("[{section}]\n{lines}")).collect();
    assert_eq!(parsed(&sections), parsed(""), "{sections}");
    let path = host().join("DEFAULTS.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).expect("writing the table");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == table, "host/DEFAULTS.md is out of date: run the command that stands in it");
}

fn elsewhere() -> Vec<(String, Named)> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let files = std::fs::read_dir(host().join("src").join(folder)).expect("a folder");
        let mut files: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
            let place = format!("{folder}/{}", file.file_name().unwrap_or_default().to_string_lossy());
            let text = std::fs::read_to_string(file).expect("a source");
            found.extend(constants(&text, &place).into_iter().map(|named| (place.clone(), named)));
        }
    }
    found
}
