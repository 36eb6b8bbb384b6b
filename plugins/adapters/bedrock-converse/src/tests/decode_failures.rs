//! Replies of Bedrock that fail, break off or make no sense.

use super::decode::{begin, delta_of, end, full_stream, text_of};
use super::*;

#[test]
fn exceptions_end_the_reply() {
    let table = [
        ("throttlingException", FaultKind::RateLimited),
        ("serviceUnavailableException", FaultKind::Overloaded),
        ("internalServerException", FaultKind::ServerError),
        ("modelStreamErrorException", FaultKind::ServerError),
        ("validationException", FaultKind::InvalidRequest),
        ("InternalFailure", FaultKind::ServerError),
        ("someNewException", FaultKind::ServerError),
    ];
    for (name, expected) in table {
        for before in [vec![], vec![begin(), text_of(0, "a")]] {
            let frames = [before, vec![frame(name, json!({ "message": "why" }))], end("end_turn")].concat();
            let events = decode_stream(&frames);
            let fault = failure(&events);
            assert_eq!((fault.kind, fault.message.as_str()), (expected, "why"), "{name}");
            assert_eq!((fault.provider_code.as_deref(), fault.status), (Some(name), 0));
        }
    }
    let bare = Frame { event: Some("InternalFailure".into()), data: Vec::new() };
    assert!(failure(&decode_stream(&[bare])).message.contains("InternalFailure"));
    let long = frame("validationException", json!({ "message": "Input is too long for requested model." }));
    assert_eq!(failure(&decode_stream(&[long])).kind, FaultKind::ContextTooLong);
}

#[test]
fn a_stream_without_its_end_is_truncated() {
    let frames = full_stream();
    let stop = frames.len() - 2;
    for cut in 0..stop {
        assert_eq!(failure(&decode_stream(&frames[..cut])).kind, FaultKind::Truncated, "cut before frame {cut}");
    }
    let nothing = Adapter::decode("chat".into(), false, Vec::new(), Vec::new(), true).events;
    assert_eq!(failure(&nothing).kind, FaultKind::Truncated);
}

#[test]
fn nonsense_is_malformed() {
    let raw = |event: &str, data: &str| Frame { event: Some(event.into()), data: data.into() };
    for frames in [
        vec![text_of(0, "no start")],
        vec![begin(), raw("contentBlockDelta", "{")],
        vec![begin(), raw("contentBlockStart", r#"{"start":{"toolUse":{"name":"x"}}}"#)],
        vec![begin(), raw("contentBlockDelta", r#"{"contentBlockIndex":"a"}"#)],
        vec![begin(), delta_of(0, json!({ "toolUse": { "input": "{}" } }))],
    ] {
        let frames = [frames, end("end_turn")].concat();
        assert_eq!(failure(&decode_stream(&frames)).kind, FaultKind::MalformedReply, "{frames:?}");
    }
    for body in ["", "[]", "{}", r#"{"output":{"message":{"content":[]}}}"#, r#"{"output":1,"stopReason":"end_turn"}"#]
    {
        assert_eq!(failure(&decode_whole("chat", body)).kind, FaultKind::MalformedReply, "{body}");
    }
}
