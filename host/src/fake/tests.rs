//! Fakes on real sockets.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;

/// What is waited for comes at once, or never.
const NEVER: Duration = Duration::from_secs(1);

/// How a reply ended.
#[derive(Debug, PartialEq)]
enum End {
    Clean,
    Broken,
    Silent,
}

async fn open(fake: &Fake, path: &str, body: String) -> anyhow::Result<Response<Incoming>> {
    open_with(Client::builder(TokioExecutor::new()).build_http(), fake, path, body).await
}

async fn open_with(
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    fake: &Fake,
    path: &str,
    body: String,
) -> anyhow::Result<Response<Incoming>> {
    let request = Request::post(format!("http://{}{path}", fake.address()))
        .header("authorization", "Bearer key")
        .header("api-key", "key")
        .header("x-goog-api-key", "key")
        .header("anthropic-version", "2023-06-01")
        .body(Full::new(Bytes::from(body)))?;
    Ok(client.request(request).await?)
}

async fn read(response: Response<Incoming>) -> (String, End) {
    let (mut text, mut body) = (String::new(), response.into_body());
    loop {
        match tokio::time::timeout(NEVER, body.frame()).await {
            Ok(Some(Ok(frame))) => text.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data"))),
            Ok(Some(Err(_))) => return (text, End::Broken),
            Ok(None) => return (text, End::Clean),
            Err(_) => return (text, End::Silent),
        }
    }
}

const PROMPT: &str = "write 9 words";

fn asking(protocol: Protocol, stream: bool) -> String {
    let messages = json!([{ "role": "user", "content": PROMPT }]);
    let body = match protocol {
        Protocol::OpenAiChat | Protocol::AnthropicMessages => {
            json!({ "model": "m", "max_tokens": 100, "stream": stream, "messages": messages })
        }
        Protocol::Ollama => json!({ "model": "m", "stream": stream, "messages": messages }),
        Protocol::OpenAiResponses => json!({ "model": "m", "stream": stream, "input": PROMPT }),
        Protocol::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": PROMPT }] }] }),
        Protocol::Bedrock => json!({ "messages": [{ "role": "user", "content": [{ "text": PROMPT }] }] }),
    };
    body.to_string()
}

fn path(protocol: Protocol, stream: bool) -> &'static str {
    match (protocol, stream) {
        (Protocol::OpenAiChat, _) => "/v1/chat/completions",
        (Protocol::OpenAiResponses, _) => "/v1/responses",
        (Protocol::AnthropicMessages, _) => "/v1/messages",
        (Protocol::Gemini, true) => "/v1beta/models/m:streamGenerateContent?alt=sse",
        (Protocol::Gemini, false) => "/v1beta/models/m:generateContent",
        (Protocol::Bedrock, true) => "/model/m/converse-stream",
        (Protocol::Bedrock, false) => "/model/m/converse",
        (Protocol::Ollama, _) => "/api/chat",
    }
}

async fn misbehaving(protocol: Protocol, word: &str) -> Fake {
    let fake = Fake::start(protocol).await.expect("a port");
    fake.behave(word.parse().expect("a behaviour"));
    fake
}

/// What came of a request to a fake that behaves so: status, text, end.
async fn outcome(protocol: Protocol, word: &str, stream: bool) -> (u16, String, End) {
    let fake = misbehaving(protocol, word).await;
    let response = open(&fake, path(protocol, stream), asking(protocol, stream)).await.expect("an answer");
    let status = response.status().as_u16();
    let (text, end) = read(response).await;
    (status, text, end)
}

/// Words of tokens, which begin with a space.
fn unspaced(text: &str) -> String {
    text.replace("\" word", "\"word")
}

#[tokio::test]
async fn anthropic_streams_break_where_they_are_told_to() {
    let protocol = Protocol::AnthropicMessages;
    let deltas = |text: &str| text.matches("text_delta").count();
    let (status, text, end) = outcome(protocol, "ok", true).await;
    assert_eq!((status, deltas(&text), end), (200, 9, End::Clean));
    assert!(text.starts_with("event: message_start\n") && text.ends_with("data: {\"type\":\"message_stop\"}\n\n"));
    for (word, chunks, expected) in [
        ("hang-before-content", 0, End::Silent),
        ("hang-after:3", 3, End::Silent),
        ("error-before-content", 0, End::Clean),
        ("error-after:3", 3, End::Clean),
        ("cut-after:3", 3, End::Broken),
        ("cut-after:100", 9, End::Broken),
        ("end-after:3", 3, End::Clean),
    ] {
        let (status, text, end) = outcome(protocol, word, true).await;
        assert_eq!((status, deltas(&text), end), (200, chunks, expected), "{word}");
        assert!(text.contains("message_start") && !text.contains("message_stop"), "{word}: {text}");
        assert_eq!(text.contains("event: error\ndata: {"), word.starts_with("error"), "{word}: {text}");
    }
}

#[tokio::test]
async fn openai_streams_break_where_they_are_told_to() {
    let protocol = Protocol::OpenAiChat;
    let deltas = |text: &str| unspaced(text).matches("\"content\":\"word").count();
    let (status, text, end) = outcome(protocol, "ok", true).await;
    assert_eq!((status, deltas(&text), end), (200, 9, End::Clean));
    assert!(text.ends_with("data: [DONE]\n\n"));
    for (word, chunks, expected) in [
        ("hang-before-content", 0, End::Silent),
        ("hang-after:3", 3, End::Silent),
        ("error-before-content", 0, End::Clean),
        ("error-after:3", 3, End::Clean),
        ("cut-after:3", 3, End::Broken),
        ("end-after:3", 3, End::Clean),
    ] {
        let (status, text, end) = outcome(protocol, word, true).await;
        assert_eq!((status, deltas(&text), end), (200, chunks, expected), "{word}");
        assert!(text.contains("\"role\":\"assistant\"") && !text.contains("[DONE]"), "{word}: {text}");
        assert_eq!(text.contains("data: {\"error\":{"), word.starts_with("error"), "{word}: {text}");
    }
}

#[tokio::test]
async fn the_other_streams_break_where_they_are_told_to() {
    for (protocol, delta, last, error) in [
        (Protocol::OpenAiResponses, "\"delta\":\"word", "event: response.completed", "server_is_overloaded"),
        (Protocol::Gemini, "\"text\":\"word", "\"finishReason\"", "data: {\"error\":{\"code\":503"),
        (Protocol::Bedrock, "\"delta\":{\"text\":\"word", "messageStop", "serviceUnavailableException"),
        (Protocol::Ollama, "\"content\":\"word", "\"done\":true", "{\"error\":\"server busy"),
    ] {
        let (status, text, end) = outcome(protocol, "ok", true).await;
        assert_eq!((status, unspaced(&text).matches(delta).count(), end), (200, 9, End::Clean), "{protocol}: {text}");
        assert!(text.contains(last), "{protocol}: {text}");
        for (word, chunks, expected) in [
            ("hang-before-content", 0, End::Silent),
            ("hang-after:3", 3, End::Silent),
            ("error-before-content", 0, End::Clean),
            ("error-after:3", 3, End::Clean),
            ("cut-after:3", 3, End::Broken),
            ("end-after:3", 3, End::Clean),
            ("end-after:100", 9, End::Clean),
        ] {
            let (status, text, end) = outcome(protocol, word, true).await;
            assert_eq!(
                (status, unspaced(&text).matches(delta).count(), end),
                (200, chunks, expected),
                "{protocol} {word}: {text}"
            );
            assert!(!text.contains(last), "{protocol} {word}: {text}");
            assert_eq!(text.contains(error), word.starts_with("error"), "{protocol} {word}: {text}");
        }
        let (status, text, end) = outcome(protocol, "garbage", true).await;
        assert!(status == 200 && end == End::Clean && !text.contains(last), "{protocol}: {text}");
    }
}

/// It shares a fake with Gemini.
#[tokio::test]
async fn claude_on_vertex_breaks_as_claude_does() {
    let outcome = async |word: &str, stream: bool| {
        let fake = misbehaving(Protocol::Gemini, word).await;
        let method = if stream { "streamRawPredict" } else { "rawPredict" };
        let path = format!("/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5:{method}");
        let body = json!({
            "anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "stream": stream,
            "messages": [{ "role": "user", "content": PROMPT }],
        });
        let response = open(&fake, &path, body.to_string()).await.expect("an answer");
        let status = response.status().as_u16();
        let (text, end) = read(response).await;
        (status, text, end)
    };
    for (word, chunks, expected) in [
        ("ok", 9, End::Clean),
        ("hang-before-content", 0, End::Silent),
        ("error-before-content", 0, End::Clean),
        ("error-after:3", 3, End::Clean),
        ("cut-after:3", 3, End::Broken),
        ("end-after:3", 3, End::Clean),
    ] {
        let (status, text, end) = outcome(word, true).await;
        assert_eq!((status, text.matches("text_delta").count(), end), (200, chunks, expected), "{word}: {text}");
        assert!(text.contains("event: vertex_event\n"), "{word}: {text}");
        assert_eq!(text.contains("event: message_stop\n"), word == "ok", "{word}: {text}");
        assert_eq!(text.contains("event: error\n"), word.starts_with("error"), "{word}: {text}");
    }
    for stream in [false, true] {
        let (status, text, _) = outcome("529", stream).await;
        assert!(status == 529 && text.contains("overloaded_error"), "{status} {text}");
        let (status, text, _) = outcome("429:7", stream).await;
        assert!(status == 429 && text.starts_with('[') == stream && text.contains("RESOURCE_EXHAUSTED"), "{text}");
    }
    assert!(outcome("ok", false).await.1.contains("word9"));
    assert_eq!(outcome("error-before-content", false).await.0, 503);
}

#[tokio::test]
async fn failures_have_the_words_of_the_provider() {
    for (protocol, word, status, header, said) in [
        (Protocol::OpenAiResponses, "429:7", 429, Some(("retry-after", "7")), "rate_limit_exceeded"),
        (Protocol::Gemini, "429:7", 429, None, "\"retryDelay\":\"7s\""),
        (Protocol::Gemini, "529", 503, None, "UNAVAILABLE"),
        (Protocol::Gemini, "401", 401, None, "UNAUTHENTICATED"),
        (Protocol::Bedrock, "429:7", 429, Some(("x-amzn-errortype", "ThrottlingException:")), "Too many requests"),
        (
            Protocol::Bedrock,
            "529",
            503,
            Some(("x-amzn-errortype", "ServiceUnavailableException:")),
            "unable to process",
        ),
        (Protocol::Ollama, "404", 404, None, "not found"),
        (Protocol::Ollama, "529", 503, None, "{\"error\":\"server busy"),
    ] {
        let fake = misbehaving(protocol, word).await;
        let response = open(&fake, path(protocol, true), asking(protocol, true)).await.expect("an answer");
        let (given, headers) = (response.status(), response.headers().clone());
        let (text, _) = read(response).await;
        assert!(given == status && text.contains(said), "{protocol} {word}: {given} {text}");
        assert_eq!(headers.contains_key("retry-after"), header.is_some_and(|(name, _)| name == "retry-after"));
        if let Some((name, value)) = header {
            assert!(
                headers[name].to_str().is_ok_and(|given| given.starts_with(value)),
                "{protocol} {word}: {headers:?}"
            );
        }
    }
}

#[tokio::test]
async fn faults_come_for_models_that_stand_in_the_path() {
    for (protocol, path) in [
        (Protocol::Gemini, "/v1beta/models/fault%2F503:generateContent"),
        (Protocol::Gemini, "/v1/projects/p/locations/l/publishers/anthropic/models/fault%2F503:rawPredict"),
        (Protocol::Bedrock, "/model/fault%2F503/converse"),
        (Protocol::OpenAiChat, "/openai/deployments/fault%2F503/chat/completions?api-version=2024-10-21"),
    ] {
        let fake = Fake::start(protocol).await.expect("a port");
        let response = open(&fake, path, asking(protocol, false)).await.expect("an answer");
        assert_eq!((response.status().as_u16(), fake.seen()[0].model.as_str()), (503, "fault/503"));
    }
}

#[tokio::test]
async fn openai_is_one_server_with_two_protocols() {
    let responses = Protocol::OpenAiResponses;
    let fake = misbehaving(Protocol::OpenAiChat, "error-after:3").await;
    let response = open(&fake, path(responses, true), asking(responses, true)).await.expect("an answer");
    let (text, _) = read(response).await;
    assert!(text.contains("response.output_text.delta") && text.contains("event: response.failed"), "{text}");
}

#[tokio::test]
async fn streams_have_the_types_of_their_framings() {
    for (protocol, path, expected) in [
        (Protocol::OpenAiResponses, "/v1/responses", "text/event-stream; charset=utf-8"),
        (Protocol::Gemini, "/v1beta/models/m:streamGenerateContent?alt=sse", "text/event-stream"),
        (Protocol::Gemini, "/v1beta/models/m:streamGenerateContent", "application/json; charset=UTF-8"),
        (Protocol::Bedrock, "/model/m/converse-stream", "application/vnd.amazon.eventstream"),
        (Protocol::Ollama, "/api/chat", "application/x-ndjson"),
    ] {
        let fake = Fake::start(protocol).await.expect("a port");
        let response = open(&fake, path, asking(protocol, true)).await.expect("an answer");
        assert_eq!(response.headers()["content-type"], expected, "{path}");
    }
}

#[tokio::test]
async fn whole_replies_fail_in_the_nearest_way() {
    for protocol in [
        Protocol::AnthropicMessages,
        Protocol::OpenAiChat,
        Protocol::OpenAiResponses,
        Protocol::Gemini,
        Protocol::Bedrock,
        Protocol::Ollama,
    ] {
        let (_, full, _) = outcome(protocol, "ok", false).await;
        assert!(full.contains("word9"), "{full}");
        let half = full.len() / 2;
        for (word, expected) in
            [("cut-after:3", End::Broken), ("end-after:3", End::Clean), ("hang-after:3", End::Silent)]
        {
            let (status, text, end) = outcome(protocol, word, false).await;
            assert_eq!((status, text.len(), end), (200, half, expected), "{word}");
        }
        let overloaded = if protocol == Protocol::AnthropicMessages { 529 } else { 503 };
        assert_eq!(outcome(protocol, "error-after:3", false).await.0, overloaded);
        assert!(serde_json::from_str::<Value>(&outcome(protocol, "garbage", false).await.1).is_err());
    }
}

#[tokio::test]
async fn faults_before_headers() {
    let fake = misbehaving(Protocol::AnthropicMessages, "429:7").await;
    let response = open(&fake, "/v1/messages", asking(Protocol::AnthropicMessages, true)).await.expect("an answer");
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"7".parse().expect("a value")));
    assert!(response.headers().contains_key("request-id"));
    fake.behave("reset".parse().expect("a behaviour"));
    let error = open(&fake, "/v1/messages", asking(Protocol::AnthropicMessages, true)).await.expect_err("no answer");
    assert!(format!("{error:?}").contains("reset by peer"), "{error:?}");
    fake.behave("hang".parse().expect("a behaviour"));
    assert!(
        tokio::time::timeout(NEVER, open(&fake, "/v1/messages", asking(Protocol::AnthropicMessages, true)))
            .await
            .is_err()
    );
    fake.behave("html".parse().expect("a behaviour"));
    let response = open(&fake, "/v1/messages", asking(Protocol::AnthropicMessages, true)).await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn one_model_may_behave_differently() {
    let fake = misbehaving(Protocol::OpenAiChat, "500").await;
    let (path, status) = (path(Protocol::OpenAiChat, false), async |model: &str| {
        let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] }).to_string();
        open(&fake, path(Protocol::OpenAiChat, false), body).await.expect("an answer").status().as_u16()
    });
    fake.behave_for("good", Behaviour::default());
    assert_eq!([status("good").await, status("other").await, status("fault/503").await], [200, 500, 503]);
    let control = open(&fake, "/fake/behave", "good=401".into()).await.expect("an answer");
    assert_eq!((control.status().as_u16(), status("good").await), (200, 401));
    let control = open(&fake, "/fake/behave", "nonsense".into()).await.expect("an answer");
    assert!(control.status() == 400 && read(control).await.0.contains("there are: ok"));
    assert_eq!((fake.seen().len(), fake.seen()[0].model.as_str(), fake.seen()[0].path.as_str()), (4, "good", path));
    assert!(!fake.state.told().to_string().contains("Bearer"));
}

#[tokio::test]
async fn pings_come_while_content_does_not() {
    for (protocol, ping) in [(Protocol::AnthropicMessages, "event: ping"), (Protocol::OpenAiChat, ": ping\n\n")] {
        let fake = Fake::start(protocol).await.expect("a port");
        let (first_token, ping_every) = (Duration::from_millis(90), Duration::from_millis(20));
        fake.behave(Behaviour { first_token, ping_every, ..Behaviour::default() });
        let response = open(&fake, path(protocol, true), asking(protocol, true)).await.expect("an answer");
        let (body, end) = read(response).await;
        // Anthropic's opening has one as well. After 80 ms the content is nearer than the next one.
        let expected = if protocol == Protocol::AnthropicMessages { 5 } else { 4 };
        assert_eq!((body.matches(ping).count(), end), (expected, End::Clean), "{body}");
        let content = body.find("word1").expect("the content");
        assert!(body.rfind(ping).is_some_and(|last| last < content), "{body}");
    }
}

#[tokio::test]
async fn streams_stand_on_the_wire_as_they_are_told_to() {
    for protocol in [Protocol::AnthropicMessages, Protocol::OpenAiResponses] {
        let (_, usual, _) = outcome(protocol, "ok", true).await;
        let (status, bare, end) = outcome(protocol, "nameless", true).await;
        assert_eq!((status, end, bare.contains("event: ")), (200, End::Clean, false), "{bare}");
        let named: String = usual.split_inclusive('\n').filter(|line| !line.starts_with("event: ")).collect();
        let plain = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(plain(&bare), plain(&named), "all else is as usual");
    }
    for protocol in [Protocol::OpenAiChat, Protocol::AnthropicMessages, Protocol::Gemini] {
        let fake = misbehaving(protocol, "torn").await;
        let asked = asking(protocol, true).replace(PROMPT, "morning 😀 all");
        let (text, end) = read(open(&fake, path(protocol, true), asked).await.expect("an answer")).await;
        assert_eq!(end, End::Clean);
        let (high, low) = (text.find("\\ud83d\"").expect("one half"), text.find("\"\\ude00").or(text.find("\\ude00")));
        assert!(low.is_some_and(|low| low > high && text[high..low].contains("data: ")), "in two events: {text}");
    }
}

#[tokio::test]
async fn callers_that_leave_are_counted() {
    let fake = misbehaving(Protocol::AnthropicMessages, "hang-after:2").await;
    let response = open(&fake, "/v1/messages", asking(Protocol::AnthropicMessages, true)).await.expect("an answer");
    assert_eq!((fake.open(), fake.cancelled()), (1, 0));
    drop(response);
    let left = async {
        while (fake.open(), fake.cancelled()) != (0, 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), left).await.expect("it is noticed");
}

#[tokio::test]
async fn http_2_without_tls_works_and_dropping_cuts() {
    let fake = misbehaving(Protocol::OpenAiChat, "hang-after:2").await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let response = open_with(client, &fake, path(Protocol::OpenAiChat, true), asking(Protocol::OpenAiChat, true))
        .await
        .expect("an answer");
    assert_eq!(response.version(), hyper::Version::HTTP_2);
    drop(fake);
    assert_eq!(read(response).await.1, End::Broken);
}
