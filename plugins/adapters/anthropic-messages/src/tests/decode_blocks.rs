//! Blocks that are not what they seem. All of these were found by fuzzing.

use super::decode::*;
use super::*;

/// The events between those of the beginning and those of the end.
fn parts(blocks: Vec<Value>) -> Vec<Event> {
    let events = decode_stepwise(&[vec![message_start()], blocks, end("end_turn")].concat());
    events[2..events.len() - 2].to_vec()
}

fn whole(content: Value) -> Vec<Event> {
    let events = decode_whole(json!({ "type": "message", "content": content, "stop_reason": "end_turn" }));
    events[1..events.len() - 1].to_vec()
}

#[test]
fn a_block_that_says_nothing_is_no_part() {
    let text = [Event::TextDelta(delta(0, "a")), Event::PartFinished(0)];
    let empty = block(0, json!({ "type": "thinking", "thinking": "", "signature": "" }), &[]);
    assert_eq!(parts([text_block(0, &[]), empty, text_block(2, &["a"])].concat()), text);
    let blocks = json!([{ "type": "text", "text": "" }, { "type": "thinking" }, { "type": "text", "text": "a" }]);
    assert_eq!(whole(blocks), text);
}

#[test]
fn pieces_of_another_kind_than_their_block_are_passed_over() {
    let pieces = [
        json!({ "type": "thinking_delta", "thinking": "hm" }),
        json!({ "type": "signature_delta", "signature": "s" }),
        json!({ "type": "input_json_delta", "partial_json": "{}" }),
        json!({ "type": "text_delta", "text": "a", "signature": "s" }),
    ];
    let text = [Event::TextDelta(delta(0, "a")), Event::PartFinished(0)];
    assert_eq!(parts(block(0, json!({ "type": "text", "text": "", "input": { "x": 1 } }), &pieces)), text);
    assert_eq!(whole(json!([{ "type": "text", "text": "a", "signature": "s", "input": { "x": 1 } }])), text);
}
