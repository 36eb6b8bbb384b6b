//! How many simulated requests a minute the drill plays.
//!
//!     cargo bench -p pointsman-tests --bench drill

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use pointsman::config;
use pointsman::drill::{self, BUILT_IN, Choice, Drill, Incident, Line, Traffic};
use pointsman::plugin::Compiler;
use tokio::time::Instant;

const PER_MINUTE: f64 = 120.0;
const LASTS: Duration = Duration::from_secs(3 * 3_600);
/// The kernel counts processor time in hundredths of a second.
const TICKS_A_SECOND: f64 = 100.0;

fn main() -> anyhow::Result<()> {
    let text = std::fs::read_to_string("../examples/two-providers.toml").context("the example")?;
    let config = config::parse(&text, Path::new("two-providers.toml"), &|name| {
        name.ends_with("_API_KEY").then(|| "none".to_owned())
    })?;
    println!("| incident | policies | requests | wall time | requests a minute | processor time a request |");
    println!("|---|---|---|---|---|---|");
    for policies in [&["failover"][..], &["failover", "hedged"]] {
        for (name, _) in BUILT_IN {
            let drill = Drill {
                compiler: Compiler::here(),
                config: config.clone(),
                incident: Incident::find(name)?.lasting(LASTS),
                traffic: Traffic::guessed(&config, PER_MINUTE)?,
                choices: policies.iter().map(|policy| Choice::parse(policy)).collect::<anyhow::Result<_>>()?,
                seed: 1,
                line: Line::Simulated,
                explain: None,
            };
            let (began, ticks) = (Instant::now(), ticks()?);
            let report = drill::run(&drill, &|_| {})?;
            let (wall, used) = (began.elapsed().as_secs_f64(), (self::ticks()? - ticks) / TICKS_A_SECOND);
            let requests = report.requests as f64 * policies.len() as f64;
            println!(
                "| {name} | {} | {requests} | {wall:.1} s | {:.0} | {:.0} µs |",
                policies.join(" and "),
                requests / wall * 60.0,
                used / requests * 1e6
            );
        }
    }
    Ok(())
}

/// Processor time of this process.
fn ticks() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("Linux is needed")?;
    let fields = stat.rsplit_once(')').context("an odd stat")?.1;
    let field = |number: usize| fields.split_whitespace().nth(number)?.parse::<f64>().ok();
    Ok(field(11).context("utime")? + field(12).context("stime")?)
}
