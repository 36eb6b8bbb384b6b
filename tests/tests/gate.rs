//! What a plugin's file passes before it may serve: each reason for which it does not, and that nothing else changes then.

#[path = "../src/languages.rs"]
#[expect(dead_code, reason = "one of the languages is enough here")]
mod languages;
mod program;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config::Source;
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::plugin::{Cache, Cases, CompileLimits, Compiler, Package, Plugin};
use pointsman::store::Store;
use pointsman_bundle::BUNDLED;

use self::program::{CACHE, Folder, Serving, TOKEN, run};

/// So little that nothing can be compiled.
const NOTHING: &str = "[gate]\nmax_compile_bytes = 1048576\n";

fn bundled(name: &str) -> &'static [u8] {
    BUNDLED.iter().find(|bundled| bundled.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
}

/// Tens of kilobytes, of which a compiler that knows each local at each loop makes gigabytes.
fn bomb() -> Vec<u8> {
    const LOCALS: usize = 6_000;
    const LOOPS: usize = 6_000;
    let locals = "i32 ".repeat(LOCALS);
    let body: String =
        (1..=LOCALS).map(|local| format!("local.get {local} local.set {}\n", local % LOCALS + 1)).collect();
    let text = format!(
        "(component (core module (func (param i32) (local {locals})\n{}{body}{})))",
        "loop\n".repeat(LOOPS),
        "local.get 1 br_if 0 end\n".repeat(LOOPS)
    );
    wat::parse_str(text).expect("a component")
}

/// A gateway of the program with one route, and these tables.
struct Setting {
    folder: Folder,
    fake: Fake,
    environment: Vec<(&'static str, &'static str)>,
}

impl Setting {
    async fn new(name: &str) -> Setting {
        let fake = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
        Setting { folder: Folder::new(name), fake, environment: vec![("TOKEN", TOKEN)] }
    }

    /// What was compiled for other tests is not found.
    async fn anew(name: &str) -> Setting {
        let setting = Self::new(name).await;
        Setting { environment: [setting.environment, vec![(CACHE, "")]].concat(), ..setting }
    }

    fn config(&self, tables: &str) -> String {
        let text = format!(
            "{tables}\n[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n\
             state = \"state\"\n[providers.a]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n\
             [models.x]\ntargets = [\"a/claude\"]\n",
            self.fake.base_url()
        );
        self.folder.write("pointsman.toml", text)
    }

    async fn serve(&self, tables: &str) -> Serving {
        let path = self.config(tables);
        Serving::start(&["serve", "--config", &path], &self.environment).await
    }

    /// It does not start, and says why.
    async fn refused(&self, tables: &str) -> String {
        let path = self.config(tables);
        let (code, _, err) = run(&["serve", "--config", &path], &self.environment).await;
        assert_eq!(code, 2, "{err}");
        err
    }

    fn compiled(&self) -> PathBuf {
        Path::new(self.folder.root()).join("state/compiled")
    }
}

/// Not loaded, for this reason; and what was live before still answers.
async fn load_fails(serving: &Serving, file: &str, words: &str) {
    let (_, before, _) = serving.plugin(&["list"]).await;
    let (code, out, err) = serving.plugin(&["load", file, "--as", "failover"]).await;
    assert_eq!((code, out.as_str()), (2, ""), "{err}");
    assert!(err.contains(words), "{words}: {err}");
    let (_, after, _) = serving.plugin(&["list"]).await;
    assert_eq!(before, after);
    assert_eq!(serving.target("x").await, "a/claude");
}

/// Faults: F98
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_hard_to_compile_costs_its_limits_and_no_more() {
    let setting = Setting::anew("bomb").await;
    let file = setting.folder.write("bomb.wasm", bomb());
    assert!(fs::metadata(&file).expect("a file").len() < 100_000);
    // Where memory is the limit, and where time is.
    for (limits, words) in [
        ("compile_time = \"1h\"\nmax_compile_bytes = 268435456", "takes more than 256 MiB of memory"),
        ("compile_time = \"1s\"\nmax_compile_bytes = 17179869184", "`[gate] compile_time`"),
    ] {
        let serving = setting.serve(&format!("[gate]\n{limits}")).await;
        load_fails(&serving, &file, words).await;
        assert_eq!(serving.stop().await.0, 0);
    }
    // What is good passes: with the same memory, and all the time that it needs.
    let serving = setting.serve("[gate]\nmax_compile_bytes = 268435456").await;
    let good = setting.folder.write("good.wasm", bundled("fastest"));
    let (code, _, err) = serving.plugin(&["load", &good, "--as", "failover"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(serving.stop().await.0, 0);
    let refused = setting.refused("[gate]\ncompile_time = \"1s\"\n[plugins.bomb]\nfile = \"bomb.wasm\"").await;
    assert!(refused.contains("plugins.bomb") && refused.contains("`[gate] "), "{refused}");
}

/// What the process that compiles does, the gateway bears.
#[tokio::test]
async fn whatever_becomes_of_the_process_that_compiles_is_told() {
    let folder = Folder::new("compilers");
    let limits = CompileLimits { time: Duration::from_millis(250), memory_bytes: 1 << 30 };
    let by = async |name: &str, text: &str| {
        let path = folder.write(name, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("it is ours");
        let compiler = Compiler::apart_by(path.into(), limits);
        format!("{:#}", Plugin::load_by(&compiler, "x", bundled("failover")).await.expect_err(name))
    };
    assert!(by("sleeps", "exec sleep 600").await.contains("has not ended after 1 s"));
    assert_eq!(by("refuses", "echo no >&2; exit 1").await, "no");
    assert!(by("dies", "kill -SEGV $$").await.contains("breaks down on it (signal 11)"));
    assert!(by("is-killed", "kill -KILL $$").await.contains("more than 1 s of a core"));
    let environment = by("tells", "env >&2; exit 1").await;
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok() && !environment.contains("CARGO"), "{environment}");
    let compiler = Compiler::apart_by("/nowhere/pointsman".into(), limits);
    let error = Plugin::load_by(&compiler, "x", bundled("failover")).await.expect_err("no program");
    assert!(format!("{error:#}").contains("starting the process that compiles"), "{error:#}");
}

/// An interpreter's component, tens of megabytes, passes with the default limits, and is compiled once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_compiled_is_found_at_the_next_start() {
    let setting = Setting::anew("kept").await;
    let python = languages::PYTHON.component();
    let plugin = format!("[plugins.night]\nfile = {python:?}\n");
    let serving = setting.serve(&plugin).await;
    assert_eq!(serving.stop().await.0, 0);
    let folder = setting.compiled();
    assert_eq!(fs::metadata(&folder).expect("a folder").permissions().mode() & 0o777, 0o700);
    let largest = || {
        let files = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("a file").path());
        files.max_by_key(|file| fs::metadata(file).expect("a file").len()).expect("a file")
    };
    assert!(fs::read_dir(&folder).expect("a folder").count() > BUNDLED.len());
    // Now nothing can be compiled any more.
    let nothing = format!("{NOTHING}{plugin}");
    let serving = setting.serve(&nothing).await;
    assert_eq!(serving.target("x").await, "a/claude");
    assert_eq!(serving.stop().await.0, 0);

    // One that is damaged, cut, or empty is as good as none.
    let (file, good) = (largest(), fs::read(largest()).expect("a file"));
    let mut damaged = good.clone();
    damaged[good.len() / 2] ^= 1;
    for bad in [&damaged[..], &good[..good.len() - 1], &good[..20], b""] {
        fs::write(&file, bad).expect("written");
        let words = setting.refused(&nothing).await;
        assert!(words.contains("takes more than 1 MiB of memory"), "{words}");
    }
    // So is one that others could have put there.
    fs::write(&file, &good).expect("written");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o770)).expect("it is ours");
    let words = setting.refused(&nothing).await;
    assert!(words.contains("chmod 700") && words.contains("takes more than 1 MiB of memory"), "{words}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("it is ours");
    assert_eq!(setting.serve(&nothing).await.stop().await.0, 0);
}

#[test]
fn a_folder_that_is_not_ours_alone_is_not_used() {
    let folder = Folder::new("cache");
    let state = Path::new(folder.root()).join("state");
    let compiled = state.join("compiled");
    assert!(Cache::open(compiled.clone()).is_ok() && Cache::open(compiled.clone()).is_ok());
    let refused = |words: &str| {
        let error = format!("{:#}", Cache::open(compiled.clone()).expect_err(words));
        assert!(error.contains(words), "{words}: {error}");
    };
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).expect("it is ours");
    refused("chmod go-w");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o1777)).expect("it is ours");
    assert!(Cache::open(compiled.clone()).is_ok(), "as in /tmp");
    fs::remove_dir(&compiled).expect("it is empty");
    fs::create_dir(state.join("elsewhere")).expect("a folder");
    std::os::unix::fs::symlink(state.join("elsewhere"), &compiled).expect("a link");
    refused("is not a folder");
}

fn case(expect: &str) -> String {
    format!("[[case]]\ntargets = [\"out 900\", \"ready\"]\nexpect = \"{expect}\"\n")
}

fn packed(name: &str, text: String) -> Vec<u8> {
    let cases = vec![Cases { file: "outage.toml".to_owned(), text }];
    let (own, version, description) = ("outage".to_owned(), "1.2.3".to_owned(), "made for a test".to_owned());
    Package { name: own, version, description, cases }.put(bundled(name)).expect("a package")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cases_in_a_package_are_decided_as_expected_or_it_does_not_serve() {
    let setting = Setting::new("cases").await;
    let good = setting.folder.write("good.wasm", packed("fastest", case("attempt 1")));
    let bad =
        setting.folder.write("bad.wasm", packed("fastest", format!("{}{}", case("attempt 1"), case("attempt 0"))));
    let unread = setting.folder.write("unread.wasm", packed("fastest", case("attempt 9")));
    let codec = setting.folder.write("codec.wasm", packed("openai-chat", case("attempt 1")));
    let long = setting.folder.write("long.wasm", packed("fastest", case("attempt 1").repeat(3_000)));
    let serving = setting.serve("").await;
    load_fails(&serving, &bad, "outage.toml:6: attempt 1 (").await;
    load_fails(&serving, &bad, "expected: attempt 0").await;
    load_fails(&serving, &unread, "outage.toml:3").await;
    load_fails(&serving, &codec, "only policies decide").await;
    let (code, _, err) = serving.plugin(&["load", &good, "--as", "failover"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(serving.stop().await.0, 0);

    let serving = setting.serve("[gate]\ncases_time = \"2ms\"").await;
    load_fails(&serving, &long, "`[gate] cases_time`").await;
    assert_eq!(serving.stop().await.0, 0);

    let refused = setting.refused("[plugins.p]\nfile = \"bad.wasm\"").await;
    assert!(refused.contains("plugins.p") && refused.contains("outage.toml:6"), "{refused}");
    // Its author is told the same, before.
    let (code, out, _) = run(&["plugin", "test", &bad, "--situations", "10"], &[]).await;
    assert!(code == 1 && out.contains("outage.toml:6") && out.contains("1 of 2 are decided"), "{out}");
    let (code, out, _) = run(&["plugin", "test", &good, "--situations", "10"], &[]).await;
    assert!(code == 0 && out.contains("1 of 1 are decided"), "{out}");
}

fn asked(sent: &str) -> String {
    format!("[[case]]\nrequest = '{{\"messages\": [{{\"role\": \"user\", \"content\": \"Hi\"}}]}}'\nsent = '{sent}'\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_answers_the_cases_in_its_package_or_does_not_serve() {
    let setting = Setting::new("adapters-cases").await;
    let write = |name: &str, text: String| setting.folder.write(name, packed("ollama", text));
    let good = write("good.wasm", asked(r#"{"messages": [{"role": "user", "content": "Hi"}]}"#));
    let bad = write("bad.wasm", asked(r#"{"messages": [{"role": "user", "content": "Ho"}]}"#));
    let unread = write("unread.wasm", asked("{"));
    let policys = setting.folder.write("policy.wasm", packed("fastest", asked("{}")));
    let long = write("long.wasm", asked("{}").repeat(1_000));
    let serving = setting.serve("").await;
    load_fails(&serving, &bad, "it does not answer the cases in its package as expected: outage.toml:1: ").await;
    load_fails(&serving, &bad, "`messages[0].content` is \"Hi\"").await;
    load_fails(&serving, &unread, "`sent` is to be JSON").await;
    load_fails(&serving, &policys, "which only adapters answer").await;
    let (code, _, err) = serving.plugin(&["load", &good, "--as", "ollama"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(serving.stop().await.0, 0);
    let serving = setting.serve("[gate]\ncases_time = \"2ms\"").await;
    load_fails(&serving, &long, "`[gate] cases_time`").await;
    assert_eq!(serving.stop().await.0, 0);

    // Its author is told the same, before; and `inspect` counts them.
    let (code, out, _) = run(&["plugin", "test", &bad, "--situations", "3"], &[]).await;
    assert!(code == 1 && out.contains("outage.toml:1") && out.contains("0 of 1 are answered"), "{out}");
    let (code, out, _) = run(&["plugin", "test", &good, "--situations", "3", "--json"], &[]).await;
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(code == 0 && told["passed"] == true && told["checks"][0]["name"] == "loads", "{told}");
    let (code, out, _) = run(&["plugin", "test", &good, "--targets", "a/b", "--situations", "3"], &[]).await;
    assert!(code == 1 && out.contains("adapters decide nothing"), "{out}");
    let (code, out, _) = run(&["plugin", "inspect", &good], &[]).await;
    assert!(code == 0 && out.contains("cases    1 in outage.toml"), "{out}");
}

#[tokio::test]
async fn inspect_tells_all_that_a_file_says_of_itself() {
    let folder = Folder::new("inspect-package");
    let bytes = packed("fastest", case("attempt 1"));
    let file = folder.write("p.wasm", &bytes);
    let (code, out, err) = run(&["plugin", "inspect", &file], &[]).await;
    assert_eq!(code, 0, "{err}");
    for line in [
        "world    routing-policy\n",
        "contract 0.",
        &format!("bytes    {}\n", bytes.len()),
        "package  outage 1.2.3: made for a test\n",
        "cases    1 in outage.toml\n",
        "signed   no\n",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let keys = Keys::new(&folder, "ours");
    let key = keys.public.clone();
    let told = async |arguments: &[&str]| {
        let (code, out, err) = run(&[&["plugin", "inspect", &*file, "--json"], arguments].concat(), &[]).await;
        (code, serde_json::from_str::<serde_json::Value>(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
    };
    let (code, json) = told(&[]).await;
    assert_eq!((code, &json["signature"]["state"]), (0, &"none".into()), "{json}");
    assert_eq!((&json["package"]["name"], &json["package"]["cases"][0]["count"]), (&"outage".into(), &1.into()));
    let (code, json) = told(&["--public-key", &key]).await;
    assert_eq!((code, &json["signature"]["state"]), (1, &"invalid".into()), "{json}");
    keys.sign(&file);
    assert_eq!(told(&[]).await.1["signature"]["state"], "unchecked");
    let (code, json) = told(&["--public-key", &key]).await;
    assert_eq!((code, &json["signature"]["comment"]), (0, &"for the test".into()), "{json}");
    let (code, _, err) = run(&["plugin", "inspect", &file, "--public-key", "RWnonsense"], &[]).await;
    assert!(code == 2 && err.contains("minisign.pub"), "{err}");
}

/// A pair of keys, made by the program `minisign`.
struct Keys {
    secret: String,
    /// As it stands in a configuration.
    public: String,
}

impl Keys {
    fn new(folder: &Folder, name: &str) -> Keys {
        let path = |end: &str| format!("{}/{name}.{end}", folder.root());
        minisign(&["-G", "-W", "-p", &path("pub"), "-s", &path("key")]);
        let public = fs::read_to_string(path("pub")).expect("a key");
        Keys { secret: path("key"), public: public.lines().nth(1).expect("its second line").to_owned() }
    }

    fn sign(&self, file: &str) {
        minisign(&["-S", "-s", &self.secret, "-t", "for the test", "-m", file]);
    }
}

fn minisign(arguments: &[&str]) {
    let output = std::process::Command::new("minisign").args(arguments).output();
    let output = output.expect("minisign (tests/run installs it)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keys_are_trusted_only_what_they_signed_serves() {
    let setting = Setting::new("signed").await;
    let [ours, other] = ["ours", "other"].map(|name| Keys::new(&setting.folder, name));
    let trusting = |keys: &Keys| format!("[gate]\npublic_keys = [\"{}\"]\n", keys.public);
    let file = setting.folder.write("fastest.wasm", bundled("fastest"));
    let serving = setting.serve(&trusting(&ours)).await;
    load_fails(&serving, &file, "it has no signature").await;
    other.sign(&file);
    load_fails(&serving, &file, "by a key that `[gate] public_keys` does not name").await;
    ours.sign(&file);
    setting.folder.write("fastest.wasm", bundled("sticky"));
    load_fails(&serving, &file, "changed after it was signed").await;
    setting.folder.write("fastest.wasm.minisig", "untrusted comment: nothing\n");
    load_fails(&serving, &file, "not one of minisign").await;
    ours.sign(&file);
    let (code, _, err) = serving.plugin(&["load", &file, "--as", "failover"]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(serving.stop().await.0, 0);

    // A file that the configuration names needs one just so, and again when other keys are trusted.
    let plugin = "[plugins.p]\nfile = \"fastest.wasm\"\n";
    let config = |keys: &Keys| {
        let path = setting.config(&format!("{}{plugin}", trusting(keys)));
        Source::File(path.into()).load(&|_| Some(TOKEN.to_owned())).unwrap_or_else(|error| panic!("{error}"))
    };
    let gateway = Gateway::new(config(&ours), Clock::system()).await.expect("a gateway");
    let error = format!("{:#}", gateway.apply(config(&other)).await.expect_err("other keys"));
    assert!(error.contains("plugins.p: ") && error.contains("does not name"), "{error}");
    gateway.apply(config(&ours)).await.expect("the same as before");
    fs::remove_file(format!("{file}.minisig")).expect("a signature");
    let refused = setting.refused(&format!("{}{plugin}", trusting(&ours))).await;
    assert!(refused.contains("minisign -Sm FILE"), "{refused}");

    for (keys, words) in [("[]", "names no key"), ("[\"RW\"]", "minisign.pub")] {
        let refused = setting.refused(&format!("[gate]\npublic_keys = {keys}\n")).await;
        assert!(refused.contains(words) && refused.contains("pointsman.toml:2:"), "{refused}");
    }
}

/// Whatever was loaded before keys were named, or signed by one that is trusted no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_the_keys_has_to_be_signed_too() {
    let setting = Setting::new("before-keys").await;
    let [ours, other] = ["ours", "other"].map(|name| Keys::new(&setting.folder, name));
    let config = |tables: &str| {
        let path = setting.config(tables);
        Source::File(path.into()).load(&|_| Some(TOKEN.to_owned())).unwrap_or_else(|error| panic!("{error}"))
    };
    let trusting = |keys: &Keys| config(&format!("[gate]\npublic_keys = [\"{}\"]\n", keys.public));
    let state = setting.folder.path("state");
    let begun = async |config| {
        // What runs of the gateway before, which was dropped a moment ago, may still hold the folder.
        let mut store = Store::open(Path::new(&state)).await;
        for _ in 0..1_000 {
            if !store.as_ref().is_err_and(|error| format!("{error:#}").contains("in use by another gateway")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            store = Store::open(Path::new(&state)).await;
        }
        Gateway::with(store.expect("a store"), config, Clock::system()).await.expect("a gateway")
    };
    let slot = |gateway: &Gateway| gateway.slots().into_iter().find(|slot| slot.name == "failover").expect("a slot");
    let (first, second) = (bundled("fastest"), bundled("sticky"));
    let file = setting.folder.write("sticky.wasm", second);
    ours.sign(&file);
    let signature = fs::read_to_string(format!("{file}.minisig")).expect("a signature");

    let gateway = begun(config("")).await;
    gateway.load("failover", first).await.expect("no key is asked for");
    gateway.swap("failover", false).await.expect("it is good");
    let error = format!("{:#}", gateway.apply(trusting(&ours)).await.expect_err("what is live is not signed"));
    assert!(error.contains("failover@") && error.contains("load a signed version first"), "{error}");
    // So it is signed first; the one before goes.
    gateway.load_signed("failover", second, Some(&signature)).await.expect("it is good");
    gateway.swap("failover", false).await.expect("it is good");
    assert!(slot(&gateway).previous.is_some());
    gateway.apply(trusting(&ours)).await.expect("what is live is signed");
    assert!(slot(&gateway).previous.is_none());
    let signed = slot(&gateway).live.sha256;
    assert!(gateway.apply(trusting(&other)).await.is_err());
    gateway.flush().await;
    drop(gateway);

    // It comes back with its signature, and not for another key.
    let gateway = begun(trusting(&ours)).await;
    assert_eq!(slot(&gateway).live.sha256, signed);
    gateway.flush().await;
    drop(gateway);
    let gateway = begun(trusting(&other)).await;
    assert_ne!(slot(&gateway).live.sha256, signed);
    let history = gateway.store().history(Some("failover"));
    let why = &history.last().expect("a change").why;
    assert!(why.contains("was live") && why.contains("does not name"), "{history:?}");
    let error = format!("{:#}", gateway.rollback_to("failover", &signed[..12], true).await.expect_err("other keys"));
    assert!(error.contains("does not name"), "{error}");
}
