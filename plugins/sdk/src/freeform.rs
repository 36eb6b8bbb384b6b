//! Tools that take free text in place of JSON arguments: OpenAI's `custom` tools, such as Codex's `apply_patch`
//! (developers.openai.com, function calling, custom tools). No other protocol has them, so elsewhere such a tool is a
//! function with one parameter, the text, and a call of it becomes free text again for the caller.

use crate::codec::chat::Extra;
use serde_json::{Value, json};

/// The value of the extra `type` of such a tool, its calls and its results.
pub const KIND: &str = "custom";

/// The only parameter of the function.
const PARAMETER: &str = "input";

/// The schema of the function's arguments. `grammar` is the syntax (`lark` or `regex`) and the definition that the text
/// must fit: no other provider enforces one, so the model is told about it.
pub fn parameters(grammar: Option<(&str, &str)>) -> String {
    let mut description = "The whole input of the tool, as plain text.".to_owned();
    if let Some((syntax, definition)) = grammar {
        description.push_str(&format!(" It must fit this grammar ({syntax}):\n{definition}"));
    }
    let input = json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": { PARAMETER: input },
        "required": [PARAMETER],
        "additionalProperties": false,
    })
    .to_string()
}

/// The arguments of a call with this text.
pub fn arguments(input: &str) -> String {
    json!({ PARAMETER: input }).to_string()
}

/// The text of a call with these arguments. Arguments that are no such object are taken for the text itself: some models
/// write it without the JSON around it.
pub fn input(arguments: &str) -> String {
    match serde_json::from_str(arguments) {
        Ok(Value::Object(object)) if object.is_empty() => String::new(),
        Ok(Value::Object(mut object)) if object.len() == 1 => match object.get_mut(PARAMETER).map(Value::take) {
            Some(Value::String(input)) => input,
            _ => arguments.to_owned(),
        },
        _ => arguments.to_owned(),
    }
}

/// The extra that marks such a tool, call or result.
pub fn mark() -> Extra {
    Extra { name: "type".to_owned(), value: Value::from(KIND).to_string() }
}

/// Is it marked so?
pub fn is_marked(extras: &[Extra]) -> bool {
    extras.iter().any(|extra| *extra == mark())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        for text in ["", "*** Begin Patch\n\"x\"\n*** End Patch", "{\"input\":\"x\"}", "\u{1F600}\u{0}"] {
            assert_eq!(input(&arguments(text)), text);
        }
    }

    #[test]
    fn what_is_no_such_object_is_the_text() {
        assert_eq!(input("{}"), "");
        for text in ["", "plain", "{\"input\":3}", "{\"input\":\"a\",\"more\":1}", "[1]", "{\"inp"] {
            assert_eq!(input(text), text);
        }
    }

    #[test]
    fn a_grammar_is_told() {
        let told = parameters(Some(("lark", "start: /.+/s")));
        let schema: Value = serde_json::from_str(&told).unwrap();
        let description = schema["properties"]["input"]["description"].as_str().unwrap();
        assert!(description.contains("lark") && description.contains("start: /.+/s"));
        assert_eq!(schema["required"], json!(["input"]));
        assert!(!parameters(None).contains("grammar"));
    }
}
