//! What calls look like to a caller of this protocol. Other providers know functions only; here a tool may also take free
//! text (`custom`), stand in a namespace, be the search for tools that the caller runs itself, or one of the tools of
//! `client_tools`.

use crate::TOOL_SEARCH;
use crate::client_tools::ClientTool;
use serde::{Deserialize, Serialize};

/// The tools of a request whose calls are not those of a function without a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forms {
    /// Names of tools that take free text. Both lists are sorted when all tools are known.
    pub custom: Vec<String>,
    /// The name that other providers read, the namespace, and the name in it.
    pub namespaced: Vec<(String, String, String)>,
    pub has_search: bool,
    pub client_tools: Vec<ClientTool>,
}

/// The form of one call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Form {
    Function,
    Custom,
    Search,
    ClientTool(ClientTool),
}

impl Forms {
    /// So that a name is found without looking at all of them. Of two tools with one flat name the first counts.
    pub fn sorted(mut self) -> Forms {
        self.custom.sort_unstable();
        self.namespaced.sort_by(|one, other| one.0.cmp(&other.0));
        self
    }

    /// The form of a call of the tool with this name, the name in its namespace, and the namespace.
    pub fn of(&self, name: &str) -> (Form, String, Option<String>) {
        let at = self.namespaced.partition_point(|(flat, ..)| flat.as_str() < name);
        let namespaced = self.namespaced.get(at).filter(|(flat, ..)| flat == name);
        let (own, namespace) = match namespaced {
            Some((_, namespace, own)) => (own.as_str(), Some(namespace.clone())),
            None => (name, None),
        };
        let form = if self.custom.binary_search_by(|custom| custom.as_str().cmp(own)).is_ok() {
            Form::Custom
        } else if self.has_search && name == TOOL_SEARCH {
            Form::Search
        } else if let Some(tool) = self.client_tools.iter().find(|tool| tool.name() == name) {
            Form::ClientTool(*tool)
        } else {
            Form::Function
        };
        (form, own.to_owned(), namespace)
    }
}
