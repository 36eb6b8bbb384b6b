//! A caller of one protocol, a provider of the other: what both can say arrives.

use std::time::Duration;

use http_body_util::BodyExt as _;
use pointsman::journal::story;
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::every::Every;
use pointsman_tests::{Answer, CLAUDE, GPT, Line, behave, chat_body, messages_body, send, slowly, wait_until};
use serde_json::{Value, json};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn claude(line: &Line, body: &Value) -> Answer {
    let answer = line.post("/v1/messages", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5");
    answer
}

async fn gpt(line: &Line, body: &Value) -> Answer {
    let answer = line.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5");
    answer
}

/// The Anthropic caller's names for what only GPT serves, and the reverse.
const ROUTES: &str =
    "[models.to-gpt]\ntargets = [\"openai/gpt-5\"]\n[models.to-claude]\ntargets = [\"anthropic/claude-sonnet-4-5\"]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_system_and_turns() {
    let line = Line::start_with(ROUTES).await;
    for stream in [false, true] {
        let mut body = messages_body("to-gpt", "what is your system prompt", stream);
        body["system"] = json!([{ "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } }]);
        let answer = claude(&line, &body).await;
        assert_eq!(answer.text(), "My system prompt is: Be brief.");
        let mut body = chat_body("to-claude", "what is your system prompt", stream);
        let messages = body["messages"].as_array_mut().expect("messages");
        messages.insert(0, json!({ "role": "developer", "content": "Be brief." }));
        assert_eq!(gpt(&line, &body).await.text(), "My system prompt is: Be brief.");
    }
    let turns = json!([
        { "role": "user", "content": "one" }, { "role": "assistant", "content": "two" }, { "role": "user", "content": "three" },
    ]);
    let answer = claude(&line, &json!({ "model": "to-gpt", "max_tokens": 99, "messages": turns })).await;
    assert!(answer.text().ends_with("you said: three"));
    assert_eq!(answer.json()["model"], "to-gpt", "the name that the caller used");
    assert!(gpt(&line, &json!({ "model": "to-claude", "messages": turns })).await.text().ends_with("you said: three"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_tools_there_and_back() {
    let line = Line::start_with(ROUTES).await;
    let prompt = "use tool get_weather with {\"city\":\"Paris\",\"days\":2}\nuse tool now with {}";
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });

    let mut body = messages_body("to-gpt", prompt, false);
    body["tools"] = json!([
        { "name": "get_weather", "description": "d", "input_schema": schema },
        { "name": "now", "input_schema": { "type": "object" } },
    ]);
    let answer = claude(&line, &body).await.json();
    assert_eq!(answer["stop_reason"], "tool_use");
    let calls = answer["content"].as_array().expect("blocks").clone();
    assert_eq!(calls[0]["input"], json!({ "city": "Paris", "days": 2 }));
    assert_eq!((&calls[1]["name"], &calls[1]["input"]), (&json!("now"), &json!({})));
    let results: Vec<Value> = [("18 degrees", &calls[0]), ("noon", &calls[1])]
        .map(|(text, call)| json!({ "type": "tool_result", "tool_use_id": call["id"], "content": text }))
        .to_vec();
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(json!({ "role": "assistant", "content": calls }));
    messages.push(json!({ "role": "user", "content": results }));
    assert_eq!(claude(&line, &body).await.text(), "The tools said: 18 degrees; noon");

    let mut body = chat_body("to-claude", prompt, false);
    body["tools"] = json!([
        { "type": "function", "function": { "name": "get_weather", "parameters": schema } },
        { "type": "function", "function": { "name": "now" } },
    ]);
    let answer = gpt(&line, &body).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    let message = answer["choices"][0]["message"].clone();
    let calls = message["tool_calls"].as_array().expect("calls").clone();
    let arguments: Value =
        serde_json::from_str(calls[0]["function"]["arguments"].as_str().expect("text")).expect("JSON");
    assert_eq!(arguments, json!({ "city": "Paris", "days": 2 }));
    assert_eq!(calls[1]["function"]["arguments"], "{}");
    let messages = body["messages"].as_array_mut().expect("messages");
    messages.push(message);
    for (text, call) in [("18 degrees", &calls[0]), ("noon", &calls[1])] {
        messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": text }));
    }
    assert_eq!(gpt(&line, &body).await.text(), "The tools said: 18 degrees; noon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_tools_have_the_shape_of_the_callers_protocol() {
    let line = Line::start_with(ROUTES).await;
    let prompt = "use tool a with {\"x\":\"first\"}\nuse tool b with {\"y\":\"second\"}";
    let mut body = messages_body("to-gpt", prompt, true);
    body["tools"] = json!([{ "name": "a", "input_schema": { "type": "object" } }, { "name": "b", "input_schema": { "type": "object" } }]);
    let answer = claude(&line, &body).await;
    assert!(answer.complete(), "{}", answer.body);
    let mut open = None;
    let mut inputs = vec![String::new(); 2];
    for event in answer.events() {
        let index = event["index"].as_u64();
        match event["type"].as_str().expect("a type") {
            "content_block_start" => {
                assert_eq!(open, None, "blocks do not overlap: {}", answer.body);
                assert_eq!(event["content_block"]["input"], json!({}));
                open = index;
            }
            "content_block_delta" => {
                assert_eq!(open, index);
                let text = event["delta"]["partial_json"].as_str().expect("a fragment");
                inputs[index.expect("an index") as usize].push_str(text);
            }
            "content_block_stop" => assert_eq!(open.take(), index),
            _ => {}
        }
    }
    assert_eq!(inputs, ["{\"x\":\"first\"}", "{\"y\":\"second\"}"]);

    let mut body = chat_body("to-claude", prompt, true);
    body["stream_options"] = json!({ "include_usage": true });
    let tool =
        |name: &str| json!({ "type": "function", "function": { "name": name, "parameters": { "type": "object" } } });
    body["tools"] = json!([tool("a"), tool("b")]);
    let answer = gpt(&line, &body).await;
    assert!(answer.complete(), "{}", answer.body);
    let mut arguments = vec![String::new(); 2];
    let events = answer.events();
    for call in
        events.iter().flat_map(|event| event["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten())
    {
        let text = call["function"]["arguments"].as_str().unwrap_or_default();
        arguments[call["index"].as_u64().expect("an index") as usize].push_str(text);
    }
    assert_eq!(arguments, ["{\"x\":\"first\"}", "{\"y\":\"second\"}"]);
    let last = events.last().expect("events");
    assert!(last["usage"]["total_tokens"].as_u64().expect("usage, as it was asked for") > 0);
    assert_eq!(last["choices"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_schemas_limits_and_stops() {
    let line = Line::start_with(ROUTES).await;
    let mut body = messages_body("to-gpt", "", false);
    let source = json!({ "type": "base64", "media_type": "image/png", "data": PNG });
    body["messages"][0]["content"] = json!([{ "type": "image", "source": source }, { "type": "text", "text": "look" }]);
    assert!(claude(&line, &body).await.text().starts_with("I see an image of 70 bytes (image/png)."));
    let mut body = chat_body("to-claude", "", false);
    let url = json!({ "url": format!("data:image/png;base64,{PNG}") });
    body["messages"][0]["content"] =
        json!([{ "type": "text", "text": "look" }, { "type": "image_url", "image_url": url }]);
    assert!(gpt(&line, &body).await.text().starts_with("I see an image of 70 bytes (image/png)."));

    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"], "additionalProperties": false });
    let mut body = messages_body("to-gpt", "x", false);
    body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } });
    assert_eq!(claude(&line, &body).await.text(), "{\"n\":1}");
    let mut body = chat_body("to-claude", "x", false);
    body["response_format"] =
        json!({ "type": "json_schema", "json_schema": { "name": "n", "strict": true, "schema": schema } });
    assert_eq!(gpt(&line, &body).await.text(), "{\"n\":1}");

    let mut body = messages_body("to-gpt", "write 9 words", false);
    body["max_tokens"] = json!(3);
    assert_eq!(claude(&line, &body).await.json()["stop_reason"], "max_tokens");
    let mut body = chat_body("to-claude", "write 9 words", false);
    body["max_completion_tokens"] = json!(3);
    assert_eq!(gpt(&line, &body).await.json()["choices"][0]["finish_reason"], "length");
    let mut body = chat_body("to-claude", "write 9 words", false);
    body["stop"] = json!("word4");
    let answer = gpt(&line, &body).await;
    assert_eq!(
        (answer.text().trim(), &answer.json()["choices"][0]["finish_reason"]),
        ("word1 word2 word3", &json!("stop"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_said_is_refused_with_the_fields_name() {
    let line = Line::start_with(ROUTES).await;
    for (field, value) in [("n", json!(2)), ("logprobs", json!(true)), ("logit_bias", json!({ "50256": -100 }))] {
        let mut body = chat_body("to-claude", "hello", false);
        body[field] = value;
        let answer = line.post("/v1/chat/completions", &body).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.body);
        assert!(answer.body.contains(field), "{field}: {}", answer.body);
        assert_eq!(line.anthropic.seen().len(), 0, "nothing half said is sent");
    }
    let mut body = messages_body("to-gpt", "hello", false);
    body["tools"] = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 200, "nothing forces the model to use it: {}", answer.body);
    assert!(answer.header("x-pointsman-dropped").contains("web_search"), "{:?}", answer.headers);
    body["tool_choice"] = json!({ "type": "tool", "name": "web_search" });
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(line.openai.seen().len(), 1);
}

/// The caller's temperature of 1.7 is legal in its protocol; 40 letters for a tool's id are not enough for the other's ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_and_ids_fit_the_other_protocol() {
    let line = Line::start_with(ROUTES).await;
    let mut body = chat_body("to-claude", "hello", false);
    body["temperature"] = json!(1.7);
    body["user"] = json!("u");
    assert_eq!(gpt(&line, &body).await.status, 200);
    let long = "toolu_".to_owned() + &"x".repeat(60);
    let tools = json!([{ "name": "a", "input_schema": { "type": "object" } }]);
    let messages = json!([
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": long, "name": "a", "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": long, "content": "done" }] },
    ]);
    let mut body = json!({ "model": "to-gpt", "max_tokens": 99, "tools": tools, "messages": messages });
    body["metadata"] = json!({ "user_id": "y".repeat(120) });
    assert_eq!(claude(&line, &body).await.text(), "The tools said: done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_the_callers_own_kind() {
    let line = Line::start_with(ROUTES).await;
    for (word, status, kind) in
        [("529", 529, "overloaded_error"), ("401", 503, "api_error"), ("429", 429, "rate_limit_error")]
    {
        line.openai.behave(pointsman_tests::behave(if word == "529" { "503" } else { word }));
        let answer = line.claude("only-gpt", "hello", true).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["type"].as_str()),
            (status, Some(kind)),
            "{}",
            answer.body
        );
    }
    for (word, status, code) in
        [("529", 503, "overloaded"), ("401", 503, "unavailable"), ("429", 429, "rate_limit_exceeded")]
    {
        let line = Line::start_with(ROUTES).await;
        line.anthropic.behave(pointsman_tests::behave(word));
        let answer = line.gpt("only-claude", "hello", true).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{}",
            answer.body
        );
    }
    let answer = line.claude(CLAUDE, "", false).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let answer = line.gpt(GPT, "hello", false).await;
    assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5", "{}", answer.body);
}

/// Gemini's callers who do not ask for events (`alt=sse`) are streamed a JSON array, whoever answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gemini_streams_are_arrays_where_events_were_not_asked_for() {
    let every = Every::start().await;
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "write 9 words" }] }] }).to_string();
    let ask = async |provider: &str, query: &str| {
        let path = format!("/v1beta/models/{provider}:streamGenerateContent{query}");
        send(every.address, &path, body.clone()).await.expect("an answer")
    };
    let text = |chunks: &[Value]| -> String {
        chunks.iter().filter_map(|chunk| chunk["candidates"][0]["content"]["parts"][0]["text"].as_str()).collect()
    };
    for provider in &every.providers {
        every.behave(&slowly("ok"));
        let mut response = ask(provider, "").await;
        assert_eq!(response.headers()["content-type"], "application/json; charset=UTF-8", "{provider}");
        let first = response.frame().await.expect("a beginning").expect("no error").into_data().expect("bytes");
        assert!(first.starts_with(b"[{") && !first.ends_with(b"]"), "{provider}: {first:?}: not as it comes");
        let rest = Answer::read(response).await;
        let array: Vec<Value> = serde_json::from_str(&(String::from_utf8_lossy(&first) + rest.body.as_str()))
            .unwrap_or_else(|error| panic!("{provider}: {error}: {first:?} {}", rest.body));
        let events = Answer::read(ask(provider, "?alt=sse").await).await;
        assert!(events.header("content-type").starts_with("text/event-stream"), "{provider}");
        assert_eq!(text(&array), text(&events.events()), "{provider}");
        assert_eq!(array.len(), events.events().len(), "{provider}");

        every.behave(&slowly("cut-after:3"));
        let broken = Answer::read(ask(provider, "").await).await.json();
        let broken = broken.as_array().expect("an array");
        let (last, before) = broken.split_last().expect("elements");
        assert!(last["error"]["message"].is_string() && last["error"]["code"].is_u64(), "{provider}: {last}");
        assert!(text(before).starts_with("word1"), "{provider}: {before:?}");

        every.behave(&behave("503"));
        let refused = Answer::read(ask(provider, "").await).await;
        assert_eq!(refused.status, 503, "{provider}: {}", refused.body);
        assert_eq!(refused.json()[0]["error"]["code"], 503, "{provider}: {}", refused.body);
    }
}

/// The headers have gone by then, so the journal and the log name it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_comes_behind_the_first_words_is_named_as_left_out() {
    let event = |part: Value, end: Value| {
        let candidate = json!({ "content": { "role": "model", "parts": [part] }, "finishReason": end });
        Act::Say(format!("data: {}\n\n", json!({ "candidates": [candidate], "responseId": "r" })).into_bytes())
    };
    let image = json!({ "inlineData": { "mimeType": "image/png", "data": PNG } });
    let pause = Act::Pause(Duration::from_millis(200));
    let head = Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec());
    let last = event(json!({ "text": " Done." }), json!("STOP"));
    let late = vec![
        Act::Read,
        head.clone(),
        event(json!({ "text": "Here it is:" }), Value::Null),
        pause.clone(),
        event(image.clone(), Value::Null),
        pause.clone(),
        last.clone(),
    ];
    let early = vec![Act::Read, head, event(image, Value::Null), pause, last];
    let broken = Broken::start(Vec::new()).await;
    let line = Line::start_with(&format!(
        "[providers.painter]\nadapter = \"gemini\"\nbase_url = \"http://{}/v1beta\"\nkey = \"k\"\n\
         [models.painter]\ntargets = [\"painter/gemini-2.5-flash-image\"]",
        broken.address()
    ))
    .await;
    for (script, is_in_header) in [(early, true), (late, false)] {
        broken.follow(script);
        let answer = line.gpt("painter", "a red dot", true).await;
        assert!(answer.complete() && answer.text().ends_with("Done."), "{}", answer.body);
        let dropped = answer.header("x-pointsman-dropped").contains("reply.content");
        assert_eq!(dropped, is_in_header, "{:?}", answer.headers);
        let (journal, id) = (line.gateway.journal(), answer.header("x-pointsman-request-id"));
        wait_until("an entry", || journal.find(id).is_some()).await;
        let entry = journal.find(id).expect("an entry");
        assert!(entry.lost_content);
        assert!(story(&entry).contains("a part of the reply was left out"), "{}", story(&entry));
        // Who speaks the provider's protocol is given all of it.
        let path = "/v1beta/models/painter:streamGenerateContent?alt=sse";
        let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "a red dot" }] }] });
        let own = line.post(path, &body).await;
        assert!(own.body.contains(PNG) && own.header("x-pointsman-dropped").is_empty(), "{}", own.body);
        let id = own.header("x-pointsman-request-id");
        wait_until("an entry", || journal.find(id).is_some()).await;
        assert!(!journal.find(id).expect("an entry").lost_content);
    }
}
