//! `pointsman plugin …`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Subcommand;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use super::check::columns;
use crate::config::Secret;
use crate::gateway::SlotView;
use crate::plugin::{Kind, Plugin};
use crate::server::{LoadReply, TOKEN_HELP};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The running gateway's plugins: what is live, staged and previous, calls and faults.
    List(Admin),
    /// What a file is: its world, digest, imports and exports. Needs no gateway.
    Inspect { file: PathBuf },
    /// Compile and check a file in the running gateway, and stage it under a name. Nothing uses it yet.
    Load {
        file: PathBuf,
        /// A plugin's name, such as `failover`. Under a new name it is live at once; a route or
        /// provider uses it when the configuration gives the file under `[plugins.NAME]`.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Make the staged version live. Requests that are being answered finish on the version they began with.
    Swap {
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// Make the previous version live again.
    Rollback {
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
}

/// How to reach the running gateway.
#[derive(Debug, clap::Args)]
pub struct Admin {
    /// Its admin address.
    #[arg(long, env = "POINTSMAN_ADMIN", default_value = crate::config::ADMIN_ADDRESS)]
    admin: SocketAddr,
    /// Its admin token, better given in the environment.
    #[arg(long, env = "POINTSMAN_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = token)]
    token: Option<Secret>,
}

fn token(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

pub async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::List(admin) => list(&admin).await?,
        Verb::Inspect { file } => inspect(&file).await?,
        Verb::Load { file, name, admin } => {
            let bytes = tokio::fs::read(&file).await.with_context(|| format!("reading {}", file.display()))?;
            let slot = changed(&admin, &format!("/plugins/{name}"), bytes).await?;
            match &slot.staged {
                Some(staged) => {
                    println!("{name}: staged {} beside {}", short(&staged.sha256), short(&slot.live.sha256));
                    eprintln!("make it live: pointsman plugin swap {name}");
                }
                None => {
                    println!("{name}: new, {}", short(&slot.live.sha256));
                    eprintln!("to use it in routes or providers, name its file in the configuration: [plugins.{name}]");
                }
            }
        }
        Verb::Swap { name, admin } => {
            moved(&name, &changed(&admin, &format!("/plugins/{name}/swap"), Vec::new()).await?);
        }
        Verb::Rollback { name, admin } => {
            moved(&name, &changed(&admin, &format!("/plugins/{name}/rollback"), Vec::new()).await?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn moved(name: &str, slot: &SlotView) {
    let before = slot.previous.as_ref().map_or("nothing", |previous| short(&previous.sha256));
    println!("{name}: {before} → {}", short(&slot.live.sha256));
    eprintln!("undo: pointsman plugin rollback {name}");
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

async fn inspect(file: &Path) -> anyhow::Result<()> {
    let bytes = tokio::fs::read(file).await.with_context(|| format!("reading {}", file.display()))?;
    let plugin = Plugin::load("inspected", &bytes).await.with_context(|| format!("{} is no plugin", file.display()))?;
    println!("world    {}", plugin.kind);
    println!("sha256   {}", plugin.sha256);
    println!("bytes    {}", plugin.bytes);
    println!(
        "imports  no function{}",
        match plugin.imports.as_slice() {
            [] => String::new(),
            types => format!(" (types of {})", types.join(", ")),
        }
    );
    println!("exports  {}", plugin.exports.join(", "));
    let Some(codec) = &plugin.codec else { return Ok(()) };
    if let Some(description) = &codec.client_description {
        for endpoint in &description.endpoints {
            println!("answers  {} {} ({})", endpoint.method, endpoint.path, description.protocol);
        }
    }
    if matches!(plugin.kind, Kind::Adapter { provider: true, .. }) {
        match codec.describe(&"{}".to_owned()).await {
            Ok(description) => {
                let base_url = description.default_base_url.as_deref().unwrap_or("no default base URL");
                println!("asks     {base_url} ({})", description.protocol);
            }
            Err(error) => println!("asks     what its settings say; without any: {error}"),
        }
    }
    Ok(())
}

async fn list(admin: &Admin) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Reply {
        plugins: Vec<SlotView>,
    }
    let reply: Reply = serde_json::from_slice(&ask(admin, Method::GET, "/plugins", Vec::new()).await?)?;
    let rows: Vec<[String; 7]> = reply
        .plugins
        .iter()
        .map(|slot| {
            let version = |version: &Option<crate::gateway::VersionView>| {
                version.as_ref().map_or("-".to_owned(), |version| short(&version.sha256).to_owned())
            };
            let (calls, faults) = (slot.live.calls.to_string(), slot.live.faults.to_string());
            let live = short(&slot.live.sha256).to_owned();
            [slot.name.clone(), slot.kind.clone(), live, version(&slot.staged), version(&slot.previous), calls, faults]
        })
        .collect();
    print!("{}", columns(["NAME", "WORLD", "LIVE", "STAGED", "PREVIOUS", "CALLS", "FAULTS"], &rows));
    Ok(())
}

async fn changed(admin: &Admin, path: &str, body: Vec<u8>) -> anyhow::Result<SlotView> {
    let reply: LoadReply = serde_json::from_slice(&ask(admin, Method::POST, path, body).await?)?;
    Ok(reply.slot)
}

async fn ask(admin: &Admin, method: Method, path: &str, body: Vec<u8>) -> anyhow::Result<Bytes> {
    let token = admin.token.as_ref().ok_or_else(|| anyhow!("there is no admin token: {TOKEN_HELP}"))?;
    let stream = tokio::net::TcpStream::connect(admin.admin).await.with_context(|| {
        format!(
            "no gateway answers at {} (is it running, with an admin token? --admin names another address)",
            admin.admin
        )
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", admin.admin.to_string())
        .header("authorization", format!("Bearer {}", token.reveal()))
        .body(Full::new(Bytes::from(body)))
        .with_context(|| format!("`{path}` cannot be asked for"))?;
    let response = sender.send_request(request).await.context("asking the gateway")?;
    let status = response.status();
    let body = response.into_body().collect().await.context("reading the gateway's answer")?.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let told: Option<String> = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|value| Some(value["error"]["message"].as_str()?.to_owned()));
    bail!("{}", told.unwrap_or_else(|| format!("the gateway answered {status}")))
}
