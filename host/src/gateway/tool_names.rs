//! Tool names that a provider refuses: too long, or with letters that it does not take. Anthropic and Gemini take 128
//! letters, OpenAI and Bedrock 64, and the names of MCP tools are often longer (anthropics/claude-code#20830). A request
//! carries all tools, so one such name would keep it from failing over at all.
//!
//! Each such name is replaced by a piece of it and a digest of the whole, in the tools, the choice and the history. The
//! same name always becomes the same one, so nothing changes between turns. In the reply the caller's name is put back.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::plugin::bindings::chat::{Event, Part, Request, ToolChoice};
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// What every provider takes: OpenAI and Bedrock have the smallest limit.
const LETTERS_MAX: usize = 64;
/// Hexadecimal digits of the digest.
const DIGITS: usize = 12;

/// The names that were replaced in one request: what the provider reads, and what the caller wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolNames(BTreeMap<String, String>);

impl ToolNames {
    /// Is this what an adapter says of a tool's name that its provider does not take?
    pub fn are_refused(fault: &Fault) -> bool {
        let at_a_name = |field: &str| field.ends_with("name") || field == "tool_choice";
        fault.kind == FaultKind::Unsupported && fault.field.as_deref().is_some_and(at_a_name)
    }

    /// Replace all names in the request that some provider does not take.
    pub fn replace(request: &mut Request) -> ToolNames {
        let mut names = ToolNames::default();
        names.fit_all(request);
        names
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Put the caller's names back.
    pub fn restore(&self, events: &mut [Event]) {
        for event in events.iter_mut().filter(|_| !self.0.is_empty()) {
            if let Event::ToolCallStarted(call) = event
                && let Some(name) = self.0.get(&call.name)
            {
                call.name.clone_from(name);
            }
        }
    }

    fn fit_all(&mut self, request: &mut Request) {
        request.tools.iter_mut().for_each(|tool| self.fit(&mut tool.name));
        if let Some(ToolChoice::Named(name)) = &mut request.tool_choice {
            self.fit(name);
        }
        for part in request.messages.iter_mut().flat_map(|message| &mut message.parts) {
            match part {
                Part::ToolCall(call) => self.fit(&mut call.name),
                Part::ToolResult(result) => result.name.iter_mut().for_each(|name| self.fit(name)),
                Part::Text(_) | Part::Media(_) | Part::Reasoning(_) => {}
            }
        }
    }

    fn fit(&mut self, name: &mut String) {
        if !is_taken_by_all(name) {
            let fitting = fitting(name);
            self.0.insert(fitting.clone(), std::mem::replace(name, fitting));
        }
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

fn is_taken_by_all(name: &str) -> bool {
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins_well && name.len() <= LETTERS_MAX && name.chars().all(is_letter)
}

/// A piece of the name, for people and models to know it by, and a digest that tells it from similar ones.
fn fitting(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut piece: String = name.chars().map(|letter| if is_letter(letter) { letter } else { '_' }).collect();
    if !piece.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        piece.insert(0, '_');
    }
    // Only one-byte letters are left.
    piece.truncate(LETTERS_MAX - DIGITS - 1);
    format!("{piece}_{}", &digits[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::chat::{Message, OutputFormat, Role, Tool, ToolCall, ToolCallStarted, ToolResult};

    const LONG: &str = "mcp__plugin_chrome-devtools-mcp_chrome-devtools__performance_analyze_insight";

    fn request(names: &[&str]) -> Request {
        let tool = |name: &&str| Tool {
            name: (*name).to_owned(),
            description: None,
            parameters: "{}".to_owned(),
            strict: None,
            extras: Vec::new(),
        };
        let call = |name: &&str| {
            Part::ToolCall(ToolCall {
                id: "1".to_owned(),
                name: (*name).to_owned(),
                arguments: "{}".to_owned(),
                extras: Vec::new(),
            })
        };
        let result = |name: &&str| {
            Part::ToolResult(ToolResult {
                call_id: "1".to_owned(),
                name: Some((*name).to_owned()),
                failed: false,
                content: Vec::new(),
                extras: Vec::new(),
            })
        };
        let message = |role, parts| Message { role, parts, extras: Vec::new() };
        Request {
            model: "m".to_owned(),
            protocol: "anthropic-messages".to_owned(),
            messages: vec![
                message(Role::Assistant, names.iter().map(call).collect()),
                message(Role::User, names.iter().map(result).collect()),
            ],
            tools: names.iter().map(tool).collect(),
            tool_choice: names.first().map(|name| ToolChoice::Named((*name).to_owned())),
            parallel_tool_calls: None,
            output: OutputFormat::Text,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            stop: Vec::new(),
            seed: None,
            reasoning_effort: None,
            reasoning_budget_tokens: None,
            stream: false,
            user: None,
            extras: Vec::new(),
        }
    }

    /// Every name in the request, in order.
    fn names(request: &Request) -> Vec<String> {
        let mut names: Vec<String> = request.tools.iter().map(|tool| tool.name.clone()).collect();
        if let Some(ToolChoice::Named(name)) = &request.tool_choice {
            names.push(name.clone());
        }
        for part in request.messages.iter().flat_map(|message| &message.parts) {
            match part {
                Part::ToolCall(call) => names.push(call.name.clone()),
                Part::ToolResult(result) => names.extend(result.name.clone()),
                _ => {}
            }
        }
        names
    }

    #[test]
    fn a_name_is_replaced_everywhere_and_given_back() {
        // Too long; a letter that others refuse; a beginning that Gemini refuses; letters of several bytes.
        for name in [LONG, "files.read:all", "1st-tool", "wetter_für_heute", &"ü".repeat(128), ""] {
            let mut request = request(&[name, "Bash"]);
            let replaced = ToolNames::replace(&mut request);
            let fitting = request.tools[0].name.clone();
            assert!(is_taken_by_all(&fitting), "{fitting}");
            let expected = [&fitting, "Bash", &fitting, &fitting, "Bash", &fitting, "Bash"];
            assert_eq!(names(&request), expected);
            let started = |name: &str| {
                Event::ToolCallStarted(ToolCallStarted { index: 0, id: "1".to_owned(), name: name.to_owned() })
            };
            let mut events = [started(&fitting), started("Bash"), started("other")];
            replaced.restore(&mut events);
            assert_eq!(events, [started(name), started("Bash"), started("other")]);
        }
    }

    #[test]
    fn the_same_name_is_always_replaced_by_the_same_one() {
        let once = fitting(LONG);
        assert_eq!(once, fitting(LONG));
        assert_ne!(once, fitting(&format!("{LONG}s")));
        assert!(once.starts_with("mcp__plugin_chrome-devtools-mcp_"), "{once}");
    }

    #[test]
    fn names_that_everybody_takes_stay() {
        let mut request = request(&["Bash", "_x-1", &"a".repeat(64)]);
        let before = request.clone();
        assert!(ToolNames::replace(&mut request).is_empty());
        assert_eq!(request, before);
    }

    #[test]
    fn only_a_refused_name_is_a_reason() {
        let fault = |kind, field: Option<&str>| Fault {
            field: field.map(str::to_owned),
            ..super::super::refusal::fault(kind, "x")
        };
        assert!(ToolNames::are_refused(&fault(FaultKind::Unsupported, Some("tools[3].name"))));
        assert!(ToolNames::are_refused(&fault(FaultKind::Unsupported, Some("messages[1].content[0].name"))));
        assert!(!ToolNames::are_refused(&fault(FaultKind::Unsupported, Some("tools[3].parameters"))));
        assert!(!ToolNames::are_refused(&fault(FaultKind::InvalidRequest, Some("tools[3].name"))));
        assert!(!ToolNames::are_refused(&fault(FaultKind::Unsupported, None)));
    }
}
