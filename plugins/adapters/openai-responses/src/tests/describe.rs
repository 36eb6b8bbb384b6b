//! What the host is told about both sides.

use super::*;
use pointsman_sdk::codec::client_protocol::Streaming;
use pointsman_sdk::codec::provider::{Auth, Framing, HeaderAuth};

fn auth(settings: &str) -> HeaderAuth {
    match <Codec as Provider>::describe(settings.into()).unwrap().auth.remove(0) {
        Auth::Header(header) => header,
        other => panic!("expected a header, not {other:?}"),
    }
}

#[test]
fn keys_go_into_the_header_that_the_settings_name() {
    let bearer = HeaderAuth { name: "authorization".into(), prefix: "Bearer ".into() };
    assert_eq!(auth("{}"), bearer);
    assert_eq!(auth(r#"{"auth_header": "authorization"}"#), bearer);
    assert_eq!(auth(r#"{"auth_header": "api-key"}"#), HeaderAuth { name: "api-key".into(), prefix: String::new() });
}

#[test]
fn wrong_settings_are_named() {
    for (settings, named) in [(r#"{"auth_heder": "x"}"#, "auth_heder"), (r#"{"auth_header": "x-key"}"#, "x-key")] {
        assert!(<Codec as Provider>::describe(settings.into()).unwrap_err().contains(named));
        let fault = Codec::encode(settings.into(), "chat".into(), ask(), no_facts()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::AdapterFailed);
    }
}

#[test]
fn calls_by_operation() {
    let call = |operation: &str, stream| Codec::forward("{}".into(), operation.into(), "m".into(), stream).unwrap();
    assert_eq!((call("chat", true).path.as_str(), call("chat", true).framing), ("/responses", Framing::Sse));
    assert_eq!(call("chat", false).framing, Framing::WholeBody);
    assert_eq!(call("count-tokens", false).path, "/responses/input_tokens");
    assert_eq!(call("compact", false).path, "/responses/compact");
    let fault = Codec::forward("{}".into(), "embeddings".into(), "m".into(), false).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
}

#[test]
fn endpoints() {
    let description = <Codec as ClientProtocol>::describe();
    let [chat, count, compact] = description.endpoints.as_slice() else { panic!("expected three endpoints") };
    assert_eq!((chat.path.as_str(), chat.operation.as_str()), ("/v1/responses", "chat"));
    assert!(matches!(&chat.stream, Streaming::Field(field) if field == "stream"));
    assert_eq!(chat.pinning_fields, ["previous_response_id", "conversation", "background"]);
    assert_eq!((count.path.as_str(), count.operation.as_str()), ("/v1/responses/input_tokens", "count-tokens"));
    assert!(matches!(count.stream, Streaming::Never));
    assert_eq!((compact.path.as_str(), compact.operation.as_str()), ("/v1/responses/compact", "compact"));
    assert!(matches!(compact.stream, Streaming::Never));
}
