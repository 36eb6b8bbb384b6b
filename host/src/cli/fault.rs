//! `pointsman fault …`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{ArgGroup, Subcommand};
use hyper::Method;

use super::admin::{Admin, ask};
use super::check::columns;
use super::{moment, print_json};
use crate::config::{defaults, span};
use crate::gateway::{InjectionView, Order};
use crate::server::{AddedReply, FaultsReply, RemovedReply};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Break a target, for a share of its requests, or those of one caller, and for a while.
    ///
    /// An error before a reply's first content is made by the gateway, and the provider is not called; one in the middle of a
    /// reply breaks what the provider really says. Health, breakers, policies and budgets take it as they take any other, and
    /// they are everybody's: when a breaker opens, callers that no fault befell go elsewhere, too. Each reply says so in
    /// `x-pointsman-fault`, `pointsman explain` says it of each attempt. The configuration has to allow it:
    /// `[game_day]`, `enabled = true`.
    ///
    ///     pointsman fault add anthropic/* overloaded --share 5% --caller team-staging --for 10m
    #[command(verbatim_doc_comment)]
    Add {
        /// `provider/model`, `provider/*` or `provider`.
        target: String,
        /// What goes wrong: overloaded, rate-limited, server-error, timed-out, connection, truncated, a status such as 529,
        /// 429:7 (with Retry-After: 7), slow:3s (before the first token), cut-after:3, hang-after:3 (pieces of content), …
        kind: String,
        /// Of the requests: 0.01 to 100. Each request keeps its fate in all its attempts.
        #[arg(long, default_value = "100%", value_parser = share)]
        share: f64,
        /// Only for requests with the key of this name.
        #[arg(long, value_name = "NAME")]
        caller: Option<String>,
        /// Then it ends by itself; 4h at most.
        #[arg(long = "for", value_name = "TIME", default_value = defaults::FAULT_FOR, value_parser = time)]
        lasts: Duration,
        /// The fault as the gateway tells it, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// What is on: for whom, since when, how long still, and how many requests it befell.
    List {
        /// As the gateway tells it, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// End a fault, or all of them, at once.
    #[command(group = ArgGroup::new("which").required(true).args(["id", "all"]))]
    Remove {
        id: Option<String>,
        #[arg(long)]
        all: bool,
        /// What was on until now, in JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
}

fn share(text: &str) -> Result<f64, String> {
    text.trim_end_matches('%').trim().parse().map_err(|_| "write it like 5% or 0.5%".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    span(text).ok_or_else(|| "write it like 90s, 10m or 2h".to_owned())
}

pub async fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Add { target, kind, share: share_percent, caller, lasts, json, admin } => {
            let for_ms = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
            let order = Order { target, kind, share_percent, caller, for_ms };
            let before = faults(&admin).await?.faults;
            let told = ask(&admin, Method::POST, "/faults", serde_json::to_vec(&order)?).await?;
            let AddedReply { fault } = serde_json::from_slice(&told).context("reading the gateway's answer")?;
            added(&before, &fault, json)?;
        }
        Verb::List { json, admin } => {
            let told = faults(&admin).await?;
            if json {
                print_json(&told)?;
            } else {
                list(&told);
            }
        }
        Verb::Remove { id, json, admin, .. } => {
            let path = id.map_or("/faults".to_owned(), |id| format!("/faults/{id}"));
            let told = ask(&admin, Method::DELETE, &path, Vec::new()).await?;
            let told: RemovedReply = serde_json::from_slice(&told).context("reading the gateway's answer")?;
            removed(&told, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn faults(admin: &Admin) -> anyhow::Result<FaultsReply> {
    let told = ask(admin, Method::GET, "/faults", Vec::new()).await?;
    serde_json::from_slice(&told).context("reading the gateway's answer")
}

fn added(before: &[InjectionView], fault: &InjectionView, json: bool) -> anyhow::Result<()> {
    let InjectionView { id, order: Order { target, kind, .. }, ends_unix_ms, left_ms, .. } = fault;
    if json {
        print_json(&serde_json::json!({ "fault": fault }))?;
    } else {
        let there: Vec<&str> =
            before.iter().filter(|one| one.order.target == *target).map(|one| &*one.order.kind).collect();
        let there = if there.is_empty() { "no fault".to_owned() } else { there.join(", ") };
        println!("{target}: {there} → {kind}, for {} ({id})", whom(&fault.order));
    }
    eprintln!("it ends by itself in {}, at {} UTC", lasting(*left_ms), moment(*ends_unix_ms));
    eprintln!("undo: pointsman fault remove {id}");
    Ok(())
}

fn list(told: &FaultsReply) {
    let row = |fault: &InjectionView| {
        let InjectionView { id, order, since_unix_ms, left_ms, requests, .. } = fault;
        [
            id.clone(),
            order.target.clone(),
            order.kind.clone(),
            whom(order),
            moment(*since_unix_ms),
            lasting(*left_ms),
            requests.to_string(),
        ]
    };
    let rows: Vec<[String; 7]> = told.faults.iter().map(row).collect();
    print!("{}", columns(["FAULT", "TARGET", "KIND", "FOR WHOM", "SINCE (UTC)", "LEFT", "BEFELL"], &rows));
    if !told.enabled {
        eprintln!("game days are off: `[game_day]` with `enabled = true` in the configuration allows faults");
    }
}

fn removed(told: &RemovedReply, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(told);
    }
    if told.removed.is_empty() {
        eprintln!("no fault was on");
    }
    for fault in &told.removed {
        let InjectionView { id, order: Order { target, kind, .. }, requests, .. } = fault;
        println!("{target}: {kind} → no fault; {id} befell {requests} requests");
        eprintln!("undo: {}", again(&fault.order));
    }
    Ok(())
}

/// The command that asks for it.
fn again(Order { target, kind, share_percent, caller, for_ms }: &Order) -> String {
    let caller = caller.as_ref().map(|caller| format!(" --caller {caller}")).unwrap_or_default();
    format!("pointsman fault add '{target}' {kind} --share {share_percent}%{caller} --for {}", exactly(*for_ms))
}

/// As `--for` reads it.
fn exactly(ms: u64) -> String {
    match ms {
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

fn whom(Order { share_percent, caller, .. }: &Order) -> String {
    let whose = caller.as_ref().map(|caller| format!(" of {caller}")).unwrap_or_default();
    if *share_percent >= 100.0 {
        format!("all requests{whose}")
    } else {
        format!("{share_percent} % of the requests{whose}")
    }
}

/// The two largest units of a length of time.
fn lasting(ms: u64) -> String {
    let seconds = ms.div_ceil(1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, seconds) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, 0) => format!("{minutes}m"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, 0, _) => format!("{hours}h"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_times() {
        assert_eq!((share("5%"), share("0.5 %"), share("100")), (Ok(5.0), Ok(0.5), Ok(100.0)));
        assert!(share("some").is_err() && time("soon").is_err() && time("10").is_err());
        assert_eq!(time(defaults::FAULT_FOR), Ok(Duration::from_secs(600)));
        for (ms, words) in
            [(1, "1s"), (59_001, "1m"), (61_000, "1m 1s"), (600_000, "10m"), (3_600_000, "1h"), (9_000_000, "2h 30m")]
        {
            assert_eq!(lasting(ms), words);
        }
    }
}
