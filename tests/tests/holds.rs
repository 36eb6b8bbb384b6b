//! Timeouts, breakers and numbers of attempts for one provider or one model: what is written there holds there, and nowhere else.

use tokio::time::Instant;

use pointsman_tests::{GPT, Line, behave};

/// The harness's own first-token timeout is 1500 ms, its circuits open after a thousand faults.
const MODELS: &str = "
    [models.patient]
    targets = [\"anthropic/claude-sonnet-4-5\"]
    timeouts = { first_token = \"4s\", reply = \"4s\" }
    attempts = { max = 1 }

    [models.hasty]
    targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]
    timeouts = { first_token = \"300ms\", reply = \"300ms\", adaptive = false }

    [models.late]
    targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]
    timeouts = { total = \"700ms\", adaptive = false }

    [models.brittle]
    targets = [\"anthropic/claude-haiku-4-5\", \"openai/gpt-5\"]
    breaker = { faults = 1, out = \"60s\", out_max = \"60s\" }

    [models.once]
    targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]
    attempts = { max = 1 }
    ";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_timeouts_are_its_own() {
    let line = Line::start_with(MODELS).await;
    line.anthropic.behave(behave("slow:2500ms"));
    for stream in [false, true] {
        let answer = line.claude("patient", "hello", stream).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let began = Instant::now();
        let answer = line.claude("hasty", "hello", stream).await;
        assert!(answer.header("x-pointsman-target").starts_with("openai/"), "{:?}", answer.headers);
        assert!(began.elapsed().as_millis() < 1_200, "{:?}", began.elapsed());
        let began = Instant::now();
        let answer = line.claude("late", "hello", stream).await;
        assert!(answer.status.is_server_error(), "{}", answer.body);
        assert!(began.elapsed().as_millis() < 1_400, "{:?}", began.elapsed());
        let began = Instant::now();
        let answer = line.claude("claude-opus-4-1", "hello", stream).await;
        assert!(answer.header("x-pointsman-target").starts_with("openai/") && began.elapsed().as_millis() > 1_300);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_models_breaker_and_attempts_are_its_own() {
    let line = Line::start_with(MODELS).await;
    line.anthropic.behave(behave("529"));
    for (model, calls) in [("brittle", 1), ("claude-sonnet-4-5", 5)] {
        line.anthropic.forget();
        for _ in 0..5 {
            let answer = line.claude(model, "hello", false).await;
            assert!(answer.header("x-pointsman-target").starts_with("openai/"), "{model}: {}", answer.body);
        }
        // A probe beside a request comes after the circuit's time only.
        assert_eq!(line.anthropic.seen().len(), calls, "{model}");
    }
    let answer = line.claude("once", "hello", false).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (529, "1"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_tables_hold_for_all_its_models() {
    let line = Line::start().await;
    let local = format!(
        "[providers.local]\nadapter = \"openai-chat\"\nbase_url = \"{}\"\nkey = \"secret-openai-key\"\n\
         timeouts = {{ first_token = \"5s\", reply = \"5s\" }}\n\
         [models.local]\ntargets = [\"local/gpt-5\"]\n[models.local-strict]\ntargets = [\"local/gpt-5\"]\n\
         timeouts = {{ first_token = \"200ms\", reply = \"200ms\" }}\nattempts = {{ max = 1 }}\n",
        line.openai.base_url()
    );
    line.reconfigure(&local).await.expect("a good configuration");
    line.openai.behave(behave("slow:2200ms"));
    assert_eq!(line.gpt("local", "hello", true).await.status, 200, "the provider's, in place of 1500 ms");
    assert_eq!(line.gpt("local-strict", "hello", true).await.status, 504, "the model's, in place of the provider's");
    let answer = line.gpt(GPT, "hello", true).await;
    assert!(answer.header("x-pointsman-target").starts_with("anthropic/"), "another provider's are as they were");
}
