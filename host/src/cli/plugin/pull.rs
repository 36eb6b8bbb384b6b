//! `pointsman plugin pull`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use crate::cli::print_json;
use crate::plugin::signature;
use crate::ship::{self, Digest, Place, Reference, Shelf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `REGISTRY/REPOSITORY:TAG`, or with `@sha256:…` what nobody can change any more.
    from: String,
    /// The file to write; its signature is written beside it. Default: the repository's last word and `.wasm`, in the working
    /// directory.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Over a file that is there and is another.
    #[arg(long)]
    force: bool,
    /// By plain HTTP, which is else for registries on this machine only.
    #[arg(long)]
    insecure: bool,
    /// As JSON: `reference`, `file`, `signature`, `sha256`, `bytes`, `name`, `version`, `description`.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { from, output, force, insecure, json } = arguments;
    // Not by clap, which would repeat it: a password may stand in it.
    let from = Reference::parse(&from).map_err(|text| anyhow!("the package's name: {text}"))?;
    let word = from.repository.rsplit('/').next().unwrap_or_default();
    let file = output.unwrap_or_else(|| PathBuf::from(format!("{word}.wasm")));
    let package = ship::fetch(&Place::Package(from), &Shelf::of(None), insecure).await?;
    let reference = package.pinned.ok_or_else(|| anyhow!("what was pulled has no digest"))?;
    let beside = signature::path(&file);
    let signed = package.signature.as_deref().map(str::as_bytes);
    for (path, bytes) in [(&file, Some(&package.component[..])), (&beside, signed)] {
        is_free(path, bytes, force)?;
    }
    write(&file, Some(&package.component)).await?;
    write(&beside, signed).await?;
    let (sha256, bytes) = (Digest::of(&package.component), package.component.len());
    let beside = signed.map(|_| beside);
    if json {
        print_json(&serde_json::json!({
            "reference": reference.to_string(),
            "file": file,
            "signature": beside,
            "sha256": sha256.hex(),
            "bytes": bytes,
            "name": package.about.name,
            "version": package.about.version,
            "description": package.about.description,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{reference}");
    println!("file     {}", file.display());
    println!("sha256   {}", sha256.hex());
    println!("bytes    {bytes}");
    match beside {
        Some(beside) => println!("signed   {}", beside.display()),
        None => println!("signed   no"),
    }
    eprintln!("what it is: pointsman plugin inspect {}", file.display());
    eprintln!("to keep to it, name it in the configuration: [plugins.NAME] with oci = \"{reference}\"");
    Ok(ExitCode::SUCCESS)
}

/// A signature that is left from another file would be taken for this one's.
fn is_free(path: &Path, bytes: Option<&[u8]>, force: bool) -> anyhow::Result<()> {
    match std::fs::read(path) {
        Ok(there) if !force && Some(there.as_slice()) != bytes => {
            bail!("{} is there, and is another: name another file with -o, or insist with --force", path.display())
        }
        _ => Ok(()),
    }
}

async fn write(path: &Path, bytes: Option<&[u8]>) -> anyhow::Result<()> {
    match bytes {
        Some(bytes) => tokio::fs::write(path, bytes).await.with_context(|| format!("writing {}", path.display())),
        None if path.exists() => {
            tokio::fs::remove_file(path).await.with_context(|| format!("removing {}", path.display()))
        }
        None => Ok(()),
    }
}
