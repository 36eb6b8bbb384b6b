//! Same protocol on both sides: the bytes go through. And what never goes through.

use pointsman::fake::{Behaviour, Fake, Fault, Protocol};
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::{CLAUDE, GPT, Line, chat_body, messages_body, wait_until};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Odd spacing, unknown order, escapes, numbers that a parser would rewrite.
const ODD: &str = "{ \"max_tokens\":1000,\t\"metadata\" : {\"user_id\":\"\\u00e9\\/\"},\n\"messages\":[{\"role\":\"user\",\
                   \"content\":\"h\\u0065llo\"}], \"temperature\": 1.0e0, \"model\":\"claude-sonnet-4-5\" }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_bytes_are_unchanged() {
    let line = Line::start().await;
    let response = line.open("/v1/messages?beta=true", ODD.to_owned()).await;
    assert_eq!(response.status(), 200);
    let seen = line.anthropic.seen();
    assert_eq!(seen[0].body, ODD);
    assert_eq!(seen[0].path, "/v1/messages?beta=true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_models_name_changes_both_ways() {
    let line =
        Line::start_with("[models.smart]\nreply_model = \"asked\"\ntargets = [\"anthropic/claude-sonnet-4-5\"]").await;
    let direct = pointsman_tests::send(line.anthropic.address(), "/v1/messages", String::new()).await;
    assert!(direct.is_ok());
    for stream in [false, true] {
        let body = ODD
            .replace("claude-sonnet-4-5", "smart")
            .replace("\"max", if stream { "\"stream\":true,\"max" } else { "\"max" });
        let answer = pointsman_tests::Answer::read(line.open("/v1/messages", body.clone()).await).await;
        let seen = line.anthropic.seen();
        assert_eq!(seen.last().expect("a request").body, body.replace("smart", CLAUDE));
        assert!(answer.body.contains("\"model\":\"smart\""), "{}", answer.body);
        // But for the name, it is the reply that the provider gave: the fake's text names the model it was asked for.
        assert!(answer.text().contains(CLAUDE), "{}", answer.body);
        assert_eq!(answer.body.matches("smart").count(), 1, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reply_bytes_are_the_providers() {
    let line = Line::start().await;
    for stream in [false, true] {
        let (mut direct, mut through) = (Vec::new(), Vec::new());
        for (address, into) in [(line.anthropic.address(), &mut direct), (line.address, &mut through)] {
            let request = hyper::Request::post(format!("http://{address}/v1/messages"))
                .header("anthropic-version", "2023-06-01")
                .header("x-api-key", "k")
                .body(messages_body(CLAUDE, "write 20 words", stream).to_string())
                .expect("a request");
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
            let answer = pointsman_tests::Answer::read(client.request(request).await.expect("an answer")).await;
            into.push(answer.body);
        }
        // The fake numbers its replies; all else is equal.
        let plain = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "0");
        assert_eq!(plain(&direct[0]), plain(&through[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_go_where_they_belong_and_nowhere_else() {
    let line = Line::start().await;
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = hyper::Request::post(format!("http://{}/v1/messages", line.address))
        .header("x-api-key", "callers-own-key")
        .header("authorization", "Bearer callers-other-key")
        .header("cookie", "session=callers-cookie")
        .header("x-forwarded-for", "10.0.0.1")
        .header("anthropic-beta", "some-beta-2026-01-01,other")
        .header("anthropic-version", "2026-10-21")
        .body(messages_body(CLAUDE, "hello", false).to_string())
        .expect("a request");
    let answer = pointsman_tests::Answer::read(client.request(request).await.expect("an answer")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen = &line.anthropic.seen()[0];
    assert_eq!(seen.header("x-api-key"), Some("secret-anthropic-key"));
    assert_eq!(seen.header("anthropic-beta"), Some("some-beta-2026-01-01,other"));
    assert_eq!(seen.header("anthropic-version"), Some("2026-10-21"));
    let all: String = seen.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    for absent in ["callers-", "secret-openai-key", "x-forwarded-for", "cookie"] {
        assert!(!all.contains(absent), "{absent} in {all}");
    }
    assert!(answer.headers.contains_key("request-id"));
    assert!(answer.headers.contains_key("anthropic-ratelimit-requests-remaining"));
    let all = format!("{:?}{}", answer.headers, answer.body);
    assert!(!all.contains("secret-"), "{all}");
}

/// What belongs to one connection, or is ours, goes over to no other: neither to the provider nor back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_a_connection_stays_there() {
    let line = Line::start().await;
    let head = "POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nAnthropic-Version: 2023-06-01\r\n\
                Connection: anthropic-beta, x-foo, keep-alive\r\nAnthropic-Beta: kept-from-one\r\nX-Foo: bar\r\nTE: trailers\r\n\
                Trailer: x-bar\r\nKeep-Alive: timeout=5\r\nProxy-Authorization: Basic x\r\nProxy-Connection: close\r\n\
                X-Pointsman-Target: openai/gpt-5\r\nX-Pointsman-Request-Id: theirs\r\nForwarded: for=x\r\n";
    let body = messages_body(CLAUDE, "hello", false).to_string();
    let mut stream = tokio::net::TcpStream::connect(line.address).await.expect("a connection");
    let request = format!("{head}Upgrade: h2c\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("a reply");
    assert!(reply.starts_with("HTTP/1.1 200 ") && !reply.contains("theirs"), "{reply}");
    let seen = &line.anthropic.seen()[0];
    for name in [
        "x-foo",
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "upgrade",
        "forwarded",
        "connection",
        "x-pointsman-target",
        "x-pointsman-request-id",
        "anthropic-beta",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    let says = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: x-foo, request-id\r\nX-Foo: bar\r\n\
                Request-Id: theirs\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=b\r\nTrailer: x-bar\r\n\
                Transfer-Encoding: chunked\r\nX-Pointsman-Target: nobody\r\n\r\n";
    let reply = "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"x\",\"content\":[{\"type\":\"text\",\
                 \"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}";
    let says = format!("{says}{:x}\r\n{reply}\r\n0\r\nX-Bar: secret\r\n\r\n", reply.len());
    let provider = Broken::start(vec![Act::Read, Act::Say(says.into_bytes())]).await;
    let more = format!(
        "[providers.raw]\nadapter = \"anthropic-messages\"\nbase_url = \"http://{}\"\nkey = \"k\"\n\
         [models.raw]\ntargets = [\"raw/x\"]",
        provider.address()
    );
    let line = Line::start_with(&more).await;
    let answer = line.claude("raw", "hello", false).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, "raw/x"), "{}", answer.body);
    for name in
        ["x-foo", "keep-alive", "proxy-authenticate", "set-cookie", "trailer", "x-bar", "connection", "request-id"]
    {
        assert!(!answer.headers.contains_key(name), "{name}: {:?}", answer.headers);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_tell_the_request_s_way() {
    let line = Line::start().await;
    let answer = line.claude(CLAUDE, "hello", true).await;
    assert!(answer.header("x-pointsman-request-id").starts_with("pm_"));
    assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5");
    assert_eq!(answer.header("x-pointsman-attempts"), "1");
    let digest = &line.gateway.table().slots["failover"].live.sha256[..12];
    assert_eq!(answer.header("x-pointsman-policy"), format!("failover@{digest}"));
    let mut body = messages_body(GPT, "hello", false);
    body["top_k"] = json!(5);
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-dropped"), "top_k");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_routing_needs_must_be_there() {
    let line = Line::start().await;
    for (body, text) in [
        ("", "JSON object"),
        ("{}", "`model` is missing"),
        ("{\"model\":5}", "must be a string"),
        ("{\"model\":\"gpt-5\",\"stream\":\"yes\"}", "true or false"),
        ("{\"model\":\"gpt-5\",\"model\":\"gpt-6\"}", "twice"),
        ("{\"model\":\"mistral\",\"messages\":[]}", "there are:"),
    ] {
        for path in ["/v1/messages", "/v1/chat/completions"] {
            let answer = pointsman_tests::Answer::read(line.open(path, body.to_owned()).await).await;
            assert!(answer.status.is_client_error(), "{body}: {}", answer.status);
            let message = answer.json()["error"]["message"].as_str().expect("a message").to_owned();
            assert!(message.contains(text), "{body}: {message}");
        }
    }
    let answer = line.post("/v1/nonsense", &chat_body(GPT, "hello", false)).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("POST /v1/messages"), "{}", answer.body);
}

/// Adapters put the model's name into paths.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_name_leads_nowhere_else() {
    let line = Line::start_with("[models.\"*\"]\ntargets = [\"anthropic/*\"]").await;
    for model in ["..", "../x", "a/../b", ".", "a\nb", ""] {
        let answer = line.claude(model, "hello", false).await;
        assert_eq!(answer.status, 400, "{model}: {}", answer.body);
    }
    let body = json!({ "contents": [] });
    for path in ["/v1beta/models/..:generateContent", "/v1beta/models/%2e%2e%2Fx:generateContent"] {
        let answer = line.post(path, &body).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
    }
    assert!(line.anthropic.seen().is_empty());
}

/// Every protocol that callers and providers share: what one fresh fake says directly, another says through the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protocols_bytes_go_through() {
    let gemini = |verb: &str| format!("/v1beta/models/gemini-2.5-pro:{verb}");
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": "write 20 words" }] }] });
    let input = |stream: bool| json!({ "model": "gpt-5", "input": "write 20 words", "stream": stream, "store": false });
    let embed = json!({ "model": "text-embedding-3-small", "input": ["a", "b"] });
    for (adapter, path, body) in [
        ("openai-chat", "/v1/chat/completions".to_owned(), chat_body("gpt-5", "write 20 words", false)),
        ("openai-chat", "/v1/chat/completions".to_owned(), chat_body("gpt-5", "write 20 words", true)),
        ("openai-chat", "/v1/embeddings".to_owned(), embed),
        ("openai-responses", "/v1/responses".to_owned(), input(false)),
        ("openai-responses", "/v1/responses".to_owned(), input(true)),
        ("gemini", gemini("generateContent"), contents.clone()),
        ("gemini", gemini("streamGenerateContent?alt=sse"), contents.clone()),
        // A JSON array, made of the events that the provider is asked for.
        ("gemini", gemini("streamGenerateContent"), contents.clone()),
        ("gemini", gemini("countTokens"), contents),
        ("anthropic-messages", "/v1/messages".to_owned(), messages_body(CLAUDE, "write 20 words", true)),
    ] {
        let protocol: Protocol = adapter.parse().expect("a protocol");
        let (direct, behind) =
            (Fake::start(protocol).await.expect("a port"), Fake::start(protocol).await.expect("a port"));
        let line = Line::start_with(&format!(
            "[providers.x]\nadapter = \"{adapter}\"\nbase_url = \"{}\"\nkey = \"k\"\n[models.\"*\"]\ntargets = [\"x/*\"]\n\
             [models.\"gpt-5\"]\ntargets = [\"x/*\"]\n[models.\"claude-sonnet-4-5\"]\ntargets = [\"x/*\"]\n",
            behind.base_url()
        ))
        .await;
        let ask = async |address| {
            let request = hyper::Request::post(format!("http://{address}{path}"))
                .header("anthropic-version", "2023-06-01")
                .header("authorization", "Bearer k")
                .header(if adapter == "gemini" { "x-goog-api-key" } else { "x-api-key" }, "k")
                .body(body.to_string())
                .expect("a request");
            let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
            pointsman_tests::Answer::read(client.request(request).await.expect("an answer")).await
        };
        let (direct, through) = (ask(direct.address()).await, ask(line.address).await);
        assert_eq!(direct.status, 200, "{path}: {}", direct.body);
        assert_eq!((through.status, &through.body), (direct.status, &direct.body), "{path}");
        assert_eq!(through.header("content-type"), direct.header("content-type"), "{path}");
        assert_eq!(behind.seen()[0].body, body.to_string(), "{path}: the request");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_one_protocol_has_goes_to_who_speaks_it() {
    let (line, gemini) = (Line::start().await, Fake::start(Protocol::Gemini).await.expect("a port"));
    let more = format!(
        "[providers.responses]\nadapter = \"openai-responses\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [providers.gemini]\nadapter = \"gemini\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.codex]\ntargets = [\"anthropic/claude-sonnet-4-5\", \"responses/gpt-5\"]\n\
         [models.\"gemini-*\"]\ntargets = [\"openai/gpt-5\", \"gemini/*\"]\n\
         [models.vectors]\ntargets = [\"gemini/gemini-embedding-001\"]\n",
        line.openai.base_url(),
        gemini.base_url(),
    );
    line.reconfigure(&more).await.expect("a good configuration");
    // Codex makes a long history short.
    let compact = json!({ "model": "codex", "instructions": "Be brief.", "input": "Hello", "tools": [] });
    let answer = line.post("/v1/responses/compact", &compact).await;
    assert_eq!(answer.json()["output"][0]["type"], "compaction", "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-target"), "responses/gpt-5");
    let seen = line.openai.seen().pop().expect("a request");
    assert_eq!((seen.bare_path(), seen.model.as_str()), ("/v1/responses/compact", "gpt-5"));
    let nobody = json!({ "model": "only-claude", "input": "Hello" });
    let answer = line.post("/v1/responses/compact", &nobody).await;
    assert!(answer.status == 400 && answer.body.contains("no target can serve"), "{}", answer.body);
    // google-genai's `embed_content`.
    let (model, content) = ("gemini-embedding-001", json!({ "parts": [{ "text": "Hello" }] }));
    let named = json!({ "model": format!("models/{model}"), "content": content });
    for version in ["v1beta", "v1"] {
        let answer =
            line.post(&format!("/{version}/models/{model}:embedContent"), &json!({ "content": content })).await;
        assert!(answer.json()["embedding"]["values"].is_array(), "{}", answer.body);
        let batch = json!({ "requests": [named, named] });
        let answer = line.post(&format!("/{version}/models/{model}:batchEmbedContents"), &batch).await;
        assert_eq!(answer.json()["embeddings"].as_array().map(Vec::len), Some(2), "{}", answer.body);
        assert_eq!(answer.header("x-pointsman-target"), format!("gemini/{model}"));
    }
    // Under an alias the bodies name it once more, and Google knows only its own names.
    let named = json!({ "model": "models/vectors", "content": content });
    let contents = json!([{ "role": "user", "parts": [{ "text": "Hello" }] }]);
    for (method, body, field) in [
        ("embedContent", named.clone(), "embedding"),
        ("batchEmbedContents", json!({ "requests": [named, named] }), "embeddings"),
        (
            "countTokens",
            json!({ "generateContentRequest": { "model": "models/vectors", "contents": contents } }),
            "totalTokens",
        ),
    ] {
        let answer = line.post(&format!("/v1beta/models/vectors:{method}"), &body).await;
        assert!(answer.status == 200 && !answer.json()[field].is_null(), "{method}: {}", answer.body);
        let seen = gemini.seen().pop().expect("a request");
        assert!(!String::from_utf8_lossy(&seen.body).contains("vectors"), "{method}");
    }
}

/// What the provider's cache took part in is a large line of its bill: it is kept, and shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_providers_cache_are_kept() {
    let line = Line::start().await;
    let usage = json!({ "input_tokens": 5, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 40, "output_tokens": 7 });
    let body = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "x", "stop_reason": "end_turn",
        "content": [{ "type": "text", "text": "hi" }], "usage": usage });
    let fault = Fault::StatusBody { status: 200, content_type: "application/json".into(), body: body.to_string() };
    line.anthropic.behave(Behaviour { fault, ..Behaviour::default() });
    let answer = line.claude(CLAUDE, "hello", false).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let journal = line.gateway.journal();
    let id = answer.header("x-pointsman-request-id");
    wait_until("an entry", || journal.find(id).is_some()).await;
    let entry = journal.find(id).expect("an entry");
    assert_eq!((entry.input_tokens, entry.cache_read_tokens, entry.cache_write_tokens), (945, 900, 40));
    let story = pointsman::journal::story(&entry);
    assert!(story.contains("945 tokens in (900 read from the cache, 40 written to it) and 7 out"), "{story}");
}

/// An answer of Gemini's that holds an image of so many bytes, and a text.
fn painted(image_bytes: usize, text: Option<&str>, stream: bool) -> Fault {
    let image = json!({ "inlineData": { "mimeType": "image/png", "data": "iVBORw0K".repeat(image_bytes / 8) } });
    let parts: Vec<serde_json::Value> =
        std::iter::once(image).chain(text.map(|text| json!({ "text": text }))).collect();
    let body = json!({
        "candidates": [{ "content": { "role": "model", "parts": parts }, "finishReason": "STOP", "index": 0 }],
        "usageMetadata": { "promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3 },
        "modelVersion": "gemini-2.5-flash-image", "responseId": "r",
    });
    let (content_type, body) = match stream {
        true => ("text/event-stream", format!("data: {body}\r\n\r\n")),
        false => ("application/json", body.to_string()),
    };
    Fault::StatusBody { status: 200, content_type: content_type.into(), body }
}

/// What the caller's protocol has no word for is no answer, and no fault of its provider: another one answers, and the first goes on
/// to be asked. Beside what can be said it is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_cannot_be_said_is_answered_by_another_and_held_against_nobody() {
    let gemini = Fake::start(Protocol::Gemini).await.expect("a port");
    let line = Line::start_with(&format!(
        "[providers.gemini]\nadapter = \"gemini\"\nbreaker = {{ faults = 1 }}\nbase_url = \"{}\"\nkey = \"google-key\"\n\
         [models.painter]\ntargets = [\"gemini/gemini-2.5-pro\", \"openai/gpt-5\"]\n",
        gemini.base_url()
    ))
    .await;
    for (bytes, stream, messages) in
        [(800, false, false), (3 << 20, false, true), (800, true, true), (3 << 20, true, false), (3 << 20, true, true)]
    {
        let (path, body) = match messages {
            true => ("/v1/messages", messages_body("painter", "paint", stream)),
            false => ("/v1/chat/completions", chat_body("painter", "paint", stream)),
        };
        let about = format!("{bytes} bytes, streamed: {stream}, Messages: {messages}");
        gemini.behave(Behaviour { fault: painted(bytes, None, stream), ..Behaviour::default() });
        let answer = line.post(path, &body).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{about}: {}", answer.body);
        gemini.behave(Behaviour { fault: painted(bytes, Some("A picture."), stream), ..Behaviour::default() });
        let answer = line.post(path, &body).await;
        let seen = (answer.header("x-pointsman-target"), answer.header("x-pointsman-dropped"));
        assert_eq!(seen, ("gemini/gemini-2.5-pro", "reply.content"), "{about}: {}", answer.body);
        assert_eq!(answer.text(), "A picture.", "{about}");
    }
}

/// Pieces that the contract has no word for are progress: they reach a caller of the same protocol as they come, and a stream of them
/// is not late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_without_a_word_go_through_and_are_not_late() {
    let event = |kind: &str, fields: serde_json::Value| {
        let mut data = fields;
        data["type"] = kind.into();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let response = json!({ "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-5", "output": [], "usage": null });
    let mut script = vec![
        Act::Read,
        Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec()),
        Act::Say(event("response.created", json!({ "response": response })).into_bytes()),
    ];
    let item = json!({ "id": "ctc_1", "type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": "" });
    script.push(Act::Say(event("response.output_item.added", json!({ "output_index": 0, "item": item })).into_bytes()));
    for _ in 0..10 {
        script.push(Act::Pause(std::time::Duration::from_millis(200)));
        let delta = json!({ "item_id": "ctc_1", "output_index": 0, "delta": "piece" });
        script.push(Act::Say(event("response.custom_tool_call_input.delta", delta).into_bytes()));
    }
    script.push(Act::Say(event("response.completed", json!({ "response": response })).into_bytes()));
    let provider = Broken::start(script).await;
    let line = Line::start_with(&format!(
        "[providers.responses]\nadapter = \"openai-responses\"\n\
         timeouts = {{ first_token = \"700ms\", between_tokens = \"700ms\" }}\nbase_url = \"http://{}/v1\"\nkey = \"k\"\n\
         [models.patcher]\ntargets = [\"responses/gpt-5\"]\n",
        provider.address()
    ))
    .await;
    let body = json!({ "model": "patcher", "input": "patch", "stream": true });
    let answer = line.post("/v1/responses", &body).await;
    assert_eq!((answer.status.as_u16(), answer.broken), (200, false), "{}", answer.body);
    assert_eq!(answer.body.matches("\"delta\":\"piece\"").count(), 10, "{}", answer.body);
    assert!(answer.body.contains("response.completed"), "{}", answer.body);
}
