//! What one direction says, the other understands.

use super::*;

/// Tells apart what matters: neither pings nor where texts were cut.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut joined: Vec<Event> = Vec::new();
    for event in events {
        match (joined.last_mut(), event) {
            (Some(Event::TextDelta(last)), Event::TextDelta(delta)) if last.index == delta.index => {
                last.text += &delta.text
            }
            (Some(Event::ToolArgumentsDelta(last)), Event::ToolArgumentsDelta(delta)) if last.index == delta.index => {
                last.text += &delta.text;
            }
            (_, Event::Ping) => {}
            (_, event) => joined.push(event),
        }
    }
    joined
}

#[test]
fn a_stream_decoded_and_written_says_the_same() {
    let mut first = decode_stream(&super::decode::full_stream());
    // What has no word in the contract is not written.
    first.retain(|event| *event != other_content());
    let sent = write_stream(Vec::new(), first.clone());
    let data: Vec<_> = sent.into_iter().map(|(_, data)| data).collect();
    let mut second = joined(decode_stepwise(&data));
    // The call without arguments is written with `{}`, which means the same.
    second.retain(|event| !matches!(event, Event::ToolArgumentsDelta(delta) if delta.text == "{}"));
    assert_eq!(second, joined(first));
}

#[test]
fn a_whole_reply_decoded_and_written_is_the_same() {
    let reply = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            { "type": "thinking", "thinking": "hm", "signature": "sig" },
            { "type": "redacted_thinking", "data": "xyz" },
            { "type": "text", "text": "hi" },
            { "type": "tool_use", "id": "toolu_1", "name": "look", "input": { "x": [1, { "y": null }] } },
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": { "input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100,
            "output_tokens": 42, "output_tokens_details": { "thinking_tokens": 3 } } });
    let bytes = Codec::write("chat".into(), false, Vec::new(), decode_whole(reply.clone()), true).bytes;
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), reply);
}

#[test]
fn a_request_read_and_encoded_says_the_same() {
    let body = json!({ "model": "m", "max_tokens": 64,
        "system": [{ "type": "text", "text": "be brief", "cache_control": { "type": "ephemeral" } }],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "go" },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "AQID" } }] },
            { "role": "assistant", "content":
                [{ "type": "tool_use", "id": "t", "name": "look", "input": { "x": 1 } }] },
            { "role": "user", "content":
                [{ "type": "tool_result", "tool_use_id": "t", "content": [{ "type": "text", "text": "ok" }], "is_error": true }] },
        ],
        "tools": [{ "name": "look", "description": "looks", "input_schema": { "type": "object" } }],
        "tool_choice": { "type": "any" }, "temperature": 0.5, "stop_sequences": ["END"],
        "metadata": { "user_id": "u" }, "stream": true });
    let (encoded, dropped) = encode(read(body.clone()));
    assert_eq!(encoded, body);
    assert!(dropped.is_empty(), "{dropped:?}");
}
