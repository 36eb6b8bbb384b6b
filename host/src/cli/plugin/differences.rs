//! `pointsman plugin differences`

use anyhow::Context as _;
use hyper::Method;
use serde::Deserialize;

use crate::cli::admin::{Admin, ask};
use crate::journal::{Difference, told};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The plugin's name.
    name: String,
    /// How many are shown.
    #[arg(long, default_value_t = 10)]
    last: usize,
    /// As the gateway tells it, in JSON: with the whole situation of each decision.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Reply {
        differences: Vec<Difference>,
    }
    let Arguments { name, last, json, admin } = arguments;
    let reply = ask(&admin, Method::GET, &format!("/plugins/{name}/differences?most={last}"), Vec::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&reply));
        return Ok(());
    }
    let Reply { differences } = serde_json::from_slice(&reply).context("reading the gateway's answer")?;
    differences.iter().for_each(|difference| print!("{}", told(difference)));
    if differences.is_empty() {
        eprintln!(
            "no version of {name} in the shadow has answered otherwise than the live one since the gateway began"
        );
    }
    Ok(())
}
