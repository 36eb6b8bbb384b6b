//! The program as people use it: its words, its exit codes, and a gateway that it serves.

mod fault_verbs;
mod program;

use std::path::Path;
use std::time::Duration;

use pointsman::fake::{Fake, Protocol};
use tokio::process::Command;

use self::program::{Folder, Serving, TOKEN, command, root, run};

#[tokio::test]
async fn help_names_every_verb() {
    let (code, out, _) = run(&["--help"], &[]).await;
    assert_eq!(code, 0);
    for verb in ["targets", "fault", "explain", "replay", "serve", "check", "plugin", "key", "demo", "drill", "fake"] {
        assert!(out.lines().any(|line| line.trim_start().starts_with(verb)), "{verb}: {out}");
    }
    let (code, _, err) = run(&["serv"], &[]).await;
    assert_eq!(code, 2);
    assert!(err.contains("serve"), "it suggests what was meant: {err}");
}

/// The verbs below this one, by its help.
fn verbs(help: &str) -> Vec<String> {
    let listed = help.split_once("Commands:\n").map(|(_, rest)| rest).unwrap_or_default();
    let listed = listed.lines().take_while(|line| !line.is_empty());
    // A line that is further in goes on with what was said of the verb before.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[tokio::test]
async fn exit_codes_are_documented_and_data_can_be_had_as_json() {
    let (_, help, _) = run(&["--help"], &[]).await;
    for code in ["  0  ", "  1  ", "  2  "] {
        assert!(help.contains(code), "{help}");
    }
    // They run, and show nothing that a program would want to read; or they make a file, or show what was JSON before.
    let without = ["serve", "demo", "fake", "dev", "completions", "traffic", "report"];
    let mut seen = 0;
    for verb in verbs(&help) {
        let (_, help, _) = run(&[&verb, "--help"], &[]).await;
        let below = verbs(&help);
        if below.is_empty() && !without.contains(&verb.as_str()) {
            assert!(help.contains("--json"), "{verb}: {help}");
            seen += 1;
        }
        for word in below.iter().filter(|word| !without.contains(&word.as_str())) {
            let (_, help, _) = run(&[&verb, word, "--help"], &[]).await;
            assert!(help.contains("--json"), "{verb} {word}: {help}");
            seen += 1;
        }
    }
    assert!(seen >= 16, "only {seen} verbs were seen");
}

/// `plugin push` and `pull` are in `shipping`, `plugin build` in `own_policy`.
#[tokio::test]
async fn json_is_json() {
    let folder = Folder::new("json");
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let path = folder.write("pointsman.toml", configuration(&anthropic));
    let bundled =
        |name: &str| pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in");
    let file = folder.write("fastest.wasm", bundled("fastest").bytes);
    let (old, new) = (bundled("failover").sha256, bundled("fastest").sha256);
    let project = folder.path("project");
    let json = async |arguments: &[&str], environment: &[(&str, &str)]| -> serde_json::Value {
        let arguments: Vec<&str> = [arguments, &["--json"]].concat();
        let (code, out, err) = run(&arguments, environment).await;
        assert_eq!(code, 0, "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    };
    let checked = json(&["check", &path], &[("TOKEN", TOKEN)]).await;
    assert_eq!(checked["routes"][0]["targets"][0], "a/claude");
    assert_eq!(checked["routes"][0]["policy"]["sha256"], old);
    assert!(checked["endpoints"].as_array().is_some_and(|endpoints| endpoints.len() > 3), "{checked}");
    assert_eq!(json(&["key", "new", "a"], &[]).await["name"], "a");
    assert_eq!(json(&["plugin", "new", "p", "--policy", "--dir", &project], &[]).await["folder"], *project);
    assert_eq!(json(&["plugin", "test", &file, "--situations", "3"], &[]).await["passed"], true);

    let serving = Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await;
    serving.target("x").await;
    let operator = [("POINTSMAN_ADMIN", serving.operators.as_str()), ("POINTSMAN_ADMIN_TOKEN", TOKEN)];
    assert_eq!(json(&["targets"], &operator).await["targets"][0]["id"], "a/claude");
    assert_eq!(json(&["explain"], &operator).await["entries"][0]["answered_by"], "a/claude");
    let replayed = json(&["replay", "--policy", &file], &operator).await;
    assert_eq!((&replayed["decisions"], &replayed["differences"]), (&1.into(), &serde_json::json!([])));
    let slot = async |arguments: &[&str]| json(&[&["plugin"], arguments].concat(), &operator).await["slot"].take();
    assert_eq!(slot(&["load", &file, "--as", "failover"]).await["staged"]["sha256"], new);
    assert_eq!(slot(&["shadow", "failover"]).await["shadow"]["sha256"], new);
    assert_eq!(slot(&["canary", "failover", "20"]).await["canary_percent"], 20);
    assert_eq!(slot(&["swap", "failover"]).await["live"]["sha256"], new);
    assert_eq!(slot(&["rollback", "failover"]).await["live"]["sha256"], old);
    assert!(json(&["plugin", "list"], &operator).await["plugins"].is_array());
    serving.stop().await;
}

/// Bash takes the script, and knows the verbs by it.
#[tokio::test]
async fn a_shell_completes_the_words() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, err) = run(&["completions", shell], &[]).await;
        assert!(code == 0 && out.contains("rollback") && err.is_empty(), "{shell}: {err}");
    }
    let (_, script, _) = run(&["completions", "bash"], &[]).await;
    let asked =
        "COMP_WORDS=(pointsman plugin sw); COMP_CWORD=2; _pointsman pointsman sw plugin; echo \"${COMPREPLY[*]}\"";
    let bash = Command::new("bash").args(["-euc", &format!("{script}\n{asked}")]).output().await.expect("bash");
    let said = String::from_utf8_lossy(&bash.stdout) + String::from_utf8_lossy(&bash.stderr);
    assert!(bash.status.success() && said.trim() == "swap", "{said}");
}

#[tokio::test]
async fn every_example_configuration_is_valid() {
    let account = root().join("tests/fixtures/service-account.json");
    let account = account.to_string_lossy();
    let environment = [
        ("ANTHROPIC_API_KEY", "a"),
        ("ANTHROPIC_API_KEY_2", "a2"),
        ("OPENAI_API_KEY", "b"),
        ("TEAM_KEY", "c"),
        ("POINTSMAN_ADMIN_TOKEN", "d"),
        ("GEMINI_API_KEY", "e"),
        ("AZURE_OPENAI_API_KEY", "f"),
        ("AWS_ACCESS_KEY_ID", "g"),
        ("AWS_SECRET_ACCESS_KEY", "h"),
        ("OPENROUTER_API_KEY", "i"),
        ("GOOGLE_APPLICATION_CREDENTIALS", &*account),
    ];
    let mut examples = 0;
    for entry in std::fs::read_dir(root().join("examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let (code, out, err) = run(&["check", &path.to_string_lossy()], &environment).await;
            assert_eq!(code, 0, "{}: {err}", path.display());
            assert!(out.starts_with("MODEL"), "{out}");
            examples += 1;
        }
    }
    assert!(examples >= 5);
}

#[tokio::test]
async fn an_outage_is_rehearsed_and_what_is_expected_of_it_is_judged() {
    let example = root().join("examples/two-providers.toml");
    let drill = |more: &[&str]| {
        let example = example.to_string_lossy().into_owned();
        let more: Vec<String> = more.iter().map(|&word| word.to_owned()).collect();
        async move {
            let given = ["drill", &example, "--rate", "20", "--hours", "0.2"];
            let all: Vec<&str> = given.into_iter().chain(more.iter().map(String::as_str)).collect();
            run(&all, &[]).await
        }
    };
    let (code, out, err) = drill(&["--incident", "provider-loss", "--expect", "success >= 90%"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("straight to the first target") && err.starts_with("met: success >= 90%"), "{out}{err}");
    let (code, out, err) =
        drill(&["--incident", "provider-loss", "--json", "--expect", "lost <= 0", "--expect", "attempts <= 1"]).await;
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("MISSED: attempts <= 1 (measured: 1."), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON and nothing else");
    assert_eq!(report["incident"], "provider-loss");
    for (more, words) in [
        (&["--incident", "no-such"][..], "there are 2026-06-02-claude"),
        (&["--incident", "brown-out", "--expect", "sucess >= 1%"][..], "nobody measures `sucess`"),
        (&["--incident", "brown-out", "--policy", "hedged {"][..], "are no JSON"),
    ] {
        let (code, _, err) = drill(more).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(words), "{err}");
    }
    let (_, all, _) = drill(&["--incident", "everything-degraded", "--json"]).await;
    let degraded: serde_json::Value = serde_json::from_str(&all).expect("JSON");
    let id = degraded["runs"][0]["lost"][0]["ids"][0].as_str().expect("a request that was lost");
    let (code, story, err) = drill(&["--incident", "everything-degraded", "--explain", id]).await;
    assert!(
        code == 0 && story.contains(&format!(": {id}: chat for")) && story.contains("the policy: "),
        "{story}{err}"
    );
    let (code, _, err) = drill(&["--incident", "everything-degraded", "--explain", "pm_nothing"]).await;
    assert!(code == 2 && err.contains("no request has that id in this drill"), "{err}");
    let tuned = ["drill", "tune", &example.to_string_lossy(), "--rate", "10", "--hours", "0.1"].map(str::to_owned);
    let tune = async |more: &[&str]| {
        let words: Vec<&str> = tuned.iter().map(String::as_str).chain(more.iter().copied()).collect();
        run(&words, &[]).await
    };
    let (code, table, err) = tune(&["--incident", "brown-out", "--policy", "hedged", "--tries", "4"]).await;
    assert!(code == 0 && table.starts_with("hedged in brown-out: 4 settings tried"), "{table}{err}");
    assert!(table.contains("as given") && table.contains("hedge_after_times"), "{table}");
    let (code, _, err) = tune(&["--incident", "brown-out", "--tries", "0"]).await;
    assert!(code == 2 && err.contains("`--tries` is 1 to"), "{err}");
    let folder = Folder::new("incident");
    let (shown, page) = (folder.write("report.json", &out), folder.path("report.html"));
    let (code, again, err) = run(&["drill", "report", &shown, "--html", &page, "--value", "2"], &[]).await;
    assert_eq!(code, 0, "{err}");
    assert!(again.contains("straight to the first target") && again.contains("At $2.00 an answer"), "{again}");
    assert!(std::fs::read_to_string(&page).expect("a page").contains("provider-loss: outage drill"));
    let bad = folder.write("other.json", "{}");
    let (code, _, err) = run(&["drill", "report", &bad], &[]).await;
    assert!(code == 2 && err.contains("is not what `pointsman drill --incident … --json` gives"), "{err}");
    let (code, _, err) = drill(&["--incident", "brown-out", "--html", "/no/such/folder/report.html"]).await;
    assert!(code == 2 && err.contains("there is no such folder"), "{err}");
    let (code, _, err) = drill(&["--incident", "brown-out", "--value=-1"]).await;
    assert!(code == 2 && err.contains("an amount of US dollars"), "{err}");
    // All that are built in, when none is named.
    let (code, out, err) = drill(&["--policy", "failover", "--expect", "success >= 10%"]).await;
    let incidents = pointsman::drill::BUILT_IN.len();
    assert_eq!((code, err.lines().count()), (0, incidents), "{out}{err}");
    assert_eq!(out.matches("| `failover`").count(), incidents, "{out}");
    assert_eq!(out.matches("| SDK retries only").count(), incidents, "{out}");
    let (code, _, err) = drill(&["--html", &page]).await;
    assert!(code == 2 && err.contains("--incident"), "{err}");
    let file = folder.write("bad.toml", "name = \"n\"\nabout = \"a\"\nlasts = \"1h\"\nphases = 3\n");
    let (code, _, err) = drill(&["--incident", &file]).await;
    assert!(code == 2 && err.contains("bad.toml:4:1: unknown field `phases`"), "{err}");
}

#[tokio::test]
async fn a_wrong_configuration_is_told_with_its_place_and_a_remedy() {
    let folder = Folder::new("wrong");
    let provider = "[providers.a]\nadapter = \"openai-chat\"\nkey = \"k\"\n";
    for (text, words) in [
        ("providers = 5", &["pointsman.toml:1:13", "expected a map"][..]),
        ("[server\nlisten = 1", &["pointsman.toml:1:8", "["]),
        ("[sever]", &["pointsman.toml:1:2", "unknown field `sever`", "expected one of"]),
        ("[timeouts]\ntotal = \"999999999h\"", &["pointsman.toml:2:9", "a week at most"]),
        ("[timeouts]\nidle = \"3 sec\"", &["pointsman.toml:2:8", "\"500ms\""]),
        (
            "[providers.a]\nadapter = \"openai-chat\"\nkey = \"${NOT_SET}\"",
            &[":3:7", "no `NOT_SET`", "hint: set NOT_SET"],
        ),
        (
            "[providers.a]\nadapter = \"openai-caht\"",
            &[":2:11", "no plugin `openai-caht`", "did you mean `openai-chat`?"],
        ),
        ("[providers.a]\nadapter = \"openai-chat\"\nbase_url = \"nowhere\"", &[":3:12", "https://host/path"]),
        (&format!("{provider}[models.x]\ntargets = [\"b/x\"]"), &[":5:12", "no provider `b`", "there are: a"]),
        (&format!("{provider}[models.x]\ntargets = [\"a\"]"), &[":5:12", "must be like `provider/model`"]),
        (&format!("{provider}[models.x]\ntargets = []"), &[":4:9", "no targets"]),
        (provider, &["names no models", "targets ="]),
        (
            &format!("{provider}[models.x]\npolicy = \"failover\"\nsettings = {{ attempts = 9 }}\ntargets = [\"a/x\"]"),
            &["models.\"x\"", "must be 1 to 5"],
        ),
        (
            &format!("{provider}[models.x]\nsettings = {{ atempts = 2 }}\ntargets = [\"a/x\"]"),
            &["unknown field `atempts`"],
        ),
        (
            &format!("{provider}[models.x]\npolicy = \"openai-chat\"\ntargets = [\"a/x\"]"),
            &["is a codec, not a policy"],
        ),
        (
            &format!("[server]\nlisten = \"0.0.0.0:1\"\n{provider}[models.x]\ntargets = [\"a/x\"]"),
            &[":2:10", "could spend", "caller_keys"],
        ),
        ("[server]\nmax_body_bytes = 99999999", &[":2:18", "more than 33554432 bytes"]),
        ("[server]\nmax_body_bytes_held = 5", &[":2:23", "one request at least"]),
        ("[game_day]\nenable = true", &[":2:1", "unknown field `enable`", "`enabled`"]),
        ("[server]\nmax_requests = 0", &[":2:16", "limit of 0", "hint: leave it out"]),
        ("[keys.a]", &[":1:7", "neither `sha256` nor `key`", "hint: `pointsman key new a`"]),
        ("[keys.a]\nsha256 = \"12\"", &[":2:10", "64 hexadecimal digits", "hint: `pointsman key new a`"]),
        ("[keys.a]\nkey = \"x\"\nsha256 = \"12\"", &[":3:10", "there is a `key` too", "hint: keep `sha256`"]),
        ("[keys.a]\nkey = \"x\"\n[keys.b]\nkey = \"x\"", &[":4:7", "`keys.b` is the same key as `keys.a`"]),
        ("[server]\ncaller_keys = [\"x\"]\n[keys.b]\nkey = \"x\"", &[":4:7", "the same key as a key of `caller_keys`"]),
        ("[keys.a]\nkey = \"x\"\nmodels = []", &[":3:10", "names no model", "hint: leave it out"]),
        ("[keys.a]\nkey = \"x\"\nmax_in_flight = 0", &[":3:17", "limit of 0", "hint: leave it out"]),
        ("[keys.a]\nkey = \"x\"\nrequests = 1", &[":3:1", "unknown field `requests`", "requests_per_minute"]),
        ("[keys.\"a b\"]\nkey = \"x\"", &[":1:7", "cannot be a key's name", "64 letters"]),
        ("[keys.a]\nkey = \"x\"\n[keys.a]\nkey = \"y\"", &[":3:7", "duplicate key"]),
        ("[plugins.p]\nfile = \"none.wasm\"", &[":2:8", "there is no file"]),
        ("[plugins.p]", &[":1:10", "comes from nowhere", "`file`, `url` or `oci`"]),
        ("[plugins.p]\nfile = \"a\"\noci = \"b\"", &[":1:10", "from several places", "keep one"]),
        ("[plugins.p]\nurl = \"https://h/p.wasm\"", &[":2:7", "so it needs a digest", "hint: give its `sha256`"]),
        ("[plugins.p]\nurl = \"https://h/p.wasm\"\nsha256 = \"12\"", &[":3:10", "64 hexadecimal digits"]),
        ("[plugins.p]\nurl = \"http://h/p.wasm\"", &[":2:7", "plain HTTP", "use https"]),
        ("[plugins.p]\nurl = \"https://u:pw@h/p.wasm\"", &[":2:7", "without a user", "\"*****"]),
        ("[plugins.p]\noci = \"p:1\"", &[":2:7", "must be like REGISTRY/REPOSITORY:TAG"]),
        ("[plugins.p]\noci = \"h.example/p:1\"", &[":2:7", "so it needs a digest", "plugin pull h.example/p:1"]),
        ("[plugins.p]\noci = \"h.example/p@sha256:1\"", &[":2:7", "64 hexadecimal digits"]),
        ("[plugins.p]\noci = \"h.example/p:1\"\nsha256 = \"12\"", &[":3:10", "after its name", "hint: leave it out"]),
    ] {
        let path = folder.write("pointsman.toml", text);
        let (code, out, err) = run(&["check", "--config", &path], &[]).await;
        assert_eq!((code, out.as_str()), (2, ""), "{text}: {err}");
        for word in words {
            assert!(err.contains(word), "{text}\nshould say {word:?}:\n{err}");
        }
    }
    let (code, _, err) = run(&["check", "--config", "/nowhere/pointsman.toml"], &[]).await;
    assert!(code == 2 && err.contains("reading /nowhere/pointsman.toml"), "{err}");
}

/// What `key new` prints lets in whoever shows the key, and nobody else.
#[tokio::test]
async fn a_new_key_is_shown_once_and_its_table_lets_it_in() {
    let (code, out, err) = run(&["key", "new", "team-one"], &[]).await;
    assert_eq!(code, 0, "{err}");
    let (key, table) = out.split_once("\n\n").expect("a key and a table");
    assert!(key.starts_with("pm_") && key.len() == 46 && !table.contains(key) && !err.contains(key), "{out}{err}");
    let (_, again, _) = run(&["key", "new", "team-one"], &[]).await;
    assert_ne!(out, again);
    let models = "[providers.a]\nadapter = \"openai-chat\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/x\"]";
    let parsed = pointsman::config::parse(&format!("{table}{models}"), Path::new("x.toml"), &|_| None);
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.server.callers[0].name, "team-one");
    let (code, out, _) = run(&["key", "new", "a.b", "--json"], &[]).await;
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(code == 0 && json["key"].as_str().is_some_and(|key| key.starts_with("pm_")), "{out}");
    let table = json["table"].as_str().expect("a table");
    let parsed = pointsman::config::parse(&format!("{table}{models}"), Path::new("x.toml"), &|_| None);
    assert_eq!(parsed.unwrap_or_else(|error| panic!("{error}")).server.callers[0].name, "a.b");
    let (code, out, err) = run(&["key", "new", "team one"], &[]).await;
    assert!(code == 2 && out.is_empty() && err.contains("cannot be a key's name"), "{err}");
}

#[tokio::test]
async fn inspect_says_what_a_file_is() {
    let folder = Folder::new("inspect");
    let good =
        pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == "anthropic-messages").expect("it is built in");
    let (code, out, _) = run(&["plugin", "inspect", &folder.write("good.wasm", good.bytes)], &[]).await;
    assert_eq!(code, 0);
    for line in
        ["world    codec", &format!("sha256   {}", good.sha256), "imports  no function", "answers  POST /v1/messages"]
    {
        assert!(out.contains(line), "{line}: {out}");
    }
    let policy = pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == "sticky").expect("it is built in");
    let (code, out, _) = run(&["plugin", "inspect", &folder.write("sticky.wasm", policy.bytes)], &[]).await;
    assert_eq!(code, 0);
    for line in ["contract 0.2.0", "does     Where the conversation's prompt cache is warm"] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let row = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}"));
    let cells = |name: &str| row(name).split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    assert_eq!(cells("max_warm_ms")[1..4], ["300000", "1 to 86400000", "60000 to 3600000"]);
    assert_eq!(cells("begin")[1..4], ["\"configured\"", "configured, spread", "\"configured\", \"spread\""]);
    let (code, out, err) = run(&["plugin", "inspect", &folder.write("half.wasm", &good.bytes[..5000])], &[]).await;
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.contains("half.wasm is no plugin"), "{err}");
}

#[tokio::test]
async fn keys_in_the_environment_are_enough() {
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let openai = Fake::start(Protocol::OpenAiChat).await.expect("a port");
    let environment = [
        ("ANTHROPIC_API_KEY", "canary-one"),
        ("OPENAI_API_KEY", "canary-two"),
        ("ANTHROPIC_BASE_URL", &anthropic.base_url()),
        ("OPENAI_BASE_URL", &openai.base_url()),
        ("POINTSMAN_LISTEN", "127.0.0.1:0"),
    ];
    let serving = Serving::start(&["serve"], &environment).await;
    assert_eq!(serving.target("claude-sonnet-4-5").await, "anthropic/claude-sonnet-4-5");
    anthropic.behave("529".parse().expect("a behaviour"));
    assert_eq!(serving.target("claude-sonnet-4-5").await, "openai/gpt-5");
    assert_eq!(serving.target("gpt-5-mini").await, "openai/gpt-5-mini");
    assert!(serving.operators.starts_with("off"), "{}", serving.operators);
    let (code, said) = serving.stop().await;
    assert_eq!(code, 0);
    assert!(said.contains("outcome=\"done\"") || said.contains("outcome=done"), "{said}");
    assert!(!said.contains("canary"), "{said}");
    let (code, _, err) = run(&["serve"], &[]).await;
    assert!(code == 2 && err.contains("ANTHROPIC_API_KEY"), "{err}");
}

/// Its memory holds keys and prompts.
///
/// Faults: F154
#[tokio::test]
async fn a_gateway_that_crashes_leaves_no_memory_in_a_file() {
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let environment = [
        ("ANTHROPIC_API_KEY", "k"),
        ("ANTHROPIC_BASE_URL", &*anthropic.base_url()),
        ("POINTSMAN_LISTEN", "127.0.0.1:0"),
    ];
    let serving = Serving::start(&["serve"], &environment).await;
    let id = serving.child.id().expect("it runs");
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("its limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("the limit");
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    serving.stop().await;
}

/// When no file descriptor is left, callers wait, and are served when there are some again.
///
/// Faults: F106
#[tokio::test]
async fn running_out_of_file_descriptors_ends_nothing() {
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let environment = [
        ("ANTHROPIC_API_KEY", "k"),
        ("ANTHROPIC_BASE_URL", &*anthropic.base_url()),
        ("POINTSMAN_LISTEN", "127.0.0.1:0"),
    ];
    let serving = Serving::start(&["serve"], &environment).await;
    let id = serving.child.id().expect("it runs").to_string();
    let limit = Command::new("prlimit").args(["--nofile=40:40", "--pid", &id]).status().await.expect("prlimit");
    assert!(limit.success());
    let mut idle = Vec::new();
    for _ in 0..80 {
        idle.push(tokio::net::TcpStream::connect(&serving.callers).await.expect("the kernel accepts it"));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(idle);
    assert_eq!(serving.target("claude-sonnet-4-5").await, "anthropic/claude-sonnet-4-5");
    let (code, said) = serving.stop().await;
    assert!(code == 0 && said.contains("accepting a connection"), "{said}");
}

/// Faults: F103, F191
#[tokio::test]
async fn a_saved_configuration_takes_effect_and_a_wrong_one_does_not() {
    let folder = Folder::new("watch");
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let text = |model: &str| {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[providers.a]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\n\
             key = \"k\"\n[models.x]\ntargets = [\"a/{model}\"]\n",
            anthropic.base_url()
        )
    };
    let path = folder.write("pointsman.toml", text("claude-one"));
    let serving = Serving::start(&["serve", "--config", &path], &[]).await;
    assert_eq!(serving.target("x").await, "a/claude-one");
    let takes_effect = async |target: &str| {
        for attempt in 0.. {
            if serving.target("x").await == target {
                break;
            }
            assert!(attempt < 100, "the change to {target} is seen");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // One after the other, while the last one is still being read: the last one counts.
    for number in 0..40 {
        folder.write("pointsman.toml", text(&format!("claude-{number}")));
        tokio::time::sleep(Duration::from_millis(37)).await;
    }
    takes_effect("a/claude-39").await;
    // A pipe that nobody writes to stops nothing.
    std::fs::remove_file(&path).expect("it is there");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(serving.target("x").await, "a/claude-39");
    std::fs::remove_file(&path).expect("it is there");
    let at_start = text("claude-two").replace("[server]", "[server]\ndrain = \"7s\"\nmax_connections = 50");
    folder.write("pointsman.toml", at_start);
    takes_effect("a/claude-two").await;
    folder.write("pointsman.toml", text("claude-three").replace("targets", "tragets"));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(serving.target("x").await, "a/claude-two");
    let (code, said) = serving.stop().await;
    assert_eq!(code, 0);
    assert!(said.contains("pointsman.toml:8:1: unknown field `tragets`"), "{said}");
    assert!(said.contains("is no regular file"), "{said}");
    assert_eq!(said.matches("take effect at the next start").count(), 1, "{said}");
}

/// One route, and an admin port.
fn configuration(anthropic: &Fake) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n[providers.a]\n\
         adapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/claude\"]\n",
        anthropic.base_url()
    )
}

#[tokio::test]
async fn plugins_are_listed_loaded_swapped_and_rolled_back() {
    let folder = Folder::new("plugins");
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let path = folder.write("pointsman.toml", configuration(&anthropic));
    let serving = Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await;
    let bundled =
        |name: &str| pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in");
    let (old, new) = (&bundled("failover").sha256[..12], &bundled("fastest").sha256[..12]);
    let file = folder.write("fastest.wasm", bundled("fastest").bytes);

    let (code, out, _) = serving.plugin(&["list"]).await;
    assert!(code == 0 && out.lines().any(|line| line.starts_with("failover") && line.contains(old)), "{out}");
    let (code, out, err) = serving.plugin(&["load", &file, "--as", "failover"]).await;
    assert_eq!((code, out), (0, format!("failover: staged {new} beside {old}\n")), "{err}");
    let (code, out, err) = serving.plugin(&["swap", "failover"]).await;
    assert_eq!((code, out), (0, format!("failover: {old} → {new}\n")));
    assert!(err.contains("pointsman plugin rollback failover"), "{err}");
    assert_eq!(serving.target("x").await, "a/claude");
    let (code, out, _) = serving.plugin(&["rollback", "failover"]).await;
    assert_eq!((code, out), (0, format!("failover: {new} → {old}\n")));

    // Before a version decides for everybody: what would it have done, what does it do beside the live one, or for a few?
    let operator = [("POINTSMAN_ADMIN", serving.operators.as_str()), ("POINTSMAN_ADMIN_TOKEN", TOKEN)];
    let (code, out, err) = run(&["targets"], &operator).await;
    let line = out.lines().find(|line| line.starts_with("a/claude")).unwrap_or_default();
    assert!(code == 0 && line.contains("closed") && line.contains("now") && line.contains("100 % of 1"), "{out}{err}");
    let (code, out, err) = run(&["explain"], &operator).await;
    assert!(code == 0 && out.contains("a/claude") && out.contains("done"), "{out}{err}");
    let id = out.lines().last().and_then(|line| line.split_whitespace().next()).expect("a request").to_owned();
    let (code, out, _) = run(&["explain", &id], &operator).await;
    assert!(code == 0 && out.contains("the policy: ask a/claude"), "{out}");
    let (code, _, err) = run(&["explain", "pm_nothing"], &operator).await;
    assert!(code == 2 && err.contains("has no request `pm_nothing`"), "{err}");
    let (code, out, err) = run(&["replay", "--policy", &file], &operator).await;
    assert_eq!((code, out.as_str()), (0, "1 decisions, 0 differ, 0 failed\n"), "{err}");
    let (code, _, err) = run(&["replay", "--policy", &path], &operator).await;
    assert!(code == 2 && err.contains("no plugin"), "{err}");
    serving.plugin(&["load", &file, "--as", "failover"]).await;
    let (code, out, err) = serving.plugin(&["shadow", "failover"]).await;
    assert_eq!((code, out), (0, format!("failover: {new} in the shadow of {old}\n")), "{err}");
    serving.target("x").await;
    let (_, out, _) = serving.plugin(&["list"]).await;
    assert!(out.contains(&format!("failover: {new} in the shadow: 1 answers alike, 0 not, 0 faults")), "{out}");
    let (code, out, err) = serving.plugin(&["differences", "failover"]).await;
    assert!(code == 0 && out.is_empty() && err.contains("has answered otherwise"), "{out}{err}");
    let (code, out, _) = serving.plugin(&["differences", "failover", "--json"]).await;
    assert_eq!((code, out.as_str()), (0, "{\"differences\":[]}\n"));
    let (code, _, err) = serving.plugin(&["differences", "nothing"]).await;
    assert!(code == 2 && err.contains("no plugin `nothing`"), "{err}");
    let (code, out, err) = serving.plugin(&["canary", "failover", "20"]).await;
    assert_eq!(
        (code, out),
        (0, format!("failover: {new} for 20 % of the requests, {old} for the others\n")),
        "out of the shadow, on trial: {err}"
    );
    let (code, out, _) = serving.plugin(&["rollback", "failover"]).await;
    assert_eq!((code, out), (0, format!("failover: {new} ended; {old} goes on\n")));
    let (code, out, _) = serving.plugin(&["list", "--json"]).await;
    assert!(code == 0 && out.starts_with("{\"plugins\":["), "{out}");

    // What callers asked for is rehearsed with.
    let (code, out, err) = run(&["drill", "traffic"], &operator).await;
    assert!(code == 2 && out.is_empty() && err.contains("10 at least are needed"), "{out}{err}");
    for _ in 0..10 {
        serving.target("x").await;
    }
    let (code, out, err) = run(&["drill", "traffic"], &operator).await;
    assert!(code == 0 && out.contains("model = \"x\"") && out.contains("output_tokens"), "{out}{err}");
    let traffic = folder.write("traffic.toml", out.replace("per_minute = ", "per_minute = 10 # "));
    let rehearsal = ["drill", &path, "--incident", "brown-out", "--hours", "0.2", "--traffic", &traffic];
    let (code, out, err) = run(&rehearsal, &[("TOKEN", TOKEN)]).await;
    assert!(code == 0 && out.contains("brown-out"), "{out}{err}");

    let half = folder.write("half.wasm", &bundled("fastest").bytes[..9000]);
    let (code, _, err) = serving.plugin(&["load", &half, "--as", "failover"]).await;
    assert!(code == 2 && err.contains("damaged"), "{err}");
    let (code, _, err) = serving.plugin(&["swap", "failover"]).await;
    assert!(code == 2 && err.contains("no staged version"), "{err}");
    let wrong = [("POINTSMAN_ADMIN", serving.operators.as_str()), ("POINTSMAN_ADMIN_TOKEN", "guessed")];
    let (code, _, err) = run(&["plugin", "list"], &wrong).await;
    assert!(code == 2 && err.contains("token is wrong"), "{err}");
    let (code, _, err) = run(&["plugin", "list"], &[("POINTSMAN_ADMIN", serving.operators.as_str())]).await;
    assert!(code == 2 && err.contains("there is no admin token"), "{err}");
    serving.stop().await;
}

#[tokio::test]
async fn the_check_for_ci_passes_what_survives_and_fails_what_does_not() {
    let folder = Folder::new("ci");
    let script = root().join("examples/incidents/ci.sh").display().to_string();
    let program = Path::new(env!("CARGO_BIN_EXE_pointsman")).parent().expect("a folder").display().to_string();
    let path = format!("{program}:/usr/bin:/bin");
    let check = async |config: &str| {
        let reports = folder.path("reports");
        let environment = [("PATH", path.as_str()), ("RATE", "1")];
        let output = command("sh", &[&script, config, &reports], &environment).output().await.expect("sh");
        (output.status.code().expect("it ends by itself"), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let good = root().join("examples/two-keys.toml").display().to_string();
    let (code, err) = check(&good).await;
    assert!(code == 0 && err.contains("met: success >= 99%"), "{err}");
    let page = std::fs::read_to_string(folder.path("reports/provider-loss.html")).expect("a page");
    assert!(page.contains("<svg"), "a page with plots");
    // Nobody else is there.
    let text = "[providers.a]\nadapter = \"anthropic-messages\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/claude\"]\n";
    let (code, err) = check(&folder.write("alone.toml", text)).await;
    assert!(code == 1 && err.contains("MISSED: success >= 99%") && err.contains("not fit for: 2026-06-02"), "{err}");
    let (code, err) = check("/nowhere.toml").await;
    assert!(code == 2 && err.contains("/nowhere.toml"), "{err}");
}

#[tokio::test]
async fn check_says_where_fetched_credentials_come_from() {
    let folder = Folder::new("credentials");
    let text = "[providers.a]\nadapter = \"bedrock-converse\"\nbase_url = \"http://127.0.0.1:9\"\n\
                aws = { identity = \"instance\" }\nsettings = { region = \"us-east-1\" }\n\
                [models.x]\ntargets = [\"a/x\"]\n";
    let path = folder.write("pointsman.toml", text);
    // Nobody listens there: it is not asked for this.
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")];
    let (code, out, err) = run(&["check", &path], &environment).await;
    assert_eq!(code, 0, "{err}");
    let source = "AWS instance metadata at http://127.0.0.1:9";
    assert!(out.lines().any(|line| line == format!("a         {source}")), "{out}");
    let (_, out, _) = run(&["check", &path, "--json"], &environment).await;
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["credentials"]["a"], source);
}

#[tokio::test]
async fn check_names_a_wrong_base_url_and_prints_what_holds_for_each_target() {
    let folder = Folder::new("holds");
    let text = r#"
        [timeouts]
        first_token = "90s"
        [providers.a]
        adapter = "anthropic-messages"
        base_url = "http://127.0.0.1:9/v1"
        key = "${KEY_OF_A}"
        breaker = { faults = 7 }
        [providers.b]
        adapter = "openai-chat"
        base_url = "http://127.0.0.1:9/v1"
        key = "k"
        timeouts = { reply = "7m" }
        [models.x]
        targets = ["a/claude", "b/gpt"]
        timeouts = { reply = "3m" }
        attempts = { max = 2 }
        [models.y]
        targets = ["b/gpt"]
    "#;
    let path = folder.write("pointsman.toml", text);
    let (secret, environment) = ("secret-key-of-a", [("KEY_OF_A", "secret-key-of-a")]);
    let (code, out, err) = run(&["check", &path], &environment).await;
    assert_eq!(code, 0, "{err}");
    let warnings: Vec<&str> = err.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("provider `a`: `base_url`"), "{err}");
    assert!(warnings[0].contains("leave `/v1` out"), "{err}");
    let row = |model: &str, target: &str| {
        let is_row = |line: &&str| line.split_whitespace().take(2).eq([model, target]);
        out.lines().find(is_row).unwrap_or_else(|| panic!("{model} {target}: {out}")).to_owned()
    };
    for (model, target, holds) in [
        ("x", "a/claude", &["timeouts.first_token = 90s", "timeouts.reply = 3m", "breaker.faults = 7"][..]),
        ("x", "b/gpt", &["timeouts.first_token = 90s", "timeouts.reply = 3m", "attempts.max = 2"]),
        ("y", "b/gpt", &["timeouts.first_token = 90s", "timeouts.reply = 7m"]),
    ] {
        let row = row(model, target);
        assert!(holds.iter().all(|holds| row.contains(holds)), "{row}");
        assert_eq!((row.contains("breaker"), row.contains("attempts")), (target == "a/claude", model == "x"), "{row}");
    }
    let (_, json, _) = run(&["check", &path, "--json"], &environment).await;
    let data: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(data["warnings"].as_array().map(Vec::len), Some(1), "{json}");
    let holds =
        &data["routes"].as_array().expect("routes").iter().find(|route| route["model"] == "x").expect("x")["holds"];
    assert_eq!((&holds[0]["breaker"]["faults"], &holds[1]["timeouts"]["reply"]), (&7.into(), &"3m".into()), "{json}");
    assert!(!format!("{out}{err}{json}").contains(secret), "it shows no key");
    let (code, _, err) = run(&["check", &path], &[]).await;
    assert!(code == 2 && err.contains("KEY_OF_A"), "a variable that is not set is named: {err}");
}
