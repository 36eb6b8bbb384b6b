//! Texts that strangers wrote, plugins above all: as they are kept, and as they are shown on a terminal.

/// Bytes of a reason that are kept: there is one for each decision.
const REASON_BYTES_MAX: usize = 200;
/// Bytes of an error that are kept: people read it to find out what is wrong.
const ERROR_BYTES_MAX: usize = 1_000;

/// The reason of a decision, as it may be kept.
pub fn kept(reason: String) -> String {
    cut(reason, REASON_BYTES_MAX)
}

/// An error that a plugin gave, or that quotes it, as it may be kept.
pub fn kept_error(error: String) -> String {
    cut(error.replace('\n', " "), ERROR_BYTES_MAX)
}

fn cut(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    // A line of the log is one request, and what a terminal obeys is for no plugin to say.
    text.retain(|letter| !letter.is_control());
    // What a guest filled to its limit would hold that memory.
    text.shrink_to_fit();
    text
}

/// The text for a terminal, on one line: what a terminal would obey is spelled out.
pub fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        match letter.is_control() && letter != '\t' || turns_text(letter) {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
        shown
    })
}

/// Escapes the control characters of each line, and keeps the line breaks.
pub fn shown_lines(text: &str) -> String {
    text.split('\n').map(shown).collect::<Vec<_>>().join("\n")
}

/// Of Unicode's signs for the direction of text: they show other words than those that stand there.
fn turns_text(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::PluginFault;

    /// Faults: F151
    #[test]
    fn a_terminal_obeys_nothing_that_is_shown() {
        assert_eq!(shown("a\u{1b}]0;x\u{7}\nb\u{9b}2J\u{202e}\tä"), "a\\u{1b}]0;x\\u{7}\\nb\\u{9b}2J\\u{202e}\tä");
        assert_eq!(shown_lines("a\r\nb"), "a\\r\nb");
    }

    /// Faults: F143
    #[test]
    fn what_is_kept_is_short_and_on_one_line() {
        assert_eq!(kept("busy\n\u{1b}[31mnow\u{85}".to_owned()), "busy[31mnow");
        let long = kept("ä".repeat(1_000_000));
        assert!(long.len() == REASON_BYTES_MAX && long.capacity() <= 2 * REASON_BYTES_MAX, "{}", long.capacity());
        let fault = PluginFault::Nonsense("x\n".repeat(1_000_000)).to_string();
        assert!(fault.len() < 2 * ERROR_BYTES_MAX && !fault.contains('\n'), "{}", fault.len());
    }
}
