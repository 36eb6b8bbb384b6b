//! A plugin remembers nothing between two calls: that is checked while it serves, and whoever does not want to rely on it
//! has an instance made for each call.

use std::sync::Arc;

use pointsman::gateway;
use pointsman::plugin::{Plugin, Policy};
use pointsman_tests::guests::{TURNS, bundled};
use pointsman_tests::situations::{Situations, targets};
use pointsman_tests::{CLAUDE, GPT, Line};

use super::{slot, under_traffic};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_remembers_is_found_out_and_goes() {
    let line = Arc::new(Line::start().await);
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    let good = slot(&line, "failover").live.sha256;
    let ((), _) = under_traffic(&line, CLAUDE, async {
        let bad = line.gateway.load("failover", TURNS).await.expect("it looks well").staged.expect("staged").sha256;
        line.gateway.swap("failover", false).await.expect("a swap");
        pointsman_tests::wait_until("the good version is back", || slot(&line, "failover").live.sha256 == good).await;
        let barred = slot(&line, "failover").barred;
        assert!(barred.get(&bad).is_some_and(|why| why.contains("fresh instance")), "{barred:?}");
    })
    .await;
    looking.abort();
}

/// Whatever they are asked, fresh or not: all that the gateway brings along keep to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_built_in_remembers_nothing() {
    let line = Line::start().await;
    for number in 0..60 {
        let (prompt, stream) = (format!("write {number} words"), number % 2 == 0);
        line.claude(if number % 3 == 0 { GPT } else { CLAUDE }, &prompt, stream).await;
        line.gpt(if number % 3 == 0 { CLAUDE } else { GPT }, &prompt, stream).await;
    }
    for name in ["failover", "openai-chat", "anthropic-messages"] {
        let live = slot(&line, name).live;
        assert!(live.repeated >= 5 && live.impure == 0 && live.faults == 0, "{live:?}");
    }
}

/// How often one call in a thousand is, once a version is known.
#[tokio::test]
async fn few_calls_are_made_again() {
    let decided = async |bytes: &[u8], calls: usize| {
        let plugin = Plugin::load("policy", bytes).await.expect("a policy");
        let policy = Policy::open(Arc::clone(&plugin), "{}".to_owned(), targets(4)).await.expect("opened");
        let mut situations = Situations::seeded(5);
        for _ in 0..calls {
            policy.decide(&situations.next(4)).await.expect("a decision");
        }
        plugin.tally.counts()
    };
    let pure = decided(bundled("failover"), 3_000).await;
    assert_eq!((pure.calls, pure.repeated, pure.impure, pure.faults), (3_000, 14, 0, 0));
    let impure = decided(TURNS, 600).await;
    assert!(impure.impure >= 3 && impure.faults == impure.impure, "found out soon: {impure:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_serves_once_where_it_shall() {
    let file = std::env::temp_dir().join(format!("fresh-{}.wasm", std::process::id()));
    std::fs::write(&file, TURNS).expect("a file");
    let isolated = |isolation: &str| {
        format!(
            "[plugins.turns]\nfile = {file:?}\nisolation = \"{isolation}\"\n[models.turns]\npolicy = \"turns\"\n\
             targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n"
        )
    };
    let line = Line::start_with(&isolated("fresh")).await;
    let ask = async || {
        let mut answered_by = std::collections::BTreeSet::new();
        for number in 0..20 {
            let answer = line.claude("turns", "hello", number % 2 == 0).await;
            answered_by.insert(answer.header("x-pointsman-target").to_owned());
        }
        answered_by.len()
    };
    assert_eq!(ask().await, 1, "each instance has its first turn");
    let live = slot(&line, "turns").live;
    assert_eq!((live.instances_running, live.instances_idle, live.impure), (0, 0, 0), "none waits for another call");
    assert!(live.repeated > 0);
    // What operators put into the slot is treated so, too.
    line.gateway.load("turns", &pointsman_tests::guests::another(TURNS, 1)).await.expect("a version");
    line.gateway.swap("turns", false).await.expect("a swap");
    assert_eq!(ask().await, 1);
    assert_eq!(slot(&line, "turns").live.instances_idle, 0);
    line.reconfigure(&isolated("reused")).await.expect("a configuration");
    assert_eq!(ask().await, 2, "turns are taken");
    assert!(slot(&line, "turns").live.instances_idle > 0);
    let error = line.reconfigure(&isolated("never")).await.expect_err("no such word");
    assert!(format!("{error:#}").contains("`reused` or `fresh`"), "{error:#}");
    std::fs::remove_file(&file).expect("the file");
}
