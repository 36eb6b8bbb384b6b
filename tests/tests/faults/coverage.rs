//! The table of all faults and the tests that prove what becomes of them: `tests/FAULTS.md`, made from `list.txt` and the
//! sources. A test says what it proves in its comment (`Faults: F83, F84`) or in its own table (`("F36", …`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Numbers such as F07 in a line.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter_map(|word| {
        let digits = word.strip_prefix('F')?;
        (digits.len() >= 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.to_owned())
    })
}

/// Which tests name which fault: the function that follows the comment, or that of the table's file.
fn proofs() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    for folder in ["tests", "host/src", "plugins"] {
        sources(&root().join(folder), &mut files);
    }
    let mut proofs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let place = file.strip_prefix(root()).expect("a source of ours").display().to_string();
        let text = fs::read_to_string(&file).expect("a source");
        let mut told = Vec::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(("///" | "//!", rest)) = line.split_once(' ')
                && let Some((_, list)) = rest.split_once("Faults: ")
            {
                told.extend(numbers(list));
            } else if let Some((_, rest)) = line.split_once("fn ")
                && !told.is_empty()
            {
                let name = rest.split('(').next().unwrap_or_default();
                for number in told.drain(..) {
                    proofs.entry(number).or_default().insert(format!("`{place}`: `{name}`"));
                }
            }
            if place.ends_with("faults/upstream.rs") && line.starts_with("(\"F") || line.starts_with("\"F") {
                for number in numbers(line).take(1) {
                    proofs.entry(number).or_default().insert(format!("`{place}`"));
                }
            }
        }
    }
    proofs
}

#[test]
fn the_table_of_faults_is_true() {
    let proofs = proofs();
    let mut table = String::from(
        "# Faults, and the tests that prove what becomes of them\n\n\
         Made by `UPDATE_GOLDEN=1 cargo test -p pointsman-tests --test faults`; a test fails when it is out of date.\n\n\
         | | fault | proof |\n|---|---|---|\n",
    );
    let list = include_str!("list.txt").lines().filter(|line| !line.starts_with('#'));
    let (mut listed, mut undecided) = (BTreeSet::new(), Vec::new());
    for line in list {
        let (number, rest) = line.split_once(' ').expect("a number and a fault");
        let (fault, why_not) = rest.split_once(" | ").unwrap_or((rest, ""));
        listed.insert(number.to_owned());
        let proof: Vec<&str> = proofs.get(number).into_iter().flatten().map(String::as_str).collect();
        if proof.is_empty() == why_not.is_empty() {
            undecided.push(format!("{number} {fault}"));
        }
        let proof = if proof.is_empty() { format!("none: {why_not}") } else { proof.join("<br>") };
        writeln!(table, "| {number} | {fault} | {proof} |").expect("memory");
    }
    assert!(undecided.is_empty(), "each has a test, or a reason why not: {undecided:?}");
    let unknown: Vec<&String> = proofs.keys().filter(|number| !listed.contains(*number)).collect();
    assert!(unknown.is_empty(), "tests name faults that are not listed: {unknown:?}");
    let path = root().join("tests/FAULTS.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &table).expect("writing the table");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == table, "tests/FAULTS.md is out of date: run the command that stands in it");
}
