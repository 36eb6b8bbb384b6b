//! Requests of other protocols as bodies of `/api/chat`: everything but the conversation.

use super::*;
use pointsman_adapter_sdk::provider::ReasoningForm;

#[test]
fn the_smallest_request_says_that_it_is_not_streamed() {
    let (body, dropped) = encode(ask("hi"));
    let expected = json!({ "model": "qwen3", "messages": [{ "role": "user", "content": "hi" }], "stream": false });
    assert_eq!(body, expected);
    assert!(dropped.is_empty());
    assert_eq!(encode(Request { stream: true, ..ask("hi") }).0["stream"], true);
}

#[test]
fn options_and_settings() {
    let asked = Request {
        max_output_tokens: Some(500),
        temperature: Some(1.7),
        top_p: Some(0.5),
        stop: vec!["END".into()],
        seed: Some(-3),
        user: Some("u1".into()),
        extras: vec![extra("presence_penalty", json!(0.5)), extra("top_k", json!(5)), extra("logprobs", json!(true))],
        ..ask("hi")
    };
    let settings = r#"{"num_ctx":32768,"keep_alive":"10m"}"#;
    let (body, dropped) = encode_with(settings, asked.clone(), ModelFacts { output_tokens: Some(400), ..no_facts() });
    let options = json!({ "num_ctx": 32768, "num_predict": 400, "temperature": 1.7, "top_p": 0.5, "stop": ["END"],
        "seed": -3, "presence_penalty": 0.5 });
    assert_eq!(body["options"], options);
    assert_eq!(body["keep_alive"], "10m");
    assert_eq!(dropped, ["top_k", "logprobs", "user"], "top_k is none of OpenAI's fields");

    let asked = Request { protocol: "anthropic-messages".into(), ..asked };
    let (body, dropped) = encode_with("{}", asked.clone(), no_facts());
    assert_eq!(body["options"]["top_k"], 5);
    assert_eq!(dropped, ["presence_penalty", "logprobs", "user"]);
    let of_gemini = vec![extra("generationConfig.topK", json!(7))];
    let (body, dropped) = encode(Request { protocol: "gemini".into(), extras: of_gemini, ..ask("hi") });
    assert_eq!((&body["options"]["top_k"], dropped), (&json!(7), vec![]));
    let (body, dropped) = encode_with("{}", asked, ModelFacts { sampling: Some(false), ..no_facts() });
    assert_eq!(body["options"], json!({ "num_predict": 500, "stop": ["END"], "seed": -3 }));
    assert_eq!(dropped, ["temperature", "top_p", "presence_penalty", "top_k", "logprobs", "user"]);
}

#[test]
fn tools_are_openais_with_complete_schemas() {
    let look =
        Tool { description: Some("looks".into()), strict: Some(true), ..tool("look", json!({ "required": [] })) };
    let tools = vec![look, Tool { parameters: String::new(), ..tool("wait", json!({})) }];
    let asked = Request { tools, parallel_tool_calls: Some(false), ..ask("hi") };
    let (body, dropped) = encode(asked.clone());
    let look = json!({ "type": "function", "function": { "name": "look", "description": "looks",
        "parameters": { "required": [], "type": "object", "properties": {} } } });
    let wait = json!({ "type": "function", "function": { "name": "wait",
        "parameters": { "type": "object", "properties": {} } } });
    assert_eq!(body["tools"], json!([look, wait]));
    assert_eq!(dropped, ["parallel_tool_calls", "strict"]);
    assert_eq!(encode(Request { tool_choice: Some(ToolChoice::Auto), ..asked.clone() }).0["tools"], body["tools"]);

    let body_of_look = body["tools"][0].clone();
    let (body, _) = encode(Request { tool_choice: Some(ToolChoice::None), ..asked.clone() });
    assert!(body.get("tools").is_none());
    // Nothing can force a call: the caller is told, and the one that it names is the only one on offer.
    for (choice, offered) in [(ToolChoice::Required, 2), (ToolChoice::Named("look".into()), 1)] {
        let choice = Some(choice);
        let (said, dropped) = encode(Request { tool_choice: choice.clone(), ..asked.clone() });
        assert_eq!((said["tools"].as_array().map(Vec::len), &said["tools"][0]), (Some(offered), &body_of_look));
        assert!(dropped.contains(&"tool_choice".to_owned()));
        assert_eq!(refused(Request { tool_choice: choice, ..ask("hi") }, no_facts()), "tool_choice");
    }
    let tools = vec![tool("look", json!(true))];
    assert_eq!(refused(Request { tools, ..ask("hi") }, no_facts()), "tools[0].parameters");
}

#[test]
fn answers_in_json() {
    assert!(encode(ask("hi")).0.get("format").is_none());
    assert_eq!(encode(Request { output: OutputFormat::JsonObject, ..ask("hi") }).0["format"], "json");
    let schema = |schema: &str| {
        let wanted =
            JsonSchema { name: Some("n".into()), description: None, schema: schema.into(), strict: Some(true) };
        Request { output: OutputFormat::JsonSchema(wanted), ..ask("hi") }
    };
    assert_eq!(encode(schema(r#"{"type":"object"}"#)).0["format"], json!({ "type": "object" }));
    assert_eq!(refused(schema("true"), no_facts()), "output");
}

#[test]
fn thinking_is_asked_for_in_the_models_own_way() {
    let think = |model: &str, effort: &str, form: Option<ReasoningForm>| {
        let asked = Request { model: model.into(), reasoning_effort: Some(effort.into()), ..ask("hi") };
        encode_with("{}", asked, ModelFacts { reasoning: form, ..no_facts() }).0["think"].clone()
    };
    assert_eq!(think("qwen3", "high", None), true);
    assert_eq!(think("qwen3", "none", None), false);
    assert_eq!(think("qwen3", "minimal", Some(ReasoningForm::Level)), "low");
    assert_eq!(think("qwen3", "xhigh", Some(ReasoningForm::Budget)), true);
    assert_eq!(think("gpt-oss:20b", "low", None), "low");
    assert_eq!(think("gpt-oss:20b", "medium", None), "medium");
    assert_eq!(think("gpt-oss:20b", "max", None), "high");
    assert_eq!(think("qwen3", "low", Some(ReasoningForm::None)), Value::Null);
}

#[test]
fn thinking_that_cannot_be_had_is_told() {
    let asked = Request { reasoning_effort: Some("low".into()), reasoning_budget_tokens: Some(9), ..ask("hi") };
    let (body, dropped) = encode(asked.clone());
    assert_eq!((&body["think"], dropped), (&json!(true), vec!["reasoning_budget_tokens".into()]));
    let both = ["reasoning_effort", "reasoning_budget_tokens"];
    let (body, dropped) = encode_with(r#"{"think":false}"#, asked.clone(), no_facts());
    assert!(body.get("think").is_none());
    assert_eq!(dropped, both);
    let (_, dropped) = encode_with("{}", asked, ModelFacts { reasoning: Some(ReasoningForm::None), ..no_facts() });
    assert_eq!(dropped, both);
}
