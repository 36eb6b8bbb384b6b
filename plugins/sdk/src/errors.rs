//! Reading a provider's error message without being misled by it. Providers quote the request in their messages (names of
//! tools, ids, values), and callers choose those words. So a fault that counts against a key or a model is read from the
//! status, from the error's own name, or from a sentence that the provider is known to begin a message with; words further on
//! decide only where nothing but this one request depends on it, and not where they are quoted.

use crate::codec::FaultKind;

/// What follows a value in a list of values.
const NEXT_VALUE: [&str; 5] = [" or ", " and ", ", '", ", `", ", \""];

/// What some providers write before the message itself.
const PREFIXES: [&str; 2] = ["the model returned the following errors: ", "provider returned error: "];

/// What a provider says of a request that its model cannot serve, though others might.
const LACKS: [&str; 14] = [
    "not supported with this model",
    "not supported for this model",
    "not supported on this model",
    "not supported by this model",
    "not supported in this model",
    "not available for this model",
    "deprecated for this model",
    "not enabled for this model",
    "this model does not support",
    "this model doesn't support",
    "cannot both be specified for this model",
    "is only supported by certain models",
    "is not a multimodal model",
    "does not support tools",
];

/// What providers keep for their callers: who names one that is gone would be refused elsewhere, too.
const KEPT: [&str; 15] = [
    "file",
    "files",
    "thread",
    "item",
    "items",
    "response",
    "conversation",
    "container",
    "skill",
    "batch",
    "cache",
    "cachedcontent",
    "guardrail",
    "prompt",
    "assistant",
];

/// A message, prepared for comparison: in lower case, with straight apostrophes.
pub struct Message {
    whole: String,
    unquoted: String,
}

impl Message {
    pub fn new(message: &str) -> Message {
        let whole = message.to_ascii_lowercase().replace('\u{2019}', "'");
        Message { unquoted: unquoted(&whole), whole }
    }

    /// Does it begin with one of these, in lower case? A prefix that names a field (`messages.1.content.0: `) is passed over.
    pub fn begins(&self, sentences: &[&str]) -> bool {
        let begins = |text: &str| sentences.iter().any(|sentence| text.starts_with(sentence));
        let text = self.whole.trim_start();
        let text = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
        let is_field = |field: &str| !field.is_empty() && !field.contains(char::is_whitespace);
        let after_field = text.split_once(": ").filter(|(field, _)| is_field(field)).map(|(_, rest)| rest);
        begins(text) || after_field.is_some_and(begins)
    }

    /// Does one of these, in lower case, stand anywhere, also in quotes? Only for what counts against nobody but this request.
    pub fn contains(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.whole.contains(word))
    }

    /// The same, where none of a list's next values follows it.
    pub fn contains_alone(&self, words: &[&str]) -> bool {
        let is_alone = |rest: &str| !NEXT_VALUE.iter().any(|next| rest.starts_with(next));
        let stands =
            |word: &&str| self.whole.match_indices(word).any(|(at, _)| is_alone(&self.whole[at + word.len()..]));
        words.iter().any(stands)
    }

    /// Does one of these, in lower case, stand anywhere outside of quotes?
    pub fn mentions(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.unquoted.contains(word))
    }

    /// Is it about what this model lacks and others may have?
    pub fn names_a_lack(&self) -> bool {
        // "Unsupported value: 'temperature' does not support 0.2 with this model."
        let of_a_value = self.begins(&["unsupported value: "]) && self.mentions(&["with this model"]);
        of_a_value || self.mentions(&LACKS)
    }

    /// What a status of 404 means. It is about the model only if it says so, or says nothing (of a path, where the provider's
    /// `base_url` is wrong). Of what the request names (a file, a thread, an item) it is the caller's; of whatever else, this
    /// request's: another target may serve it, and nothing rests.
    pub fn not_found(&self) -> FaultKind {
        let whole = self.whole.trim();
        let is_bare = [
            "",
            "not found",
            "not_found",
            "resource not found",
            "page not found",
            "404 page not found",
            "file not found",
            "requested entity was not found",
        ]
        .contains(&whole.trim_end_matches('.'));
        // OpenRouter's: which of its providers serve a model depends on what the request asks of it, or on the model alone.
        if self.begins(&["no endpoints found for "]) {
            return FaultKind::ModelNotFound;
        }
        if self.begins(&["no endpoints found", "no allowed providers are available"]) {
            return FaultKind::Unsupported;
        }
        let says_model = self.has_word(&["model", "models", "deployment", "profile"]);
        // What stands in front of a provider describes itself in any way.
        let is_path = self.begins(&[
            "invalid url",
            "the provider answered with status 404",
            "http 404",
            "no route",
            "cannot post",
        ]);
        if is_bare || says_model || is_path {
            FaultKind::ModelNotFound
        } else if self.has_word(&KEPT) {
            FaultKind::InvalidRequest
        } else {
            FaultKind::Unsupported
        }
    }

    /// As a word of its own: an id may hold any letters.
    fn has_word(&self, wanted: &[&str]) -> bool {
        let mut words = self.unquoted.split(|letter: char| !letter.is_alphanumeric() && !"_-".contains(letter));
        words.any(|word| wanted.contains(&word))
    }
}

/// Milliseconds until a provider is to be asked again, as the reply's headers say: `retry-after-ms`, which the official SDKs of
/// OpenAI and Anthropic read first, or `retry-after` in seconds. A date is passed over: a plugin has no clock.
/// `headers` are names and values.
pub fn retry_after_ms<'a>(headers: impl Iterator<Item = (&'a String, &'a String)> + Clone) -> Option<u64> {
    let number = |wanted: &str| {
        let (_, value) = headers.clone().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        value.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
    };
    let ms = number("retry-after-ms").or_else(|| number("retry-after").map(|seconds| seconds * 1000.0))?;
    // The cast saturates.
    Some(ms.ceil() as u64)
}

/// The text without what stands in quotes of any kind. A quote that is not closed reaches to the end.
fn unquoted(text: &str) -> String {
    let (mut kept, mut closing, mut before) = (String::with_capacity(text.len()), None, ' ');
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let follows_word = letters.peek().is_some_and(|next| next.is_alphanumeric());
        match closing {
            // An apostrophe within a word is no quote.
            Some(end) if letter == end && !(letter == '\'' && follows_word) => closing = None,
            Some(_) => {}
            None => match letter {
                '"' | '`' => closing = Some(letter),
                '\u{201c}' => closing = Some('\u{201d}'),
                '\'' if !before.is_alphanumeric() => closing = Some(letter),
                _ => kept.push(letter),
            },
        }
        before = letter;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_not_the_providers_word() {
        for (text, kept) in [
            ("plain", "plain"),
            ("a 'quoted' b", "a  b"),
            ("this model's limit isn't it", "this model's limit isn't it"),
            ("tool 'it's billing' gone", "tool  gone"),
            ("a `b` c \"d\" e \u{201c}f\u{201d} g", "a  c  e  g"),
            ("never 'closed billing", "never "),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), kept, "{text}");
        }
    }

    /// Faults: F203
    #[test]
    fn milliseconds_come_before_seconds() {
        let wait = |headers: &[(&str, &str)]| {
            let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let owned: Vec<(String, String)> = owned.collect();
            retry_after_ms(owned.iter().map(|(name, value)| (name, value)))
        };
        assert_eq!(wait(&[("retry-after", "2"), ("Retry-After-Ms", " 350.5 ")]), Some(351));
        assert_eq!(wait(&[("Retry-After", "1.5")]), Some(1500));
        assert_eq!(wait(&[("retry-after-ms", "soon"), ("retry-after", "1")]), Some(1000));
        for odd in ["-1", "nan", "inf", "", "Tue, 01 Dec 2026 00:00:00 GMT"] {
            assert_eq!(wait(&[("retry-after-ms", odd), ("retry-after", odd)]), None, "{odd}");
        }
    }

    #[test]
    fn a_sentence_counts_at_the_beginning_only() {
        let low = ["your credit balance is too low"];
        for (text, begins) in [
            ("Your credit balance is too low to access the API.", true),
            ("messages.1.content.0: Your credit balance is too low", true),
            ("The model returned the following errors: Your credit balance is too low", true),
            ("Tool 'Your credit balance is too low' not found", false),
            ("Unknown tool id: Your credit balance is too low", false),
        ] {
            assert_eq!(Message::new(text).begins(&low), begins, "{text}");
        }
    }

    #[test]
    fn a_404_is_about_the_model_only_if_it_says_so() {
        use FaultKind::{InvalidRequest, ModelNotFound, Unsupported};
        for (text, kind) in [
            ("model: claude-9", ModelNotFound),
            ("The model `x` does not exist or you do not have access to it.", ModelNotFound),
            ("The API deployment for this resource does not exist.", ModelNotFound),
            ("No endpoints found for mistral/x.", ModelNotFound),
            ("", ModelNotFound),
            ("Not Found", ModelNotFound),
            ("Invalid URL (POST /v1/v1/chat/completions)", ModelNotFound),
            ("No endpoints found that support tool use. To learn more", Unsupported),
            ("No endpoints found matching your data policy", Unsupported),
            ("No allowed providers are available for the selected model.", Unsupported),
            ("File not found: file_011model", InvalidRequest),
            ("Thread 'thread_model' not found", InvalidRequest),
            ("Item with id 'rs_1' not found.", InvalidRequest),
            ("No such File object: file-abc", InvalidRequest),
        ] {
            assert_eq!(Message::new(text).not_found(), kind, "{text}");
        }
    }

    #[test]
    fn what_a_model_lacks() {
        for text in [
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
            "adaptive thinking is not supported on this model",
            "`temperature` is deprecated for this model.",
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            "This model doesn\u{2019}t support tool use.",
        ] {
            assert!(Message::new(text).names_a_lack(), "{text}");
        }
        assert!(!Message::new("Invalid value: 'not supported with this model'.").names_a_lack());
    }
}
