//! `pointsman plugin dev`: what is saved is built, tested, and swapped into the running gateway; what fails changes nothing.
//!
//! Watched by looking, as the configuration is (`watch.rs`).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, ensure};
use hyper::Method;

use super::build::{Built, build};
use super::test::{print, read_cases};
use super::{changed, compiler, short, slots};
use crate::cli::admin::{Admin, ask};
use crate::conformance::{OwnCases, Trial, try_out};
use crate::plugin::Kind;

const PERIOD: Duration = Duration::from_millis(500);
/// What the tools make is no source; neither is anything whose name begins with a dot.
const MADE: [&str; 6] = ["target", "node_modules", "build", "bindings", "__pycache__", "Cargo.lock"];
/// A project that has more files is none.
const FILES_MAX: usize = 10_000;
/// Situations that each version has to decide, or requests that it has to say.
const SITUATIONS: usize = 300;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The project's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The plugin of the running gateway whose place each version takes, such as `failover`.
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// The settings to test it with: JSON. Routes and providers keep their own.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    settings: String,
    #[command(flatten)]
    admin: Admin,
}

/// The sources: size and time of each file.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let dir = arguments.dir.canonicalize().with_context(|| format!("finding {}", arguments.dir.display()))?;
    // Before the first line is written: is there a gateway?
    slots(&ask(&arguments.admin, Method::GET, "/plugins", Vec::new()).await?)?;
    eprintln!(
        "{} is watched: each version that is saved takes the place of {}; end with Ctrl-C",
        dir.display(),
        arguments.name
    );
    tokio::select! {
        ended = watch(&dir, &arguments) => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("waiting for Ctrl-C")?,
    }
    eprintln!("ended; the last version stays. Undo: pointsman plugin rollback {}", arguments.name);
    Ok(ExitCode::SUCCESS)
}

async fn watch(dir: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let mut seen = Seen::new();
    loop {
        let now = sources(dir)?;
        // Half of a file looks like a broken one: wait until it stays as it is.
        tokio::time::sleep(PERIOD / 5).await;
        if now == seen || sources(dir)? != now {
            tokio::time::sleep(PERIOD).await;
            continue;
        }
        if let Some(path) = now.keys().chain(seen.keys()).find(|path| now.get(*path) != seen.get(*path))
            && !seen.is_empty()
        {
            println!("changed   {}", path.strip_prefix(dir).unwrap_or(path).display());
        }
        seen = now;
        if let Err(why) = round(dir, arguments).await {
            println!("kept      the version before: {}", crate::cli::chain(&why));
        }
    }
}

/// Build, test, load, swap.
async fn round(dir: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { name, settings, admin, .. } = arguments;
    let built = build(dir).await?;
    let Built { path, bytes, sha256, plugin } = built.context("this one is not built: what is wrong stands above")?;
    println!("built     {}, {} bytes, {}", path.display(), bytes.len(), short(&sha256));
    let folder = dir.join("cases");
    let cases = if folder.is_dir() { read_cases(&folder)? } else { Vec::new() };
    let count = OwnCases::read(plugin.kind, &cases)?.count();
    let trial = Trial { settings: settings.clone(), seed: 1, situations: SITUATIONS, cases, ..Trial::default() };
    let mut checks = try_out(&compiler(), &plugin, &trial).await?;
    checks.retain(|check| !check.failures.is_empty());
    print(&checks);
    let (fit, what) = match plugin.kind {
        Kind::Policy => ("decide", "situations"),
        Kind::Adapter { .. } => ("serve", "requests"),
    };
    ensure!(checks.is_empty(), "this one is not fit to {fit}");
    println!("tested    in {SITUATIONS} {what} and {count} cases of its own");
    let before = slots(&ask(admin, Method::GET, "/plugins", Vec::new()).await?)?;
    let before = before.into_iter().find(|slot| &slot.name == name).map(|slot| slot.live.sha256);
    if before.as_ref() == Some(&sha256) {
        println!("live      {name}: {} already", short(&sha256));
        return Ok(());
    }
    let slot = changed(admin, &format!("/plugins/{name}"), bytes).await?;
    println!("loaded    {name}: {}", short(&sha256));
    // Under a new name it is live at once.
    let slot = match slot.staged {
        Some(_) => changed(admin, &format!("/plugins/{name}/swap?force=false"), Vec::new()).await?,
        None => slot,
    };
    println!("live      {name}: {} → {}", before.as_deref().map_or("nothing", short), short(&slot.live.sha256));
    Ok(())
}

/// All files of a project but those that its tools make.
fn sources(dir: &Path) -> anyhow::Result<Seen> {
    let (mut seen, mut folders) = (Seen::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // It may be gone again by now.
            Err(error) if error.kind() == ErrorKind::NotFound && folder != dir => continue,
            Err(error) => return Err(error).with_context(|| format!("reading {}", folder.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if name.starts_with('.') || name.ends_with(".wasm") || MADE.contains(&&*name) {
                continue;
            }
            // A file may be gone again by now: editors write others first.
            let Ok(metadata) = path.metadata() else { continue };
            // A link to a folder is not followed: it may lead back.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if metadata.is_file() {
                seen.insert(path, (metadata.len(), metadata.modified().ok()));
            }
            ensure!(seen.len() < FILES_MAX, "{} has more than {FILES_MAX} files: is it a project?", dir.display());
        }
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tools_make_is_no_source() {
        let dir = std::env::temp_dir().join(format!("pointsman-sources-{}", std::process::id()));
        for folder in ["src", "target/debug", ".venv", "node_modules/x"] {
            std::fs::create_dir_all(dir.join(folder)).expect("a folder");
        }
        for file in
            ["src/lib.rs", "Cargo.toml", "Cargo.lock", "x.wasm", "target/debug/y", ".venv/z", "node_modules/x/a.js"]
        {
            std::fs::write(dir.join(file), "x").expect("a file");
        }
        let seen = sources(&dir).expect("a folder");
        let names: Vec<String> =
            seen.keys().map(|path| path.strip_prefix(&dir).expect("below").display().to_string()).collect();
        assert_eq!(names, ["Cargo.toml", "src/lib.rs"]);
        std::fs::write(dir.join("src/lib.rs"), "another").expect("a file");
        assert_ne!(sources(&dir).expect("a folder"), seen);
        std::fs::remove_dir_all(&dir).expect("gone");
    }
}
