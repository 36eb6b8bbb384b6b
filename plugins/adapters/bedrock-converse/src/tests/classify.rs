//! What errors mean.

use super::*;

#[test]
fn errors_by_their_name() {
    use FaultKind::*;
    let table = [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", QuotaExhausted),
        (400, "ServiceQuotaExceededException", "You have exceeded the quota.", QuotaExhausted),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", Overloaded),
        (429, "ModelNotReadyException", "Model is not ready for inference.", Unavailable),
        (408, "ModelTimeoutException", "The model took too long.", TimedOut),
        (424, "ModelErrorException", "The model failed.", ServerError),
        (500, "InternalServerException", "Oops.", ServerError),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", Authentication),
        (403, "InvalidSignatureException", "The request signature does not match.", Authentication),
        (403, "ExpiredTokenException", "The security token included in the request is expired", Authentication),
        (
            403,
            "AccessDeniedException",
            "Authentication failed: Please make sure your API Key is valid.",
            Authentication,
        ),
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Permission),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model.", ModelNotFound),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelNotFound),
        (400, "ValidationException", "Input is too long for requested model.", ContextTooLong),
        (400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (400, "ValidationException", "Operation not allowed", Permission),
        (400, "ValidationException", "Output blocked by content filtering policy", ContentPolicy),
        (400, "ValidationException", "This model doesn\u{2019}t support tool use.", Unsupported),
        (400, "ValidationException", "messages.1.content.0: Invalid `signature` in `thinking` block", Unsupported),
        (400, "ValidationException", "messages: roles must alternate", InvalidRequest),
        (413, "RequestEntityTooLargeException", "big", TooLarge),
        (418, "SomethingNewException", "odd", InvalidRequest),
    ];
    for (status, name, message, expected) in table {
        let body = json!({ "message": message }).to_string();
        let fault = classified(status, Some(&format!("{name}:http://internal.amazon.com/coral/")), &body);
        assert_eq!(fault.kind, expected, "{name}: {message}");
        assert_eq!((fault.message.as_str(), fault.provider_code.as_deref()), (message, Some(name)));
        assert_eq!(fault.status, status);
    }
    let message = "Invocation of model ID x with on-demand throughput isn\u{2019}t supported.";
    let fault = classified(400, Some("ValidationException"), &json!({ "message": message }).to_string());
    assert_eq!(fault.kind, ModelNotFound);
}

#[test]
fn the_name_may_stand_in_the_body() {
    let body = r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","Message":"no"}"#;
    let fault = classified(403, None, body);
    assert_eq!((fault.kind, fault.message.as_str()), (FaultKind::Authentication, "no"));
    assert_eq!(fault.provider_code.as_deref(), Some("UnrecognizedClientException"));
    let body = r#"{"originalMessage":"the model's words"}"#;
    assert_eq!(classified(424, Some("ModelErrorException"), body).message, "the model's words");
}

#[test]
fn without_a_name_the_status_decides() {
    let html = "<html>Bad Gateway</html>";
    for (status, body, expected) in [
        (400, r#"{"message":"Input is too long for requested model."}"#, FaultKind::ContextTooLong),
        (400, "", FaultKind::InvalidRequest),
        (401, "", FaultKind::Authentication),
        (403, "{}", FaultKind::Permission),
        (404, "", FaultKind::ModelNotFound),
        (424, "", FaultKind::ServerError),
        (429, "", FaultKind::RateLimited),
        (502, html, FaultKind::Unavailable),
        (503, html, FaultKind::Overloaded),
        (500, "\u{fffd}", FaultKind::ServerError),
    ] {
        let fault = classified(status, None, body);
        assert_eq!(fault.kind, expected, "{status}");
        assert!(!fault.message.is_empty() && !fault.message.contains('<'), "{}", fault.message);
        assert_eq!(fault.provider_code, None);
    }
}

#[test]
fn the_wait_is_read_in_seconds() {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let finer = vec![header("retry-after", "7"), header("retry-after-ms", "312.4")];
    let fault = Adapter::classify("chat".into(), ReplyHead { status: 429, headers: finer }, Vec::new());
    assert_eq!(fault.retry_after_ms, Some(313), "milliseconds come first, as in the official SDKs");
    let wait = |value: &str| {
        let headers = vec![header("Retry-After", value)];
        Adapter::classify("chat".into(), ReplyHead { status: 429, headers }, Vec::new()).retry_after_ms
    };
    assert_eq!((wait("7"), wait("-1"), wait("soon")), (Some(7000), None, None));
}

/// Bedrock quotes names of tools, and those are the caller's words.
#[test]
fn the_callers_words_count_against_no_key_and_no_model() {
    for (message, expected) in [
        ("Tool 'operation not allowed' not found in provided tools", FaultKind::InvalidRequest),
        ("The tool model identifier is invalid on-demand throughput is unknown", FaultKind::InvalidRequest),
        (
            "x-anthropic-billing-header is a reserved keyword and may not be used in the system prompt.",
            FaultKind::InvalidRequest,
        ),
        (
            "The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum",
            FaultKind::ContextTooLong,
        ),
        (
            "The model returned the following errors: messages.1.content.0: Invalid `signature` in `thinking` block",
            FaultKind::Unsupported,
        ),
    ] {
        let body = json!({ "message": message }).to_string();
        assert_eq!(classified(400, Some("ValidationException"), &body).kind, expected, "{message}");
    }
    let guardrail = r#"{"message":"The guardrail identifier gr-model is not found."}"#;
    assert_eq!(classified(404, Some("ResourceNotFoundException"), guardrail).kind, FaultKind::InvalidRequest);
}
