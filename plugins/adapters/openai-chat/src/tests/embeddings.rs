use super::*;
use pointsman_sdk::codec::FaultKind;
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
fn they_are_not_translated() {
    let body = br#"{"model":"m","input":"a"}"#.to_vec();
    let fault = <Codec as ClientProtocol>::read("embeddings".into(), body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    assert!(fault.message.starts_with("embeddings are forwarded"), "{}", fault.message);
    for operation in ["embeddings", "count-tokens"] {
        let fault = <Codec as Provider>::encode("{}".into(), operation.into(), hello(), unknown()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unsupported);
    }
}

#[test]
fn a_reply_gives_its_usage() {
    let reply = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]},
        {"object":"embedding","index":1,"embedding":"AACAPw=="}],"model":"m",
        "usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let usage = Usage { input: 8, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    assert_eq!(decode(reply), [Event::Usage(usage), finished(Finish::Stop)]);
    assert_eq!(decode(r#"{"data":[]}"#), [finished(Finish::Stop)]);
}

#[test]
fn what_is_no_list_of_embeddings_fails() {
    let cases = [
        (r#"{"error":{"message":"no","code":429}}"#, FaultKind::RateLimited),
        (r#"{"data":"none"}"#, FaultKind::MalformedReply),
        (r#"{"object":"list"}"#, FaultKind::MalformedReply),
        (r#"{"data":[{"#, FaultKind::MalformedReply),
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
