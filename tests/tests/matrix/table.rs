//! `tests/CLIENTS.md`: read, compared, and written when `UPDATE_GOLDEN` says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::cell::{BACKUPS, Cell, Trouble, Verdict};
use super::clients;

/// Why cells are as they are: the start of their names, and the reason.
const NOTES: &[(&str, &str)] = &[
    (
        "*/mid-stream",
        "What was shown cannot be taken back, so the client is given an error. Claude Code and Codex ask again by themselves; the others show it.",
    ),
    (
        "*/spliced",
        "A text goes on at models that are known to continue what they are given: Claude up to 4.5, here at Anthropic and Bedrock. The other backups are not asked to.",
    ),
    (
        "tool_runner/spliced",
        "Its conversation is a thread that its provider keeps: nobody else knows what the text goes on from.",
    ),
];

const HEAD: &str = "# Real clients while their provider fails\n\n\
    Written by `UPDATE_GOLDEN=1 POINTSMAN_MATRIX=all cargo test -p pointsman-tests --test matrix`, which says what the words mean; a \
    test fails when a cell no longer holds. Each client is unmodified, at the newest version of its registry, in its default \
    settings, and has a task that takes a call of a tool. Its first provider speaks its own protocol and fails; the backup is the \
    column. The faults: `before-content`: an error in place of the first content, each time. `mid-stream`: the connection breaks \
    after three pieces of content, each time. `spliced`: the last turn's text breaks off after eight, on a route with `continuation = \"splice\"`. \
    `silent`: requests are read and never answered. `later`: the first turn is answered, each later one refused.\n\n";

pub fn is_updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("CLIENTS.md")
}

/// The verdicts by the names of their cells.
pub struct Table(BTreeMap<String, Verdict>);

impl Table {
    pub fn read() -> Table {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let mut verdicts = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [client, _, trouble, cells @ ..] = fields.as_slice() else { continue };
            for ((protocol, ..), word) in BACKUPS.iter().zip(cells) {
                let verdict =
                    [Verdict::Survived, Verdict::Error].into_iter().find(|verdict| verdict.to_string() == *word);
                verdicts.extend(verdict.map(|verdict| (format!("{client}/{trouble}/{protocol}"), verdict)));
            }
        }
        Table(verdicts)
    }

    pub fn expected(&self, cell: &Cell) -> Option<Verdict> {
        self.0.get(&cell.name()).copied()
    }

    pub fn set(&mut self, cell: &Cell, verdict: Verdict) {
        self.0.insert(cell.name(), verdict);
    }

    /// Write it, or check that all but the cells is as it would be written.
    pub fn finish(mut self) {
        if is_updating() {
            std::fs::write(path(), self.written()).expect("writing the table");
        }
        self = Table::read();
        let there = std::fs::read_to_string(path()).unwrap_or_default();
        assert!(there == self.written(), "tests/CLIENTS.md is out of date: run the command that stands in it");
    }

    fn written(&self) -> String {
        let mut text = String::from(HEAD);
        text.push_str("| client | version | fault |");
        BACKUPS.iter().for_each(|(protocol, ..)| text.push_str(&format!(" {protocol} |")));
        text.push_str("\n|---|---|---|");
        BACKUPS.iter().for_each(|_| text.push_str("---|"));
        text.push('\n');
        for client in clients::ALL {
            for trouble in Trouble::ALL {
                let (name, version, fault) = (client.name, clients::version(client), trouble.name());
                write!(text, "| {name} | {version} | {fault} |").expect("memory");
                for backup in BACKUPS {
                    let word = self.expected(&Cell { client, trouble, backup }).map(|verdict| verdict.to_string());
                    write!(text, " {} |", word.unwrap_or_else(|| "not played".to_owned())).expect("memory");
                }
                text.push('\n');
            }
        }
        text.push_str("\n## Why\n\n");
        for (cells, reason) in NOTES {
            writeln!(text, "- `{cells}`: {reason}").expect("memory");
        }
        text
    }
}
