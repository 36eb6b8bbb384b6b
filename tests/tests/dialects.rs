//! The same protocol is not the same model: a body that was written for one is mended where the target would refuse it, and goes
//! untouched where it would not.

use pointsman::fake::{Behaviour, Fake, Fault, Protocol, Seen};
use pointsman_tests::{Answer, Line, behave};
use serde_json::{Value, json};

const ROUTES: &str = r#"
    [facts."house*"]
    sampling = true
    [models.opus]
    targets = ["anthropic/claude-opus-4-8", "anthropic/claude-sonnet-4-5"]
    [models.sonnet]
    targets = ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-8"]
    [models.house]
    targets = ["openai/house-model", "openai/gpt-5-mini"]
    [models.gpt]
    targets = ["openai/gpt-5", "openai/gpt-4.1"]
    [models.odd]
    targets = ["openai/house-model"]
    [models.odd-claude]
    targets = ["anthropic/claude-of-tomorrow"]
"#;

async fn line() -> Line {
    Line::start_with(ROUTES).await
}

fn messages(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "max_tokens": 4000, "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn chat(model: &str, more: Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "hello" }] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn last(seen: &[Seen]) -> Value {
    serde_json::from_slice(&seen.last().expect("a request").body).expect("JSON")
}

fn served(answer: &Answer, target: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, target), "{}", answer.body);
}

/// One 529 must not end a session of Claude Code, whose body is for the newest model.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_the_newest_claude_is_served_by_an_older_one() {
    let line = line().await;
    line.anthropic.behave_for("claude-opus-4-8", behave("529"));
    for (more, dropped) in [
        (json!({ "thinking": { "type": "adaptive" } }), ""),
        (json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "high" } }), ""),
        (json!({ "output_config": { "effort": "high" } }), "reasoning_effort"),
        (json!({ "max_tokens": 128_000 }), ""),
    ] {
        let answer = line.post("/v1/messages", &messages("opus", more.clone())).await;
        served(&answer, "anthropic/claude-sonnet-4-5");
        assert_eq!(answer.header("x-pointsman-dropped"), dropped, "{more}");
        let sent = last(&line.anthropic.seen());
        assert!(sent["max_tokens"].as_u64().is_some_and(|limit| limit <= 64_000), "{sent}");
        assert_ne!(sent["thinking"]["type"], "adaptive", "{sent}");
    }
    let mut late = messages("opus", json!({}));
    late["messages"] = json!([
        { "role": "user", "content": "hello" },
        { "role": "system", "content": "be brief" },
    ]);
    served(&line.post("/v1/messages", &late).await, "anthropic/claude-sonnet-4-5");
    // What it did not have to change stands there as it was written, what nobody knows included.
    let odd = messages("opus", json!({ "thinking": { "type": "adaptive" }, "diagnostics": { "odd": 1.50 } }));
    served(&line.post("/v1/messages", &odd).await, "anthropic/claude-sonnet-4-5");
    let seen = line.anthropic.seen();
    let sent = String::from_utf8_lossy(&seen.last().expect("a request").body).into_owned();
    assert!(sent.contains(r#""messages":[{"role":"user","content":"hello"}]"#), "{sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_an_older_claude_is_served_by_the_newest() {
    let line = line().await;
    line.anthropic.behave_for("claude-sonnet-4-5", behave("529"));
    for (more, gone) in [
        (json!({ "thinking": { "type": "enabled", "budget_tokens": 2000 } }), "budget_tokens"),
        (json!({ "temperature": 0.2 }), "temperature"),
        (json!({ "top_k": 5 }), "top_k"),
    ] {
        let answer = line.post("/v1/messages", &messages("sonnet", more)).await;
        served(&answer, "anthropic/claude-opus-4-8");
        let sent = last(&line.anthropic.seen()).to_string();
        assert!(!sent.contains(gone), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_a_house_model_is_served_by_gpt_5() {
    let line = line().await;
    line.openai.behave_for("house-model", behave("503"));
    for (more, dropped) in [
        (json!({ "max_tokens": 200 }), ""),
        (json!({ "temperature": 0.2 }), "temperature"),
        (json!({ "max_tokens": 200, "temperature": 0.2, "top_p": 0.5 }), "temperature, top_p"),
        (json!({ "presence_penalty": 0.5 }), "presence_penalty"),
    ] {
        let answer = line.post("/v1/chat/completions", &chat("house", more.clone())).await;
        served(&answer, "openai/gpt-5-mini");
        assert_eq!(answer.header("x-pointsman-dropped"), dropped, "{more}");
        let sent = last(&line.openai.seen());
        assert_eq!(sent["max_completion_tokens"], more["max_tokens"], "{sent}");
    }
    line.openai.behave_for("gpt-5", behave("503"));
    let answer = line.post("/v1/chat/completions", &chat("gpt", json!({ "reasoning_effort": "high" }))).await;
    served(&answer, "openai/gpt-4.1");
    assert_eq!(answer.header("x-pointsman-dropped"), "reasoning_effort");
}

/// What contradicts nothing is nobody's to change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_fits_goes_untouched() {
    let line = line().await;
    for model in ["sonnet", "claude-sonnet-4-5"] {
        let body = format!(
            r#"{{ "model": "{model}", "max_tokens":  64, "temperature": 0.50, "top_k": 7, "messages": [ {{"role":"user", "content":"hello"}} ] }}"#
        );
        let answer = Answer::read(line.open("/v1/messages", body.clone()).await).await;
        served(&answer, "anthropic/claude-sonnet-4-5");
        let seen = line.anthropic.seen();
        let sent = String::from_utf8_lossy(&seen.last().expect("a request").body).into_owned();
        assert_eq!(sent, body.replace(model, "claude-sonnet-4-5"));
    }
}

/// What no facts tell, the refusal does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_parameter_is_left_out_once() {
    let line = line().await;
    let answer = line.post("/v1/chat/completions", &chat("odd", json!({ "chat_template_kwargs": {} }))).await;
    served(&answer, "openai/house-model");
    assert_eq!((answer.header("x-pointsman-attempts"), line.openai.seen().len()), ("1", 2));
    assert_eq!(answer.header("x-pointsman-dropped"), "chat_template_kwargs");
    let answer = line.post("/v1/messages", &messages("odd-claude", json!({ "top_n": 3 }))).await;
    served(&answer, "anthropic/claude-of-tomorrow");
    assert_eq!(answer.header("x-pointsman-dropped"), "top_n");
    // Two: the second refusal is believed.
    let answer = line.post("/v1/messages", &messages("odd-claude", json!({ "top_n": 3, "top_m": 3 }))).await;
    assert_eq!(answer.status, 400);
    // Who names the model itself hears what it says.
    let answer = line.post("/v1/messages", &messages("claude-sonnet-4-5", json!({ "top_n": 3 }))).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

/// OpenAI says by a code which parameter a model does not take: then who names the model itself is answered by it, and by no
/// backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_need_not_know_what_a_thinking_model_refuses() {
    let line = line().await;
    for (model, more, refusals, dropped) in [
        ("gpt-5", json!({ "max_tokens": 200 }), 1, ""),
        ("gpt-5", json!({ "max_tokens": 200, "stream": true }), 1, ""),
        ("gpt-5", json!({ "temperature": 0.2 }), 1, "temperature"),
        ("gpt-5", json!({ "max_tokens": 200, "temperature": 0.2, "top_p": 0.5 }), 3, "temperature, top_p"),
    ] {
        let before = line.openai.seen().len();
        let answer = line.post("/v1/chat/completions", &chat(model, more.clone())).await;
        served(&answer, &format!("openai/{model}"));
        let seen = line.openai.seen();
        assert_eq!((answer.header("x-pointsman-attempts"), seen.len() - before), ("1", refusals + 1), "{more}");
        assert_eq!(answer.header("x-pointsman-dropped"), dropped, "{more}");
        let sent = last(&seen);
        assert_eq!(
            (&sent["max_completion_tokens"], &sent["max_tokens"]),
            (&more["max_tokens"], &json!(null)),
            "{sent}"
        );
        assert_eq!(sent["messages"], json!([{ "role": "user", "content": "hello" }]));
    }
    assert!(line.anthropic.seen().is_empty());
}

/// The signature is of another account, or was cut: without the thoughts the conversation goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thought_that_is_refused_is_left_out() {
    let line = line().await;
    let tools = json!([{ "name": "f", "input_schema": { "type": "object" } }]);
    let history = |first: Value| {
        json!([
            { "role": "user", "content": "use tool f with {}" },
            { "role": "assistant", "content": [first, { "type": "tool_use", "id": "toolu_1", "name": "f", "input": {} }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "done" }] },
        ])
    };
    for first in [
        json!({ "type": "thinking", "thinking": "hm", "signature": "of somebody else" }),
        json!({ "type": "text", "text": "A backup made this turn." }),
    ] {
        let mut body = messages("claude-sonnet-4-5", json!({ "tools": tools.clone() }));
        body["thinking"] = json!({ "type": "enabled", "budget_tokens": 2000 });
        body["messages"] = history(first);
        let answer = line.post("/v1/messages", &body).await;
        served(&answer, "anthropic/claude-sonnet-4-5");
        assert_eq!(answer.header("x-pointsman-dropped"), "reasoning");
        assert_ne!(last(&line.anthropic.seen())["thinking"]["type"], "enabled");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_without_their_names_get_them() {
    let line = line().await;
    let body = [
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\
         \"model\":\"x\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\
         \"usage\":{\"output_tokens\":1}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    ];
    let fault = Fault::StatusBody { status: 200, content_type: "text/event-stream".into(), body: body.concat() };
    line.anthropic.behave(Behaviour { fault, ..Behaviour::default() });
    let answer = line.claude("claude-sonnet-4-5", "hello", true).await;
    assert!(answer.complete(), "{}", answer.body);
    for event in ["message_start", "content_block_delta", "message_delta", "message_stop"] {
        assert_eq!(answer.body.matches(&format!("event: {event}\n")).count(), 1, "{}", answer.body);
    }
}

/// Providers of Responses and of Gemini, and an operator's word on how a server differs.
async fn line_of_all() -> (Line, Fake, Fake) {
    let responses = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
    let gemini = Fake::start(Protocol::Gemini).await.expect("a port");
    let line = Line::start().await;
    let more = format!(
        r#"
        {ROUTES}
        [providers.responses]
        adapter = "openai-responses"
        base_url = "{}"
        key = "k"
        [providers.gemini]
        adapter = "gemini"
        base_url = "{}"
        key = "k"
        [providers.server]
        adapter = "openai-chat"
        base_url = "{}"
        key = "k"
        settings = {{ max_tokens_field = "max_tokens", sampling = false, reasoning_effort = false }}
        [models.new-responses]
        targets = ["responses/gpt-5"]
        [models.old-responses]
        targets = ["responses/gpt-4.1"]
        [models.gemini-of-levels]
        targets = ["gemini/gemini-3-pro-preview"]
        [models.gemini-of-budgets]
        targets = ["gemini/gemini-2.5-flash"]
        [models.gemini-without]
        targets = ["gemini/gemini-2.0-flash"]
        [models."server-*"]
        targets = ["server/*"]
        [models.new-gpt]
        targets = ["openai/gpt-4.1", "openai/gpt-5"]
        [models.prefilled]
        targets = ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-8", "openai/gpt-4.1"]
        [models.prefilled-only]
        targets = ["anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-8"]
        "#,
        responses.base_url(),
        gemini.base_url(),
        line.openai.base_url(),
    );
    line.reconfigure(&more).await.expect("a good configuration");
    (line, responses, gemini)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_responses_is_mended_for_another_model() {
    let (line, responses, _) = line_of_all().await;
    let encrypted = "reasoning.encrypted_content";
    for (model, more, dropped) in [
        ("new-responses", json!({ "temperature": 0.2, "top_p": 0.5 }), "temperature, top_p"),
        ("new-responses", json!({ "max_output_tokens": 500_000 }), ""),
        ("old-responses", json!({ "reasoning": { "effort": "high" } }), "reasoning_effort"),
        ("old-responses", json!({ "reasoning": { "effort": "high", "summary": "auto" } }), "reasoning_effort"),
        // Codex asks so.
        ("old-responses", json!({ "reasoning": { "effort": "low" }, "include": [encrypted] }), "reasoning_effort"),
        ("old-responses", json!({ "max_output_tokens": 128_000 }), ""),
    ] {
        let mut body = json!({ "model": model, "input": "hello" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let answer = line.post("/v1/responses", &body).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.body);
        assert!(answer.header("x-pointsman-dropped").contains(dropped), "{more}: {:?}", answer.headers);
        let sent = last(&responses.seen());
        let most = if model == "new-responses" { 128_000 } else { 32_768 };
        assert!(sent["max_output_tokens"].as_u64().unwrap_or(0) <= most, "{sent}");
        assert_eq!(sent["input"], "hello");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_gemini_is_mended_for_another_model() {
    let (line, _, gemini) = line_of_all().await;
    let thinking = |config: Value| json!({ "thinkingConfig": config, "topK": 5 });
    for (model, config, expected) in [
        ("gemini-of-levels", thinking(json!({ "thinkingBudget": 512 })), json!({ "thinkingLevel": "LOW" })),
        ("gemini-of-levels", thinking(json!({ "thinkingBudget": 20_000 })), json!({ "thinkingLevel": "HIGH" })),
        ("gemini-of-budgets", thinking(json!({ "thinkingLevel": "MEDIUM" })), json!({ "thinkingBudget": 8192 })),
        ("gemini-without", thinking(json!({ "thinkingLevel": "HIGH", "includeThoughts": true })), Value::Null),
        ("gemini-of-budgets", json!({ "maxOutputTokens": 90_000, "topK": 5 }), Value::Null),
    ] {
        let contents = json!([{ "role": "user", "parts": [{ "text": "hello" }] }]);
        let body = json!({ "contents": contents, "generationConfig": config });
        let answer = line.post(&format!("/v1beta/models/{model}:generateContent"), &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        let sent = last(&gemini.seen());
        let (config, thinking) = (&sent["generationConfig"], &sent["generationConfig"]["thinkingConfig"]);
        for field in ["thinkingLevel", "thinkingBudget"] {
            assert_eq!(thinking[field], expected[field], "{body}: {sent}");
        }
        assert!(config["maxOutputTokens"].as_u64().unwrap_or(0) <= 65_535, "{sent}");
        assert_eq!((&config["topK"], &sent["contents"]), (&json!(5), &contents), "all else stays: {sent}");
    }
}

/// A conversation with a model that signs no calls goes on at one that wants them signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_that_gemini_misses_or_refuses_is_done_without() {
    let (line, _, gemini) = line_of_all().await;
    let call = json!({ "functionCall": { "name": "f", "args": {} } });
    let signed = |signature: &str| {
        let mut call = call.clone();
        call["thoughtSignature"] = signature.into();
        call
    };
    for call in [call.clone(), signed("bm90IG9mIEdvb2dsZQ==")] {
        let body = json!({
            "contents": [
                { "role": "user", "parts": [{ "text": "use tool f with {}" }] },
                { "role": "model", "parts": [call] },
                { "role": "user", "parts": [{ "functionResponse": { "name": "f", "response": { "result": "done" } } }] },
            ],
            "tools": [{ "functionDeclarations": [{ "name": "f" }] }],
        });
        let answer = line.post("/v1beta/models/gemini-of-levels:generateContent", &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        assert!(answer.body.contains("done"), "{}", answer.body);
        let sent = last(&gemini.seen());
        assert_eq!(sent["contents"].as_array().map(Vec::len), Some(3), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_says_of_a_server_holds_for_bodies_of_its_own_protocol() {
    let (line, ..) = line_of_all().await;
    let more = json!({ "max_completion_tokens": 200, "temperature": 0.2, "reasoning_effort": "low", "n": 1 });
    let answer = line.post("/v1/chat/completions", &chat("server-model", more)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-dropped"), "reasoning_effort, temperature");
    let messages = json!([{ "role": "user", "content": "hello" }]);
    let expected = json!({ "model": "server-model", "messages": messages, "n": 1, "max_tokens": 200 });
    assert_eq!(last(&line.openai.seen()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_gpt_4_1_is_served_by_gpt_5() {
    let (line, ..) = line_of_all().await;
    line.openai.behave_for("gpt-4.1", behave("503"));
    for (more, dropped) in [
        (json!({ "max_tokens": 200 }), ""),
        (json!({ "max_tokens": 200, "temperature": 0.2, "top_p": 0.5 }), "temperature, top_p"),
        (json!({ "max_tokens": 200, "presence_penalty": 0.2, "stream": true }), "presence_penalty"),
    ] {
        let before = line.openai.seen().len();
        let answer = line.post("/v1/chat/completions", &chat("new-gpt", more.clone())).await;
        served(&answer, "openai/gpt-5");
        assert_eq!(answer.header("x-pointsman-dropped"), dropped, "{more}");
        let seen = line.openai.seen();
        assert_eq!(seen.len() - before, 2, "known beforehand, not by a refusal");
        let sent = last(&seen);
        assert_eq!((&sent["max_completion_tokens"], sent.get("max_tokens")), (&json!(200), None), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefilled_answer_goes_to_no_model_that_continues_none() {
    let (line, ..) = line_of_all().await;
    let mut body = messages("prefilled", json!({}));
    body["messages"] = json!([
        { "role": "user", "content": "Name a colour as JSON." },
        { "role": "assistant", "content": "{\"colour\":" },
    ]);
    served(&line.post("/v1/messages", &body).await, "anthropic/claude-sonnet-4-5");
    line.anthropic.behave_for("claude-sonnet-4-5", behave("529"));
    served(&line.post("/v1/messages", &body).await, "openai/gpt-4.1");
    body["model"] = "prefilled-only".into();
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 529, "{}", answer.body);
    assert!(answer.body.contains("does not go on with a message of the assistant"), "{}", answer.body);
    assert!(line.anthropic.seen().iter().all(|seen| seen.model != "claude-opus-4-8"), "it would refuse it");
}

/// What the reader does not know stands in the conversation as it was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_block_keeps_no_body_from_being_mended() {
    let line = line().await;
    line.anthropic.behave_for("claude-opus-4-8", behave("529"));
    let block = r#"{"type":"container_upload","file_id":"file_1","odd":1.50}"#;
    for (late, thinking) in [
        (true, json!({ "type": "disabled" })),
        (false, json!({ "type": "adaptive" })),
        (true, json!({ "type": "adaptive" })),
    ] {
        let mut body = messages("opus", json!({ "thinking": thinking, "max_tokens": 128_000 }));
        let mut list = json!([{ "role": "user", "content": ["BLOCK", { "type": "text", "text": "hello" }] }]);
        if late {
            list.as_array_mut().expect("a list").push(json!({ "role": "system", "content": "Be brief." }));
        }
        body["messages"] = list;
        let before = line.anthropic.seen().len();
        let body = body.to_string().replace("\"BLOCK\"", block);
        let answer = Answer::read(line.open("/v1/messages", body).await).await;
        served(&answer, "anthropic/claude-sonnet-4-5");
        let seen = line.anthropic.seen();
        assert_eq!(seen.len() - before, 2, "known beforehand, not by a refusal");
        let sent = last(&seen);
        assert!(sent["max_tokens"].as_u64().is_some_and(|limit| limit <= 64_000), "{sent}");
        assert_ne!(sent["thinking"]["type"], "adaptive", "{sent}");
        let expected: Value = serde_json::from_str(block).expect("JSON");
        assert_eq!(sent["messages"][0]["content"][0], expected);
        assert_eq!(sent["system"].to_string().contains("Be brief."), late, "{sent}");
    }
}
