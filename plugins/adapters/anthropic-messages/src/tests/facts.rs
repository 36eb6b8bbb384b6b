//! What is known of a model, and what is held back for it.

use super::*;
use pointsman_sdk::codec::provider::ReasoningForm;

fn form(form: ReasoningForm) -> ModelFacts {
    ModelFacts { reasoning: Some(form), ..no_facts() }
}

fn effort(word: &str) -> Request {
    Request { reasoning_effort: Some(word.into()), ..ask("hi") }
}

fn budget(tokens: u32) -> Request {
    Request { reasoning_budget_tokens: Some(tokens), ..ask("hi") }
}

/// The same request, of a caller of this protocol.
fn own(more: Value) -> Request {
    read(body_with(more))
}

#[test]
fn the_limit_is_the_models() {
    let facts = ModelFacts { output_tokens: Some(4000), ..no_facts() };
    let max_tokens = |settings: &str, asked| {
        let request = Request { max_output_tokens: asked, ..ask("hi") };
        let encoded = Codec::encode(settings.into(), "chat".into(), request, facts.clone()).unwrap();
        parsed(encoded).0["max_tokens"].as_u64().unwrap()
    };
    assert_eq!(max_tokens("{}", Some(64_000)), 4000);
    assert_eq!(max_tokens("{}", Some(100)), 100);
    assert_eq!(max_tokens("{}", None), 4000);
    assert_eq!(max_tokens(r#"{"max_tokens":300}"#, None), 300);
    assert_eq!(max_tokens(r#"{"max_tokens":9000}"#, None), 4000);
    // A budget does not push the limit beyond the model's.
    let (body, _) = encode_for(facts, budget(10_000));
    assert_eq!((&body["max_tokens"], &body["thinking"]["budget_tokens"]), (&json!(4000), &json!(3999)));
}

#[test]
fn models_that_refuse_sampling_get_none() {
    let facts = ModelFacts { sampling: Some(false), ..no_facts() };
    let (body, dropped) = encode_for(facts.clone(), Request { temperature: Some(0.5), top_p: Some(0.5), ..ask("hi") });
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(dropped, ["temperature", "top_p"]);
    let (body, dropped) =
        encode_for(facts, own(json!({ "temperature": 1, "top_p": 0.5, "top_k": 5, "speed": "fast" })));
    assert!(["temperature", "top_p", "top_k"].iter().all(|name| body.get(*name).is_none()), "{body}");
    assert_eq!(dropped, ["temperature", "top_p", "top_k"]);
    assert_eq!(body["speed"], "fast");
}

#[test]
fn adaptive_models_get_an_effort() {
    let adaptive = || form(ReasoningForm::Adaptive);
    for (request, word) in
        [(effort("minimal"), "low"), (budget(2000), "low"), (budget(9000), "medium"), (budget(32_000), "high")]
    {
        let (body, dropped) = encode_for(adaptive(), request);
        assert_eq!(body["thinking"], json!({ "type": "adaptive" }));
        assert_eq!(body["output_config"], json!({ "effort": word }));
        assert!(dropped.is_empty());
    }
    assert_eq!(encode_for(adaptive(), effort("none")).0["thinking"], json!({ "type": "disabled" }));
    assert!(encode_for(adaptive(), ask("hi")).0.get("thinking").is_none());

    let thinking = json!({ "type": "enabled", "budget_tokens": 2048, "display": "omitted" });
    let (body, _) = encode_for(adaptive(), own(json!({ "max_tokens": 4096, "thinking": thinking })));
    assert_eq!(body["thinking"], json!({ "type": "adaptive", "display": "omitted" }));
    let (body, _) = encode_for(adaptive(), own(json!({ "output_config": { "effort": "high" } })));
    assert!(body.get("thinking").is_none(), "the caller did not ask for it");
    assert_eq!(body["output_config"]["effort"], "high");
}

#[test]
fn older_models_get_a_budget() {
    let of_budget = || form(ReasoningForm::Budget);
    let (body, dropped) = encode_for(of_budget(), effort("low"));
    assert_eq!(body["thinking"], json!({ "type": "enabled", "budget_tokens": 2048 }));
    assert_eq!(body["max_tokens"], 8192 + 2048);
    assert!(body.get("output_config").is_none() && dropped.is_empty());
    let (body, _) = encode_for(of_budget(), Request { max_output_tokens: Some(8000), ..effort("high") });
    assert_eq!(body["thinking"]["budget_tokens"], 4000, "half of the room");
    assert_eq!(encode_for(of_budget(), effort("none")).0["thinking"], json!({ "type": "disabled" }));

    let adaptive = json!({ "max_tokens": 40_000, "thinking": { "type": "adaptive" } });
    let (body, _) = encode_for(of_budget(), own(adaptive));
    assert_eq!(body["thinking"], json!({ "type": "enabled", "budget_tokens": 16_384 }));
    let (body, dropped) = encode_for(of_budget(), own(json!({ "output_config": { "effort": "high" } })));
    assert!(body.get("thinking").is_none() && body.get("output_config").is_none());
    assert_eq!(dropped, ["reasoning_effort"]);
}

#[test]
fn models_that_do_not_reason_are_not_asked_to() {
    let thinking = json!({ "type": "adaptive", "display": "omitted" });
    let table = [
        (effort("high"), vec!["reasoning_effort"]),
        (budget(5000), vec!["reasoning_budget_tokens"]),
        (effort("none"), vec![]),
        (own(json!({ "thinking": thinking })), vec!["thinking", "thinking.display"]),
    ];
    for (request, expected) in table {
        let (body, dropped) = encode_for(form(ReasoningForm::None), request);
        assert!(body.get("thinking").is_none() && body.get("output_config").is_none(), "{body}");
        assert_eq!(dropped, expected);
    }
}

#[test]
fn a_prefill_that_the_model_refuses_goes_elsewhere() {
    let facts = ModelFacts { prefill: Some(false), ..no_facts() };
    let messages = vec![user(vec![text("hi")]), assistant(vec![text("So")]), system("brief")];
    let request = Request { messages, ..ask("") };
    let fault = Codec::encode("{}".into(), "chat".into(), request.clone(), facts.clone()).unwrap_err();
    assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("messages[1]")));
    assert_eq!(encode(request).0["messages"][1]["role"], "assistant");
    encode_for(facts, ask("hi"));
}

#[test]
fn instructions_between_turns() {
    let messages = || {
        let turns =
            [user(vec![text("a")]), system("now"), assistant(vec![text("b")]), system("then"), user(vec![text("c")])];
        [system("first")].into_iter().chain(turns).collect()
    };
    let roles = |protocol: &str, mid_system| {
        let request = Request { messages: messages(), protocol: protocol.into(), ..ask("") };
        let (body, _) = encode_for(ModelFacts { mid_system, ..no_facts() }, request);
        let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        (roles.join(" "), body["system"].as_array().unwrap().len())
    };
    let folded = ("user assistant user".to_owned(), 3);
    let in_place = ("user system assistant system user".to_owned(), 1);
    assert_eq!(roles("openai-chat", None), folded);
    assert_eq!(roles("openai-chat", Some(false)), folded);
    // Not behind the assistant, where the API does not take them.
    assert_eq!(roles("openai-chat", Some(true)), ("user system assistant user".to_owned(), 2));
    assert_eq!(roles("anthropic-messages", Some(false)), folded);
    assert_eq!(roles("anthropic-messages", Some(true)), in_place);
    assert_eq!(roles("anthropic-messages", None), in_place);
}

#[test]
fn what_geminis_callers_draw_from_is_known_here() {
    let extras = vec![extra("generationConfig.topK", json!(5)), extra("generationConfig.mediaResolution", json!("x"))];
    let asked = Request { protocol: "gemini".into(), extras, ..ask("hi") };
    let (body, dropped) = encode(asked.clone());
    assert_eq!((&body["top_k"], dropped), (&json!(5), vec!["generationConfig.mediaResolution".to_owned()]));
    let (body, dropped) = encode_for(ModelFacts { sampling: Some(false), ..no_facts() }, asked);
    assert_eq!((body.get("top_k"), dropped.len()), (None, 2));
}
