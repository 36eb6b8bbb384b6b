//! `pointsman plugin push`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;

use super::compiler;
use crate::cli::print_json;
use crate::ship::{self, About, Digest, Place, Reference, Shelf};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The component. A signature beside it, `FILE.minisig`, goes along.
    file: PathBuf,
    /// Where to: `REGISTRY/REPOSITORY:TAG`.
    to: String,
    /// For people who look through the registry. Default: what its author packed into it, else the repository's last word.
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    version: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// By plain HTTP, which is else for registries on this machine only.
    #[arg(long)]
    insecure: bool,
    /// As JSON: `reference`, `sha256` (of the component), `before`.
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { file, to, name, version, description, insecure, json } = arguments;
    // Not by clap, which would repeat it: a password may stand in it.
    let to = Reference::parse(&to).map_err(|text| anyhow!("the package's name: {text}"))?;
    let package = ship::fetch(&Place::File(file), &Shelf::of(None), insecure).await?;
    let about = About { name, version, description };
    let signature = package.signature.as_deref();
    let (pushed, before) = ship::push(&package.component, signature, &about, &to, insecure, &compiler()).await?;
    if json {
        let (reference, before) = (pushed.to_string(), before.map(|before| before.to_string()));
        let sha256 = Digest::of(&package.component);
        print_json(&serde_json::json!({ "reference": reference, "sha256": sha256.hex(), "before": before }))?;
        return Ok(ExitCode::SUCCESS);
    }
    println!("{pushed}");
    if signature.is_none() {
        eprintln!("it has no signature beside it");
    }
    let digest = pushed.digest.as_ref().ok_or_else(|| anyhow!("what was pushed has no digest"))?;
    match before {
        None => eprintln!("{to}: nothing → {digest}"),
        Some(before) if before == pushed => eprintln!("{to}: {digest}, as before"),
        Some(before) => {
            let was = before.digest.as_ref().map(Digest::to_string).unwrap_or_default();
            eprintln!("{to}: {was} → {digest}");
            eprintln!("undo: pull {before}, and push that file");
        }
    }
    eprintln!("load it: pointsman plugin load oci://{pushed} --as NAME");
    Ok(ExitCode::SUCCESS)
}
