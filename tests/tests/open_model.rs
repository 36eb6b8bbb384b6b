//! Callers of every protocol against a real server of open models: llama.cpp's, with a tiny model that `clients/open_model`
//! makes up. What it says is noise, so no word of it is looked at. Where the server cannot be installed (no wheel for this
//! machine, no registry) the tests say so on the standard error, past cargo's capture, and do nothing.

#[path = "open_model/caller.rs"]
mod caller;

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

use caller::{CALLERS, Caller, Chat, Gemini, Messages, Responses, Said, parse, text};

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

fn assert_switch(value: &Value) {
    assert!(value["side"] == "left" || value["side"] == "right", "{value}");
    assert!(value["locked"].is_boolean() && value.as_object().expect("an object").len() == 2, "{value}");
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
        "hosted-tool-forced" => Some("must be called"),
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
