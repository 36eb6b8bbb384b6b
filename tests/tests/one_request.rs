//! What is wrong with one request is nobody else's trouble: the next caller is served by the first target, whatever the one
//! before was refused for.

use pointsman::fake::{Behaviour, Fake, Fault, Protocol};
use pointsman_tests::{Line, chat_body, messages_body};
use serde_json::{Value, json};

fn refused(status: u16, body: &Value) -> Behaviour {
    let fault = Fault::StatusBody { status, content_type: "application/json".into(), body: body.to_string() };
    Behaviour { fault, ..Behaviour::default() }
}

fn anthropics(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message } })
}

fn openais(code: Value, message: &str) -> Value {
    json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
}

/// Two targets of each protocol, and a third behind them.
async fn line() -> (Line, Fake) {
    let third = Fake::start(Protocol::OpenAiChat).await.expect("a port");
    let more = format!(
        "[providers.third]\nadapter = \"openai-chat\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.claude]\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n\
         [models.gpt]\ntargets = [\"openai/gpt-4o\", \"anthropic/claude-sonnet-4-5\"]\n\
         [models.three]\ntargets = [\"openai/toolless/a\", \"openai/toolless/b\", \"third/gpt-4o\"]\n",
        third.base_url()
    );
    (Line::start_with(&more).await, third)
}

async fn answers(line: &Line, path: &str, model: &str) -> String {
    let body = if path == "/v1/messages" { messages_body(model, "hi", false) } else { chat_body(model, "hi", false) };
    let answer = line.post(path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.header("x-pointsman-target").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_one_request_rest_no_key_and_no_model() {
    let invalid = "invalid_request_error";
    let claude = [
        (400, anthropics(invalid, "Tool 'billing_report' not found in provided tools")),
        (400, anthropics(invalid, "messages.2: unexpected `tool_use_id`: toolu_usage limits_credit balance")),
        (404, anthropics("not_found_error", "File not found: file_011")),
        (404, anthropics("not_found_error", "Thread thread_01 not found")),
        (400, anthropics(invalid, "adaptive thinking is not supported on this model")),
        (429, anthropics("rate_limit_error", "Extra usage is required for long context requests.")),
    ];
    let gpt = [
        (400, openais(Value::Null, "Invalid value: 'Incorrect API key provided'.")),
        (400, openais("unsupported_parameter".into(), "Unsupported parameter: 'x' is not supported with this model.")),
        (400, openais("unsupported_value".into(), "Unsupported value: 'x' does not support 0 with this model.")),
        (404, openais(Value::Null, "No such File object: file-abc")),
        (404, json!({ "error": { "message": "No endpoints found that support tool use.", "code": 404 } })),
    ];
    let (line, _third) = line().await;
    for (fake, path, model, cases) in [
        (&line.anthropic, "/v1/messages", "claude", &claude[..]),
        (&line.openai, "/v1/chat/completions", "gpt", &gpt[..]),
    ] {
        let first = answers(&line, path, model).await;
        for (status, body) in cases {
            fake.behave(refused(*status, body));
            let request =
                if path == "/v1/messages" { messages_body(model, "x", false) } else { chat_body(model, "x", false) };
            line.post(path, &request).await;
            fake.behave(Behaviour::default());
            assert_eq!(answers(&line, path, model).await, first, "after {status} {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_models_lack_a_third_is_asked_for() {
    let (line, third) = line().await;
    let mut body = chat_body("three", "hello", false);
    body["tools"] = json!([{ "type": "function", "function": { "name": "f", "parameters": { "type": "object" } } }]);
    let answer = line.post("/v1/chat/completions", &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "3"), "{}", answer.body);
    assert_eq!(third.seen().len(), 1);
    assert_eq!(answers(&line, "/v1/chat/completions", "three").await, "openai/toolless/a", "nothing rests");
}

/// The second net: an error that says in so many words that it is about the account, while others are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_are_served_one_refusal_rests_nobody() {
    let (line, _third) = line().await;
    let first = answers(&line, "/v1/messages", "claude").await;
    for (status, kind, message) in [
        (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        (403, "permission_error", "no"),
        (404, "not_found_error", "model: x"),
    ] {
        line.anthropic.behave(refused(status, &anthropics(kind, message)));
        assert_eq!(answers(&line, "/v1/messages", "claude").await, "openai/gpt-5", "it fails over: {message}");
        line.anthropic.behave(Behaviour::default());
        assert_eq!(answers(&line, "/v1/messages", "claude").await, first, "{message}");
    }
    // What the status says is believed at once.
    line.anthropic.behave(refused(401, &anthropics("authentication_error", "invalid x-api-key")));
    assert_eq!(answers(&line, "/v1/messages", "claude").await, "openai/gpt-5");
    line.anthropic.behave(Behaviour::default());
    assert_eq!(answers(&line, "/v1/messages", "claude").await, "openai/gpt-5", "the key rests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_base_url_is_named() {
    let (line, _third) = line().await;
    line.openai.behave(refused(404, &openais(Value::Null, "Invalid URL (POST /v1/v1/chat/completions)")));
    let answer = line.claude("only-gpt", "hello", false).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("`base_url`"), "{}", answer.body);
    line.openai.behave(refused(404, &openais("model_not_found".into(), "The model `gpt-5` does not exist")));
    let answer = line.claude("only-gpt", "hello", false).await;
    assert!(!answer.body.contains("`base_url`"), "{}", answer.body);
}
