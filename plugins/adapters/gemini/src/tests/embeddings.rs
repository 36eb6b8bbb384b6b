//! Embeddings, there and back.

use super::*;
use pointsman_sdk::codec::provider::{Encoded, Framing};

const STUDIO: &str = "{}";
const VERTEX: &str = r#"{"project":"p-1","location":"global"}"#;

fn inputs(texts: &[&str]) -> Request {
    let messages = texts.iter().map(|words| user(vec![text(words)])).collect();
    Request { model: "text-embedding-005".into(), messages, ..ask("") }
}

fn sized(dimensions: Value) -> Request {
    Request { extras: vec![extra("dimensions", dimensions)], ..inputs(&["a"]) }
}

fn try_embed(settings: &str, request: Request) -> Result<Encoded, Fault> {
    Codec::encode(settings.into(), "embeddings".into(), request, no_facts())
}

fn embed(settings: &str, request: Request) -> (Value, Vec<String>) {
    let encoded = try_embed(settings, request).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

fn decode(body: &str) -> Vec<Event> {
    let frame = Frame { event: None, data: body.as_bytes().to_vec() };
    let whole = Codec::decode("embeddings".into(), false, Vec::new(), vec![frame.clone()], true);
    let first = Codec::decode("embeddings".into(), false, Vec::new(), vec![frame], false);
    let last = Codec::decode("embeddings".into(), false, first.memory, Vec::new(), true);
    assert_eq!((&first.events, last.events), (&whole.events, Vec::new()));
    whole.events
}

#[test]
fn each_place_has_its_body() {
    let one = |words: &str| json!({ "model": "models/m", "content": { "parts": [{ "text": words }] } });
    let asked = Request { model: "models/m".into(), ..inputs(&["a", "é"]) };
    assert_eq!(embed(STUDIO, asked), (json!({ "requests": [one("a"), one("é")] }), Vec::new()));
    assert_eq!(embed(STUDIO, sized(json!(256))).0["requests"][0]["outputDimensionality"], 256);
    let expected =
        json!({ "instances": [{ "content": "a" }, { "content": "é" }], "parameters": { "autoTruncate": false } });
    assert_eq!(embed(VERTEX, inputs(&["a", "é"])), (expected, Vec::new()));
    assert_eq!(embed(VERTEX, sized(json!(256))).0["parameters"]["outputDimensionality"], 256);
    assert_eq!(embed(VERTEX, sized(Value::Null)).0["parameters"], json!({ "autoTruncate": false }));

    let asked = Request { user: Some("u".into()), protocol: "other".into(), stream: true, ..sized(json!(256)) };
    let (body, dropped) = embed(STUDIO, asked.clone());
    assert_eq!((body["requests"][0].get("outputDimensionality"), dropped.join(" ")), (None, "dimensions user".into()));
    let vertex = "/v1/projects/p-1/locations/global/publishers/google/models/text-embedding-005:predict";
    for (settings, path) in [(STUDIO, "/v1beta/models/text-embedding-005:batchEmbedContents"), (VERTEX, vertex)] {
        let call = try_embed(settings, asked.clone()).unwrap().call;
        assert_eq!((call.method.as_str(), call.path.as_str(), call.framing), ("POST", path, Framing::WholeBody));
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let image = Part::Media(media(MediaKind::Image, "image/png", Source::Bytes(vec![1])));
    let alone = Request { model: "gemini-embedding-001".into(), ..inputs(&["a", "b"]) };
    assert!(try_embed(STUDIO, alone.clone()).is_ok());
    for (settings, request, field, kind) in [
        (VERTEX, alone, "input[1]", FaultKind::Unsupported),
        (VERTEX, inputs(&["a"; 251]), "input[250]", FaultKind::Unsupported),
        (STUDIO, inputs(&["a"; 101]), "input[100]", FaultKind::Unsupported),
        (STUDIO, Request { messages: vec![user(vec![image])], ..ask("") }, "input[0]", FaultKind::Unsupported),
        (STUDIO, sized(json!(1.5)), "dimensions", FaultKind::InvalidRequest),
    ] {
        let fault = try_embed(settings, request).unwrap_err();
        assert_eq!((fault.field.as_deref(), fault.kind), (Some(field), kind));
    }
}

#[test]
fn vectors_of_each_place() {
    let vectors = [
        Event::Embedding(Embedding { index: 0, values: vec![0.5, -2e-3] }),
        Event::Embedding(Embedding { index: 1, values: vec![1.0] }),
    ];
    let usage = Event::Usage(Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let end = [finished(Finish::Stop)];
    let studio = r#"{"embeddings":[{"values":[0.5,-2e-3]},{"values":[1]}]}"#;
    assert_eq!(decode(studio), [&vectors[..], &end].concat());
    let counted = r#"{"embeddings":[{"values":[0.5,-2e-3]},{"values":[1]}],"usageMetadata":{"promptTokenCount":8}}"#;
    assert_eq!(decode(counted), [&vectors[..], std::slice::from_ref(&usage), &end].concat());
    let vertex = |last: &str| {
        let statistics = r#""statistics":{"truncated":false,"token_count":3.0}"#;
        format!(
            r#"{{"predictions":[{{"embeddings":{{{statistics},"values":[0.5,-2e-3]}}}},{{"embeddings":{{{last}"values":[1]}}}}],
                "metadata":{{"billableCharacterCount":9}}}}"#
        )
    };
    assert_eq!(decode(&vertex(r#""statistics":{"token_count":5},"#)), [&vectors[..], &[usage], &end].concat());
    assert_eq!(decode(&vertex("")), [&vectors[..], &end].concat());
}

#[test]
fn what_is_no_list_of_vectors_fails() {
    for (body, kind) in [
        (r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#, FaultKind::RateLimited),
        (r#"{"error":"odd"}"#, FaultKind::ServerError),
        ("{}", FaultKind::MalformedReply),
        (r#"{"embeddings":[[1]]}"#, FaultKind::MalformedReply),
        (r#"{"predictions":[{"values":[1]}]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[{"values":[1e39]}]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[{"#, FaultKind::MalformedReply),
        ("", FaultKind::MalformedReply),
    ] {
        let events = decode(body);
        assert_eq!((events.len(), failure(&events).kind), (1, kind), "{body}");
    }
    let nothing = Codec::decode("embeddings".into(), false, Vec::new(), Vec::new(), true);
    assert_eq!(failure(&nothing.events).kind, FaultKind::Truncated);
}
