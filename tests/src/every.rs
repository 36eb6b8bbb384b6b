//! A gateway in front of every kind of provider: `fixtures/gateway.toml`, in which each model is a provider's name.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Behaviour, Fake, Protocol, Seen};
use pointsman::gateway::Gateway;
use pointsman::server::Port;

const EMBEDDINGS: &str = "-embeddings";
const PROTOCOLS: [Protocol; 6] = [
    Protocol::AnthropicMessages,
    Protocol::OpenAiChat,
    Protocol::OpenAiResponses,
    Protocol::Gemini,
    Protocol::Bedrock,
    Protocol::Ollama,
];

/// See the module.
pub struct Every {
    /// By protocol.
    pub fakes: BTreeMap<String, Fake>,
    pub address: SocketAddr,
    pub providers: Vec<String>,
    /// Models of providers that embed with another one.
    embedding: Vec<String>,
    pub gateway: Arc<Gateway>,
}

impl Every {
    pub async fn start() -> Every {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gateway.toml");
        let mut text = std::fs::read_to_string(&file).expect("the configuration");
        let mut fakes = BTreeMap::new();
        for protocol in PROTOCOLS {
            let fake = Fake::start(protocol).await.expect("a port");
            text = text.replace(&format!("{{{protocol}}}"), &fake.base_url());
            if protocol == Protocol::OpenAiChat {
                text = text.replace("{azure}", &format!("http://{}", fake.address()));
            }
            fakes.insert(protocol.to_string(), fake);
        }
        let parsed = config::parse(&text, &file, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let models: Vec<String> = parsed.models.iter().map(|model| model.pattern.to_string()).collect();
        let (embedding, providers) = models.into_iter().partition(|model| model.ends_with(EMBEDDINGS));
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let gateway = Gateway::new(parsed, clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Every { fakes, address, providers, embedding, gateway }
    }

    /// The model to ask a provider for embeddings.
    pub fn embedding_model(&self, provider: &str) -> String {
        let other = format!("{provider}{EMBEDDINGS}");
        if self.embedding.contains(&other) { other } else { provider.to_owned() }
    }

    /// All providers, from the next request on.
    pub fn behave(&self, behaviour: &Behaviour) {
        for fake in self.fakes.values() {
            fake.behave(behaviour.clone());
        }
    }

    /// How many requests each fake has seen.
    pub fn seen(&self) -> BTreeMap<String, usize> {
        self.fakes.iter().map(|(name, fake)| (name.clone(), fake.seen().len())).collect()
    }

    /// The requests that came since.
    pub fn since(&self, before: &BTreeMap<String, usize>) -> Vec<Seen> {
        let new = self.fakes.iter().map(|(name, fake)| {
            let from = before.get(name).copied().unwrap_or_default();
            fake.seen().split_off(from)
        });
        new.flatten().collect()
    }
}
