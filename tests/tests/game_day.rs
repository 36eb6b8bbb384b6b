//! Game days: faults that operators inject into a running gateway. That they end by themselves is shown in virtual time, in
//! `simulation/game_day.rs`; the program's verbs are in `fault_verbs.rs`.

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::{InjectionView, Order};
use pointsman::journal::{Entry, story};
use pointsman_tests::every::Every;
use pointsman_tests::{Answer, CLAUDE, Line, chat_body, messages_body, send, slowly};
use serde_json::{Value, json};

const ENABLED: &str = "[game_day]\nenabled = true\n";
const TEAMS: &str = "[game_day]\nenabled = true\n[keys.one]\nkey = \"secret-one\"\n[keys.two]\nkey = \"secret-two\"\n";

fn order(target: &str, kind: &str) -> Order {
    let (target, kind) = (target.to_owned(), kind.to_owned());
    Order { target, kind, share_percent: 100.0, caller: None, for_ms: 600_000 }
}

async fn inject(line: &Line, order: Order) -> InjectionView {
    line.gateway.inject(order).await.expect("injected")
}

async fn ask_as(line: &Line, key: &str) -> Answer {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{}/v1/messages", line.address)).header("x-api-key", key);
    let request = request.body(Full::new(messages_body(CLAUDE, "hello", false).to_string().into()));
    Answer::read(client.request(request.expect("a request")).await.expect("an answer")).await
}

fn entry(line: &Line, answer: &Answer) -> Entry {
    let id = answer.header("x-pointsman-request-id");
    (*line.gateway.journal().find(id).unwrap_or_else(|| panic!("{id} is in the journal"))).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_befalls_one_caller_and_nobody_notices_but_by_a_header() {
    let line = Line::start_with(TEAMS).await;
    let fault = inject(&line, Order { caller: Some("one".to_owned()), ..order("anthropic/*", "overloaded") }).await;
    let answer = ask_as(&line, "secret-one").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-fault")), (200, fault.id.as_str()));
    assert_eq!((answer.header("x-pointsman-target"), answer.header("x-pointsman-attempts")), ("openai/gpt-5", "2"));
    assert!(!answer.text().is_empty() && line.anthropic.seen().is_empty(), "the provider was not called");
    let told = story(&entry(&line, &answer));
    let (befell, failed) =
        ("an operator's fault befell anthropic/claude-sonnet-4-5: overloaded", "failed: overloaded (529)");
    let at = |words: &str| told.find(words).unwrap_or_else(|| panic!("{words}: {told}"));
    assert!(at(befell) < at(failed) && told.contains(&fault.id), "{told}");

    let answer = ask_as(&line, "secret-two").await;
    let seen = (answer.header("x-pointsman-target"), answer.header("x-pointsman-fault"), line.anthropic.seen().len());
    assert_eq!(seen, ("anthropic/claude-sonnet-4-5", "", 1));
    assert!(!story(&entry(&line, &answer)).contains("operator"));
    assert_eq!(line.gateway.injections()[0].requests, 1);
    let faults =
        |target: &str| line.gateway.targets().into_iter().find(|view| view.id == target).map(|view| view.faults);
    assert_eq!(faults("anthropic/claude-sonnet-4-5"), Some(vec![fault.id.clone()]));
    assert_eq!(faults("openai/gpt-5"), Some(vec![]));

    line.gateway.remove_injection(&fault.id).expect("it is on");
    assert_eq!(ask_as(&line, "secret-one").await.header("x-pointsman-fault"), "", "at once");
    let again = line.gateway.remove_injection(&fault.id).expect_err("it is over");
    assert!(again.to_string().contains("pointsman fault list"), "{again}");
}

/// A request that a share has is befallen at every target that the fault is for, and one that it has not at none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_is_kept_and_each_request_keeps_its_fate() {
    let twice = "[models.twice]\ntargets = [\"anthropic/one\", \"anthropic/two\"]\n";
    let line = Line::start_with(&format!("{ENABLED}{twice}")).await;
    let fault = inject(&line, Order { share_percent: 30.0, ..order("anthropic", "overloaded") }).await;
    let mut befallen = 0;
    for _ in 0..50 {
        for answer in join_all((0..20).map(|_| line.claude("twice", "hello", false))).await {
            let is_befallen = answer.header("x-pointsman-fault") == fault.id;
            assert_eq!(is_befallen, answer.status != 200, "{} {}", answer.status, answer.body);
            befallen += u64::from(is_befallen);
        }
    }
    assert!((230..=370).contains(&befallen), "{befallen} of 1000");
    assert_eq!(line.gateway.injections()[0].requests, befallen);
    assert_eq!(line.anthropic.seen().len() as u64, 1_000 - befallen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_allow_it_refuses_and_one_that_allows_it_no_more_ends_all() {
    let line = Line::start().await;
    let refused = async |order| line.gateway.inject(order).await.expect_err("refused").to_string();
    let words = refused(order("anthropic", "overloaded")).await;
    assert!(words.contains("[game_day]") && words.contains("enabled = true"), "{words}");
    line.reconfigure(TEAMS).await.expect("allowed");
    for (wrong, words) in [
        (order("anthropc", "overloaded"), "no route has a provider `anthropc`: there are anthropic, openai"),
        (order("anthropic/", "overloaded"), "`anthropic/*` means all"),
        (order("anthropic/*", "overloded"), "there are overloaded"),
        (order("anthropic/*", "ok"), "breaks nothing"),
        (Order { caller: Some("three".to_owned()), ..order("anthropic", "529") }, "with a name: one, two"),
        (Order { share_percent: 0.0, ..order("anthropic", "529") }, "0.01 to 100"),
        (Order { share_percent: f64::NAN, ..order("anthropic", "529") }, "0.01 to 100"),
        (Order { for_ms: 5 * 3_600_000, ..order("anthropic", "529") }, "for 4 hours at most"),
        (Order { for_ms: 0, ..order("anthropic", "529") }, "a second at least"),
    ] {
        let said = refused(wrong).await;
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(line.gateway.injections().is_empty());
    for _ in 0..32 {
        inject(&line, order("anthropic", "overloaded")).await;
    }
    assert!(refused(order("anthropic", "overloaded")).await.contains("remove one"));
    let answer = ask_as(&line, "secret-one").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, "openai/gpt-5"));
    line.reconfigure("").await.expect("allowed no more");
    assert!(line.gateway.injections().is_empty());
    let answer = line.claude(CLAUDE, "hello", false).await;
    let told = (answer.header("x-pointsman-target"), answer.header("x-pointsman-fault"));
    assert_eq!(told, ("anthropic/claude-sonnet-4-5", ""));
}

/// How a request ended, as its caller and the journal have it.
#[derive(Debug, PartialEq)]
struct End {
    status: u16,
    text: String,
    complete: bool,
    error: Value,
    outcome: String,
    why: String,
}

async fn end(line: &Line, protocol: Protocol, model: &str, stream: bool) -> (End, String) {
    let answer = match protocol {
        Protocol::AnthropicMessages => line.post("/v1/messages", &messages_body(model, "hello", stream)).await,
        _ => line.post("/v1/chat/completions", &chat_body(model, "hello", stream)).await,
    };
    let (is_stream, entry) = (answer.body.contains("data: "), entry(line, &answer));
    let error = if is_stream { answer.events().pop().map(|mut event| event["error"].take()) } else { None };
    let error = error.unwrap_or_else(|| if is_stream { Value::Null } else { answer.json()["error"].take() });
    // Times and names of faults stand in texts of ours.
    let error = json!([error["type"], error["code"]]);
    let (status, complete) = (answer.status.as_u16(), answer.complete());
    let fault = answer.header("x-pointsman-fault").to_owned();
    (
        End {
            status,
            text: if status == 200 { answer.text() } else { String::new() },
            complete,
            error,
            outcome: entry.outcome,
            why: entry.why,
        },
        fault,
    )
}

/// A provider that really has this fault, and a well one into which it is injected, look the same to caller, policy and
/// journal: streamed or not, before content and in the middle of a reply.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_injected_fault_is_like_a_real_one() {
    const WORDS: [&str; 14] = [
        "529",
        "500",
        "429",
        "404",
        "hang",
        "hang-before-content",
        "hang-after:2",
        "reset",
        "error-before-content",
        "error-after:2",
        "cut-after:2",
        "end-after:2",
        "garbage",
        "html",
    ];
    let routes = "[models.\"a-*\"]\nsettings = { attempts = 1 }\ntargets = [\"anthropic/*\"]\n\
                  [models.\"o-*\"]\nsettings = { attempts = 1 }\ntargets = [\"openai/*\"]\n";
    let line = Line::start_with(&format!("{ENABLED}{routes}")).await;
    let mut seen = 0;
    for (protocol, provider, fake) in
        [(Protocol::AnthropicMessages, "anthropic", &line.anthropic), (Protocol::OpenAiChat, "openai", &line.openai)]
    {
        let letter = &provider[..1];
        fake.behave(slowly("ok"));
        let mut cases = Vec::new();
        for (number, word) in WORDS.iter().enumerate() {
            fake.behave_for(&format!("{letter}-real-{number}"), slowly(word));
            let target = format!("{provider}/{letter}-made-{number}");
            let id = inject(&line, order(&target, word)).await.id;
            cases.extend([false, true].map(|stream| (number, *word, stream, id.clone())));
        }
        let play = |(number, word, stream, id): (usize, &'static str, bool, String)| {
            let line = &line;
            async move {
                let (real, told) = end(line, protocol, &format!("{letter}-real-{number}"), stream).await;
                assert_eq!(told, "");
                let (made, told) = end(line, protocol, &format!("{letter}-made-{number}"), stream).await;
                assert_eq!((&made, told), (&real, id), "{provider}, {word}, stream: {stream}");
                assert!(real.outcome == "failed" || real.outcome == "refused", "it is a fault: {word} {real:?}");
                assert_eq!(real.status == 200, real.outcome == "failed");
                usize::from(real.outcome == "failed")
            }
        };
        seen += join_all(cases.into_iter().map(play)).await.into_iter().sum::<usize>();
        line.gateway.remove_injections("the next");
    }
    assert_eq!(seen, 2 * 4, "in the middle of a stream: hang, error, cut and end, after what the provider really said");
}

/// Several at once: one makes it slow, one fails it, and the backup has one of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_faults_that_befell_a_request_are_told() {
    let line = Line::start_with(ENABLED).await;
    let slow = inject(&line, order("anthropic", "slow:10ms")).await.id;
    let error = inject(&line, order("anthropic/claude-sonnet-4-5", "server-error")).await.id;
    inject(&line, order("anthropic", "overloaded")).await;
    let backup = inject(&line, order("openai/*", "slow:1ms")).await.id;
    let answer = line.claude(CLAUDE, "hello", true).await;
    assert!(answer.complete(), "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-fault"), format!("{slow}, {error}, {backup}"), "of two errors the first");
    assert!(entry(&line, &answer).deliberations[1].situation.history[0].status == 500);
    let kinds: Vec<String> = entry(&line, &answer).injected.into_iter().map(|injected| injected.kind).collect();
    assert_eq!(kinds, ["slow:10ms", "server-error", "slow:1ms"]);
}

/// The words of each kind of provider are its own: what is injected reads to its adapter as what it really says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_provider_tells_an_error_in_its_own_words() {
    let every = Every::start().await;
    let why = async |provider: &str| {
        let response = send(every.address, "/v1/messages", messages_body(provider, "hello", true).to_string()).await;
        let answer = Answer::read(response.expect("an answer")).await;
        let id = answer.header("x-pointsman-request-id");
        let entry = every.gateway.journal().find(id).unwrap_or_else(|| panic!("{id} is in the journal"));
        (entry.outcome.clone(), entry.why.clone(), answer.header("x-pointsman-fault").to_owned())
    };
    for word in ["429", "500", "error-before-content", "error-after:2", "end-after:2", "garbage"] {
        for provider in &every.providers {
            every.behave(&slowly(word));
            let (outcome, real, _) = why(provider).await;
            every.behave(&slowly("ok"));
            let id = every.gateway.inject(order(provider, word)).await.expect("injected").id;
            assert_eq!(why(provider).await, (outcome, real.clone(), id), "{provider}, {word}");
            assert!(!real.is_empty(), "{provider}, {word}");
            every.gateway.remove_injections("the next");
        }
    }
}

/// After the commit it is production's, too: where the route says so, another target goes on with the text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_a_fault_broke_off_goes_on_elsewhere() {
    let second = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let more = format!(
        "{ENABLED}[providers.second]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.story]\ncontinuation = \"splice\"\ntargets = [\"openai/gpt-5\", \"second/claude-sonnet-4-5\"]\n",
        second.base_url()
    );
    let line = Line::start_with(&more).await;
    let fault = inject(&line, order("openai", "cut-after:3")).await;
    let answer = line.claude("story", "write 20 words", true).await;
    assert!(answer.complete(), "{}", answer.body);
    let (text, told) = (answer.text(), answer.header("x-pointsman-fault"));
    assert_eq!((text.split_whitespace().count(), told), (20, fault.id.as_str()), "the second goes on with it: {text}");
    assert_eq!((line.openai.seen().len(), second.seen().len()), (1, 1));
}
