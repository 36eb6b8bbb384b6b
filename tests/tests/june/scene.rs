//! A gateway with default settings, its three providers, and the way to them: sockets, or memory.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Director, Fake, Protocol};
use pointsman::gateway::{self, Gateway};
use pointsman::net::{Dial, Dialling, Door, Network, Wire};
use pointsman::server::Port;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PATIENCE;
use super::caller::{Call, Entry, Question, Route, call_all};
use super::morning::Morning;
use super::provider::{Provider, Speed};

const BEGINNING_UNIX: Duration = Duration::from_secs(1_780_394_400);

/// What connects callers, gateway and providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Sockets of the loopback interface, in real time.
    Real,
    /// Memory: for a runtime whose clock is paused.
    Memory,
}

pub struct Scene {
    /// By the route that has it first.
    providers: [(Route, Arc<Provider>); 3],
    _fakes: Vec<Fake>,
    pub gateway: Arc<Gateway>,
    entry: Entry,
    _helpers: JoinSet<()>,
}

/// Providers in memory, by their hosts.
struct Doors(HashMap<String, Door>);

impl Dial for Doors {
    fn dial(&self, host: &str, _: u16) -> Dialling {
        let door = self.0.get(host).cloned();
        Box::pin(async move {
            let stream = door.ok_or(io::ErrorKind::NotFound)?.knock()?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}
fn configuration(urls: &[String], policy: &str, settings: &str) -> config::Config {
    let settings = if settings.is_empty() { String::new() } else { format!("settings = {{ {settings} }}") };
    let text = format!(
        r#"
        [providers.anthropic]
        adapter = "anthropic-messages"
        base_url = "{}"
        key = "key-of-anthropic"

        [providers.openai]
        adapter = "openai-chat"
        base_url = "{}"
        key = "key-of-openai"

        [providers.gemini]
        adapter = "gemini"
        base_url = "{}"
        key = "key-of-gemini"

        [models."claude-*"]
        policy = "{policy}"
        {settings}
        targets = ["anthropic/*", "openai/gpt-5.5"]

        [models."gpt-*"]
        targets = ["openai/*", "anthropic/claude-sonnet-4-5"]

        [models."gemini-*"]
        targets = ["gemini/*"]
        "#,
        urls[0], urls[1], urls[2],
    );
    config::parse(&text, Path::new("june.toml"), &|_| None).unwrap_or_else(|error| panic!("{policy}: {error}"))
}

impl Scene {
    /// `seed` decides what the providers and the gateway do by chance.
    pub async fn start(
        line: Line,
        policy: &str,
        settings: &str,
        speeds: [Speed; 3],
        morning: Option<&Morning>,
        seed: u64,
    ) -> Scene {
        let protocols = [Protocol::AnthropicMessages, Protocol::OpenAiChat, Protocol::Gemini];
        let names = [(Route::Claude, "anthropic"), (Route::Gpt, "openai"), (Route::Healthy, "gemini")];
        let (mut fakes, mut urls, mut doors) = (Vec::new(), Vec::new(), HashMap::new());
        let providers = [0, 1, 2].map(|at| {
            let (route, name) = names[at];
            let morning = morning.filter(|_| route == Route::Claude).cloned();
            (route, Provider::new(name, speeds[at], morning, seed))
        });
        for ((_, provider), protocol) in providers.iter().zip(protocols) {
            let director = Arc::clone(provider) as Arc<dyn Director>;
            match line {
                Line::Real => {
                    let fake = Fake::start_directed(protocol, director).await.expect("a port");
                    urls.push(fake.base_url());
                    fakes.push(fake);
                }
                Line::Memory => {
                    let (fake, door) = Fake::directed(protocol, director);
                    let host = format!("{}.june", provider.name());
                    urls.push(protocol.base_url(&host));
                    doors.insert(host, door);
                    fakes.push(fake);
                }
            }
        }
        let network = match line {
            Line::Real => Network::System,
            Line::Memory => Network::Simulated(Arc::new(Doors(doors))),
        };
        let clock = Clock::seeded(BEGINNING_UNIX, seed);
        let gateway = Gateway::on(&network, configuration(&urls, policy, settings), clock).await.expect("a gateway");
        let (port, entry) = match line {
            Line::Real => {
                let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
                let address = port.address().expect("an address");
                (port, Entry::Port(Box::new(Client::builder(TokioExecutor::new()).build_http()), address))
            }
            Line::Memory => {
                let (port, door) = Port::memory();
                (port, Entry::Door(door))
            }
        };
        let mut helpers = JoinSet::new();
        helpers.spawn(gateway::probe(Arc::clone(&gateway)));
        helpers.spawn(gateway::look_after(Arc::clone(&gateway)));
        helpers.spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        Scene { providers, _fakes: fakes, gateway, entry, _helpers: helpers }
    }

    pub fn begin(&self, at: Instant) {
        self.providers.iter().for_each(|(_, provider)| provider.begin(at));
    }

    /// Ask all, and learn from the providers whom each call met first.
    pub async fn play(&self, began: Instant, questions: Vec<Question>) -> Vec<Call> {
        let mut calls = call_all(&self.entry, began, questions, PATIENCE).await;
        let arrivals = self.providers.each_ref().map(|(_, provider)| (provider.name(), provider.first_arrivals()));
        for call in &mut calls {
            let number = call.question.number;
            let met = arrivals.iter().filter_map(|(name, first)| Some((first.get(&number)?, *name)));
            // Of a call that needed one attempt its answer says it: whoever else met it was probed beside it.
            let only = (call.attempts == 1).then(|| call.target.split('/').next()).flatten();
            let met = met.filter(|(_, name)| only.is_none_or(|only| only == *name));
            call.asked_first = met.min().map(|(_, name)| name);
            let provider = self.providers.iter().find(|(route, _)| *route == call.question.route);
            let times = provider.expect("each route has one").1.times(number);
            call.expected = if call.question.stream { times.first_token } else { times.whole(call.question.words) };
        }
        calls
    }
}
