//! Embeddings, there and back.

use super::*;
use pointsman_adapter_sdk::provider::{Encoded, Framing};

fn inputs(texts: &[&str]) -> Request {
    let messages = texts.iter().map(|words| user(vec![text(words)])).collect();
    Request { model: "nomic-embed-text".into(), messages, ..ask("") }
}

fn try_embed(settings: &str, request: Request) -> Result<Encoded, Fault> {
    Adapter::encode(settings.into(), "embeddings".into(), request, no_facts())
}

fn embed(settings: &str, request: Request) -> (Value, Vec<String>) {
    let encoded = try_embed(settings, request).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

fn decode(body: &str) -> Vec<Event> {
    let whole = Adapter::decode("embeddings".into(), false, Vec::new(), vec![frame(body)], true);
    let first = Adapter::decode("embeddings".into(), false, Vec::new(), vec![frame(body)], false);
    let last = Adapter::decode("embeddings".into(), false, first.memory, Vec::new(), true);
    assert_eq!((first.events, last.events), (whole.events.clone(), Vec::new()));
    whole.events
}

#[test]
fn every_input_is_one_of_a_list() {
    let (body, dropped) = embed("{}", inputs(&["a", "é"]));
    assert_eq!(body, json!({ "model": "nomic-embed-text", "input": ["a", "é"], "truncate": false }));
    assert!(dropped.is_empty());
    let extras = vec![extra("dimensions", json!(256)), extra("speed", json!("high"))];
    let asked = Request { user: Some("u".into()), extras, stream: true, ..inputs(&["a"]) };
    let (body, dropped) = embed(r#"{"num_ctx":2048,"keep_alive":"10m"}"#, asked.clone());
    let expected = json!({ "model": "nomic-embed-text", "input": ["a"], "dimensions": 256, "truncate": false,
        "options": { "num_ctx": 2048 }, "keep_alive": "10m" });
    assert_eq!((body, dropped), (expected, vec!["speed".to_owned(), "user".to_owned()]));
    let (body, dropped) = embed("{}", Request { protocol: "other".into(), ..asked.clone() });
    assert_eq!((body.get("dimensions"), dropped[0].as_str()), (None, "dimensions"));
    for call in [
        try_embed("{}", asked).unwrap().call,
        Adapter::forward("{}".into(), "embeddings".into(), "m".into(), true).unwrap(),
    ] {
        assert_eq!(
            (call.method.as_str(), call.path.as_str(), call.framing),
            ("POST", "/api/embed", Framing::WholeBody)
        );
    }
}

#[test]
fn what_is_no_input_is_refused() {
    let image = Part::Media(media(MediaKind::Image, "image/png", Source::Bytes(vec![1])));
    let wrong = |extra_value: Value| Request { extras: vec![extra("dimensions", extra_value)], ..inputs(&["a"]) };
    for (request, field, kind) in [
        (
            Request { messages: vec![user(vec![text("a")]), user(vec![image])], ..ask("") },
            "input[1]",
            FaultKind::Unsupported,
        ),
        (wrong(json!("256")), "dimensions", FaultKind::InvalidRequest),
        (wrong(json!(-1)), "dimensions", FaultKind::InvalidRequest),
    ] {
        let fault = try_embed("{}", request).unwrap_err();
        assert_eq!((fault.field.as_deref(), fault.kind), (Some(field), kind));
    }
    assert_eq!(embed("{}", wrong(Value::Null)).0.get("dimensions"), None);
}

#[test]
fn vectors_and_what_they_cost() {
    let vector = |index, values: &[f32]| Event::Embedding(Embedding { index, values: values.to_vec() });
    let finished = Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None });
    let usage = Event::Usage(Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let body = r#"{"model":"m","embeddings":[[0.5,-2e-3],[1]],"total_duration":5,"prompt_eval_count":8}"#;
    assert_eq!(decode(body), [vector(0, &[0.5, -2e-3]), vector(1, &[1.0]), usage, finished.clone()]);
    assert_eq!(decode(r#"{"embeddings":[[0.5]]}"#), [vector(0, &[0.5]), finished]);
}

#[test]
fn what_is_no_list_of_vectors_fails() {
    for (body, kind) in [
        (r#"{"error":"model runner has unexpectedly stopped"}"#, FaultKind::ServerError),
        (r#"{"error":"the input length exceeds the context length"}"#, FaultKind::ContextTooLong),
        (r#"{"model":"m"}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[0.5]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[[null]]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[[1e39]]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[[1"#, FaultKind::MalformedReply),
        ("", FaultKind::MalformedReply),
    ] {
        let events = decode(body);
        assert_eq!((events.len(), failure(&events).kind), (1, kind), "{body}");
    }
    let nothing = Adapter::decode("embeddings".into(), false, Vec::new(), Vec::new(), true);
    assert_eq!(failure(&nothing.events).kind, FaultKind::Truncated);
}
