//! Callers' keys: what each may use, and how much.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman_tests::{Answer, CLAUDE, GPT, Line, behave, chat_body, messages_body, wait_until};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const KEYS: &str = r#"
    [keys.team-one]
    sha256 = "SHA256_OF_ONE"
    models = ["claude-*", "only-claude"]
    [keys.team-two]
    key = "secret-two"
    requests_per_minute = 3
    [keys.team-three]
    key = "secret-three"
    tokens_per_minute = 1500
    [keys.team-four]
    key = "secret-four"
    max_in_flight = 1
    "#;

struct Team {
    line: Line,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Team {
    async fn start() -> Team {
        let line = Line::start_with(&keys()).await;
        Team { line, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn ask(&self, key: &str, path: &str, body: &serde_json::Value) -> Answer {
        let request = Request::post(format!("http://{}{path}", self.line.address)).header("x-api-key", key);
        let request = request.body(Full::new(body.to_string().into())).expect("a request");
        Answer::read(self.client.request(request).await.expect("an answer")).await
    }

    async fn get(&self, key: &str, path: &str) -> Answer {
        let request = Request::get(format!("http://{}{path}", self.line.address)).header("x-api-key", key);
        let response = self.client.request(request.body(Full::default()).expect("a request")).await;
        Answer::read(response.expect("an answer")).await
    }
}

fn keys() -> String {
    let digest: String = Sha256::digest("secret-one").iter().map(|byte| format!("{byte:02x}")).collect();
    KEYS.replace("SHA256_OF_ONE", &digest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_its_models_and_no_others() {
    let team = Team::start().await;
    let hello = |model| messages_body(model, "hello", false);
    assert_eq!(team.ask("secret-one", "/v1/messages", &hello(CLAUDE)).await.status, 200);
    assert_eq!(team.ask("secret-two", "/v1/messages", &hello(GPT)).await.status, 200);
    assert_eq!(team.ask("secret-five", "/v1/messages", &hello(CLAUDE)).await.status, 401);
    let refused = team.ask("secret-one", "/v1/messages", &hello(GPT)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (403, &json!("permission_error")));
    let refused = team.ask("secret-one", "/v1/chat/completions", &chat_body(GPT, "hello", false)).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("`team-one` may not use the model `gpt-5`"), "{}", refused.body);
    let refused = team.ask("secret-one", "/v1beta/models/gpt-5:generateContent", &json!({ "contents": [] })).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["status"]), (403, &json!("PERMISSION_DENIED")));
    assert_eq!((team.line.anthropic.seen().len(), team.line.openai.seen().len()), (1, 1), "only those that may");
    let listed = |answer: Answer| answer.json()["data"].as_array().expect("a list").len();
    assert_eq!(listed(team.get("secret-one", "/v1/models").await), 1);
    assert_eq!(listed(team.get("secret-two", "/v1/models").await), 2);
    assert_eq!(team.get("secret-one", "/v1/models/only-gpt").await.status, 404);
    assert_eq!(team.get("secret-two", "/v1/models/only-gpt").await.status, 200);
}

/// Neither is its body read, nor does it matter what it asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_not_even_asked_to_go_on() {
    let team = Team::start().await;
    for key in ["", "X-Api-Key: secret-onf\r\n", "Authorization: Bearer secret-one2\r\n", "X-Api-Key: \r\n"] {
        let mut stream = TcpStream::connect(team.line.address).await.expect("a connection");
        let head =
            format!("POST /v1/messages HTTP/1.1\r\nHost: g\r\n{key}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 401 ") && reply.contains("connection: close"), "{reply}");
        assert!(!reply.contains("team-"), "{reply}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_over_a_limit_are_refused_in_the_callers_protocol_and_limits_outlive_a_reload() {
    let team = Team::start().await;
    let hello = messages_body(CLAUDE, "hello", false);
    for _ in 0..3 {
        assert_eq!(team.ask("secret-two", "/v1/messages", &hello).await.status, 200);
    }
    team.line.reconfigure(&keys()).await.expect("the same");
    let refused = team.ask("secret-two", "/v1/messages", &hello).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["type"]), (429, &json!("rate_limit_error")));
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((50..=61).contains(&wait), "{wait}");
    assert!(refused.body.contains("`requests_per_minute` of 3"), "{}", refused.body);
    let refused = team.ask("secret-two", "/v1/chat/completions", &chat_body(GPT, "hello", false)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (429, &json!("rate_limit_exceeded")));
    assert_eq!(team.line.anthropic.seen().len(), 3);
    assert_eq!(team.ask("secret-three", "/v1/messages", &hello).await.status, 200, "another's limit is not ours");
}

/// 4 kB are guessed to be 1000 tokens. The provider says that it was less, and what nobody answered costs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_as_the_provider_told_them() {
    let team = Team::start().await;
    let long = messages_body("only-claude", &"x".repeat(4000), true);
    let (mut told, mut asked) = (0, 0);
    for _ in 0..100 {
        let answer = team.ask("secret-three", "/v1/messages", &long).await;
        if answer.status == 429 {
            assert!(answer.body.contains("`tokens_per_minute` of 1500"), "{}", answer.body);
            break;
        }
        assert!(answer.complete(), "{}", answer.body);
        asked += 1;
        let events = answer.events();
        let usage = |at: usize, field: &str| events[at]["message"]["usage"][field].as_u64().unwrap_or(0);
        let end = events.iter().rev().find(|event| event["type"] == "message_delta").expect("an end");
        told = usage(0, "input_tokens") + end["usage"]["output_tokens"].as_u64().unwrap_or(0);
    }
    // As long as a thousand more would fit, one more is let in.
    assert_eq!(asked, 500_u64.div_euclid(told) + 1, "{told} tokens each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_refused_costs_no_tokens_and_counting_them_neither() {
    let team = Team::start().await;
    let long = |model| messages_body(model, &"x".repeat(4000), false);
    team.line.anthropic.behave(behave("500"));
    for _ in 0..3 {
        assert_eq!(team.ask("secret-three", "/v1/messages", &long("only-claude")).await.status, 500);
        assert_eq!(team.ask("secret-three", "/v1/messages", &long("no-such-model")).await.status, 404);
        assert_eq!(team.ask("secret-three", "/v1/messages/count_tokens", &long(CLAUDE)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_are_limited_until_one_is_over() {
    let team = Team::start().await;
    team.line.anthropic.behave(behave("hang-before-content"));
    let hello = messages_body("only-claude", "hello", true);
    let running = {
        let (client, address, hello) = (team.client.clone(), team.line.address, hello.to_string());
        tokio::spawn(async move {
            let request = Request::post(format!("http://{address}/v1/messages")).header("x-api-key", "secret-four");
            client.request(request.body(Full::new(hello.into())).expect("a request")).await
        })
    };
    wait_until("one runs", || team.line.anthropic.open() == 1).await;
    let refused = team.ask("secret-four", "/v1/messages", &hello).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"), "{}", refused.body);
    running.abort();
    wait_until("it is over", || team.line.anthropic.open() == 0).await;
    team.line.anthropic.behave(behave("ok"));
    assert_eq!(team.ask("secret-four", "/v1/messages", &hello).await.status, 200);
}
