//! The harness of the whole-gateway tests: a gateway in this process in front of fake providers, and a caller.

pub mod bodies;
pub mod broken;
pub mod clients;
pub mod clouds;
pub mod every;
pub mod guests;
pub mod languages;
pub mod reply;
pub mod situations;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request, Response, StatusCode, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Behaviour, Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use serde_json::{Value, json};
use tokio::sync::watch;

pub const CLAUDE: &str = "claude-sonnet-4-5";
pub const GPT: &str = "gpt-5";

/// A gateway, an Anthropic and an OpenAI behind it.
pub struct Line {
    pub anthropic: Fake,
    pub openai: Fake,
    pub gateway: Arc<Gateway>,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
}

/// Short timeouts, so that what hangs is noticed while a test waits; two names for each provider, the other as backup.
pub fn configuration(anthropic: &Fake, openai: &Fake, more: &str) -> String {
    format!(
        r#"
        [timeouts]
        first_token = "1500ms"
        reply = "1500ms"
        idle = "1500ms"
        total = "20s"

        [breaker]
        faults = 1000
        samples = 1000

        [providers.anthropic]
        adapter = "anthropic-messages"
        base_url = "{}"
        key = "secret-anthropic-key"

        [providers.openai]
        adapter = "openai-chat"
        base_url = "{}"
        key = "secret-openai-key"

        [models."claude-*"]
        targets = ["anthropic/*", "openai/gpt-5"]

        [models."gpt-*"]
        targets = ["openai/*", "anthropic/claude-sonnet-4-5"]

        [models.only-claude]
        settings = {{ attempts = 1 }}
        targets = ["anthropic/claude-sonnet-4-5"]

        [models.only-gpt]
        settings = {{ attempts = 1 }}
        targets = ["openai/gpt-5"]
        {more}
        "#,
        anthropic.base_url(),
        openai.base_url(),
    )
}

impl Line {
    pub async fn start() -> Line {
        Self::start_with("").await
    }

    /// `more` is added to the configuration.
    pub async fn start_with(more: &str) -> Line {
        let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
        let openai = Fake::start(Protocol::OpenAiChat).await.expect("a port");
        let text = configuration(&anthropic, &openai, more);
        let parsed = config::parse(&text, Path::new("test.toml"), &|_| None);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        let drain = parsed.server.drain;
        let gateway =
            Gateway::new(parsed, Clock::seeded(Duration::from_secs(1_780_394_400), 7)).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        let (stop, mut stopped) = watch::channel(false);
        let stopping = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::spawn(port.serve(Arc::clone(&gateway), stopping, drain));
        Line { anthropic, openai, gateway, address, stop }
    }

    /// Put a configuration with `more` in it into force.
    pub async fn reconfigure(&self, more: &str) -> anyhow::Result<()> {
        let text = configuration(&self.anthropic, &self.openai, more);
        self.gateway.apply(config::parse(&text, Path::new("test.toml"), &|_| None)?).await
    }

    /// As a signal would.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::read(self.open(path, body.to_string()).await).await
    }

    /// The reply's head; its body is still coming.
    pub async fn open(&self, path: &str, body: String) -> Response<Incoming> {
        send(self.address, path, body).await.expect("an answer")
    }

    /// An Anthropic caller says something.
    pub async fn claude(&self, model: &str, prompt: &str, stream: bool) -> Answer {
        self.post("/v1/messages", &messages_body(model, prompt, stream)).await
    }

    /// An OpenAI caller says something.
    pub async fn gpt(&self, model: &str, prompt: &str, stream: bool) -> Answer {
        self.post("/v1/chat/completions", &chat_body(model, prompt, stream)).await
    }
}

/// POST JSON with a fresh client.
pub async fn send(address: SocketAddr, path: &str, body: String) -> anyhow::Result<Response<Incoming>> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/json")
        .header("x-api-key", "callers-own-key")
        .body(Full::new(Bytes::from(body)))?;
    Ok(client.request(request).await?)
}

pub fn messages_body(model: &str, prompt: &str, stream: bool) -> Value {
    json!({ "model": model, "max_tokens": 1000, "stream": stream, "messages": [{ "role": "user", "content": prompt }] })
}

pub fn chat_body(model: &str, prompt: &str, stream: bool) -> Value {
    json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": prompt }] })
}

/// A whole reply.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// The connection broke before the body was complete.
    pub broken: bool,
}

impl Answer {
    pub async fn read(response: Response<Incoming>) -> Answer {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut broken) = (Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default()),
                // Over HTTP/2 the same error would come again and again.
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        let body = String::from_utf8(bytes).expect("text");
        Answer { status: head.status, headers: head.headers, body, broken }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The JSON of each `data:` line.
    pub fn events(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON events")).collect()
    }

    /// What was said, whatever the protocol, streamed or not.
    pub fn text(&self) -> String {
        if !self.body.contains("data: ") {
            let json = self.json();
            let blocks = json["content"].as_array().into_iter().flatten().filter_map(|block| block["text"].as_str());
            let chat = json["choices"][0]["message"]["content"].as_str();
            return blocks.chain(chat).collect();
        }
        let events = self.events();
        let delta = |event: &Value| -> Option<String> {
            let text = event["delta"]["text"].as_str().or(event["choices"][0]["delta"]["content"].as_str())?;
            Some(text.to_owned())
        };
        events.iter().filter_map(delta).collect()
    }

    /// Did the stream end as its protocol says that complete streams end?
    pub fn complete(&self) -> bool {
        !self.broken && (self.body.ends_with("data: [DONE]\n\n") || self.body.contains("\"type\":\"message_stop\""))
    }
}

/// A behaviour by its word.
pub fn behave(word: &str) -> Behaviour {
    word.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The same with a pause before each piece of content, so that the pieces reach the gateway one by one: what arrives
/// together with a failure is held back and fails over.
pub fn slowly(word: &str) -> Behaviour {
    Behaviour { between_tokens: Duration::from_millis(50), ..behave(word) }
}

/// Wait until it is so, but not for ever.
pub async fn wait_until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..1000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never so: {what}");
}
