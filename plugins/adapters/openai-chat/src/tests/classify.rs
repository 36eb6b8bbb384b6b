use super::*;
use pointsman_sdk::codec::FaultKind::*;
use pointsman_sdk::codec::provider::{Header, ReplyHead};

fn classify(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| Header { name: name.to_string(), value: value.to_string() });
    let head = ReplyHead { status, headers: headers.collect() };
    Codec::classify("chat".into(), head, body.as_bytes().to_vec())
}

fn openai(error_type: &str, code: &str) -> String {
    json!({"error": {"message": "words", "type": error_type, "param": null, "code": code}}).to_string()
}

#[test]
fn codes_and_statuses_have_a_kind() {
    let cases = [
        (429, openai("requests", "rate_limit_exceeded"), RateLimited),
        (429, openai("insufficient_quota", "insufficient_quota"), QuotaExhausted),
        (429, "{}".into(), RateLimited),
        (402, "{}".into(), QuotaExhausted),
        (400, openai("invalid_request_error", "context_length_exceeded"), ContextTooLong),
        (400, openai("invalid_request_error", "content_filter"), ContentPolicy),
        (400, openai("invalid_request_error", "unknown_parameter"), InvalidRequest),
        (422, "{}".into(), InvalidRequest),
        (404, openai("invalid_request_error", "model_not_found"), ModelNotFound),
        (401, openai("invalid_request_error", "invalid_api_key"), Authentication),
        (403, openai("request_forbidden", "unsupported_country_region_territory"), Permission),
        (413, "{}".into(), TooLarge),
        (408, "{}".into(), TimedOut),
        (409, "{}".into(), Unavailable),
        (500, openai("server_error", ""), ServerError),
        (502, "<html><h1>502 Bad Gateway</h1></html>".into(), Unavailable),
        (503, "no healthy upstream".into(), Unavailable),
        (503, openai("server_error", "slow_down"), Overloaded),
        (503, openai("overloaded_error", ""), Overloaded),
        (504, "".into(), Unavailable),
        (529, "".into(), Overloaded),
        (302, "".into(), Unavailable),
    ];
    for (status, body, kind) in cases {
        let fault = classify(status, &[], &body);
        assert_eq!((fault.kind, fault.status), (kind, status), "{status} {body}");
    }
}

#[test]
fn the_providers_words_are_kept() {
    let error = json!({
        "message": "Bad value", "type": "invalid_request_error", "param": "messages[1].role", "code": "invalid_value",
    });
    let fault = classify(400, &[], &json!({"error": error}).to_string());
    assert_eq!(fault.message, "Bad value");
    assert_eq!(fault.field.as_deref(), Some("messages[1].role"));
    assert_eq!(fault.provider_code.as_deref(), Some("invalid_value"));
}

#[test]
fn other_servers_have_other_shapes() {
    let cases = [
        (
            400,
            r#"{"object":"error","message":"The maximum context length is 4096","type":"BadRequestError","code":400}"#,
            ContextTooLong,
        ),
        (
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}"#,
            ModelNotFound,
        ),
        (404, r#"{"error":"model 'x' not found"}"#, ModelNotFound),
        (503, r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#, Unavailable),
        (
            500,
            r#"{"error":{"code":500,"message":"image input is not supported - hint: you may need to provide the mmproj","type":"server_error"}}"#,
            Unsupported,
        ),
        (
            400,
            r#"{"error":{"code":400,"message":"unsupported content[].type","type":"invalid_request_error"}}"#,
            Unsupported,
        ),
        (
            500,
            r#"{"error":{"code":500,"message":"Failed to parse tool call arguments as JSON: x","type":"server_error"}}"#,
            InvalidRequest,
        ),
        (400, r#"[{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT"}}]"#, InvalidRequest),
        (422, r#"{"detail":"Field required"}"#, InvalidRequest),
        (422, r#"{"detail":[{"type":"missing","loc":["body","model"],"msg":"Field required"}]}"#, InvalidRequest),
        (
            422,
            r#"{"object":"error","message":{"detail":[{"msg":"Extra inputs are not permitted"}]},"code":null}"#,
            InvalidRequest,
        ),
        (503, r#"{"object":"error","message":"Loading model","type":"x","code":503}"#, Unavailable),
        (400, r#"{"code":"invalid","error":"This model's maximum prompt length is 131072"}"#, ContextTooLong),
        (400, r#"{"code":"invalid","error":"Incorrect API key provided: xai-123"}"#, Authentication),
        (429, r#"{"code":"exhausted","error":"Your team has used all available credits"}"#, QuotaExhausted),
        (422, r#"{"error":{"message":"`inputs` tokens + `max_new_tokens` must be <= 4097"}}"#, ContextTooLong),
        (403, r#"{"error":{"code":403,"message":"Flagged","metadata":{"flagged_input":"x"}}}"#, ContentPolicy),
        (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, QuotaExhausted),
    ];
    for (status, body, kind) in cases {
        let fault = classify(status, &[], body);
        assert_eq!(fault.kind, kind, "{body}");
        assert!(!fault.message.starts_with("HTTP"), "the message was found: {}", fault.message);
    }
}

#[test]
fn bodies_that_are_no_json_do_not_reach_people_as_html() {
    assert_eq!(classify(502, &[], "<!doctype html><p>Sorry").message, "HTTP 502 without a message");
    assert_eq!(classify(503, &[], "no healthy upstream").message, "HTTP 503: no healthy upstream");
    assert!(classify(500, &[], &"é".repeat(5000)).message.len() < 1100);
}

#[test]
fn the_wait_is_in_milliseconds() {
    let wait = |headers: &[(&str, &str)]| classify(429, headers, "{}").retry_after_ms;
    assert_eq!(wait(&[("Retry-After", "20")]), Some(20_000));
    assert_eq!(wait(&[("retry-after", "0.25")]), Some(250));
    assert_eq!(wait(&[("retry-after", "1"), ("retry-after-ms", "312.4")]), Some(313));
    assert_eq!(wait(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]), None);
    assert_eq!(wait(&[("retry-after", "-3")]), None);
}

#[test]
fn azure_has_codes_of_its_own() {
    let azure = |code: &str, message: &str| json!({"error": {"code": code, "message": message}}).to_string();
    let cases = [
        (401, azure("401", "Access denied due to invalid subscription key or wrong API endpoint."), Authentication),
        (404, azure("DeploymentNotFound", "The API deployment for this resource does not exist."), ModelNotFound),
        (404, azure("404", "Resource not found"), ModelNotFound),
        (429, azure("429", "Rate limit is exceeded. Please retry after 20 seconds."), RateLimited),
        (400, azure("content_filter", "The response was filtered."), ContentPolicy),
        (400, azure("OperationNotSupported", "The chatCompletion operation does not work."), InvalidRequest),
    ];
    for (status, body, kind) in cases {
        assert_eq!(classify(status, &[], &body).kind, kind, "{body}");
    }
}

#[test]
fn a_wait_may_stand_in_the_words_alone() {
    let wait = |headers: &[(&str, &str)], words: &str| {
        classify(429, headers, &json!({"error": {"message": words, "code": "429"}}).to_string()).retry_after_ms
    };
    assert_eq!(wait(&[], "Please retry after 20 seconds."), Some(20_000));
    assert_eq!(wait(&[], "Please try again in 7.66s. Visit"), Some(7_660));
    assert_eq!(wait(&[], "Please try again in 120ms."), Some(120));
    assert_eq!(wait(&[("retry-after", "3")], "Please retry after 20 seconds."), Some(3_000));
    for unknown in ["Please try again in 6m0s.", "retry after ", "retry after 5", "retry after ..s", "retry after é"] {
        assert_eq!(wait(&[], unknown), None, "{unknown}");
    }
}

#[test]
fn what_stands_behind_openrouter_is_quoted() {
    let metadata = json!({"raw": "{\"error\":\"busy\"}", "provider_name": "X"});
    let body = json!({"error": {"code": 429, "message": "Provider returned error", "metadata": metadata}});
    let fault = classify(429, &[], &body.to_string());
    assert_eq!(fault.message, "Provider returned error: {\"error\":\"busy\"}");
}

#[test]
fn a_key_is_not_repeated() {
    let body =
        r#"{"error":{"message":"Incorrect API key provided: sk-proj-abc. Find it online.","code":"invalid_api_key"}}"#;
    assert_eq!(classify(401, &[], body).message, "Incorrect API key provided: sk-… Find it online.");
}

/// A message may quote the request, whose words are the caller's.
#[test]
fn the_callers_words_count_against_no_key_and_no_model() {
    let said = |message: &str| {
        json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": null}}).to_string()
    };
    for message in [
        "Invalid value: 'Incorrect API key provided'. Supported values are: 'none' and 'auto'.",
        "Tool choice 'Your team has used all available credits' not found",
        "Unknown tool call id call_billing_insufficient_quota",
        "Invalid 'tools[0].function.name': 'mmproj unsupported content[].type' does not match '^[a-zA-Z0-9_-]+$'.",
        "Invalid value: 'maximum context length'.",
        "Invalid value: 'x' is overloaded",
    ] {
        assert_eq!(classify(400, &[], &said(message)).kind, InvalidRequest, "{message}");
    }
    let words = classify(500, &[], &said("Bad tool `retry after 200 seconds`, retry after 200 seconds"));
    assert_eq!(words.retry_after_ms, None, "only who limits says how long");
}

#[test]
fn what_this_model_lacks_another_may_have() {
    let code = |code: &str, message: &str| {
        json!({"error": {"message": message, "type": "invalid_request_error", "param": "x", "code": code}}).to_string()
    };
    let router = |message: &str| json!({"error": {"message": message, "code": 404}}).to_string();
    let cases = [
        (400, code("unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model.")),
        (400, code("unsupported_value", "Unsupported value: 'temperature' does not support 0.2 with this model.")),
        (400, code("invalid_request_error", "Unsupported parameter: 'top_p' is not supported with this model.")),
        (
            400,
            r#"{"error":{"message":"`tool calling` is not supported with this model","type":"invalid_request_error"}}"#
                .into(),
        ),
        (
            400,
            r#"{"object":"error","message":"qwen is not a multimodal model","type":"BadRequestError","code":400}"#
                .into(),
        ),
        (404, router("No endpoints found that support tool use. To learn more, visit the documentation")),
        (404, router("No endpoints found that support image input")),
        (404, router("No endpoints found that can handle the requested parameters.")),
        (404, router("No allowed providers are available for the selected model.")),
    ];
    for (status, body) in cases {
        assert_eq!(classify(status, &[], &body).kind, Unsupported, "{body}");
    }
    for message in ["No endpoints found for mistral/none.", "The model `x` does not exist"] {
        assert_eq!(classify(404, &[], &router(message)).kind, ModelNotFound, "{message}");
    }
    for message in ["No such File object: file-abc", "Item with id 'msg_1' not found."] {
        assert_eq!(classify(404, &[], &router(message)).kind, InvalidRequest, "{message}");
    }
}

#[test]
fn an_account_behind_a_router_is_not_ours() {
    let behind = |status: u16, raw: Value| {
        let metadata = json!({"raw": raw.to_string(), "provider_name": "X"});
        let body = json!({"error": {"code": status, "message": "Provider returned error", "metadata": metadata}});
        classify(status, &[], &body.to_string()).kind
    };
    let error = |message: &str, code: &str| json!({"error": {"message": message, "code": code}});
    assert_eq!(behind(400, error("This model's maximum context length is 8192 tokens.", "")), ContextTooLong);
    assert_eq!(behind(400, error("x", "unsupported_parameter")), Unsupported);
    assert_eq!(behind(400, error("Incorrect API key provided: x", "invalid_api_key")), InvalidRequest);
    assert_eq!(behind(429, error("x", "insufficient_quota")), RateLimited);
}

#[test]
fn who_knows_functions_only_refuses_the_request_and_is_well() {
    let said = |message: &str| json!({"error": {"code": 500, "message": message, "type": "server_error"}}).to_string();
    for (status, message) in [
        (500, "Failed to parse tools: Unsupported tool type: {\"type\":\"custom\"}; tools = [{}]"),
        (500, "Failed to parse messages: Unsupported tool call type: {\"type\":\"custom\"}"),
        (400, "[{'loc': ('body', 'tools', 0, 'type'), 'msg': \"Input should be 'function'\", 'input': 'custom'}]"),
        (422, "tools[0].type: unknown variant `custom`, expected `function` at line 1"),
        (400, "Invalid value: 'custom'. Supported values are: 'function'."),
    ] {
        let fault = classify(status, &[], &said(message));
        assert_eq!((fault.kind, fault.field.as_deref()), (Unsupported, Some("tools[].type")), "{message}");
    }
    // A server that knows other types as well, and the caller's own.
    for message in [
        "Invalid value: 'x'. Supported values are: 'function' and 'custom'.",
        "Invalid value: 'x'. Supported values are: 'function', 'custom', and 'namespace'.",
        "tools[0].type: unknown variant `x`, expected `function` or `custom` at line 1",
    ] {
        assert_eq!(classify(400, &[], &said(message)).field, None, "{message}");
    }
    // The caller's own mistakes, which llama.cpp says with the same status.
    let fault = classify(500, &[], &said("Failed to parse messages: Missing 'role' in message: {}"));
    assert_eq!((fault.kind, fault.field), (InvalidRequest, None));
    // What is quoted hides no trouble of the server.
    let fault = classify(500, &[], &said("No memory for 'Failed to parse tools: unsupported tool type'"));
    assert_eq!(fault.kind, ServerError);
}

#[test]
fn a_request_above_a_minutes_limit_rests_no_key() {
    let message = "Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000. \
                   The input or output tokens must be reduced in order to run successfully.";
    let error = json!({"error": {"message": message, "type": "tokens", "param": null, "code": "rate_limit_exceeded"}});
    for status in [429, 413] {
        assert_eq!(classify(status, &[], &error.to_string()).kind, Unsupported, "{status}");
    }
}
