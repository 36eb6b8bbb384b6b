//! Streams as servers and networks really send them: events without the line of their name, letters torn between two chunks.

use super::reply::{Part, Piece};

/// How the events of a stream stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    #[default]
    Usual,
    /// Without `event:` lines: servers that copy Anthropic's protocol leave them out.
    Nameless,
    /// A letter of two UTF-16 units comes as half of it in one chunk, and the other half in the next one: what OpenAI's tokens
    /// became at several providers.
    Torn,
}

impl Wire {
    pub fn of(self, pieces: Vec<Piece>) -> Vec<Piece> {
        match self {
            Wire::Usual => pieces,
            Wire::Nameless => pieces.into_iter().map(nameless).collect(),
            Wire::Torn => pieces.into_iter().flat_map(torn).collect(),
        }
    }
}

fn nameless(piece: Piece) -> Piece {
    let Ok(text) = std::str::from_utf8(&piece.bytes) else { return piece };
    let lines: String = text.split_inclusive('\n').filter(|line| !line.starts_with("event: ")).collect();
    Piece::new(piece.part, lines)
}

/// Two chunks where one had a text with such a letter. Only content is torn: what is said once more at the end stays.
fn torn(piece: Piece) -> Vec<Piece> {
    let halves = std::str::from_utf8(&piece.bytes).ok().filter(|_| piece.part == Part::Content).and_then(halves);
    match halves {
        Some(halves) => halves.map(|half| Piece::new(Part::Content, half)).into(),
        None => vec![piece],
    }
}

fn halves(text: &str) -> Option<[String; 2]> {
    let (at, letter) = text.char_indices().find(|(_, letter)| letter.len_utf16() == 2)?;
    let (before, after) = (&text[..at], &text[at + letter.len_utf8()..]);
    // Of JSON: the letter stands in a string without escapes, or nothing is torn.
    let (opens, closes) = (before.rfind('"')? + 1, after.find('"')?);
    if text[opens..at].contains('\\') || after[..closes].contains('\\') {
        return None;
    }
    let mut units = [0; 2];
    letter.encode_utf16(&mut units);
    let [high, low] = units.map(|unit| format!("\\u{unit:04x}"));
    Some([format!("{before}{high}{}", &after[closes..]), format!("{}{low}{after}", &before[..opens])])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(wire: Wire, part: Part, text: &str) -> Vec<String> {
        let pieces = wire.of(vec![Piece::new(part, text.to_owned())]);
        pieces.iter().map(|piece| piece.text().to_owned()).collect()
    }

    #[test]
    fn names_are_left_out() {
        let event = "event: message_start\ndata: {\"type\":\"message_start\",\"event: x\":1}\n\n";
        let (_, bare) = event.split_once('\n').expect("two lines");
        assert_eq!(sent(Wire::Nameless, Part::Opening, event), [bare]);
        assert_eq!(sent(Wire::Usual, Part::Opening, event), [event]);
    }

    #[test]
    fn a_letter_is_torn_between_two_chunks() {
        let chunk = "data: {\"a\":\"x\",\"content\":\"hi 😀 all\"}\n\n";
        let torn = [
            "data: {\"a\":\"x\",\"content\":\"hi \\ud83d\"}\n\n",
            "data: {\"a\":\"x\",\"content\":\"\\ude00 all\"}\n\n",
        ];
        assert_eq!(sent(Wire::Torn, Part::Content, chunk), torn);
        for whole in ["data: {\"content\":\"größe\"}\n\n", "data: {\"content\":\"a\\n😀\"}\n\n", "data: 😀\n\n"] {
            assert_eq!(sent(Wire::Torn, Part::Content, whole), [whole]);
        }
        assert_eq!(sent(Wire::Torn, Part::Closing, chunk), [chunk]);
    }
}
