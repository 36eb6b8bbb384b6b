//! Callers' requests: everything but the conversation.

use super::*;

fn config(config: Value) -> Request {
    read(body_with(json!({ "generationConfig": config })))
}

#[test]
fn every_field_that_others_know() {
    let request = read(body_with(json!({
        "systemInstruction": { "role": "user", "parts": [{ "text": "be brief" }] },
        "tools": [{ "functionDeclarations": [{ "name": "look", "description": "looks",
            "parametersJsonSchema": { "type": "object", "properties": { "x": {} } } }] }],
        "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["look"] } },
        "generationConfig": { "temperature": 0.7, "topP": 0.9, "maxOutputTokens": 512, "stopSequences": ["END"],
            "seed": 7, "candidateCount": 1, "responseMimeType": "application/json",
            "responseJsonSchema": { "type": "object" }, "thinkingConfig": { "thinkingLevel": "HIGH", "includeThoughts": true } },
    })));
    let output = JsonSchema { name: None, description: None, schema: r#"{"type":"object"}"#.into(), strict: None };
    let expected = Request {
        model: String::new(),
        protocol: "gemini".into(),
        messages: vec![system("be brief"), user(vec![text("hi")])],
        tools: vec![Tool {
            description: Some("looks".into()),
            ..tool("look", json!({ "type": "object", "properties": { "x": {} } }))
        }],
        tool_choice: Some(ToolChoice::Named("look".into())),
        output: OutputFormat::JsonSchema(output),
        max_output_tokens: Some(512),
        temperature: Some(0.7),
        top_p: Some(0.9),
        stop: vec!["END".into()],
        seed: Some(7),
        reasoning_effort: Some("high".into()),
        ..ask("")
    };
    assert_eq!(request, expected);
}

#[test]
fn snake_case_is_the_same() {
    let camel = body_with(json!({
        "systemInstruction": { "parts": [{ "text": "s" }] },
        "generationConfig": { "maxOutputTokens": 5, "topK": 3, "thinkingConfig": { "thinkingBudget": 0 } },
        "tools": [{ "functionDeclarations": [{ "name": "a_b", "parameters": {
            "type": "OBJECT", "properties": { "in_it": { "anyOf": [{ "type": "STRING" }] } } } }] }],
        "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["a_b"] } },
        "safetySettings": [{ "a_b": 1 }],
    }));
    let snake = body_with(json!({
        "system_instruction": { "parts": [{ "text": "s" }] },
        "generation_config": { "max_output_tokens": 5, "top_k": 3, "thinking_config": { "thinking_budget": 0 } },
        "tools": [{ "function_declarations": [{ "name": "a_b", "parameters": {
            "type": "OBJECT", "properties": { "in_it": { "any_of": [{ "type": "STRING" }] } } } }] }],
        "tool_config": { "function_calling_config": { "mode": "ANY", "allowed_function_names": ["a_b"] } },
        "safety_settings": [{ "a_b": 1 }],
    }));
    let request = read(camel);
    assert_eq!(read(snake), request);
    assert_eq!(
        request.extras,
        [extra("generationConfig.topK", json!(3)), extra("safetySettings", json!([{ "a_b": 1 }]))]
    );
    assert!(request.tools[0].parameters.contains("in_it"));
}

#[test]
fn kinds_of_thinking() {
    let thinking = |wish: Value| {
        let request = config(json!({ "thinkingConfig": wish }));
        (request.reasoning_effort, request.reasoning_budget_tokens)
    };
    assert_eq!(thinking(json!({ "thinkingBudget": 0 })), (Some("none".into()), None));
    assert_eq!(thinking(json!({ "thinkingBudget": -1 })), (None, None));
    assert_eq!(thinking(json!({ "thinkingBudget": 300, "includeThoughts": true })), (None, Some(300)));
    assert_eq!(thinking(json!({ "thinkingLevel": "minimal" })), (Some("minimal".into()), None));
    assert_eq!(thinking(json!({ "thinkingLevel": "THINKING_LEVEL_UNSPECIFIED" })), (None, None));
    // Whether they are shown is a word of its own only where it does not follow.
    let shown = |wish: Value| config(json!({ "thinkingConfig": wish })).extras;
    let said = |shown: bool| [extra("generationConfig.thinkingConfig.includeThoughts", json!(shown))];
    assert_eq!(shown(json!({ "includeThoughts": true })), said(true));
    assert_eq!(shown(json!({ "thinkingBudget": 0, "includeThoughts": true })), said(true));
    assert_eq!(shown(json!({ "thinkingBudget": 300 })), said(false));
    assert!(shown(json!({ "thinkingBudget": 300, "includeThoughts": true })).is_empty());
    assert!(shown(json!({ "thinkingBudget": 0, "includeThoughts": false })).is_empty());
}

#[test]
fn kinds_of_answers() {
    assert_eq!(config(json!({ "responseMimeType": "text/plain" })).output, OutputFormat::Text);
    assert_eq!(config(json!({ "responseMimeType": "application/json" })).output, OutputFormat::JsonObject);
    let own = json!({ "responseMimeType": "application/json", "responseSchema": { "type": "ARRAY", "minItems": "2",
        "items": { "type": "STRING", "nullable": true, "enum": ["a"], "format": "enum", "example": "a" } } });
    let OutputFormat::JsonSchema(output) = config(own).output else { panic!("a schema") };
    let expected = json!({ "type": "array", "minItems": 2,
        "items": { "type": ["string", "null"], "enum": ["a", null], "examples": ["a"] } });
    assert_eq!(serde_json::from_str::<Value>(&output.schema).unwrap(), expected);
}

#[test]
fn googles_schema_becomes_json_schema() {
    let tools = json!([{ "functionDeclarations": [
        { "name": "a", "parameters": { "type": "OBJECT", "propertyOrdering": ["x"], "required": ["x"], "properties": {
            "x": { "anyOf": [{ "type": "NUMBER" }, { "type": "BOOLEAN" }], "nullable": true },
            "type": { "type": "STRING" } } } },
        { "name": "b", "behavior": "BLOCKING" },
    ] }]);
    let request = read(body_with(json!({ "tools": tools })));
    let parameters: Value = serde_json::from_str(&request.tools[0].parameters).unwrap();
    let expected = json!({ "type": "object", "required": ["x"], "properties": {
        "x": { "anyOf": [{ "type": "number" }, { "type": "boolean" }, { "type": "null" }] },
        "type": { "type": "string" } } });
    assert_eq!(parameters, expected);
    assert_eq!(request.tools[1].parameters, r#"{"type":"object","properties":{}}"#);
    assert_eq!(request.tools[1].extras, [extra("behavior", json!("BLOCKING"))]);
}

#[test]
fn choices_of_tools() {
    let tools = json!([{ "functionDeclarations": [{ "name": "a" }, { "name": "b" }, { "name": "c" }] }]);
    let choose = |choice: Value| {
        let request = read(body_with(json!({ "tools": tools, "toolConfig": { "functionCallingConfig": choice } })));
        (request.tool_choice, request.tools.len())
    };
    assert_eq!(choose(json!({ "mode": "AUTO" })), (Some(ToolChoice::Auto), 3));
    assert_eq!(choose(json!({ "mode": "none" })), (Some(ToolChoice::None), 3));
    assert_eq!(choose(json!({ "mode": "ANY" })), (Some(ToolChoice::Required), 3));
    assert_eq!(
        choose(json!({ "mode": "ANY", "allowedFunctionNames": ["b"] })),
        (Some(ToolChoice::Named("b".into())), 3)
    );
    assert_eq!(choose(json!({ "mode": "ANY", "allowedFunctionNames": ["a", "b"] })), (Some(ToolChoice::Required), 2));
    assert_eq!(choose(json!({ "mode": "VALIDATED", "allowedFunctionNames": ["a"] })), (Some(ToolChoice::Auto), 1));
    assert_eq!(choose(json!({})), (None, 3));
}

#[test]
fn requests_to_be_counted() {
    let inner = body_with(json!({ "model": "models/gemini-x" }));
    let read = |body: Value| Codec::read("count-tokens".into(), vec![], body.to_string().into_bytes()).unwrap().request;
    let request = read(json!({ "generateContentRequest": inner }));
    assert_eq!((request.model.as_str(), request.messages.len()), ("models/gemini-x", 1));
    assert_eq!(read(body_with(json!({}))).messages, request.messages);
}

#[test]
fn what_cannot_be_translated_is_unsupported() {
    let table = [
        (json!({ "cachedContent": "cachedContents/1" }), "cachedContent"),
        (json!({ "generationConfig": { "candidateCount": 2 } }), "generationConfig.candidateCount"),
        (
            json!({ "generationConfig": { "responseModalities": ["TEXT", "IMAGE"] } }),
            "generationConfig.responseModalities",
        ),
        (json!({ "generationConfig": { "responseMimeType": "text/x.enum" } }), "generationConfig.responseMimeType"),
        (json!({ "contents": [{ "parts": [{ "executableCode": {} }] }] }), "contents[0].parts[0].executableCode"),
        (json!({ "contents": [{ "parts": [{ "novelty": {} }] }] }), "contents[0].parts[0].novelty"),
    ];
    for (more, field) in table {
        let fault = read_fault(body_with(more));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some(field)));
    }
}

#[test]
fn mistakes_name_the_field() {
    let part = |part: Value| json!({ "contents": [{ "role": "user", "parts": [part] }] });
    let config = |name: &str, value: Value| json!({ "generationConfig": { name: value } });
    let table = [
        (json!({ "contents": null }), "contents"),
        (json!({ "contents": [] }), "contents"),
        (json!({ "contents": [{ "parts": [{ "text": "" }] }] }), "contents"),
        (json!({ "contents": "hi" }), "contents"),
        (json!({ "contents": ["hi"] }), "contents[0]"),
        (json!({ "contents": [{ "role": "tool", "parts": [] }] }), "contents[0].role"),
        (part(json!({ "text": 7 })), "contents[0].parts[0].text"),
        (part(json!({ "functionCall": { "name": "x" } })), "contents[0].parts[0].functionCall"),
        (part(json!({ "functionResponse": {} })), "contents[0].parts[0].functionResponse.name"),
        (part(json!({ "functionResponse": { "name": "x" } })), "contents[0].parts[0].functionResponse"),
        (
            part(json!({ "inlineData": { "mimeType": "image/png", "data": "!" } })),
            "contents[0].parts[0].inlineData.data",
        ),
        (config("temperature", json!(2.5)), "generationConfig.temperature"),
        (config("topP", json!("x")), "generationConfig.topP"),
        (config("maxOutputTokens", json!(0)), "generationConfig.maxOutputTokens"),
        (config("stopSequences", json!([1])), "generationConfig.stopSequences[0]"),
        (config("responseSchema", json!(1)), "generationConfig.responseSchema"),
        (config("thinkingConfig", json!({ "thinkingLevel": "HUGE" })), "generationConfig.thinkingConfig.thinkingLevel"),
        (config("thinkingConfig", json!({ "thinkingBudget": -2 })), "generationConfig.thinkingConfig.thinkingBudget"),
        (json!({ "tools": [{ "functionDeclarations": [{}] }] }), "tools[0].functionDeclarations[0].name"),
        (
            json!({ "toolConfig": { "functionCallingConfig": { "mode": "X" } } }),
            "toolConfig.functionCallingConfig.mode",
        ),
        (
            json!({ "toolConfig": { "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["x"] } } }),
            "toolConfig.functionCallingConfig.allowedFunctionNames",
        ),
        (json!({ "systemInstruction": { "parts": [{}] } }), "systemInstruction.parts[0].text"),
    ];
    for (more, field) in table {
        let fault = read_fault(body_with(more));
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some(field)), "{}", fault.message);
    }
    for body in [&b"[]"[..], b"", b"{", b"\xff", b"3"] {
        assert_eq!(Codec::read("chat".into(), vec![], body.to_vec()).unwrap_err().kind, FaultKind::InvalidRequest);
    }
}

#[test]
fn tools_that_google_runs_are_left_out_elsewhere_and_stay_at_home() {
    let tools = json!([{ "functionDeclarations": [{ "name": "f" }] }, { "google_search": { "a": 1 } }, { "codeExecution": {} }]);
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }], "tools": tools });
    let (request, _) = crate::read::request("chat", body.to_string().as_bytes()).unwrap();
    let names: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!((request.tools.len(), names), (1, vec!["tools.googleSearch", "tools.codeExecution"]));
    let encoded = Codec::encode("{}".into(), "chat".into(), request, no_facts()).unwrap();
    let said: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(said["tools"][1], json!({ "googleSearch": { "a": 1 } }));
    assert_eq!((&said["tools"][2], encoded.dropped), (&json!({ "codeExecution": {} }), Vec::new()));
}

/// Gemini CLI 0.61 asks its router so.
#[test]
fn json_schemas_with_types_in_capitals() {
    let given = json!({ "type": "OBJECT", "properties": { "score": { "type": "INTEGER" } }, "required": ["score"] });
    let meant = json!({ "type": "object", "properties": { "score": { "type": "integer" } }, "required": ["score"] });
    let request = read(body_with(json!({
        "tools": [{ "functionDeclarations": [{ "name": "look", "parametersJsonSchema": given }] }],
        "generationConfig": { "responseMimeType": "application/json", "responseJsonSchema": given },
    })));
    let OutputFormat::JsonSchema(output) = &request.output else { panic!("{:?}", request.output) };
    for schema in [&output.schema, &request.tools[0].parameters] {
        assert_eq!(serde_json::from_str::<Value>(schema).unwrap(), meant);
    }
}
