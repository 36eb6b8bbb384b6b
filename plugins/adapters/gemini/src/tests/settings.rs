//! Settings, and where calls go.

use super::*;
use crate::names;
use pointsman_sdk::codec::client_protocol::Streaming;
use pointsman_sdk::codec::provider::{Auth, Framing};

const VERTEX: &str = r#"{"project":"p-1","location":"us-central1"}"#;

fn describe(settings: &str) -> pointsman_sdk::codec::provider::Description {
    <Codec as Provider>::describe(settings.into()).unwrap()
}

fn path(settings: &str, operation: &str, model: &str, stream: bool) -> String {
    Codec::forward(settings.into(), operation.into(), model.into(), stream).unwrap().path
}

#[test]
fn two_places() {
    let studio = describe("{}");
    assert_eq!(studio.default_base_url.as_deref(), Some("https://generativelanguage.googleapis.com"));
    assert!(
        matches!(&studio.auth[..], [Auth::Header(header)] if header.name == "x-goog-api-key" && header.prefix.is_empty())
    );
    assert_eq!(studio.operations, ["chat", "count-tokens", "embeddings", "embed-content", "batch-embed-contents"]);

    let vertex = describe(VERTEX);
    assert_eq!(vertex.default_base_url.as_deref(), Some("https://us-central1-aiplatform.googleapis.com"));
    assert!(matches!(&vertex.auth[..], [Auth::GoogleOauth(_), Auth::Header(header)] if header.prefix == "Bearer "));
    let base = |location: &str| {
        describe(&json!({ "project": "p", "location": location }).to_string()).default_base_url.unwrap()
    };
    assert_eq!(base("global"), "https://aiplatform.googleapis.com");
    assert_eq!(base("eu"), "https://aiplatform.eu.rep.googleapis.com");
}

#[test]
fn wrong_settings_are_named() {
    let table = [
        (json!({ "project": "p" }), "location"),
        (json!({ "location": "global" }), "project"),
        (json!({ "project": "p/../q", "location": "global" }), "project"),
        (json!({ "project": "", "location": "global" }), "project"),
        (json!({ "project": "p", "location": "evil.com/" }), "location"),
        (json!({ "project": "p", "location": "" }), "location"),
        (json!({ "schema": "small" }), "small"),
        (json!({ "regoin": "x" }), "regoin"),
    ];
    for (settings, name) in table {
        let error = <Codec as Provider>::describe(settings.to_string()).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    let fault = Codec::forward("3".into(), "chat".into(), "m".into(), false).unwrap_err();
    assert_eq!(fault.kind, FaultKind::AdapterFailed);
}

#[test]
fn paths() {
    assert_eq!(path("{}", "chat", "gemini-x", false), "/v1beta/models/gemini-x:generateContent");
    assert_eq!(path("{}", "chat", "models/gemini-x", true), "/v1beta/models/gemini-x:streamGenerateContent?alt=sse");
    assert_eq!(path("{}", "count-tokens", "a/b?c:d", false), "/v1beta/models/a%2Fb%3Fc%3Ad:countTokens");
    assert_eq!(
        path(VERTEX, "chat", "m", false),
        "/v1/projects/p-1/locations/us-central1/publishers/google/models/m:generateContent"
    );
    let framing =
        |operation: &str, stream| Codec::forward("{}".into(), operation.into(), "m".into(), stream).unwrap().framing;
    assert_eq!((framing("chat", true), framing("chat", false)), (Framing::Sse, Framing::WholeBody));
    assert_eq!(framing("count-tokens", true), Framing::WholeBody);
}

#[test]
fn endpoints_of_callers() {
    let endpoints = <Codec as ClientProtocol>::describe().endpoints;
    assert_eq!(endpoints.len(), 10);
    for endpoint in endpoints {
        assert_eq!((endpoint.method.as_str(), endpoint.model_field.as_str()), ("POST", ""));
        assert_eq!(endpoint.path.contains("countTokens"), endpoint.operation == "count-tokens");
        let always = matches!(endpoint.stream, Streaming::Always);
        assert_eq!(endpoint.path.ends_with("/models/{model}:streamGenerateContent"), always);
        assert!(endpoint.pinning_fields.contains(&"cachedContent".to_owned()));
    }
}

#[test]
fn names_of_tools_come_back() {
    for legal in ["look", "_x", "a.b:c-d", &"x".repeat(128)] {
        assert_eq!(names::to_wire(legal).as_deref(), Some(legal));
        assert_eq!(names::from_wire(legal), legal);
    }
    for odd in ["7zip", "a/b", "größe", "two words", "-x", "esc.a.2fb", "esc.", ".", "a\n"] {
        let wire = names::to_wire(odd).unwrap();
        assert!(wire.starts_with("esc.") && wire.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
        assert_eq!(names::from_wire(&wire), odd);
    }
    for hopeless in [String::new(), "x".repeat(129), "/".repeat(50)] {
        assert_eq!(names::to_wire(&hopeless), None);
    }
    for foreign in ["esc.a.zz", "esc.a.f", "esc.plain", "esc.a.2Fb", "esc..ff"] {
        assert_eq!(names::from_wire(foreign), foreign);
    }
}
