//! Who we are to providers, and what callers may make us do: service accounts, media by URL, facts, pins, seals, counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use pointsman::fake::{Fake, Protocol};
use pointsman_tests::{Line, behave, chat_body, messages_body};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A server of one answer; what it was sent is remembered.
async fn server(content_type: &'static str, body: Vec<u8>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let remembered = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, body) = (Arc::clone(&remembered), body.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (seen, body) = (Arc::clone(&seen), body.clone());
                async move {
                    let sent = request.into_body().collect().await.expect("a body").to_bytes();
                    seen.lock().expect("no panic").push(String::from_utf8_lossy(&sent).into_owned());
                    let response = Response::builder().header("content-type", content_type);
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).expect("a response"))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_gets_one_token_and_uses_it() {
    let (address, statements) = server(
        "application/json",
        br#"{"access_token":"granted-token","expires_in":3599,"token_type":"Bearer"}"#.to_vec(),
    )
    .await;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let account = std::fs::read_to_string(fixtures.join("service-account.json")).expect("the account");
    let file = std::env::temp_dir().join(format!("pointsman-account-{}.json", std::process::id()));
    std::fs::write(&file, account.replace("https://TOKEN-ADDRESS", &format!("http://{address}"))).expect("a file");
    let gemini = Fake::start(Protocol::Gemini).await.expect("a port");
    let line = Line::start_with(&format!(
        r#"
        [providers.vertex]
        adapter = "gemini"
        base_url = "{}"
        google = "{}"
        settings = {{ project = "project-1", location = "europe-west4" }}
        [models.vertex]
        targets = ["vertex/gemini-2.5-pro"]
        "#,
        gemini.base_url(),
        file.display(),
    ))
    .await;
    for _ in 0..3 {
        let answer = line.gpt("vertex", "hello", false).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let seen = gemini.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer granted-token"));
    assert!(
        seen[0]
            .path
            .starts_with("/v1/projects/project-1/locations/europe-west4/publishers/google/models/gemini-2.5-pro")
    );
    let statements = statements.lock().expect("no panic").clone();
    assert_eq!(statements.len(), 1, "one token serves many requests");
    let statement = statements[0].split("assertion=").nth(1).expect("a statement");
    let key = std::fs::read(fixtures.join("service-account.pub.pem")).expect("the key");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&[format!("http://{address}/token")]);
    let claims = decode::<Value>(statement, &DecodingKey::from_rsa_pem(&key).expect("a key"), &validation);
    let claims = claims.expect("signed by the account").claims;
    assert_eq!(claims["iss"], "gateway@project-1.iam.example");
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    let _ = std::fs::remove_file(file);
}

fn with_image(model: &str, url: &str) -> Value {
    let mut body = chat_body(model, "", false);
    body["messages"][0]["content"] =
        json!([{ "type": "text", "text": "look" }, { "type": "image_url", "image_url": { "url": url } }]);
    body
}

/// Faults: F135
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_by_url_is_fetched_only_where_it_is_allowed() {
    use base64::Engine as _;
    let png = base64::engine::general_purpose::STANDARD.decode(PNG).expect("a picture");
    let (address, fetched) = server("image/png", png).await;
    let ollama = Fake::start(Protocol::Ollama).await.expect("a port");
    let target = format!(
        "[providers.ollama]\nadapter = \"ollama\"\nbase_url = \"{}\"\n[models.ollama]\ntargets = [\"ollama/qwen3\"]\nsettings = {{ attempts = 1 }}\n\
         [models.both]\ntargets = [\"ollama/qwen3\", \"openai/gpt-5\"]\n",
        ollama.base_url()
    );
    let body = with_image("ollama", &format!("http://{address}/a.png"));

    let line = Line::start_with(&target).await;
    let answer = line.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("[fetch] media = true"), "{}", answer.body);

    line.reconfigure(&format!("{target}\n[fetch]\nmedia = true\n")).await.expect("a good configuration");
    let answer = line.post("/v1/chat/completions", &body).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("port"), "not the usual port, and private: {}", answer.body);
    assert!(fetched.lock().expect("no panic").is_empty());
    // That we may not fetch it is no reason to ask nobody else: OpenAI fetches by itself.
    let answer = line.post("/v1/chat/completions", &with_image("both", &format!("http://{address}/a.png"))).await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);

    line.reconfigure(&format!("{target}\n[fetch]\nmedia = true\nallow = [\"{address}\"]\n")).await.expect("good");
    let answer = line.post("/v1/chat/completions", &body).await;
    assert!(answer.text().contains("I see an image of 70 bytes"), "{}", answer.body);
    assert_eq!(fetched.lock().expect("no panic").len(), 1);

    // The body and what it becomes fit, and the picture does not.
    let held = body.to_string().len() * 5 + 200;
    let server = format!("[server]\nmax_body_bytes = {held}\nmax_body_bytes_held = {held}\n");
    let allowed = format!("{target}\n[fetch]\nmedia = true\nallow = [\"{address}\"]\n{server}");
    line.reconfigure(&allowed).await.expect("good");
    let answer = line.post("/v1/chat/completions", &body).await;
    assert!(answer.status == 503 && answer.body.contains("no room"), "{} {}", answer.status, answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_cannot_is_not_asked_of_it() {
    let facts = "[facts.\"claude-sonnet-4-5\"]\nimages = false\n";
    let line = Line::start_with(facts).await;
    let picture = format!("data:image/png;base64,{PNG}");
    let answer = line.post("/v1/chat/completions", &with_image("claude-x", &picture)).await;
    assert_eq!(answer.status, 200, "claude-x is not known to be blind: {}", answer.body);
    let answer = line.post("/v1/chat/completions", &with_image("claude-sonnet-4-5", &picture)).await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-skipped"), "anthropic/claude-sonnet-4-5: its model reads no images");
    let answer = line.post("/v1/chat/completions", &with_image("only-claude", &picture)).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("anthropic/claude-sonnet-4-5: its model reads no images"), "{}", answer.body);
    assert_eq!(line.gpt("only-claude", "an image: \"image\"", false).await.status, 200, "the word is no picture");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_provider_sealed_is_left_out_when_the_conversation_comes_back() {
    let line = Line::start().await;
    let tools = json!([{ "name": "a", "input_schema": { "type": "object" } }]);
    let history = json!([
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": [
            { "type": "thinking", "thinking": "I am Gemini.", "signature": "pointsman:gemini:c2lnbmF0dXJl" },
            { "type": "tool_use", "id": "toolu_1", "name": "a", "input": {} },
        ] },
        { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "done" }] },
    ]);
    let body = json!({ "model": "only-claude", "max_tokens": 99, "tools": tools, "messages": history, "top_k": 3 });
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.text(), "The tools said: done");
    let sent: Value = serde_json::from_slice(&line.anthropic.seen()[0].body).expect("JSON");
    assert!(!sent.to_string().contains("pointsman:"), "{sent}");
    assert_eq!(sent["top_k"], 3, "what else it said is said again: {sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_bound_to_a_target_goes_nowhere_else() {
    let responses = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
    let line = Line::start_with(&format!(
        r#"
        [providers.responses]
        adapter = "openai-responses"
        base_url = "{}"
        key = "k"
        [models.bound]
        targets = ["anthropic/claude-sonnet-4-5", "responses/gpt-5", "openai/gpt-5"]
        [models.unbound]
        targets = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]
        "#,
        responses.base_url(),
    ))
    .await;
    let body = |model: &str| json!({ "model": model, "input": "hello", "previous_response_id": "resp_1" });
    let answer = line.post("/v1/responses", &body("bound")).await;
    assert_eq!(answer.header("x-pointsman-target"), "responses/gpt-5", "{}", answer.body);
    responses.behave(behave("503"));
    let answer = line.post("/v1/responses", &body("bound")).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(line.anthropic.seen().is_empty() && line.openai.seen().is_empty());
    let answer = line.post("/v1/responses", &body("unbound")).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("previous_response_id"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_counted_by_the_provider_or_guessed() {
    let line = Line::start().await;
    let mut body = messages_body("claude-sonnet-4-5", &"word ".repeat(400), false);
    body.as_object_mut().expect("an object").remove("stream");
    body.as_object_mut().expect("an object").remove("max_tokens");
    let answer = line.post("/v1/messages/count_tokens", &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-estimated")), (200, ""), "{}", answer.body);
    assert!(answer.json()["input_tokens"].as_u64().expect("a count") > 0);
    body["model"] = "only-gpt".into();
    let answer = line.post("/v1/messages/count_tokens", &body).await;
    assert_eq!(answer.header("x-pointsman-estimated"), "input-tokens", "{}", answer.body);
    assert!((400..600).contains(&answer.json()["input_tokens"].as_u64().expect("a guess")), "{}", answer.body);
    body["model"] = "only-claude".into();
    line.anthropic.behave(behave("529"));
    let answer = line.post("/v1/messages/count_tokens", &body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("x-pointsman-estimated")),
        (200, "input-tokens"),
        "{}",
        answer.body
    );
    body["messages"] = json!("nonsense");
    assert_eq!(line.post("/v1/messages/count_tokens", &body).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_key_in_the_query_stays_here() {
    let gemini = Fake::start(Protocol::Gemini).await.expect("a port");
    let line = Line::start_with(&format!(
        "[providers.gemini]\nadapter = \"gemini\"\nbase_url = \"{}\"\nkey = \"google-key\"\n[models.gemini]\ntargets = [\"gemini/gemini-2.5-pro\"]\n",
        gemini.base_url()
    ))
    .await;
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }] });
    let answer = line.post("/v1beta/models/gemini:generateContent?key=callers-secret", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["modelVersion"], "gemini-2.5-pro", "the model that answered: {}", answer.body);
    let seen = gemini.seen();
    assert!(!seen[0].path.contains("callers-secret"), "{}", seen[0].path);
    assert_eq!(seen[0].header("x-goog-api-key"), Some("google-key"));
    let answer = line.post("/v1beta/models/gemini:streamGenerateContent?alt=sse", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.starts_with("data: ") && answer.body.contains("\r\n"), "as Google sends it: {}", answer.body);
}

/// A count that the provider cannot make is a guess, and everything that the request holds is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guess_counts_all_that_a_request_holds() {
    let line = Line::start().await;
    let counted = async |body: &Value| {
        let answer = line.post("/v1/messages/count_tokens", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-pointsman-estimated")),
            (200, "input-tokens"),
            "{}",
            answer.body
        );
        answer.json()["input_tokens"].as_u64().expect("a guess")
    };
    let base = json!({ "model": "only-gpt", "messages": [{ "role": "user", "content": "hello" }] });
    let least = counted(&base).await;
    let words = "word ".repeat(400);
    let tools: Vec<Value> = (0..20)
        .map(|number| json!({ "name": format!("tool_{number}"), "description": &words[..200], "input_schema": { "type": "object" } }))
        .collect();
    let image =
        json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": "aGVsbG8=" } });
    let call = json!({ "type": "tool_use", "id": "toolu_1", "name": "tool_1", "input": { "text": words } });
    let result = json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": words });
    let with = |name: &str, value: Value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    for (what, body, more) in [
        ("system", with("system", json!(words)), 350),
        ("system in blocks", with("system", json!([{ "type": "text", "text": words }])), 350),
        ("tools", with("tools", json!(tools)), 500),
        (
            "an image",
            with("messages", json!([{ "role": "user", "content": [image, { "type": "text", "text": "hello" }] }])),
            50,
        ),
        (
            "a call and its result",
            with(
                "messages",
                json!([
                    { "role": "user", "content": "hello" },
                    { "role": "assistant", "content": [call] },
                    { "role": "user", "content": [result] },
                ]),
            ),
            700,
        ),
    ] {
        let count = counted(&body).await;
        assert!(count >= least + more, "{what}: {count}, and without it {least}");
    }
}
