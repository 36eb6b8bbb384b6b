//! Plugins: loaded, swapped under load, and misbehaving.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pointsman::plugin::{self, Plugin};
use pointsman_bundle::BUNDLED;
use pointsman_tests::guests::{HOSTILE, HOSTILE_CODEC, NIGHT_SHIFT, bundled};
use pointsman_tests::{CLAUDE, GPT, Line, behave, slowly};

#[tokio::test]
async fn built_in_plugins_import_no_function() {
    assert_eq!(BUNDLED.len(), 14);
    for bundled in BUNDLED {
        // Loading refuses any import of a function: see the test of a plugin that has one.
        let plugin = plugin::bundled(bundled.name).await.expect("it loads");
        assert!(plugin.imports.iter().all(|import| import.starts_with("pointsman:plugin/")), "{:?}", plugin.imports);
        assert_eq!(plugin.sha256, bundled.sha256);
    }
}

/// Faults: F94, F95, F96, F97
#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_reason() {
    let good = bundled("failover");
    let importing =
        "(component (import \"wasi:clocks/wall-clock@0.2.0\" (instance (export \"now\" (func (result u64))))))";
    let importing = wat::parse_str(importing).expect("a component");
    let empty = wat::parse_str("(component)").expect("a component");
    let core = wat::parse_str("(module)").expect("a module");
    let mut flipped = good.to_vec();
    flipped[good.len() / 2] ^= 0xff;
    for (bytes, reason) in [
        (&b""[..], "empty"),
        (b"hello", "not WebAssembly"),
        (&core, "core WebAssembly module"),
        (&good[..good.len() / 2], "damaged"),
        (&good[..9], "damaged"),
        (&empty, "exports nothing"),
        (&importing, "may import no function"),
    ] {
        let error = Plugin::load("x", bytes).await.err().unwrap_or_else(|| panic!("{reason}"));
        assert!(format!("{error:#}").contains(reason), "{reason}: {error:#}");
    }
    if let Ok(plugin) = Plugin::load("x", &flipped).await {
        // A flipped bit can be harmless; then it must be another version.
        assert_ne!(plugin.sha256, BUNDLED[0].sha256);
    }
}

const HOSTILE_WAYS: [&str; 9] = ["loop", "copy", "bomb", "trap", "recursion", "giant", "nonsense", "wait", "give-up"];

/// Faults: F83, F84, F85, F86, F87, F88, F89, F92
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_whatever_a_policy_does() {
    let line = Line::start().await;
    let routes: String = HOSTILE_WAYS
        .iter()
        .map(|how| {
            format!(
                "[models.{how}]\npolicy = \"hostile\"\nsettings = {{ how = \"{how}\" }}\n\
                 targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n"
            )
        })
        .collect();
    let file = std::env::temp_dir().join(format!("hostile-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE).expect("a file");
    let plugins = format!("[plugins.hostile]\nfile = {file:?}\n");
    line.reconfigure(&format!("{routes}{plugins}")).await.expect("a configuration");
    for how in HOSTILE_WAYS {
        let before = faults(&line, "hostile");
        let answer = line.claude(how, "hello", true).await;
        assert!(answer.complete(), "{how}: {}", answer.body);
        assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5", "{how}: the configured order");
        assert!(faults(&line, "hostile") > before, "{how} is counted");
        if how == "give-up" {
            // After a failure, giving up is an answer like any other.
            continue;
        }
        line.anthropic.behave(behave("529"));
        let answer = line.gpt(how, "hello", false).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{how}: the configured order, on a failure");
        line.anthropic.behave(behave("ok"));
    }
    std::fs::remove_file(&file).expect("the file");
}

/// An adapter that misbehaves is a failed attempt: another target answers. So is a provider that cannot be reached.
/// Faults: F01, F83, F84, F93, F100
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_on_whatever_an_adapter_does() {
    let file = std::env::temp_dir().join(format!("hostile-codec-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE_CODEC).expect("a file");
    let line = Line::start().await;
    let ways = ["well", "trap", "loop", "path", "host-header", "newline"];
    let mut more = format!(
        "[plugins.hostile-codec]\nfile = {file:?}\n[providers.gone]\nadapter = \"openai-chat\"\n\
         base_url = \"http://127.0.0.1:1\"\n[models.gone]\ntargets = [\"gone/x\", \"openai/gpt-5\"]\n"
    );
    for how in ways {
        more += &format!(
            "[providers.{how}]\nadapter = \"hostile-codec\"\nbase_url = \"{}\"\nsettings = {{ how = \"{how}\" }}\n\
             key = \"k\"\n[models.{how}]\ntargets = [\"{how}/gpt-5\", \"openai/gpt-5\"]\n",
            line.openai.base_url()
        );
    }
    line.reconfigure(&more).await.expect("a configuration");
    for how in ["gone"].iter().chain(&ways) {
        for stream in [false, true] {
            let before = faults(&line, "hostile-codec");
            let answer = line.gpt(how, "hello", stream).await;
            assert_eq!(answer.status, 200, "{how}: {}", answer.body);
            assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{how}");
            assert_eq!(answer.header("x-pointsman-attempts"), "2", "{how}");
            // A reply decoded to nothing is no trap, but no answer either.
            let counted = *how != "gone" && (*how != "well" || stream);
            assert_eq!(faults(&line, "hostile-codec") > before, counted, "{how}, {stream}");
        }
    }
    // Its own callers get an error, not a hang and not a panic.
    let answer = line.post("/hostile", &pointsman_tests::chat_body("well", "hello", false)).await;
    assert!(answer.status == 422 && answer.body.contains("error"), "{}", answer.body);
    std::fs::remove_file(&file).expect("the file");
}

/// Numbers that would overflow an instant, and a sentence of thousands of bytes, are cut to what makes sense.
/// Faults: F91
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_numbers_of_a_policy_are_cut() {
    let file = std::env::temp_dir().join(format!("forever-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE).expect("a file");
    let line = Line::start_with(&format!(
        "[plugins.hostile]\nfile = {file:?}\n[models.forever]\npolicy = \"hostile\"\nsettings = {{ how = \"forever\" }}\n\
         targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]"
    ))
    .await;
    line.anthropic.behave(behave("529"));
    for stream in [false, true] {
        let answer = line.claude("forever", "write 20 words", stream).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    }
    assert_eq!(faults(&line, "hostile"), 0);
    std::fs::remove_file(&file).expect("the file");
}

/// Faults: F90
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_never_learns_ends() {
    let file = std::env::temp_dir().join(format!("same-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE).expect("a file");
    let line = Line::start_with(&format!(
        "[plugins.hostile]\nfile = {file:?}\n[models.same]\npolicy = \"hostile\"\nsettings = {{ how = \"same\" }}\n\
         targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]"
    ))
    .await;
    line.anthropic.behave(behave("529"));
    let answer = line.claude("same", "hello", false).await;
    assert_eq!(answer.status, 529, "{}", answer.body);
    assert!(line.anthropic.seen().len() <= 5, "{}", answer.body);
    std::fs::remove_file(&file).expect("the file");
}

fn faults(line: &Line, name: &str) -> u64 {
    line.gateway.table().slots[name].live.tally.counts().faults
}

/// Faults: F102
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_plugin_changes_nothing() {
    let line = Line::start().await;
    let before = line.gateway.table().slots["failover"].live.sha256.clone();
    let error = line.gateway.load("failover", bundled("openai-chat")).await.expect_err("another world");
    assert!(format!("{error:#}").contains("load it under another name"), "{error:#}");
    assert!(line.gateway.load("failover", &bundled("fastest")[..1000]).await.is_err());
    assert!(line.gateway.swap("failover", false).await.is_err(), "nothing is staged");
    assert!(line.gateway.rollback("failover").await.is_err(), "nothing was before");
    // It loads, but refuses the route's settings when it is to go live.
    line.gateway.load("failover", HOSTILE).await.expect("it looks well");
    let error = line.gateway.swap("failover", false).await.expect_err("its setting is missing");
    assert!(format!("{error:#}").contains("refuses its settings"), "{error:#}");
    assert_eq!(line.gateway.table().slots["failover"].live.sha256, before);
    assert!(line.claude(CLAUDE, "hello", false).await.status.is_success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_policy_decides() {
    let file = std::env::temp_dir().join(format!("night-{}.wasm", std::process::id()));
    std::fs::write(&file, NIGHT_SHIFT).expect("a file");
    let route = |from: u32, to: u32| {
        format!(
            "[plugins.night-shift]\nfile = {file:?}\n[models.shift]\npolicy = \"night-shift\"\n\
             settings = {{ from = {from}, to = {to} }}\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]"
        )
    };
    // The harness's clock stands at 10 o'clock UTC.
    let line = Line::start_with(&route(22, 6)).await;
    assert_eq!(line.claude("shift", "hello", false).await.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5");
    line.reconfigure(&route(9, 11)).await.expect("a configuration");
    assert_eq!(line.claude("shift", "hello", false).await.header("x-pointsman-target"), "openai/gpt-5");
    let error = line.reconfigure(&route(9, 24)).await.expect_err("no such hour");
    assert!(format!("{error:#}").contains("are hours"), "{error:#}");
    std::fs::remove_file(&file).expect("the file");
}

/// A stream that began on one version of a codec ends on it: the new version is not called for it even once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_on_the_version_that_it_began_with() {
    let line = Line::start().await;
    line.gateway.load("openai-chat", bundled("openai-chat")).await.expect("the same codec, as another version");
    line.openai.behave(slowly("ok"));
    let body = pointsman_tests::messages_body(GPT, "write 40 words", true).to_string();
    let response = line.open("/v1/messages", body).await;
    let old = Arc::clone(&line.gateway.table().slots["openai-chat"].live);
    line.gateway.swap("openai-chat", false).await.expect("a swap");
    let (new, before) = (Arc::clone(&line.gateway.table().slots["openai-chat"].live), old.tally.counts().calls);
    assert!(!Arc::ptr_eq(&old, &new));
    let asked = new.tally.counts().calls;
    let answer = pointsman_tests::Answer::read(response).await;
    assert!(answer.complete() && answer.text().ends_with("word40"), "{}", answer.body);
    assert!(old.tally.counts().calls > before, "the rest of the stream was decoded by the old version");
    assert_eq!(new.tally.counts().calls, asked);
    line.gpt(GPT, "hello", false).await;
    assert!(new.tally.counts().calls > asked, "the next request is the new version's");
}

/// Innocent calls are not cut, however busy the machine: runaways and spinning threads hold both cores for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overloaded_machine_does_not_cut_innocent_calls() {
    let file = std::env::temp_dir().join(format!("overload-{}.wasm", std::process::id()));
    std::fs::write(&file, HOSTILE).expect("a file");
    let line = Arc::new(
        Line::start_with(&format!(
            "[plugins.hostile]\nfile = {file:?}\n[models.loop]\npolicy = \"hostile\"\nsettings = {{ how = \"loop\" }}\n\
             targets = [\"anthropic/claude-sonnet-4-5\"]"
        ))
        .await,
    );
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let spinning: Vec<_> = (0..8)
        .map(|_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
        })
        .collect();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..6 {
        let line = Arc::clone(&line);
        callers.spawn(async move {
            for _ in 0..20 {
                let model = if caller < 2 { "loop" } else { CLAUDE };
                let answer = line.claude(model, "hello", true).await;
                assert!(answer.complete(), "{}", answer.body);
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("an answer to every request");
    }
    stop.store(true, Ordering::Relaxed);
    spinning.into_iter().for_each(|thread| thread.join().expect("a thread that only spins"));
    assert_eq!(faults(&line, "hostile"), 40, "every runaway was cut");
    for innocent in ["failover", "anthropic-messages", "openai-chat"] {
        assert_eq!(faults(&line, innocent), 0, "{innocent} was cut");
    }
    std::fs::remove_file(&file).expect("the file");
}
