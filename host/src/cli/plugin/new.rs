//! `pointsman plugin new`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

use super::language::Language;
use super::template;
use crate::cli::print_json;

/// Names that cargo refuses for a library, or that a project's own dependencies have.
const TAKEN: &str = "as async await break const continue crate dyn else enum extern false fn for gen if impl in let loop match \
                     mod move mut pub ref return self static struct super trait true type unsafe use where while abstract become \
                     box do final macro override priv try typeof unsized virtual yield alloc core proc-macro std test build deps \
                     examples incremental pointsman-sdk pointsman-adapter-sdk serde serde_json postcard wit-bindgen proptest \
                     typescript componentize-qjs node_modules";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Such as `day-and-night`: the plugin's name, and the project's.
    name: String,
    #[command(flatten)]
    world: World,
    /// What it is written in; adapters are written in Rust.
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// The project's folder. Default: the name, in the working directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// As JSON: `name`, `folder`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct World {
    /// A routing policy: who gets a request, and who is next when one fails.
    #[arg(long)]
    policy: bool,
    /// An adapter for the API of a provider.
    #[arg(long)]
    provider: bool,
    /// An adapter for a protocol that callers speak.
    #[arg(long)]
    client: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { name, world, lang, dir, json } = arguments;
    check(name)?;
    ensure!(
        world.policy || *lang == Language::Rust,
        "there is no example of an adapter in {}: adapters are written in Rust (leave --lang out), policies in any",
        lang.name()
    );
    let folder = dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder.exists() {
        let mut there = fs::read_dir(&folder).with_context(|| format!("{} is no folder", folder.display()))?;
        ensure!(
            there.next().is_none(),
            "{} exists and is not empty: choose another name, or another folder with --dir",
            folder.display()
        );
    }
    let files = match world {
        World { provider: true, .. } => template::provider(name),
        World { client: true, .. } => template::client(name),
        World { .. } => template::policy(name, *lang),
    };
    for (path, text) in files {
        write(&folder.join(path), &text)?;
    }
    if *json {
        print_json(&serde_json::json!({ "name": name, "folder": folder }))?;
    } else {
        println!("{}", folder.display());
    }
    let source = if world.policy { lang.source() } else { "src/" };
    eprintln!(
        "it works as it is, and {source} is yours to change. Next, in that folder:\n  pointsman plugin build\n  {}",
        lang.tests()
    );
    Ok(ExitCode::SUCCESS)
}

fn check(name: &str) -> anyhow::Result<()> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || name.len() > 64 || !name.chars().all(is_letter)
    {
        bail!("`{name}` cannot be a plugin's name: a small letter, then small letters, digits, - and _, 64 at most");
    }
    ensure!(
        !TAKEN.split_whitespace().any(|taken| taken == name),
        "`{name}` is a name that a language or its tools keep for themselves: choose another, such as `my-{name}`"
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("making the folder {}", folder.display()))?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_takes() {
        for name in ["day-and-night", "p2", "a_b"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", "2p", "Night", "a b", "../x", "ä", "-a", "match", "test", "serde", &"a".repeat(65)] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
