//! The SDK as text, for projects outside of this repository: what a policy needs of `plugins/sdk`, and the contract. It is
//! made from the files themselves, so it is always what this version's own policies are built with.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a file goes in the new folder, and what stands in it.
pub type Text = (String, String);

/// # Errors
/// When the SDK's files no longer look as this expects them: it is to be changed with them.
pub fn texts(workspace: &Path) -> Result<Vec<Text>, String> {
    let sdk = workspace.join("plugins/sdk");
    let mut texts = vec![
        ("Cargo.toml".to_owned(), manifest(&read(&sdk.join("Cargo.toml"))?, &read(&workspace.join("Cargo.toml"))?)?),
        ("src/lib.rs".to_owned(), library(&read(&sdk.join("src/lib.rs"))?)?),
        ("src/policy.rs".to_owned(), policy(&read(&sdk.join("src/policy.rs"))?)?),
    ];
    for path in files(&sdk.join("src/policy"))? {
        texts.push((below(&path, &sdk)?, read(&path)?));
    }
    // Not what lies in folders: versions that are frozen.
    for path in entries(&workspace.join("wit"))? {
        if path.extension().is_some_and(|extension| extension == "wit") {
            texts.push((below(&path, workspace)?, read(&path)?));
        }
    }
    Ok(texts)
}

/// `NAME.workspace = true` and `NAME = { workspace = true }` become what the workspace says of them; its lints are not
/// the business of others.
fn manifest(own: &str, workspace: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut section = "";
    for line in own.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let name = line.split(['.', ' ']).next().unwrap_or_default();
        if section == "[lints]" || name == "postcard" {
            continue;
        }
        if !line.contains("workspace = true") {
            text.push_str(line);
        } else {
            let section = if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
            let said = workspace.lines().skip_while(|line| *line != section).skip(1);
            let mut said = said.take_while(|line| !line.starts_with('['));
            let said = said.find(|line| line.split(' ').next() == Some(name));
            text.push_str(said.ok_or_else(|| format!("{section} of the workspace has no line for `{name}`"))?);
        }
        text.push('\n');
    }
    Ok(text)
}

/// Without the modules for codecs.
fn library(own: &str) -> Result<String, String> {
    let others: Vec<&str> = own
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| *module != "policy")
        .collect();
    if others.is_empty() || !own.contains("pub mod policy;") {
        return Err("plugins/sdk/src/lib.rs names its modules in another way than bundle/sdk.rs expects".to_owned());
    }
    let code = own.lines().skip_while(|line| line.starts_with("//!"));
    let code = code.filter(|line| !others.iter().any(|other| *line == format!("pub mod {other};")));
    Ok(code.fold("//! What a Pointsman policy is written with: see [`policy`].\n".to_owned(), |text, line| {
        text + line + "\n"
    }))
}

/// The contract stands beside it, rather than at the root of the repository.
fn policy(own: &str) -> Result<String, String> {
    const PATH: &str = "path: \"../../wit\"";
    if !own.contains(PATH) {
        return Err("plugins/sdk/src/policy.rs looks for the contract elsewhere than bundle/sdk.rs expects".to_owned());
    }
    Ok(own.replace(PATH, "path: \"wit\""))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))
}

/// All files below, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("reading {}: {error}", folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| error.to_string()));
    let mut found = paths.collect::<Result<Vec<_>, String>>()?;
    found.sort();
    Ok(found)
}

fn below(path: &Path, folder: &Path) -> Result<String, String> {
    let path = path.strip_prefix(folder).map_err(|error| error.to_string())?;
    Ok(path.to_string_lossy().replace('\\', "/"))
}
