//! The SDK as text, for projects outside of this repository: what a policy needs of `plugins/sdk`, what adapters need, and
//! the contract. It is made from the files themselves, so it is always what this version's own plugins are built with.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a file goes in the new folder, and what stands in it.
pub type Text = (String, String);

/// The contract's files; not what lies in folders there: versions that are frozen.
///
/// # Errors
/// When one cannot be read.
pub fn contract(workspace: &Path) -> Result<Vec<Text>, String> {
    let folder = workspace.join("wit");
    let files =
        entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.map(|path| Ok((below(&path, &folder)?, read(&path)?))).collect()
}

/// What a policy needs: without the modules for codecs, which take long to compile.
///
/// # Errors
/// When the SDK's files no longer look as this expects them: it is to be changed with them.
pub fn for_policies(workspace: &Path) -> Result<Vec<Text>, String> {
    let all = for_adapters(workspace)?;
    let is_policys = |path: &str| path.starts_with("src/policy") || ["Cargo.toml", "src/lib.rs"].contains(&path);
    let texts = all.into_iter().filter(|(path, _)| is_policys(path));
    let texts = texts.map(|(path, text)| match path.as_str() {
        "src/lib.rs" => Ok((path, library(&text)?)),
        // Only codecs have something to remember.
        "Cargo.toml" => {
            Ok((path, text.lines().filter(|line| !line.starts_with("postcard")).fold(String::new(), joined)))
        }
        _ => Ok((path, text)),
    });
    texts.collect()
}

/// All of it: the crate, and the one for adapters inside.
///
/// # Errors
/// As above.
pub fn for_adapters(workspace: &Path) -> Result<Vec<Text>, String> {
    let sdk = workspace.join("plugins/sdk");
    let workspaces = read(&workspace.join("Cargo.toml"))?;
    let mut texts = Vec::new();
    for (own, contract) in [("", "wit"), ("adapter/", "../wit")] {
        texts.push((format!("{own}Cargo.toml"), manifest(&read(&sdk.join(own).join("Cargo.toml"))?, &workspaces)?));
        for path in files(&sdk.join(own).join("src"))? {
            texts.push((below(&path, &sdk)?, at_home(&read(&path)?, contract)));
        }
    }
    let is_lost = |text: &str| {
        text.contains("wit_bindgen::generate!") && !text.contains("path: \"wit\"") && !text.contains("path: \"../wit\"")
    };
    if let Some((path, _)) = texts.iter().find(|(_, text)| is_lost(text)) {
        return Err(format!("plugins/sdk/{path} looks for the contract elsewhere than bundle/sdk.rs expects"));
    }
    Ok(texts)
}

/// The contract stands beside the crate, rather than at the root of the repository.
fn at_home(text: &str, contract: &str) -> String {
    ["../../../wit", "../../wit"].iter().fold(text.to_owned(), |text, path| {
        text.replace(&format!("path: \"{path}\""), &format!("path: \"{contract}\""))
    })
}

fn joined(text: String, line: &str) -> String {
    text + line + "\n"
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
        if section == "[lints]" {
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
    Ok(code.fold("//! What a Pointsman policy is written with: see [`policy`].\n".to_owned(), joined))
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
