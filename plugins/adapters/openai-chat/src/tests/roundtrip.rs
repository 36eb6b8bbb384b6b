//! What is written can be read back: replies by `decode`, requests by `read`.

use super::*;

fn everything() -> Vec<Event> {
    vec![
        started(),
        thought(0, "Hm, "),
        thought(0, "well."),
        Event::PartFinished(0),
        said(1, "Grüße \u{1f44b}"),
        Event::PartFinished(1),
        called(2, "a", "f"),
        argued(2, "{\"x\":[1,\"}\"]}"),
        Event::PartFinished(2),
        called(3, "b", "g"),
        argued(3, "{}"),
        Event::PartFinished(3),
        Event::Usage(Usage { input: 30, output: 7, cache_read: 20, cache_write: 0, reasoning: 3 }),
        finished(Finish::ToolCalls),
    ]
}

fn write(stream: bool, events: Vec<Event>) -> Vec<u8> {
    let memory = crate::write::first_memory(true, Vec::new());
    <Codec as ClientProtocol>::write("chat".into(), stream, memory, events, true).bytes
}

#[test]
fn a_stream_survives() {
    let bytes = write(true, everything());
    let text = String::from_utf8(bytes).unwrap();
    let frames: Vec<Frame> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).map(frame).collect();
    assert_eq!(decode_stream(&frames), everything());
    assert_eq!(decode_slowly(&frames), everything());
}

#[test]
fn a_whole_reply_survives_with_its_pieces_joined() {
    let body = write(false, everything());
    let events = Codec::decode("chat".into(), false, Vec::new(), vec![Frame { event: None, data: body }], true).events;
    let mut expected = everything();
    expected.splice(1..3, [thought(0, "Hm, well.")]);
    assert_eq!(events, expected);
}

#[test]
fn a_request_survives() {
    let pdf = media(MediaKind::Document, "application/pdf", Source::Bytes(vec![0, 159, 146]));
    let request = Request {
        protocol: "openai-chat".into(),
        tools: vec![tool("f")],
        tool_choice: Some(ToolChoice::Named("f".into())),
        parallel_tool_calls: Some(true),
        output: OutputFormat::JsonObject,
        max_output_tokens: Some(7),
        temperature: Some(0.1),
        top_p: Some(0.95),
        stop: vec!["x".into()],
        seed: Some(i64::MIN),
        reasoning_effort: Some("minimal".into()),
        user: Some("u".into()),
        stream: true,
        ..request(vec![
            message(Role::System, vec![text("Be brief.")]),
            message(Role::User, vec![text("Hi"), Part::Media(Media { title: Some("a.pdf".into()), ..pdf })]),
            message(Role::Assistant, vec![text("Yes"), tool_call("a", "f", "{\"x\": 1}")]),
            message(Role::User, vec![Part::ToolResult(tool_result("a", "1"))]),
        ])
    };
    let (body, _) = encode(json!({}), request.clone()).unwrap();
    assert_eq!(read(body).unwrap(), request);
}

/// Strangers write all of these bytes: whatever they are, the answer is a fault and not a trap.
#[test]
fn broken_bytes_do_no_harm() {
    let reply = write(false, everything());
    let (body, _) = encode(json!({}), hello()).unwrap();
    let request = body.to_string().into_bytes();
    for cut in 0..reply.len() {
        let events = |stream: bool, data: &[u8]| {
            let frame = Frame { event: None, data: data.to_vec() };
            Codec::decode("chat".into(), stream, Vec::new(), vec![frame], true).events
        };
        assert_eq!(failure(&events(false, &reply[..cut])).status, 0);
        assert_eq!(failure(&events(true, &reply[..cut])).status, 0);
        // A byte that is no UTF-8, in every place: passed over in a field that nobody reads, a failure elsewhere.
        let mut broken = reply.clone();
        broken[cut] = 0xff;
        let last = events(false, &broken).pop();
        assert!(matches!(last, Some(Event::Failed(_) | Event::Finished(_))), "{last:?} at {cut}");
    }
    for cut in 0..request.len() {
        let fault = <Codec as ClientProtocol>::read("chat".into(), vec![], request[..cut].to_vec()).unwrap_err();
        assert_eq!(fault.kind, pointsman_sdk::codec::FaultKind::InvalidRequest);
    }
}
