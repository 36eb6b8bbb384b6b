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
    Codec::read("chat".into(), vec![], body_with(json!({})).to_string().into_bytes()).unwrap().memory
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
    let (said, dropped) = encode(read(body.clone()), no_facts());
    assert_eq!(said, body);
    assert!(dropped.is_empty());
}

/// All of this was lost once, or said in a way that means something else.
#[test]
fn what_only_this_protocol_knows_goes_back_where_it_was() {
    let body = json!({
        "model": "m",
        "input": [
            {"type": "message", "role": "user", "content": [
                {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="},
                {"type": "input_file", "file_url": "https://x/y", "filename": "y.pdf", "novelty": 1},
            ], "novelty": 2},
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}],
                "phase": "commentary", "novelty": 3},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}],
                "encrypted_content": "gAAA=", "content": [{"type": "reasoning_text", "text": "t"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}", "namespace": "n"},
            {"type": "function_call_output", "call_id": "c1", "output": [
                {"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}], "novelty": 4},
            {"type": "message", "role": "system", "content": [
                {"type": "input_text", "text": "now", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}, "defer_loading": true}],
        "text": {"format": {"type": "json_schema", "name": "n",
            "schema": {"type": "object", "properties": {}, "additionalProperties": false}}},
        "include": ["web_search_call.results", "reasoning.encrypted_content"],
        "safety_identifier": "hash",
        "store": false,
        "stream": true,
        "user": "me",
        "stream_options": {"include_obfuscation": false},
    });
    let (said, dropped) = encode(read(body.clone()), no_facts());
    assert_eq!(said, body);
    assert!(dropped.is_empty(), "{dropped:?}");
}
