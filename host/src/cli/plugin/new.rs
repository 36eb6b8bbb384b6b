//! `pointsman plugin new`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use pointsman_bundle::SDK;

use crate::cli::print_json;

/// The project, but for the SDK: where a file goes, and its text, in which `{{name}}` stands for the project's name, `{{file}}` for it
/// in the component's.
const TEMPLATE: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("src/tests.rs", include_str!("template/tests.rs.txt")),
    ("cases/outage.toml", include_str!("template/outage.toml")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", "/target\n*.wasm\n"),
];
/// The folder of the SDK's copy.
const SDK_FOLDER: &str = "pointsman-sdk";
/// Names that cargo refuses for a library, or that the project's own dependencies have.
const TAKEN: &str = "as async await break const continue crate dyn else enum extern false fn for gen if impl in let loop match \
                     mod move mut pub ref return self static struct super trait true type unsafe use where while abstract become \
                     box do final macro override priv try typeof unsized virtual yield alloc core proc-macro std test build deps \
                     examples incremental pointsman-sdk serde serde_json wit-bindgen proptest";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Such as `day-and-night`: the plugin's name, and the crate's.
    name: String,
    /// A routing policy, in Rust. (Adapters have no template yet: copy one of plugins/adapters.)
    #[arg(long, required = true)]
    policy: bool,
    /// The project's folder. Default: the name, in the working directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// As JSON: `name`, `folder`.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { name, dir, json, .. } = arguments;
    check(name)?;
    let folder = dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder.exists() {
        let mut there = fs::read_dir(&folder).with_context(|| format!("{} is no folder", folder.display()))?;
        ensure!(
            there.next().is_none(),
            "{} exists and is not empty: choose another name, or another folder with --dir",
            folder.display()
        );
    }
    let file = name.replace('-', "_");
    let filled = |text: &str| {
        let text = text.replace("{{name}}", name).replace("{{file}}", &file);
        text.replace("{{version}}", env!("CARGO_PKG_VERSION"))
    };
    for (path, text) in TEMPLATE {
        write(&folder.join(path), &filled(text))?;
    }
    for (path, text) in SDK {
        write(&folder.join(SDK_FOLDER).join(path), text)?;
    }
    write(&folder.join(SDK_FOLDER).join("README.md"), &filled(include_str!("template/sdk.md")))?;
    if *json {
        print_json(&serde_json::json!({ "name": name, "folder": folder }))?;
    } else {
        println!("{}", folder.display());
    }
    eprintln!(
        "a policy that works: src/lib.rs is yours to change. Next, in that folder:\n  cargo test\n  pointsman plugin build"
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
        "`{name}` is a name that Rust or cargo keeps for itself: choose another, such as `my-{name}`"
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

    #[test]
    fn the_sdk_goes_along_without_codecs_and_stands_alone() {
        let text = |name: &str| SDK.iter().find(|(path, _)| *path == name).map_or("", |(_, text)| *text);
        assert!(text("wit/policy.wit").contains("interface policy") && text("src/policy/retry.rs").contains("Retry"));
        // Authors get the current contract, and only that.
        assert!(!SDK.iter().any(|(path, _)| path.starts_with("wit/0.")));
        assert!(!text("src/lib.rs").contains("codec") && text("src/codec.rs").is_empty());
        assert!(!text("Cargo.toml").contains("workspace") && text("Cargo.toml").contains("wit-bindgen = "));
    }
}
