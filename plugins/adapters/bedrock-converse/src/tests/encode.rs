//! Requests of other protocols as Converse bodies: everything but the conversation and thinking.

use super::*;

#[test]
fn the_smallest_request() {
    let (body, dropped) = encode(ask("hi"));
    assert_eq!(body, json!({ "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] }));
    assert!(dropped.is_empty());
}

#[test]
fn sampling_is_clamped_and_not_doubled_for_claude() {
    let asked = Request {
        max_output_tokens: Some(500),
        temperature: Some(1.7),
        top_p: Some(0.9),
        stop: vec!["END".into()],
        ..ask("hi")
    };
    let (body, dropped) = encode_with(asked.clone(), ModelFacts { output_tokens: Some(400), ..no_facts() });
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 400, "temperature": 1.0, "stopSequences": ["END"] }));
    assert_eq!(body["additionalModelResponseFieldPaths"], json!(["/stop_sequence"]));
    assert_eq!(dropped, ["top_p"]);
    let (body, dropped) = encode(Request { model: "amazon.nova-pro-v1:0".into(), ..asked.clone() });
    let expected = json!({ "maxTokens": 500, "temperature": 1.0, "topP": 0.9, "stopSequences": ["END"] });
    assert_eq!(body["inferenceConfig"], expected);
    assert!(dropped.is_empty() && body.get("additionalModelResponseFieldPaths").is_none());
    let (body, dropped) = encode_with(asked.clone(), ModelFacts { sampling: Some(false), ..no_facts() });
    assert_eq!(body["inferenceConfig"], json!({ "maxTokens": 500, "stopSequences": ["END"] }));
    assert_eq!(dropped, ["temperature", "top_p"]);
    assert_eq!(refused(Request { stop: vec![" \n".into()], ..asked }, no_facts()), "stop");
}

#[test]
fn extras_that_claude_knows_reach_claude() {
    let extras = vec![extra("top_k", json!(5)), extra("service_tier", json!("auto"))];
    let asked = Request { extras, seed: Some(1), user: Some("u".into()), ..ask("hi") };
    let (body, dropped) = encode(asked.clone());
    assert_eq!(body["additionalModelRequestFields"], json!({ "top_k": 5 }));
    assert_eq!(dropped, ["service_tier", "seed", "user"]);
    let of_gemini = vec![extra("generationConfig.topK", json!(7))];
    let (body, _) = encode(Request { protocol: "gemini".into(), extras: of_gemini, ..ask("hi") });
    assert_eq!(body["additionalModelRequestFields"], json!({ "top_k": 7 }));
    for other in [
        Request { model: "meta.llama3-70b-instruct-v1:0".into(), ..asked.clone() },
        Request { protocol: "openai-chat".into(), ..asked },
    ] {
        let (body, dropped) = encode(other);
        assert!(body.get("additionalModelRequestFields").is_none());
        assert_eq!(dropped, ["top_k", "service_tier", "seed", "user"]);
    }
}

#[test]
fn tools_and_choice() {
    let tools = vec![
        Tool { description: Some("looks".into()), strict: Some(true), ..tool("look", json!({ "properties": {} })) },
        Tool { description: Some(" ".into()), parameters: String::new(), ..tool("wait", json!({})) },
    ];
    let asked = Request { tools, ..ask("hi") };
    let look = json!({ "toolSpec": { "name": "look", "description": "looks",
        "inputSchema": { "json": { "properties": {}, "type": "object" } }, "strict": true } });
    let wait = json!({ "toolSpec": { "name": "wait", "inputSchema": { "json": { "type": "object" } } } });
    assert_eq!(encode(asked.clone()).0["toolConfig"], json!({ "tools": [look, wait] }));
    for (choice, wire) in [
        (ToolChoice::Auto, json!({ "auto": {} })),
        (ToolChoice::Required, json!({ "any": {} })),
        (ToolChoice::Named("look".into()), json!({ "tool": { "name": "look" } })),
    ] {
        let (body, _) = encode(Request { tool_choice: Some(choice), ..asked.clone() });
        assert_eq!(body["toolConfig"]["toolChoice"], wire);
    }
    let (body, _) = encode(Request { tool_choice: Some(ToolChoice::None), ..asked.clone() });
    assert!(body.get("toolConfig").is_none());
    assert_eq!(encode(Request { parallel_tool_calls: Some(false), ..asked }).1, ["parallel_tool_calls"]);
}

#[test]
fn tools_that_cannot_be_said_are_refused() {
    for name in ["", "look.at", &"x".repeat(65)] {
        let tools = vec![tool("look", json!({})), tool(name, json!({}))];
        assert_eq!(refused(Request { tools, ..ask("hi") }, no_facts()), "tools[1].name");
    }
    assert_eq!(
        refused(Request { tools: vec![tool("a", json!(true))], ..ask("hi") }, no_facts()),
        "tools[0].parameters"
    );
    assert_eq!(refused(Request { tool_choice: Some(ToolChoice::Required), ..ask("hi") }, no_facts()), "tool_choice");
}

#[test]
fn a_history_with_calls_has_tools_even_if_the_request_has_none() {
    let messages = vec![
        user(vec![text("a")]),
        assistant(vec![call("1", "look", "{}"), call("2", "look", "{}"), call("3", "wait.for it", "{}")]),
        user(vec![result("1", vec![]), result("2", vec![]), result("3", vec![])]),
    ];
    let asked = Request { messages, ..ask("") };
    let tools_of = |request: Request| encode(request).0["toolConfig"].clone();
    let config = tools_of(asked.clone());
    let names: Vec<_> = config["tools"].as_array().unwrap().iter().map(|tool| &tool["toolSpec"]["name"]).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], "look");
    assert_eq!(config["tools"][0]["toolSpec"]["inputSchema"], json!({ "json": { "type": "object" } }));
    assert!(config["tools"][0]["toolSpec"]["description"].as_str().unwrap().contains("do not call"));
    let history = &encode(asked.clone()).0["messages"][1]["content"][2]["toolUse"]["name"];
    assert_eq!(names[1], history, "the name that was made for it");

    let tools = vec![tool("other", json!({}))];
    let none = Request { tools: tools.clone(), tool_choice: Some(ToolChoice::None), ..asked.clone() };
    assert_eq!(tools_of(none), config, "none may be called, but those of the history must be told");
    let told = tools_of(Request { tools, ..asked });
    assert_eq!(told["tools"].as_array().unwrap().len(), 1);
}

#[test]
fn schemas_of_answers_are_closed_and_are_text() {
    let schema = json!({ "type": "object", "properties": {
        "many": { "type": "array", "items": { "anyOf": [{ "type": "object" }, { "type": "null" }] } },
        "free": { "type": "object", "additionalProperties": true },
    } });
    let wanted = |name: Option<&str>| {
        let name = name.map(str::to_owned);
        let wanted = JsonSchema { name, description: Some("d".into()), schema: schema.to_string(), strict: Some(true) };
        Request { output: OutputFormat::JsonSchema(wanted), ..ask("hi") }
    };
    let (body, _) = encode(wanted(Some("n")));
    let format = &body["outputConfig"]["textFormat"];
    assert_eq!(format["type"], "json_schema");
    let definition = &format["structure"]["jsonSchema"];
    assert_eq!((&definition["name"], &definition["description"]), (&json!("n"), &json!("d")));
    let schema: Value = serde_json::from_str(definition["schema"].as_str().unwrap()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["many"]["items"]["anyOf"][0]["additionalProperties"], false);
    assert_eq!(schema["properties"]["free"]["additionalProperties"], true);
    let (body, _) = encode(wanted(None));
    assert!(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"].get("name").is_none());
}

#[test]
fn json_mode_becomes_an_instruction_and_is_told() {
    let (body, dropped) = encode(Request { output: OutputFormat::JsonObject, ..ask("hi") });
    assert!(body["system"][0]["text"].as_str().unwrap().contains("JSON object"));
    assert_eq!(dropped, ["json_object"]);
}

#[test]
fn counting_tokens_takes_only_what_counts() {
    let messages = vec![system("s"), user(vec![text("hi")])];
    let asked = Request {
        messages,
        tools: vec![tool("look", json!({}))],
        temperature: Some(0.5),
        stop: vec!["x".into()],
        reasoning_budget_tokens: Some(2000),
        ..ask("")
    };
    let encoded = Adapter::encode(SETTINGS.into(), "count-tokens".into(), asked, no_facts()).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let spec = json!({ "name": "look", "inputSchema": { "json": { "type": "object" } } });
    let converse = json!({
        "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 2000 } },
        "toolConfig": { "tools": [{ "toolSpec": spec }] },
        "system": [{ "text": "s" }],
        "messages": [{ "role": "user", "content": [{ "text": "hi" }] }],
    });
    assert_eq!(body, json!({ "input": { "converse": converse } }));
}
