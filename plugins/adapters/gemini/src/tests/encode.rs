//! Requests: everything but the conversation and schemas.

use super::*;

fn thinking(effort: Option<&str>, budget: Option<u32>, model: &str, reasoning: Option<ReasoningForm>) -> Value {
    let request = Request {
        model: model.into(),
        reasoning_effort: effort.map(str::to_owned),
        reasoning_budget_tokens: budget,
        ..ask("hi")
    };
    let (body, _) = encode_with("{}", request, ModelFacts { reasoning, ..no_facts() });
    body["generationConfig"]["thinkingConfig"].clone()
}

#[test]
fn the_whole_configuration() {
    let request = Request {
        max_output_tokens: Some(512),
        temperature: Some(1.5),
        top_p: Some(0.9),
        stop: vec!["END".into(), "".into()],
        seed: Some(7),
        user: Some("u".into()),
        ..ask("hi")
    };
    let (body, dropped) = encode(request);
    let expected = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
        "generationConfig": { "maxOutputTokens": 512, "temperature": 1.5, "topP": 0.9, "stopSequences": ["END"], "seed": 7 } });
    assert_eq!(body, expected);
    assert_eq!(dropped, ["user"]);
}

#[test]
fn nothing_that_was_not_asked_for() {
    assert_eq!(encode(ask("hi")).0, json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] }));
}

#[test]
fn limits() {
    let request = Request {
        max_output_tokens: Some(99999),
        temperature: Some(2.5),
        stop: "abcdefg".chars().map(String::from).collect(),
        seed: Some(1 << 40),
        ..ask("hi")
    };
    let limits = ModelFacts { output_tokens: Some(8192), ..no_facts() };
    let (body, dropped) = encode_with("{}", request.clone(), limits);
    let config = &body["generationConfig"];
    assert_eq!((&config["maxOutputTokens"], &config["temperature"]), (&json!(8192), &json!(2.0)));
    assert_eq!(config["stopSequences"], json!(["a", "b", "c", "d", "e"]));
    assert_eq!(dropped, ["stop", "seed"]);

    let no_sampling = ModelFacts { sampling: Some(false), ..no_facts() };
    let (body, dropped) = encode_with("{}", Request { top_p: Some(0.5), ..request }, no_sampling);
    assert_eq!((body["generationConfig"].get("temperature"), body["generationConfig"].get("topP")), (None, None));
    assert!(dropped.contains(&"temperature".to_owned()) && dropped.contains(&"top_p".to_owned()));
}

#[test]
fn thinking_as_a_budget() {
    let budget = |effort, budget, form| thinking(effort, budget, "gemini-2.5-flash", form)["thinkingBudget"].clone();
    for form in [None, Some(ReasoningForm::Budget)] {
        let table = [("none", 0), ("minimal", 1024), ("low", 1024), ("medium", 8192), ("high", 24576), ("max", 24576)];
        for (effort, tokens) in table {
            assert_eq!(budget(Some(effort), None, form), tokens);
        }
        assert_eq!(budget(Some("high"), Some(2000), form), 2000);
        assert_eq!(budget(None, Some(100), form), 512);
        assert_eq!(budget(None, Some(99999), form), 24576);
        assert_eq!(budget(None, Some(0), form), 0);
    }
    assert_eq!(thinking(Some("low"), None, "m", None)["includeThoughts"], true);
    assert_eq!(thinking(Some("none"), None, "m", None)["includeThoughts"], false);
    let pro = json!({ "includeThoughts": false, "thinkingBudget": 128 });
    assert_eq!(thinking(Some("none"), None, "gemini-2.5-pro", None), pro);
    assert_eq!(thinking(None, None, "m", None), Value::Null);
}

#[test]
fn thinking_as_a_level() {
    let level = |effort, budget, model| thinking(effort, budget, model, Some(ReasoningForm::Level));
    let word = |effort, budget, model| level(effort, budget, model)["thinkingLevel"].clone();
    assert_eq!(level(Some("low"), None, "gemini-3-flash"), json!({ "includeThoughts": true, "thinkingLevel": "LOW" }));
    assert_eq!(
        level(Some("none"), None, "gemini-3-flash"),
        json!({ "includeThoughts": false, "thinkingLevel": "MINIMAL" })
    );
    assert_eq!(word(Some("minimal"), None, "gemini-3.1-pro"), "LOW");
    assert_eq!(word(Some("medium"), None, "x"), "MEDIUM");
    assert_eq!(word(Some("xhigh"), None, "x"), "HIGH");
    assert_eq!(word(None, Some(1000), "x"), "LOW");
    assert_eq!(word(None, Some(8192), "x"), "MEDIUM");
    assert_eq!(word(None, Some(20000), "x"), "HIGH");
}

#[test]
fn a_model_that_does_not_think_is_not_asked_to() {
    let request = Request { reasoning_effort: Some("high".into()), reasoning_budget_tokens: Some(9), ..ask("hi") };
    let plain = ModelFacts { reasoning: Some(ReasoningForm::None), ..no_facts() };
    let (body, dropped) = encode_with("{}", request, plain.clone());
    assert_eq!(body.get("generationConfig"), None);
    assert_eq!(dropped, ["reasoning_effort", "reasoning_budget_tokens"]);
    let off = Request { reasoning_effort: Some("none".into()), ..ask("hi") };
    assert_eq!(encode_with("{}", off, plain).1, Vec::<String>::new());
    let odd = Request { reasoning_effort: Some("extreme".into()), ..ask("hi") };
    assert_eq!(encode(odd).1, ["reasoning_effort"]);
}

#[test]
fn tools_and_choices() {
    let parameters = json!({ "type": "object", "properties": { "x": { "type": "string" } } });
    let request = |choice| Request {
        tools: vec![
            Tool { description: Some("looks".into()), strict: Some(true), ..tool("look", parameters.clone()) },
            tool("file/read", json!({ "type": "object", "properties": {} })),
        ],
        tool_choice: choice,
        parallel_tool_calls: Some(false),
        ..ask("hi")
    };
    let (body, dropped) = encode(request(None));
    let expected = json!([{ "functionDeclarations": [
        { "name": "look", "description": "looks", "parametersJsonSchema": parameters },
        { "name": "esc.file.2fread" },
    ] }]);
    assert_eq!((&body["tools"], body.get("toolConfig")), (&expected, None));
    assert_eq!(dropped, ["tools.strict", "parallel_tool_calls"]);
    let choices = [
        (ToolChoice::Auto, json!({ "mode": "AUTO" })),
        (ToolChoice::None, json!({ "mode": "NONE" })),
        (ToolChoice::Required, json!({ "mode": "ANY" })),
        (ToolChoice::Named("file/read".into()), json!({ "mode": "ANY", "allowedFunctionNames": ["esc.file.2fread"] })),
    ];
    for (choice, expected) in choices {
        assert_eq!(encode(request(Some(choice))).0["toolConfig"], json!({ "functionCallingConfig": expected }));
    }
    let alone = Request { tool_choice: Some(ToolChoice::Required), ..ask("hi") };
    assert_eq!(encode(alone).0.get("toolConfig"), None);
    let long = encode_fault(Request { tools: vec![tool(&"x".repeat(200), json!({}))], ..ask("hi") });
    assert_eq!((long.kind, long.field.as_deref()), (FaultKind::Unsupported, Some("tools[0].name")));
}

#[test]
fn json_answers() {
    let config = |settings: &str, output| {
        encode_with(settings, Request { output, ..ask("hi") }, no_facts()).0["generationConfig"].clone()
    };
    let schema = JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: json!({ "type": "object", "properties": { "n": { "type": ["integer", "null"] } } }).to_string(),
        strict: Some(true),
    };
    assert_eq!(config("{}", OutputFormat::JsonObject), json!({ "responseMimeType": "application/json" }));
    let full = config("{}", OutputFormat::JsonSchema(schema.clone()));
    assert_eq!(full["responseJsonSchema"]["properties"]["n"]["type"], json!(["integer", "null"]));
    let subset = config(r#"{"schema":"subset"}"#, OutputFormat::JsonSchema(schema));
    assert_eq!(subset["responseSchema"]["properties"]["n"], json!({ "type": "INTEGER", "nullable": true }));
    let list = JsonSchema { name: None, description: None, schema: "[]".into(), strict: None };
    let fault = encode_fault(Request { output: OutputFormat::JsonSchema(list), ..ask("hi") });
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("output")));
}

#[test]
fn what_claudes_callers_draw_from_is_known_here() {
    let asked =
        |more| Request { protocol: "anthropic-messages".into(), extras: vec![extra("top_k", more)], ..ask("hi") };
    let (body, dropped) = encode(asked(json!(5)));
    assert_eq!((&body["generationConfig"]["topK"], dropped), (&json!(5), vec![]));
    let facts = ModelFacts { sampling: Some(false), ..no_facts() };
    assert_eq!(encode_with("{}", asked(json!(5)), facts).1, ["top_k"]);
    assert_eq!(encode(asked(json!("x"))).1, ["top_k"]);
}

#[test]
fn extras_go_back_only_to_their_own_protocol() {
    let extras = vec![
        extra("safetySettings", json!([])),
        extra("generationConfig.topK", json!(5)),
        extra("generationConfig.thinkingConfig.includeThoughts", json!(true)),
        extra("toolConfig.retrievalConfig", json!({})),
        extra("contents", json!([])),
    ];
    let own = Request { protocol: "gemini".into(), extras: extras.clone(), ..ask("hi") };
    let (body, dropped) = encode(own);
    assert_eq!(body["safetySettings"], json!([]));
    assert_eq!(body["generationConfig"], json!({ "topK": 5, "thinkingConfig": { "includeThoughts": true } }));
    assert_eq!(body["contents"][0]["role"], "user");
    assert_eq!(body["toolConfig"], json!({ "retrievalConfig": {} }));
    assert_eq!(dropped, ["contents"]);
    let (body, dropped) = encode(Request { extras, ..ask("hi") });
    assert_eq!((body.get("safetySettings"), body.get("generationConfig")), (None, None));
    assert_eq!(dropped.len(), 5);
}

#[test]
fn counting_tokens() {
    let request = || Request {
        model: "models/gemini-x".into(),
        messages: vec![system("be brief"), user(vec![text("hi")])],
        tools: vec![tool("look", json!({ "type": "object", "properties": { "x": {} } }))],
        tool_choice: Some(ToolChoice::Auto),
        temperature: Some(1.0),
        user: Some("u".into()),
        ..ask("")
    };
    let count = |settings: &str| {
        let encoded = Codec::encode(settings.into(), "count-tokens".into(), request(), no_facts()).unwrap();
        assert!(encoded.call.path.ends_with("gemini-x:countTokens") && encoded.dropped.is_empty());
        serde_json::from_slice::<Value>(&encoded.body).unwrap()
    };
    let studio = count("{}");
    let inner = &studio["generateContentRequest"];
    assert_eq!(studio.as_object().unwrap().len(), 1);
    assert_eq!((&inner["model"], inner.get("generationConfig")), (&json!("models/gemini-x"), None));
    assert_eq!(inner["systemInstruction"]["parts"][0]["text"], "be brief");
    let vertex = count(r#"{"project":"p","location":"global"}"#);
    let names: Vec<_> = vertex.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["systemInstruction", "contents", "tools"]);
}
