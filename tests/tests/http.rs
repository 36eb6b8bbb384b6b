//! HTTP as clients and networks really speak it: compressed bodies, handshakes, pages in browsers, lists of models, streams that
//! end or are torn where none should be.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::coding::Coding;
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::{Answer, CLAUDE, GPT, Line, behave, chat_body, messages_body};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

async fn compressed(text: &str, coding: Coding) -> Bytes {
    let mut bytes = Vec::new();
    coding.encoder(text.as_bytes()).read_to_end(&mut bytes).await.expect("it can be compressed");
    bytes.into()
}

async fn ask(line: &Line, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder().method(method).uri(format!("http://{}{path}", line.address));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    Answer::read(client.request(request).await.expect("an answer")).await
}

async fn get(line: &Line, path: &str, headers: &[(&str, &str)]) -> Answer {
    ask(line, Method::GET, path, headers, "").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_request_is_served() {
    let line = Line::start().await;
    for coding in CODINGS {
        for (path, body) in [
            ("/v1/messages", messages_body(CLAUDE, "hello", true)),
            ("/v1/chat/completions", chat_body(CLAUDE, "hello", false)),
        ] {
            let text = body.to_string();
            let headers = [("content-encoding", coding.name())];
            let answer = ask(&line, Method::POST, path, &headers, compressed(&text, coding).await).await;
            assert_eq!(answer.status, 200, "{coding:?}: {}", answer.body);
            assert!(answer.text().ends_with("hello"), "{}", answer.body);
            let seen = line.anthropic.seen().pop().expect("a request");
            assert_eq!(seen.header("content-encoding"), None, "it goes on as what it stands for");
            if path == "/v1/messages" {
                assert_eq!(seen.body, text);
            }
        }
    }
    let plain = messages_body(CLAUDE, "hello", false).to_string();
    for (named, body, status) in [
        ("deflate", Bytes::from(plain.clone()), 415),
        ("gzip, gzip", Bytes::from(plain.clone()), 415),
        ("gzip", Bytes::from(plain.clone()), 400),
        ("zstd", compressed(&plain, Coding::Zstd).await.slice(..20), 400),
        ("br", compressed(&" ".repeat(40 << 20), Coding::Brotli).await, 413),
    ] {
        let answer = ask(&line, Method::POST, "/v1/messages", &[("content-encoding", named)], body).await;
        assert_eq!(answer.status, status, "{named}: {}", answer.body);
        assert_eq!(answer.json()["type"], "error", "{named}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_reply_is_read() {
    let line = Line::start().await;
    for coding in CODINGS {
        line.anthropic.behave(behave(coding.name()));
        line.openai.behave(behave(coding.name()));
        for stream in [false, true] {
            for model in [CLAUDE, GPT] {
                let answer = line.claude(model, "hello", stream).await;
                assert_eq!(answer.status, 200, "{coding:?} {model}: {}", answer.body);
                assert_eq!(answer.header("content-encoding"), "");
                assert!(answer.text().ends_with("hello"), "{coding:?} {model}: {}", answer.body);
                assert!(
                    !answer.header("x-pointsman-target").is_empty() && answer.header("x-pointsman-attempts") == "1"
                );
            }
        }
        // An error's words, too.
        let answer =
            line.post("/v1/messages", &json!({ "model": "only-claude", "max_tokens": 0, "messages": [] })).await;
        assert!(answer.status == 400 && answer.body.contains("at least one message"), "{}", answer.body);
    }
    let seen = line.anthropic.seen();
    assert!(seen.iter().all(|seen| seen.header("accept-encoding") == Some("identity")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_upstream_says_who_sends_it() {
    let line = Line::start().await;
    for (path, body) in [
        ("/v1/messages", messages_body(CLAUDE, "hello", false)),
        ("/v1/chat/completions", chat_body(CLAUDE, "hi", true)),
    ] {
        for headers in [&[][..], &[("user-agent", "claude-cli/2.1.197 (external, cli)")]] {
            assert_eq!(ask(&line, Method::POST, path, headers, body.to_string()).await.status, 200);
            let seen = line.anthropic.seen().pop().expect("a request");
            let agent = seen.header("user-agent").expect("an agent").to_owned();
            match (path, headers) {
                ("/v1/messages", [(_, own)]) => assert_eq!(agent, *own, "the same protocol: it goes along"),
                _ => assert!(agent.starts_with("pointsman/"), "{agent}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_is_told_to_use_http() {
    let line = Line::start_with("[server]\ncaller_keys = [\"k\"]").await;
    let handshake = |upgrade| [("connection", "Upgrade"), ("upgrade", upgrade), ("x-api-key", "k")];
    for path in ["/v1/responses", "/v1/messages", "/v1/chat/completions", "/v1beta/models/m:generateContent"] {
        for upgrade in ["websocket", "WebSocket", "h2c, websocket"] {
            let answer = get(&line, path, &handshake(upgrade)).await;
            assert_eq!(answer.status, 426, "{path}: {}", answer.body);
            assert_eq!(answer.header("upgrade"), "HTTP/1.1", "{path}");
            assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| text.contains("POST")));
        }
        assert_eq!(get(&line, path, &[("x-api-key", "k")]).await.status, 405, "{path}");
    }
    assert_eq!(get(&line, "/v1/nowhere", &handshake("websocket")).await.status, 404);
    assert_eq!(get(&line, "/v1/responses", &[("upgrade", "websocket"), ("x-api-key", "x")]).await.status, 401);
    // Nobody who asks for another protocol is kept from an answer.
    let body = messages_body(CLAUDE, "hello", false).to_string();
    assert_eq!(ask(&line, Method::POST, "/v1/messages", &handshake("h2c"), body).await.status, 200);
}

/// Without it any page in the operator's browser spends the providers' keys.
///
/// Faults: F111
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_keys_a_page_of_another_site_may_not_call() {
    let line = Line::start().await;
    let body = chat_body(GPT, "hello", false).to_string();
    let post = |headers: &'static [(&'static str, &'static str)]| {
        ask(&line, Method::POST, "/v1/chat/completions", headers, body.clone())
    };
    for headers in [
        // A script that may not read the reply spends all the same, and needs no preflight with this type.
        &[("origin", "https://evil.example"), ("content-type", "text/plain")][..],
        // Its name was rebound to this machine's address.
        &[("origin", "http://evil.example:4400"), ("host", "evil.example:4400")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        let answer = post(headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.body.contains("cors_origins"), "{}", answer.body);
    }
    assert_eq!(post(&[("sec-fetch-site", "same-site")]).await.status, 403);
    for headers in [&[][..], &[("origin", "http://localhost:3000")], &[("sec-fetch-site", "none")]] {
        assert_eq!(post(headers).await.status, 200, "{headers:?}");
    }
    // To a page whose name was rebound the gateway is its own site.
    let rebound = [("host", "evil.example:4400"), ("sec-fetch-site", "same-origin")];
    let ask_as = |headers: [(&'static str, &'static str); 2]| {
        let (line, body) = (&line, body.clone());
        async move { ask(line, Method::POST, "/v1/chat/completions", &headers, body).await }
    };
    let answer = ask_as(rebound).await;
    assert!(answer.status == 403 && answer.body.contains("`hosts`"), "{}", answer.body);
    for host in ["gateway:4400", "10.0.0.7:4400", "app.localhost"] {
        assert_eq!(ask_as([("host", host), ("accept", "*/*")]).await.status, 200, "{host}");
    }
    for server in ["hosts = [\"Evil.example\"]", "hosts = [\"*\"]", "cors_origins = [\"*\"]", "caller_keys = [\"k\"]"] {
        line.reconfigure(&format!("[server]\n{server}")).await.expect("a good configuration");
        let answer = ask_as([("host", "evil.example"), ("x-api-key", "k")]).await;
        assert_eq!(answer.status, 200, "{server}: {}", answer.body);
    }
    let wrong = line.reconfigure("[server]\nhosts = [\"http://ai.example\"]").await;
    assert!(format!("{:#}", wrong.expect_err("a URL")).contains("is not a host's name"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_asks_first_and_reads_the_answer() {
    let keyed = "[server]\ncaller_keys = [\"k\"]\n";
    let preflight = |origin| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ]
    };
    let line = Line::start_with(keyed).await;
    for path in
        ["/v1/chat/completions", "/v1/messages", "/v1/models", "/v1/models/a%2Fb", "/v1beta/models/m:countTokens"]
    {
        let answer = ask(&line, Method::OPTIONS, path, &preflight("https://webui.example"), "").await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type", "{path}");
    }
    assert_ne!(ask(&line, Method::OPTIONS, "/v1/nowhere", &preflight("https://webui.example"), "").await.status, 204);
    let body = chat_body(GPT, "hello", true).to_string();
    let page = ("origin", "https://webui.example");
    for (headers, status) in [(&[page, ("authorization", "Bearer k")][..], 200), (&[page], 401)] {
        let answer = ask(&line, Method::POST, "/v1/chat/completions", headers, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (status, "*"));
    }
    let headers = [("authorization", "Bearer k")];
    let answer = ask(&line, Method::POST, "/v1/chat/completions", &headers, body.clone()).await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "no page asked");
    for (origins, origin, allowed) in [
        ("[\"https://webui.example\"]", "https://webui.example", "https://webui.example"),
        ("[\"https://webui.example\"]", "https://evil.example", ""),
        ("[\"app://obsidian.md\", \"http://localhost:3000\"]", "http://localhost:3000", "http://localhost:3000"),
        ("[]", "https://webui.example", ""),
    ] {
        line.reconfigure(&format!("{keyed}cors_origins = {origins}")).await.expect("a good configuration");
        let answer = ask(&line, Method::OPTIONS, "/v1/messages", &preflight(origin), "").await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (204, allowed), "{origins}");
        let headers = [("authorization", "Bearer k"), ("origin", origin)];
        let answer = ask(&line, Method::POST, "/v1/chat/completions", &headers, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, allowed), "{origins}");
    }
    let wrong = line.reconfigure(&format!("{keyed}cors_origins = [\"https://webui.example/\"]")).await;
    assert!(format!("{:#}", wrong.expect_err("a path")).contains("is not an origin"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_models_in_the_shape_that_each_client_reads() {
    let line = Line::start_with("[models.\"team/größe\"]\ntargets = [\"openai/gpt-5\"]").await;
    let names = |list: &Value, field: &str| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|one| one[field].as_str().expect(field).to_owned()).collect()
    };
    let all = get(&line, "/v1/models", &[]).await.json();
    let known = names(&all["data"], "id");
    assert!(known.contains(&"team/größe".to_owned()) && known.contains(&"only-gpt".to_owned()), "{known:?}");
    let codex = get(&line, "/v1/models?client_version=0.153.4", &[]).await.json();
    assert_eq!(names(&codex["models"], "slug"), known);
    assert_eq!(names(&codex["models"], "display_name"), known);
    // What codex-rs's `ModelInfo` has no default for.
    for field in [
        "supported_reasoning_levels",
        "shell_type",
        "visibility",
        "supported_in_api",
        "priority",
        "base_instructions",
        "supports_reasoning_summaries",
        "support_verbosity",
        "truncation_policy",
        "supports_parallel_tool_calls",
        "experimental_supported_tools",
    ] {
        assert!(codex["models"].as_array().expect("a list").iter().all(|model| !model[field].is_null()), "{field}");
    }
    for encoded in ["team%2Fgr%C3%B6%C3%9Fe", "team/gr%C3%B6%C3%9Fe"] {
        assert_eq!(get(&line, &format!("/v1/models/{encoded}"), &[]).await.json()["id"], "team/größe");
        let gemini = get(&line, &format!("/v1beta/models/{encoded}"), &[]).await.json();
        assert_eq!(gemini["name"], "models/team/größe");
    }
    assert_eq!(get(&line, "/v1/models/claude-anything", &[]).await.json()["id"], "claude-anything", "by a pattern");
    assert_eq!(get(&line, "/v1beta/models", &[]).await.json()["models"].as_array().map(Vec::len), Some(known.len()));
    for (path, code) in [("/v1/models/nothing", json!("not_found_error")), ("/v1beta/models/nothing", json!(404))] {
        let answer = get(&line, path, &[]).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (404, &code), "{path}");
    }
    assert_eq!(get(&line, "/v1/models/%ff", &[]).await.status, 404);
}

/// A provider that sends this as a stream, and then closes or stays.
fn stream(pieces: &[&[u8]], then: Act) -> Vec<Act> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut acts = vec![Act::Read, Act::Say(head.into())];
    for piece in pieces {
        acts.push(Act::Say([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()));
        acts.push(Act::Pause(Duration::from_millis(20)));
    }
    acts.push(then);
    acts
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\
         \"delta\":{{{delta}}},\"finish_reason\":{finish}}}]}}\n\n"
    )
}

async fn behind(broken: &Broken) -> Line {
    let more = format!(
        "[providers.broken]\nadapter = \"openai-chat\"\nbase_url = \"http://{}/v1\"\nkey = \"k\"\n\
         [models.broken]\ntargets = [\"broken/m\"]\nsettings = {{ attempts = 1 }}\n",
        broken.address()
    );
    Line::start_with(&more).await
}

const END: &[u8] = b"data: [DONE]\n\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_of_a_letter_that_meet_are_one() {
    let broken = Broken::start(Vec::new()).await;
    let line = behind(&broken).await;
    let last = chunk("", "\"stop\"");
    let cases: [(&[&str], &str); 4] = [
        (&["\"content\":\"morning \\ud83d\"", "\"content\":\"\\ude00 all\""], "morning 😀 all"),
        (&["\"content\":\"a\\ud83d\"", "\"content\":\"b\""], "a\u{fffd}b"),
        (&["\"content\":\"a \\ude00\""], "a \u{fffd}"),
        (&["\"content\":\"a\\ud83d\""], "a\u{fffd}"),
    ];
    for (deltas, text) in cases {
        let chunks: Vec<String> = deltas.iter().map(|delta| chunk(delta, "null")).collect();
        let mut pieces: Vec<&[u8]> = chunks.iter().map(String::as_bytes).collect();
        pieces.extend([last.as_bytes(), END, b"0\r\n"]);
        broken.follow(stream(&pieces, Act::Close));
        let answer = line.claude("broken", "hello", true).await;
        assert!(answer.complete(), "{deltas:?}: {}", answer.body);
        assert_eq!(answer.text(), text, "{}", answer.body);
        let same = line.gpt("broken", "hello", true).await;
        assert!(
            same.complete() && chunks.iter().all(|chunk| same.body.contains(chunk)),
            "bytes go through: {}",
            same.body
        );
    }
    let torn = [chunk("\"content\":\"", "null").as_bytes(), b""].concat();
    let at = torn.windows(3).position(|three| three == b"\"},").expect("the end of the text");
    let with = |bytes: &[u8]| [&torn[..=at], bytes, &b"\""[..], &torn[at + 1..]].concat();
    let (first, second) = (with(b"a \xf0\x9f"), with(b"\x98\x80"));
    broken.follow(stream(&[&first, &second, last.as_bytes(), END], Act::Close));
    let answer = line.claude("broken", "hello", true).await;
    assert!(answer.text() == "a 😀", "{}", answer.body);
    // In a body that is whole, and in a caller's own words.
    let body = br#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a \ud83d"},"finish_reason":"stop"}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    broken.follow(vec![Act::Read, Act::Say([head.as_bytes(), body].concat()), Act::Close]);
    assert_eq!(line.claude("broken", "hello", false).await.text(), "a \u{fffd}");
    let asked = messages_body(GPT, "@", false).to_string().replace('@', "one \\ud83d two");
    let answer = Answer::read(line.open("/v1/messages", asked).await).await;
    assert!(answer.status == 200 && answer.text().ends_with("one \u{fffd} two"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_over_when_it_said_why() {
    let broken = Broken::start(Vec::new()).await;
    let line = behind(&broken).await;
    let (text, stop) = (chunk("\"role\":\"assistant\",\"content\":\"fine\"", "null"), chunk("", "\"stop\""));
    let usage = "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
    let bare = stop.trim_end();
    let one_line = format!("{bare}\n");
    let ends: [(&str, Vec<&[u8]>, Act); 6] = [
        ("no [DONE]", vec![text.as_bytes(), stop.as_bytes(), usage.as_bytes()], Act::Close),
        ("no blank line", vec![text.as_bytes(), one_line.as_bytes()], Act::Say(b"0\r\n\r\n".to_vec())),
        ("no line ending", vec![text.as_bytes(), bare.as_bytes()], Act::Say(b"0\r\n\r\n".to_vec())),
        (
            "[DONE] without its line",
            vec![text.as_bytes(), stop.as_bytes(), b"data: [DONE]"],
            Act::Say(b"0\r\n\r\n".to_vec()),
        ),
        ("reset", vec![text.as_bytes(), stop.as_bytes()], Act::Reset),
        ("the end of the connection", vec![text.as_bytes(), stop.as_bytes()], Act::Close),
    ];
    for (name, pieces, then) in ends {
        broken.follow(stream(&pieces, then));
        for answer in [line.claude("broken", "hello", true).await, line.gpt("broken", "hello", true).await] {
            assert!(answer.complete() && !answer.body.contains("\"error\""), "{name}: {}", answer.body);
            assert_eq!(answer.text(), "fine", "{name}: {}", answer.body);
        }
    }
    // What is cut stays cut.
    let cut = &bare[..bare.len() - 3];
    broken.follow(stream(&[text.as_bytes(), cut.as_bytes()], Act::Say(b"0\r\n\r\n".to_vec())));
    let answer = line.claude("broken", "hello", true).await;
    assert!(!answer.complete() && answer.body.contains("\"error\""), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_stop_reason_nothing_is_waited_for() {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.broken]\nadapter = \"openai-chat\"\nbase_url = \"http://{}/v1\"\nkey = \"k\"\n\
         [models.broken]\ntargets = [\"broken/m\"]\nsettings = {{ attempts = 1 }}\n",
        broken.address()
    );
    let line = Line::start_with(&more).await;
    // The harness's timeouts are shorter than what is tried here.
    let text = pointsman_tests::configuration(&line.anthropic, &line.openai, &more)
        .replace("1500ms", "60s")
        .replace("20s", "90s");
    let parsed =
        pointsman::config::parse(&text, std::path::Path::new("test.toml"), &|_| None).expect("a configuration");
    line.gateway.apply(parsed).await.expect("it is applied");
    let (said, stop) = (chunk("\"role\":\"assistant\",\"content\":\"fine\"", "null"), chunk("", "\"stop\""));
    let silent = stream(&[said.as_bytes(), stop.as_bytes()], Act::Stall);
    let mut comments = stream(&[said.as_bytes(), stop.as_bytes()], Act::Pause(Duration::ZERO));
    let beat = b": keep-alive\n\n";
    let beat = [format!("{:x}\r\n", beat.len()).as_bytes(), beat, b"\r\n"].concat();
    comments.push(Act::Trickle(Vec::new(), Duration::ZERO));
    for _ in 0..40 {
        comments.extend([Act::Say(beat.clone()), Act::Pause(Duration::from_millis(400))]);
    }
    for (name, script) in [("silence", silent), ("comments", comments)] {
        broken.follow(script);
        let began = Instant::now();
        let (claude, gpt) = tokio::join!(line.claude("broken", "hello", true), line.gpt("broken", "hello", true));
        for answer in [claude, gpt] {
            assert!(answer.complete() && answer.text() == "fine", "{name}: {}", answer.body);
        }
        let seconds = began.elapsed().as_secs();
        assert!((4..9).contains(&seconds), "{name}: {seconds} s");
    }
    // An answer that is not over is waited for as ever.
    let mut slow = stream(&[said.as_bytes()], Act::Pause(Duration::from_secs(7)));
    let rest = stream(&[stop.as_bytes(), END], Act::Close);
    slow.extend(rest.into_iter().skip(2));
    broken.follow(slow);
    assert!(line.claude("broken", "hello", true).await.complete());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_event_comes_whole_and_one_that_is_too_large_costs_no_breaker() {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.broken]\nadapter = \"openai-chat\"\nbase_url = \"http://{}/v1\"\nkey = \"k\"\n\
         [models.broken]\ntargets = [\"broken/m\"]\nsettings = {{ attempts = 1 }}\n",
        broken.address()
    );
    let line = Line::start_with(&more).await;
    let text = pointsman_tests::configuration(&line.anthropic, &line.openai, &more)
        .replace("1500ms", "60s")
        .replace("= 1000\n", "= 1\n");
    let parsed =
        pointsman::config::parse(&text, std::path::Path::new("test.toml"), &|_| None).expect("a configuration");
    line.gateway.apply(parsed).await.expect("it is applied");
    let stop = chunk("", "\"stop\"");
    for megabytes in [1, 12, 30] {
        let large = chunk(&format!("\"role\":\"assistant\",\"content\":\"{}\"", "x".repeat(megabytes << 20)), "null");
        broken.follow(stream(&[large.as_bytes(), stop.as_bytes(), END], Act::Close));
        for answer in [line.gpt("broken", "hello", true).await, line.claude("broken", "hello", true).await] {
            assert!(
                answer.complete(),
                "{megabytes} MB: {} … {}",
                answer.status,
                &answer.body[answer.body.len().saturating_sub(300)..]
            );
            assert_eq!(answer.text().len(), megabytes << 20);
        }
    }
    let endless = vec![
        Act::Read,
        Act::Say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: \"".to_vec()),
        Act::Flood(vec![b'x'; 1 << 20]),
    ];
    broken.follow(endless);
    let answer = line.gpt("broken", "hello", true).await;
    assert!(answer.status.is_client_error() && answer.body.contains("bytes"), "{}: {}", answer.status, answer.body);
    let said = chunk("\"role\":\"assistant\",\"content\":\"fine\"", "null");
    broken.follow(stream(&[said.as_bytes(), stop.as_bytes(), END], Act::Close));
    let answer = line.gpt("broken", "hello", true).await;
    assert!(answer.complete(), "its circuit is closed: {}", answer.body);
}

/// What a proxy gets that speaks HTTP/1.0, as nginx does by default: the head, and the body to the end of the connection.
async fn of_http_1_0(line: &Line, body: &Value, headers: &str) -> (String, String) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(line.address).await.expect("a connection");
    let request =
        format!("POST /v1/chat/completions HTTP/1.0\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.expect("it is read");
    let mut reply = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut reply)).await;
    // A stream that broke off may end in a reset.
    let _ = read.expect("the connection ends");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// Chunks are no part of HTTP/1.0: the end of the connection is the end of the body (RFC 9112, 7).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_0_gets_no_chunks_and_an_end() {
    let line = Line::start().await;
    for headers in ["", "connection: keep-alive\r\n", "connection: close\r\nhost: gateway\r\n"] {
        let (head, body) = of_http_1_0(&line, &chat_body(GPT, "hello", true), headers).await;
        assert!(head.starts_with("http/1.0 200") || head.starts_with("http/1.1 200"), "{headers}: {head}");
        assert!(!head.contains("transfer-encoding"), "{headers}: {head}");
        assert!(body.starts_with("data: ") && body.ends_with("data: [DONE]\n\n"), "{headers}: {body}");
        let events = body.split("\n\n").filter(|event| !event.is_empty());
        assert!(
            events.clone().count() > 5 && events.clone().all(|event| event.starts_with("data: ")),
            "{headers}: {body}"
        );
        let (head, body) = of_http_1_0(&line, &chat_body(GPT, "hello", false), "").await;
        assert!(!head.contains("transfer-encoding"), "{head}");
        assert!(serde_json::from_str::<Value>(&body).is_ok_and(|body| body["choices"].is_array()), "{body}");
    }
    line.openai.behave(behave("error-after:3"));
    let (head, body) = of_http_1_0(&line, &chat_body("only-gpt", "hello", true), "").await;
    assert!(head.contains(" 200") && !head.contains("transfer-encoding") && !body.contains("[DONE]"), "{head} {body}");
}

/// An image of Gemini is one part, and one event: reports measured more than 40 MB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_gemini_comes_whole_and_costs_no_breaker() {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.painter]\nadapter = \"gemini\"\nbase_url = \"http://{}\"\nkey = \"k\"\n\
         timeouts = {{ first_token = \"60s\", reply = \"60s\", between_tokens = \"60s\", idle = \"60s\" }}\n\
         breaker = {{ faults = 1, samples = 1 }}\n\
         [models.painter]\ntargets = [\"painter/gemini-3-pro-image\"]\ntimeouts = {{ total = \"90s\" }}\n\
         settings = {{ attempts = 1 }}\n",
        broken.address()
    );
    let line = Line::start_with(&more).await;
    let asked = json!({ "contents": [{ "role": "user", "parts": [{ "text": "a red dot" }] }] });
    let painted = |bytes: usize| {
        let part = json!({ "inlineData": { "mimeType": "image/png", "data": "A".repeat(bytes) } });
        let candidate = json!({ "content": { "role": "model", "parts": [part] }, "finishReason": "STOP", "index": 0 });
        json!({ "candidates": [candidate], "responseId": "r" }).to_string()
    };
    for (method, content_type, bytes) in [
        ("streamGenerateContent?alt=sse", "text/event-stream", 12 << 20),
        ("streamGenerateContent?alt=sse", "text/event-stream", 60 << 20),
        ("generateContent", "application/json", 12 << 20),
        ("generateContent", "application/json", 60 << 20),
    ] {
        let is_stream = content_type != "application/json";
        let body = if is_stream { format!("data: {}\r\n\r\n", painted(bytes)) } else { painted(bytes) };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
        broken.follow(vec![Act::Read, Act::Say(head.into_bytes()), Act::Say(body.clone().into_bytes()), Act::Close]);
        let answer = line.post(&format!("/v1beta/models/painter:{method}"), &asked).await;
        assert_eq!(answer.status, 200, "{method}: {}", &answer.body[..answer.body.len().min(300)]);
        assert!(answer.body == body && !answer.broken, "{method}: {} bytes of {}", answer.body.len(), body.len());
        // Who cannot be given an image is refused, and that is not held against the provider.
        let answer = line.gpt("painter", "a red dot", is_stream).await;
        assert!(answer.status.is_client_error(), "{method}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anthropic_stream_is_over_when_it_said_why() {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.broken]\nadapter = \"anthropic-messages\"\nbase_url = \"http://{}\"\nkey = \"k\"\n\
         [models.broken]\ntargets = [\"broken/m\"]\nsettings = {{ attempts = 1 }}\n",
        broken.address()
    );
    let line = Line::start_with(&more).await;
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().expect("a type"));
    let usage = json!({ "input_tokens": 5, "output_tokens": 1 });
    let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage });
    let said = [
        event(json!({ "type": "message_start", "message": message })),
        event(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })),
        event(json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "fine" } })),
    ]
    .concat();
    let end = event(json!({ "type": "content_block_stop", "index": 0 }));
    let stop = event(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
        "usage": { "output_tokens": 3 } }));
    for (name, pieces, then, is_whole) in [
        ("EOF after the stop reason", vec![&said, &end, &stop], Act::Close, true),
        ("an end of the body after the stop reason", vec![&said, &end, &stop], Act::Say(b"0\r\n\r\n".to_vec()), true),
        ("reset after the stop reason", vec![&said, &end, &stop], Act::Reset, true),
        ("EOF after the block's end", vec![&said, &end], Act::Close, false),
        ("an end of the body after the block's end", vec![&said, &end], Act::Say(b"0\r\n\r\n".to_vec()), false),
    ] {
        let pieces: Vec<&[u8]> = pieces.into_iter().map(|piece| piece.as_bytes()).collect();
        broken.follow(stream(&pieces, then));
        for answer in [line.claude("broken", "hello", true).await, line.gpt("broken", "hello", true).await] {
            assert_eq!((answer.complete(), answer.broken), (is_whole, !is_whole), "{name}: {}", answer.body);
            assert_eq!(answer.text(), "fine", "{name}: {}", answer.body);
        }
    }
}

/// A reply of a few kilobytes that stands for gigabytes: whole, streamed, or an error. It is read to a limit, another target
/// answers, and nobody else's circuit opens.
/// Faults: F170
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_a_bomb_is_read_to_a_limit() {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.broken]\nadapter = \"openai-chat\"\nbase_url = \"http://{}/v1\"\nkey = \"k\"\n\
         timeouts = {{ first_token = \"20s\", reply = \"20s\" }}\nbreaker = {{ faults = 2, samples = 2 }}\n\
         [models.bomb]\ntargets = [\"broken/m\", \"anthropic/claude-sonnet-4-5\"]\ntimeouts = {{ total = \"60s\" }}\n\
         [models.beside]\ntargets = [\"broken/n\"]\nsettings = {{ attempts = 1 }}\n",
        broken.address()
    );
    let line = Line::start_with(&more).await;
    let (json_type, sse) = ("application/json", "text/event-stream");
    let said = chunk("\"role\":\"assistant\",\"content\":\"fine\"", "null");
    let well = format!("{said}{}data: [DONE]\n\n", chunk("", "\"stop\""));
    let follow = |status: &str, content_type: &str, coding: &str, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-encoding: {coding}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        broken.follow(vec![Act::Read, Act::Say([head.as_bytes(), body].concat()), Act::Close]);
    };
    for coding in CODINGS {
        let bomb = compressed(&"x".repeat(80 << 20), coding).await;
        let blank = compressed(&"\n".repeat(80 << 20), coding).await;
        let data = compressed(&format!("data: {}", "x".repeat(80 << 20)), coding).await;
        assert!(bomb.len() < 1 << 20, "{coding:?}: {} bytes", bomb.len());
        for (status, content_type, body, stream) in [
            ("200 OK", json_type, &bomb, false),
            ("200 OK", sse, &data, true),
            ("200 OK", sse, &blank, true),
            ("500 Internal Server Error", json_type, &bomb, true),
        ] {
            follow(status, content_type, coding.name(), body);
            let began = Instant::now();
            let answer = line.gpt("bomb", "hello", stream).await;
            let told = format!("{coding:?} {status} {content_type} {stream}: {}", answer.body);
            assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5", "{told}");
            assert!(answer.text().ends_with("hello") && began.elapsed() < Duration::from_secs(15), "{told}");
            follow("200 OK", sse, "identity", well.as_bytes());
            let beside = line.gpt("beside", "hello", true).await;
            assert_eq!(beside.text(), "fine", "another model of the same provider: {}", beside.body);
        }
    }
}

/// The fakes' own streams of that kind, to callers of both protocols.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_names_and_with_torn_letters_come_as_they_should() {
    let line = Line::start().await;
    for word in ["nameless", "torn"] {
        line.anthropic.behave(behave(word));
        line.openai.behave(behave(word));
        for model in [CLAUDE, GPT] {
            for answer in [line.claude(model, "hello 😀 all", true).await, line.gpt(model, "hello 😀 all", true).await]
            {
                assert!(answer.complete(), "{word}, {model}: {}", answer.body);
                let is_same =
                    answer.header("x-pointsman-target").starts_with("openai") != answer.body.contains("event: ");
                // Halves that go through untouched are put together by whoever reads them.
                let text = if is_same { String::new() } else { answer.text() };
                assert!(is_same || text.ends_with("hello 😀 all"), "{word}, {model}: {}", answer.body);
                if answer.body.contains("message_start") {
                    assert!(answer.body.contains("event: message_start\n"), "{word}, {model}: {}", answer.body);
                }
            }
        }
    }
}
