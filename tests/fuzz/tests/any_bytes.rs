//! The bodies on stable Rust: the fixtures, torn and mended at random.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman_fuzz::{Piece, Subject, body, error, frames, reply, subjects};
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn files(folder: &str, wire: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder);
    let cases = fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
    let mut paths: Vec<PathBuf> = cases
        .flat_map(|case| fs::read_dir(case.expect("a folder").path()).expect("a folder"))
        .map(|file| file.expect("a file").path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem == wire))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no fixtures of {wire} in {folder}");
    paths.iter().map(|path| as_lines(&fs::read(path).expect("a file"))).collect()
}

/// A stream as `frames` reads it: a line for each frame.
fn as_lines(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).replace('\r', "");
    if !text.contains("data:") {
        return bytes.to_vec();
    }
    let mut name = String::new();
    let mut lines = String::new();
    for line in text.lines() {
        if let Some(event) = line.strip_prefix("event:") {
            name = format!("{}\t", event.trim());
        } else if let Some(data) = line.strip_prefix("data:") {
            lines += &format!("{name}{}\n", data.trim_start());
            name.clear();
        }
    }
    lines.into_bytes()
}

/// One change: a piece is cut out, doubled, overwritten, or put somewhere else.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index, Index),
    Double(Index, Index),
    Overwrite(Index, u8),
    Insert(Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    const WORDS: &[&str] = &[
        "null",
        "{}",
        "[]",
        "\"\"",
        "-1",
        "1e999",
        "18446744073709551616",
        "\\u0000",
        "\\ud800",
        ",",
        "\"",
        "}",
        "]",
        "\n",
        "\"type\":",
        "\"index\":7,",
        "\u{fe0f}",
        "[DONE]",
    ];
    prop_oneof![
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Cut(a, b)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::Double(a, b)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        (any::<Index>(), select(WORDS)).prop_map(|(at, word)| Change::Insert(at, word)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        if length == 0 {
            return bytes;
        }
        match change {
            Change::Cut(a, b) => {
                let (from, short) = (a.index(length), b.index(40.min(length)));
                bytes.drain(from..(from + short).min(length));
            }
            Change::Double(a, b) => {
                let (from, long) = (a.index(length), b.index(200.min(length)));
                let piece = bytes[from..(from + long).min(length)].to_vec();
                bytes.splice(from..from, piece);
            }
            Change::Overwrite(at, byte) => bytes[at.index(length)] = *byte,
            Change::Insert(at, word) => {
                let at = at.index(length);
                bytes.splice(at..at, word.bytes());
            }
        }
    }
    bytes
}

fn torn(folder: &'static str, wire: &'static str) -> impl Strategy<Value = Vec<u8>> {
    (select(files(folder, wire)), prop::collection::vec(change(), 0..4))
        .prop_map(|(bytes, changes)| changed(bytes, &changes))
}

fn check(cases: u32, strategy: impl Strategy<Value = Vec<u8>>, holds: impl Fn(&[u8])) {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let run = runner.run(&strategy, |bytes| {
        holds(&bytes);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn each(test: impl Fn(Subject)) {
    subjects().into_iter().for_each(test);
}

#[test]
fn requests() {
    each(|subject| {
        if subject.client.is_some() {
            check(300, torn("requests", subject.name), |bytes| body(&subject, bytes));
        }
    });
}

#[test]
fn streams() {
    each(|subject| check(300, torn("replies", subject.name), |bytes| reply(&subject, true, &frames(bytes))));
}

#[test]
fn whole_replies() {
    each(|subject| {
        check(200, torn("replies", subject.name), |bytes| {
            reply(&subject, false, &[(None::<String>, bytes.to_vec()) as Piece])
        });
    });
}

#[test]
fn errors() {
    each(|subject| {
        check(100, torn("replies", subject.name), |bytes| error(&subject, 400 + u16::from(bytes.len() as u8), bytes))
    });
}
