//! The table of what works: made from what happened, so that it cannot lie.

use std::collections::BTreeMap;
use std::fmt;

use pointsman_tests::Answer;

/// What became of one feature for one client and provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Works,
    /// The fields that the provider's protocol cannot say.
    Dropped(String),
    Refused(String),
}

impl Cell {
    pub fn of(answer: &Answer) -> Cell {
        if !answer.status.is_success() {
            let error = &answer.json()["error"];
            let message = error["message"].as_str().unwrap_or_default().to_owned();
            // After the target's name stands the reason, and perhaps a hint to the operator.
            let message = message.trim_start_matches("no target can serve this request: ");
            let reason = message.split_once(": ").map_or(message, |(_, reason)| reason);
            let reason = reason.split(" (if its configuration").next().unwrap_or_default();
            return Cell::Refused(reason.to_owned());
        }
        match answer.header("x-pointsman-dropped") {
            "" => Cell::Works,
            dropped => Cell::Dropped(dropped.to_owned()),
        }
    }
}

/// Feature and client by provider.
pub struct Table {
    providers: Vec<String>,
    rows: BTreeMap<(String, String), BTreeMap<String, Cell>>,
}

impl Table {
    pub fn new(providers: &[String]) -> Table {
        Table { providers: providers.to_vec(), rows: BTreeMap::new() }
    }

    pub fn set(&mut self, feature: &str, client: &str, provider: &str, cell: Cell) {
        let row = self.rows.entry((feature.to_owned(), client.to_owned())).or_default();
        row.insert(provider.to_owned(), cell);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "# Client protocol × provider × feature\n")?;
        writeln!(
            formatter,
            "Made by the test `golden` from the requests in `tests/fixtures/requests` and what strict fake providers said to \
             them: ✓ works, **d** something was dropped that changes little, **r** refused with a reason. The numbers lead to \
             the notes below. A refusal at one target is no end: the request fails over to the next.\n"
        )?;
        writeln!(formatter, "| feature | client | {} |", self.providers.join(" | "))?;
        writeln!(formatter, "|---|---|{}", "---|".repeat(self.providers.len()))?;
        let mut notes: Vec<&Cell> = Vec::new();
        for ((feature, client), row) in &self.rows {
            write!(formatter, "| {feature} | {client} |")?;
            for provider in &self.providers {
                let Some(cell) = row.get(provider) else {
                    write!(formatter, " |")?;
                    continue;
                };
                let letter = match cell {
                    Cell::Works => {
                        write!(formatter, " ✓ |")?;
                        continue;
                    }
                    Cell::Dropped(_) => "d",
                    Cell::Refused(_) => "r",
                };
                let number = notes.iter().position(|note| *note == cell).unwrap_or_else(|| {
                    notes.push(cell);
                    notes.len() - 1
                });
                write!(formatter, " {letter}{} |", number + 1)?;
            }
            writeln!(formatter)?;
        }
        writeln!(formatter)?;
        for (number, note) in notes.iter().enumerate() {
            let text = match note {
                Cell::Works => String::new(),
                Cell::Dropped(fields) => {
                    format!("dropped: {}", fields.replace(", ", "`, `")).replacen(": ", ": `", 1) + "`"
                }
                Cell::Refused(reason) => format!("refused: {reason}"),
            };
            writeln!(formatter, "{}. {text}", number + 1)?;
        }
        Ok(())
    }
}
