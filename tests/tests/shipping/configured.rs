//! Plugins that the configuration names by URL or by package: fetched once, kept for the next start, and no reason to fall.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pointsman::fake::{Fake, Protocol};
use serde_json::Value;

use super::attacks::{manifest, sha256};
use super::bundled;
use super::evil::{Evil, Reply};
use super::program::{Folder, Serving, TOKEN, run};

/// A host of `/p.wasm` and of the package `team/q`, which can be down.
struct Host {
    evil: Evil,
    up: Arc<AtomicBool>,
    package: String,
}

impl Host {
    async fn start() -> Host {
        let up = Arc::new(AtomicBool::new(true));
        let (package, shared) = (manifest(bundled("sticky").bytes), Arc::clone(&up));
        let told = package.clone();
        let evil = Evil::start(move |asked| match asked.line.as_str() {
            _ if !shared.load(Ordering::Relaxed) => Reply::status(503),
            "GET /p.wasm" => Reply::ok(bundled("fastest").bytes),
            line if line.starts_with("GET /v2/team/q/manifests/") => Reply::ok(told.clone()),
            line if line.starts_with("GET /v2/team/q/blobs/") => Reply::ok(bundled("sticky").bytes),
            _ => Reply::status(404),
        });
        Host { evil: evil.await, up, package }
    }

    /// `[plugins.NAME]` and where it comes from.
    fn url(&self, name: &str) -> String {
        let (port, sha256) = (self.evil.port, &bundled("fastest").sha256);
        format!("[plugins.{name}]\nurl = \"http://127.0.0.1:{port}/p.wasm\"\nsha256 = \"{sha256}\"\n")
    }

    fn package(&self, name: &str) -> String {
        let (port, digest) = (self.evil.port, sha256(self.package.as_bytes()));
        format!("[plugins.{name}]\noci = \"127.0.0.1:{port}/team/q:1@sha256:{digest}\"\n")
    }

    /// How often a component was asked for.
    fn fetches(&self) -> usize {
        let is_component = |line: &str| line == "GET /p.wasm" || line.contains("/blobs/");
        self.evil.seen().iter().filter(|seen| is_component(&seen.line)).count()
    }
}

fn configuration(fake: &Fake, server: &str, more: &str) -> String {
    let url = fake.base_url();
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"{TOKEN}\"\n{server}\n[providers.a]\n\
         adapter = \"anthropic-messages\"\nbase_url = \"{url}\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/claude\"]\n{more}"
    )
}

/// The digest of what is live.
async fn live(serving: &Serving, name: &str) -> String {
    let (code, out, err) = serving.plugin(&["list", "--json"]).await;
    assert_eq!(code, 0, "{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let slot = told["plugins"].as_array().into_iter().flatten().find(|slot| slot["name"] == name);
    slot.and_then(|slot| slot["live"]["sha256"].as_str()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_was_fetched_serves_again_while_its_host_is_down() {
    let folder = Folder::new("kept");
    let fake = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let host = Host::start().await;
    let more = format!("{}{}", host.url("p"), host.package("q"));
    let path = folder.write("pointsman.toml", configuration(&fake, "state = \"state\"", &more));
    let both = async |serving: &Serving| {
        assert_eq!(live(serving, "p").await, bundled("fastest").sha256);
        assert_eq!(live(serving, "q").await, bundled("sticky").sha256);
    };
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    both(&serving).await;
    assert_eq!(serving.target("x").await, "a/claude");
    assert_eq!(host.fetches(), 2);
    // A saved configuration does not fetch again what it has.
    folder.write("pointsman.toml", configuration(&fake, "state = \"state\"", &more).replace("a/claude", "a/claude-2"));
    for attempt in 0.. {
        if serving.target("x").await == "a/claude-2" {
            break;
        }
        assert!(attempt < 100, "the change is seen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(host.fetches(), 2);
    serving.stop().await;

    host.up.store(false, Ordering::Relaxed);
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    both(&serving).await;
    assert_eq!(host.fetches(), 2, "the host is not even asked");
    serving.stop().await;

    // What changed on the disk is not taken.
    let kept = folder.path(&format!("state/packages/{}.wasm", bundled("fastest").sha256));
    let mut bytes = std::fs::read(&kept).expect("it is kept");
    bytes[100] ^= 1;
    std::fs::write(&kept, bytes).expect("written");
    // Where what served before is known, nothing else is needed.
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    both(&serving).await;
    serving.stop().await;
    for file in std::fs::read_dir(folder.path("state")).expect("the state") {
        let file = file.expect("a file").path();
        let is_memory = |name: &str| name.starts_with("rollouts") || name.starts_with("slots");
        if file.file_name().is_some_and(|name| is_memory(&name.to_string_lossy())) {
            std::fs::remove_file(file).expect("gone");
        }
    }
    let (code, _, err) = run(&["serve", "--config", &path], &[]).await;
    assert!(code == 2 && err.contains("is damaged") && err.contains("plugins.p") && err.contains("503"), "{err}");
    host.up.store(true, Ordering::Relaxed);
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    both(&serving).await;
    serving.stop().await;
}

#[tokio::test]
async fn a_host_that_is_down_keeps_down_only_what_nothing_else_can_serve() {
    let folder = Folder::new("down");
    let fake = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let host = Host::start().await;
    let write = |more: &str| folder.write("pointsman.toml", configuration(&fake, "", more));

    // A reload that cannot have its plugin changes nothing.
    let path = write(&host.url("failover"));
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    assert_eq!(live(&serving, "failover").await, bundled("fastest").sha256);
    host.up.store(false, Ordering::Relaxed);
    write(&host.package("failover"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(live(&serving, "failover").await, bundled("fastest").sha256);
    assert_eq!(serving.target("x").await, "a/claude");
    let (_, said) = serving.stop().await;
    assert!(said.contains("the old one stays") && said.contains("plugins.failover: 127.0.0.1:"), "{said}");

    // At a start the built-in one of that name serves; where there is none, it is said why nothing does.
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    assert_eq!(live(&serving, "failover").await, bundled("failover").sha256);
    assert_eq!(serving.target("x").await, "a/claude");
    let (_, said) = serving.stop().await;
    assert!(said.contains("the built-in one serves in its place") && said.contains("503"), "{said}");
    for plugin in [host.url("mine"), host.package("mine")] {
        let path = write(&plugin);
        let (code, _, err) = run(&["serve", "--config", &path], &[]).await;
        assert!(code == 2 && err.contains("plugins.mine") && err.contains("503"), "{err}");
    }

    // By the command line, into one that runs.
    host.up.store(true, Ordering::Relaxed);
    let path = write("");
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    let package = format!("oci://127.0.0.1:{}/team/q:1", host.evil.port);
    let (code, out, err) = serving.plugin(&["load", &package, "--as", "failover"]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&format!("staged {}", &bundled("sticky").sha256[..12])), "{out}");
    let url = format!("http://127.0.0.1:{}/p.wasm", host.evil.port);
    let (code, _, err) = serving.plugin(&["load", &url, "--as", "failover"]).await;
    assert!(code == 2 && err.contains("needs a digest"), "{err}");
    let (code, out, _) =
        serving.plugin(&["load", &url, "--sha256", bundled("fastest").sha256, "--as", "new", "--json"]).await;
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, told["slot"]["live"]["sha256"].as_str()), (0, Some(bundled("fastest").sha256)));
    serving.stop().await;
}
