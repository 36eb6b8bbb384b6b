//! The fields around the conversation.

use super::*;

#[test]
fn the_smallest_request() {
    let (body, dropped) = encode(ask(), no_facts());
    let content = json!([{"type": "input_text", "text": "hi"}]);
    let input = json!([{"type": "message", "role": "user", "content": content}]);
    assert_eq!(body, json!({"model": "gpt", "input": input, "store": false}));
    assert!(dropped.is_empty());
}

#[test]
fn limits_are_clamped_and_raised() {
    for (asked, known, sent) in [(4, None, 16), (900, Some(500), 500), (900, None, 900), (900, Some(8), 16)] {
        let request = Request { max_output_tokens: Some(asked), ..ask() };
        let model = ModelFacts { output_tokens: known, ..no_facts() };
        assert_eq!(encode(request, model).0["max_output_tokens"], sent);
    }
}

#[test]
fn sampling_is_clamped_or_dropped() {
    let request = || Request { temperature: Some(3.0), top_p: Some(1.5), ..ask() };
    let (body, _) = encode(request(), no_facts());
    assert_eq!((&body["temperature"], &body["top_p"]), (&json!(2.0), &json!(1.0)));
    let (body, dropped) = encode(request(), ModelFacts { sampling: Some(false), ..no_facts() });
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(dropped, ["temperature", "top_p"]);
}

#[test]
fn stop_and_seed_cannot_be_said() {
    let (body, dropped) = encode(Request { stop: vec!["x".into()], seed: Some(1), ..ask() }, no_facts());
    assert!(body.get("stop").is_none() && body.get("seed").is_none());
    assert_eq!(dropped, ["stop", "seed"]);
}

#[test]
fn a_long_user_is_hashed() {
    let user = |name: &str| encode(Request { user: Some(name.into()), ..ask() }, no_facts()).0["user"].take();
    assert_eq!(user("me"), "me");
    let long = "x".repeat(65);
    assert_eq!(user(&long), user(&long));
    assert_eq!(user(&long).as_str().unwrap().len(), 64);
}

#[test]
fn efforts_and_budgets() {
    let effort = |effort: Option<&str>, budget| {
        let effort = effort.map(str::to_owned);
        encode(Request { reasoning_effort: effort, reasoning_budget_tokens: budget, ..ask() }, no_facts()).0
    };
    for word in ["minimal", "low", "medium", "high", "xhigh", "max"] {
        assert_eq!(effort(Some(word), Some(1))["reasoning"], json!({"effort": word}));
        assert_eq!(effort(Some(word), None)["include"], json!(["reasoning.encrypted_content"]));
    }
    for (budget, word) in [(0, "none"), (1024, "low"), (4097, "medium"), (16_385, "high")] {
        assert_eq!(effort(None, Some(budget))["reasoning"]["effort"], word);
    }
    assert!(effort(Some("none"), None).get("include").is_none());
    assert!(effort(None, None).get("include").is_none());
}

#[test]
fn what_is_known_of_the_models_reasoning() {
    let with = |form, effort: Option<&str>| {
        let request = Request { reasoning_effort: effort.map(str::to_owned), ..ask() };
        encode(request, ModelFacts { reasoning: Some(form), ..no_facts() })
    };
    let (body, _) = with(ReasoningForm::Effort, None);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    assert!(body.get("reasoning").is_none());
    let (body, dropped) = with(ReasoningForm::None, Some("high"));
    assert!(body.get("include").is_none() && body.get("reasoning").is_none());
    assert_eq!(dropped, ["reasoning_effort"]);
    assert!(with(ReasoningForm::None, Some("none")).1.is_empty());
    let request = Request { reasoning_budget_tokens: Some(9), ..ask() };
    let (_, dropped) = encode(request, ModelFacts { reasoning: Some(ReasoningForm::None), ..no_facts() });
    assert_eq!(dropped, ["reasoning_budget_tokens"]);
}

#[test]
fn tools_are_flat_and_never_strict_by_silence() {
    let tools = vec![
        Tool { description: Some("d".into()), strict: Some(true), ..tool("look", json!({"type": "object"})) },
        tool("wait", json!({})),
    ];
    let choice = Some(ToolChoice::Named("look".into()));
    let (body, _) =
        encode(Request { tools, tool_choice: choice, parallel_tool_calls: Some(false), ..ask() }, no_facts());
    assert_eq!(
        body["tools"],
        json!([
            {"type": "function", "name": "look", "description": "d", "parameters": {"type": "object"}, "strict": true},
            {"type": "function", "name": "wait", "parameters": {}, "strict": false},
        ])
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "look"}));
    assert_eq!(body["parallel_tool_calls"], false);
}

#[test]
fn no_word_about_tools_where_there_are_none() {
    let with = |choice| Request { tool_choice: Some(choice), parallel_tool_calls: Some(true), ..ask() };
    let (body, _) = encode(with(ToolChoice::Auto), no_facts());
    assert!(["tools", "tool_choice", "parallel_tool_calls"].iter().all(|name| body.get(name).is_none()));
    let fault = Codec::encode("{}".into(), "chat".into(), with(ToolChoice::Required), no_facts()).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::InvalidRequest, Some("tool_choice")));
}

#[test]
fn names_that_openai_refuses() {
    for name in ["", "a b", &"x".repeat(65)] {
        assert_eq!(unsaid(Request { tools: vec![tool(name, json!({}))], ..ask() }, no_facts()), "tools[0].name");
    }
}

#[test]
fn formats() {
    let format = |output| encode(Request { output, ..ask() }, no_facts()).0["text"]["format"].take();
    let schema = |schema: Value, strict| {
        let schema = schema.to_string();
        OutputFormat::JsonSchema(JsonSchema { name: Some("a b".into()), description: None, schema, strict })
    };
    assert_eq!(format(OutputFormat::JsonObject), json!({"type": "json_object"}));
    let open = json!({"type": "object", "properties": {"a": {}}});
    let said = json!({"type": "json_schema", "name": "response", "schema": open, "strict": false});
    assert_eq!(format(schema(open.clone(), None)), said);
    assert_eq!(format(schema(open, Some(true)))["strict"], true);
    let closed = json!({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": false});
    assert_eq!(format(schema(closed, None))["strict"], true);
}

#[test]
fn extras_of_the_own_protocol_are_put_back() {
    let extras =
        vec![extra("text.verbosity", json!("low")), extra("metadata", json!({"a": "b"})), extra("store", json!(true))];
    let (body, dropped) = encode(Request { protocol: "openai-responses".into(), extras, ..ask() }, no_facts());
    assert_eq!((&body["text"], &body["metadata"]), (&json!({"verbosity": "low"}), &json!({"a": "b"})));
    assert_eq!(body["store"], false);
    assert_eq!(dropped, ["store"]);
}

#[test]
fn extras_of_other_protocols() {
    let extras = || vec![extra("verbosity", json!("low")), extra("top_k", json!(3))];
    let (body, dropped) = encode(Request { protocol: "openai-chat".into(), extras: extras(), ..ask() }, no_facts());
    assert_eq!(body["text"]["verbosity"], "low");
    assert_eq!(dropped, ["top_k"]);
    let (body, dropped) = encode(Request { extras: extras(), ..ask() }, no_facts());
    assert!(body.get("text").is_none());
    assert_eq!(dropped, ["verbosity", "top_k"]);
}

#[test]
fn counting_says_only_what_it_takes() {
    let request = Request {
        max_output_tokens: Some(99),
        reasoning_effort: Some("low".into()),
        user: Some("u".into()),
        stream: true,
        ..ask()
    };
    let encoded = Codec::encode("{}".into(), "count-tokens".into(), request, no_facts()).unwrap();
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "input", "reasoning"]);
    assert_eq!(encoded.call.path, "/responses/input_tokens");
}
