//! What a caller sees, and what the providers see, when the first provider fails.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use pointsman::fake::{Behaviour, Fake, Fault, Protocol};
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::{Answer, CLAUDE, GPT, Line, behave, messages_body, slowly, wait_until};
use serde_json::json;

/// Every way to fail before the first content, streamed and not, seen by callers of both protocols.
/// Faults: F09, F27, F36
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_before_content_goes_unnoticed() {
    let faults = [
        "529",
        "500",
        "502",
        "503",
        "429",
        "429:120",
        "401",
        "403",
        "404",
        "hang",
        "hang-before-content",
        "reset",
        "error-before-content",
        "cut-after:0",
        "end-after:0",
        "garbage",
        "html",
        "slow:5s",
    ];
    for fault in faults {
        for stream in [false, true] {
            let line = Line::start().await;
            line.anthropic.behave(behave(fault));
            let answer = line.claude(CLAUDE, "hello", stream).await;
            assert_eq!((answer.status.as_u16(), answer.broken), (200, false), "{fault}: {}", answer.body);
            assert!(answer.text().ends_with("you said: hello"), "{fault}: {}", answer.body);
            assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{fault}");
            assert!(!stream || answer.complete(), "{fault}: {}", answer.body);
            assert_eq!(
                answer.body.matches("event: message_start").count(),
                usize::from(stream),
                "{fault}: one beginning"
            );

            let line = Line::start().await;
            line.openai.behave(behave(fault));
            let answer = line.gpt(GPT, "hello", stream).await;
            assert!(answer.text().ends_with("you said: hello"), "{fault}: {}", answer.body);
            assert_eq!(answer.header("x-pointsman-target"), "anthropic/claude-sonnet-4-5", "{fault}");
            assert!(!stream || answer.complete(), "{fault}: {}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_cut_short_is_no_answer() {
    let line = Line::start().await;
    for fault in ["cut-after:3", "end-after:3"] {
        line.anthropic.behave(behave(fault));
        // Not streamed, the caller has seen nothing of the half reply, so another target answers.
        let answer = line.claude(CLAUDE, "hello", false).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_first_content_a_failure_is_an_error_in_the_callers_protocol() {
    let line = Line::start().await;
    for fault in ["cut-after:3", "end-after:3", "error-after:3", "hang-after:3"] {
        line.anthropic.behave(slowly(fault));
        line.openai.behave(slowly(fault));
        for (model, other) in [(CLAUDE, "only-gpt"), ("only-claude", GPT)] {
            let answer = line.claude(model, "write 20 words", true).await;
            assert!(answer.text().starts_with("word1 "), "{fault}: {}", answer.body);
            assert!(answer.body.contains("event: error\n"), "{fault}: {}", answer.body);
            // The event comes whole, and then the body has no proper end: not every client knows the event.
            assert!(!answer.complete() && answer.broken, "{fault}: {}", answer.body);
            let answer = line.gpt(other, "write 20 words", true).await;
            assert!(answer.text().starts_with("word1 "), "{fault}: {}", answer.body);
            assert!(
                answer.events().last().is_some_and(|last| last["error"]["message"].is_string()),
                "{fault}: {}",
                answer.body
            );
            // The event comes whole, and then the body has no proper end: not every client knows the event.
            assert!(!answer.complete() && answer.broken, "{fault}: {}", answer.body);
        }
    }
}

/// Over HTTP/2, RST_STREAM ends that stream, and the other streams of its connection go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http2_a_stream_that_fails_has_no_proper_end_and_others_have_theirs() {
    let line = Line::start().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let ask = async |model: &str| {
        let body = messages_body(model, "write 20 words", true).to_string();
        let request = Request::post(format!("http://{}/v1/messages", line.address))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        Answer::read(client.request(request).await.expect("an answer")).await
    };
    for fault in ["cut-after:3", "end-after:3", "error-after:3"] {
        line.anthropic.behave(slowly(fault));
        line.openai.behave(slowly("ok"));
        // The second one begins on the same connection, and ends after the first one has failed.
        let (failed, beside) = tokio::join!(ask("only-claude"), ask("only-gpt"));
        assert!(failed.body.contains("event: error\n"), "{fault}: {}", failed.body);
        assert!(failed.broken, "{fault}: {}", failed.body);
        assert!(beside.complete(), "{fault}: {}", beside.body);
    }
}

/// The official clients hold the end of a reply against its beginning.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_dies_fails_under_its_own_id() {
    let fake = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
    let line = Line::start_with(&format!(
        "[providers.responses]\nadapter = \"openai-responses\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.responses]\ntargets = [\"responses/gpt-5\"]",
        fake.base_url()
    ))
    .await;
    for fault in ["cut-after:3", "end-after:3", "hang-after:3"] {
        fake.behave(slowly(fault));
        let body = json!({ "model": "responses", "input": "write 20 words", "stream": true, "store": false });
        let events = line.post("/v1/responses", &body).await.events();
        let (first, last) = (&events[0], &events[events.len() - 1]);
        assert_eq!((&first["type"], &last["type"]), (&json!("response.created"), &json!("response.failed")), "{fault}");
        assert_eq!(last["response"]["id"], first["response"]["id"], "{fault}");
    }
}

/// Faults: F32, F33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_own_fault_is_not_tried_elsewhere() {
    let line = Line::start().await;
    let mut body = messages_body(CLAUDE, "hello", false);
    body["nonsense"] = 1.into();
    let answer = line.post("/v1/messages", &body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["message"], "nonsense: Extra inputs are not permitted");
    assert_eq!((line.anthropic.seen().len(), line.openai.seen().len()), (1, 0));
}

/// Bills and logs read the model's name in a reply; who compares it with what was asked can have that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_names_the_model_that_answered_or_the_one_that_was_asked_for() {
    let route = |setting: &str| {
        format!("[models.alias]\n{setting}\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n")
    };
    let named = |answer: &Answer, stream: bool| match stream {
        true => answer.events().iter().find_map(|event| {
            let name = event["model"].as_str().or(event["message"]["model"].as_str())?;
            Some(name.to_owned())
        }),
        false => answer.json()["model"].as_str().map(str::to_owned),
    };
    // Claude Code fails on another name than the one it asked for.
    let settings =
        [("", true, false), ("reply_model = \"answered\"", false, false), ("reply_model = \"asked\"", true, true)];
    for (setting, claude_asked, gpt_asked) in settings {
        let line = Line::start_with(&route(setting)).await;
        for (behaviour, answered) in [("ok", "claude-sonnet-4-5"), ("529", "gpt-5")] {
            line.anthropic.behave(behave(behaviour));
            let expected = |is_asked: bool| Some(if is_asked { "alias" } else { answered }.to_owned());
            for stream in [false, true] {
                let (claude, gpt) =
                    (line.claude("alias", "hello", stream).await, line.gpt("alias", "hello", stream).await);
                assert_eq!(named(&claude, stream), expected(claude_asked), "{setting}");
                assert_eq!(named(&gpt, stream), expected(gpt_asked), "{setting}");
            }
        }
    }
}

/// A call that breaks off is half a call, which nobody can act on: until it is whole, another target may take over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_call_that_breaks_off_fails_over_unseen() {
    let prompt = "use tool look with {\"path\":\"a long path to a file\"}";
    let route = |setting: &str| {
        format!("[models.tool]\n{setting}\ntargets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n")
    };
    for (setting, is_held) in [("", true), ("hold_tool_calls = false", false)] {
        let line = Line::start_with(&route(setting)).await;
        for fault in ["cut-after:4", "end-after:4", "error-after:4", "hang-after:4"] {
            line.anthropic.behave(slowly(fault));
            let mut body = messages_body("tool", prompt, true);
            body["tools"] = json!([{ "name": "look", "input_schema": { "type": "object" } }]);
            let answer = line.post("/v1/messages", &body).await;
            assert_eq!(answer.complete(), is_held, "{fault}: {}", answer.body);
            assert_eq!(answer.header("x-pointsman-attempts"), if is_held { "2" } else { "1" }, "{fault}");
            let parts = |event: &serde_json::Value| event["delta"]["partial_json"].as_str().map(str::to_owned);
            let arguments: String = answer.events().iter().filter_map(parts).collect();
            assert_eq!(arguments == "{\"path\":\"a long path to a file\"}", is_held, "{fault}: {}", answer.body);
        }
    }
}

/// The caller's key is good: it is ours that the provider refuses, and its words for that are no use to the caller's client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_says_of_our_account_is_not_the_callers() {
    let line = Line::start().await;
    for (status, words) in [("401", "invalid x-api-key"), ("402", "credit balance"), ("403", "permission to use")] {
        line.anthropic.behave(behave(status));
        for stream in [false, true] {
            let answer = line.claude("only-claude", "hello", stream).await;
            assert_eq!(answer.status, 503, "{status}: {}", answer.body);
            assert_eq!(answer.json()["error"]["type"], "api_error", "{status}");
            assert!(answer.body.contains("the gateway's") && answer.body.contains(words), "{status}: {}", answer.body);
            let answer = line.gpt("only-claude", "hello", stream).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["error"]["code"]),
                (503, &"unavailable".into()),
                "{status}"
            );
        }
    }
}

/// An error as long as that is no error of the caller's protocol any more, but what it says first is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_is_too_long_is_told_by_its_beginning() {
    let line = Line::start().await;
    let long = "x".repeat(300_000);
    for (status, kind, told) in [(400, "invalid_request_error", 400), (529, "overloaded_error", 529)] {
        let error = json!({ "type": kind, "message": format!("what is wrong: {long}") });
        let body = json!({ "type": "error", "error": error }).to_string();
        let fault = Fault::StatusBody { status, content_type: "application/json".to_owned(), body };
        line.anthropic.behave(Behaviour { fault, ..Behaviour::default() });
        for stream in [false, true] {
            let answer = line.claude("only-claude", "hello", stream).await;
            assert_eq!(answer.status.as_u16(), told, "{}", answer.body);
            assert_eq!(answer.json()["error"]["type"], kind, "{}", answer.body);
            assert!(answer.body.contains("what is wrong: xxx") && answer.body.len() < 5_000, "{}", answer.body.len());
            let answer = line.gpt("only-claude", "hello", stream).await;
            assert!(answer.body.contains("what is wrong: xxx") && answer.body.len() < 5_000, "{}", answer.body.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_fail_the_caller_hears_of_every_attempt() {
    let line = Line::start().await;
    line.anthropic.behave(behave("529"));
    line.openai.behave(behave("401"));
    for stream in [false, true] {
        let answer = line.claude(CLAUDE, "hello", stream).await;
        assert_eq!(answer.status, 529, "{}", answer.body);
        assert_eq!(answer.json()["error"]["type"], "overloaded_error");
        assert!(answer.body.contains("openai/gpt-5"), "{}", answer.body);
        assert_eq!(answer.header("x-should-retry"), "false");
        assert_eq!(answer.header("x-pointsman-attempts"), "3");
    }
}

/// Faults: F18
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_kept_and_told() {
    let line = Line::start().await;
    line.anthropic.behave(behave("429:120"));
    for _ in 0..3 {
        assert_eq!(line.claude(CLAUDE, "hello", false).await.header("x-pointsman-target"), "openai/gpt-5");
    }
    assert_eq!(line.anthropic.seen().len(), 1, "it asked for two minutes of patience");
    let answer = line.claude("only-claude", "hello", false).await;
    assert!(answer.status.is_server_error() || answer.status == 429, "{}", answer.body);
    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((60..=120).contains(&wait), "{wait}");
    assert_eq!(line.anthropic.seen().len(), 1);
}

/// Official SDKs wait as long as they are told, but not where they are also told that they need not come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_lone_target_rests_callers_hear_what_it_rests_for_and_how_long() {
    for (behaviour, status, why) in [("429:120", 429, "rate-limited"), ("529:40", 529, "overloaded")] {
        let line = Line::start().await;
        line.anthropic.behave(behave(behaviour));
        let first = line.claude("only-claude", "hello", false).await;
        assert!(first.headers.contains_key("retry-after"), "{}", first.body);
        assert!(!first.headers.contains_key("x-should-retry"), "{:?}", first.headers);
        for stream in [false, true] {
            let answer = line.claude("only-claude", "hello", stream).await;
            assert!(answer.status == status, "{}: {}", answer.status, answer.body);
            assert!(answer.body.contains("anthropic/claude-sonnet-4-5 rests for another"), "{}", answer.body);
            assert!(answer.body.contains(why), "{}", answer.body);
            let wait: u64 = answer.header("retry-after").parse().expect("seconds");
            assert!((1..=120).contains(&wait), "{wait}");
            assert!(!answer.headers.contains_key("x-should-retry"), "never beside a wait");
            let translated = line.gpt("only-claude", "hello", stream).await;
            assert!(translated.status == 429 || translated.status == 503, "{}", translated.status);
        }
        assert_eq!(line.anthropic.seen().len(), 1, "it is left alone");
    }
}

/// A provider whose replies are written by hand, behind a gateway; `backup` answers in its place.
async fn written(adapter: &str, path: &str) -> (Line, Broken) {
    let broken = Broken::start(Vec::new()).await;
    let more = format!(
        "[providers.written]\nadapter = \"{adapter}\"\nbase_url = \"http://{}{path}\"\nkey = \"k\"\n\
         [models.written]\ntargets = [\"written/m\"]\nsettings = {{ attempts = 1 }}\n\
         [models.backup]\ntargets = [\"written/n\", \"openai/gpt-5\"]\n",
        broken.address()
    );
    (Line::start_with(&more).await, broken)
}

fn reply(status: &str, headers: &str, body: &serde_json::Value) -> Vec<Act> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
    vec![Act::Read, Act::Say(format!("{head}{headers}connection: close\r\n\r\n{body}").into_bytes()), Act::Close]
}

/// Clients of both families obey `x-should-retry: false` although they are told how long to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_word_on_retrying_is_never_beside_a_wait() {
    let claude = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let gpt = json!({ "error": { "message": "Overloaded", "type": "server_error", "param": null, "code": null } });
    let (seconds, millis) = ("retry-after: 7\r\n", "retry-after-ms: 7000\r\n");
    for (adapter, path, endpoint, body, waits) in [
        ("anthropic-messages", "", "/v1/messages", &claude, &[seconds, ""][..]),
        // Anthropic has no milliseconds.
        ("openai-chat", "/v1", "/v1/chat/completions", &gpt, &[seconds, millis, ""]),
    ] {
        let refused = "x-should-retry: false\r\n";
        for wait in waits {
            // Each has a target that does not rest yet.
            let (line, broken) = written(adapter, path).await;
            broken.follow(reply("503 Service Unavailable", &format!("{refused}{wait}"), body));
            let answer = line.post(endpoint, &messages_body("written", "hello", false)).await;
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert_eq!(answer.headers.contains_key("retry-after"), !wait.is_empty(), "{:?}", answer.headers);
            assert_eq!(answer.headers.contains_key("x-should-retry"), wait.is_empty(), "{wait}: {:?}", answer.headers);
        }
    }
}

/// A reply that is well, and says that it was the last one for now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_that_is_used_up_rests_until_its_reset() {
    let (line, broken) = written("anthropic-messages", "").await;
    let body = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "n", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{ "type": "text", "text": "fine" }],
        "usage": { "input_tokens": 1, "output_tokens": 1 },
    });
    let quota = |remaining: u32| {
        format!(
            "anthropic-ratelimit-requests-limit: 50\r\nanthropic-ratelimit-requests-remaining: {remaining}\r\n\
             anthropic-ratelimit-requests-reset: 2026-06-02T10:02:00Z\r\n"
        )
    };
    for remaining in [2, 1, 0] {
        broken.follow(reply("200 OK", &quota(remaining), &body));
        let answer = line.claude("backup", "hello", false).await;
        assert_eq!(answer.header("x-pointsman-target"), "written/n", "{remaining} are left: {}", answer.body);
    }
    for stream in [false, true] {
        let answer = line.claude("backup", "hello", stream).await;
        assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    }
    assert_eq!(broken.requests(), 3, "it is left alone");
    // Of a refusal without a wait of its own the header says how long.
    let (line, broken) = written("anthropic-messages", "").await;
    let error = json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "limit" } });
    broken.follow(reply("429 Too Many Requests", &quota(0), &error));
    for _ in 0..3 {
        let answer = line.claude("written", "hello", false).await;
        assert_eq!(answer.status, 429, "{}", answer.body);
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((60..=120).contains(&wait), "{wait}");
    }
    assert_eq!(broken.requests(), 1, "it is left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reply_has_a_request_id_that_its_callers_sdk_reads() {
    let line = Line::start().await;
    for answer in [
        line.claude("only-gpt", "hello", false).await,
        line.claude("only-gpt", "hello", true).await,
        line.gpt("only-claude", "hello", false).await,
        line.gpt("no-such-route", "hello", false).await,
    ] {
        let id = answer.header("x-pointsman-request-id");
        assert!(!id.is_empty(), "{:?}", answer.headers);
        assert_eq!((answer.header("request-id"), answer.header("x-request-id")), (id, id));
    }
    let own = line.claude("only-claude", "hello", false).await;
    assert!(own.header("request-id").starts_with("req_fake"), "the provider's own, where there is one");
    assert!(!own.headers.contains_key("x-request-id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_path_is_an_error_in_its_callers_shape() {
    let line = Line::start().await;
    for (path, is_googles) in [
        ("/v1beta/models/gemini-2.5-pro:predict", true),
        ("/v1beta/cachedContents", true),
        ("/v1/complete", false),
        ("/v2/messages", false),
    ] {
        let answer = line.post(path, &json!({})).await;
        assert_eq!(answer.status, 404, "{path}");
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| text.contains(path)), "{path}: {}", answer.body);
        assert_eq!(error["status"] == "NOT_FOUND" && error["code"] == 404, is_googles, "{path}: {}", answer.body);
    }
}

/// Faults: F76
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_cancels_the_call() {
    let line = Line::start().await;
    for fault in ["hang-after:2", "slow:600ms"] {
        line.anthropic.behave(behave(fault));
        let before = line.anthropic.cancelled();
        let (address, body) = (line.address, messages_body(CLAUDE, "write 50 words", true).to_string());
        let caller = tokio::spawn(async move {
            let response = pointsman_tests::send(address, "/v1/messages", body).await.expect("an answer");
            Answer::read(response).await
        });
        wait_until("the provider is asked", || line.anthropic.open() == 1).await;
        if fault.starts_with("hang") {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        caller.abort();
        wait_until("the call is cancelled", || line.anthropic.cancelled() > before && line.anthropic.open() == 0).await;
        assert_eq!(line.openai.seen().len(), 0, "nobody is waiting for another attempt");
    }
}

/// Faults: F106
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_lets_streams_finish() {
    let line = Line::start().await;
    let slow = Behaviour { between_tokens: std::time::Duration::from_millis(20), ..behave("ok") };
    line.anthropic.behave(slow);
    let response = line.open("/v1/messages", messages_body(CLAUDE, "write 30 words", true).to_string()).await;
    line.stop();
    let answer = Answer::read(response).await;
    assert!(answer.complete(), "{}", answer.body);
    assert!(answer.text().ends_with("word30"));
    assert!(pointsman_tests::send(line.address, "/v1/messages", String::new()).await.is_err(), "no new callers");
}

/// Content and failure that arrive together: the caller has seen neither, so another target answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_at_the_heels_of_content_still_fails_over() {
    let line = Line::start().await;
    let body = [
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\
         \"role\":\"assistant\",\"model\":\"x\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
         \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{\"type\":\"text_delta\",\"text\":\"half\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
    ];
    let fault = Fault::StatusBody { status: 200, content_type: "text/event-stream".into(), body: body.concat() };
    line.anthropic.behave(Behaviour { fault, ..Behaviour::default() });
    let answer = line.claude(CLAUDE, "hello", true).await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    assert!(answer.complete() && !answer.body.contains("half"), "{}", answer.body);
}
