//! `pointsman plugin …`

mod build;
mod dev;
mod differences;
mod history;
mod inspect;
mod language;
mod new;
mod pack;
mod pull;
mod push;
mod template;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, ensure};
use clap::Subcommand;
use hyper::Method;
use serde::Deserialize;

use super::admin::{Admin, ask, send};
use super::check::columns;
use super::{print_json, short};
use crate::config::Gate;
use crate::gateway::{SlotView, VersionView};
use crate::plugin::Compiler;
use crate::plugin::signature::{self, SIGNATURE_HEADER};
use crate::server::LoadReply;
use crate::ship::{self, Digest, Place, Reference, Shelf};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// A project for a plugin of your own, in one of several languages: it builds and passes its tests as it is.
    ///
    ///     pointsman plugin new day-and-night --policy --lang python
    #[command(verbatim_doc_comment)]
    New(new::Arguments),
    /// Build such a project to a component in its folder, by the ordinary tools of its language, and say what it is. Exit
    /// code 1 when it does not compile, or is no plugin.
    ///
    ///     pointsman plugin build day-and-night
    #[command(verbatim_doc_comment)]
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// As JSON: `file`, `world`, `bytes`, `sha256`.
        #[arg(long)]
        json: bool,
    },
    /// Try a component as the gateway would call it, and by your own cases: a policy in hundreds of situations, and in a small
    /// version of every outage that `pointsman drill` knows; an adapter with hundreds of requests, and with replies and bodies
    /// that are none. Exit code 1 when it is not fit to serve. Needs no gateway and no provider.
    ///
    ///     pointsman plugin test day_and_night.wasm --cases cases
    #[command(verbatim_doc_comment)]
    Test(test::Arguments),
    /// While you write: build and test a project whenever one of its files is saved, and swap it into the running gateway. What
    /// does not build or is not fit to serve changes nothing. Ends with Ctrl-C.
    ///
    ///     pointsman plugin dev day-and-night --as failover
    #[command(verbatim_doc_comment)]
    Dev(dev::Arguments),
    /// The running gateway's plugins: what is live, staged and previous, calls and faults; versions on trial, in the shadow,
    /// and those that were taken back by themselves.
    List {
        #[command(flatten)]
        admin: Admin,
        /// As the gateway tells it, in JSON.
        #[arg(long)]
        json: bool,
    },
    /// What a file is: its world, contract, digest, imports and exports, its author's words and cases, its
    /// signature; of a policy that says so, what it does and what its settings are. Needs no gateway.
    Inspect(inspect::Arguments),
    /// Push a component to a registry, as an OCI artifact, and print its name with its digest. Logins are those of
    /// `docker login`, or POINTSMAN_REGISTRY_USER and POINTSMAN_REGISTRY_PASSWORD for the registry that POINTSMAN_REGISTRY
    /// names. Needs no gateway.
    ///
    ///     pointsman plugin push day_and_night.wasm registry.example/team/day-and-night:1.0
    #[command(verbatim_doc_comment)]
    Push(push::Arguments),
    /// Pull a component from a registry, and print its name with its digest. Needs no gateway.
    ///
    ///     pointsman plugin pull registry.example/team/day-and-night:1.0 -o day_and_night.wasm
    #[command(verbatim_doc_comment)]
    Pull(pull::Arguments),
    /// Check a file in the running gateway, and stage it under a name. Nothing uses it yet.
    ///
    /// It has to be a plugin, to compile within limits, to pass the cases in its package, and, where the
    /// gateway trusts only some keys, to be signed by one: FILE.minisig goes along.
    Load {
        /// A file, `https://…` with its `--sha256`, or `oci://REGISTRY/REPOSITORY:TAG@sha256:…`.
        #[arg(value_name = "FILE|URL|oci://…")]
        from: String,
        /// Of the component.
        #[arg(long, value_name = "DIGEST", value_parser = Digest::parse)]
        sha256: Option<Digest>,
        /// Ask registries by plain HTTP, which is else for those on this machine only.
        #[arg(long)]
        insecure: bool,
        /// A plugin's name, such as `failover`. Under a new name it is live at once; a route or
        /// provider uses it when the configuration gives the file under `[plugins.NAME]`.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        /// The plugin as it is then, in JSON.
        #[arg(long)]
        json: bool,
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
        /// The plugin as it is then, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Let the staged version serve a share of the requests: a policy decides for them, an adapter speaks for them.
    ///
    /// It is taken back by itself if it misbehaves, or if its requests end worse than those beside it.
    Canary {
        name: String,
        /// Of a hundred requests: 1 to 99.
        percent: u8,
        /// Even if it was taken back before.
        #[arg(long)]
        force: bool,
        /// The plugin as it is then, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Ask the staged version the same as the live one, without obeying it: a policy's decisions, an adapter's requests to
    /// providers and how it reads their replies. `plugin list` counts how often they differ, `plugin differences` shows where.
    Shadow {
        name: String,
        /// The plugin as it is then, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Where a version in the shadow would have answered otherwise, and in which situations.
    ///
    ///     pointsman plugin differences failover --last 3
    #[command(verbatim_doc_comment)]
    Differences(differences::Arguments),
    /// End a trial or a shadow; without one, make the previous version live again, or any that `plugin history` names.
    Rollback {
        name: String,
        /// The first digits of a version's digest.
        #[arg(long, value_name = "DIGEST")]
        to: Option<String>,
        /// With `--to`: even if it was taken back before.
        #[arg(long, requires = "to")]
        force: bool,
        /// The plugin as it is then, in JSON.
        #[arg(long)]
        json: bool,
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
        Verb::Build { dir, json } => return build::run(&dir, json).await,
        Verb::Test(arguments) => return test::run(arguments).await,
        Verb::Differences(arguments) => differences::run(arguments).await?,
        Verb::Push(arguments) => return push::run(arguments).await,
        Verb::Pull(arguments) => return pull::run(arguments).await,
        Verb::Dev(arguments) => return dev::run(arguments).await,
        Verb::List { admin, json } => list(&admin, json).await?,
        Verb::Inspect(arguments) => return inspect::run(arguments).await,
        Verb::Load { from, sha256, insecure, name, json, admin } => {
            let place =
                Place::parse(&from, sha256.as_ref()).map_err(|text| anyhow!("where it is loaded from: {text}"))?;
            let package = ship::fetch(&place, &Shelf::of(None), insecure).await?;
            let found = Digest::of(&package.component);
            ensure!(sha256.is_none_or(|sha256| sha256 == found), "{place} is {found}, not what --sha256 says");
            let signature = package.signature.map(|signature| (SIGNATURE_HEADER, signature::encode(&signature)));
            let path = format!("/plugins/{name}");
            let told = send(&admin, Method::POST, &path, package.component.to_vec(), signature).await?;
            let slot = serde_json::from_slice::<LoadReply>(&told)?.slot;
            match &slot.staged {
                Some(staged) => {
                    let (staged, live) = (short(&staged.sha256), short(&slot.live.sha256));
                    tell(json, &slot, &format!("{name}: staged {staged} beside {live}"))?;
                    eprintln!("make it live: pointsman plugin swap {name}");
                }
                None => {
                    tell(json, &slot, &format!("{name}: new, {}", short(&slot.live.sha256)))?;
                    let whence = whence(&place, package.pinned.as_ref());
                    eprintln!(
                        "to use it in routes or providers, name it in the configuration: [plugins.{name}] with {whence}"
                    );
                }
            }
        }
        Verb::Swap { name, force, json, admin } => {
            let path = format!("/plugins/{name}/swap?force={force}");
            moved(json, &changed(&admin, &path, Vec::new()).await?)?;
        }
        Verb::Canary { name, percent, force, json, admin } => {
            let path = format!("/plugins/{name}/canary?percent={percent}&force={force}");
            let slot = changed(&admin, &path, Vec::new()).await?;
            let (canary, live) = (of(&slot.canary), short(&slot.live.sha256));
            tell(json, &slot, &format!("{name}: {canary} for {percent} % of the requests, {live} for the others"))?;
            eprintln!("for all: pointsman plugin swap {name}; undo: pointsman plugin rollback {name}");
        }
        Verb::Shadow { name, json, admin } => {
            let slot = changed(&admin, &format!("/plugins/{name}/shadow"), Vec::new()).await?;
            let (shadow, live) = (of(&slot.shadow), short(&slot.live.sha256));
            tell(json, &slot, &format!("{name}: {shadow} in the shadow of {live}"))?;
            eprintln!(
                "what it would have done: pointsman plugin differences {name}; undo: pointsman plugin rollback {name}"
            );
        }
        Verb::History(arguments) => history::run(arguments).await?,
        Verb::Rollback { name, to: Some(to), force, json, admin } => {
            let path = format!("/plugins/{name}/rollback?to={to}&force={force}");
            moved(json, &changed(&admin, &path, Vec::new()).await?)?;
        }
        Verb::Rollback { name, json, admin, .. } => {
            let before = slots(&ask(&admin, Method::GET, "/plugins", Vec::new()).await?)?;
            let slot = changed(&admin, &format!("/plugins/{name}/rollback"), Vec::new()).await?;
            match before.into_iter().find(|slot| slot.name == name).and_then(|slot| slot.canary.or(slot.shadow)) {
                Some(ended) => {
                    let (ended, live) = (short(&ended.sha256), short(&slot.live.sha256));
                    tell(json, &slot, &format!("{name}: {ended} ended; {live} goes on"))?;
                }
                None => moved(json, &slot)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// How the configuration says where it comes from.
fn whence(place: &Place, pinned: Option<&Reference>) -> String {
    match (place, pinned) {
        (_, Some(reference)) => format!("oci = \"{reference}\""),
        (Place::Url(..), None) => "its `url` and `sha256`".to_owned(),
        (_, None) => "its `file`".to_owned(),
    }
}

/// The plugin as it is now: in JSON, or what people are told of it.
fn tell(json: bool, slot: &SlotView, words: &str) -> anyhow::Result<()> {
    if json {
        return print_json(&serde_json::json!({ "slot": slot }));
    }
    println!("{words}");
    Ok(())
}

fn moved(json: bool, slot: &SlotView) -> anyhow::Result<()> {
    let name = &slot.name;
    let before = slot.previous.as_ref().map_or("nothing", |previous| short(&previous.sha256));
    tell(json, slot, &format!("{name}: {before} → {}", short(&slot.live.sha256)))?;
    eprintln!("undo: pointsman plugin rollback {name}");
    Ok(())
}

/// For files that may be anybody's.
pub fn compiler() -> Compiler {
    super::compiler(Gate::default().compile, None)
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
            println!("{name}: {id} in the shadow: {alike} answers alike, {differing} not, {faults} faults");
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
