//! `pointsman key …`

use std::process::ExitCode;

use anyhow::{anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use sha2::{Digest as _, Sha256};

use super::print_json;
use crate::config::{CALLER_NAME, is_caller_name};
use crate::plugin::hex;

/// As much as the digest that it is known by.
const KEY_BYTES: usize = 32;

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make a caller's key and the table that lets it in. The key is shown once and kept nowhere.
    ///
    ///     pointsman key new team-one
    #[command(verbatim_doc_comment)]
    New {
        /// Whose it is: the name stands in the log, and policies see it.
        name: String,
        /// As JSON, for programs: `name`, `key`, `sha256`, `table`.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    let Verb::New { name, json } = verb;
    ensure!(is_caller_name(&name), "`{name}` cannot be a key's name: {CALLER_NAME}");
    let key = random()?;
    let sha256 = hex(&Sha256::digest(&key));
    // A dot in a bare name would begin a table below it.
    let table = match name.contains('.') {
        true => format!("[keys.\"{name}\"]\nsha256 = \"{sha256}\"\n"),
        false => format!("[keys.{name}]\nsha256 = \"{sha256}\"\n"),
    };
    if json {
        print_json(&serde_json::json!({ "name": name, "key": key, "sha256": sha256, "table": table }))?;
    } else {
        println!("{key}\n\n{table}");
        eprintln!(
            "the first line is the key, for `{name}`: it is shown this once. The table is for the configuration,"
        );
        eprintln!("where there may be `models`, `requests_per_minute`, `tokens_per_minute`, `tokens_per_day` and");
        eprintln!("`max_in_flight` as well.");
    }
    Ok(ExitCode::SUCCESS)
}

/// From the operating system: what is guessable is no key.
fn random() -> anyhow::Result<String> {
    let mut bytes = [0; KEY_BYTES];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(format!("pm_{}", URL_SAFE_NO_PAD.encode(bytes)))
}
