//! Tools that OpenAI defines and the caller runs: a shell and patches of files. No other provider has them, so elsewhere each
//! is a function of the same name, and a call of it becomes OpenAI's item again for the caller.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One of these tools.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientTool {
    /// One command: <https://platform.openai.com/docs/guides/tools-local-shell>.
    LocalShell,
    /// Several commands: <https://platform.openai.com/docs/guides/tools-shell>.
    Shell,
    /// A file is created, changed or deleted: <https://platform.openai.com/docs/guides/tools-apply-patch>.
    ApplyPatch,
}

const ALL: [ClientTool; 3] = [ClientTool::LocalShell, ClientTool::Shell, ClientTool::ApplyPatch];

impl ClientTool {
    /// The tool that an item of the field `tools` offers. A shell in a container of OpenAI's is not the caller's to run.
    pub fn offered(tool: &Value) -> Option<ClientTool> {
        let found = ClientTool::named(tool["type"].as_str()?)?;
        let environment = &tool["environment"]["type"];
        (found != ClientTool::Shell || environment.is_null() || environment == "local").then_some(found)
    }

    /// The tool with this name.
    pub fn named(name: &str) -> Option<ClientTool> {
        ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// The tool that an input item of this type calls.
    pub fn called(item_type: &str) -> Option<ClientTool> {
        item_type.strip_suffix("_call").and_then(ClientTool::named)
    }

    /// The tool whose result an input item of this type holds.
    pub fn answered(item_type: &str) -> Option<ClientTool> {
        item_type.strip_suffix("_output").and_then(ClientTool::called)
    }

    /// The type of the tool, and its name as a function.
    pub fn name(self) -> &'static str {
        match self {
            ClientTool::LocalShell => "local_shell",
            ClientTool::Shell => "shell",
            ClientTool::ApplyPatch => "apply_patch",
        }
    }

    /// The field of a call's item that holds what the tool shall do.
    pub fn field(self) -> &'static str {
        match self {
            ClientTool::LocalShell | ClientTool::Shell => "action",
            ClientTool::ApplyPatch => "operation",
        }
    }

    /// What the identifiers of its items begin with.
    pub fn id_prefix(self) -> &'static str {
        match self {
            ClientTool::LocalShell => "lsh",
            ClientTool::Shell => "sh",
            ClientTool::ApplyPatch => "apc",
        }
    }

    /// What the tool does, for models that were not trained with it.
    pub fn description(self) -> &'static str {
        match self {
            ClientTool::LocalShell => "Runs a command on the user's machine and returns its output.",
            ClientTool::Shell => "Runs shell commands on the user's machine and returns their output and exit codes.",
            ClientTool::ApplyPatch => "Creates, updates or deletes one file in the user's workspace.",
        }
    }

    /// The JSON schema of what it shall do.
    pub fn parameters(self) -> Value {
        match self {
            ClientTool::LocalShell => json!({
                "type": "object",
                "properties": {
                    "command": {"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
                    "working_directory": {"type": "string"},
                    "timeout_ms": {"type": "integer", "description": "In milliseconds."},
                    "env": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "required": ["command"],
            }),
            ClientTool::Shell => json!({
                "type": "object",
                "properties": {
                    "commands": {"type": "array", "items": {"type": "string"}, "description": "Shell commands, run one after another."},
                    "timeout_ms": {"type": "integer", "description": "In milliseconds."},
                    "max_output_length": {"type": "integer", "description": "In characters."},
                },
                "required": ["commands"],
            }),
            ClientTool::ApplyPatch => json!({
                "type": "object",
                "properties": {
                    "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                    "path": {"type": "string", "description": "Relative to the workspace."},
                    "diff": {"type": "string", "description": "For create_file and update_file: a V4A diff, each line of \
                        which begins with a space (context), `+` (added) or `-` (removed), under headings such as `@@`."},
                },
                "required": ["type", "path"],
            }),
        }
    }

    /// The item's `action` or `operation` for a call with these arguments. Arguments that are no object become an empty one:
    /// the caller's tool reports what is missing, and the model can try again.
    pub fn wanted(self, arguments: &str) -> Value {
        let mut wanted = match serde_json::from_str(arguments) {
            Ok(Value::Object(wanted)) => wanted,
            _ => serde_json::Map::new(),
        };
        if self == ClientTool::LocalShell {
            wanted.insert("type".into(), "exec".into());
            wanted.entry("env").or_insert_with(|| json!({}));
        }
        Value::Object(wanted)
    }
}
