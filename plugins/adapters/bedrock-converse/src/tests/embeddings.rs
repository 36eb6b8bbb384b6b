//! Embeddings, there and back.

use super::*;
use pointsman_adapter_sdk::provider::{Encoded, Framing};

const TITAN: &str = "amazon.titan-embed-text-v2:0";
const COHERE_3: &str = "cohere.embed-multilingual-v3";
const COHERE_4: &str = "us.cohere.embed-v4:0";

fn inputs(model: &str, texts: &[&str]) -> Request {
    let messages = texts.iter().map(|words| user(vec![text(words)])).collect();
    Request { model: model.into(), protocol: "openai-chat".into(), messages, ..ask("") }
}

fn sized(model: &str, dimensions: Value) -> Request {
    Request { extras: vec![extra("dimensions", dimensions)], ..inputs(model, &["a"]) }
}

fn try_embed(request: Request) -> Result<Encoded, Fault> {
    Adapter::encode(SETTINGS.into(), "embeddings".into(), request, no_facts())
}

fn embed(request: Request) -> (Value, Vec<String>) {
    let encoded = try_embed(request).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

fn decode(body: &str) -> Vec<Event> {
    let frame = Frame { event: None, data: body.as_bytes().to_vec() };
    let first = Adapter::decode("embeddings".into(), false, Vec::new(), vec![frame], false);
    let last = Adapter::decode("embeddings".into(), false, first.memory, Vec::new(), true);
    assert_eq!((&first.events, last.events), (&decode_whole("embeddings", body), Vec::new()));
    first.events
}

#[test]
fn each_maker_has_its_body() {
    assert_eq!(embed(inputs(TITAN, &["é"])), (json!({ "inputText": "é" }), Vec::new()));
    assert_eq!(embed(sized(TITAN, json!(256))).0, json!({ "inputText": "a", "dimensions": 256 }));
    assert_eq!(embed(inputs("amazon.titan-embed-text-v1", &["a"])).0, json!({ "inputText": "a" }));
    let cohere = json!({ "texts": ["a", "b"], "input_type": "search_document" });
    assert_eq!(embed(inputs(COHERE_3, &["a", "b"])).0, cohere);
    assert_eq!(embed(sized(COHERE_4, json!(512))).0["output_dimension"], 512);
    assert_eq!(embed(sized(COHERE_3, Value::Null)).0.get("output_dimension"), None);

    let asked = Request { user: Some("u".into()), ..sized(TITAN, json!(256)) };
    assert_eq!(embed(asked.clone()).1, ["user"]);
    let (body, dropped) = embed(Request { protocol: "other".into(), ..asked.clone() });
    assert_eq!((body, dropped), (json!({ "inputText": "a" }), vec!["dimensions".to_owned(), "user".to_owned()]));
    let call = try_embed(Request { stream: true, ..asked }).unwrap().call;
    let path = "/model/amazon.titan-embed-text-v2%3A0/invoke";
    assert_eq!((call.method.as_str(), call.path.as_str(), call.framing), ("POST", path, Framing::WholeBody));
}

#[test]
fn what_a_model_cannot_do_is_refused() {
    let image = Part::Media(media(MediaKind::Image, "image/png", Source::Bytes(vec![1])));
    let with_image = Request { messages: vec![user(vec![text("a")]), user(vec![image])], ..inputs(COHERE_3, &[]) };
    for (request, field, kind) in [
        (inputs(TITAN, &["a", "b"]), "input[1]", FaultKind::Unsupported),
        (inputs(COHERE_4, &["a"; 97]), "input[96]", FaultKind::Unsupported),
        (with_image, "input[1]", FaultKind::Unsupported),
        (inputs("amazon.titan-embed-image-v1", &["a"]), "model", FaultKind::Unsupported),
        (inputs("anthropic.claude-sonnet-4-5-v1:0", &["a"]), "model", FaultKind::Unsupported),
        (sized("amazon.titan-embed-text-v1", json!(256)), "dimensions", FaultKind::Unsupported),
        (sized(COHERE_3, json!(256)), "dimensions", FaultKind::Unsupported),
        (sized(TITAN, json!("256")), "dimensions", FaultKind::InvalidRequest),
    ] {
        let fault = try_embed(request).unwrap_err();
        assert_eq!((fault.field.as_deref(), fault.kind), (Some(field), kind));
    }
    assert!(try_embed(inputs(COHERE_4, &["a"; 96])).is_ok());
}

#[test]
fn vectors_of_each_maker() {
    let vector = |index, values: &[f32]| Event::Embedding(Embedding { index, values: values.to_vec() });
    let finished = Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None });
    let usage = Event::Usage(Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let titan = r#"{"embedding":[0.5,-2e-3],"inputTextTokenCount":8,"embeddingsByType":{"float":[0.5,-2e-3]}}"#;
    assert_eq!(decode(titan), [vector(0, &[0.5, -2e-3]), usage, finished.clone()]);
    let cohere = [vector(0, &[0.5]), vector(1, &[1.0]), finished];
    for lists in ["[[0.5],[1]]", r#"{"float":[[0.5],[1]]}"#] {
        let body =
            format!(r#"{{"id":"i","embeddings":{lists},"response_type":"embeddings_floats","texts":["a","b"]}}"#);
        assert_eq!(decode(&body), cohere);
    }
}

#[test]
fn what_holds_no_vectors_fails() {
    for (body, kind) in [
        (r#"{"__type":"ThrottlingException","message":"slow down"}"#, FaultKind::RateLimited),
        (r#"{"message":"odd"}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":{"int8":[[1]]}}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":[1]}"#, FaultKind::MalformedReply),
        (r#"{"embeddings":"none"}"#, FaultKind::MalformedReply),
        (r#"{"embedding":[1e39]}"#, FaultKind::MalformedReply),
        (r#"{"embedding":[1"#, FaultKind::MalformedReply),
        ("", FaultKind::MalformedReply),
    ] {
        let events = decode(body);
        assert_eq!((events.len(), failure(&events).kind), (1, kind), "{body}");
    }
    let nothing = Adapter::decode("embeddings".into(), false, Vec::new(), Vec::new(), true);
    assert_eq!(failure(&nothing.events).kind, FaultKind::Truncated);
}
