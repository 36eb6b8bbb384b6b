//! `pointsman plugin build`

use std::io::BufRead as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::language::Tools;
use super::{compiler, pack};
use crate::cli::print_json;
use crate::plugin::{Package, Plugin, hex};

/// What cargo tells of a finished file.
#[derive(Deserialize)]
struct Told {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// A component that was built, is a plugin, and has its package's parts in it.
pub struct Built {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub sha256: String,
    pub plugin: Arc<Plugin>,
}

pub async fn run(folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let Some(Built { path, bytes, sha256, plugin }) = build(folder).await? else { return Ok(ExitCode::from(1)) };
    if json {
        let (world, bytes) = (plugin.kind.to_string(), bytes.len());
        print_json(&serde_json::json!({ "file": path, "world": world, "bytes": bytes, "sha256": sha256 }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = path.display();
    println!("file     {path}");
    println!("world    {}", plugin.kind);
    println!("bytes    {}", bytes.len());
    println!("sha256   {sha256}");
    eprintln!("next: pointsman plugin test {path}");
    Ok(ExitCode::SUCCESS)
}

/// Build the project in a folder. Nothing, when its sources do not compile or are no plugin: why stands on standard error.
///
/// # Errors
/// When there is no project, or a tool is missing that builds it.
pub async fn build(folder: &Path) -> anyhow::Result<Option<Built>> {
    let folder = folder.canonicalize().with_context(|| {
        format!("there is no folder {}: make a project with `pointsman plugin new NAME --policy`", folder.display())
    })?;
    let project = folder.clone();
    let made = tokio::task::spawn_blocking(move || make(&project)).await.context("building was cut short")??;
    // What is wrong stands above, in the compiler's words.
    let Some(path) = made else { return Ok(None) };
    let bytes = tokio::fs::read(&path).await.with_context(|| format!("reading {}", path.display()))?;
    // Where the tools found nothing to do, the last build's package is still in it, with the cases of then. What is no
    // component is told below.
    let bytes = Package::without(&bytes).unwrap_or(bytes);
    let plugin = match Plugin::load_by(&compiler(), "built", &bytes).await {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("it compiles, but is no plugin: {error:#}");
            return Ok(None);
        }
    };
    let package = match pack::of_project(&folder, plugin.kind) {
        Ok(package) => package,
        Err(error) => {
            eprintln!("it compiles, but makes no package: {error:#}");
            return Ok(None);
        }
    };
    let bytes = package.put(&bytes)?;
    pack::replace(&path, &bytes)?;
    Ok(Some(Built { path, sha256: hex(&Sha256::digest(&bytes)), bytes, plugin }))
}

/// The component, which then stands in the project's folder; nothing when the sources are refused.
fn make(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    if !folder.join("Cargo.toml").is_file() {
        return if Tools::of(folder)?.run(folder)? { newest(folder).map(Some) } else { Ok(None) };
    }
    ensure!(
        pointsman_build::has_target(folder).map_err(|text| anyhow!(text))?,
        "plugins need Rust's WebAssembly target, which is not installed: rustup target add {}",
        pointsman_build::TARGET
    );
    let Some(made) = compile(folder)? else { return Ok(None) };
    let path = folder.join(made.file_name().context("cargo made a file without a name")?);
    std::fs::copy(&made, &path).with_context(|| format!("copying {} to {}", made.display(), path.display()))?;
    Ok(Some(path))
}

fn newest(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut made = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "wasm") {
            made.push((path.metadata()?.modified()?, path));
        }
    }
    made.into_iter().max().map(|(_, path)| path).with_context(|| format!("no *.wasm was made in {}", folder.display()))
}

/// What cargo made, or nothing when the compiler refuses the sources.
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
