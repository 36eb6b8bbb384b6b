//! Adapters of one's own: a provider's made-up API answers callers, and callers of a made-up protocol are answered.

use std::path::{Path, PathBuf};

use pointsman::fake::{Fake, Protocol};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::program::{Folder, Serving, TOKEN, run};
use super::{build, environment, made};

/// A new project, tested by its own tests and built: its component.
async fn component(name: &str, world: &str) -> PathBuf {
    let project = made().join(name);
    for offline in [true, false] {
        let _ = std::fs::remove_dir_all(&project);
        let (code, _, err) = run(&["plugin", "new", name, world, "--dir", &project.to_string_lossy()], &[]).await;
        assert_eq!(code, 0, "{err}");
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--quiet"]).current_dir(&project).env_clear().envs(environment(offline)).kill_on_drop(true);
        let output = cargo.output().await.expect("cargo");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if !output.status.success() && offline {
            continue;
        }
        assert!(said.contains("6 passed"), "{said}");
        let (code, out, err) = build(&project, offline, &[]).await;
        assert!(code == 0 && out.contains("-adapter\n"), "{out}{err}");
        let file = out.lines().find_map(|line| line.strip_prefix("file     ")).expect("a file");
        assert!(err.contains("next: pointsman plugin test"), "{err}");
        let (code, out, err) = run(&["plugin", "test", file], &[]).await;
        assert!(code == 0 && out.contains("4 of 4 are answered as expected"), "{out}{err}");
        return PathBuf::from(file);
    }
    unreachable!("the second is not offline")
}

/// A provider that speaks the made-up protocol: it says back what it was told, word by word, as often as it is asked.
async fn plain_provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(says_it_back(stream));
        }
    });
    format!("http://{address}")
}

async fn says_it_back(mut stream: TcpStream) {
    let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let count = stream.read(&mut piece).await.expect("a request");
        assert!(count > 0, "it was cut");
        asked.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            break (head.to_ascii_lowercase(), body);
        }
    };
    assert!(head.starts_with("post /v1/say ") && head.contains("authorization: bearer k"), "{head}");
    let said = body["turns"][0]["text"].as_str().expect("text");
    let end = json!({ "end": "stop", "tokens": { "in": 3, "out": 2 } });
    let (kind, reply) = match body["stream"] == true {
        true => {
            let words = said.split_inclusive(' ').map(|word| json!({ "text": word }));
            let events = words.chain([end]).map(|piece| format!("data: {piece}\n\n"));
            ("text/event-stream", events.collect::<String>())
        }
        false => {
            ("application/json", json!({ "text": said, "end": "stop", "tokens": { "in": 3, "out": 2 } }).to_string())
        }
    };
    let length = reply.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + &reply).as_bytes()).await.expect("a caller");
}

/// A gateway with the plugin and more in its configuration.
async fn serving(folder: &Folder, name: &str, file: &Path, more: &str) -> Serving {
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n\
         [plugins.{name}]\nfile = {file:?}\n{more}"
    );
    let path = folder.write("pointsman.toml", config);
    Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await
}

async fn post(serving: &Serving, path: &str, body: Value) -> String {
    let url = format!("http://{}{path}", serving.callers);
    let asked = Command::new("curl").args(["-s", "--max-time", "20", &url, "-d", &body.to_string()]).output();
    String::from_utf8(asked.await.expect("curl").stdout).expect("text")
}

#[tokio::test]
async fn a_provider_of_ones_own_answers_callers() {
    let file = component("plain-words", "--provider").await;
    let (folder, provider) = (Folder::new("own-provider"), plain_provider().await);
    let more = format!(
        "[providers.mine]\nadapter = \"plain-words\"\nbase_url = \"{provider}\"\nkey = \"k\"\n\
         [models.x]\ntargets = [\"mine/small\"]\n"
    );
    let serving = serving(&folder, "plain-words", &file, &more).await;
    for stream in [false, true] {
        let turns = json!([{ "role": "user", "content": "Good morning, gateway" }]);
        let body = json!({ "model": "x", "messages": turns, "stream": stream });
        let reply = post(&serving, "/v1/chat/completions", body).await;
        let words: &[&str] =
            if stream { &["Good ", "morning, ", "gateway", "[DONE]"] } else { &["Good morning, gateway"] };
        assert!(words.iter().all(|word| reply.contains(word)) && reply.contains("\"stop\""), "{reply}");
    }
    // What the protocol cannot say is refused with the field's name.
    let body = json!({ "model": "x", "messages": [{ "role": "user", "content": "hi" }], "stop": ["x"] });
    assert!(post(&serving, "/v1/chat/completions", body).await.contains("\"param\":\"stop\""));
    super::dev::keeps_what_is_not_fit(&serving, file.parent().expect("its project")).await;
    assert_eq!(serving.stop().await.0, 0);
}

#[tokio::test]
async fn callers_of_ones_own_protocol_are_answered() {
    let file = component("plain-talk", "--client").await;
    let (folder, fake) = (Folder::new("own-client"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let more = format!(
        "[providers.claude]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.x]\ntargets = [\"claude/claude-sonnet-4-5\"]\n",
        fake.base_url()
    );
    let serving = serving(&folder, "plain-talk", &file, &more).await;
    for stream in [false, true] {
        let turns = json!([{ "who": "user", "text": "Hello" }]);
        let body = json!({ "model": "x", "turns": turns, "limit": 99, "stream": stream });
        let reply = post(&serving, "/plain/v1/say", body).await;
        assert!(reply.contains("\"end\":\"stop\"") && reply.contains("\"text\":\""), "{reply}");
        assert_eq!(reply.starts_with("data: {"), stream, "{reply}");
    }
    let wrong = json!({ "model": "x", "turns": [{ "who": "dog", "text": "woof" }] });
    let reply = post(&serving, "/plain/v1/say", wrong).await;
    assert!(reply.contains("\"code\":\"wrong\"") && reply.contains("turns[0].who"), "{reply}");
    assert_eq!(serving.stop().await.0, 0);
}
