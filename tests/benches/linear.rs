//! How the work of the codecs grows with each dimension of a caller's body: instructions for a body, and how many times as many
//! for each doubling. About 2 is in proportion, 4 would be the square.
//!
//!     cargo bench -p pointsman-tests --bench linear
//!
//! On 30 November 2026, 288 lines of calls and dimensions: each doubling costs 1.8 to 2.4 times as much (2.4 where fields are sorted,
//! and where memory doubles as it grows), so all is in proportion. What costs most, at 2,000: 272 million instructions for schemas
//! with so many choices in Gemini's subset; at 4,000 that is more than a call may take.

use pointsman::plugin::engine;
use pointsman_tests::bodies::{ADAPTERS, CALLERS, DIMENSIONS, body, encode, plugins, read};

const COUNTS: [usize; 4] = [250, 500, 1_000, 2_000];

fn main() -> anyhow::Result<()> {
    engine::count_fuel()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let plugins = plugins().await?;
        println!("| call | dimension | instructions at {} | grows by | | |", COUNTS[0]);
        println!("|---|---|---|---|---|---|");
        for caller in CALLERS {
            for dimension in DIMENSIONS {
                let bodies = COUNTS.map(|count| body(caller, dimension, count));
                let (mut requests, mut costs) = (Vec::new(), Vec::new());
                for body in &bodies {
                    let (request, cost) = read(&plugins[caller], body).await?;
                    requests.push(request);
                    costs.push(Ok(cost.instructions));
                }
                tell(&format!("read {caller}"), &format!("{dimension:?}"), &costs);
                for (adapter, settings) in ADAPTERS {
                    let mut costs = Vec::new();
                    for (request, body) in requests.iter().zip(&bodies) {
                        let cost = encode(&plugins[adapter], settings, request, body.to_string().len()).await;
                        costs.push(match cost {
                            Ok(cost) => cost.refused.map_or(Ok(cost.instructions), Err),
                            // More than a call may take, which is an answer, too.
                            Err(error) => Err(format!("{error:#}")),
                        });
                    }
                    tell(&format!("{caller} to {adapter} {settings}"), &format!("{dimension:?}"), &costs);
                }
            }
        }
        Ok(())
    })
}

fn tell(call: &str, dimension: &str, costs: &[Result<u64, String>]) {
    let growth = costs.windows(2).map(|pair| match pair {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        [Ok(one), Ok(other)] => format!("{:.1}", *other as f64 / *one as f64),
        [_, Err(refused)] => format!("refused: {refused}"),
        _ => String::new(),
    });
    let first = costs.first().map_or(0, |cost| *cost.as_ref().unwrap_or(&0));
    println!("| {call} | {dimension} | {first} | {} |", growth.collect::<Vec<_>>().join(" | "));
}
