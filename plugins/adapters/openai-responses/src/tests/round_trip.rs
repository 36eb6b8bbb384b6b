//! What one direction writes, the other understands.

use super::*;

fn write(memory: Vec<u8>, stream: bool, events: &[Event]) -> Vec<u8> {
    Codec::write("chat".into(), stream, memory, events.to_vec(), true).bytes
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let text = std::str::from_utf8(bytes).unwrap();
    let data = text.split_terminator("\n\n").map(|frame| frame.split_once("\ndata: ").unwrap().1);
    data.map(|data| Frame { event: None, data: data.into() }).collect()
}

fn reply() -> Vec<Event> {
    vec![
        started(),
        signature(0, own_secret()),
        Event::PartFinished(0),
        Event::TextDelta(delta(1, "a")),
        Event::PartFinished(1),
        call_started(2, "c1"),
        Event::ToolArgumentsDelta(delta(2, "{}")),
        Event::PartFinished(2),
        Event::Usage(Usage { input: 10, output: 6, cache_read: 4, cache_write: 1, reasoning: 2 }),
        finished(Finish::ToolCalls),
    ]
}

fn memory() -> Vec<u8> {
    Codec::read("chat".into(), body_with(json!({})).to_string().into_bytes()).unwrap().memory
}

#[test]
fn a_reply_written_and_decoded() {
    let streamed = write(memory(), true, &reply());
    assert_eq!(Codec::decode("chat".into(), true, Vec::new(), frames(&streamed), true).events, reply());
    let whole = Frame { event: None, data: write(memory(), false, &reply()) };
    assert_eq!(Codec::decode("chat".into(), false, Vec::new(), vec![whole], true).events, reply());
}

#[test]
fn a_reply_comes_back_as_history() {
    for maker in ["openai-responses", "gemini"] {
        let data = if maker == "gemini" { "a:b".into() } else { own_secret().data };
        let thought_of = sealed(maker, &data);
        let mut events = reply();
        events[1] = signature(0, thought_of.clone());
        events.insert(1, Event::ReasoningDelta(delta(0, "hm")));
        let mut response: Value = serde_json::from_slice(&write(memory(), false, &events)).unwrap();
        let mut input = vec![json!({"role": "user", "content": "go"})];
        input.append(response["output"].as_array_mut().unwrap());
        input.push(json!({"type": "function_call_output", "call_id": "c1", "output": "one"}));
        let messages = read(json!({"model": "m", "input": input})).messages;
        let turn = assistant(vec![thought("hm", Some(thought_of)), text("a"), call("c1", "{}")]);
        assert_eq!(messages, [user(vec![text("go")]), turn, user(vec![result("c1", "one")])]);
    }
}

#[test]
fn a_body_read_and_encoded() {
    let body = json!({
        "model": "m",
        "instructions": "brief",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"},
                {"type": "input_image", "image_url": "https://x/y", "detail": "low"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA="},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}],
                "phase": "commentary"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}],
                "phase": "final_answer"},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": true}],
        "tool_choice": "auto",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true},
            "verbosity": "low"},
        "max_output_tokens": 100,
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": false,
        "stream": true,
        "prompt_cache_key": "k",
        "truncation": "auto",
    });
    let (said, dropped) = encode(read(body.clone()), facts());
    assert_eq!(said, body);
    assert!(dropped.is_empty());
}
