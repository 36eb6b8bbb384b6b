//! Callers of every protocol against a real server of open models: llama.cpp's, with a tiny model that `clients/open_model`
//! makes up. What it says is noise, so no word of it is looked at. Where the server cannot be installed (no wheel for this
//! machine, no registry) the tests say so on the standard error, past cargo's capture, and do nothing.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use pointsman_tests::{Answer, send};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const LIMIT: u64 = 20;
/// `serve.sh`'s word for it.
const NOT_INSTALLABLE: i32 = 69;
/// The script's own limits, and some time for the server.
const START: Duration = Duration::from_secs(420);

/// Dropped, it is killed; should this process be killed first, the server's input ends, and so does the server.
struct Open {
    server: Child,
    address: SocketAddr,
    _backup: Fake,
    _gateway: Arc<Gateway>,
}

impl Open {
    /// None if the server cannot be installed here.
    async fn start() -> Option<Open> {
        let profile = std::env::current_exe().expect("this test's own path");
        let target = profile.ancestors().nth(3).expect("target/debug/deps/open_model");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/open_model/serve.sh");
        let mut server = Command::new("bash")
            .arg(script)
            .arg(target.join("open-model"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("bash");
        let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
        let said = timeout(START, lines.next_line()).await.expect("ready in time").expect("text");
        let Some(url) = said.as_deref().and_then(|said| said.strip_prefix("ready ")) else {
            let status = timeout(START, server.wait()).await.expect("its end in time").expect("a status");
            assert_eq!(status.code(), Some(NOT_INSTALLABLE), "{said:?}");
            let _ = writeln!(std::io::stderr(), "SKIPPED: llama.cpp's server cannot be installed here (see above)");
            return None;
        };
        // Patient: the server shares two cores with whatever else is tested.
        let backup = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
        let configuration = format!(
            r#"
            [timeouts]
            first_token = "60s"
            reply = "60s"
            idle = "60s"

            [providers.open]
            adapter = "openai-chat"
            base_url = "{url}/v1"
            settings = {{ max_tokens_field = "max_tokens" }}

            [providers.backup]
            adapter = "anthropic-messages"
            base_url = "{}"
            key = "secret-key"

            [models.noise]
            settings = {{ attempts = 1 }}
            targets = ["open/noise"]

            [models.backed]
            targets = ["open/noise", "backup/claude-sonnet-4-5"]
            "#,
            backup.base_url()
        );
        let parsed = config::parse(&configuration, Path::new("test.toml"), &|_| None);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let gateway = Gateway::new(parsed, clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Some(Open { server, address, _backup: backup, _gateway: gateway })
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::read(send(self.address, path, body.to_string()).await.expect("an answer")).await
    }

    async fn ask(&self, caller: Caller, stream: bool, body: &Value) -> Answer {
        self.post(&caller.path("noise", stream), body).await
    }

    /// The same, of which something must come.
    async fn said(&self, caller: Caller, stream: bool, body: &Value) -> Said {
        let answer = self.ask(caller, stream, body).await;
        assert_eq!(answer.status, 200, "{caller:?}, {body}: {}", answer.body);
        assert_eq!(answer.header("x-pointsman-target"), "open/noise");
        assert!(!answer.broken);
        let said = if stream { caller.read_stream(&answer) } else { caller.read(&answer.json()) };
        assert!(said.input > 0 && said.output > 0, "{caller:?}: {}", answer.body);
        said
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Caller {
    Chat,
    Responses,
    Messages,
    Gemini,
}

use Caller::{Chat, Gemini, Messages, Responses};

const CALLERS: [Caller; 4] = [Chat, Responses, Messages, Gemini];

/// A whole reply, whatever its protocol.
#[derive(Debug, Default)]
struct Said {
    text: String,
    calls: Vec<(String, Value)>,
    finish: String,
    input: u64,
    output: u64,
}

impl Caller {
    fn path(self, model: &str, stream: bool) -> String {
        match self {
            Chat => "/v1/chat/completions".into(),
            Responses => "/v1/responses".into(),
            Messages => "/v1/messages".into(),
            Gemini if stream => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Gemini => format!("/v1beta/models/{model}:generateContent"),
        }
    }

    fn body(self, prompt: &str, limit: u64, stream: bool) -> Value {
        let messages = json!([{ "role": "user", "content": prompt }]);
        match self {
            Chat => json!({
                "model": "noise", "max_tokens": limit, "stream": stream, "messages": messages,
                "stream_options": if stream { json!({ "include_usage": true }) } else { Value::Null },
            }),
            Responses => json!({ "model": "noise", "max_output_tokens": limit, "stream": stream, "input": prompt }),
            Messages => json!({ "model": "noise", "max_tokens": limit, "stream": stream, "messages": messages }),
            Gemini => json!({
                "contents": [{ "role": "user", "parts": [{ "text": prompt }] }],
                "generationConfig": { "maxOutputTokens": limit },
            }),
        }
    }

    /// The server's grammar lets nothing else through, whatever the model wants.
    fn with_tool(self, mut body: Value) -> Value {
        let (name, schema) = ("set_switch", schema());
        let (tools, choice) = match self {
            Chat => {
                (json!([{ "type": "function", "function": { "name": name, "parameters": schema } }]), json!("required"))
            }
            Responses => {
                (json!([{ "type": "function", "name": name, "parameters": schema, "strict": true }]), json!("required"))
            }
            Messages => (json!([{ "name": name, "input_schema": schema }]), json!({ "type": "any" })),
            Gemini => {
                body["toolConfig"] = json!({ "functionCallingConfig": { "mode": "ANY" } });
                (json!([{ "functionDeclarations": [{ "name": name, "parametersJsonSchema": schema }] }]), Value::Null)
            }
        };
        body["tools"] = tools;
        if self != Gemini {
            body["tool_choice"] = choice;
        }
        body
    }

    fn with_schema(self, mut body: Value) -> Value {
        let schema = schema();
        match self {
            Chat => {
                let named = json!({ "name": "switch", "strict": true, "schema": schema });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": named });
            }
            Responses => {
                let format = json!({ "type": "json_schema", "name": "switch", "strict": true, "schema": schema });
                body["text"] = json!({ "format": format });
            }
            Messages => body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema } }),
            Gemini => {
                body["generationConfig"]["responseMimeType"] = json!("application/json");
                body["generationConfig"]["responseJsonSchema"] = schema;
            }
        }
        body
    }

    /// A finish for the limit, a stop, and a tool call.
    fn finishes(self) -> [&'static str; 3] {
        match self {
            Chat => ["length", "stop", "tool_calls"],
            Responses => ["incomplete", "completed", "completed"],
            Messages => ["max_tokens", "end_turn", "tool_use"],
            Gemini => ["MAX_TOKENS", "STOP", "STOP"],
        }
    }

    fn read(self, reply: &Value) -> Said {
        match self {
            Chat => {
                let (choice, usage) = (&reply["choices"][0], &reply["usage"]);
                let calls = list(&choice["message"]["tool_calls"]).iter().map(|call| {
                    let call = &call["function"];
                    (text(&call["name"]), parse(&text(&call["arguments"])))
                });
                Said {
                    text: choice["message"]["content"].as_str().unwrap_or_default().into(),
                    calls: calls.collect(),
                    finish: text(&choice["finish_reason"]),
                    input: number(&usage["prompt_tokens"]),
                    output: number(&usage["completion_tokens"]),
                }
            }
            Responses => {
                let items = list(&reply["output"]);
                let parts = items.iter().flat_map(|item| list(&item["content"]));
                let calls = items.iter().filter(|item| item["type"] == "function_call");
                if reply["status"] == "incomplete" {
                    assert_eq!(reply["incomplete_details"]["reason"], "max_output_tokens");
                }
                Said {
                    text: parts.filter_map(|part| part["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), parse(&text(&call["arguments"])))).collect(),
                    finish: text(&reply["status"]),
                    input: number(&reply["usage"]["input_tokens"]),
                    output: number(&reply["usage"]["output_tokens"]),
                }
            }
            Messages => {
                let (blocks, usage) = (list(&reply["content"]), &reply["usage"]);
                let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
                Said {
                    text: blocks.iter().filter_map(|block| block["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), call["input"].clone())).collect(),
                    finish: text(&reply["stop_reason"]),
                    // What the server had in its cache is told apart.
                    input: number(&usage["input_tokens"]) + usage["cache_read_input_tokens"].as_u64().unwrap_or(0),
                    output: number(&usage["output_tokens"]),
                }
            }
            Gemini => {
                let (candidate, usage) = (&reply["candidates"][0], &reply["usageMetadata"]);
                let parts = list(&candidate["content"]["parts"]);
                let calls = parts.iter().filter_map(|part| part.get("functionCall"));
                Said {
                    text: parts.iter().filter_map(|part| part["text"].as_str()).collect(),
                    calls: calls.map(|call| (text(&call["name"]), call["args"].clone())).collect(),
                    finish: candidate["finishReason"].as_str().unwrap_or_default().into(),
                    input: usage["promptTokenCount"].as_u64().unwrap_or(0),
                    output: usage["candidatesTokenCount"].as_u64().unwrap_or(0),
                }
            }
        }
    }

    /// What its pieces come to; it must begin and end as the protocol says.
    fn read_stream(self, answer: &Answer) -> Said {
        let events = answer.events();
        let (first, last) = (events.first().expect("an event"), events.last().expect("an event"));
        match self {
            Chat => {
                assert!(answer.complete(), "{}", answer.body);
                let (mut content, mut calls, mut finish) = (json!(""), Vec::<Value>::new(), Value::Null);
                for choice in events.iter().flat_map(|event| list(&event["choices"])) {
                    append(&mut content, &choice["delta"]["content"]);
                    for piece in list(&choice["delta"]["tool_calls"]) {
                        match calls.get_mut(number(&piece["index"]) as usize) {
                            None => calls.push(piece.clone()),
                            Some(call) => {
                                append(&mut call["function"]["arguments"], &piece["function"]["arguments"]);
                            }
                        }
                    }
                    if choice["finish_reason"].is_string() {
                        finish = choice["finish_reason"].clone();
                    }
                }
                let message = json!({ "content": content, "tool_calls": calls });
                let choice = json!({ "message": message, "finish_reason": finish });
                self.read(&json!({ "choices": [choice], "usage": last["usage"] }))
            }
            Responses => {
                assert_eq!(first["type"], "response.created");
                for (place, event) in events.iter().enumerate() {
                    assert_eq!(event["sequence_number"], place);
                }
                let said = self.read(&last["response"]);
                assert_eq!(last["type"], format!("response.{}", said.finish));
                assert_eq!(said.text, deltas(&events, "response.output_text.delta", "/delta"));
                said
            }
            Messages => {
                assert!(answer.complete(), "{}", answer.body);
                assert_eq!((&first["type"], &last["type"]), (&json!("message_start"), &json!("message_stop")));
                let mut blocks: Vec<Value> = Vec::new();
                for start in events.iter().filter(|event| event["type"] == "content_block_start") {
                    assert_eq!(start["index"], blocks.len());
                    let own: Vec<Value> =
                        events.iter().filter(|event| event["index"] == start["index"]).cloned().collect();
                    assert_eq!(own.last().expect("a block")["type"], "content_block_stop");
                    let mut block = start["content_block"].clone();
                    if block["type"] == "tool_use" {
                        block["input"] = parse(&deltas(&own, "content_block_delta", "/delta/partial_json"));
                    } else {
                        block["text"] = json!(deltas(&own, "content_block_delta", "/delta/text"));
                    }
                    blocks.push(block);
                }
                let end = events.iter().find(|event| event["type"] == "message_delta").expect("an end");
                self.read(
                    &json!({ "content": blocks, "stop_reason": end["delta"]["stop_reason"], "usage": end["usage"] }),
                )
            }
            Gemini => {
                let mut whole = Said::default();
                for piece in events.iter().map(|event| self.read(event)) {
                    assert_eq!(whole.finish, "", "nothing follows the finish: {}", answer.body);
                    whole.text += &piece.text;
                    whole.calls.extend(piece.calls);
                    (whole.finish, whole.input, whole.output) = (piece.finish, piece.input, piece.output);
                }
                whole
            }
        }
    }
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": { "side": { "type": "string", "enum": ["left", "right"] }, "locked": { "type": "boolean" } },
        "required": ["side", "locked"],
        "additionalProperties": false,
    })
}

fn assert_switch(value: &Value) {
    assert!(value["side"] == "left" || value["side"] == "right", "{value}");
    assert!(value["locked"].is_boolean() && value.as_object().expect("an object").len() == 2, "{value}");
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text and not {value}")).into()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number and not {value}"))
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn append(to: &mut Value, piece: &Value) {
    *to = json!(text(to) + piece.as_str().unwrap_or_default());
}

/// The texts at `pointer` in the events of a type, as one.
fn deltas(events: &[Value], event_type: &str, pointer: &str) -> String {
    let own = events.iter().filter(|event| event["type"] == event_type);
    own.filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_are_whole_and_keep_to_the_limit() {
    let Some(open) = Open::start().await else { return };
    for (caller, stream) in CALLERS.into_iter().flat_map(|caller| [(caller, false), (caller, true)]) {
        let said = open.said(caller, stream, &caller.body("Say hello.", LIMIT, stream)).await;
        assert_eq!((said.finish.as_str(), said.output), (caller.finishes()[0], LIMIT), "{caller:?}");
        assert!(!said.text.is_empty() && said.calls.is_empty(), "{caller:?}: {said:?}");
    }
}

/// Four of the thirty letters that the model likes: one comes soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_sequences_stop() {
    let Some(open) = Open::start().await else { return };
    let stops = json!(["a", "e", "i", "o"]);
    for (caller, stream) in [Chat, Messages, Gemini].into_iter().flat_map(|caller| [(caller, false), (caller, true)]) {
        let mut body = caller.body("Say hello.", 500, stream);
        match caller {
            Messages => body["stop_sequences"] = stops.clone(),
            Gemini => body["generationConfig"]["stopSequences"] = stops.clone(),
            Chat | Responses => body["stop"] = stops.clone(),
        }
        let said = open.said(caller, stream, &body).await;
        assert_eq!(said.finish, caller.finishes()[1], "{caller:?}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_are_called_and_schemas_kept() {
    let Some(open) = Open::start().await else { return };
    for (caller, stream) in CALLERS.into_iter().flat_map(|caller| [(caller, false), (caller, true)]) {
        let body = caller.body("Lock the switch.", 500, stream);
        let said = open.said(caller, stream, &caller.with_tool(body.clone())).await;
        assert_eq!(said.finish, caller.finishes()[2], "{caller:?}: {said:?}");
        let [(name, arguments)] = &said.calls[..] else { panic!("one call, {caller:?}: {said:?}") };
        assert_eq!(name, "set_switch");
        assert_switch(arguments);

        let said = open.said(caller, stream, &caller.with_schema(body)).await;
        assert_eq!(said.finish, caller.finishes()[1], "{caller:?}: {said:?}");
        assert_switch(&parse(&said.text));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_that_is_too_long_is_told_as_that() {
    let Some(open) = Open::start().await else { return };
    for (caller, stream) in CALLERS.into_iter().flat_map(|caller| [(caller, false), (caller, true)]) {
        let answer = open.ask(caller, stream, &caller.body(&"long ".repeat(2000), LIMIT, stream)).await;
        assert_eq!(answer.status, 400, "{caller:?}: {}", answer.body);
        let error = &answer.json()["error"];
        assert!(text(&error["message"]).contains("exceeds the available context size"), "{caller:?}: {}", answer.body);
        match caller {
            // The same protocol on both sides: the server's own words.
            Chat => assert_eq!(error["type"], "exceed_context_size_error"),
            Responses => assert_eq!(error["code"], "context_length_exceeded"),
            Messages => assert_eq!(error["type"], "invalid_request_error"),
            Gemini => assert_eq!(error["status"], "INVALID_ARGUMENT"),
        }
    }
}

/// The requests of the golden tests: what the strict fakes take, a real server takes too, but for what it cannot do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_request_is_understood() {
    let Some(open) = Open::start().await else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/requests");
    let mut asked = 0;
    for feature in std::fs::read_dir(folder).expect("the fixtures") {
        let feature = feature.expect("a folder").path();
        for caller in CALLERS {
            let file = feature.join(match caller {
                Chat => "openai-chat.json",
                Responses => "openai-responses.json",
                Messages => "anthropic-messages.json",
                Gemini => "gemini.json",
            });
            let Ok(body) = std::fs::read_to_string(&file) else { continue };
            let answer = open.ask(caller, false, &parse(&body.replace("\"MODEL\"", "\"noise\""))).await;
            asked += 1;
            let feature = feature.file_name().and_then(|name| name.to_str()).expect("a name");
            match cannot(feature, caller) {
                Some(words) => {
                    assert!(answer.status.as_u16() >= 400, "{feature}, {caller:?}: {}", answer.body);
                    let message = text(&answer.json()["error"]["message"]);
                    assert!(message.contains(words), "{feature}, {caller:?}: {message}");
                }
                None => {
                    assert_eq!(answer.status, 200, "{feature}, {caller:?}: {}", answer.body);
                    caller.read(&answer.json());
                }
            }
            if feature == "unknown-field" && caller != Chat {
                let dropped = answer.header("x-pointsman-dropped").to_lowercase().replace('_', "");
                assert_eq!(dropped, "xunknown", "{caller:?}");
            }
        }
    }
    assert!(asked > 80, "{asked} fixtures");
}

/// What this server says to what it cannot do.
fn cannot(feature: &str, caller: Caller) -> Option<&'static str> {
    match feature {
        "image-bytes" | "image-url" | "tool-result-image" => Some("image input is not supported"),
        "document" => Some("unsupported content"),
        // Of a caller of its own protocol it gets them as they are; of others as `{}`.
        "empty-arguments" if caller == Chat => Some("Failed to parse tool call arguments"),
        _ => None,
    }
}

/// What a machine with open models does when it dies: the others take over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_answers_when_the_server_is_gone() {
    let Some(mut open) = Open::start().await else { return };
    let mut body = Chat.body("hello", LIMIT, false);
    body["model"] = json!("backed");
    let answer = open.post("/v1/chat/completions", &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, "open/noise"), "{}", answer.body);
    open.server.kill().await.expect("its end");
    let answer = open.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-target"), "backup/claude-sonnet-4-5");
}
