//! What a policy costs in each language: the table in `examples/policies/README.md`.
//!
//!     cargo bench -p pointsman-tests --bench languages

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use pointsman::plugin::bindings::policy::Situation;
use pointsman::plugin::{Plugin, Policy};
use pointsman_tests::guests::{NIGHT_SHIFT, NIGHT_SHIFT_0_1_0};
use pointsman_tests::languages::LANGUAGES;
use pointsman_tests::situations::{Situations, targets};
use tokio::time::{Duration, Instant};

/// As a route may have.
const TARGETS: usize = 4;
const COMPILED: usize = 3;
const FRESH: usize = 40;
const WARM: usize = 4_000;
/// Instances that are kept at once, to see what one takes.
const KEPT: usize = 24;

fn main() -> anyhow::Result<()> {
    // One thread: what is measured is the guest, not the waking of another thread.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        println!("| | component | compiled in | decision, warm | decision, fresh instance | memory of an instance |");
        println!("|---|---|---|---|---|---|");
        measure("Rust", NIGHT_SHIFT).await?;
        measure("Rust, against contract 0.1.0", NIGHT_SHIFT_0_1_0).await?;
        for language in LANGUAGES {
            let bytes = std::fs::read(language.component()).context("the component")?;
            measure(language.name, &bytes).await.with_context(|| language.name)?;
        }
        Ok(())
    })
}

async fn measure(name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let situation = Situations::seeded(7).next(TARGETS);
    let (mut compiled, mut fresh, mut warm) = (Vec::new(), Vec::new(), Vec::new());
    let mut plugin = Plugin::load(name, bytes).await?;
    for _ in 0..COMPILED {
        let start = Instant::now();
        plugin = Plugin::load(name, bytes).await?;
        compiled.push(start.elapsed());
    }
    for _ in 0..FRESH {
        let start = Instant::now();
        decided(&opened(&plugin).await?, &situation).await?;
        fresh.push(start.elapsed());
    }
    let policy = opened(&plugin).await?;
    for _ in 0..WARM {
        let start = Instant::now();
        decided(&policy, &situation).await?;
        warm.push(start.elapsed());
    }
    let (before, mut kept) = (resident_bytes()?, Vec::new());
    for _ in 0..KEPT {
        let policy = opened(&plugin).await?;
        decided(&policy, &situation).await?;
        kept.push(policy);
    }
    let kilobytes = resident_bytes()?.saturating_sub(before) / KEPT / 1_000;
    println!(
        "| {name} | {} kB | {} | {} | {} | {kilobytes} kB |",
        bytes.len() / 1_000,
        readable(median(compiled)),
        readable(median(warm)),
        readable(median(fresh)),
    );
    Ok(())
}

async fn opened(plugin: &Arc<Plugin>) -> anyhow::Result<Policy> {
    Policy::open(Arc::clone(plugin), "{}".to_owned(), targets(TARGETS)).await
}

async fn decided(policy: &Policy, situation: &Situation) -> anyhow::Result<()> {
    policy.decide(situation).await.map(drop).map_err(|fault| anyhow!("{fault}"))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn readable(time: Duration) -> String {
    match time.as_micros() {
        micros @ ..1_000 => format!("{micros} µs"),
        micros @ ..1_000_000 => format!("{:.1} ms", f64::from(u32::try_from(micros).unwrap_or_default()) / 1e3),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// What this process holds of the machine's memory.
fn resident_bytes() -> anyhow::Result<usize> {
    const PAGE_BYTES: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').nth(1).context("/proc/self/statm")?;
    Ok(pages.parse::<usize>()? * PAGE_BYTES)
}
