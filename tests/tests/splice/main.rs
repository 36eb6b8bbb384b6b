//! A text that broke off goes on at another target, where the route says so.

mod seams;

use pointsman::fake::{Fake, Protocol};
use pointsman_tests::{Answer, Line, slowly};

/// A route whose second and third target are Claude, which goes on with what it is given; its first is `first`.
async fn line(first: &str) -> (Line, Fake) {
    let second = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let more = format!(
        "[providers.second]\nadapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n\
         [models.story]\ncontinuation = \"splice\"\n\
         targets = [\"{first}\", \"openai/gpt-5\", \"second/claude-sonnet-4-5\"]\n",
        second.base_url()
    );
    (Line::start_with(&more).await, second)
}

fn words(answer: &Answer) -> Vec<String> {
    answer.text().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_goes_on_where_it_broke_off() {
    for (first, is_claude) in [("anthropic/claude-sonnet-4-5", true), ("openai/gpt-5-mini", false)] {
        let (line, second) = line(first).await;
        for fault in ["cut-after:3", "end-after:3", "error-after:3", "hang-after:3"] {
            let failing = if is_claude { &line.anthropic } else { &line.openai };
            failing.behave(slowly(fault));
            for is_anthropic_caller in [true, false] {
                let answer = match is_anthropic_caller {
                    true => line.claude("story", "write 20 words", true).await,
                    false => line.gpt("story", "write 20 words", true).await,
                };
                let told = format!("{first} {fault} {}", answer.body);
                assert!(answer.complete() && !answer.broken, "{told}");
                let said = words(&answer);
                assert_eq!(&said[..3], ["word1", "word2", "word3"], "{told}");
                assert_eq!(said.len(), 20, "{told}");
                assert_eq!(answer.header("x-pointsman-continuation"), "splice", "{told}");
                assert!(answer.body.contains("\n: the reply broke off, and second/claude-sonnet-4-5"), "{told}");
                let asked = second.seen().pop().expect("a request").body;
                let asked: serde_json::Value = serde_json::from_slice(&asked).expect("JSON");
                let last = asked["messages"].as_array().and_then(|messages| messages.last()).expect("a message");
                assert_eq!(last["role"], "assistant", "{told}");
                assert!(last.to_string().contains("word1 word2 word3\""), "{last}");
            }
        }
    }
}

/// That another may go on costs a reply nothing: until it breaks off, its bytes are the provider's own.
///
/// Faults: F157
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_does_not_break_off_is_the_providers_own() {
    let (line, _second) = line("anthropic/claude-sonnet-4-5").await;
    let through = line.claude("story", "write 20 words", true).await;
    let body = pointsman_tests::messages_body("claude-sonnet-4-5", "write 20 words", true).to_string();
    let request = hyper::Request::post(format!("http://{}/v1/messages", line.anthropic.address()))
        .header("anthropic-version", "2023-06-01")
        .header("x-api-key", "k")
        .body(body)
        .expect("a request");
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let direct = Answer::read(client.request(request).await.expect("an answer")).await;
    // The fake numbers its replies, and an Anthropic caller reads the name that it asked for; all else is equal.
    let plain =
        |text: &str| text.replace("story", "claude-sonnet-4-5").replace(|letter: char| letter.is_ascii_digit(), "0");
    assert!(direct.complete(), "{}", direct.body);
    assert_eq!(plain(&through.body), plain(&direct.body));
}

/// Nobody but the target that failed could go on: then the reply ends in an error, as on every other route.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_can_continue_ends_in_an_error() {
    let (line, second) = line("anthropic/claude-sonnet-4-5").await;
    second.behave(slowly("529"));
    line.anthropic.behave(slowly("cut-after:3"));
    let answer = line.claude("story", "write 20 words", true).await;
    assert!(answer.text().starts_with("word1 word2 word3") && !answer.complete(), "{}", answer.body);
    assert!(answer.body.contains("event: error\n"), "{}", answer.body);
}
