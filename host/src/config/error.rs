//! Configuration errors, with the place in the file and the line itself.

use std::fmt;
use std::ops::Range;
use std::path::Path;

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
    /// `FILE:LINE:COLUMN`, and the line with a mark under the place.
    place: Option<(String, String)>,
    hint: Option<String>,
}

impl ConfigError {
    /// An error that no line of a file stands behind.
    pub fn plain(message: impl Into<String>) -> Self {
        ConfigError { message: message.into(), place: None, hint: None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((place, _)) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some((_, excerpt)) = &self.place {
            write!(formatter, "\n{excerpt}")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The file that is being read.
pub struct File<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl File<'_> {
    pub fn at(&self, span: Option<Range<usize>>, message: impl Into<String>, hint: Option<String>) -> ConfigError {
        let place = span.map(|span| self.place(&span));
        let message = match &place {
            Some(_) => message.into(),
            None => format!("{}: {}", self.path.display(), message.into()),
        };
        ConfigError { message, place, hint }
    }

    fn place(&self, span: &Range<usize>) -> (String, String) {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let width =
            self.text.get(span.clone()).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
        let gutter = " ".repeat(number.to_string().len());
        let excerpt = format!(
            "{gutter} |\n{number} | {line}\n{gutter} | {}{}",
            " ".repeat(column - 1),
            "^".repeat(width.max(1).min(line.chars().count().saturating_sub(column - 1).max(1)))
        );
        (format!("{}:{number}:{column}", self.path.display()), excerpt)
    }
}

/// The name in `known` that was probably meant.
pub fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count() / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
