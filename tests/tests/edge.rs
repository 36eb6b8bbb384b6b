//! The port that callers use: protocols, keys, limits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use pointsman::config::Tls;
use pointsman::server::Port;
use pointsman_tests::{Answer, CLAUDE, Line, messages_body};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_streams_side_by_side() {
    let line = Line::start().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let (client, url) = (client.clone(), format!("http://{}/v1/messages", line.address));
        callers.spawn(async move {
            let body = messages_body(CLAUDE, &format!("number {number}"), true).to_string();
            let response = client.request(Request::post(url).body(Full::new(body.into())).expect("a request")).await;
            let response = response.expect("an answer");
            assert_eq!(response.version(), Version::HTTP_2);
            let answer = Answer::read(response).await;
            assert!(answer.complete() && answer.text().ends_with(&format!("number {number}")), "{}", answer.body);
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("an answer");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_http_2_and_http_1() {
    let line = Line::start().await;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let tls = Tls { certificate: fixtures.join("localhost.pem"), key: fixtures.join("localhost-key.pem") };
    let port = Port::bind(([127, 0, 0, 1], 0).into(), Some(&tls)).await.expect("a port");
    let address = port.address().expect("an address");
    tokio::spawn(port.serve(Arc::clone(&line.gateway), std::future::pending(), Duration::ZERO));
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let output = Command::new("curl")
            .args(["-s", option, "--max-time", "20", "-w", "\n%{http_version}", "--cacert"])
            .arg(&tls.certificate)
            .arg(format!("https://localhost:{}/v1/messages", address.port()))
            .args(["--resolve", &format!("localhost:{}:127.0.0.1", address.port()), "-d"])
            .arg(messages_body(CLAUDE, "hello", false).to_string())
            .output()
            .await
            .expect("curl");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("you said: hello") && text.ends_with(&format!("\n{version}")), "{text}");
    }
    let swapped = Tls { certificate: tls.key.clone(), key: tls.certificate.clone() };
    let error = Port::bind(([127, 0, 0, 1], 0).into(), Some(&swapped)).await.err().expect("no certificate");
    assert!(format!("{error:#}").contains("localhost"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_need_a_key_where_one_is_configured() {
    let line = Line::start_with("[server]\ncaller_keys = [\"team-one\", \"team-two\"]").await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    for (name, value, status) in [
        ("x-nothing", "", 401),
        ("x-api-key", "team-three", 401),
        ("x-api-key", "team-on", 401),
        ("authorization", "Basic team-one", 401),
        ("x-api-key", "team-one", 200),
        ("authorization", "Bearer team-two", 200),
    ] {
        let body = messages_body(CLAUDE, "hello", false).to_string();
        let request = Request::post(format!("http://{}/v1/messages", line.address)).header(name, value);
        let response = client.request(request.body(Full::new(body.into())).expect("a request")).await;
        let answer = Answer::read(response.expect("an answer")).await;
        assert_eq!(answer.status, status, "{name}: {value}: {}", answer.body);
        assert!(!answer.body.contains("team-"), "{}", answer.body);
    }
    // Claude Desktop shows its own login in the other header.
    for (key, token, status) in [
        ("team-one", "Bearer sk-ant-oat01-example", 200),
        ("sk-ant-api03-example", "Bearer team-two", 200),
        ("sk-ant-api03-example", "Bearer sk-ant-oat01-example", 401),
    ] {
        let body = messages_body(CLAUDE, "hello", false).to_string();
        let request = Request::post(format!("http://{}/v1/messages", line.address));
        let request = request.header("x-api-key", key).header("authorization", token);
        let response = client.request(request.body(Full::new(body.into())).expect("a request")).await;
        assert_eq!(response.expect("an answer").status(), status, "{key}, {token}");
    }
    let seen = line.anthropic.seen();
    assert_eq!(seen.len(), 4);
    let is_ours = |seen: &pointsman::fake::Seen| {
        seen.header("x-api-key") == Some("secret-anthropic-key") && seen.header("authorization").is_none()
    };
    assert!(seen.iter().all(is_ours), "neither goes on to the provider");
    let probe = Request::head(format!("http://{}/", line.address)).body(Full::default()).expect("a request");
    assert_eq!(client.request(probe).await.expect("an answer").status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_too_large_is_refused_and_a_large_one_is_served() {
    let line = Line::start().await;
    // Of a model that nothing is known of: more than it can read is not even sent to a known one.
    let large = messages_body("claude-of-tomorrow", &"x".repeat(9 << 20), false).to_string();
    let answer = Answer::read(line.open("/v1/messages", large).await).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-pointsman-target").starts_with("anthropic/"));
    // Translated as well.
    let large = pointsman_tests::chat_body("only-claude", &"x".repeat(2 << 20), false).to_string();
    let answer = Answer::read(line.open("/v1/chat/completions", large).await).await;
    assert_eq!(answer.status, 200, "{}", &answer.body[..answer.body.len().min(300)]);
    let huge = messages_body(CLAUDE, &"x".repeat(33 << 20), false).to_string();
    let before = line.anthropic.seen().len();
    // A caller that is still sending when it is refused may see only a broken connection.
    if let Ok(response) = pointsman_tests::send(line.address, "/v1/messages", huge).await {
        assert_eq!(Answer::read(response).await.status, 413);
    }
    assert_eq!((line.anthropic.seen().len(), line.openai.seen().len()), (before, 0), "no provider is asked");
    assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200, "and the next caller is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_are_listed_for_both_families() {
    let line = Line::start().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(format!("http://{}/v1/models", line.address)).body(Full::default()).expect("a request");
    let models = Answer::read(client.request(request).await.expect("an answer")).await.json();
    let names: Vec<_> = models["data"].as_array().expect("a list").iter().map(|model| &model["id"]).collect();
    assert_eq!(names, ["only-claude", "only-gpt"]);
    assert_eq!((&models["object"], &models["first_id"]), (&"list".into(), &"only-claude".into()));
}
