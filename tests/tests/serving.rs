//! The process that serves: signals, and a log that nobody takes.

mod program;

use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pointsman::fake::{Fake, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use self::program::{Folder, Serving, TOKEN, command, program};

const BODY: &str = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;

/// A configuration with one provider, the fake.
fn configuration(folder: &Folder, fake: &Fake, server: &str) -> String {
    let text = format!(
        "[server]\n{server}\n[providers.anthropic]\nadapter = \"anthropic-messages\"\nkey = \"k\"\nbase_url = \"{}\"\n\
         [models.\"*\"]\ntargets = [\"anthropic/*\"]\n",
        fake.base_url()
    );
    folder.write("pointsman.toml", text)
}

/// Status and head of what a path answers; a body makes it a POST.
async fn curl(address: &str, path: &str, body: Option<&str>) -> (u16, String) {
    let mut curl = Command::new("curl");
    curl.args(["-s", "-i", "--max-time", "20", &format!("http://{address}{path}")]);
    if let Some(body) = body {
        curl.args(["-H", "content-type: application/json", "-d", body]);
    }
    let output = curl.output().await.expect("curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text.to_lowercase())
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs");
    let status = Command::new("bash").args(["-c", &format!("kill -{name} {id}")]).status().await.expect("bash");
    assert!(status.success());
}

/// An address that was free a moment ago.
async fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// Faults: F189
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_takes_costs_no_request() {
    let (folder, fake) = (Folder::new("serving-log"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    for (name, stderr) in [("full", Stdio::from(full)), ("closed", Stdio::piped()), ("never read", Stdio::piped())] {
        let address = free().await;
        let config = configuration(&folder, &fake, &format!("listen = \"{address}\""));
        let mut command = program(&["serve", "--config", &config], &[("POINTSMAN_LOG", "debug")]);
        let mut child = command.stderr(stderr).spawn().expect("it starts");
        // Its reader goes away.
        if name == "closed" {
            drop(child.stderr.take());
        }
        let up = async {
            while TcpStream::connect(&address).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(120), up).await.unwrap_or_else(|_| panic!("{name}: it does not listen"));
        // A pipe holds 64 KiB, and each of these is some hundred bytes of log.
        for number in 0..300 {
            let (status, text) = curl(&address, "/v1/messages", Some(BODY)).await;
            assert_eq!(status, 200, "{name}: request {number}: {text}");
        }
        signal(&child, "INT").await;
        let ended = timeout(Duration::from_secs(60), child.wait()).await.expect("in time").expect("a status");
        assert_eq!(ended.code(), Some(0), "{name}");
    }
}

/// Faults: F192
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_it_stops_balancers_are_told_and_requests_taken() {
    let (folder, fake) = (Folder::new("serving-stop"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let config = configuration(&folder, &fake, "listen = \"127.0.0.1:0\"\ndrain_lead = \"5s\"");
    let serving = Serving::start(&["serve", "--config", &config], &[]).await;
    let address = serving.callers.clone();
    assert_eq!(curl(&address, "/readyz", None).await.0, 200);
    signal(&serving.child, "TERM").await;
    while curl(&address, "/readyz", None).await.0 == 200 {
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((curl(&address, "/readyz", None).await.0, curl(&address, "/livez", None).await.0), (503, 200));
    let (status, head) = curl(&address, "/v1/messages", Some(BODY)).await;
    assert!(status == 200 && head.contains("\r\nconnection: close\r\n"), "{head}");
    let (code, said) = serving.ended().await;
    assert!(code == 0 && said.contains("requests are still taken"), "{said}");
}

/// Else clients would go on until the lead is over, and then all lose their connections at once.
///
/// Faults: F192
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_2_the_next_reply_says_that_it_stops() {
    let (folder, fake) = (Folder::new("serving-h2"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let config = configuration(&folder, &fake, "listen = \"127.0.0.1:0\"\ndrain_lead = \"60s\"");
    let serving = Serving::start(&["serve", "--config", &config], &[]).await;
    let stream = TcpStream::connect(&serving.callers).await.expect("it listens");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let url = format!("http://{}/v1/messages", serving.callers);
    let ask = async || {
        let request = hyper::Request::post(&url).header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(BODY))).expect("a request");
        let response = sender.clone().send_request(request).await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a whole reply").to_bytes()
    };
    ask().await;
    signal(&serving.child, "TERM").await;
    while curl(&serving.callers, "/readyz", None).await.0 == 200 {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(!connection.is_finished(), "nothing was said yet");
    assert!(!ask().await.is_empty(), "the reply is whole");
    let ended = timeout(Duration::from_secs(20), connection).await.expect("it was told to leave");
    ended.expect("no panic").expect("a proper end");
    assert_eq!(curl(&serving.callers, "/v1/messages", Some(BODY)).await.0, 200, "new connections are served");
    let (code, _) = serving.stop().await;
    assert_eq!(code, 1, "the second signal ends it at once");
}

/// Its configuration is a named pipe that nobody writes. Without a handler process 1 of a container ignores the signal; with one
/// nothing happens unless somebody looks at it.
///
/// Faults: F214
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_hangs_ends_when_it_is_told_to() {
    let folder = Folder::new("serving-hangs");
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().await.expect("mkfifo").success());
    for word in ["TERM", "INT"] {
        let mut command = program(&["serve", "--config", &pipe], &[]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let status = format!("/proc/{}/status", child.id().expect("it runs"));
        // Signals 2 and 15 are caught.
        let is_listening = || {
            let status = std::fs::read_to_string(&status).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|caught| u64::from_str_radix(caught.trim(), 16).ok());
            caught.is_some_and(|caught| caught & (1 << 1 | 1 << 14) == (1 << 1 | 1 << 14))
        };
        while !is_listening() {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(300)).await;
        signal(&child, word).await;
        let ended = timeout(Duration::from_secs(30), child.wait()).await;
        let mut said = String::new();
        if let Some(mut stderr) = child.stderr.take().filter(|_| ended.is_ok()) {
            stderr.read_to_string(&mut said).await.expect("its words");
        }
        let code = ended.unwrap_or_else(|_| panic!("{word}: it hangs")).expect("a status").code();
        assert!(code == Some(0) && said.contains("stopped before it served"), "{word}: {code:?} {said}");
    }
}

/// A provider that says no and lets the body of its answer hang: its status is enough.
///
/// Faults: F215
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_whose_body_hangs_is_known_by_its_status() {
    let (folder, well) = (Folder::new("serving-529"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    for status in ["529 Overloaded", "500 Internal Server Error"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let hanging = listener.local_addr().expect("an address");
        let serving_it = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 64 << 10]).await;
                let head =
                    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{{");
                let _ = stream.write_all(head.as_bytes()).await;
                open.push(stream);
            }
        });
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\
             [providers.hanging]\nadapter = \"anthropic-messages\"\nkey = \"k\"\nbase_url = \"http://{hanging}\"\n\
             [providers.well]\nadapter = \"anthropic-messages\"\nkey = \"k\"\nbase_url = \"{}\"\n\
             [models.\"*\"]\ntargets = [\"hanging/*\", \"well/*\"]\n",
            well.base_url()
        );
        let config = folder.write("pointsman.toml", text);
        let serving = Serving::start(&["serve", "--config", &config], &[]).await;
        let began = tokio::time::Instant::now();
        let (answered, text) = curl(&serving.callers, "/v1/messages", Some(BODY)).await;
        assert!(answered == 200 && text.contains("\r\nx-pointsman-attempts: 2\r\n"), "{status}: {text}");
        assert!(began.elapsed() < Duration::from_secs(10), "{status}: {:?}", began.elapsed());
        serving.stop().await;
        serving_it.abort();
    }
}

/// Faults: F192
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_reads_the_configuration_again() {
    let (folder, fake) = (Folder::new("serving-hup"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let config = configuration(&folder, &fake, "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"");
    let serving = Serving::start(&["serve", "--config", &config], &[("POINTSMAN_ADMIN_TOKEN", TOKEN)]).await;
    signal(&serving.child, "HUP").await;
    assert_eq!(serving.target("m").await, "anthropic/m", "it goes on");
    sleep(Duration::from_secs(2)).await;
    let (code, said) = serving.stop().await;
    assert!(code == 0 && said.contains("the changed configuration is in force"), "{said}");
}

/// A request on a connection that is kept.
async fn ask_on(stream: &mut TcpStream) {
    let head = format!("POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nContent-Length: {}\r\n\r\n", BODY.len());
    stream.write_all(format!("{head}{BODY}").as_bytes()).await.expect("it is sent");
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&answer).contains("\"usage\"") {
        let count = timeout(Duration::from_secs(30), stream.read(&mut piece)).await.expect("in time").expect("bytes");
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        assert!(count > 0 && text.starts_with("HTTP/1.1 200"), "{text}");
    }
}

/// Callers' idle connections take half of the file descriptors at most, so that requests can still be sent.
///
/// Faults: F112
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_leave_file_descriptors_for_requests() {
    const KNOWN: usize = 8;
    let (folder, fake) =
        (Folder::new("serving-files"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let config = configuration(&folder, &fake, "listen = \"127.0.0.1:0\"");
    let limited = ["--nofile=120:120", env!("CARGO_BIN_EXE_pointsman"), "serve", "--config", &config];
    let serving = Serving::start_command(command("prlimit", &limited, &[])).await;
    let mut known = Vec::new();
    for _ in 0..KNOWN {
        let mut stream = TcpStream::connect(&serving.callers).await.expect("it listens");
        ask_on(&mut stream).await;
        known.push(stream);
    }
    let mut idle = Vec::new();
    // As many as the kernel holds for a listener that accepts no more.
    while idle.len() < 150
        && let Ok(stream) = timeout(Duration::from_secs(1), TcpStream::connect(&serving.callers)).await
    {
        idle.push(stream);
        // Whoever has been idle for long makes room for others.
        if idle.len() % 25 == 0 {
            futures_util::future::join_all(known.iter_mut().map(ask_on)).await;
        }
    }
    sleep(Duration::from_millis(500)).await;
    futures_util::future::join_all(known.iter_mut().map(ask_on)).await;
    drop(idle);
    let (code, said) = serving.stop().await;
    assert!(code == 0 && said.contains("ulimit") && !said.contains("accepting a connection"), "{said}");
}

/// A program reads it line by line, and finds a caller's request by its trace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_of_a_log_in_json_is_an_object_and_tells_the_trace() {
    let (folder, fake) = (Folder::new("serving-json"), Fake::start(Protocol::AnthropicMessages).await.expect("a port"));
    let address = free().await;
    let config = configuration(&folder, &fake, &format!("listen = \"{address}\"\nlog = \"json\""));
    let text = std::fs::read_to_string(&config).expect("a file").replace("key = \"k\"", "key = \"${KEY}\"");
    let config = folder.write("json.toml", text);
    let key = "key-of-the-environment";
    let mut command = program(&["serve", "--config", &config], &[("POINTSMAN_LOG", "debug"), ("KEY", key)]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stderr = child.stderr.take().expect("its words");
    let reading = tokio::spawn(async move {
        let mut said = String::new();
        stderr.read_to_string(&mut said).await.map(|_| said)
    });
    let up = async {
        while TcpStream::connect(&address).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(120), up).await.expect("it listens");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let odd = BODY.replace("\"m\"", "\"m\\\" {\\u00e9}=1\"");
    for (body, status) in [(BODY, "200"), (odd.as_str(), "200"), ("{", "400")] {
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &format!("http://{address}/v1/messages"), "-d", body])
            .args(["-H", &format!("traceparent: 00-{trace}-b7ad6b7169203331-01")])
            .output()
            .await
            .expect("curl");
        assert_eq!(String::from_utf8_lossy(&output.stdout), status, "{body}");
    }
    assert_eq!(fake.seen()[0].header("x-api-key"), Some(key));
    signal(&child, "INT").await;
    timeout(Duration::from_secs(60), child.wait()).await.expect("in time").expect("a status");
    let said = reading.await.expect("it reads").expect("text");
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let lines: Vec<serde_json::Value> = said.lines().map(read).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(requests.len(), 3, "{said}");
    assert!(requests.iter().all(|line| line["trace_id"] == trace), "{said}");
    assert_eq!(requests[1]["model"], "m\" {é}=1", "{said}");
    assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()), "{said}");
    assert!(!said.contains(key), "{said}");
}
