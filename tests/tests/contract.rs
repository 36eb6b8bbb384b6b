//! Versions of the contract: components that were built against the version before serve beside those of the current one, and
//! one of a version that is not served is told what to do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pointsman::plugin::{Contract, Kind, Plugin, Policy, hex};
use pointsman_tests::guests::{NIGHT_SHIFT, NIGHT_SHIFT_0_1_0, SPY_CODEC, bundled};
use pointsman_tests::situations::{Situations, targets};
use pointsman_tests::{CLAUDE, GPT, Line, behave};
use sha2::{Digest as _, Sha256};

/// What was built against 0.1.0, and is kept: see the README beside the files.
const OLD: [(&str, &[u8]); 4] = [
    ("night-shift", NIGHT_SHIFT_0_1_0),
    ("night-shift-c", include_bytes!("../fixtures/contract/0.1.0/night-shift-c.wasm")),
    ("failover", include_bytes!("../fixtures/contract/0.1.0/failover.wasm")),
    ("openai-chat", include_bytes!("../fixtures/contract/0.1.0/openai-chat.wasm")),
];

fn old(name: &str) -> &'static [u8] {
    OLD.iter().find(|(known, _)| *known == name).expect("it is kept").1
}

/// Nobody changes a version that others have built against.
#[test]
fn a_frozen_version_stays_as_it_is() {
    const FROZEN: [(&str, &str); 6] = [
        ("chat.wit", "2f792aff29cefdcd989d63cf723c4f02b7f1d0c7eabf488d563b830f1805c477"),
        ("client-protocol.wit", "dca0b2b05432b79587ecb020e5b002238f08e112596da7c8947a7d80ed23a9d4"),
        ("faults.wit", "9154233b0767f38b173f13102a9878070c0f82ea2f1cc548942a32cd168bf721"),
        ("policy.wit", "522d3a0db6d10690eab7924853033d1c483e704a7e9ac15c23fe441d8accf7d1"),
        ("provider.wit", "401d1d000e2b34eab48c904ae54061d887e02a450732ec7bbfb99887a41535f8"),
        ("worlds.wit", "55f0e557c3588bab324ed239582bffd97a7ceffc215350feecd71ac0b250a2b0"),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/0.1.0");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        files.insert(name, hex(&Sha256::digest(std::fs::read(path).expect("its text"))));
    }
    let frozen = FROZEN.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    assert_eq!(files, BTreeMap::from(frozen), "0.1.0 is frozen: change the files in wit/, and read wit/README.md");
}

#[tokio::test]
async fn what_was_built_against_the_version_before_loads() {
    for (name, bytes) in OLD {
        let plugin = Plugin::load(name, bytes).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(plugin.contract(), Contract::Previous, "{name}");
        assert!(plugin.about().is_none(), "{name}: 0.1.0 had no word for it");
        let expected = match name {
            "openai-chat" => Kind::Adapter { provider: true, client: true },
            _ => Kind::Policy,
        };
        assert_eq!(plugin.kind, expected, "{name}");
    }
    let plugin = Plugin::load("failover", bundled("failover")).await.expect("the built-in one");
    assert_eq!(plugin.contract(), Contract::Current);
}

/// All that an old policy is told, it is told as before: it decides as the same policy does that was built today.
#[tokio::test]
async fn an_old_policy_decides_as_a_new_one() {
    let pairs = [("night-shift", NIGHT_SHIFT), ("night-shift-c", NIGHT_SHIFT), ("failover", bundled("failover"))];
    for (name, new) in pairs {
        let old = Plugin::load(name, old(name)).await.expect("the old one");
        let new = Plugin::load(name, new).await.expect("the new one");
        let mut situations = Situations::seeded(11);
        let (mut asked, mut reasons) = (0, BTreeMap::<String, usize>::new());
        for count in 0..6 {
            let open = async |plugin: &Arc<Plugin>| {
                Policy::open(Arc::clone(plugin), "{}".to_owned(), targets(count)).await.expect("it opens")
            };
            let (old, new) = (open(&old).await, open(&new).await);
            for number in 0..60 {
                let mut situation = situations.next(count);
                if number % 4 > 0 {
                    // While something runs, there is little to decide.
                    situation.running.clear();
                }
                let expected = new.decide(&situation).await.expect("a decision");
                assert_eq!(old.decide(&situation).await.expect("a decision"), expected, "{name}: {situation:?}");
                *reasons.entry(expected.reason).or_default() += 1;
                asked += 1;
            }
        }
        assert!(reasons.len() >= 3 && asked == 360, "{name}: {reasons:?}");
        assert_eq!(old.tally.counts().faults, 0);
    }
}

/// The live versions are exchanged under requests, old for new and back, for a policy and for a codec.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_are_swapped_under_requests() {
    const REQUESTS: usize = 400;
    const SWAPS: usize = 40;
    let line = Arc::new(Line::start().await);
    for name in ["failover", "openai-chat"] {
        line.gateway.load(name, old(name)).await.expect("an old version");
    }
    let done = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..4 {
        let (line, done) = (Arc::clone(&line), Arc::clone(&done));
        callers.spawn(async move {
            let mut policies = BTreeMap::<String, usize>::new();
            for number in 0..REQUESTS / 4 {
                let (stream, prompt) = (number % 2 == 0, format!("caller {caller} request {number}"));
                // Every way through the codec: its caller's side, its provider's, and both.
                let answer = match caller {
                    0 => line.claude(GPT, &prompt, stream).await,
                    1 => line.gpt(CLAUDE, &prompt, stream).await,
                    _ => line.gpt(GPT, &prompt, stream).await,
                };
                assert!(answer.text().ends_with(&prompt) && !answer.broken, "{}", answer.body);
                assert!(!stream || answer.complete(), "{}", answer.body);
                *policies.entry(answer.header("x-pointsman-policy").to_owned()).or_default() += 1;
                done.fetch_add(1, Ordering::SeqCst);
            }
            policies
        });
    }
    for name in ["failover", "openai-chat"] {
        line.gateway.swap(name, false).await.expect("the old version goes live");
    }
    for swap in 1..SWAPS {
        while done.load(Ordering::SeqCst) < swap * REQUESTS / SWAPS / 2 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        for name in ["failover", "openai-chat"] {
            line.gateway.rollback(name).await.expect("the other version");
        }
    }
    let mut policies = BTreeMap::<String, usize>::new();
    while let Some(caller) = callers.join_next().await {
        for (policy, count) in caller.expect("no caller lost anything") {
            *policies.entry(policy).or_default() += count;
        }
    }
    assert_eq!(policies.len(), 2, "both versions decided: {policies:?}");
    for slot in ["failover", "openai-chat"].map(|name| line.gateway.table().slots[name].clone()) {
        for version in [&slot.live].into_iter().chain(&slot.previous) {
            assert!(version.tally.counts().calls > 0, "{version:?} was called");
            assert_eq!(version.tally.counts().faults, 0, "{version:?}");
        }
    }
}

/// The old codec alone: to its callers, to its provider, when that fails, and to one who speaks another protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_codec_translates() {
    let line = Line::start().await;
    line.gateway.load("openai-chat", old("openai-chat")).await.expect("the old version");
    line.gateway.swap("openai-chat", false).await.expect("it goes live");
    for stream in [false, true] {
        let answer = line.claude(GPT, "from claude to gpt", stream).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5");
        assert!(answer.text().ends_with("from claude to gpt"), "{}", answer.body);
        let answer = line.gpt(CLAUDE, "from gpt to claude", stream).await;
        assert!(answer.text().ends_with("from gpt to claude"), "{}", answer.body);
        line.openai.behave(behave("429"));
        let answer = line.claude("only-gpt", "hello", stream).await;
        assert!(answer.status.is_client_error() && answer.body.contains("rate_limit_error"), "{}", answer.body);
        line.anthropic.behave(behave("529"));
        let answer = line.gpt("only-claude", "hello", stream).await;
        assert!(answer.status.is_server_error() && answer.body.contains("\"error\""), "{}", answer.body);
        line.openai.behave(behave("ok"));
        line.anthropic.behave(behave("ok"));
    }
    assert_eq!(line.gateway.table().slots["openai-chat"].live.tally.counts().faults, 0);
}

/// The same component, as if it were built against another version: the name is all that tells.
fn as_version(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (from, to) = (format!("@{from}").into_bytes(), format!("@{to}").into_bytes());
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, at)| *at == from).map(|at| at.0).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|&place| bytes[place..place + to.len()].copy_from_slice(&to));
    bytes
}

/// Patch versions add interfaces and change none, so that older and newer ones of a version that is served load: here a policy
/// with one interface more than its like in 0.1.x, one with fewer than the host knows, and codecs.
#[tokio::test]
async fn other_patch_versions_load() {
    for (name, bytes, from, to) in [
        ("night-shift", old("night-shift"), "0.1.0", "0.1.9"),
        ("openai-chat", old("openai-chat"), "0.1.0", "0.1.9"),
        ("failover", bundled("failover"), "0.2.0", "0.2.7"),
        ("openai-chat", bundled("openai-chat"), "0.2.0", "0.2.7"),
        ("ollama", bundled("ollama"), "0.2.0", "0.2.7"),
    ] {
        let plugin = Plugin::load(name, &as_version(bytes, from, to)).await;
        let plugin = plugin.unwrap_or_else(|error| panic!("{name} {to}: {error:#}"));
        assert!(plugin.exports.iter().all(|export| export.ends_with(to)), "{:?}", plugin.exports);
        if plugin.kind == Kind::Policy {
            assert_eq!(plugin.about().is_some(), from == "0.2.0");
            let policy = Policy::open(Arc::clone(&plugin), "{}".to_owned(), targets(2)).await.expect("it opens");
            policy.decide(&Situations::seeded(3).next(2)).await.expect("it decides");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_version_is_refused_with_what_to_do() {
    let line = Line::start().await;
    let before = line.gateway.table().slots["failover"].live.sha256.clone();
    for (bytes, version, remedy) in [
        (bundled("failover"), "0.3.0", "a newer Pointsman"),
        (bundled("failover"), "1.0.0", "a newer Pointsman"),
        (bundled("openai-chat"), "0.9.0", "a newer Pointsman"),
        (SPY_CODEC, "0.0.4", "the Pointsman that it was built for"),
    ] {
        let error = line.gateway.load("failover", &as_version(bytes, "0.2.0", version)).await.expect_err(version);
        let told = format!("{error:#}");
        assert!(told.contains(&format!("built against version {version} of the contract")), "{told}");
        assert!(told.contains("serves 0.2.0 and 0.1.0") && told.contains("pointsman plugin new"), "{told}");
        assert!(told.ends_with(remedy), "{told}");
    }
    // The name is the current one's, the shapes are not.
    let error =
        line.gateway.load("failover", &as_version(old("failover"), "0.1.0", "0.2.0")).await.expect_err("no fit");
    let told = format!("{error:#}");
    assert!(told.contains("does not fit the contract (0.2.0)") && told.contains("expected"), "{told}");
    assert_eq!(line.gateway.table().slots["failover"].live.sha256, before, "nothing changed");
}

/// So that the fixtures are those which the README tells of.
#[test]
fn the_kept_components_are_those_of_the_list() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/contract/0.1.0/README.md");
    let readme = std::fs::read_to_string(PathBuf::from(&readme)).expect("the README");
    for (name, bytes) in OLD {
        let digest = hex(&Sha256::digest(bytes));
        assert!(readme.contains(&format!("| `{name}.wasm` |")) && readme.contains(&digest), "{name}: {digest}");
    }
}
