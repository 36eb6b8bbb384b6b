//! Azure OpenAI, where each deployment has a path of its own.

use super::*;
use pointsman_sdk::codec::provider::Auth;

const SETTINGS: &str = r#"{"azure":{"api_version":"2024-10-21"}}"#;

#[test]
fn the_deployment_stands_in_the_path() {
    let forward = |operation: &str, model: &str| {
        <Codec as Provider>::forward(SETTINGS.into(), operation.into(), model.into(), false).unwrap().path
    };
    assert_eq!(forward("chat", "gpt-4.1"), "/openai/deployments/gpt-4.1/chat/completions?api-version=2024-10-21");
    assert_eq!(
        forward("embeddings", "a b/ü?"),
        "/openai/deployments/a%20b%2F%C3%BC%3F/embeddings?api-version=2024-10-21"
    );
    let encoded = <Codec as Provider>::encode(SETTINGS.into(), "chat".into(), hello(), unknown()).unwrap();
    assert_eq!(encoded.call.path, forward("chat", "gpt-x"));
}

#[test]
fn keys_and_tokens_go_into_different_headers() {
    let auth = |settings: &str| {
        let description = <Codec as Provider>::describe(settings.into()).unwrap();
        assert_eq!(description.default_base_url, None);
        match description.auth.into_iter().next() {
            Some(Auth::Header(header)) => (header.name, header.prefix),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(auth(SETTINGS), ("api-key".into(), String::new()));
    let entra = r#"{"azure":{"api_version":"2025-04-01-preview","entra":true}}"#;
    assert_eq!(auth(entra), ("authorization".into(), "Bearer ".into()));
}

#[test]
fn usage_is_not_asked_for_where_it_cannot_be() {
    let settings = json!({"azure": {"api_version": "2024-02-01"}, "stream_usage": false});
    let (body, _) = encode(settings, Request { stream: true, ..hello() }).unwrap();
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(true), None));
}

#[test]
fn a_reply_with_filter_results() {
    let filtered = json!({"hate": {"filtered": false, "severity": "safe"}});
    let frames = [
        frame(json!({
            "id": "", "object": "", "created": 0, "model": "", "choices": [],
            "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": filtered}],
        })),
        chunk(json!({"role": "assistant", "content": "a"}), None),
        // Of the asynchronous filter.
        frame(json!({"id": "", "choices": [{
            "index": 0, "finish_reason": null, "content_filter_results": filtered,
            "content_filter_offsets": {"check_offset": 1, "start_offset": 1, "end_offset": 9},
        }]})),
        chunk(json!({}), Some("content_filter")),
        done(),
    ];
    let expected = [started(), said(0, "a"), Event::PartFinished(0), finished(Finish::ContentFilter)];
    assert_eq!(decode_stream(&frames), expected);
    assert_eq!(decode_slowly(&frames), expected);
}
