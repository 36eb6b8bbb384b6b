//! The same protocol is not the same model: a body that was written for one is mended where the target would refuse it, and goes
//! untouched where it would not.

use pointsman::fake::{Behaviour, Fault, Seen};
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
