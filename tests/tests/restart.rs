//! The program, killed and started again: what operators did is there, whatever it was killed in the middle of; and a disk that
//! takes nothing any more costs no request.

mod program;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pointsman::fake::{Fake, Protocol};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;

use self::program::{Folder, Serving, TOKEN, run};

/// A gateway whose state is kept in a folder, and one provider.
struct Kept {
    folder: Folder,
    openai: Fake,
    config: String,
    state: String,
}

impl Kept {
    async fn new(name: &str, more: &str) -> Kept {
        let (folder, openai) = (Folder::new(name), Fake::start(Protocol::OpenAiChat).await.expect("a port"));
        let text = format!(
            "[providers.openai]\nadapter = \"openai-chat\"\nkey = \"k\"\nbase_url = \"{}\"\n\
             [models.\"*\"]\ntargets = [\"openai/*\"]\n{more}",
            openai.base_url()
        );
        let config = folder.write("pointsman.toml", text);
        let state = Path::new(&config).with_file_name("state").to_string_lossy().into_owned();
        Kept { folder, openai, config, state }
    }

    fn environment(&self) -> [(&str, &str); 4] {
        [
            ("POINTSMAN_ADMIN_TOKEN", TOKEN),
            ("POINTSMAN_LISTEN", "127.0.0.1:0"),
            ("POINTSMAN_ADMIN", "127.0.0.1:0"),
            ("POINTSMAN_STATE", &self.state),
        ]
    }

    async fn start(&self) -> Serving {
        Serving::start(&["serve", "--config", &self.config], &self.environment()).await
    }

    /// Names of the files.
    fn versions(&self) -> Vec<String> {
        let entries = std::fs::read_dir(Path::new(&self.state).join("versions")).expect("the folder").flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

/// Of the admin port.
async fn ask(operators: &str, method: &str, path: &str, body: &[u8]) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect(operators).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {operators}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).map_err(std::io::Error::other)
}

async fn failover(operators: &str) -> Value {
    let told = ask(operators, "GET", "/plugins", b"").await.expect("an answer");
    let slots = told["plugins"].as_array().cloned().unwrap_or_default();
    slots.into_iter().find(|slot| slot["name"] == "failover").unwrap_or_else(|| panic!("{told}"))
}

/// The journal's entries, once there are so many: the last comes a moment after its reply.
async fn journal(operators: &str, count: usize) -> Vec<Value> {
    for _ in 0..1000 {
        let told = ask(operators, "GET", "/journal", b"").await.expect("the journal");
        let entries = told["entries"].as_array().expect("entries");
        if entries.len() == count {
            return entries.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never {count} entries");
}

fn digest(version: &Value) -> String {
    version["sha256"].as_str().unwrap_or_else(|| panic!("{version}")).to_owned()
}

/// Another version of the built-in plugin: a custom section changes nothing but the digest.
fn variant(name: &str, number: u8) -> Vec<u8> {
    let bundled = pointsman_bundle::BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in");
    [bundled.bytes, &[0, 4, 2, b'n', b'o', number]].concat()
}

/// Live, previous and staged, as `GET /plugins` tells them.
type Standing = [Option<String>; 3];

fn standing(slot: &Value) -> Standing {
    ["live", "previous", "staged"].map(|place| slot[place]["sha256"].as_str().map(str::to_owned))
}

/// Operators change one slot as fast as they can, and the process is killed at any moment. What stands there then is what the
/// last answer said, or what the change made that had no answer yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_a_storm_of_swaps_it_stands_before_or_after_one() {
    const KILLS: usize = 6;
    let kept = Kept::new("storm", "").await;
    let mut version = 0_u64;
    for kill in 0..KILLS {
        let serving = kept.start().await;
        let told = Arc::new(Mutex::new(standing(&failover(&serving.operators).await)));
        let answered = Arc::new(AtomicUsize::new(0));
        let (operators, said, counts) = (serving.operators.clone(), Arc::clone(&told), Arc::clone(&answered));
        let storm = tokio::spawn(async move {
            loop {
                version += 1;
                let bytes = variant("failover", (version % 128) as u8);
                let path = match version % 4 {
                    0 | 2 => ("/plugins/failover", bytes.as_slice()),
                    1 => ("/plugins/failover/swap?force=true", &b""[..]),
                    _ => ("/plugins/failover/rollback", &b""[..]),
                };
                match ask(&operators, "POST", path.0, path.1).await {
                    Ok(answer) if answer["slot"].is_object() => {
                        assert_eq!(answer["not_kept"], Value::Null, "{answer}");
                        *said.lock().expect("no panic") = standing(&answer["slot"]);
                        counts.fetch_add(1, Ordering::SeqCst);
                    }
                    // Nothing was staged, say: nothing changed.
                    Ok(_) => {}
                    Err(_) => return version,
                }
            }
        });
        // In the middle of another kind of change each time, and of another step of it.
        while answered.load(Ordering::SeqCst) < 5 + kill && !storm.is_finished() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(3 * kill as u64)).await;
        let mut child = serving.child;
        child.kill().await.expect("SIGKILL");
        let at = storm.await.expect("the storm");
        version = at;
        assert!(answered.load(Ordering::SeqCst) >= 5, "it was killed before anything happened");
        let before = told.lock().expect("no panic").clone();
        let serving = kept.start().await;
        let now = standing(&failover(&serving.operators).await);
        // The change that had no answer: a load stages something, a swap makes it live, a rollback turns two around.
        let [live, previous, staged] = before.clone();
        let is_after = match at % 4 {
            0 | 2 => now[..2] == [live.clone(), previous.clone()] && now[2].is_some(),
            1 => now == [staged.clone(), live.clone(), None],
            _ => now == [previous.clone(), live.clone(), staged.clone()],
        };
        assert!(now == before || is_after, "{at}: {before:?} became {now:?}");
        let history = ask(&serving.operators, "GET", "/history?plugin=failover", b"").await.expect("the history");
        let changes = history["changes"].as_array().expect("changes");
        assert!(changes.iter().all(|change| change["what"] != "not-restored"), "{history}");
        // What the process was killed in the middle of writing goes with the first save.
        let mut names = kept.versions();
        for _ in 0..1000 {
            if names.len() <= 15 && names.iter().all(|name| name.ends_with(".wasm")) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            names = kept.versions();
        }
        assert!(names.len() <= 15 && names.iter().all(|name| name.ends_with(".wasm")), "{names:?}");
        let (code, said) = serving.stop().await;
        assert!(code == 0 && !said.contains("did not come back"), "{said}");
    }
}

#[tokio::test]
async fn two_gateways_never_share_a_folder() {
    let kept = Kept::new("two", "").await;
    let serving = kept.start().await;
    let (code, _, err) = run(&["serve", "--config", &kept.config], &kept.environment()).await;
    assert!(code == 2 && err.contains(&kept.state) && err.contains("in use by another gateway"), "{code}: {err}");
    assert_eq!(serving.target("m").await, "openai/m", "the first goes on");
    drop(serving.stop().await);
    kept.start().await;
}

/// History, and the way back, as operators use them.
#[tokio::test]
async fn the_history_is_told_and_leads_back() {
    let kept = Kept::new("history", "").await;
    let serving = kept.start().await;
    let built_in = digest(&failover(&serving.operators).await["live"]);
    let file = kept.folder.write("one.wasm", variant("failover", 1));
    assert_eq!(serving.plugin(&["load", &file, "--as", "failover"]).await.0, 0);
    assert_eq!(serving.plugin(&["swap", "failover"]).await.0, 0);
    let first = digest(&failover(&serving.operators).await["live"]);
    drop(serving.stop().await);
    let serving = kept.start().await;
    let (code, out, err) = serving.plugin(&["history", "failover"]).await;
    let lines: Vec<&str> = out.lines().collect();
    assert!(code == 0 && lines.len() == 3, "{out}{err}");
    for part in ["swapped", &built_in[..12], &first[..12], "operator"] {
        assert!(lines[2].contains(part), "{part}: {out}");
    }
    assert!(!err.contains("forgotten") && !err.contains("warning"), "{err}");
    let (code, out, err) = serving.plugin(&["rollback", "failover", "--to", &built_in[..8]]).await;
    assert!(code == 0 && out.contains(&format!("{} → {}", &first[..12], &built_in[..12])), "{out}{err}");
    let (_, out, _) = serving.plugin(&["history", "failover", "--json"]).await;
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&told["changes"][2]["what"], &told["store"]["trouble"]), (&"rolled-back".into(), &Value::Null));
    let (code, _, err) = serving.plugin(&["rollback", "failover", "--to", "0000"]).await;
    assert!(code == 2 && err.contains("plugin history"), "{err}");
}

#[tokio::test]
async fn the_journal_is_there_after_a_restart_for_explain_and_replay() {
    let kept = Kept::new("kept-journal", "[journal]\nrequests = 2\nkeep = \"7d\"").await;
    let serving = kept.start().await;
    for _ in 0..5 {
        assert_eq!(serving.target("m").await, "openai/m");
    }
    // Two in memory, the others on the disk.
    let entries = journal(&serving.operators, 5).await;
    drop(serving.stop().await);
    let serving = kept.start().await;
    let environment = [("POINTSMAN_ADMIN", &*serving.operators), ("POINTSMAN_ADMIN_TOKEN", TOKEN)];
    let id = entries[0]["id"].as_str().expect("an id");
    let (code, out, err) = run(&["explain", id], &environment).await;
    assert!(code == 0 && out.contains(id) && out.contains("first content, from openai/m"), "{out}{err}");
    assert_eq!(serving.target("m").await, "openai/m");
    journal(&serving.operators, 6).await;
    let file = kept.folder.write("same.wasm", variant("failover", 1));
    let (code, out, err) = run(&["replay", "--policy", &file, "--since", "60"], &environment).await;
    assert!(code == 0 && out.contains("6 decisions, 0 differ, 0 failed"), "{out}{err}");
    assert!(err.contains("6 requests, the oldest of 20"), "{err}");
}

/// A disk that is full from one moment on: the limit of file sizes is the same to whoever writes, and needs no disk of its own.
async fn fill(serving: &Serving, limit: &str) {
    let id = serving.child.id().expect("it runs").to_string();
    let status = Command::new("prlimit").args([&format!("--fsize={limit}:"), "--pid", &id]).status().await;
    assert!(status.expect("prlimit").success());
}

/// Requests are answered and versions swapped while nothing can be written; it is said once, and made good when it is over.
///
/// Faults: F105
#[tokio::test]
async fn a_full_disk_costs_no_request_and_no_swap() {
    let kept = Kept::new("full", "[journal]\nkeep = \"7d\"").await;
    // A process that ignores the signal hears of it as an error, as it does of a full disk.
    let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_pointsman");
    let arguments = ["-c", script, program, "serve", "--config", &kept.config];
    let serving = Serving::start_command(program::command("bash", &arguments, &kept.environment())).await;
    assert_eq!(serving.target("m").await, "openai/m");
    // Not later: the limit counts for wasmtime's files in memory, too.
    let file = kept.folder.write("one.wasm", variant("failover", 1));
    assert_eq!(serving.plugin(&["load", &file, "--as", "failover"]).await.0, 0);
    fill(&serving, "0").await;
    for _ in 0..20 {
        assert_eq!(serving.target("m").await, "openai/m");
    }
    let (code, _, err) = serving.plugin(&["swap", "failover"]).await;
    assert!(code == 0 && err.contains("not written to the disk yet"), "{err}");
    let live = digest(&failover(&serving.operators).await["live"]);
    for _ in 0..20 {
        assert_eq!(serving.target("m").await, "openai/m");
    }
    let (_, _, err) = serving.plugin(&["history"]).await;
    assert!(err.contains("changes are not written to the disk for now"), "{err}");
    assert!(err.contains("entries of the journal could not be written"), "{err}");
    // There is space again: the next change brings everything to the disk, and the journal goes on.
    fill(&serving, "unlimited").await;
    let file = kept.folder.write("two.wasm", variant("failover", 2));
    let (code, _, err) = serving.plugin(&["load", &file, "--as", "failover"]).await;
    assert!(code == 0 && !err.contains("not written"), "{err}");
    assert_eq!(serving.target("m").await, "openai/m");
    let (_, said) = serving.stop().await;
    for (told, times) in [
        ("what operators change cannot be written to the disk for now", 1),
        ("what operators change can be written to the disk again", 1),
        ("the journal cannot be written to the disk for now", 1),
        ("the journal can be written to the disk again", 1),
    ] {
        assert_eq!(said.matches(told).count(), times, "{told}: {said}");
    }
    let serving = kept.start().await;
    let slot = failover(&serving.operators).await;
    assert_eq!(digest(&slot["live"]), live, "what was swapped while the disk was full");
    assert!(slot["staged"].is_object());
    let history = ask(&serving.operators, "GET", "/history?plugin=failover", b"").await.expect("the history");
    assert_eq!(history["changes"].as_array().map(Vec::len), Some(3), "{history}");
}

/// A folder in which nothing can be made, and a database that is none: the gateway starts, answers and says so.
///
/// Faults: F105
#[tokio::test]
async fn a_folder_that_cannot_be_used_costs_no_request() {
    let mut kept = Kept::new("unusable", "[journal]\nkeep = \"7d\"").await;
    kept.state = kept.folder.write("a-file", "where a folder should be");
    let serving = kept.start().await;
    assert_eq!(serving.target("m").await, "openai/m");
    let (_, _, err) = serving.plugin(&["history"]).await;
    assert!(err.contains("changes are not written to the disk for now"), "{err}");
    drop(serving.stop().await);
    kept.state = Path::new(&kept.config).with_file_name("state").to_string_lossy().into_owned();
    std::fs::create_dir_all(&kept.state).expect("a folder");
    for name in ["rollouts.db", "journal.db"] {
        std::fs::write(Path::new(&kept.state).join(name), [7; 50_000]).expect("no database");
    }
    let serving = kept.start().await;
    assert_eq!(serving.target("m").await, "openai/m");
    journal(&serving.operators, 1).await;
    let (_, said) = serving.stop().await;
    assert!(said.contains("journal.db is damaged"), "{said}");
    assert!(Path::new(&kept.state).join("rollouts.db.damaged").exists());
    assert_eq!(kept.openai.seen().len(), 2);
}
