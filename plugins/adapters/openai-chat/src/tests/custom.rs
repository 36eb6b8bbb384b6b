//! Tools that take free text.

use super::*;
use pointsman_sdk::codec::client_protocol::Reading;
use pointsman_sdk::freeform;

fn body() -> Value {
    let grammar = json!({"syntax": "regex", "definition": "[a-z]+"});
    json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": "Run it"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "a"},
            {"role": "tool", "tool_call_id": "c2", "content": "b"},
        ],
        "tools": [
            {"type": "custom", "custom": {"name": "shell", "description": "d",
                "format": {"type": "grammar", "grammar": grammar}}},
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}},
        ],
        "tool_choice": {"type": "custom", "custom": {"name": "shell"}},
    })
}

fn reading() -> Reading {
    Codec::read("chat".into(), vec![], body().to_string().into_bytes()).unwrap()
}

#[test]
fn elsewhere_they_are_functions() {
    let request = reading().request;
    assert!(request.tools[0].parameters.contains("[a-z]+"), "{}", request.tools[0].parameters);
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("shell".into())));
    let calls = request.messages[1].parts.iter().map(|part| match part {
        Part::ToolCall(call) => call.arguments.as_str(),
        _ => panic!("only calls"),
    });
    assert_eq!(calls.collect::<Vec<_>>(), [r#"{"input":"ls -l"}"#, "{}"]);
}

#[test]
fn at_home_they_are_what_they_were() {
    let facts = ModelFacts {
        context_tokens: None,
        output_tokens: None,
        reasoning: None,
        sampling: None,
        prefill: None,
        mid_system: None,
        attributes: Vec::new(),
    };
    let encoded = Codec::encode("{}".into(), "chat".into(), reading().request, facts).unwrap();
    let said: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(said, body());
}

#[test]
fn calls_come_back_as_free_text() {
    let arguments = freeform::arguments("echo \"x\"");
    let call = |index, name: &str| {
        Event::ToolCallStarted(ToolCallStarted { index, id: format!("c{index}"), name: name.into() })
    };
    let piece = |index, text: &str| Event::ToolArgumentsDelta(Delta { index, text: text.into() });
    let events = vec![
        call(0, "shell"),
        piece(0, &arguments[..5]),
        piece(0, &arguments[5..]),
        Event::PartFinished(0),
        call(1, "f"),
        Event::PartFinished(1),
        Event::Finished(Finished { reason: Finish::ToolCalls, stop_sequence: None }),
    ];
    let written = |stream| {
        let written = Codec::write("chat".into(), stream, reading().memory, events.clone(), true);
        String::from_utf8(written.bytes).unwrap()
    };
    let whole: Value = serde_json::from_str(&written(false)).unwrap();
    let custom = json!({"id": "c0", "type": "custom", "custom": {"name": "shell", "input": "echo \"x\""}});
    let function = json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    assert_eq!(whole["choices"][0]["message"]["tool_calls"], json!([custom, function]));
    let streamed = written(true);
    let chunks = streamed.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let calls: Vec<Value> = chunks
        .map(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0].clone())
        .filter(|call| !call.is_null())
        .collect();
    let expected = [
        json!({"index": 0, "id": "c0", "type": "custom", "custom": {"name": "shell", "input": ""}}),
        json!({"index": 0, "custom": {"input": "echo \"x\""}}),
        json!({"index": 1, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        json!({"index": 1, "function": {"arguments": "{}"}}),
    ];
    assert_eq!(calls, expected);
}
