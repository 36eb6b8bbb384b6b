//! Claude at Anthropic, on Bedrock and on Vertex AI.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::provider::{Auth, Framing};

const BEDROCK: &str = r#"{"platform":"bedrock","region":"eu-west-1"}"#;
const VERTEX: &str = r#"{"platform":"vertex","project":"my-project","location":"europe-west1"}"#;

fn describe(settings: &str) -> pointsman_sdk::codec::provider::Description {
    <Codec as Provider>::describe(settings.into()).unwrap()
}

fn encoded(settings: &str, operation: &str, request: Request) -> Encoded {
    Codec::encode(settings.into(), operation.into(), request, no_facts()).unwrap()
}

#[test]
fn settings_are_checked() {
    let table = [
        (r#"{"max_token":1}"#, "max_token"),
        (r#"{"max_tokens":0}"#, "at least 1"),
        (r#"{"platform":"azure"}"#, "`anthropic`, `bedrock` or `vertex`"),
        (r#"{"platform":"bedrock"}"#, "`region` is missing"),
        (r#"{"platform":"bedrock","region":"x.evil.test/"}"#, "`region` must be"),
        (r#"{"platform":"bedrock","region":""}"#, "`region` must be"),
        (r#"{"region":"us-east-1"}"#, "`region` is only for"),
        (r#"{"platform":"vertex","location":"global"}"#, "`project` is missing"),
        (r#"{"platform":"vertex","project":"p"}"#, "`location` is missing"),
        (r#"{"platform":"bedrock","region":"r","project":"p"}"#, "`project` is only for"),
    ];
    for (settings, words) in table {
        let error = <Codec as Provider>::describe(settings.into()).unwrap_err();
        assert!(error.contains(words), "{settings}: {error}");
        let fault = Codec::forward(settings.into(), "chat".into(), "m".into(), true).unwrap_err();
        assert_eq!(fault.kind, FaultKind::AdapterFailed);
    }
}

#[test]
fn each_is_described() {
    let anthropic = describe("{}");
    assert_eq!(anthropic.protocol, "anthropic-messages");
    assert_eq!(anthropic.operations, ["chat", "count-tokens"]);
    assert_eq!(anthropic.forwarded_query, ["beta"]);
    assert!(matches!(&anthropic.auth[..], [Auth::Header(header)] if header.name == "x-api-key"));

    let bedrock = describe(BEDROCK);
    assert_eq!(bedrock.protocol, "anthropic-messages-on-bedrock");
    assert_eq!(bedrock.default_base_url.unwrap(), "https://bedrock-runtime.eu-west-1.amazonaws.com");
    let [Auth::AwsSigv4(signed), Auth::Header(header)] = &bedrock.auth[..] else { panic!("{:?}", bedrock.auth) };
    assert_eq!((&*signed.service, &*signed.region), ("bedrock", "eu-west-1"));
    assert_eq!((&*header.name, &*header.prefix), ("authorization", "Bearer "));

    let vertex = describe(VERTEX);
    assert_eq!(vertex.protocol, "anthropic-messages-on-vertex");
    assert_eq!(vertex.default_base_url.unwrap(), "https://europe-west1-aiplatform.googleapis.com");
    assert!(matches!(&vertex.auth[0], Auth::GoogleOauth(scope) if scope.ends_with("/auth/cloud-platform")));
    for (location, url) in
        [("global", "https://aiplatform.googleapis.com"), ("eu", "https://aiplatform.eu.rep.googleapis.com")]
    {
        let settings = json!({ "platform": "vertex", "project": "p", "location": location }).to_string();
        assert_eq!(describe(&settings).default_base_url.unwrap(), url);
    }
}

#[test]
fn only_anthropic_takes_a_body_as_it_is() {
    let path = |operation: &str| Codec::forward("{}".into(), operation.into(), "m".into(), false).unwrap().path;
    assert_eq!(path("chat"), "/v1/messages");
    assert_eq!(path("count-tokens"), "/v1/messages/count_tokens");
    for settings in [BEDROCK, VERTEX] {
        Codec::forward(settings.into(), "chat".into(), "m".into(), false).unwrap_err();
    }
}

#[test]
fn bedrock() {
    let request = Request { model: "eu.anthropic.claude-x-v1:0".into(), stream: true, ..ask("hi") };
    let sent = encoded(BEDROCK, "chat", request.clone());
    assert_eq!(sent.call.path, "/model/eu.anthropic.claude-x-v1%3A0/invoke-with-response-stream");
    assert_eq!(sent.call.framing, Framing::AwsEventStream);
    assert!(sent.call.headers.is_empty());
    let content = json!([{ "type": "text", "text": "hi" }]);
    let body = json!({ "max_tokens": 8192, "messages": [{ "role": "user", "content": content }],
        "anthropic_version": "bedrock-2023-05-31" });
    assert_eq!(parsed(sent).0, body);

    let arn = Request { model: "arn:aws:bedrock:x/y".into(), stream: false, ..request.clone() };
    let sent = encoded(BEDROCK, "chat", arn);
    assert_eq!(sent.call.path, "/model/arn%3Aaws%3Abedrock%3Ax%2Fy/invoke");
    assert_eq!(sent.call.framing, Framing::WholeBody);

    let sent = encoded(BEDROCK, "count-tokens", Request { stream: false, ..request });
    assert_eq!(sent.call.path, "/model/eu.anthropic.claude-x-v1%3A0/count-tokens");
    let (wrapped, _) = parsed(sent);
    let bytes = STANDARD.decode(wrapped["input"]["invokeModel"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), body);
}

#[test]
fn vertex() {
    let models = "/v1/projects/my-project/locations/europe-west1/publishers/anthropic/models";
    let request = Request { model: "claude-x@20260101".into(), stream: true, ..ask("hi") };
    let sent = encoded(VERTEX, "chat", request.clone());
    assert_eq!(sent.call.path, format!("{models}/claude-x@20260101:streamRawPredict"));
    assert_eq!(sent.call.framing, Framing::Sse);
    let (body, _) = parsed(sent);
    assert_eq!((&body["anthropic_version"], &body["stream"]), (&json!("vertex-2023-10-16"), &json!(true)));
    assert!(body.get("model").is_none());

    let request = Request { stream: false, ..request };
    let sent = encoded(VERTEX, "chat", request.clone());
    assert_eq!(sent.call.path, format!("{models}/claude-x@20260101:rawPredict"));
    let sent = encoded(VERTEX, "count-tokens", request);
    assert_eq!(sent.call.path, format!("{models}/count-tokens:rawPredict"));
    let (body, _) = parsed(sent);
    assert_eq!(body["model"], "claude-x@20260101");
    assert!(body.get("max_tokens").is_none());
}

#[test]
fn betas_of_a_callers_header_reach_the_clouds_in_their_own_way() {
    let header = |value: &str| pointsman_sdk::codec::client_protocol::Header {
        name: "anthropic-beta".into(),
        value: value.into(),
    };
    let headers = vec![header("context-1m-2025-08-07, oauth-2025-04-20"), header("interleaved-thinking-2025-05-14")];
    let body = json!({ "model": "m", "max_tokens": 64, "messages": [{ "role": "user", "content": "hi" }] });
    let request = Codec::read("chat".into(), headers, body.to_string().into_bytes()).unwrap().request;
    let known = ["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"];

    let (body, told) = parsed(encoded(BEDROCK, "chat", request.clone()));
    assert_eq!((&body["anthropic_beta"], told.as_slice()), (&json!(known), &["anthropic_beta".to_owned()][..]));
    let of = |settings, operation, request| {
        let sent = encoded(settings, operation, request);
        let header = sent.call.headers.iter().find(|header| header.name == "anthropic-beta");
        assert!(!String::from_utf8_lossy(&sent.body).contains("anthropic_beta"));
        header.map(|header| header.value.clone()).unwrap_or_default()
    };
    assert_eq!(of(VERTEX, "chat", request.clone()), known.join(","));
    assert_eq!(of(VERTEX, "count-tokens", request.clone()), known[1]);
    assert_eq!(of("{}", "chat", request), "context-1m-2025-08-07,oauth-2025-04-20,interleaved-thinking-2025-05-14");
}

/// What a Claude caller sends and a cloud refuses.
#[test]
fn clouds_get_what_they_know() {
    let mark = json!({ "type": "ephemeral", "scope": "global" });
    let request =
        read(json!({ "model": "m", "max_tokens": 64, "top_k": 5, "service_tier": "auto", "cache_control": mark,
        "context_management": { "edits": [] },
        "anthropic_beta": ["context-1m-2025-08-07", "files-api-2025-04-14", "context-1m-2025-08-07"],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "hi", "cache_control": mark }] }],
        "tools": [{ "name": "t", "input_schema": { "type": "object" }, "eager_input_streaming": true }] }));
    let betas = ["context-management-2025-06-27", "context-1m-2025-08-07"];
    let dropped = ["eager_input_streaming", "cache_control", "service_tier", "anthropic_beta"];

    let (body, told) = parsed(encoded(BEDROCK, "chat", request.clone()));
    assert_eq!(body["anthropic_beta"], json!(betas));
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({ "type": "ephemeral" }));
    assert_eq!((&body["top_k"], &body["context_management"]), (&json!(5), &json!({ "edits": [] })));
    assert!(body.get("cache_control").is_none() && body.get("service_tier").is_none());
    assert!(body["tools"][0].get("eager_input_streaming").is_none());
    assert_eq!(told, dropped);

    let sent = encoded(VERTEX, "chat", request.clone());
    let header = &sent.call.headers[0];
    assert_eq!((&*header.name, &*header.value), ("anthropic-beta", &*betas.join(",")));
    assert!(parsed(sent).0.get("anthropic_beta").is_none());

    let (body, told) = parsed(encoded("{}", "chat", request));
    assert_eq!((&body["cache_control"], &body["service_tier"]), (&mark, &json!("auto")));
    assert_eq!(body["tools"][0]["eager_input_streaming"], true);
    assert!(told.is_empty());
}

#[test]
fn clouds_fetch_nothing() {
    let picture = media(MediaKind::Image, "", Source::Url("https://x.test/a.png".into()));
    let file = media(MediaKind::Document, "", Source::FileId("file_1".into()));
    for part in [picture, file] {
        let messages = vec![user(vec![part])];
        let request = Request { messages, protocol: "anthropic-messages".into(), ..ask("") };
        for settings in [BEDROCK, VERTEX] {
            let fault = Codec::encode(settings.into(), "chat".into(), request.clone(), no_facts()).unwrap_err();
            assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Unsupported, Some("messages[0].content[0]")));
        }
        encode(request);
    }
}
