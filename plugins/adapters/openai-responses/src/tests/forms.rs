//! Tools that other providers know only as functions: free text, namespaces, the caller's own search, and those that
//! OpenAI runs itself.

use super::*;
use pointsman_sdk::freeform;

/// The memory that a reply to this body begins with.
fn memory(body: Value) -> Vec<u8> {
    Codec::read("chat".into(), vec![], body.to_string().into_bytes()).unwrap().memory
}

/// A body with every kind of tool, and calls of each in the history.
fn body() -> Value {
    body_with(json!({
        "tools": [
            {"type": "custom", "name": "apply_patch", "description": "FREEFORM",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}},
            {"type": "namespace", "name": "mcp__files__", "description": "Files", "tools": [
                {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}, "strict": false},
                {"type": "function", "name": "write", "parameters": {"type": "object", "properties": {}}},
            ]},
            {"type": "tool_search", "execution": "client", "description": "Find tools",
                "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}},
            {"type": "local_shell"},
            {"type": "shell", "environment": {"type": "local"}},
            {"type": "web_search", "external_web_access": false},
        ],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Change it"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin Patch"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done"},
            {"type": "function_call", "call_id": "c2", "namespace": "mcp__files__", "name": "read", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c2", "output": "text"},
            {"type": "tool_search_call", "call_id": "c3", "execution": "client", "arguments": {"query": "mail"}},
            {"type": "tool_search_output", "call_id": "c3", "execution": "client", "tools": [
                {"type": "namespace", "name": "mail", "tools": [{"type": "function", "name": "send", "parameters": {}}]},
            ]},
            {"type": "local_shell_call", "call_id": "c4", "action": {"type": "exec", "command": ["ls"], "env": {}}},
            {"type": "local_shell_call_output", "call_id": "c4", "output": "a.txt"},
            {"type": "shell_call", "call_id": "c5", "action": {"commands": ["ls"]}},
            {"type": "shell_call_output", "call_id": "c5", "max_output_length": 9, "output": [
                {"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
        ],
    }))
}

#[test]
fn elsewhere_they_are_functions() {
    let request = read(body());
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(
        names,
        ["apply_patch", "mcp__files__read", "mcp__files__write", "tool_search", "local_shell", "shell", "mail__send"]
    );
    assert!(request.tools[0].parameters.contains("start: /.+/s"), "{}", request.tools[0].parameters);
    let calls: Vec<(&str, &str)> = request
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match part {
            Part::ToolCall(call) => Some((call.name.as_str(), call.arguments.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("apply_patch", r#"{"input":"*** Begin Patch"}"#),
            ("mcp__files__read", "{}"),
            ("tool_search", r#"{"query":"mail"}"#),
            ("local_shell", r#"{"type":"exec","command":["ls"],"env":{}}"#),
            ("shell", r#"{"commands":["ls"]}"#),
        ]
    );
    let named: Vec<&str> = request.extras.iter().map(|extra| extra.name.as_str()).collect();
    assert_eq!(named, ["tools.web_search", "input.web_search_call"]);
}

#[test]
fn at_home_they_are_what_they_were() {
    let sent = body();
    let (said, dropped) = encode(read(sent.clone()), no_facts());
    assert_eq!(said["tools"], sent["tools"]);
    // But for ids and states, which mean nothing in a history.
    let mut expected = sent["input"].clone();
    for item in expected.as_array_mut().unwrap() {
        if item["type"] != "web_search_call" {
            item.as_object_mut().unwrap().retain(|name, _| name != "id" && name != "status");
        }
    }
    assert_eq!(said["input"], expected);
    assert_eq!(dropped, Vec::<String>::new());
}

/// The items of a reply with these calls, streamed and whole, which must be the same.
fn items_of(body: Value, calls: &[(&str, &[&str])]) -> Vec<Value> {
    let mut events = vec![started()];
    for ((name, pieces), index) in calls.iter().zip(0..) {
        let call = ToolCallStarted { index, id: format!("c{index}"), name: (*name).into() };
        events.push(Event::ToolCallStarted(call));
        events.extend(pieces.iter().map(|piece| Event::ToolArgumentsDelta(delta(index, piece))));
        events.push(Event::PartFinished(index));
    }
    events.push(finished(Finish::ToolCalls));
    let whole = Codec::write("chat".into(), false, memory(body.clone()), events.clone(), true).bytes;
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    let streamed = Codec::write("chat".into(), true, memory(body), events, true).bytes;
    let streamed = String::from_utf8(streamed).unwrap();
    let data = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
    let done: Vec<Value> = done.map(|event| event["item"].clone()).collect();
    assert_eq!(whole["output"].as_array(), Some(&done));
    for item in done.iter().filter(|item| item["type"] == "custom_tool_call") {
        let of_item = events.iter().filter(|event| event["item_id"] == item["id"]);
        let kinds: Vec<&str> = of_item.map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"]);
    }
    done
}

#[test]
fn calls_come_back_in_the_callers_form() {
    let arguments = freeform::arguments("*** Begin Patch\n\"x\"");
    let (first, second) = arguments.split_at(7);
    let items = items_of(
        body(),
        &[
            ("apply_patch", &[first, second]),
            ("apply_patch", &["*** Begin Patch without JSON"]),
            ("mcp__files__read", &["{\"a\":1}"]),
            ("tool_search", &["{\"query\":", "\"x\"}"]),
            ("mail__send", &[]),
            ("local_shell", &["{\"command\":", "[\"ls\"]}"]),
            ("shell", &["no JSON"]),
        ],
    );
    let shown: Vec<Value> = items
        .iter()
        .map(|item| {
            let mut item = item.clone();
            item.as_object_mut().unwrap().retain(|name, _| name != "id" && name != "status" && name != "call_id");
            item
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!({"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch\n\"x\""}),
            json!({"type": "custom_tool_call", "name": "apply_patch", "input": "*** Begin Patch without JSON"}),
            json!({"type": "function_call", "name": "read", "namespace": "mcp__files__", "arguments": "{\"a\":1}"}),
            json!({"type": "tool_search_call", "execution": "client", "arguments": {"query": "x"}}),
            json!({"type": "function_call", "name": "send", "namespace": "mail", "arguments": "{}"}),
            json!({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}}}),
            json!({"type": "shell_call", "action": {}}),
        ]
    );
    for (item, prefix) in items.iter().zip(["ctc_", "ctc_", "fc_", "tsc_", "fc_", "lsh_", "sh_"]) {
        assert!(item["id"].as_str().unwrap().starts_with(prefix), "{item}");
    }
}

#[test]
fn a_choice_of_such_a_tool_is_its_name() {
    for (choice, name) in [
        (json!({"type": "custom", "name": "apply_patch"}), "apply_patch"),
        (json!({"type": "function", "name": "read", "namespace": "mcp__files__"}), "mcp__files__read"),
        (json!({"type": "function", "name": "x"}), "x"),
        (json!({"type": "local_shell"}), "local_shell"),
    ] {
        let mut body = body();
        body["tool_choice"] = choice.clone();
        assert_eq!(read(body.clone()).tool_choice, Some(ToolChoice::Named(name.into())));
        if choice["type"] != "function" {
            assert_eq!(encode(read(body), no_facts()).0["tool_choice"], choice);
        }
    }
}

#[test]
fn patches_by_openais_own_tool() {
    let operation = json!({"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b"});
    let body = body_with(json!({
        "tools": [{"type": "apply_patch"}],
        "input": [
            {"role": "user", "content": "Change it"},
            {"type": "apply_patch_call", "id": "apc_1", "call_id": "c1", "status": "completed", "operation": operation},
            {"type": "apply_patch_call_output", "call_id": "c1", "status": "failed", "output": "no such file"},
        ],
    }));
    let request = read(body.clone());
    let result = request.messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        Part::ToolResult(result) => Some(result),
        _ => None,
    });
    assert!(result.is_some_and(|result| result.failed && result.call_id == "c1"), "{result:?}");
    let (sent, _) = encode(request, no_facts());
    assert_eq!(sent["input"][1], json!({"type": "apply_patch_call", "call_id": "c1", "operation": operation}));
    assert_eq!(sent["input"][2], body["input"][2]);
    let items = items_of(body, &[("apply_patch", &[&operation.to_string()])]);
    assert_eq!((&items[0]["type"], &items[0]["operation"]), (&json!("apply_patch_call"), &operation));
}

#[test]
fn a_shell_in_a_container_of_openais_is_not_the_callers() {
    let request = read(body_with(json!({"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]})));
    assert_eq!((request.tools.len(), request.extras[0].name.as_str()), (0, "tools.shell"));
}

#[test]
fn only_allowed_tools_are_offered_elsewhere() {
    let tools = json!([
        {"type": "function", "name": "read", "namespace": "mcp__files__"},
        {"type": "custom", "name": "apply_patch"},
        {"type": "local_shell"},
    ]);
    for (mode, choice) in [("auto", ToolChoice::Auto), ("required", ToolChoice::Required)] {
        let mut body = body();
        body["tool_choice"] = json!({"type": "allowed_tools", "mode": mode, "tools": tools});
        let request = read(body);
        let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["apply_patch", "mcp__files__read", "local_shell"]);
        assert_eq!(request.tool_choice, Some(choice));
        assert!(request.extras.iter().all(|extra| !extra.name.starts_with("tools.")), "{:?}", request.extras);
    }
}

#[test]
fn choices_at_the_top_of_a_schema_are_folded_for_others() {
    let mut request = ask();
    let parameters = json!({"anyOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}}]});
    request.tools = vec![Tool {
        name: "t".into(),
        description: None,
        parameters: parameters.to_string(),
        strict: None,
        extras: Vec::new(),
    }];
    let folded = json!({"type": "object", "properties": {"a": {}, "b": {}}});
    assert_eq!(encode(request.clone(), no_facts()).0["tools"][0]["parameters"], folded);
    request.protocol = "openai-responses".into();
    assert_eq!(encode(request, no_facts()).0["tools"][0]["parameters"], parameters);
}

#[test]
fn a_name_in_the_history_is_refused_as_in_the_tools() {
    let call = ToolCall { id: "1".into(), name: "a".repeat(65), arguments: "{}".into(), extras: Vec::new() };
    let messages = vec![user(vec![text("hi")]), assistant(vec![Part::ToolCall(call)]), user(vec![result("1", "x")])];
    assert_eq!(unsaid(request(messages), no_facts()), "messages[1].content[0].name");
}

#[test]
fn pieces_of_items_without_a_word_are_content_too() {
    let other = pointsman_sdk::codec::other_content;
    let item = json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "t", "input": ""});
    let events = decode(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "gpt", "created_at": 7}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "x"}),
        json!({"type": "response.web_search_call.searching", "output_index": 1}),
        json!({"type": "response.image_generation_call.partial_image", "output_index": 2}),
        json!({"type": "response.rate_limits.updated"}),
        json!({"type": "response.completed", "response": {"status": "completed", "output": []}}),
    ]);
    assert_eq!(events, [started(), other(), other(), other(), other(), finished(Finish::Stop)]);
    let whole = json!({"id": "resp_1", "model": "gpt", "created_at": 7, "status": "completed", "output": [item]});
    assert_eq!(decode_whole(&whole), [started(), other(), finished(Finish::Stop)]);
}

/// Codex 0.171 has no field `tools` by default: its tools stand in an item, in namespaces, and `exec` takes free text.
#[test]
fn tools_that_stand_in_an_item() {
    let body = body_with(json!({
        "input": [
            {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [
                {"type": "namespace", "name": "functions", "description": "", "tools": [
                    {"type": "custom", "name": "exec", "description": "Run JavaScript",
                        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}},
                    {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}},
                ]},
                {"type": "function", "name": "plain", "parameters": {"type": "object", "properties": {}}},
            ]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Change it"}]},
            {"type": "custom_tool_call", "call_id": "c1", "namespace": "functions", "name": "exec", "input": "text(1)"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
        ],
    }));
    let request = read(body.clone());
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["functions__exec", "functions__wait", "plain"]);
    assert!(request.messages.iter().all(|message| !message.parts.is_empty()), "the item is no message");
    let shown: Vec<Value> =
        items_of(body.clone(), &[("functions__exec", &["{\"input\":\"text(2)\"}"]), ("plain", &["{}"])])
            .into_iter()
            .map(|item| json!([item["type"], item["namespace"], item["name"]]))
            .collect();
    assert_eq!(shown, [json!(["custom_tool_call", "functions", "exec"]), json!(["function_call", null, "plain"])]);
    // At home, where the body is said anew, they stand in the field: it means the same.
    let (said, dropped) = encode(request, no_facts());
    assert_eq!(said["tools"], body["input"][0]["tools"]);
    assert_eq!(said["input"].as_array().map(Vec::len), Some(3));
    assert_eq!(dropped, Vec::<String>::new());
}
