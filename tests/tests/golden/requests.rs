//! Each client's request to each provider: what the provider got, what was dropped, what was refused, what it answered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use pointsman_tests::{Answer, send};
use serde_json::{Value, json};

use super::files::{Golden, entries, fixtures, read, stem};
use super::table::{Cell, Table};

const PROTOCOLS: [Protocol; 6] = [
    Protocol::AnthropicMessages,
    Protocol::OpenAiChat,
    Protocol::OpenAiResponses,
    Protocol::Gemini,
    Protocol::Bedrock,
    Protocol::Ollama,
];

/// The gateway of `fixtures/gateway.toml`.
struct All {
    fakes: BTreeMap<String, Fake>,
    address: std::net::SocketAddr,
    /// Providers, with the protocol and the fake of each.
    providers: Vec<String>,
    _gateway: Arc<Gateway>,
}

impl All {
    async fn start() -> All {
        let mut text = read(&fixtures("gateway.toml"));
        let mut fakes = BTreeMap::new();
        for protocol in PROTOCOLS {
            let fake = Fake::start(protocol).await.expect("a port");
            text = text.replace(&format!("{{{protocol}}}"), &fake.base_url());
            if protocol == Protocol::OpenAiChat {
                text = text.replace("{azure}", &format!("http://{}", fake.address()));
            }
            fakes.insert(protocol.to_string(), fake);
        }
        let parsed = config::parse(&text, Path::new("gateway.toml"), &|_| None);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
        let providers = parsed.models.iter().map(|model| model.pattern.to_string()).collect();
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let gateway = Gateway::new(parsed, clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        let serving = port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO);
        tokio::spawn(serving);
        All { fakes, address, providers, _gateway: gateway }
    }

    fn requests_seen(&self) -> usize {
        self.fakes.values().map(|fake| fake.seen().len()).sum()
    }

    /// The newest request that any provider got, if it is newer than the first `before`.
    fn sent(&self, before: &BTreeMap<String, usize>) -> Option<pointsman::fake::Seen> {
        self.fakes.iter().find_map(|(name, fake)| fake.seen().get(before[name]).cloned())
    }
}

/// Where a client of this protocol asks for that model.
fn path(client: &str, model: &str) -> String {
    match client {
        "openai-chat" => "/v1/chat/completions".to_owned(),
        "openai-responses" => "/v1/responses".to_owned(),
        "openai-embeddings" => "/v1/embeddings".to_owned(),
        "anthropic-messages" => "/v1/messages".to_owned(),
        "gemini" => format!("/v1beta/models/{model}:generateContent"),
        other => panic!("no client speaks {other}"),
    }
}

/// What was said, in any client's protocol.
fn said(client: &str, reply: &Value) -> String {
    let texts = |list: &Value, field: &str| -> String {
        list.as_array().into_iter().flatten().filter_map(|part| part[field].as_str()).collect()
    };
    match client {
        "openai-chat" => reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
        "openai-responses" => {
            let items = reply["output"].as_array().into_iter().flatten();
            items
                .map(|item| if item["type"] == "message" { texts(&item["content"], "text") } else { String::new() })
                .collect()
        }
        "anthropic-messages" => texts(&reply["content"], "text"),
        "gemini" => {
            let parts = reply["candidates"][0]["content"]["parts"].as_array().into_iter().flatten();
            parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect()
        }
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_every_provider() {
    let all = All::start().await;
    let (mut golden, mut table) = (Golden::default(), Table::new(&all.providers));
    for feature in entries(&fixtures("requests")) {
        for file in entries(&feature) {
            let client = stem(&file);
            let mut told = serde_json::Map::new();
            for provider in &all.providers {
                let before = all.fakes.iter().map(|(name, fake)| (name.clone(), fake.seen().len())).collect();
                let body = read(&file).replace("\"MODEL\"", &format!("\"{provider}\""));
                let response = send(all.address, &path(&client, provider), body.clone()).await.expect("an answer");
                let answer = Answer::read(response).await;
                let sent = all.sent(&before);
                let cell = Cell::of(&answer);
                told.insert(provider.clone(), tell(&client, &answer, sent.as_ref(), &body, provider));
                table.set(&stem(&feature), &client, provider, cell);
            }
            let text = serde_json::to_string_pretty(&told).expect("JSON");
            golden.compare(&format!("requests/{}/{client}.json", stem(&feature)), &format!("{text}\n"));
        }
    }
    assert!(all.requests_seen() > 0);
    golden.compare("../../../plugins/adapters/TABLE.md", &table.to_string());
    golden.finish();
}

fn tell(client: &str, answer: &Answer, sent: Option<&pointsman::fake::Seen>, body: &str, model: &str) -> Value {
    let mut told = json!({ "status": answer.status.as_u16() });
    if answer.status.is_success() {
        let reply = answer.json();
        told["said"] = said(client, &reply).into();
    } else {
        told["error"] = answer.json();
    }
    if !answer.header("x-pointsman-dropped").is_empty() {
        told["dropped"] = answer.header("x-pointsman-dropped").into();
    }
    let Some(sent) = sent else { return told };
    told["path"] = sent.path.clone().into();
    let text = String::from_utf8_lossy(&sent.body);
    // The same protocol on both sides: the very bytes, but for the model's name.
    let (was, is) =
        (body.replacen(&format!("\"{model}\""), "MODEL", 1), text.replacen(&format!("\"{}\"", sent.model), "MODEL", 1));
    told["body"] = match was == is {
        true => "the caller's own bytes".into(),
        false => serde_json::from_slice(&sent.body).unwrap_or_else(|_| text.into_owned().into()),
    };
    told
}
