//! Where a continuation meets what the caller has read. Models that are asked to continue a text sometimes say all of it
//! again, or say first that they will: what they say must not stand behind what was read.

/// Words of a continuation that are held back to be compared, or this many bytes where there are no spaces.
const WORDS: usize = 6;
const BYTES: usize = 64;
/// So many letters in common are no chance, where a continuation does not even begin with white space.
const SAME_CHARS: usize = 12;
/// How models begin that answer instead of continuing. Only at the very beginning: a text that goes on begins a new sentence
/// with white space.
const OPENINGS: &[&str] = &[
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "hello",
    "hi!",
    "hi,",
    "okay",
    "here is",
    "here's",
    "continuing",
    "i'll continue",
    "let me continue",
    "i apologize",
    "i'm sorry",
    "sorry",
    "as an ai",
    "it looks like",
    "it seems",
];

/// Is this enough of a continuation to be compared?
pub fn is_enough(said: &str) -> bool {
    said.len() >= BYTES || said.split_whitespace().count() > WORDS
}

/// Does it begin anew, instead of going on after what was read?
pub fn begins_anew(read: &str, said: &str) -> bool {
    let goes_on = said.starts_with(char::is_whitespace);
    // A word may well come twice; with white space before it, it takes more of them.
    let is_repeated = if goes_on { is_repeated(read, said, 2, WORDS) } else { is_repeated(read, said, 1, 2) };
    if is_repeated || goes_on {
        return is_repeated;
    }
    let same = letters(read).zip(letters(said)).take_while(|(a, b)| a == b).count();
    same >= SAME_CHARS || OPENINGS.iter().any(|opening| opens(said, opening))
}

/// Are its first words those of the text that was read: `enough` of them, or all that there are, but not fewer than `least`?
/// The last word of either may have been cut off.
fn is_repeated(read: &str, said: &str, least: usize, enough: usize) -> bool {
    let (mut read, mut said) = (read.split_whitespace().peekable(), said.split_whitespace().peekable());
    let mut words = 0;
    while let (Some(a), Some(b)) = (read.next(), said.next()) {
        let is_cut = read.peek().is_none() && starts(b, a) || said.peek().is_none() && starts(a, b);
        if !is_cut && !(starts(a, b) && a.len() == b.len()) {
            return false;
        }
        words += 1;
        if words == enough {
            return true;
        }
    }
    words >= least
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase).filter(|letter| !letter.is_whitespace())
}

fn starts(text: &str, beginning: &str) -> bool {
    let mut text = text.chars().flat_map(char::to_lowercase);
    beginning.chars().flat_map(char::to_lowercase).all(|letter| text.next() == Some(letter))
}

fn opens(said: &str, opening: &str) -> bool {
    let after = said.chars().nth(opening.chars().count());
    starts(said, opening) && !after.is_some_and(char::is_alphanumeric) && said.starts_with(char::is_uppercase)
}

/// Takes from `text` what is there `already`, which is forgotten at the first letter that is not.
pub fn without(already: &mut String, text: &str) -> String {
    let same = text.chars().zip(already.chars()).take_while(|(a, b)| a == b).map(|(letter, _)| letter.len_utf8()).sum();
    already.drain(..same);
    let rest = text[same..].to_owned();
    if !rest.is_empty() {
        already.clear();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_anew_is_known() {
        for (read, said) in [
            ("word1 word2 word3", "word1 word2 word3 word4 word5 word6 word7"),
            ("word1 word2 wo", "Word1 word2 word3 word4"),
            ("word1", "word1 word2 word3"),
            ("word1 word2 word3 ", " word1 word2 word3 word4 word5 word6 word7"),
            ("Hello from one: you", "Hello from another: you said"),
            ("The sky is", "Sure! Here is the rest: blue"),
            ("The sky is", "Here's the continuation: blue"),
            ("你好，我是一个语言模型，可以帮", "你好，我是一个语言模型，能够回答你的问题"),
        ] {
            assert!(begins_anew(read, said), "{read} | {said}");
        }
    }

    #[test]
    fn what_goes_on_is_let_through() {
        for (read, said) in [
            ("word1 word2", " word3 word4"),
            ("word1 wo", "rd2 word3"),
            ("Hel", "lo there"),
            ("The sky is blue.", " Sure, it is not always so."),
            ("The sky is blue. The sky", " is grey, too."),
            ("He was sure", "ly right"),
            ("a", " and b"),
            ("1. one\n", "2. two"),
            ("I said: ", "sure, why not"),
            ("word1 word2", ""),
        ] {
            assert!(!begins_anew(read, said), "{read} | {said}");
        }
    }

    #[test]
    fn white_space_that_is_there_already_is_taken_off() {
        for (already, texts, expected) in [
            (" ", &[" word"][..], "word"),
            (" ", &["word", " next"], "word next"),
            ("\n\n", &["\n", "\nword"], "word"),
            ("", &[" word"], " word"),
            ("\n", &["\n\nword"], "\nword"),
            (" ", &["\nword"], "\nword"),
        ] {
            let mut already = already.to_owned();
            let rest: String = texts.iter().map(|text| without(&mut already, text)).collect();
            assert_eq!(rest, expected);
        }
    }
}
