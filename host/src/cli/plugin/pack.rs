//! What goes into a package: the project's name, version and description, and its `cases/*.toml`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::conformance::OwnCases;
use crate::plugin::{Cases, Kind, Package};

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    manifest_path: PathBuf,
    name: String,
    version: String,
    description: Option<String>,
}

/// What `package.json` tells.
#[derive(Deserialize)]
struct Node {
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    description: String,
}

/// The package of a project; its cases are in it.
///
/// # Errors
/// What is wrong with the project or a case.
pub fn of_project(folder: &Path, kind: Kind) -> anyhow::Result<Package> {
    let mut package = named(folder)?;
    let cases = folder.join("cases");
    if cases.is_dir() {
        package.cases = read_cases(&cases)?;
    }
    OwnCases::read(kind, &package.cases)?;
    Ok(package)
}

/// As the project's own file says, or, where its language has none, by its folder's name.
fn named(folder: &Path) -> anyhow::Result<Package> {
    let (cargo, node) = (folder.join("Cargo.toml"), folder.join("package.json"));
    if cargo.is_file() {
        return named_by_cargo(&cargo);
    }
    if node.is_file() {
        let text = fs::read_to_string(&node).with_context(|| format!("reading {}", node.display()))?;
        let told: Node = serde_json::from_str(&text).with_context(|| format!("reading {}", node.display()))?;
        let Node { name, version, description } = told;
        return Ok(Package { name, version, description, cases: Vec::new() });
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Package { name, ..Package::default() })
}

fn named_by_cargo(manifest: &Path) -> anyhow::Result<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .context("starting cargo (Rust comes from https://rustup.rs)")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let Metadata { packages } = serde_json::from_slice(&output.stdout).context("reading what cargo says")?;
    let project = packages.into_iter().find(|project| project.manifest_path == manifest);
    let Project { name, version, description, .. } =
        project.with_context(|| format!("{} is no package of cargo", manifest.display()))?;
    Ok(Package { name, version, description: description.unwrap_or_default(), cases: Vec::new() })
}

/// The files of cases in a folder, in the order of their names.
///
/// # Errors
/// Which one cannot be read.
pub fn read_cases(folder: &Path) -> anyhow::Result<Vec<Cases>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files.iter().map(|path| read_file(path)).collect()
}

/// A file of cases, by its name alone: a package tells nothing of where it was made.
///
/// # Errors
/// When it cannot be read.
pub fn read_file(path: &Path) -> anyhow::Result<Cases> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Cases { file, text })
}

/// Whole or not at all. It becomes a file of its own: the compiler keeps another name for the one that was there.
///
/// # Errors
/// When it cannot be written.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, path));
    written.with_context(|| format!("writing {}", path.display()))
}
