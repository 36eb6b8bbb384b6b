//! The rule that has broken most gateways: calls and results come in pairs.

use serde_json::Value;

use super::messages::is_legal;

const UNANSWERED: &str = "`tool_use` ids were found without `tool_result` blocks immediately after";

/// The pairing of calls and results: every call is answered in the next message, and only there.
#[derive(Default)]
pub struct Calls {
    open: Vec<String>,
    all: Vec<String>,
    /// The API keeps what came before the first message, calls included, as a thread that is continued.
    continues: bool,
}

impl Calls {
    pub fn beginning(continues: bool) -> Calls {
        Calls { continues, ..Calls::default() }
    }

    pub fn check(&mut self, at: &str, role: &str, blocks: &[Value]) -> Result<(), String> {
        if role == "user" {
            return self.close(at, blocks);
        }
        if let Some(id) = self.open.first() {
            return Err(format!("{at}: {UNANSWERED}: {id}"));
        }
        for block in blocks.iter().filter(|block| block["type"] == "tool_use") {
            let id = block["id"].as_str().unwrap_or_default();
            if id.is_empty() || !is_legal(id) {
                return Err(format!("{at}.content.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"));
            }
            if self.all.iter().any(|known| known == id) {
                return Err(format!("{at}: `tool_use` ids must be unique: {id}"));
            }
            self.all.push(id.to_owned());
            self.open.push(id.to_owned());
        }
        Ok(())
    }

    fn close(&mut self, at: &str, blocks: &[Value]) -> Result<(), String> {
        let (mut other, kept) = (false, std::mem::take(&mut self.continues));
        for block in blocks {
            if block["type"] != "tool_result" {
                other = true;
                continue;
            }
            let id = block["tool_use_id"].as_str().unwrap_or_default();
            if kept && self.open.is_empty() {
                continue;
            }
            let Some(position) = self.open.iter().position(|open| open == id) else {
                let rule =
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message";
                return Err(format!("{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. {rule}."));
            };
            if other {
                return Err(format!("{at}: `tool_result` blocks must come first in the content"));
            }
            self.open.remove(position);
        }
        match self.open.first() {
            Some(id) => Err(format!("{at}: {UNANSWERED}: {id}")),
            None => Ok(()),
        }
    }

    pub fn check_end(&self) -> Result<(), String> {
        match self.open.first() {
            Some(id) => Err(format!("messages: {UNANSWERED}: {id}")),
            None => Ok(()),
        }
    }
}
