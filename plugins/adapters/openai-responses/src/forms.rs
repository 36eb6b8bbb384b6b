//! What calls look like to a caller of this protocol. Other providers know functions only; here a tool may also take free
//! text (`custom`), stand in a namespace, be the search for tools that the caller runs itself, or one of the tools of
//! `client_tools`.

use crate::TOOL_SEARCH;
use crate::client_tools::ClientTool;
use serde::{Deserialize, Serialize};

/// The tools of a request whose calls are not those of a function without a namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forms {
    /// Names of tools that take free text.
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
    /// The form of a call of the tool with this name, the name in its namespace, and the namespace.
    pub fn of(&self, name: &str) -> (Form, String, Option<String>) {
        let namespaced = self.namespaced.iter().find(|(flat, ..)| flat == name);
        let (own, namespace) = match namespaced {
            Some((_, namespace, own)) => (own.as_str(), Some(namespace.clone())),
            None => (name, None),
        };
        let form = if self.custom.iter().any(|custom| custom == own) {
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
