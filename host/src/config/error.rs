//! Configuration errors, with the place in the file and the line itself, but for the secrets in it: these texts go to logs,
//! and people show them to others.

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
        self.shown(span, message.into(), hint, false)
    }

    /// An error where nobody knows what is written: the value of any line there may be a secret.
    pub fn at_unknown(&self, span: Option<Range<usize>>, message: &str) -> ConfigError {
        let written = span.as_ref().and_then(|span| self.text.get(span.clone())).unwrap_or_default();
        // A quoted name is somebody's own word: perhaps a key where a name should stand.
        let message = match written.starts_with(['"', '\'']) {
            true => without_first_name(message),
            false => message.to_owned(),
        };
        self.shown(span, message, None, true)
    }

    fn shown(
        &self,
        span: Option<Range<usize>>,
        message: String,
        hint: Option<String>,
        is_unknown: bool,
    ) -> ConfigError {
        let secret = span.as_ref().is_some_and(|span| self.line(span, is_unknown).1.is_some());
        let place = span.map(|span| self.place(&span, is_unknown));
        let message = match (&place, message) {
            (None, message) => format!("{}: {message}", self.path.display()),
            // The parser quotes a value that it does not like.
            (Some(_), message) if secret => without_quoted(&message),
            (Some(_), message) => message,
        };
        ConfigError { message, place, hint }
    }

    fn place(&self, span: &Range<usize>, is_unknown: bool) -> (String, String) {
        let start = span.start.min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let (line, masked) = self.line(span, is_unknown);
        let line = masked.as_deref().unwrap_or(line);
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

    /// The line in which a span begins; and as it may be shown, if it can hold a secret.
    fn line(&self, span: &Range<usize>, is_unknown: bool) -> (&str, Option<String>) {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
        let is_masked = is_unknown && !is_header(line) || can_hold_secret(&self.text[..line_start], line);
        (line, is_masked.then(|| masked(line)))
    }
}

/// `[table]`, without a name that somebody chose freely.
fn is_header(line: &str) -> bool {
    line.trim_start().starts_with('[') && !line.contains(['"', '\''])
}

/// Words in the names of settings, and signs in their values, by which secrets are known.
const SECRET_WORDS: [&str; 5] = ["key", "token", "secret", "password", "aws"];
const SECRET_SIGNS: [char; 2] = ['@', '?'];

/// Is one of a line's settings a secret? That of a list's line is named in a line before it.
fn can_hold_secret(before: &str, line: &str) -> bool {
    let speaks = |line: &str| {
        let lower = line.to_ascii_lowercase();
        SECRET_WORDS.iter().any(|word| lower.contains(word))
    };
    if is_header(line) {
        return false;
    }
    let names = |line: &&str| line.contains('=') || is_header(line);
    let names_its_own = line.split_once('=').is_some_and(|(name, _)| is_name(name));
    speaks(line)
        || line.contains(SECRET_SIGNS)
        || (!names_its_own && before.lines().rev().find(names).is_some_and(speaks))
}

/// The name of a setting, without quotes.
fn is_name(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(letter))
}

/// The line with asterisks for its values. What stays are names, signs, and variables of the environment.
fn masked(line: &str) -> String {
    let (mut shown, rest) = match line.split_once('=') {
        Some((name, value)) if is_name(name) => (format!("{name}="), value),
        _ => (String::new(), line),
    };
    let (mut rest, mut in_quotes) = (rest, false);
    while let Some(letter) = rest.chars().next() {
        let word =
            rest.len() - rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase() || letter == '_').len();
        let variable = rest.strip_prefix("${").map_or(0, |name| {
            let end = name.find(|letter: char| !letter.is_ascii_uppercase() && letter != '_').unwrap_or(name.len());
            2 + end + usize::from(name[end..].starts_with('}'))
        });
        let kept = match !in_quotes && rest[word..].trim_start().starts_with('=') {
            true => word.max(variable),
            false => variable,
        };
        if kept > 0 {
            shown += &rest[..kept];
            rest = &rest[kept..];
        } else if word > 0 {
            shown += &"*".repeat(word);
            rest = &rest[word..];
        } else {
            in_quotes ^= letter == '"';
            shown.push(if letter.is_whitespace() || "[]{},=\"'".contains(letter) { letter } else { '*' });
            rest = &rest[letter.len_utf8()..];
        }
    }
    shown
}

fn without_first_name(message: &str) -> String {
    let mut parts = message.splitn(3, '`');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(_), Some(after)) => format!("{before}`…`{after}"),
        _ => message.to_owned(),
    }
}

fn without_quoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}\"…\"{}", &message[..from], &message[to + 1..]),
        _ => message.to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F146
    #[test]
    fn a_setting_that_is_misspelt_does_not_show_its_value() {
        const VALUE: &str = "Zx81-hunter2";
        for text in [
            "[providers.p]\nkay = \"Zx81-hunter2\"",
            "[providers]\np = { adapter = \"openai-chat\", kay = \"Zx81-hunter2\" }",
            "[providers.p]\nkay = [\"Zx81-hunter2\"]",
            "[providers.p]\n\"Zx81-hunter2\" = 1",
            "[providers.p]\n'Zx81-hunter2' = 1",
            "[providers.p]\nkay = \"Zx81-hunter2",
            "[providers.p]\nkay = Zx81-hunter2",
            "[providers.p]\nkay \"Zx81-hunter2\"",
            "[server]\nadmin_tokn = \"Zx81-hunter2\"",
        ] {
            let error = crate::config::parse(text, Path::new("x.toml"), &|_| None).expect_err(text).to_string();
            assert!(!error.contains(VALUE) && !error.contains("hunter"), "{error}");
            assert!(error.starts_with("x.toml:2:"), "{error}");
        }
        let known = crate::config::parse("[server]\nlisten = 7", Path::new("x.toml"), &|_| None).expect_err("no text");
        assert!(known.to_string().contains("listen = 7"), "{known}");
    }

    #[test]
    fn lines_are_shown_without_their_secrets() {
        for (before, line, shown) in [
            ("", "key = \"sk-Abc/1\"", "key = \"********\""),
            ("", "key = \"${OPENAI_API_KEY}\"", "key = \"${OPENAI_API_KEY}\""),
            ("", "key = sk-abc", "key = ******"),
            ("keys = [\n", "  \"sk-1\", 7,", "  \"****\", *,"),
            (
                "",
                "aws = { access_key_id = \"A\", secret_access_key = \"b/c=\" }",
                "aws = { access_key_id = \"*\", secret_access_key = \"***=\" }",
            ),
            ("", "base_url = \"https://me:pw@host\"", "base_url = \"******************\""),
            ("[providers.x.keys]\n", "\"sk-1\" = 1", "\"****\" = *"),
        ] {
            assert!(can_hold_secret(before, line), "{line}");
            assert_eq!(masked(line), shown);
        }
        for (before, line) in [
            ("key = \"a\"\n", "base_url = \"https://host\""),
            ("", "[providers.x.keys]"),
            ("key = \"a\"\n[models.x]\n", "targets = [\"a/b\"]"),
            ("targets = [\n", "\"a/b\","),
        ] {
            assert!(!can_hold_secret(before, line), "{line}");
        }
    }
}
