//! Streams as other servers send them that speak this protocol with an accent.

use super::*;

fn events_of(frames: &[Frame]) -> Vec<Event> {
    let events = decode_stream(frames);
    assert_eq!(decode_slowly(frames), events);
    events
}

#[test]
fn azure_begins_with_a_chunk_without_choices() {
    let filter =
        json!({"id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": [{"prompt_index": 0}]});
    let events = events_of(&[frame(filter), chunk(json!({"content": "a"}), None), chunk(json!({}), Some("stop"))]);
    assert_eq!(events[..2], [started(), said(0, "a")]);
}

#[test]
fn usage_may_stand_in_every_chunk_and_the_last_holds() {
    let with_usage = |content: &str, reason: Option<&str>, output: u32| {
        frame(json!({
            "id": "chatcmpl-1", "created": 1_700_000_000, "model": "gpt-x",
            "choices": [{"index": 0, "delta": {"content": content, "tool_calls": []}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 4, "completion_tokens": output, "prompt_tokens_details": null},
        }))
    };
    let events = events_of(&[with_usage("a", None, 1), with_usage("b", Some("stop"), 2), done()]);
    let expected = [
        started(),
        said(0, "a"),
        said(0, "b"),
        Event::PartFinished(0),
        Event::Usage(Usage { input: 4, output: 2, cache_read: 0, cache_write: 0, reasoning: 0 }),
        finished(Finish::Stop),
    ];
    assert_eq!(events, expected);
}

#[test]
fn thoughts_come_under_either_name_and_beside_text() {
    for name in ["reasoning_content", "reasoning"] {
        let both = json!({(name): "so.", "content": "42"});
        let events =
            events_of(&[chunk(json!({(name): "Hm, "}), None), chunk(both, None), chunk(json!({}), Some("stop"))]);
        let expected = [
            started(),
            thought(0, "Hm, "),
            thought(0, "so."),
            Event::PartFinished(0),
            said(1, "42"),
            Event::PartFinished(1),
            finished(Finish::Stop),
        ];
        assert_eq!(events, expected, "{name}");
    }
    let twice = json!({"reasoning_content": "Hm", "reasoning": "Hm", "reasoning_details": [{"x": 1}]});
    assert_eq!(events_of(&[chunk(twice, Some("stop"))])[1], thought(0, "Hm"));
}

#[test]
fn calls_without_ids_get_the_same_id_each_time() {
    let whole = json!({"tool_calls": [
        {"index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"index": 1, "type": "function", "function": {"name": "f", "arguments": "{}"}},
    ]});
    let events = events_of(&[chunk(whole, Some("stop"))]);
    let ids: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolCallStarted(call) => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert!(ids.iter().all(|id| id.starts_with("call_") && id.len() <= 40), "{ids:?}");
    // And `stop` with calls means that the model waits for its tools.
    assert_eq!(events.last(), Some(&finished(Finish::ToolCalls)));
}

#[test]
fn ids_may_be_numbers_and_arguments_objects() {
    let odd = json!({"tool_calls": [{"index": 0, "id": 7, "function": {"name": "f", "arguments": {"x": 1.50}}}]});
    let events = events_of(&[chunk(odd, Some("tool_calls"))]);
    assert_eq!(events[1..3], [called(0, "7", "f"), argued(0, "{\"x\":1.5}")]);
}

#[test]
fn calls_that_share_an_index_are_still_two() {
    let by_id = [call_piece(0, "a", "f", "{}"), call_piece(0, "b", "f", "{}"), chunk(json!({}), Some("tool_calls"))];
    let starts = |events: Vec<Event>| events.iter().filter(|event| matches!(event, Event::ToolCallStarted(_))).count();
    assert_eq!(starts(events_of(&by_id)), 2);
    let by_name = [call_piece(0, "", "f", "{}"), call_piece(0, "", "g", "{}"), chunk(json!({}), Some("tool_calls"))];
    assert_eq!(starts(events_of(&by_name)), 2);
}

#[test]
fn an_id_and_a_name_in_every_piece_are_one_call() {
    let frames = [call_piece(2, "a", "f", "{\"x\""), call_piece(2, "a", "f", ":1}"), chunk(json!({}), Some("stop"))];
    let expected = [
        started(),
        called(0, "a", "f"),
        argued(0, "{\"x\""),
        argued(0, ":1}"),
        Event::PartFinished(0),
        finished(Finish::ToolCalls),
    ];
    assert_eq!(events_of(&frames), expected);
}

#[test]
fn calls_without_an_index_are_found_by_id() {
    let piece = |call: Value| chunk(json!({"tool_calls": [call]}), None);
    let frames = [
        piece(json!({"id": "a", "function": {"name": "f", "arguments": "{"}})),
        piece(json!({"function": {"arguments": "}"}})),
        piece(json!({"id": "b", "function": {"name": "f", "arguments": "{}"}})),
        chunk(json!({}), Some("tool_calls")),
    ];
    let events = events_of(&frames);
    assert_eq!(
        events[1..6],
        [called(0, "a", "f"), argued(0, "{"), argued(0, "}"), Event::PartFinished(0), called(1, "b", "f")]
    );
}

#[test]
fn what_is_merely_unknown_is_passed_over() {
    let odd = frame(json!({
        "id": "chatcmpl-1", "created": 1_700_000_000, "model": "gpt-x", "obfuscation": "xyz", "error": null,
        "timings": {"predicted_ms": 1.5}, "system_fingerprint": null, "usage": null,
        "choices": [
            {"index": 0, "logprobs": {"content": []}, "delta": {
                "content": [{"type": "text", "text": "a"}], "audio": {"id": 1},
            }},
            {"index": 1, "delta": {"content": "another answer"}, "finish_reason": "length"},
        ],
    }));
    let custom =
        json!({"tool_calls": [{"index": 0, "id": "c", "type": "custom", "custom": {"name": "t", "input": "x"}}]});
    let frames = [odd, frame(json!({"type": "ping"})), chunk(custom, None), chunk(json!({}), Some("stop")), done()];
    // Speech, and a call that takes free text: content that has no word in the contract.
    let other = pointsman_sdk::codec::other_content;
    let expected = [started(), said(0, "a"), other(), other(), Event::PartFinished(0), finished(Finish::Stop)];
    assert_eq!(events_of(&frames), expected);
}

#[test]
fn vllm_tells_the_stop_string_that_was_met() {
    let end = |stop: Value| {
        let choice = json!({"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": stop});
        frame(json!({"id": "1", "choices": [choice]}))
    };
    let met = Event::Finished(Finished { reason: Finish::StopSequence, stop_sequence: Some("END".into()) });
    assert_eq!(events_of(&[end(json!("END"))]).last(), Some(&met));
    // A token's number is no stop string.
    assert_eq!(events_of(&[end(json!(128_009))]).last(), Some(&finished(Finish::Stop)));
}

#[test]
fn errors_come_in_other_shapes_too() {
    let message = "This model's maximum context length is 4096 tokens.";
    let vllm = json!({"object": "error", "message": message, "type": "BadRequestError", "code": 400});
    assert_eq!(failure(&decode_stream(&[frame(vllm)])).kind, pointsman_sdk::codec::FaultKind::ContextTooLong);
    let named = Frame { event: Some("error".into()), data: br#"{"message":"upstream died"}"#.to_vec() };
    assert_eq!(failure(&decode_stream(&[named])).message, "upstream died");
    let text = frame(json!({"error": "runner died"}));
    assert_eq!(failure(&decode_stream(&[text])).message, "runner died");
    let loading = frame(json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}));
    assert_eq!(failure(&decode_stream(&[loading])).kind, pointsman_sdk::codec::FaultKind::Unavailable);
    let groq = frame(json!({"id": "1", "choices": [], "x_groq": {"id": "r", "error": "over capacity"}}));
    assert_eq!(failure(&decode_stream(&[groq])).message, "over capacity");
    let busy = decode_stream(&[chunk(json!({"content": "a"}), Some("insufficient_system_resource"))]);
    assert_eq!(failure(&busy).kind, pointsman_sdk::codec::FaultKind::Overloaded);
    let aborted = decode_stream(&[chunk(json!({"content": "a"}), Some("error")), done()]);
    assert_eq!(failure(&aborted).kind, pointsman_sdk::codec::FaultKind::ServerError);
}

#[test]
fn openrouter_breaks_off_with_an_error_beside_the_choices() {
    let mut broken = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-x", "provider": "X",
        "error": {"code": "server_error", "message": "Provider disconnected unexpectedly"},
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}],
    });
    // The comment `: OPENROUTER PROCESSING` comes as an event without data, or not at all.
    let begin = [frame(""), chunk(json!({"content": "a"}), None)];
    let events = events_of(&[&begin[..], &[frame(&broken), done()]].concat());
    assert_eq!(events[..2], [started(), said(0, "a")]);
    assert_eq!(events.len(), 3);
    assert_eq!(failure(&events).message, "Provider disconnected unexpectedly");
    assert_eq!(failure(&events).kind, pointsman_sdk::codec::FaultKind::ServerError);
    // Not streamed, it stands in the choice.
    broken["choices"][0]["error"] = json!({"code": 502, "message": "Bad gateway"});
    broken.as_object_mut().unwrap().remove("error");
    let events = decode_whole(broken);
    assert_eq!(events.len(), 2);
    assert_eq!(failure(&events).kind, pointsman_sdk::codec::FaultKind::Unavailable);
}

#[test]
fn mistral_thinks_in_the_content() {
    let thinking = |text: &str| json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]});
    let frames = [
        chunk(json!({"role": "assistant", "content": ""}), None),
        chunk(json!({"content": [thinking("Hm, ")]}), None),
        chunk(json!({"content": [thinking("so."), {"type": "text", "text": "4"}]}), None),
        chunk(json!({"content": "2"}), Some("model_length")),
    ];
    let expected = [
        started(),
        thought(0, "Hm, "),
        thought(0, "so."),
        Event::PartFinished(0),
        said(1, "4"),
        said(1, "2"),
        Event::PartFinished(1),
        finished(Finish::Length),
    ];
    assert_eq!(events_of(&frames), expected);
}

#[test]
fn openrouters_details_are_read_where_nothing_else_is_said() {
    let details = json!({"reasoning_details": [
        {"type": "reasoning.summary", "summary": "In "},
        {"type": "reasoning.text", "text": "short.", "signature": "sig"},
        {"type": "reasoning.encrypted", "data": "xyz"},
    ]});
    assert_eq!(events_of(&[chunk(details, Some("stop"))])[1], thought(0, "In short."));
}

#[test]
fn a_call_may_come_in_the_old_form() {
    let piece =
        |name: Value, arguments: &str| chunk(json!({"function_call": {"name": name, "arguments": arguments}}), None);
    let frames = [
        piece(json!("f"), ""),
        piece(Value::Null, "{\"x\""),
        piece(Value::Null, ":1}"),
        chunk(json!({}), Some("function_call")),
    ];
    let events = events_of(&frames);
    let Event::ToolCallStarted(call) = &events[1] else { panic!("{events:?}") };
    assert_eq!((call.name.as_str(), call.id.starts_with("call_")), ("f", true));
    let rest = [argued(0, "{\"x\""), argued(0, ":1}"), Event::PartFinished(0), finished(Finish::ToolCalls)];
    assert_eq!(events[2..], rest);
}

#[test]
fn done_without_a_reason_ends_what_is_whole() {
    let events = events_of(&[chunk(json!({"content": "All."}), None), done()]);
    assert_eq!(events[1..], [said(0, "All."), Event::PartFinished(0), finished(Finish::Stop)]);
    let events = events_of(&[call_piece(0, "a", "f", "{}"), done()]);
    assert_eq!(events.last(), Some(&finished(Finish::ToolCalls)));
}

#[test]
fn usage_stands_in_odd_places_and_counts_in_odd_ways() {
    let usage = |reply: Value| {
        let events = events_of(&[frame(reply), chunk(json!({}), Some("stop"))]);
        events.into_iter().find_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        })
    };
    let expected = Some(Usage { input: 4, output: 2, cache_read: 0, cache_write: 0, reasoning: 0 });
    let counted = json!({"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6});
    assert_eq!(usage(json!({"choices": [], "x_groq": {"usage": counted}})), expected);
    assert_eq!(usage(json!({"choices": [{"index": 0, "delta": {}, "usage": counted}]})), expected);
    let deepseek = json!({"prompt_tokens": 4, "completion_tokens": 2, "prompt_cache_hit_tokens": 3});
    assert_eq!(
        usage(json!({"choices": [], "usage": deepseek})),
        expected.map(|usage| Usage { cache_read: 3, ..usage })
    );
    let xai = json!({
        "prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 16,
        "completion_tokens_details": {"reasoning_tokens": 10},
    });
    let expected = Usage { input: 4, output: 12, cache_read: 0, cache_write: 0, reasoning: 10 };
    assert_eq!(usage(json!({"choices": [], "usage": xai})), Some(expected));
}

#[test]
fn calls_without_frames_change_nothing() {
    let frames = [chunk(json!({"content": "a"}), None), chunk(json!({}), Some("stop")), done()];
    let (mut memory, mut events) = (Vec::new(), Vec::new());
    for frame in &frames {
        for frames in [vec![], vec![frame.clone()], vec![]] {
            let decoded = Codec::decode("chat".into(), true, memory, frames, false);
            events.extend(decoded.events);
            memory = decoded.memory;
        }
    }
    assert_eq!(events, decode_stream(&frames));
}

#[test]
fn an_empty_finish_reason_is_none() {
    let piece = |content: &str, reason: &str| {
        frame(json!({
            "id": "chatcmpl-1", "created": 1_700_000_000, "model": "gpt-x",
            "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": reason}],
        }))
    };
    let whole = [started(), said(0, "a"), said(0, "b"), Event::PartFinished(0), finished(Finish::Stop)];
    assert_eq!(events_of(&[piece("a", ""), piece("b", ""), piece("", "stop"), done()]), whole);
    assert_eq!(events_of(&[piece("a", ""), piece("b", "stop"), done()]), whole);
    // With a call, and with nothing else after it.
    let call = json!([{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let calls = frame(json!({
        "id": "chatcmpl-1", "created": 1_700_000_000, "model": "gpt-x",
        "choices": [{"index": 0, "delta": {"tool_calls": call}, "finish_reason": ""}],
    }));
    let events = events_of(&[calls, piece("", "tool_calls"), done()]);
    assert_eq!(events.last(), Some(&finished(Finish::ToolCalls)));
    // A stream that says nothing else is not complete.
    let cut = decode_stream(&[piece("a", "")]);
    assert!(cut.iter().all(|event| !matches!(event, Event::Finished(_))), "{cut:?}");
}
