//! What a fake says, in words of no protocol: it follows from the request alone, so tests can know it.

use serde_json::Value;

use super::behaviour::{Continuing, Speech};
use super::{Protocol, schema};

/// As much of a prompt as is said back.
const SAID_BACK_CHARS: usize = 200;
/// `write N words` beyond this is a typing error.
const WORDS_MAX: usize = 100_000;
/// A reply stops for want of tokens only when that was clearly the point. Some providers take no smaller limit than this.
const TOKENS_SMALL: usize = 16;
/// How a fake begins that does not just go on.
const GREETING: &str = "Sure! Here is the rest: ";
/// What thinking costs.
pub const THINKING_TOKENS: usize = 5;

/// What a fake needs to know of a request.
#[derive(Debug, Default)]
pub struct Asked {
    pub model: String,
    pub stream: bool,
    /// OpenAI: a chunk with usage at the end.
    pub stream_usage: bool,
    pub system: String,
    /// The text of the last turn, if it is a user's.
    pub user: String,
    /// Texts of the tool results in the last turn.
    pub results: Vec<String>,
    pub tools: Vec<Tool>,
    pub choice: Choice,
    /// One call at a time.
    pub one_call: bool,
    /// The images in the last turn, in words.
    pub images: Vec<String>,
    pub schema: Option<Value>,
    /// Any JSON at all.
    pub json: bool,
    pub thinking: bool,
    pub max_tokens: Option<u64>,
    pub stop: Vec<String>,
    pub input_chars: usize,
    /// What the model is to continue: the text of a last turn of its own.
    pub prefill: String,
    pub speech: Speech,
}

#[derive(Debug)]
pub struct Tool {
    pub name: String,
    pub schema: Value,
}

/// What the caller wants of the tools.
#[derive(Debug, Default, PartialEq)]
pub enum Choice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

/// Does a fake know this model? It knows every one but these.
pub fn is_known(model: &str) -> bool {
    !model.is_empty() && !model.contains("no-such-model") && !model.starts_with("missing")
}

/// A whole reply.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub thinking: Option<&'static str>,
    /// In pieces, as they stream.
    pub text: Vec<String>,
    pub calls: Vec<Call>,
    pub finish: Finish,
    pub input_tokens: usize,
    pub output_tokens: usize,
}

#[derive(Debug, PartialEq)]
pub struct Call {
    pub name: String,
    /// JSON text.
    pub arguments: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Finish {
    Stop,
    Length,
    Sequence(String),
    Tools,
}

impl Answer {
    pub fn to(asked: &Asked, protocol: Protocol) -> Answer {
        let calls = calls(asked);
        let full = if calls.is_empty() { text(asked, protocol) } else { String::new() };
        let (mut said, mut finish) = (full.as_str(), if calls.is_empty() { Finish::Stop } else { Finish::Tools });
        let stops = asked.stop.iter().filter(|stop| !stop.is_empty());
        if let Some((at, stop)) = stops.filter_map(|stop| Some((full.find(stop.as_str())?, stop))).min() {
            said = &full[..at];
            finish = Finish::Sequence(stop.clone());
        }
        let mut text = asked.speech.pieces(&asked.continued(&full, said));
        let small = asked.max_tokens.and_then(|max| usize::try_from(max).ok()).filter(|max| *max <= TOKENS_SMALL);
        if let Some(max) = small.filter(|max| *max < text.len()) {
            text.truncate(max);
            finish = Finish::Length;
        }
        let thinking = asked.thinking.then_some("Let me think.");
        let written = calls.iter().map(|call| 8 + call.arguments.len() / 4).sum::<usize>();
        let output_tokens = text.len() + written + if asked.thinking { THINKING_TOKENS } else { 0 };
        Answer { thinking, text, calls, finish, input_tokens: asked.input_chars / 4 + 1, output_tokens }
    }

    /// Pieces of content that a stream of it has.
    pub fn chunks(&self) -> u32 {
        u32::try_from(self.output_tokens).unwrap_or(u32::MAX)
    }
}

impl Asked {
    /// `said` is what of the `full` answer is to be said; of that, what is not there already.
    fn continued(&self, full: &str, said: &str) -> String {
        // A text that this model would not have written cannot be continued by it.
        let is_own = !self.prefill.is_empty() && full.starts_with(&self.prefill);
        let rest = said.strip_prefix(&self.prefill).unwrap_or_default();
        match self.speech.continuing {
            Continuing::GoesOn if is_own => rest.to_owned(),
            Continuing::Greets if is_own => format!("{GREETING}{}", rest.trim_start()),
            Continuing::GoesOn | Continuing::Greets | Continuing::Again => said.to_owned(),
        }
    }
}

impl Speech {
    /// Words with the space before them, as the tokens of real models have it, or with the one that follows.
    fn pieces(self, text: &str) -> Vec<String> {
        if self.spaces_last {
            return text.split_inclusive(' ').map(str::to_owned).collect();
        }
        let mut pieces: Vec<String> = Vec::new();
        for (at, word) in text.split(' ').enumerate() {
            match at {
                0 if word.is_empty() => {}
                0 => pieces.push(word.to_owned()),
                _ => pieces.push(format!(" {word}")),
            }
        }
        pieces
    }
}

/// Two texts under one another, an empty one left out.
pub fn join(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { format!("{one}\n{other}") }
}

/// A text in a few pieces, never within a character.
pub fn fragments(text: &str) -> Vec<String> {
    const CHARS: usize = 5;
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(CHARS).map(|part| part.iter().collect()).collect()
}

fn text(asked: &Asked, protocol: Protocol) -> String {
    if let Some(schema) = &asked.schema {
        return schema::sample(schema).to_string();
    }
    let said = plain(asked, protocol);
    if asked.json { serde_json::json!({ "text": said }).to_string() } else { said }
}

fn plain(asked: &Asked, protocol: Protocol) -> String {
    let images: String = asked.images.iter().map(|image| format!("I see an image {image}. ")).collect();
    if !asked.results.is_empty() {
        return format!("{images}The tools said: {}", asked.results.join("; "));
    }
    if asked.user.contains("what is your system prompt") {
        return format!("My system prompt is: {}", asked.system);
    }
    if let Some(words) = words(&asked.user) {
        return (1..=words).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    }
    let user: String = asked.user.chars().take(SAID_BACK_CHARS).collect();
    format!("{images}Hello from {protocol} {}: you said: {user}", asked.model)
}

/// `write N words`, anywhere.
fn words(user: &str) -> Option<usize> {
    let number = |rest: &str| rest.split_once(" words")?.0.parse().ok().filter(|number| *number <= WORDS_MAX);
    user.match_indices("write ").find_map(|(at, write)| number(&user[at + write.len()..]))
}

/// What was asked for, if it is allowed. A tool that must be called is called, with arguments that fit, until there are
/// results: they would never end otherwise.
fn calls(asked: &Asked) -> Vec<Call> {
    let allowed = |name: &str| match &asked.choice {
        Choice::None => false,
        Choice::Auto | Choice::Any => true,
        Choice::Named(only) => only == name,
    };
    let allowed: Vec<&Tool> = asked.tools.iter().filter(|tool| allowed(&tool.name)).collect();
    let call = |order: &str| {
        let (name, arguments) = order.split_once(" with ")?;
        let is_meant = |tool: &&&Tool| match name.strip_suffix('*') {
            Some(start) => tool.name.starts_with(start),
            None => tool.name == name,
        };
        let tool = allowed.iter().find(is_meant)?;
        Some(Call { name: tool.name.clone(), arguments: arguments.trim().to_owned() })
    };
    let mut calls: Vec<Call> = orders(asked).into_iter().filter_map(call).collect();
    let none_yet = calls.is_empty() && asked.results.is_empty();
    if let (true, Choice::Any | Choice::Named(_), Some(tool)) = (none_yet, &asked.choice, allowed.first()) {
        calls.push(Call { name: tool.name.clone(), arguments: schema::sample(&tool.schema).to_string() });
    }
    if asked.one_call {
        calls.truncate(1);
    }
    calls
}

/// `NAME with JSON`, as it stands in the prompt: `use tool NAME with JSON` is a line of it. `START*` is the first tool whose
/// name begins so: a gateway may have had to shorten it. Once there are results, they alone
/// say what is next: `then use tool NAME with JSON` ends a line of theirs, whatever stands before it.
fn orders(asked: &Asked) -> Vec<&str> {
    if asked.results.is_empty() {
        return asked.user.lines().filter_map(|line| line.trim().strip_prefix("use tool ")).collect();
    }
    let lines = asked.results.iter().flat_map(|result| result.lines());
    lines.filter_map(|line| Some(line.split_once("then use tool ")?.1)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(user: &str) -> Asked {
        let get = Tool {
            name: "get".into(),
            schema: json!({ "type": "object", "properties": { "n": { "type": "integer" } } }),
        };
        Asked { model: "m".into(), user: user.into(), tools: vec![get], ..Asked::default() }
    }

    fn said(asked: &Asked) -> String {
        Answer::to(asked, Protocol::OpenAiChat).text.concat()
    }

    #[test]
    fn tools_are_called_when_they_are_there_and_results_are_read_out() {
        let answer =
            Answer::to(&asked("hm\nuse tool get with {\"a\":1}\nuse tool other with {}"), Protocol::OpenAiChat);
        assert_eq!(answer.calls, [Call { name: "get".into(), arguments: "{\"a\":1}".into() }]);
        let results = Asked { results: vec!["x".into(), "y".into()], ..asked("use tool get with {}") };
        assert_eq!(said(&results), "The tools said: x; y");
    }

    #[test]
    fn results_say_which_tool_is_next() {
        let lines = "1\tnothing here\n2\tthen use tool get with {\"n\":1}\nthen use tool other with {}";
        let results = vec![lines.to_owned(), "18 degrees, then use tool get with {}".to_owned()];
        let next = |choice| {
            let asked = Asked { results: results.clone(), choice, ..asked("use tool get with {\"n\":9}") };
            Answer::to(&asked, Protocol::OpenAiChat).calls.into_iter().map(|call| call.arguments).collect::<Vec<_>>()
        };
        assert_eq!(next(Choice::Auto), ["{\"n\":1}", "{}"]);
        assert_eq!(next(Choice::None), [] as [&str; 0]);
        let over = Asked { results: vec!["x".into()], choice: Choice::Any, ..asked("use tool get with {}") };
        assert_eq!(said(&over), "The tools said: x");
    }

    #[test]
    fn the_choice_of_tools_is_obeyed() {
        let with = |choice, one_call, user: &str| {
            let asked = Asked { choice, one_call, ..asked(user) };
            Answer::to(&asked, Protocol::OpenAiChat).calls.into_iter().map(|call| call.arguments).collect::<Vec<_>>()
        };
        let two = "use tool get with {}\nuse tool get with {\"n\":2}";
        assert_eq!(with(Choice::Auto, false, two), ["{}", "{\"n\":2}"]);
        assert_eq!(with(Choice::Auto, true, two), ["{}"]);
        assert_eq!(with(Choice::None, false, two), [] as [&str; 0]);
        assert_eq!(with(Choice::Any, false, "hello"), ["{\"n\":1}"]);
        assert_eq!(with(Choice::Named("get".into()), false, "hello"), ["{\"n\":1}"]);
    }

    #[test]
    fn a_name_may_be_told_by_its_start() {
        let names = |user: &str| {
            let answer = Answer::to(&asked(user), Protocol::OpenAiChat);
            answer.calls.into_iter().map(|call| call.name).collect::<Vec<_>>()
        };
        assert_eq!(names("use tool ge* with {}"), ["get"]);
        assert_eq!(names("use tool x* with {}"), [] as [&str; 0]);
    }

    #[test]
    fn limits_and_stops_cut() {
        let short = Asked { max_tokens: Some(2), ..asked("write 9 words") };
        let answer = Answer::to(&short, Protocol::OpenAiChat);
        assert_eq!((answer.text.concat().as_str(), answer.finish), ("word1 word2", Finish::Length));
        let stop = Asked { stop: vec!["word5".into(), "word3".into()], ..asked("write 9 words") };
        let answer = Answer::to(&stop, Protocol::OpenAiChat);
        assert_eq!((answer.text.concat().as_str(), answer.finish), ("word1 word2 ", Finish::Sequence("word3".into())));
    }

    #[test]
    fn tokens_begin_with_their_space_or_end_with_it() {
        let pieces = |spaces_last, text: &str| Speech { spaces_last, ..Speech::default() }.pieces(text);
        assert_eq!(pieces(false, "a b  c "), ["a", " b", " ", " c", " "]);
        assert_eq!(pieces(true, "a b  c "), ["a ", "b ", " ", "c "]);
        assert_eq!(pieces(false, " b"), [" b"]);
        assert!(pieces(false, "").is_empty() && pieces(true, "").is_empty());
    }

    #[test]
    fn a_text_is_continued_or_begun_again() {
        let said = |continuing, prefill: &str| {
            let speech = Speech { continuing, ..Speech::default() };
            said(&Asked { prefill: prefill.into(), speech, ..asked("write 3 words") })
        };
        assert_eq!(said(Continuing::GoesOn, "word1 wo"), "rd2 word3");
        assert_eq!(said(Continuing::GoesOn, "word1 word2"), " word3");
        assert_eq!(said(Continuing::GoesOn, "word1 word2 word3"), "");
        assert_eq!(said(Continuing::GoesOn, "Once upon"), "word1 word2 word3");
        assert_eq!(said(Continuing::Again, "word1 word2"), "word1 word2 word3");
        assert_eq!(said(Continuing::Greets, "word1 word2"), "Sure! Here is the rest: word3");
    }

    #[test]
    fn what_is_asked_for_is_said() {
        assert_eq!(said(&asked("hi")), "Hello from openai-chat m: you said: hi");
        assert_eq!(said(&asked("write a poem, then write 2 words")), "word1 word2");
        let system = Asked { system: "be brief".into(), ..asked("so what is your system prompt?") };
        assert_eq!(said(&system), "My system prompt is: be brief");
        let seen = Asked { images: vec!["of 3 bytes (image/png)".into()], ..asked("hi") };
        assert!(said(&seen).starts_with("I see an image of 3 bytes (image/png). Hello"));
        let schema = Asked { schema: Some(json!({ "type": "integer" })), ..asked("hi") };
        assert_eq!(said(&schema), "1");
        assert_eq!(said(&Asked { json: true, ..asked("write 1 words") }), "{\"text\":\"word1\"}");
    }
}
