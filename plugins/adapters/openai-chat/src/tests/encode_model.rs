//! What is known of the model, and what it changes.

use super::*;
use pointsman_sdk::codec::FaultKind;
use pointsman_sdk::codec::provider::ReasoningForm;

#[test]
fn the_output_limit_is_clamped() {
    let encode = |known: Option<u32>, asked: Option<u32>| {
        let model = ModelFacts { output_tokens: known, ..unknown() };
        let (body, _) = encode_for(model, json!({}), Request { max_output_tokens: asked, ..hello() }).unwrap();
        body.get("max_completion_tokens").cloned()
    };
    assert_eq!(encode(Some(4096), Some(64_000)), Some(json!(4096)));
    assert_eq!(encode(Some(4096), Some(100)), Some(json!(100)));
    assert_eq!(encode(Some(4096), None), None);
    assert_eq!(encode(None, Some(64_000)), Some(json!(64_000)));
}

#[test]
fn a_model_without_sampling_gets_none() {
    let extras = ["frequency_penalty", "presence_penalty", "verbosity"];
    let extras = extras.map(|name| Extra { name: name.into(), value: "1".into() }).to_vec();
    let request =
        Request { protocol: "openai-chat".into(), temperature: Some(1.0), top_p: Some(0.5), extras, ..hello() };
    let model = ModelFacts { sampling: Some(false), ..unknown() };
    let (body, dropped) = encode_for(model, json!({}), request.clone()).unwrap();
    assert_eq!(dropped, ["temperature", "top_p", "frequency_penalty", "presence_penalty"]);
    assert_eq!((body.as_object().unwrap().len(), &body["verbosity"]), (3, &json!(1)));
    let (body, dropped) = encode(json!({}), request).unwrap();
    assert_eq!((&body["frequency_penalty"], dropped.len()), (&json!(1), 0));
}

#[test]
fn efforts_are_said_in_words_where_the_model_reasons() {
    let encode = |form: Option<ReasoningForm>, effort: Option<&str>, budget: Option<u32>| {
        let model = ModelFacts { reasoning: form, ..unknown() };
        let request =
            Request { reasoning_effort: effort.map(String::from), reasoning_budget_tokens: budget, ..hello() };
        let (body, dropped) = encode_for(model, json!({}), request).unwrap();
        (body.get("reasoning_effort").cloned(), dropped)
    };
    for form in [None, Some(ReasoningForm::Effort), Some(ReasoningForm::Budget), Some(ReasoningForm::Adaptive)] {
        assert_eq!(encode(form, Some("max"), None), (Some(json!("xhigh")), vec![]));
        assert_eq!(encode(form, None, Some(10_000)), (Some(json!("medium")), vec![]));
        assert_eq!(encode(form, None, None), (None, vec![]));
    }
    assert_eq!(encode(Some(ReasoningForm::None), Some("low"), None), (None, vec!["reasoning_effort".to_owned()]));
    assert_eq!(encode(Some(ReasoningForm::None), None, None), (None, vec![]));
}

#[test]
fn late_system_messages_are_the_users_where_the_model_takes_none() {
    let messages = || {
        vec![
            message(Role::System, vec![text("Be brief.")]),
            message(Role::User, vec![text("Hi")]),
            message(Role::System, vec![text("Be long.")]),
        ]
    };
    for protocol in ["anthropic-messages", "openai-chat"] {
        let roles = |mid_system: Option<bool>| {
            let model = ModelFacts { mid_system, ..unknown() };
            let request = Request { protocol: protocol.into(), ..request(messages()) };
            let (body, _) = encode_for(model, json!({}), request).unwrap();
            [0, 1, 2].map(|position| body["messages"][position]["role"].as_str().unwrap().to_owned())
        };
        assert_eq!(roles(Some(false)), ["system", "user", "user"]);
        assert_eq!(roles(None), ["system", "user", "system"]);
    }
}

#[test]
fn a_begun_answer_is_refused_where_the_model_does_not_continue_it() {
    let request = || request(vec![message(Role::User, vec![text("Hi")]), message(Role::Assistant, vec![text("{")])]);
    let model = ModelFacts { prefill: Some(false), ..unknown() };
    let fault = encode_for(model, json!({}), request()).unwrap_err();
    assert_eq!((field(&fault), fault.kind), ("messages[1]", FaultKind::Unsupported));
    assert!(encode(json!({}), request()).is_ok());
}

#[test]
fn images_by_url_are_refused_where_the_server_fetches_none() {
    let image = media(MediaKind::Image, "", Source::Url("https://x/y.png".into()));
    let request = request(vec![message(Role::User, vec![Part::Media(image)])]);
    let fault = encode(json!({"media_urls": false}), request).unwrap_err();
    assert_eq!((field(&fault), fault.kind), ("messages[0].content[0]", FaultKind::Unsupported));
}

#[test]
fn thoughts_go_back_only_where_asked_for_and_never_sealed_ones() {
    let sealed = |maker: &str| Some(Sealed { maker: maker.into(), data: "s".into() });
    let thought = |text: &str, signature| {
        Part::Reasoning(Reasoning { text: text.into(), signature, redacted: None, extras: Vec::new() })
    };
    let redacted = Reasoning { text: "r".into(), signature: None, redacted: sealed("openai-chat"), extras: Vec::new() };
    let parts = vec![
        thought("a", None),
        thought("b", sealed("anthropic-messages")),
        thought("c", sealed("openai-chat")),
        Part::Reasoning(redacted),
        text("Yes"),
    ];
    for protocol in ["anthropic-messages", "openai-chat"] {
        let encode = |settings: Value| {
            let messages = vec![message(Role::User, vec![text("Go")]), message(Role::Assistant, parts.clone())];
            let request = Request { protocol: protocol.into(), ..request(messages) };
            encode(settings, request).unwrap().0["messages"][1].clone()
        };
        assert_eq!(encode(json!({})), json!({"role": "assistant", "content": "Yes"}));
        let expected = json!({"role": "assistant", "reasoning_content": "ac", "content": "Yes"});
        assert_eq!(encode(json!({"reasoning_field": "reasoning_content"})), expected);
        assert_eq!(encode(json!({"reasoning_field": "reasoning"}))["reasoning"], "ac");
    }
}
