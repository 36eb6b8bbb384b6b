//! What Codex sends and waits for: the Responses API without state, each turn with the whole history, in which items have
//! lost their ids, and a stream that ends in `response.completed` or `response.failed`, whoever answers.

use pointsman_tests::every::Every;
use pointsman_tests::{Answer, behave, slowly};
use serde_json::{Value, json};

/// The body of a turn, as codex-rs builds it.
fn turn(provider: &str, input: &[Value]) -> Value {
    let tool = |name: &str, argument: &str| {
        json!({ "type": "function", "name": name, "description": format!("The tool {name}."), "strict": false,
            "parameters": { "type": "object", "properties": { argument: { "type": "array", "items": { "type": "string" } },
                "timeout_ms": { "type": "number" } }, "required": [argument], "additionalProperties": false } })
    };
    json!({
        "model": provider, "instructions": "You are Codex, a coding agent.", "input": input,
        "tools": [tool("shell", "command"), tool("update_plan", "plan")], "tool_choice": "auto",
        "parallel_tool_calls": true, "reasoning": { "effort": "medium", "summary": "auto" }, "store": false,
        "stream": true, "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0199b1d2-5c1e-7a60-8a35-6a0f0c1c2f4e",
    })
}

fn said(role: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": "input_text", "text": text }] })
}

async fn ask(every: &Every, body: &Value) -> Answer {
    Answer::read(pointsman_tests::send(every.address, "/v1/responses", body.to_string()).await.expect("an answer"))
        .await
}

/// The events of a stream, checked as Codex relies on them.
fn events(answer: &Answer, provider: &str) -> Vec<Value> {
    let events = answer.events();
    let kind = |event: &Value| event["type"].as_str().unwrap_or_default().to_owned();
    let is_end = |event: &&Value| matches!(kind(event).as_str(), "response.completed" | "response.failed");
    assert_eq!(events.iter().filter(is_end).count(), 1, "{provider}: {}", answer.body);
    assert!(events.last().is_some_and(|last| is_end(&last)), "{provider}: {}", answer.body);
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["sequence_number"].as_u64()).collect();
    assert!(numbers.len() == events.len() && numbers.is_sorted_by(|a, b| a < b), "{provider}: {numbers:?}");
    events
}

/// What Codex keeps of a turn: items without what it does not serialise.
fn items(events: &[Value]) -> Vec<Value> {
    let done = events.iter().filter(|event| event["type"] == "response.output_item.done");
    let kept = |event: &Value| match &event["item"] {
        item if item["type"] == "message" => {
            let texts = item["content"].as_array().into_iter().flatten();
            let texts: Vec<Value> =
                texts.map(|part| json!({ "type": "output_text", "text": part["text"].clone() })).collect();
            json!({ "type": "message", "role": "assistant", "content": texts })
        }
        item => {
            let mut item = item.clone();
            let fields = item.as_object_mut().expect("an item");
            fields.retain(|name, value| !matches!(name.as_str(), "id" | "status") && !value.is_null());
            item
        }
    };
    done.map(kept).collect()
}

/// Three turns with tools, and a fourth in words, which ask for each other by what the tools say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_several_turns() {
    let every = Every::start().await;
    for provider in &every.providers {
        let mut input = vec![
            said("developer", "Approval policy: never."),
            said("user", "<environment_context>cwd: /work</environment_context>"),
            said("user", "use tool shell with {\"command\":[\"ls\"]}\nuse tool update_plan with {\"plan\":[\"look\"]}"),
        ];
        let results = [
            ["then use tool shell with {\"command\":[\"cat\",\"a\"]}\n", "Plan updated"].as_slice(),
            &["the switch stands at nine"],
        ];
        for outputs in results {
            let answer = ask(&every, &turn(provider, &input)).await;
            assert_eq!(answer.status, 200, "{provider}: {}", answer.body);
            let events = events(&answer, provider);
            let new = items(&events);
            let calls: Vec<&Value> = new.iter().filter(|item| item["type"] == "function_call").collect();
            assert_eq!(calls.len(), outputs.len(), "{provider}: {new:?}");
            let outputs: Vec<Value> = calls.iter().zip(outputs)
                .map(|(call, output)| json!({ "type": "function_call_output", "call_id": call["call_id"], "output": output }))
                .collect();
            input.extend(new.into_iter().chain(outputs));
        }
        let answer = ask(&every, &turn(provider, &input)).await;
        let events = events(&answer, provider);
        let last = events.last().expect("an end");
        assert_eq!(last["type"], "response.completed", "{provider}: {}", answer.body);
        assert!(last["response"]["usage"]["total_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{provider}");
        let text = items(&events).last().expect("a message")["content"][0]["text"].to_string();
        assert!(text.contains("the switch stands at nine"), "{provider}: {text}");

        input.extend(items(&events));
        input.push(said("user", "write 9 words"));
        let answer = ask(&every, &turn(provider, &input)).await;
        assert!(answer.body.contains("word9"), "{provider}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stream_that_began_has_an_end() {
    let every = Every::start().await;
    for fault in ["error-after:3", "cut-after:3", "end-after:3"] {
        every.behave(&slowly(fault));
        for provider in &every.providers {
            let answer = ask(&every, &turn(provider, &[said("user", "write 9 words")])).await;
            assert_eq!(answer.status, 200, "{fault} {provider}: {}", answer.body);
            let events = events(&answer, provider);
            let last = events.last().expect("an end");
            assert_eq!(last["type"], "response.failed", "{fault} {provider}: {}", answer.body);
            assert_eq!(last["response"]["id"], events[0]["response"]["id"], "{fault} {provider}");
        }
    }
    every.behave(&behave("429"));
    let answer = ask(&every, &turn("anthropic", &[said("user", "hello")])).await;
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded", "{}", answer.body);
}
