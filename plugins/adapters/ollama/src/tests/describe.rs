//! Settings, and where calls go.

use super::*;
use pointsman_adapter_sdk::provider::{Auth, Framing};

#[test]
fn a_key_is_sent_only_where_one_is_wanted() {
    let local = Adapter::describe("{}".into()).unwrap();
    assert!(local.auth.is_empty());
    assert_eq!(local.default_base_url.as_deref(), Some("http://127.0.0.1:11434"));
    assert_eq!((local.protocol.as_str(), local.operations), ("ollama", vec!["chat".into(), "embeddings".into()]));
    let cloud = Adapter::describe(r#"{"auth":true,"num_ctx":8192,"keep_alive":-1,"think":false}"#.into()).unwrap();
    let [Auth::Header(header)] = &cloud.auth[..] else { panic!("one header") };
    assert_eq!((header.name.as_str(), header.prefix.as_str()), ("authorization", "Bearer "));
}

#[test]
fn wrong_settings_are_named() {
    let table = [
        (r#"{"num_ctxt":1}"#, "`num_ctxt`"),
        (r#"{"num_ctx":0}"#, "`num_ctx`"),
        (r#"{"num_ctx":"8k"}"#, "`num_ctx`"),
        (r#"{"keep_alive":true}"#, "`keep_alive`"),
        (r#"{"think":"high"}"#, "`think`"),
        (r#"{"auth":1}"#, "`auth`"),
        ("[]", "a table"),
    ];
    for (settings, word) in table {
        let error = Adapter::describe(settings.into()).unwrap_err();
        assert!(error.contains(word), "{settings}: {error}");
        let fault = Adapter::forward(settings.into(), "chat".into(), "m".into(), true).unwrap_err();
        assert_eq!(fault.kind, FaultKind::AdapterFailed);
    }
}

#[test]
fn lines_where_streamed_and_one_body_where_not() {
    for (stream, framing) in [(true, Framing::Ndjson), (false, Framing::WholeBody)] {
        let encoded = Adapter::encode("{}".into(), "chat".into(), Request { stream, ..ask("hi") }, no_facts()).unwrap();
        let forwarded = Adapter::forward("{}".into(), "chat".into(), "m".into(), stream).unwrap();
        for call in [encoded.call, forwarded] {
            assert_eq!((call.method.as_str(), call.path.as_str(), call.framing), ("POST", "/api/chat", framing));
        }
    }
}

#[test]
fn other_operations_are_unsupported() {
    let fault = Adapter::encode("{}".into(), "count-tokens".into(), ask("hi"), no_facts()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}
