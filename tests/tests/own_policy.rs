//! A policy of one's own, from nothing to a gateway that is decided for by it, with the commands that the README names.

mod program;

use std::path::{Path, PathBuf};

use pointsman::fake::{Fake, Protocol};
use tokio::process::Command;

use self::program::{Folder, Serving, TOKEN, root, run};

/// What cargo needs of this machine, and one folder for what it makes, so that a second run is quick.
fn environment(offline: bool) -> Vec<(String, String)> {
    let kept = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY", "https_proxy"];
    let kept = kept.into_iter().filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    let own =
        [("CARGO_TARGET_DIR", made().join("target").display().to_string()), ("CARGO_NET_OFFLINE", offline.to_string())];
    kept.chain(own.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn made() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-policy")
}

/// `cargo test` in the project, without a network where the registry's copy on this machine has all it needs. Was it so?
async fn native_tests(project: &Path) -> bool {
    for offline in [true, false] {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--quiet"]).current_dir(project).env_clear().envs(environment(offline)).kill_on_drop(true);
        let output = cargo.output().await.expect("cargo");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            assert!(said.contains("5 passed"), "{said}");
            return offline;
        }
        assert!(offline, "{said}");
    }
    unreachable!("the second is not offline")
}

async fn build(project: &Path, offline: bool, more: &[&str]) -> (i32, String, String) {
    let environment = environment(offline);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    run(&[&["plugin", "build", &project.to_string_lossy()], more].concat(), &environment).await
}

/// Faults: F99
#[tokio::test]
async fn from_nothing_to_a_gateway_that_is_decided_for_by_it() {
    let project = made().join("day-and-night");
    let _ = std::fs::remove_dir_all(&project);
    let arguments = ["plugin", "new", "day-and-night", "--policy", "--dir", &*project.to_string_lossy()];
    let (code, out, err) = run(&arguments, &[]).await;
    assert_eq!((code, out.trim()), (0, arguments[5]), "{err}");
    let (code, _, err) = run(&arguments, &[]).await;
    assert!(code == 2 && err.contains("not empty") && err.contains("--dir"), "{err}");

    let offline = native_tests(&project).await;
    let (code, out, err) = build(&project, offline, &[]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("world    routing-policy") && err.contains("next: pointsman plugin test"), "{out}{err}");
    let told = |what: &str| out.lines().find_map(|line| line.strip_prefix(what)).expect("it is told").trim().to_owned();
    let (file, digest) = (told("file"), told("sha256"));
    let (_, out, _) = build(&project, offline, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((json["file"].as_str(), json["sha256"].as_str()), (Some(&*file), Some(&*digest)));
    let cases = project.join("cases").display().to_string();
    let (code, out, err) = run(&["plugin", "inspect", &file], &[]).await;
    let package = "package  day-and-night 0.1.0\ncases    4 in outage.toml\n";
    assert!(code == 0 && out.contains(package) && out.contains(&digest), "{out}{err}");
    // Its cases are in it.
    let (code, out, _) = run(&["plugin", "test", &file], &[]).await;
    assert!(code == 0 && out.contains("4 of 4 are decided as expected") && out.contains("300 generated"), "{out}");

    serves(&file, &digest).await;
    mutants(&project, offline, &cases).await;
}

/// It is swapped into a running gateway, which then decides as it says; what was decided can be tried with it again.
async fn serves(file: &str, digest: &str) {
    let folder = Folder::new("own-policy");
    let (one, two) = (Fake::start(Protocol::AnthropicMessages).await, Fake::start(Protocol::AnthropicMessages).await);
    let (one, two) = (one.expect("a port"), two.expect("a port"));
    let provider = |name: &str, fake: &Fake| {
        let base_url = fake.base_url();
        format!("[providers.{name}]\nadapter = \"anthropic-messages\"\nbase_url = \"{base_url}\"\nkey = \"k\"\n")
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n{}{}[models.x]\n\
         targets = [\"one/claude\", \"two/claude\"]\nsettings = {{ attempts = 2 }}\n",
        provider("one", &one),
        provider("two", &two)
    );
    let path = folder.write("pointsman.toml", config);
    let serving = Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await;
    for verb in [&["load", file, "--as", "failover"][..], &["swap", "failover"]] {
        let (code, _, err) = serving.plugin(verb).await;
        assert_eq!(code, 0, "{err}");
    }
    one.behave("529".parse().expect("a behaviour"));
    assert_eq!(serving.target("x").await, "two/claude");
    let (_, out, _) = serving.plugin(&["list"]).await;
    let live = out.lines().find(|line| line.starts_with("failover")).expect("it is listed");
    assert!(live.contains(&digest[..12]), "{live}");

    let journal = Command::new("curl")
        .args(["-s", &format!("http://{}/journal", serving.operators), "-H"])
        .arg(format!("authorization: Bearer {TOKEN}"))
        .output();
    let journal = journal.await.expect("curl").stdout;
    assert!(String::from_utf8_lossy(&journal).contains("the first that is ready"), "it decided");
    let journal = folder.write("journal.json", journal);
    let (code, out, _) = run(&["plugin", "test", file, "--journal", &journal], &[]).await;
    assert!(code == 0 && out.contains("2 recorded situations"), "{out}");
    assert_eq!(serving.stop().await.0, 0);
}

/// What such a policy must not do is found, and told so that its author sees why.
async fn mutants(project: &Path, offline: bool, cases: &str) {
    let path = project.join("src/lib.rs");
    let good = std::fs::read_to_string(&path).expect("the policy");
    let choice = "Some(target) => attempt(target, \"the first that is ready\"),";
    assert!(good.contains(choice));
    for (change, words) in [
        (
            "Some(_) => attempt(99, \"far away\"),",
            &["attempt 99 (far away)", "it chose target 99 of", "situation {", "outage.toml:"][..],
        ),
        (
            "Some(target) => { static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0); \
             attempt(target, CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()) }",
            &["asked again, attempt", "a policy remembers nothing"],
        ),
    ] {
        std::fs::write(&path, good.replace(choice, change)).expect("written");
        let (code, out, err) = build(project, offline, &[]).await;
        assert_eq!(code, 0, "{out}{err}");
        let file = out.lines().find_map(|line| line.strip_prefix("file     ")).expect("a file");
        let (code, out, err) = run(&["plugin", "test", file, "--cases", cases], &[]).await;
        assert!(code == 1 && err.is_empty(), "{out}{err}");
        for word in words {
            assert!(out.contains(word), "{word}: {out}");
        }
        let (code, out, _) = run(&["plugin", "test", file, "--json"], &[]).await;
        let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert!(code == 1 && told["passed"] == false, "{told}");
    }
    std::fs::write(&path, good.replace(choice, "")).expect("written");
    let (code, out, err) = build(project, offline, &[]).await;
    assert!(code == 1 && out.is_empty() && err.contains("error[E0004]"), "the compiler's own words: {err}");
    std::fs::write(&path, good).expect("written");
}

#[tokio::test]
async fn what_cannot_be_made_built_or_tested_is_told_with_a_remedy() {
    let folder = Folder::new("no-policy");
    let cases = folder.write("case.toml", "[[case]]\ntargets = [\"redy\"]\nexpect = \"wait\"\n");
    let manifest = root().join("Cargo.toml").display().to_string();
    let failover = pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == "failover").expect("it is built in");
    let file = folder.write("failover.wasm", failover.bytes);
    for (arguments, words) in [
        (&["new", "Night", "--policy"][..], "cannot be a plugin's name"),
        (&["new", "match", "--policy"], "such as `my-match`"),
        (&["new", "night"], "--policy"),
        (&["new", "night", "--policy", "--dir", &manifest], "is no folder"),
        (&["build", "/nowhere"], "pointsman plugin new NAME"),
        (&["test", "/nowhere.wasm"], "reading /nowhere.wasm"),
        (&["test", &file, "--settings", "5"], "must be a JSON object"),
        (&["test", &file, "--cases", &cases], "case.toml:2"),
        (&["test", &file, "--journal", &cases], "/journal"),
    ] {
        let arguments = [&["plugin"], arguments].concat();
        let (code, out, err) = run(&arguments, &[]).await;
        assert!(code == 2 && out.is_empty() && err.contains(words), "{arguments:?} should say {words:?}: {out}{err}");
    }
    let (code, out, _) = run(&["plugin", "test", &manifest], &[]).await;
    assert!(code == 1 && out.contains("this is not WebAssembly"), "{out}");
}
