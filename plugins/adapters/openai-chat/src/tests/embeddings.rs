use super::*;
use pointsman_sdk::codec::FaultKind;
use pointsman_sdk::codec::chat::Embedding;
use pointsman_sdk::codec::client_protocol::Streaming;

fn decode(body: &str) -> Vec<Event> {
    let whole = Codec::decode("embeddings".into(), false, Vec::new(), vec![frame(body)], true);
    let first = Codec::decode("embeddings".into(), false, Vec::new(), vec![frame(body)], false);
    let last = Codec::decode("embeddings".into(), false, first.memory, Vec::new(), true);
    assert_eq!(first.events, whole.events);
    assert!(last.events.is_empty(), "nothing comes after the end: {:?}", last.events);
    whole.events
}

#[test]
fn callers_find_them_at_a_path_of_their_own() {
    let description = <Codec as ClientProtocol>::describe();
    let endpoint = &description.endpoints[1];
    assert_eq!((endpoint.method.as_str(), endpoint.path.as_str()), ("POST", "/v1/embeddings"));
    assert_eq!((endpoint.operation.as_str(), endpoint.model_field.as_str()), ("embeddings", "model"));
    assert_eq!(endpoint.stream, Streaming::Never);
    let call = <Codec as Provider>::forward("{}".into(), "embeddings".into(), "m".into(), false).unwrap();
    assert_eq!(call.path, "/embeddings");
}

#[test]
fn a_request_there_and_back() {
    let read = |body: &str| <Codec as ClientProtocol>::read("embeddings".into(), vec![], body.as_bytes().to_vec());
    let encode = |request| <Codec as Provider>::encode("{}".into(), "embeddings".into(), request, unknown());
    for body in
        [r#"{"model":"m","input":["a","b\u00e9"],"user":"u","dimensions":256}"#, r#"{"model":"m","input":["a"]}"#]
    {
        let encoded = encode(read(body).unwrap().request).unwrap();
        let (sent, given): (Value, Value) = (parse(&encoded.body), parse(body.as_bytes()));
        assert_eq!((sent, encoded.call.path.as_str()), (given, "/embeddings"));
    }
    assert_eq!(read(r#"{"model":"m","input":"a"}"#).unwrap().request.messages.len(), 1);
    for (body, field, kind) in [
        (r#"{"model":"m","input":[]}"#, "input", FaultKind::InvalidRequest),
        (r#"{"model":"m"}"#, "input", FaultKind::InvalidRequest),
        (r#"{"model":"m","input":["a",{}]}"#, "input[1]", FaultKind::InvalidRequest),
        (r#"{"model":"m","input":[1,2]}"#, "input[0]", FaultKind::Unsupported),
        (r#"{"model":"m","input":[[1],[2]]}"#, "input[0]", FaultKind::Unsupported),
        (r#"{"model":"m","input":"a","encoding_format":"int8"}"#, "encoding_format", FaultKind::InvalidRequest),
    ] {
        let fault = read(body).unwrap_err();
        assert_eq!((fault.field.as_deref(), fault.kind), (Some(field), kind), "{body}");
    }
    let fault = <Codec as Provider>::encode("{}".into(), "count-tokens".into(), hello(), unknown()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

/// Base64 or numbers, as the caller asked; in the order of the inputs.
#[test]
fn vectors_for_a_caller() {
    let vector = |index, values: &[f32]| Event::Embedding(Embedding { index, values: values.to_vec() });
    let usage = Event::Usage(Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 });
    let events = vec![vector(1, &[1.0]), vector(0, &[0.5, -2.0]), usage, finished(Finish::Stop)];
    for (format, first) in [("float", serde_json::json!([0.5, -2.0])), ("base64", "AAAAPwAAAMA=".into())] {
        let body = format!(r#"{{"model":"m","input":["a","b"],"encoding_format":"{format}"}}"#);
        let reading = <Codec as ClientProtocol>::read("embeddings".into(), vec![], body.into_bytes()).unwrap();
        let written = Codec::write("embeddings".into(), false, reading.memory, events.clone(), true);
        let reply = parse(&written.bytes);
        assert_eq!((&reply["data"][0]["embedding"], &reply["data"][1]["index"]), (&first, &1.into()));
        assert_eq!((&reply["usage"]["prompt_tokens"], &reply["model"]), (&8.into(), &"m".into()));
        let again = Codec::decode("embeddings".into(), false, Vec::new(), vec![frame(reply.to_string())], true);
        assert_eq!(again.events[0], events[1]);
    }
}

#[test]
fn a_reply_gives_vectors_and_usage() {
    let reply = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-2e-3]},
        {"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"m",
        "usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let usage = Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    let vector = |index, values: &[f32]| Event::Embedding(Embedding { index, values: values.to_vec() });
    let expected = [vector(0, &[0.5, -2e-3]), vector(1, &[1.0]), Event::Usage(usage), finished(Finish::Stop)];
    assert_eq!(decode(reply), expected);
    assert_eq!(decode(r#"{"data":[]}"#), [finished(Finish::Stop)]);
}

fn parse(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn what_is_no_list_of_embeddings_fails() {
    let cases = [
        (r#"{"error":{"message":"no","code":429}}"#, FaultKind::RateLimited),
        (r#"{"data":"none"}"#, FaultKind::MalformedReply),
        (r#"{"object":"list"}"#, FaultKind::MalformedReply),
        (r#"{"data":[{"#, FaultKind::MalformedReply),
        (r#"{"data":[{"embedding":"abc"}]}"#, FaultKind::MalformedReply),
        (r#"{"data":[{"embedding":[null]}]}"#, FaultKind::MalformedReply),
        (r#"{"data":[{"embedding":[1e39]}]}"#, FaultKind::MalformedReply),
        ("", FaultKind::MalformedReply),
        ("[]", FaultKind::MalformedReply),
    ];
    for (body, kind) in cases {
        let events = decode(body);
        assert_eq!((events.len(), failure(&events).kind), (1, kind), "{body}");
    }
    let nothing = Codec::decode("embeddings".into(), false, Vec::new(), Vec::new(), true);
    assert_eq!(failure(&nothing.events).kind, FaultKind::Truncated);
}
