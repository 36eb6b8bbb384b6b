//! What is known of models: `models.toml`, and what the configuration says over it.

use serde::Deserialize;

use crate::plugin::bindings::provider::{ModelFacts, ReasoningForm};

/// Facts of one model, or of those whose names fit a pattern. Absent: not known.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Input and output together.
    pub context_tokens: Option<u32>,
    pub output_tokens: Option<u32>,
    /// Can it call tools?
    pub tools: Option<bool>,
    /// What it reads besides text.
    pub images: Option<bool>,
    pub documents: Option<bool>,
    pub audio: Option<bool>,
    /// How it is told to reason.
    pub reasoning: Option<Reasoning>,
    /// Does it take temperature and the like?
    pub sampling: Option<bool>,
    /// May the last message be its own, to be continued?
    pub prefill: Option<bool>,
    /// May a system message stand between turns?
    pub mid_system: Option<bool>,
    pub price: Option<Price>,
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: f64,
    pub output: f64,
    pub cache_read: Option<f64>,
    pub cache_write: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reasoning {
    /// It does not reason.
    None,
    /// By words such as `low` and `high`.
    Effort,
    /// By a number of tokens.
    Budget,
    /// As it sees fit, with an effort: Claude's newest.
    Adaptive,
    /// By a level: Gemini 3.
    Level,
}

/// All facts, least telling first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    entries: Vec<(String, Facts)>,
}

impl Book {
    /// The built-in facts, and over them the configuration's.
    ///
    /// # Errors
    /// When the built-in file is wrong, which a test rules out.
    pub fn new(configured: Vec<(String, Facts)>) -> Result<Book, String> {
        let built_in: std::collections::BTreeMap<String, Facts> =
            toml::from_str(include_str!("models.toml")).map_err(|error| error.to_string())?;
        let telling = |entry: &(String, Facts)| entry.0.len() - entry.0.matches('*').count();
        let mut entries: Vec<_> = built_in.into_iter().collect();
        entries.sort_by_key(telling);
        let mut configured = configured;
        configured.sort_by_key(telling);
        entries.append(&mut configured);
        Ok(Book { entries })
    }

    /// What is known of a model, by the name that its provider knows it by.
    pub fn of(&self, model: &str) -> Facts {
        // Routers write Claude's versions with a dot, its maker with a dash.
        let dashed = model.contains("claude").then(|| model.replace('.', "-"));
        let is_for = |pattern: &str| fits(pattern, model) || dashed.as_ref().is_some_and(|name| fits(pattern, name));
        let mut facts = Facts::default();
        for (_, more) in self.entries.iter().filter(|(pattern, _)| is_for(pattern)) {
            facts.learn(more);
        }
        facts
    }
}

impl Facts {
    /// What `more` knows replaces what was known.
    fn learn(&mut self, more: &Facts) {
        fn one<T: Clone>(known: &mut Option<T>, more: &Option<T>) {
            if more.is_some() {
                known.clone_from(more);
            }
        }
        let Facts { context_tokens, output_tokens, tools, images, documents, audio, reasoning, .. } = self;
        one(context_tokens, &more.context_tokens);
        one(output_tokens, &more.output_tokens);
        one(tools, &more.tools);
        one(images, &more.images);
        one(documents, &more.documents);
        one(audio, &more.audio);
        one(reasoning, &more.reasoning);
        let Facts { sampling, prefill, mid_system, price, .. } = self;
        one(sampling, &more.sampling);
        one(prefill, &more.prefill);
        one(mid_system, &more.mid_system);
        one(price, &more.price);
    }

    /// As adapters get them.
    pub fn told(&self) -> ModelFacts {
        ModelFacts {
            context_tokens: self.context_tokens,
            output_tokens: self.output_tokens,
            reasoning: self.reasoning.map(|form| match form {
                Reasoning::None => ReasoningForm::None,
                Reasoning::Effort => ReasoningForm::Effort,
                Reasoning::Budget => ReasoningForm::Budget,
                Reasoning::Adaptive => ReasoningForm::Adaptive,
                Reasoning::Level => ReasoningForm::Level,
            }),
            sampling: self.sampling,
            prefill: self.prefill,
            mid_system: self.mid_system,
            attributes: Vec::new(),
        }
    }
}

/// Does a name fit a pattern, in which `*` stands for any letters, or none?
pub fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return name.ends_with(piece);
        }
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fit) in [
            ("gpt-5", "gpt-5", true),
            ("gpt-5", "gpt-5-mini", false),
            ("gpt-5*", "gpt-5-mini", true),
            ("*claude-*-4-5*", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true),
            ("*claude-*-4-5*", "claude-opus-4-1", false),
            ("*", "", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn the_file_reads_and_the_configuration_stands_over_it() {
        let claude = Book::new(Vec::new()).expect("the built-in file").of("claude-sonnet-4-5-20250929");
        assert_eq!((claude.tools, claude.images), (Some(true), Some(true)));
        let own = Facts { images: Some(false), ..Facts::default() };
        let book = Book::new(vec![("claude-*".to_owned(), own)]).expect("the built-in file");
        let facts = book.of("claude-sonnet-4-5");
        assert_eq!((facts.tools, facts.images), (Some(true), Some(false)));
        assert_eq!(book.of("anthropic/claude-sonnet-4.5"), book.of("anthropic/claude-sonnet-4-5"));
        let dotted = ("claude-sonnet-4.5".to_owned(), Facts { images: Some(false), ..Facts::default() });
        let all = ("claude-*".to_owned(), Facts { images: Some(true), ..Facts::default() });
        let book = Book::new(vec![dotted, all]).expect("the built-in file");
        assert_eq!(book.of("claude-sonnet-4.5").images, Some(false), "as the configuration names it");
        assert_eq!(book.of("claude-sonnet-4-5").images, Some(true));
        assert_eq!(book.of("a model that nobody knows"), Facts::default());
    }
}
