//! Tools that Anthropic defines and the caller runs: for Claude the type says everything, other models need a schema. The
//! fields are those of platform.claude.com/docs/en/agents-and-tools/tool-use, pages "Bash tool", "Text editor tool",
//! "Memory tool" and "Computer use tool".

use serde_json::{Value, json};

/// The schema of the arguments, for the type of such a tool in any version (`bash_20250124`).
pub fn schema(kind: &str) -> Option<Value> {
    let string = || json!({ "type": "string" });
    let integer = || json!({ "type": "integer" });
    let pair = || json!({ "type": "array", "items": { "type": "integer" } });
    let (properties, required) = match family(kind)? {
        Family::Bash => (json!({ "command": string(), "restart": { "type": "boolean" } }), json!([])),
        Family::Editor => (
            json!({
                "command": { "type": "string", "enum": ["view", "create", "str_replace", "insert"] },
                "path": string(), "file_text": string(), "old_str": string(), "new_str": string(),
                "insert_line": integer(), "insert_text": string(), "view_range": pair(),
            }),
            json!(["command", "path"]),
        ),
        Family::Memory => (
            json!({
                "command": {
                    "type": "string",
                    "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
                },
                "path": string(), "file_text": string(), "old_str": string(), "new_str": string(),
                "insert_line": integer(), "insert_text": string(), "view_range": pair(), "old_path": string(),
                "new_path": string(),
            }),
            json!(["command"]),
        ),
        Family::Computer => (
            json!({
                "action": string(), "coordinate": pair(), "start_coordinate": pair(), "text": string(),
                "duration": { "type": "number" }, "scroll_direction": string(), "scroll_amount": integer(),
            }),
            json!(["action"]),
        ),
    };
    Some(json!({ "type": "object", "properties": properties, "required": required }))
}

/// What such a tool does, for models that do not know its type.
pub fn description(kind: &str) -> &'static str {
    match family(kind) {
        Some(Family::Bash) => "Run a command in a bash shell that stays open, or restart the shell.",
        Some(Family::Editor) => "View, create and edit text files.",
        Some(Family::Memory) => "Read and write files in the memory directory `/memories`.",
        Some(Family::Computer) => {
            "Use a computer: actions are `screenshot`, `left_click`, `type`, `key`, `mouse_move`, `scroll`, `wait` and others."
        }
        None => "",
    }
}

enum Family {
    Bash,
    Editor,
    Memory,
    Computer,
}

fn family(kind: &str) -> Option<Family> {
    let is =
        |family: &str| kind.strip_prefix(family).is_some_and(|date| date.bytes().all(|byte| byte.is_ascii_digit()));
    if is("bash_") {
        Some(Family::Bash)
    } else if is("text_editor_") {
        Some(Family::Editor)
    } else if is("memory_") {
        Some(Family::Memory)
    } else if is("computer_") {
        Some(Family::Computer)
    } else {
        None
    }
}
