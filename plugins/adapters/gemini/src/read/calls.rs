//! Which result answers which call. Older models and many callers give calls no ids: results then answer by name, and
//! those of one name in the order of its calls.

use serde_json::Value;

#[derive(Default)]
pub struct Calls {
    /// Ids that callers gave, anywhere in the conversation: none of ours may be one of them.
    given: Vec<String>,
    made_up: usize,
    /// Id and name of calls that have no result yet. Those of the last turn that called count first.
    pending: Vec<(String, String)>,
}

impl Calls {
    pub fn new(contents: &[(String, Value)]) -> Calls {
        let parts = contents.iter().filter_map(|(_, content)| content.get("parts")?.as_array()).flatten();
        let calls = parts.filter_map(|part| part.get("functionCall").or_else(|| part.get("function_call")));
        let given = calls.filter_map(|call| Some(call.get("id")?.as_str()?.to_owned())).collect();
        Calls { given, ..Calls::default() }
    }

    /// The id of a call.
    pub fn call(&mut self, id: Option<String>, name: &str) -> String {
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.make_up());
        self.pending.push((id.clone(), name.to_owned()));
        id
    }

    /// The id of the call that a result answers. None if there is none.
    pub fn result(&mut self, id: Option<String>, name: &str) -> Option<String> {
        let id = id.filter(|id| !id.is_empty());
        let by_id = id.as_ref().and_then(|id| self.pending.iter().position(|(known, _)| known == id));
        let found = by_id.or_else(|| self.pending.iter().position(|(_, known)| known == name));
        match found {
            Some(position) => Some(self.pending.remove(position).0),
            None => id,
        }
    }

    /// The model speaks again: what it called before was answered, or never will be.
    pub fn next_step(&mut self) {
        self.pending.clear();
    }

    fn make_up(&mut self) -> String {
        loop {
            let id = format!("call_{}", self.made_up);
            self.made_up += 1;
            if !self.given.contains(&id) {
                return id;
            }
        }
    }
}
