//! What a fake says, in words of no protocol: it follows from the request alone, so tests can know it.

use serde_json::Value;

use super::Protocol;
use super::schema;

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
    pub tools: Vec<String>,
    /// Sizes and types of the images in the last turn.
    pub images: Vec<(usize, String)>,
    pub schema: Option<Value>,
    pub thinking: bool,
    pub max_tokens: Option<u64>,
    pub stop: Vec<String>,
    pub input_chars: usize,
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
        let calls = if asked.results.is_empty() { calls(asked) } else { Vec::new() };
        let full = if calls.is_empty() { text(asked, protocol) } else { String::new() };
        let (mut text, mut finish) = (pieces(&full), if calls.is_empty() { Finish::Stop } else { Finish::Tools });
        if let Some((at, stop)) = asked.stop.iter().filter_map(|stop| Some((full.find(stop.as_str())?, stop))).min() {
            text = pieces(&full[..at]);
            finish = Finish::Sequence(stop.clone());
        }
        if let Some(max) =
            asked.max_tokens.and_then(|max| usize::try_from(max).ok()).filter(|max| *max <= 5 && *max < text.len())
        {
            text.truncate(max);
            finish = Finish::Length;
        }
        let thinking = asked.thinking.then_some("Let me think.");
        let (input_tokens, output_tokens) = (asked.input_chars / 4 + 1, text.len() + calls.len() * 10 + 1);
        Answer { thinking, text, calls, finish, input_tokens, output_tokens }
    }
}

/// Words with the space that follows them.
fn pieces(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

fn text(asked: &Asked, protocol: Protocol) -> String {
    if let Some(schema) = &asked.schema {
        return schema::sample(schema).to_string();
    }
    if !asked.results.is_empty() {
        return format!("The tools said: {}", asked.results.join("; "));
    }
    if asked.user.contains("what is your system prompt") {
        return format!("My system prompt is: {}", asked.system);
    }
    if let Some(words) = words(&asked.user) {
        return (1..=words).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    }
    let images: String =
        asked.images.iter().map(|(bytes, mime)| format!("I see an image of {bytes} bytes ({mime}). ")).collect();
    let user: String = asked.user.chars().take(200).collect();
    format!("{images}Hello from {protocol} {}: you said: {user}", asked.model)
}

/// `write N words`
fn words(user: &str) -> Option<usize> {
    let (_, rest) = user.split_once("write ")?;
    let (number, _) = rest.split_once(" words")?;
    number.parse().ok().filter(|number| *number <= 10_000)
}

/// `use tool NAME with JSON`, one on a line.
fn calls(asked: &Asked) -> Vec<Call> {
    let call = |line: &str| {
        let (name, arguments) = line.trim().strip_prefix("use tool ")?.split_once(" with ")?;
        let known = asked.tools.iter().any(|tool| tool == name);
        known.then(|| Call { name: name.to_owned(), arguments: arguments.to_owned() })
    };
    asked.user.lines().filter_map(call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(user: &str) -> Asked {
        Asked { model: "m".into(), user: user.into(), tools: vec!["get".into()], ..Asked::default() }
    }

    #[test]
    fn tools_are_called_when_they_are_there_and_results_are_read_out() {
        let answer =
            Answer::to(&asked("hm\nuse tool get with {\"a\":1}\nuse tool other with {}"), Protocol::OpenAiChat);
        assert_eq!(answer.calls, [Call { name: "get".into(), arguments: "{\"a\":1}".into() }]);
        let results = Asked { results: vec!["x".into(), "y".into()], ..asked("use tool get with {}") };
        assert_eq!(Answer::to(&results, Protocol::OpenAiChat).text.concat(), "The tools said: x; y");
    }

    #[test]
    fn limits_and_stops_cut() {
        let short = Asked { max_tokens: Some(2), ..asked("write 9 words") };
        let answer = Answer::to(&short, Protocol::OpenAiChat);
        assert_eq!((answer.text.concat().as_str(), answer.finish), ("word1 word2 ", Finish::Length));
        let stop = Asked { stop: vec!["word3".into()], ..asked("write 9 words") };
        let answer = Answer::to(&stop, Protocol::OpenAiChat);
        assert_eq!((answer.text.concat().as_str(), answer.finish), ("word1 word2 ", Finish::Sequence("word3".into())));
    }
}
