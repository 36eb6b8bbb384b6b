//! Calls and responses: turn by turn, as many of one as of the other, in the same order.

use serde_json::Value;

const CALLS_AFTER: &str =
    "Please ensure that function call turn comes immediately after a user turn or after a function response turn.";
const RESPONSES_AFTER: &str = "Please ensure that function response turn comes immediately after a function call turn.";
const COUNTS: &str = "Please ensure that the number of function response parts is equal to the number of function call \
                      parts of the function call turn.";
const NAMES: &str =
    "Please ensure that function responses have the names and ids of the function calls, in their order.";

pub fn check(contents: &[Value]) -> Result<(), String> {
    let mut open: Vec<&Value> = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        let (calls, responses) = (inner(content, "functionCall"), inner(content, "functionResponse"));
        if open.is_empty() && !responses.is_empty() {
            return Err(RESPONSES_AFTER.to_owned());
        }
        if open.len() != responses.len() {
            return Err(COUNTS.to_owned());
        }
        // Google's own SDK sends results without ids.
        let either_is_null = |call: &Value, response: &Value| call["id"].is_null() || response["id"].is_null();
        let fits = |(call, response): (&&Value, &&Value)| {
            call["name"] == response["name"] && (either_is_null(call, response) || call["id"] == response["id"])
        };
        if !open.iter().zip(&responses).all(fits) {
            return Err(NAMES.to_owned());
        }
        if !calls.is_empty() && (index == 0 || contents[index - 1]["role"] == "model") {
            return Err(CALLS_AFTER.to_owned());
        }
        open = calls;
    }
    match open.is_empty() {
        true => Ok(()),
        false => Err("Please ensure that multiturn requests end with a user turn or a function response.".to_owned()),
    }
}

fn inner<'a>(content: &'a Value, field: &str) -> Vec<&'a Value> {
    content["parts"].as_array().into_iter().flatten().filter_map(|part| part.get(field)).collect()
}
