//! Every fault of an upstream that can be made on loopback, by its number in `list.txt`: a caller with a second target notices
//! nothing of it, or, after the first content, is told in its own protocol. `coverage.rs` makes the table of all faults.

mod coverage;
mod cut;
mod http2;
mod names;
mod reused;
mod streams;
mod upstream;
mod vanished;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::net::Network;
use pointsman::server::Port;
use pointsman_tests::{Answer, chat_body, messages_body, send};

/// A gateway whose first target is at `base_url` and whose second one is well.
pub struct Line {
    address: std::net::SocketAddr,
    /// The second target.
    pub good: Fake,
    gateway: Arc<Gateway>,
}

impl Line {
    /// An impatient one, whose breaker never opens. `adapter` speaks to the first target; `more` is added to the configuration.
    pub async fn start(adapter: &str, base_url: &str, more: &str) -> Line {
        let impatient = r#"
            [timeouts]
            connect = "300ms"
            headers = "300ms"
            first_token = "500ms"
            reply = "500ms"
            idle = "500ms"
            between_tokens = "700ms"
            total = "10s"
            [breaker]
            faults = 100000
            samples = 100000
            success_rate = 0.0
            "#;
        Self::on(&Network::System, adapter, base_url, &format!("{impatient}{more}")).await
    }

    /// With the usual settings, but for `more`.
    pub async fn usual(base_url: &str, more: &str) -> Line {
        Self::on(&Network::System, "openai-chat", base_url, more).await
    }

    /// The model `both` has both targets, `alone` has the first one and makes one attempt.
    pub async fn on(network: &Network, adapter: &str, base_url: &str, more: &str) -> Line {
        let good = Fake::start(Protocol::OpenAiChat).await.expect("a port");
        let text = format!(
            r#"
            [providers.broken]
            adapter = "{adapter}"
            base_url = "{base_url}"
            key = "k"
            [providers.good]
            adapter = "openai-chat"
            base_url = "{}"
            key = "k"
            [models.both]
            targets = ["broken/first", "good/second"]
            [models.alone]
            settings = {{ attempts = 1 }}
            targets = ["broken/first"]
            {more}
            "#,
            good.base_url()
        );
        let parsed = config::parse(&text, Path::new("test.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let gateway = Gateway::on(network, parsed, clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let address = port.address().expect("an address");
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Line { address, good, gateway }
    }

    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// Callers of two protocols, so that the first target's reply is passed on to one and translated for the other.
    pub async fn ask(&self, caller: Caller, stream: bool) -> Answer {
        self.ask_for("both", caller, stream).await
    }

    pub async fn ask_for(&self, model: &str, caller: Caller, stream: bool) -> Answer {
        let (path, body) = match caller {
            Caller::OpenAi => ("/v1/chat/completions", chat_body(model, "write 20 words", stream)),
            Caller::Anthropic => ("/v1/messages", messages_body(model, "write 20 words", stream)),
        };
        Answer::read(send(self.address, path, body.to_string()).await.expect("an answer")).await
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Caller {
    OpenAi,
    Anthropic,
}

pub const CALLERS: [Caller; 2] = [Caller::OpenAi, Caller::Anthropic];
