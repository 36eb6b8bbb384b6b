//! Which result answers which call. Older models and many callers give calls no ids: results then answer by name, and
//! those of one name in the order of its calls.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

#[derive(Default)]
pub struct Calls {
    /// Ids that callers gave, anywhere in the conversation: none of ours may be one of them.
    given: BTreeSet<String>,
    made_up: usize,
    /// Id and name of the last turn's calls, in their order; `None` when they have a result.
    pending: Vec<Option<(String, String)>>,
    /// Where calls of an id and of a name stand, those with a result perhaps among them.
    by_id: BTreeMap<String, VecDeque<usize>>,
    by_name: BTreeMap<String, VecDeque<usize>>,
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
        self.by_id.entry(id.clone()).or_default().push_back(self.pending.len());
        self.by_name.entry(name.to_owned()).or_default().push_back(self.pending.len());
        self.pending.push(Some((id.clone(), name.to_owned())));
        id
    }

    /// The id of the call that a result answers. None if there is none.
    pub fn result(&mut self, id: Option<String>, name: &str) -> Option<String> {
        let id = id.filter(|id| !id.is_empty());
        let found = id.as_ref().and_then(|id| first(&mut self.pending, self.by_id.get_mut(id)));
        let found = found.or_else(|| first(&mut self.pending, self.by_name.get_mut(name)));
        found.or(id)
    }

    /// The model speaks again: what it called before was answered, or never will be.
    pub fn next_step(&mut self) {
        self.pending.clear();
        self.by_id.clear();
        self.by_name.clear();
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

/// The id of the first of these calls that has no result yet; now it has one.
fn first(pending: &mut [Option<(String, String)>], places: Option<&mut VecDeque<usize>>) -> Option<String> {
    let places = places?;
    while let Some(place) = places.pop_front() {
        if let Some((id, _)) = pending.get_mut(place).and_then(Option::take) {
            return Some(id);
        }
    }
    None
}
