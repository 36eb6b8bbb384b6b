//! A policy of one's own, from nothing to a gateway that is decided for by it, with the commands that the README names.

mod program;

#[path = "own_policy/adapters.rs"]
mod adapters;
#[path = "own_policy/dev.rs"]
mod dev;

use std::path::{Path, PathBuf};
use std::process::Output;

use pointsman::fake::{Fake, Protocol};
use tokio::process::Command;

use self::program::{Folder, Serving, TOKEN, root, run};

/// What this machine has set up for its tools, and one folder for what cargo makes, so that a second run is quick.
fn environment(offline: bool) -> Vec<(String, String)> {
    let is_kept = |name: &str| {
        name == "CARGO_HOME" || !["CARGO", "POINTSMAN", "RUSTFLAGS"].iter().any(|foreign| name.starts_with(foreign))
    };
    let kept = std::env::vars().filter(|(name, _)| is_kept(name));
    let own = [
        ("CARGO_TARGET_DIR", made().join("target").display().to_string()),
        ("CARGO_NET_OFFLINE", offline.to_string()),
        // Where `tests/languages.rs` keeps what takes a minute to build.
        ("TOOLS", Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("languages/tools").display().to_string()),
    ];
    kept.chain(own.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn made() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("own-policy")
}

async fn build(project: &Path, offline: bool, more: &[&str]) -> (i32, String, String) {
    let environment = environment(offline);
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    run(&[&["plugin", "build", &project.to_string_lossy()], more].concat(), &environment).await
}

/// What the README says to type: each line that is indented after "Your own policy in ten minutes", up to the swap.
fn commands() -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    let (_, rest) = readme.split_once("Your own policy in ten minutes").expect("the ten minutes");
    let commands = rest.lines().filter_map(|line| line.strip_prefix("    ").map(str::to_owned));
    let mut commands: Vec<String> = commands.collect();
    let last = commands.iter().position(|command| command.starts_with("pointsman plugin swap")).expect("the swap");
    commands.truncate(last + 1);
    assert_eq!(commands.len(), 8, "{commands:#?}");
    commands
}

/// They are typed, for a language and its own tests, while this gateway runs. Needs no network where all is there already:
/// was it so?
async fn type_it(folder: &Path, language: &str, tests: &str, serving: &Serving) -> bool {
    let words = std::fs::read_to_string(root().join("README.md")).expect("the README");
    assert!(
        words.contains(&format!("`{tests}`")) || words.contains(&format!("    {tests} ")),
        "the README says {tests}"
    );
    let script = commands().join("\n").replace("cargo test", tests);
    let script =
        if language == "rust" { script } else { script.replace("--policy", &format!("--policy --lang {language}")) };
    let program = Path::new(env!("CARGO_BIN_EXE_pointsman")).parent().expect("its folder").display().to_string();
    let path = std::env::var("PATH").expect("a path");
    for offline in [true, false] {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).expect("a folder");
        let mut typed = Command::new("bash");
        typed
            .args(["-ec", &script])
            .current_dir(folder)
            .env_clear()
            .envs(environment(offline))
            .env("PATH", format!("{program}:{path}"))
            .env("POINTSMAN_ADMIN", &serving.operators)
            .kill_on_drop(true);
        let Output { status, stdout, stderr } = typed.output().await.expect("bash");
        let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
        if status.success() {
            assert!(said.contains("7 of 7 are decided as expected") && said.contains("300 generated"), "{said}");
            return offline;
        }
        assert!(offline, "{language}: {said}");
    }
    unreachable!("the second is not offline")
}

/// A gateway with two providers, of which `failover` asks the first first; so does the new policy, at any hour.
struct Place {
    _folder: Folder,
    serving: Serving,
    one: Fake,
    _two: Fake,
}

async fn place(name: &str) -> Place {
    let folder = Folder::new(&format!("own-policy-{name}"));
    let (one, two) = (Fake::start(Protocol::AnthropicMessages).await, Fake::start(Protocol::AnthropicMessages).await);
    let (one, two) = (one.expect("a port"), two.expect("a port"));
    let provider = |name: &str, fake: &Fake| {
        let base_url = fake.base_url();
        format!("[providers.{name}]\nadapter = \"anthropic-messages\"\nbase_url = \"{base_url}\"\nkey = \"k\"\n")
    };
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n{}{}\
         [models.x]\ntargets = [\"one/claude\", \"two/claude\"]\n",
        provider("one", &one),
        provider("two", &two)
    );
    let path = folder.write("pointsman.toml", config);
    let serving = Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await;
    Place { _folder: folder, serving, one, _two: two }
}

/// It decides: what it says of why stands in the journal, which is given back.
async fn it_decides(Place { serving, one, .. }: &Place) -> Vec<u8> {
    one.behave("529".parse().expect("a behaviour"));
    assert_eq!(serving.target("x").await, "two/claude");
    let journal = Command::new("curl")
        .args(["-s", &format!("http://{}/journal", serving.operators), "-H"])
        .arg(format!("authorization: Bearer {TOKEN}"))
        .output();
    let journal = journal.await.expect("curl").stdout;
    let told = String::from_utf8_lossy(&journal);
    assert!(["\"day\"", "\"night\""].iter().any(|reason| told.contains(reason)), "it decided: {told}");
    journal
}

/// Faults: F99
#[tokio::test]
async fn from_nothing_to_a_gateway_that_is_decided_for_by_it() {
    let place = place("rust").await;
    let folder = made().join("rust");
    let offline = type_it(&folder, "rust", "cargo test", &place.serving).await;
    let project = folder.join("day-and-night");
    let name = project.to_string_lossy();
    let (code, _, err) = run(&["plugin", "new", "day-and-night", "--policy", "--dir", &name], &[]).await;
    assert!(code == 2 && err.contains("not empty") && err.contains("--dir"), "{err}");

    let (code, out, err) = build(&project, offline, &[]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("world    routing-policy") && err.contains("next: pointsman plugin test"), "{out}{err}");
    let told = |what: &str| out.lines().find_map(|line| line.strip_prefix(what)).expect("it is told").trim().to_owned();
    let (file, digest) = (told("file"), told("sha256"));
    let (_, out, _) = build(&project, offline, &["--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((json["file"].as_str(), json["sha256"].as_str()), (Some(&*file), Some(&*digest)));
    let (code, out, err) = run(&["plugin", "inspect", &file], &[]).await;
    let package = "package  day-and-night 0.1.0\ncases    7 in night.toml\n";
    assert!(code == 0 && out.contains(package) && out.contains(&digest), "{out}{err}");
    let (_, out, _) = place.serving.plugin(&["list"]).await;
    let live = out.lines().find(|line| line.starts_with("failover")).expect("it is listed");
    assert!(live.contains(&digest[..12]), "{live}");

    let recorded = Folder::new("own-policy-journal");
    let journal = recorded.write("journal.json", it_decides(&place).await);
    let (code, out, _) = run(&["plugin", "test", &file, "--journal", &journal], &[]).await;
    assert!(code == 0 && out.contains(" recorded situations"), "{out}");
    assert_eq!(place.serving.stop().await.0, 0);
    mutants(&project, offline, &project.join("cases").display().to_string()).await;
}

/// The same in another language.
async fn walk(language: &str, tests: &str) -> Place {
    let place = place(language).await;
    type_it(&made().join(language), language, tests, &place.serving).await;
    it_decides(&place).await;
    place
}

#[tokio::test]
async fn in_javascript() {
    walk("javascript", "npm test").await;
}

#[tokio::test]
async fn in_typescript() {
    walk("typescript", "npm test").await;
}

#[tokio::test]
async fn in_python() {
    walk("python", "PYTHONPATH=bindings python3 -m unittest").await;
}

/// And, since C is compiled so quickly, what is saved afterwards.
#[tokio::test]
async fn in_c_and_then_saved_again() {
    let place = walk("c", "make test").await;
    dev::follows_what_is_saved(&place, &made().join("c/day-and-night")).await;
}

/// What such a policy must not do is found, and told so that its author sees why.
async fn mutants(project: &Path, offline: bool, cases: &str) {
    let path = project.join("src/lib.rs");
    let good = std::fs::read_to_string(&path).expect("the policy");
    let choice = "Some(&target) => attempt(target, if night { \"night\" } else { \"day\" }),";
    assert!(good.contains(choice));
    for (change, words) in [
        (
            "Some(_) => attempt(99, \"far away\"),",
            &["attempt 99 (far away)", "it chose target 99 of", "situation {", "night.toml:"][..],
        ),
        (
            "Some(&target) => { static CALLS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0); \
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
        (&["new", "night", "--policy", "--provider"], "cannot be used with"),
        (&["new", "night", "--policy", "--lang", "cobol"], "possible values: rust, javascript"),
        (&["new", "night", "--provider", "--lang", "python"], "adapters are written in Rust"),
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
    let bare = folder.write("bare.txt", "");
    let bare = Path::new(&bare).parent().expect("a folder").display().to_string();
    let (code, _, err) = run(&["plugin", "build", &bare], &[]).await;
    assert!(code == 2 && err.contains("package.json, build.sh, Makefile"), "{err}");
    let (code, out, _) = run(&["plugin", "test", &manifest], &[]).await;
    assert!(code == 1 && out.contains("this is not WebAssembly"), "{out}");
}

/// Where a tool of the language is missing, it is named, and how it is installed.
#[tokio::test]
async fn what_a_language_needs_is_told() {
    let folder = Folder::new("no-tools");
    let bare = folder.write("bare.txt", "");
    let bare = Path::new(&bare).parent().expect("a folder");
    for (language, words) in [
        ("javascript", "Node 20 or newer, which is missing here: https://nodejs.org"),
        ("typescript", "Node 20 or newer, which is missing here"),
        ("python", "apt-get install python3 python3-venv"),
        ("c", "make, which is missing here: on Debian: apt-get install make"),
    ] {
        let project = bare.join(language).display().to_string();
        let (code, out, err) =
            run(&["plugin", "new", "mine", "--policy", "--lang", language, "--dir", &project], &[]).await;
        assert_eq!((code, out.trim()), (0, &*project), "{err}");
        let (code, out, err) = run(&["plugin", "build", &project], &[("PATH", "/nowhere")]).await;
        assert!(code == 2 && out.is_empty() && err.contains(words), "{language}: {out}{err}");
    }
}
