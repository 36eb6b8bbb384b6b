//! What errors mean.

use super::*;
use pointsman_adapter_sdk::provider::Header;

#[test]
fn errors_of_the_provider() {
    use FaultKind::*;
    let table = [
        (404, "model 'llama9' not found", ModelNotFound),
        (404, "model \"llama9\" not found, try pulling it first", ModelNotFound),
        (400, "registry.ollama.ai/library/gemma:2b does not support tools", Unsupported),
        (400, "\"gemma\" does not support thinking", Unsupported),
        (400, "think value \"low\" is not supported for this model", Unsupported),
        (500, "this model only supports one image while more than one image requested", Unsupported),
        (400, "the input length exceeds the context length", ContextTooLong),
        (400, "invalid options: tempreture", InvalidRequest),
        (401, "unauthorized", Authentication),
        (403, "remote inference is unavailable", Permission),
        (429, "too many concurrent requests", RateLimited),
        (499, "request canceled", ServerError),
        (500, "llama runner process has terminated: exit status 2", ServerError),
        (500, "model requires more system memory (9 GiB) than is available (4 GiB)", ServerError),
        (502, "upstream", Unavailable),
        (503, "server busy, please try again.  maximum pending requests exceeded", Overloaded),
    ];
    for (status, message, expected) in table {
        let fault = classified(status, &json!({ "error": message }).to_string());
        assert_eq!(fault.kind, expected, "{status}: {message}");
        assert_eq!((fault.message.as_str(), fault.status), (message, status));
    }
}

#[test]
fn pages_of_what_stands_in_front() {
    for (status, body, expected) in [
        (502, "<html>Bad Gateway</html>", FaultKind::Unavailable),
        (503, "", FaultKind::Overloaded),
        (404, "404 page not found", FaultKind::ModelNotFound),
        (413, "\u{fffd}", FaultKind::TooLarge),
    ] {
        let fault = classified(status, body);
        assert_eq!(fault.kind, expected);
        assert!(fault.message.contains(&status.to_string()) && !fault.message.contains('<'), "{}", fault.message);
    }
    assert!(classified(500, "plain words").message.ends_with("plain words"));
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
    assert_eq!(
        (wait("7"), wait(" 0.25 "), wait("-1"), wait("inf"), wait("soon")),
        (Some(7000), Some(250), None, None, None)
    );
}

#[test]
fn the_callers_words_count_against_no_model() {
    for message in [
        "invalid tool \"model not found, server busy\"",
        "invalid option: runner out of memory",
        "tool 'model x not found' is unknown",
    ] {
        let fault = classified(400, &json!({ "error": message }).to_string());
        assert_eq!(fault.kind, FaultKind::InvalidRequest, "{message}");
    }
}
