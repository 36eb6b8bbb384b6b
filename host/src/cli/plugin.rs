//! `pointsman plugin …`

mod build;
mod history;
mod new;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use hyper::Method;
use serde::Deserialize;

use super::admin::{Admin, ask};
use super::check::columns;
use super::short;
use crate::gateway::{SlotView, VersionView};
use crate::plugin::{Kind, Plugin};
use crate::server::LoadReply;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A project for a plugin of your own, in Rust: it builds and passes its tests as it is.
    ///
    ///     pointsman plugin new day-and-night --policy
    #[command(verbatim_doc_comment)]
    New(new::Arguments),
    /// Build such a project to a component, and say what it is. Exit code 1 when it does not compile, or is no plugin.
    ///
    ///     pointsman plugin build day-and-night
    #[command(verbatim_doc_comment)]
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Try a policy's component as the gateway would call it, in hundreds of situations and in your own cases. Exit code 1
    /// when it is not fit to decide. Needs no gateway.
    ///
    ///     pointsman plugin test day_and_night.wasm --cases cases
    #[command(verbatim_doc_comment)]
    Test(test::Arguments),
    /// The running gateway's plugins: what is live, staged and previous, calls and faults; versions on trial, in the shadow,
    /// and those that were taken back by themselves.
    List {
        #[command(flatten)]
        admin: Admin,
        /// As the gateway tells it, in JSON.
        #[arg(long)]
        json: bool,
    },
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
    ///
    /// A version that traps, is too slow or talks nonsense is taken back by itself, and kept out: see `plugin list`.
    Swap {
        name: String,
        /// Even if it was taken back before.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Let the staged version of a policy decide for a share of the requests.
    ///
    /// It is taken back by itself if it misbehaves, or if its requests end worse than those beside it.
    Canary {
        name: String,
        /// Of a hundred requests: 1 to 99.
        percent: u8,
        /// Even if it was taken back before.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Let the staged version of a policy decide beside the live one, without being obeyed. `plugin list` counts how often they
    /// differ, and `explain` shows where.
    Shadow {
        name: String,
        #[command(flatten)]
        admin: Admin,
    },
    /// End a trial or a shadow; without one, make the previous version live again, or any that `plugin history` names.
    Rollback {
        name: String,
        /// The first digits of a version's digest.
        #[arg(long, value_name = "DIGEST")]
        to: Option<String>,
        /// With `--to`: even if it was taken back before.
        #[arg(long, requires = "to")]
        force: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// What was loaded, swapped, tried, rolled back or taken back by itself, when, by whom and why; of one plugin or of all.
    ///
    ///     pointsman plugin history failover
    #[command(verbatim_doc_comment)]
    History(history::Arguments),
}

pub async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::New(arguments) => return new::run(&arguments),
        Verb::Build { dir } => return build::run(&dir).await,
        Verb::Test(arguments) => return test::run(arguments).await,
        Verb::List { admin, json } => list(&admin, json).await?,
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
        Verb::Swap { name, force, admin } => {
            moved(&name, &changed(&admin, &format!("/plugins/{name}/swap?force={force}"), Vec::new()).await?);
        }
        Verb::Canary { name, percent, force, admin } => {
            let path = format!("/plugins/{name}/canary?percent={percent}&force={force}");
            let slot = changed(&admin, &path, Vec::new()).await?;
            println!(
                "{name}: {} for {percent} % of the requests, {} for the others",
                of(&slot.canary),
                short(&slot.live.sha256)
            );
            eprintln!("for all: pointsman plugin swap {name}; undo: pointsman plugin rollback {name}");
        }
        Verb::Shadow { name, admin } => {
            let slot = changed(&admin, &format!("/plugins/{name}/shadow"), Vec::new()).await?;
            println!("{name}: {} in the shadow of {}", of(&slot.shadow), short(&slot.live.sha256));
            eprintln!("what it would have done: pointsman plugin list; undo: pointsman plugin rollback {name}");
        }
        Verb::History(arguments) => history::run(arguments).await?,
        Verb::Rollback { name, to: Some(to), force, admin } => {
            moved(
                &name,
                &changed(&admin, &format!("/plugins/{name}/rollback?to={to}&force={force}"), Vec::new()).await?,
            );
        }
        Verb::Rollback { name, admin, .. } => {
            let before = slots(&ask(&admin, Method::GET, "/plugins", Vec::new()).await?)?;
            let slot = changed(&admin, &format!("/plugins/{name}/rollback"), Vec::new()).await?;
            match before.into_iter().find(|slot| slot.name == name).and_then(|slot| slot.canary.or(slot.shadow)) {
                Some(ended) => println!("{name}: {} ended; {} goes on", short(&ended.sha256), short(&slot.live.sha256)),
                None => moved(&name, &slot),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn moved(name: &str, slot: &SlotView) {
    let before = slot.previous.as_ref().map_or("nothing", |previous| short(&previous.sha256));
    println!("{name}: {before} → {}", short(&slot.live.sha256));
    eprintln!("undo: pointsman plugin rollback {name}");
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

async fn list(admin: &Admin, json: bool) -> anyhow::Result<()> {
    let told = ask(admin, Method::GET, "/plugins", Vec::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&told));
        return Ok(());
    }
    let slots = slots(&told)?;
    let rows: Vec<[String; 7]> = slots
        .iter()
        .map(|slot| {
            let (calls, faults) = (slot.live.calls.to_string(), slot.live.faults.to_string());
            let live = short(&slot.live.sha256).to_owned();
            [slot.name.clone(), slot.kind.clone(), live, of(&slot.staged), of(&slot.previous), calls, faults]
        })
        .collect();
    print!("{}", columns(["NAME", "WORLD", "LIVE", "STAGED", "PREVIOUS", "CALLS", "FAULTS"], &rows));
    for slot in &slots {
        let name = &slot.name;
        if let (Some(canary), Some(percent)) = (&slot.canary, slot.canary_percent) {
            let VersionView { good, bad, faults, .. } = canary;
            let id = short(&canary.sha256);
            println!("{name}: {id} on trial for {percent} %: {good} requests ended well, {bad} badly, {faults} faults");
        }
        if let Some(shadow) = &slot.shadow {
            let VersionView { alike, differing, faults, .. } = shadow;
            let id = short(&shadow.sha256);
            println!("{name}: {id} in the shadow: {alike} decisions alike, {differing} not, {faults} faults");
        }
        for (sha256, why) in &slot.barred {
            println!("{name}: {} was taken back by itself: {why}", short(sha256));
        }
    }
    Ok(())
}

fn slots(told: &[u8]) -> anyhow::Result<Vec<SlotView>> {
    #[derive(Deserialize)]
    struct Reply {
        plugins: Vec<SlotView>,
    }
    let reply: Reply = serde_json::from_slice(told).context("reading the gateway's answer")?;
    Ok(reply.plugins)
}

fn of(version: &Option<VersionView>) -> String {
    version.as_ref().map_or("-".to_owned(), |version| short(&version.sha256).to_owned())
}

async fn changed(admin: &Admin, path: &str, body: Vec<u8>) -> anyhow::Result<SlotView> {
    let reply: LoadReply = serde_json::from_slice(&ask(admin, Method::POST, path, body).await?)?;
    if let Some(why) = reply.not_kept {
        eprintln!("warning: this is in force, but is not written to the disk yet: {why}");
    }
    Ok(reply.slot)
}
