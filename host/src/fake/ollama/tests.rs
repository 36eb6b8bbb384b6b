use bytes::Bytes;
use serde_json::{Value, json};

use super::super::vector::{DIMENSIONS, vector};
use super::*;

fn ask(body: &Value) -> Result<Script, Refused> {
    let seen = Seen {
        method: "POST".into(),
        path: "/api/chat".into(),
        headers: Vec::new(),
        body: Bytes::new(),
        model: String::new(),
        ..Seen::default()
    };
    script(&seen, body, 1)
}

/// A good request with some fields changed.
fn with(fields: Value) -> Value {
    let mut body = json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": "hi" }] });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn refused_for(fields: Value, message: &str) {
    let refused = ask(&with(fields.clone())).err().unwrap_or_else(|| panic!("accepted: {fields}"));
    let given = refused.body["error"].as_str().expect("a message");
    assert!(refused.status == 400 && given.contains(message), "{fields}: {given}");
}

fn whole(mut fields: Value) -> Value {
    fields["stream"] = json!(false);
    match ask(&with(fields)) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn lines(fields: Value) -> Vec<Value> {
    let Ok(Script::Stream(pieces)) = ask(&with(fields)) else { panic!("a stream") };
    let line = |piece: &Piece| serde_json::from_str(piece.text().strip_suffix('\n').expect("a line")).expect("JSON");
    pieces.iter().map(line).collect()
}

#[test]
fn requests_are_checked() {
    let message = |message: Value| json!({ "messages": [message] });
    let call = |arguments: Value| {
        let function = json!({ "name": "get", "arguments": arguments });
        message(json!({ "role": "assistant", "content": "", "tool_calls": [{ "function": function }] }))
    };
    let image = |data: &str| message(json!({ "role": "user", "content": "a", "images": [data] }));
    for (fields, expected) in [
        (json!({ "model": "" }), "model is required"),
        (json!({ "tool_choice": "auto" }), "unknown field \"tool_choice\""),
        (json!({ "stream": "yes" }), "ChatRequest.stream of type bool"),
        (json!({ "think": "often" }), "invalid think value: \"often\""),
        (json!({ "format": "xml" }), "invalid format"),
        (json!({ "options": { "max_tokens": 1 } }), "invalid option provided: max_tokens"),
        (json!({ "options": { "num_predict": "1" } }), "option \"num_predict\" must be of type integer"),
        (json!({ "options": { "stop": "a" } }), "option \"stop\" must be of type array"),
        (message(json!({ "role": "developer", "content": "a" })), "invalid role: developer"),
        (
            message(json!({ "role": "user", "content": [{ "type": "text" }] })),
            "cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
        ),
        (message(json!({ "role": "user", "content": null })), "cannot unmarshal null"),
        (message(json!({ "role": "user", "content": "a", "name": "b" })), "unknown field \"name\""),
        (image("data:image/png;base64,AAAA"), "illegal base64 data at input byte 4"),
        (call(json!("{}")), "cannot unmarshal string into Go struct field"),
        (json!({ "tools": [{ "type": "function", "name": "get" }] }), "unknown field \"name\""),
    ] {
        refused_for(fields, expected);
    }
    let missing = ask(&with(json!({ "model": "missing-one" }))).err().expect("a refusal");
    assert_eq!((missing.status, missing.body), (404, json!({ "error": "model 'missing-one' not found" })));
}

#[test]
fn what_is_asked_for_is_said() {
    let content = |fields: Value| whole(fields)["message"]["content"].as_str().expect("text").to_owned();
    assert_eq!(content(json!({})), "Hello from ollama llama3.2: you said: hi");
    assert_eq!(
        content(json!({ "format": { "type": "object", "properties": { "a": { "type": "integer" } } } })),
        "{\"a\":1}"
    );
    let results = json!([
        { "role": "user", "content": "use tool get with {}" },
        { "role": "assistant", "content": "", "tool_calls": [{ "function": { "name": "get", "arguments": {} } }] },
        { "role": "tool", "content": "r", "tool_name": "get" },
    ]);
    assert_eq!(content(json!({ "messages": results })), "The tools said: r");
    let image = json!([{ "role": "user", "content": "a", "images": ["AAAA"] }]);
    assert!(content(json!({ "messages": image })).starts_with("I see an image of 3 bytes. "));
    let long = json!({ "messages": [{ "role": "user", "content": "write 9 words" }], "options": { "num_predict": 2 } });
    assert_eq!(whole(long)["done_reason"], "length");
    assert_eq!(whole(json!({ "messages": [] }))["done_reason"], "load");
}

#[test]
fn lines_have_the_order_of_the_server() {
    let tools = json!([{ "type": "function", "function": { "name": "get", "parameters": { "type": "object" } } }]);
    let messages = json!([{ "role": "user", "content": "use tool get with {\"a\":1}\nuse tool get with {}" }]);
    let lines = lines(json!({ "tools": tools, "messages": messages, "think": true }));
    let thought: String = lines.iter().filter_map(|line| line["message"]["thinking"].as_str()).collect();
    let calls: Vec<&Value> = lines.iter().filter_map(|line| line["message"]["tool_calls"].get(0)).collect();
    assert_eq!((thought.as_str(), calls.len()), ("Let me think.", 2));
    assert_eq!(calls[0]["function"]["arguments"], json!({ "a": 1 }));
    let (last, before) = lines.split_last().expect("lines");
    assert!(before.iter().all(|line| line["done"] == false) && last["done"] == true);
    assert_eq!((&last["done_reason"], last["eval_count"].is_u64()), (&json!("stop"), true));
}

#[test]
fn embeddings_follow_from_the_text() {
    let embed = |fields: Value| {
        let mut body = json!({ "model": "e", "input": ["a", "b"] });
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        let seen = Seen {
            method: "POST".into(),
            path: "/api/embed".into(),
            headers: Vec::new(),
            body: Bytes::new(),
            model: String::new(),
            ..Seen::default()
        };
        match script(&seen, &body, 1) {
            Ok(Script::Whole { body, .. }) => body,
            Ok(Script::Stream(_)) => panic!("a stream"),
            Err(refused) => refused.body,
        }
    };
    let reply = embed(json!({ "truncate": false, "keep_alive": "1m", "options": { "num_ctx": 9 } }));
    let expected = ["a", "b"].map(|text| vector(text, DIMENSIONS));
    assert_eq!((&reply["embeddings"], &reply["prompt_eval_count"]), (&json!(expected), &json!(2)));
    assert_eq!(embed(json!({ "input": "b", "dimensions": 3 }))["embeddings"], json!([vector("b", 3)]));
    let long = "long ".repeat(2000);
    assert!(embed(json!({ "input": long }))["embeddings"].is_array());
    for (fields, message) in [
        (json!({ "input": [] }), "invalid input type"),
        (json!({ "input": ["a", ""] }), "invalid input type"),
        (json!({ "input": [1, 2] }), "invalid input type"),
        (json!({ "prompt": "a" }), "unknown field \"prompt\""),
        (json!({ "dimensions": "3" }), "EmbedRequest.dimensions"),
        (json!({ "options": { "dimensions": 3 } }), "invalid option provided"),
        (json!({ "input": long, "truncate": false }), "exceeds the context length"),
        (json!({ "model": "missing" }), "not found"),
    ] {
        let reply = embed(fields);
        assert!(reply["error"].as_str().is_some_and(|given| given.contains(message)), "{message}: {reply}");
    }
}
