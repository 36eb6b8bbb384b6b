//! `pointsman plugin build`

use std::io::BufRead as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{compiler, pack};
use crate::cli::print_json;
use crate::plugin::{Kind, Plugin, hex};

/// What cargo tells of a finished file.
#[derive(Deserialize)]
struct Told {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

pub async fn run(folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let manifest = folder.join("Cargo.toml");
    ensure!(
        manifest.is_file(),
        "there is no {}: name the folder of a plugin, or make one with `pointsman plugin new NAME --policy`",
        manifest.display()
    );
    let folder = folder.canonicalize().with_context(|| format!("finding {}", folder.display()))?;
    ensure!(
        pointsman_build::has_target(&folder).map_err(|text| anyhow!(text))?,
        "plugins need Rust's WebAssembly target, which is not installed: rustup target add {}",
        pointsman_build::TARGET
    );
    let project = folder.clone();
    let Some(path) =
        tokio::task::spawn_blocking(move || compile(&project)).await.context("building was cut short")??
    else {
        // What is wrong stands above, in the compiler's words.
        return Ok(ExitCode::from(1));
    };
    let bytes = tokio::fs::read(&path).await.with_context(|| format!("reading {}", path.display()))?;
    let plugin = match Plugin::load_by(&compiler(), "built", &bytes).await {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("it compiles, but is no plugin: {error:#}");
            return Ok(ExitCode::from(1));
        }
    };
    let package = match pack::of_project(&folder, plugin.kind) {
        Ok(package) => package,
        Err(error) => {
            eprintln!("it compiles, but makes no package: {error:#}");
            return Ok(ExitCode::from(1));
        }
    };
    let bytes = package.put(&bytes)?;
    pack::replace(&path, &bytes)?;
    if json {
        let sha256 = hex(&Sha256::digest(&bytes));
        let (world, bytes) = (plugin.kind.to_string(), bytes.len());
        print_json(&serde_json::json!({ "file": path, "world": world, "bytes": bytes, "sha256": sha256 }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = path.display();
    println!("file     {path}");
    println!("world    {}", plugin.kind);
    println!("bytes    {}", bytes.len());
    println!("sha256   {}", hex(&Sha256::digest(&bytes)));
    match plugin.kind {
        Kind::Policy => eprintln!("next: pointsman plugin test {path}"),
        Kind::Adapter { .. } => eprintln!("next: pointsman plugin load {path} --as NAME"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The component, or nothing when the compiler refuses the sources.
fn compile(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let mut cargo = pointsman_build::cargo(folder);
    // A project that does not say how `plugin` is to be optimized is built as a release.
    cargo.args(["--message-format=json-render-diagnostics", "--config", "profile.plugin.inherits='release'"]);
    let mut cargo = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo (Rust comes from https://rustup.rs)")?;
    let manifest = folder.join("Cargo.toml");
    let mut made = None;
    for line in BufReader::new(cargo.stdout.take().context("cargo says nothing")?).lines() {
        let line = line.context("listening to cargo")?;
        let Ok(told) = serde_json::from_str::<Told>(&line) else { continue };
        if told.reason == "compiler-artifact" && told.manifest_path.as_ref() == Some(&manifest) {
            made = told.filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm")).or(made);
        }
    }
    if !cargo.wait().context("waiting for cargo")?.success() {
        return Ok(None);
    }
    made.map(Some)
        .context("cargo made no component: Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]`")
}
