//! `pointsman plugin history`

use anyhow::Context as _;
use hyper::Method;
use serde::Deserialize;

use super::super::admin::{Admin, ask};
use super::super::check::columns;
use super::super::{moment, short};
use crate::store::{Change, StoreView};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of one plugin; else of all.
    name: Option<String>,
    /// As the gateway tells it, in JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Deserialize)]
struct Told {
    changes: Vec<Change>,
    store: StoreView,
}

pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { name, json, admin } = arguments;
    let query = name.map(|name| format!("?plugin={name}")).unwrap_or_default();
    let told = ask(&admin, Method::GET, &format!("/history{query}"), Vec::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&told));
        return Ok(());
    }
    let Told { changes, store } = serde_json::from_slice(&told).context("reading the gateway's answer")?;
    let digest = |sha256: &Option<String>| sha256.as_deref().map_or("-", short).to_owned();
    let row = |change: &Change| {
        let Change { at_unix_ms, slot, what, before, after, who, why } = change;
        let (what, who) = (what.told().to_owned(), who.told().to_owned());
        [moment(*at_unix_ms), slot.clone(), what, digest(before), digest(after), who, why.clone()]
    };
    let rows: Vec<[String; 7]> = changes.iter().map(row).collect();
    print!("{}", columns(["WHEN (UTC)", "PLUGIN", "WHAT", "BEFORE", "AFTER", "BY", "WHY"], &rows));
    eprintln!("back to one of them: pointsman plugin rollback NAME --to DIGEST");
    say(&store);
    Ok(())
}

/// What is not on the disk.
fn say(store: &StoreView) {
    let StoreView { folder, trouble, changes_lost, journal_trouble, journal_dropped } = store;
    if folder.is_none() && trouble.is_none() {
        eprintln!("this is forgotten when the gateway ends: [server] state = \"DIR\" keeps it");
    }
    if let Some(why) = trouble {
        eprintln!("warning: changes are not written to the disk for now: {why}");
    }
    if *changes_lost > 0 {
        eprintln!("warning: {changes_lost} changes could not be written to the disk");
    }
    if let Some(why) = journal_trouble {
        eprintln!("warning: the journal is not written to the disk for now: {why}");
    }
    if *journal_dropped > 0 {
        eprintln!("warning: {journal_dropped} entries of the journal could not be written to the disk");
    }
}
