//! `pointsman demo`: the outage of 2 June 2026 in half a minute. First one model answers 529, then the provider is slow,
//! then silent; in the middle of it the policy is replaced. No request may be lost.

mod screen;
mod traffic;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pointsman_bundle::BUNDLED;
use tokio::sync::watch;
use tokio::time::Instant;

use self::screen::Screen;
use self::traffic::{OPUS, SONNET, Traffic};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::fake::{Behaviour, Fake, Fault, Protocol};
use crate::gateway::Gateway;
use crate::server::Port;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Requests a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    rate: u32,
    /// How long each of the six scenes is played, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=60))]
    scene: u32,
}

/// What the fakes need to their first token when they are well.
const WELL: Duration = Duration::from_millis(40);
const SLOW: Duration = Duration::from_millis(1200);

struct Stage {
    anthropic: Fake,
    openai: Fake,
    gateway: Arc<Gateway>,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let anthropic = Fake::start(Protocol::AnthropicMessages).await?;
    let openai = Fake::start(Protocol::OpenAiChat).await?;
    let well = Behaviour { first_token: WELL, between_tokens: Duration::from_millis(5), ..Behaviour::default() };
    anthropic.behave(well.clone());
    openai.behave(well.clone());
    eprintln!("two fake providers are running; compiling the built-in plugins …");
    let gateway = Gateway::new(configuration(&anthropic, &openai)?, Clock::system()).await?;
    let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await?;
    let address = port.address()?;
    let (stop, mut stopped) = watch::channel(false);
    let serving = tokio::spawn(port.serve(
        Arc::clone(&gateway),
        async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        },
        Duration::from_secs(10),
    ));
    let stage = Stage { anthropic, openai, gateway };
    let traffic = Traffic::start(address, arguments.rate);
    let mut screen = Screen::new(address, arguments.rate);
    play(&stage, &traffic, &mut screen, Duration::from_secs(arguments.scene.into()), &well).await?;
    let results = traffic.stop().await;
    stop.send_replace(true);
    serving.await.context("the gateway stopped badly")?;
    let nothing_lost = screen.summary(&results);
    Ok(if nothing_lost { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The scenes, in order.
async fn play(
    stage: &Stage,
    traffic: &Traffic,
    screen: &mut Screen,
    scene: Duration,
    well: &Behaviour,
) -> anyhow::Result<()> {
    let overloaded = Behaviour { fault: Fault::Status { status: 529, retry_after_s: None }, ..Behaviour::default() };
    let slow = Behaviour { first_token: SLOW, ..well.clone() };
    let silent = Behaviour { fault: Fault::HangBeforeHeaders, ..Behaviour::default() };
    act(screen, traffic, scene, "all is well").await;
    stage.anthropic.behave_for(OPUS, overloaded);
    act(screen, traffic, scene, "Anthropic answers 529 for one model").await;
    stage.anthropic.behave(slow.clone());
    stage.anthropic.behave_for(OPUS, slow);
    act(screen, traffic, scene, "Anthropic is slow: 1.2 s to the first token").await;
    let before = live(&stage.gateway);
    let fastest =
        BUNDLED.iter().find(|bundled| bundled.name == "fastest").context("the policy `fastest` is built in")?;
    stage.gateway.load("failover", fastest.bytes).await?;
    stage.gateway.swap("failover", false).await?;
    screen.say(&format!("policy swapped while requests run: failover@{before} → failover@{}", live(&stage.gateway)));
    act(screen, traffic, scene, "still slow, but the new policy prefers the fastest").await;
    stage.anthropic.behave(silent.clone());
    stage.anthropic.behave_for(OPUS, silent);
    stage.gateway.rollback("failover").await?;
    screen.say(&format!("rolled back: failover@{}", live(&stage.gateway)));
    act(screen, traffic, scene, "Anthropic is silent: connections open, nothing comes").await;
    stage.anthropic.behave(well.clone());
    stage.anthropic.behave_for(OPUS, well.clone());
    act(screen, traffic, scene, "Anthropic is back").await;
    screen.say(&format!(
        "the providers saw {} and {} requests; {} were given up on midway",
        stage.anthropic.seen().len(),
        stage.openai.seen().len(),
        stage.anthropic.cancelled(),
    ));
    Ok(())
}

async fn act(screen: &mut Screen, traffic: &Traffic, scene: Duration, title: &str) {
    screen.scene(title);
    let until = Instant::now() + scene;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(1)).await;
        screen.second(&traffic.second());
    }
}

fn live(gateway: &Gateway) -> String {
    gateway.table().slots.get("failover").map_or_else(String::new, |slot| slot.live.digest12().to_owned())
}

fn configuration(anthropic: &Fake, openai: &Fake) -> anyhow::Result<Config> {
    let text = format!(
        r#"
        [timeouts]
        first_token = "2s"
        reply = "2s"
        idle = "2s"

        [breaker]
        out = "2s"

        [providers.anthropic]
        adapter = "anthropic-messages"
        base_url = "{}"
        key = "demo-key"

        [providers.openai]
        adapter = "openai-chat"
        base_url = "{}"
        key = "demo-key"

        [models.{OPUS}]
        targets = ["anthropic/*", "openai/gpt-5"]

        [models.{SONNET}]
        targets = ["anthropic/*", "openai/gpt-5"]
        "#,
        anthropic.base_url(),
        openai.base_url()
    );
    Ok(config::parse(&text, Path::new("demo.toml"), &|_| None)?)
}
