//! Versions of adapters on trial and in the shadow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pointsman::gateway;
use pointsman::journal::{What, told};
use pointsman_tests::guests::{HOSTILE_CODEC, another, bundled, versioned};
use pointsman_tests::{CLAUDE, Line, behave, chat_body, wait_until};

use super::slot;

/// The OpenAI behind an adapter of which there are versions: two providers, because a request is to be retried.
async fn line() -> (Arc<Line>, std::path::PathBuf) {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let file = std::env::temp_dir().join(format!("on-trial-{}-{number}.wasm", std::process::id()));
    std::fs::write(&file, versioned("well", 0)).expect("a file");
    let line = Arc::new(Line::start().await);
    let hostile = file.with_extension("hostile.wasm");
    std::fs::write(&hostile, HOSTILE_CODEC).expect("a file");
    let mut more = format!("[plugins.versioned]\nfile = {file:?}\n[plugins.hostile]\nfile = {hostile:?}\n");
    for name in ["one", "two"] {
        let url = line.openai.base_url();
        more += &format!("[providers.{name}]\nadapter = \"versioned\"\nbase_url = \"{url}\"\nkey = \"k\"\n");
    }
    more += "[models.both]\ntargets = [\"one/first\", \"two/second\"]\n\
             [models.mixed]\ntargets = [\"one/first\", \"two/second\", \"anthropic/claude-sonnet-4-5\"]\n\
             [models.odd]\nsettings = { attempts = 1 }\ntargets = [\"one/third\"]\n\
             [models.one]\ntargets = [\"one/first\", \"openai/gpt-5\"]\n";
    line.reconfigure(&more).await.expect("a configuration");
    std::fs::remove_file(&hostile).expect("the file");
    (line, file)
}

/// Ask until the version on trial is gone; how many answers another target had to give.
async fn until_it_is_gone(line: &Arc<Line>, word: &str) -> usize {
    let mut by_others = 0;
    for number in 0..2_000 {
        let answer = line.gpt("one", "hello", number % 2 == 0).await;
        assert!(answer.status == 200 && answer.text().ends_with("hello"), "no caller notices: {}", answer.body);
        by_others += usize::from(answer.header("x-pointsman-attempts") == "2");
        if slot(line, "versioned").canary.is_none() {
            let barred = slot(line, "versioned").barred;
            assert!(barred.values().any(|why| why.contains(word)), "{barred:?}");
            return by_others;
        }
    }
    panic!("it is still on trial: {:?}", slot(line, "versioned"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_that_fares_worse_on_trial_is_dropped_and_no_caller_notices() {
    let (line, file) = line().await;
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    let good = slot(&line, "versioned").live.sha256;
    // It does all right by its own account, but its provider knows no such path.
    line.gateway.load("versioned", &versioned("path", 1)).await.expect("it looks well");
    line.gateway.canary("versioned", 20, false).await.expect("a trial");
    let by_others = until_it_is_gone(&line, "ended badly").await;
    assert!(by_others >= 50, "{by_others} requests showed that it is worse");
    // And one that traps: its faults show it sooner.
    line.gateway.load("versioned", &versioned("trap", 2)).await.expect("it looks well");
    line.gateway.canary("versioned", 20, false).await.expect("a trial");
    let by_others = until_it_is_gone(&line, "faults in").await;
    assert!(by_others >= 3, "{by_others} requests showed that it traps");
    assert_eq!(slot(&line, "versioned").live.sha256, good);
    looking.abort();
    std::fs::remove_file(&file).expect("the file");
}

/// Faults: F131
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_at_which_every_version_fails_is_its_callers_trouble() {
    let (line, file) = line().await;
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    line.gateway.load("versioned", &versioned("well", 5)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    let swapped = slot(&line, "versioned").live.sha256;
    for (prompt, status) in [("trap at this", 422), ("spin at this", 413)] {
        for _ in 0..5 {
            let answer = line.claude("both", prompt, false).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("x-pointsman-attempts")),
                (status, "1"),
                "{}",
                answer.body
            );
            assert!(answer.body.starts_with(r#"{"type":"error","error":{"type":"#), "{}", answer.body);
        }
        let answer = line.claude("mixed", prompt, false).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "2"), "{}", answer.body);
    }
    // A plugin that cannot read its own callers.
    let answer = line.post("/hostile", &pointsman_tests::chat_body("both", "hello", false)).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (422, "1"), "{}", answer.body);
    assert!(line.openai.seen().is_empty(), "no provider was asked");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let after = slot(&line, "versioned");
    assert!(after.live.sha256 == swapped && after.live.faults >= 10, "it serves on: {after:?}");
    let targets = line.gateway.targets();
    assert!(targets.iter().all(|target| target.circuit == "closed" && target.success_rate >= 1.0), "{targets:?}");
    // And a version that fails where the one before it does not.
    line.gateway.load("versioned", &versioned("fail", 6)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    for _ in 0..3 {
        let answer = line.claude("both", "hello", false).await;
        assert!(answer.status.is_server_error(), "another version does it: {}", answer.body);
    }
    wait_until("the good version is back", || slot(&line, "versioned").live.sha256 == swapped).await;
    assert_eq!(line.claude("both", "hello", false).await.status, 200);
    looking.abort();
    std::fs::remove_file(&file).expect("the file");
}

/// Faults: F183
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_odd_reply_takes_no_version_back_that_others_are_no_better_than() {
    let (line, file) = line().await;
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    let before = slot(&line, "versioned").live.sha256;
    // One that reads nothing goes: the one before it reads the same bytes.
    line.gateway.load("versioned", &versioned("trap", 8)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    for _ in 0..4 {
        line.gpt("both", "hello", false).await;
    }
    wait_until("the good version is back", || slot(&line, "versioned").live.sha256 == before).await;
    line.gateway.load("versioned", &versioned("well", 9)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    let swapped = slot(&line, "versioned").live.sha256;
    for _ in 0..6 {
        let answer = line.gpt("odd", "an oddity", false).await;
        assert!(answer.status.is_server_error(), "{}", answer.body);
    }
    // However often one broken stream is looked at.
    let _ = line.gpt("odd", "what a long and wide oddity", true).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let after = slot(&line, "versioned");
    assert!(after.live.sha256 == swapped && after.live.faults >= 6, "it serves on: {after:?}");
    looking.abort();
    std::fs::remove_file(&file).expect("the file");
}

/// Faults: F213
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_no_version_can_write_takes_none_back() {
    let (line, file) = line().await;
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    let before = slot(&line, "versioned").live.sha256;
    let ask = async |prompt: &str, stream| line.post("/versioned", &chat_body(CLAUDE, prompt, stream)).await;
    assert!(ask("hello", false).await.body.ends_with("hello"));
    // One that writes nothing goes: the one before it writes the same reply.
    line.gateway.load("versioned", &versioned("mute", 10)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    for number in 0..4 {
        ask("hello", number % 2 == 0).await;
    }
    wait_until("the good version is back", || slot(&line, "versioned").live.sha256 == before).await;
    line.gateway.load("versioned", &versioned("well", 11)).await.expect("it looks well");
    line.gateway.swap("versioned", false).await.expect("a swap");
    let swapped = slot(&line, "versioned").live.sha256;
    for _ in 0..6 {
        let answer = ask("what is unwritable", false).await;
        assert!(answer.status.is_server_error(), "{}", answer.body);
    }
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let after = slot(&line, "versioned");
    assert!(after.live.sha256 == swapped && after.live.faults >= 6, "it serves on: {after:?}");
    let targets = line.gateway.targets();
    assert!(targets.iter().all(|target| target.circuit == "closed"), "{targets:?}");
    looking.abort();
    std::fs::remove_file(&file).expect("the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_version_of_an_adapter_in_all_its_attempts() {
    const REQUESTS: usize = 18;
    let (line, file) = line().await;
    line.openai.behave_for("first", behave("500"));
    line.gateway.load("versioned", &versioned("well", 7)).await.expect("a good version");
    line.gateway.canary("versioned", 50, false).await.expect("a trial");
    // Two attempts each, at two providers. After more of them the first target would be left alone.
    for number in 0..REQUESTS {
        let answer = line.gpt("both", &format!("request {number}"), number % 2 == 0).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "2"), "{}", answer.body);
    }
    let mut seen = BTreeMap::<String, Vec<String>>::new();
    for one in line.openai.seen() {
        let body: serde_json::Value = serde_json::from_slice(&one.body).expect("JSON");
        let prompt = body["messages"][0]["content"].as_str().expect("a prompt").to_owned();
        seen.entry(prompt).or_default().push(one.header("x-version").expect("a version").to_owned());
    }
    assert_eq!(seen.len(), REQUESTS);
    let mut all = BTreeSet::new();
    for (prompt, versions) in &seen {
        assert!(versions.len() == 2 && versions[0] == versions[1], "{prompt}: {versions:?}");
        all.insert(versions[0].clone());
    }
    assert_eq!(all.len(), 2, "both versions served: {all:?}");
    let slot = slot(&line, "versioned");
    let canary = slot.canary.expect("still on trial");
    assert_eq!(
        canary.good + canary.bad + slot.live.good + slot.live.bad,
        2 * REQUESTS as u64,
        "each attempt is judged"
    );
    std::fs::remove_file(&file).expect("the file");
}

/// The side that speaks to callers has its share, too: what is asked in Anthropic's words is read and answered by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_codec_on_trial_speaks_to_callers() {
    let line = Line::start().await;
    let new = another(bundled("anthropic-messages"), 1);
    line.gateway.load("anthropic-messages", &new).await.expect("a good version");
    line.gateway.canary("anthropic-messages", 50, false).await.expect("a trial");
    for number in 0..40 {
        let answer = line.claude(pointsman_tests::GPT, "hello", number % 2 == 0).await;
        assert!(answer.status == 200 && answer.text().ends_with("hello"), "{}", answer.body);
    }
    let slot = slot(&line, "anthropic-messages");
    let canary = slot.canary.expect("on trial");
    assert_eq!((canary.good + slot.live.good, canary.bad + slot.live.bad), (40, 0));
    assert!(canary.good > 5 && slot.live.good > 5, "both versions answered: {} {}", canary.good, slot.live.good);
    assert_eq!((canary.faults, slot.live.faults), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_in_the_shadow_is_compared_and_not_obeyed() {
    let (line, file) = line().await;
    line.gateway.load("versioned", &versioned("more", 3)).await.expect("it looks well");
    line.gateway.shadow("versioned").await.expect("a shadow");
    // Translated: it is asked to encode. Between the same protocols: to forward, which differs in a header only.
    for stream in [false, true] {
        let answer = line.claude("both", "a secret plan", stream).await;
        assert!(answer.text().ends_with("a secret plan"), "the live version is obeyed: {}", answer.body);
        assert_eq!(line.gpt("both", "a secret plan", stream).await.status, 200);
    }
    line.openai.behave(behave("500"));
    line.claude("both", "a secret plan", false).await;
    for seen in line.openai.seen() {
        assert_eq!(seen.header("x-version"), Some("well#0000000"), "its requests go nowhere");
    }
    let shadow = slot(&line, "versioned").shadow.expect("in the shadow");
    assert!(shadow.alike > 0 && shadow.differing >= 8 && shadow.faults == 0, "{shadow:?}");
    let differences = line.gateway.differences().of("versioned", 99);
    let told: String = differences.iter().map(|difference| told(difference)).collect();
    for part in [
        "encode for one: /",
        "/body/messages/0/content: a text of 13 bytes, and a text of 22 bytes in the shadow",
        "forward for one: /Ok/headers/0/value: a text of 12 bytes, and another in the shadow",
        "decode for one: ",
        "/TextDelta/text: a text of",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("secret") && !format!("{differences:?}").contains("secret"), "no word of a prompt: {told}");
    assert!(differences.iter().all(|difference| matches!(difference.what, What::Answer { .. })));
    std::fs::remove_file(&file).expect("the file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_in_the_shadow_that_traps_is_dropped() {
    let (line, file) = line().await;
    let looking = tokio::spawn(gateway::look_after(Arc::clone(&line.gateway)));
    line.gateway.load("versioned", &versioned("trap", 4)).await.expect("it looks well");
    line.gateway.shadow("versioned").await.expect("a shadow");
    for number in 0..1_000 {
        let answer = line.gpt("both", "hello", number % 2 == 0).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "1"), "{}", answer.body);
        if slot(&line, "versioned").shadow.is_none() {
            break;
        }
    }
    let after = slot(&line, "versioned");
    assert!(after.shadow.is_none() && after.barred.values().any(|why| why.contains("faults")), "{after:?}");
    looking.abort();
    std::fs::remove_file(&file).expect("the file");
}

/// The same codec as another version says the same in everything: its shadow finds no difference that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_adapter_in_its_own_shadow_differs_in_nothing() {
    let line = Line::start().await;
    for name in ["openai-chat", "anthropic-messages"] {
        line.gateway.load(name, &another(bundled(name), 1)).await.expect("a good version");
        line.gateway.shadow(name).await.expect("a shadow");
    }
    for behaviour in ["ok", "529", "error-before-content", "error-after:2", "cut-after:3", "garbage"] {
        line.anthropic.behave(behave(behaviour));
        for stream in [false, true] {
            line.claude(CLAUDE, "write 20 words", stream).await;
            line.gpt(CLAUDE, "write 20 words", stream).await;
            line.claude(pointsman_tests::GPT, "write 20 words", stream).await;
        }
    }
    for name in ["openai-chat", "anthropic-messages"] {
        let shadow = slot(&line, name).shadow.expect("in the shadow");
        let told: String = line.gateway.differences().of(name, 99).iter().map(|one| told(one)).collect();
        assert!(shadow.alike > 10 && shadow.differing == 0 && shadow.faults == 0, "{shadow:?} {told}");
    }
}
