//! What one provider keeps or made, and what becomes of it when another answers: threads, earlier responses, thoughts at the
//! beginning of a turn, tools of a kind that others do not know.

use pointsman::fake::{Fake, Protocol};
use pointsman_tests::{Answer, Line, behave};
use serde_json::{Value, json};

/// A gateway with two keys at a provider of Responses and two at Anthropic.
async fn two_keys() -> (Line, Fake, Fake) {
    let responses = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
    let claude = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let line = Line::start_with(&format!(
        r#"
        [providers.responses]
        adapter = "openai-responses"
        base_url = "{}"
        keys = ["key-one", "key-two"]
        [providers.claude]
        adapter = "anthropic-messages"
        base_url = "{}"
        keys = ["key-one", "key-two"]
        [models.stateful]
        settings = {{ attempts = 2 }}
        targets = ["responses/gpt-5", "openai/gpt-5"]
        [models.threaded]
        settings = {{ attempts = 2 }}
        targets = ["claude/claude-sonnet-4-5", "openai/gpt-5"]
        "#,
        responses.base_url(),
        claude.base_url(),
    ))
    .await;
    (line, responses, claude)
}

fn last_key(fake: &Fake) -> String {
    let seen = fake.seen();
    let last = seen.last().expect("a request");
    let key = last.header("x-api-key").or(last.header("authorization"));
    key.expect("a key").trim_start_matches("Bearer ").to_owned()
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_response_is_asked_for_with_its_own_key() {
    let (line, responses, _) = two_keys().await;
    let mut keys = Vec::new();
    for stream in [false, true, false, true, false] {
        let first = json!({ "model": "stateful", "input": "hello" });
        let made = id(&line.post("/v1/responses", &first).await);
        keys.push(last_key(&responses));
        let next = json!({ "model": "stateful", "input": "go on", "previous_response_id": made, "stream": stream });
        for _ in 0..2 {
            let answer = line.post("/v1/responses", &next).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(Some(&last_key(&responses)), keys.last());
        }
    }
    assert!(keys.iter().any(|key| *key != keys[0]), "without an earlier response the keys take turns: {keys:?}");
    assert!(line.openai.seen().is_empty());
}

fn thread(thread: Value, text: &str) -> Value {
    json!({ "model": "threaded", "max_tokens": 99, "thread": thread, "messages": [{ "role": "user", "content": text }] })
}

fn continued(id: &str) -> Value {
    thread(json!({ "type": "continue", "previous_message_id": id }), "go on")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_goes_on_with_its_own_key_and_nowhere_else() {
    let (line, _, claude) = two_keys().await;
    for _ in 0..4 {
        let made = id(&line.post("/v1/messages", &thread(json!({ "type": "create" }), "hello")).await);
        let key = last_key(&claude);
        for _ in 0..2 {
            id(&line.post("/v1/messages", &continued(&made)).await);
            assert_eq!(last_key(&claude), key);
        }
    }
    assert!(line.openai.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_nobody_has_is_begun_anew() {
    let (line, _, claude) = two_keys().await;
    let made = id(&line.post("/v1/messages", &thread(json!({ "type": "create" }), "hello")).await);
    let lost = |answer: Answer| {
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), &body["error"]["type"]), (404, &json!("not_found_error")), "{body}");
        assert_eq!(body["error"]["details"]["error_code"], "thread_not_found", "{body}");
    };
    for fault in ["529", "503", "500"] {
        claude.behave(behave(fault));
        lost(line.post("/v1/messages", &continued(&made)).await);
    }
    assert!(line.openai.seen().is_empty(), "nobody else knows what was said");
    // So the SDK sends all of it, and another answers.
    let anew = line.post("/v1/messages", &thread(json!({ "type": "create" }), "hello, go on")).await;
    assert_eq!(anew.header("x-pointsman-target"), "openai/gpt-5", "{}", anew.body);
    assert_eq!(anew.header("x-pointsman-dropped"), "thread");
    let of_another = id(&anew);
    claude.behave(behave("ok"));
    lost(line.post("/v1/messages", &continued(&of_another)).await);
}

/// A turn with a thinking budget and one tool, which the user's words order.
fn looped(model: &str, messages: &Value) -> Value {
    json!({
        "model": model,
        "max_tokens": 4096,
        "thinking": { "type": "enabled", "budget_tokens": 2048 },
        "tools": [{ "name": "look", "input_schema": { "type": "object", "properties": {} } }],
        "messages": messages,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_goes_on_with_a_tool_loop_that_the_backup_began() {
    let line = Line::start().await;
    let mut messages = json!([{ "role": "user", "content": "use tool look with {}" }]);
    let mut answered = Vec::new();
    for step in 0..4 {
        // Only the first step is the backup's.
        line.anthropic.behave(behave(if step == 0 { "529" } else { "ok" }));
        let answer = line.post("/v1/messages", &looped("claude-sonnet-4-5", &messages)).await;
        assert_eq!(answer.status, 200, "step {step}: {}", answer.body);
        answered.push(answer.header("x-pointsman-target").to_owned());
        let body = answer.json();
        let call = body["content"].as_array().expect("content").iter().find(|block| block["type"] == "tool_use");
        let list = messages.as_array_mut().expect("messages");
        list.push(json!({ "role": "assistant", "content": body["content"] }));
        let Some(call) = call else { break };
        let result = format!("seen; then use tool look with {{\"step\":{step}}}");
        let result = json!({ "type": "tool_result", "tool_use_id": call["id"], "content": result });
        list.push(json!({ "role": "user", "content": [result] }));
    }
    let claude = "anthropic/claude-sonnet-4-5";
    assert_eq!(answered, ["openai/gpt-5", claude, claude, claude]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_thought_beside_what_cannot_be_said_anew_poisons_nothing() {
    let line = Line::start().await;
    let thought = |signature: &str| json!({ "type": "thinking", "thinking": "hm", "signature": signature });
    for (foreign, more) in [
        (thought("pointsman:unknown:"), json!({ "container": "container_1" })),
        (
            thought("pointsman:gemini:abc"),
            json!({ "mcp_servers": [{ "type": "url", "url": "https://x.test", "name": "x" }] }),
        ),
        (
            json!({ "type": "redacted_thinking", "data": "pointsman:openai-responses:abc" }),
            json!({ "inference_geo": "us" }),
        ),
    ] {
        let mut body = json!({ "model": "claude-sonnet-4-5", "max_tokens": 99, "messages": [
            { "role": "user", "content": "hello" },
            { "role": "assistant", "content": [foreign, { "type": "text", "text": "Hello." }] },
            { "role": "user", "content": "go on" },
        ] });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let answer = line.post("/v1/messages", &body).await;
        assert_eq!(answer.status, 200, "{more}: {}", answer.body);
        assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_tool_name_comes_back_as_the_caller_knows_it() {
    let line = Line::start().await;
    line.anthropic.behave(behave("529"));
    let name = "mcp__plugin_chrome-devtools-mcp_chrome-devtools__performance_analyze_insight";
    let history = json!([
        { "role": "user", "content": "hello" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_1", "name": name, "input": {} }] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "Done." }] },
    ]);
    for stream in [false, true] {
        let body = json!({
            "model": "claude-sonnet-4-5", "max_tokens": 99, "stream": stream, "messages": history,
            "tools": [{ "name": name, "input_schema": { "type": "object", "properties": {} } }],
            "tool_choice": { "type": "auto" },
        });
        let answer = line.post("/v1/messages", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let seen = line.openai.seen();
        let sent = &seen.last().expect("a request").body;
        assert!(!String::from_utf8_lossy(sent).contains(name), "neither in the tools nor in the history");
        let mut forced = body;
        forced["messages"] = json!([{ "role": "user", "content": "hello" }]);
        forced["tool_choice"] = json!({ "type": "tool", "name": name });
        let answer = line.post("/v1/messages", &forced).await;
        assert!(answer.body.contains(&format!("\"name\":\"{name}\"")), "{}", answer.body);
    }
}

/// The blocks of a streamed message, as the SDKs put them together.
fn blocks(answer: &Answer) -> Vec<Value> {
    let mut blocks: Vec<(Value, String)> = Vec::new();
    for event in answer.events() {
        match event["type"].as_str() {
            Some("content_block_start") => blocks.push((event["content_block"].clone(), String::new())),
            Some("content_block_delta") => {
                let (block, input) = blocks.last_mut().expect("a block");
                let delta = &event["delta"];
                for field in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[field].as_str() {
                        block[field] = format!("{}{piece}", block[field].as_str().unwrap_or_default()).into();
                    }
                }
                input.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    let whole = |(mut block, input): (Value, String)| {
        if block["type"] == "tool_use" {
            block["input"] = serde_json::from_str(&input).unwrap_or_else(|_| json!({}));
        }
        block
    };
    blocks.into_iter().map(whole).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_goes_on_with_a_streamed_tool_loop_that_the_backup_began() {
    let line = Line::start().await;
    let mut messages = json!([{ "role": "user", "content": "use tool look with {}" }]);
    let mut answered = Vec::new();
    for step in 0..4 {
        line.anthropic.behave(behave(if step == 0 { "529" } else { "ok" }));
        let mut body = looped("claude-sonnet-4-5", &messages);
        body["stream"] = true.into();
        let answer = line.post("/v1/messages", &body).await;
        assert!(answer.status == 200 && answer.complete(), "step {step}: {}", answer.body);
        answered.push(answer.header("x-pointsman-target").to_owned());
        let content = blocks(&answer);
        let call = content.iter().find(|block| block["type"] == "tool_use").cloned();
        let list = messages.as_array_mut().expect("messages");
        list.push(json!({ "role": "assistant", "content": content }));
        let Some(call) = call else { break };
        let result = format!("seen; then use tool look with {{\"step\":{step}}}");
        let result = json!({ "type": "tool_result", "tool_use_id": call["id"], "content": result });
        list.push(json!({ "role": "user", "content": [result] }));
    }
    let claude = "anthropic/claude-sonnet-4-5";
    assert_eq!(answered, ["openai/gpt-5", claude, claude, claude]);
}

/// A tool that only one provider runs, and that must be called: whoever lacks it is not asked, and the error names the tool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hosted_tool_that_is_forced_goes_to_who_has_it_or_is_refused_by_name() {
    let (line, responses, claude) = two_keys().await;
    let more = format!(
        "[providers.responses]\nadapter = \"openai-responses\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [providers.claude]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.either]\ntargets = [\"openai/gpt-5\", \"responses/gpt-5\", \"claude/claude-sonnet-4-5\"]\n\
         [models.neither]\ntargets = [\"openai/gpt-5\"]\n",
        responses.base_url(),
        claude.base_url(),
    );
    line.reconfigure(&more).await.expect("a good configuration");
    let searches = json!({ "type": "web_search" });
    let search = json!({ "type": "web_search_20250305", "name": "web_search" });
    let user = json!([{ "role": "user", "content": "What is new?" }]);
    for (path, target, body) in [
        (
            "/v1/responses",
            "responses/gpt-5",
            json!({ "input": "What is new?", "tools": [searches], "tool_choice": searches }),
        ),
        (
            "/v1/responses",
            "responses/gpt-5",
            json!({ "input": "What is new?", "tools": [searches], "tool_choice": "required" }),
        ),
        (
            "/v1/messages",
            "claude/claude-sonnet-4-5",
            json!({ "max_tokens": 99, "messages": user, "tools": [search],
                "tool_choice": { "type": "tool", "name": "web_search" } }),
        ),
        (
            "/v1/messages",
            "claude/claude-sonnet-4-5",
            json!({ "max_tokens": 99, "messages": user, "tools": [search], "tool_choice": { "type": "any" } }),
        ),
    ] {
        let asked = |model: &str| {
            let mut body = body.clone();
            body["model"] = model.into();
            body
        };
        let answer = line.post(path, &asked("either")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-pointsman-target")),
            (200, target),
            "{body}: {}",
            answer.body
        );
        let answer = line.post(path, &asked("neither")).await;
        assert!(answer.status.is_client_error(), "{body}: {}", answer.body);
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains("tool"), "{body}: {message}");
    }
    assert!(line.openai.seen().is_empty(), "who lacks it is not asked");
}

/// Custom tools of callers of Chat Completions and Responses, at servers that speak the same protocol and know functions only.
///
/// Faults: F200
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn custom_tools_are_functions_at_servers_that_know_no_others() {
    let (line, responses, _) = two_keys().await;
    let mut more = format!(
        "[providers.responses]\nadapter = \"openai-responses\"\nbase_url = \"{}\"\nkey = \"k\"\n",
        responses.base_url()
    );
    let servers = ["llama.cpp", "vllm", "deepseek"].map(|server| format!("functions/{server}"));
    for (provider, server) in
        ["openai", "responses"].iter().flat_map(|it| servers.iter().map(move |server| (it, server)))
    {
        more += &format!("[models.\"{provider}-{server}\"]\ntargets = [\"{provider}/{server}\"]\n");
    }
    line.reconfigure(&more).await.expect("a good configuration");
    for (server, stream) in servers.iter().flat_map(|server| [(server, false), (server, true)]) {
        let run = json!({ "type": "custom", "custom": { "name": "run", "description": "Runs a command." } });
        let call = json!({ "id": "c1", "type": "custom", "custom": { "name": "run", "input": "ls -l" } });
        let body = json!({
            "model": format!("openai-{server}"), "stream": stream, "tools": [run], "verbosity": "low",
            "messages": [
                { "role": "user", "content": "hello" },
                { "role": "assistant", "content": null, "tool_calls": [call] },
                { "role": "tool", "tool_call_id": "c1", "content": "then use tool run with {\"input\":\"pwd\"}" },
            ],
        });
        let answer = line.post("/v1/chat/completions", &body).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "1"), "{}", answer.body);
        assert!(answer.body.contains("\"custom\"") && answer.body.contains("pwd"), "{server}: {}", answer.body);
        assert!(!answer.body.contains("\"function\""), "{}", answer.body);
        let seen = line.openai.seen();
        let sent: Value = serde_json::from_slice(&seen.last().expect("a request").body).expect("JSON");
        assert_eq!(sent["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"input\":\"ls -l\"}", "{sent}");
        assert_eq!((&sent["tools"][0]["type"], &sent["verbosity"]), (&json!("function"), &json!("low")), "{sent}");

        let run = json!({ "type": "custom", "name": "run" });
        let more = json!({ "type": "namespace", "name": "files", "description": "Files.",
            "tools": [{ "type": "function", "name": "list", "parameters": { "type": "object", "properties": {} } }] });
        let body = json!({
            "model": format!("responses-{server}"), "stream": stream, "tools": [run, more], "truncation": "auto",
            "input": [
                { "role": "user", "content": "hello" },
                { "type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "run", "input": "ls -l" },
                { "type": "custom_tool_call_output", "call_id": "c1", "output": "then use tool run with {\"input\":\"pwd\"}" },
            ],
        });
        let answer = line.post("/v1/responses", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains("custom_tool_call") && answer.body.contains("pwd"), "{server}: {}", answer.body);
        let seen = responses.seen();
        let sent: Value = serde_json::from_slice(&seen.last().expect("a request").body).expect("JSON");
        let names: Vec<&Value> = sent["tools"].as_array().expect("tools").iter().map(|tool| &tool["name"]).collect();
        assert_eq!(
            (names, &sent["truncation"]),
            (vec![&json!("run"), &json!("files__list")], &json!("auto")),
            "{sent}"
        );
    }
}

/// A tool loop that begins at one provider, goes on at the backup, and comes back: what each of them sealed stands in one turn.
///
/// Faults: F202
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gemini_comes_back_in_the_midst_of_a_tool_loop() {
    let (line, gemini) = (Line::start().await, Fake::start(Protocol::Gemini).await.expect("a port"));
    let more = format!(
        "[providers.gemini]\nadapter = \"gemini\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.by-gpt]\ntargets = [\"gemini/gemini-3-pro\", \"openai/gpt-5\"]\n\
         [models.by-claude]\ntargets = [\"gemini/gemini-3-pro\", \"anthropic/claude-sonnet-4-5\"]\n",
        gemini.base_url()
    );
    line.reconfigure(&more).await.expect("a good configuration");
    for (model, backup) in [("by-gpt", "openai/gpt-5"), ("by-claude", "anthropic/claude-sonnet-4-5")] {
        let mut contents = json!([{ "role": "user", "parts": [{ "text": "use tool look with {}" }] }]);
        let mut answered = Vec::new();
        for step in 0..5 {
            gemini.behave(behave(if step == 1 { "503" } else { "ok" }));
            let body = json!({
                "contents": contents,
                "tools": [{ "functionDeclarations": [{ "name": "look" }] }],
                "generationConfig": { "thinkingConfig": { "includeThoughts": true } },
            });
            let answer = line.post(&format!("/v1beta/models/{model}:generateContent"), &body).await;
            assert_eq!(answer.status, 200, "step {step}: {}", answer.body);
            answered.push(answer.header("x-pointsman-target").to_owned());
            let content = answer.json()["candidates"][0]["content"].clone();
            let call = content["parts"].as_array().expect("parts").iter().find(|part| part["functionCall"].is_object());
            let call = call.expect("a call")["functionCall"].clone();
            let list = contents.as_array_mut().expect("contents");
            list.push(content);
            let result = format!("seen; then use tool look with {{\"step\":{step}}}");
            let mut response = json!({ "name": call["name"], "response": { "result": result } });
            if call["id"].is_string() {
                response["id"] = call["id"].clone();
            }
            list.push(json!({ "role": "user", "parts": [{ "functionResponse": response }] }));
        }
        let home = "gemini/gemini-3-pro";
        assert_eq!(answered, [home, backup, home, home, home], "{model}");
    }
}
