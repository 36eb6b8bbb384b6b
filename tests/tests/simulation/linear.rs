//! What a codec makes of a caller's body costs in proportion to it, whatever there is much of: instructions are counted.

use pointsman_tests::bodies::{ADAPTERS, CALLERS, DIMENSIONS, body, encode, plugins, read};

const COUNT: usize = 1_500;
/// Twice the body may take so many hundredths of the instructions: twice as many, something for sorted sets and for what doubles
/// as it grows. The square would be 400.
const GROWTH_MAX: u64 = 270;

/// Faults: F131
#[test]
fn codecs_work_in_proportion_to_a_callers_body() {
    super::ready();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let wrong = runtime.block_on(async {
        let plugins = plugins().await.expect("the plugins");
        let mut wrong = Vec::new();
        for caller in CALLERS {
            for dimension in DIMENSIONS {
                let mut check = |what: String, [one, two]: [u64; 2]| {
                    if two * 100 > one * GROWTH_MAX {
                        wrong.push(format!("{what}, {dimension:?}: {one} instructions, and {two} for twice the body"));
                    }
                };
                let bodies = [COUNT, 2 * COUNT].map(|count| body(caller, dimension, count));
                let mut requests = Vec::new();
                for body in &bodies {
                    let read = read(&plugins[caller], body).await;
                    requests.push(read.unwrap_or_else(|error| panic!("{caller}, {dimension:?}: {error:#}")));
                }
                check(format!("{caller} is read"), [requests[0].1.instructions, requests[1].1.instructions]);
                for (adapter, settings) in ADAPTERS {
                    let mut costs = Vec::new();
                    for ((request, _), body) in requests.iter().zip(&bodies) {
                        let cost = encode(&plugins[adapter], settings, request, body.to_string().len()).await;
                        let cost =
                            cost.unwrap_or_else(|error| panic!("{caller} to {adapter}, {dimension:?}: {error:#}"));
                        costs.push(cost.instructions);
                    }
                    check(format!("{caller} to {adapter} {settings}"), [costs[0], costs[1]]);
                }
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
