//! Every official client on every kind of provider, unmodified. `clients.rs` tries the faults; here it is about what arrives.

use pointsman_tests::clients::{claude_code, tried};
use pointsman_tests::every::Every;
use pointsman_tests::{behave, slowly};

/// What every SDK's script tries, as far as protocols reach.
const CASES: &[&str] = &[
    "plain",
    "stream",
    "long_stream",
    "system",
    "multi_turn",
    "tools",
    "parallel_tools",
    "tools_stream",
    "no_argument_tool",
    "image",
    "structured",
    "length",
    "error_400",
    "error_404",
];

const SCRIPTS: [(&str, &[&str]); 7] = [
    ("python/sdk_openai.py", &[]),
    ("python/sdk_anthropic.py", &["count_tokens"]),
    ("python/sdk_openai_responses.py", &["count_tokens"]),
    ("python/sdk_google.py", &["count_tokens", "automatic_tools"]),
    ("node/sdk_openai.mjs", &[]),
    ("node/sdk_anthropic.mjs", &["count_tokens"]),
    ("node/sdk_openai_responses.mjs", &["count_tokens"]),
];

/// What a script (or the AI SDK's protocol) tries on a provider: all but what cannot be there.
fn cases<'a>(script: &str, provider: &str, more: &[&'a str]) -> Vec<&'a str> {
    let without: &[&str] = match (script, provider) {
        // The Responses API allows no less than 16 tokens; the scripts of other protocols ask for 3.
        (script, "openai-responses") if !script.contains("responses") => &["length"],
        // It asks for an object by a tool that must be called, which Ollama cannot be told.
        ("messages", "ollama") => &["structured"],
        _ => &[],
    };
    CASES.iter().chain(more).copied().filter(|case| !without.contains(case)).collect()
}

/// All pairs; what fails is told together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sdk_on_every_provider() {
    let every = Every::start().await;
    let mut failed = Vec::new();
    for provider in &every.providers {
        for (script, more) in SCRIPTS {
            let cases = cases(script, provider, more);
            failed.extend(tried(every.address, script, provider, &cases).await.err());
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n\n"));
}

/// Vercel's AI SDK, by each of its providers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ai_sdk_on_every_provider() {
    let every = Every::start().await;
    let mut failed = Vec::new();
    for provider in &every.providers {
        for (protocol, more) in [
            ("chat", &["several_steps"][..]),
            ("responses", &["several_steps"]),
            ("messages", &["several_steps"]),
            ("gemini", &[]),
        ] {
            let cases = cases(protocol, provider, more);
            failed
                .extend(tried(every.address, "node/sdk_ai.mjs", &format!("{protocol}/{provider}"), &cases).await.err());
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embeddings_and_models() {
    let every = Every::start().await;
    for script in ["python/sdk_openai.py", "node/sdk_openai.mjs"] {
        // Not on Gemini's AI Studio and Bedrock's Cohere, which do not count the tokens.
        for provider in ["openai", "azure", "vllm", "vertex", "ollama"] {
            let tried = tried(every.address, script, provider, &["embeddings", "embeddings_base64", "models"]).await;
            tried.unwrap_or_else(|words| panic!("{words}"));
        }
    }
    for script in ["python/sdk_anthropic.py", "node/sdk_anthropic.mjs", "python/sdk_google.py"] {
        tried(every.address, script, "anthropic", &["models"]).await.unwrap_or_else(|words| panic!("{words}"));
    }
}

/// The exceptions of the newer SDKs; those of the others are in `clients.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_exceptions() {
    let every = Every::start().await;
    for (fault, openai, google) in [
        ("429", "RateLimitError", "ClientError:429"),
        // The provider refuses our key, not the caller's.
        ("401", "InternalServerError", "ServerError:503"),
        ("500", "InternalServerError", "ServerError:500"),
        ("503", "InternalServerError", "ServerError:503"),
    ] {
        every.behave(&behave(fault));
        for provider in ["anthropic", "openai", "openai-responses", "gemini", "bedrock", "ollama"] {
            for (script, class) in [
                ("python/sdk_openai_responses.py", openai),
                ("node/sdk_openai_responses.mjs", openai),
                ("python/sdk_google.py", google),
            ] {
                let tried = tried(every.address, script, provider, &[&format!("expect_error:{class}")]).await;
                tried.unwrap_or_else(|words| panic!("{fault}: {words}"));
            }
        }
    }
    for fault in ["error-after:5", "cut-after:5", "end-after:5", "hang-after:5"] {
        every.behave(&slowly(fault));
        for provider in ["anthropic", "openai", "gemini", "bedrock", "ollama"] {
            for (script, case) in [
                ("python/sdk_openai_responses.py", "expect_stream_error:response.failed"),
                ("python/sdk_google.py", "expect_stream_error:ServerError"),
            ] {
                let tried = tried(every.address, script, provider, &[case]).await;
                tried.unwrap_or_else(|words| panic!("{fault}: {words}"));
            }
        }
    }
}

/// A session of four turns: a file names another, that one asks for a third and for a command, and both are read out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_code_works_through_several_steps() {
    let every = Every::start().await;
    let work = std::env::temp_dir().join(format!("pointsman-steps-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a folder");
    let at = work.display().to_string();
    for (name, text) in [
        ("start.txt", format!("then use tool Read with {{\"file_path\":\"{at}/index.txt\"}}\n")),
        (
            "index.txt",
            format!(
                "then use tool Read with {{\"file_path\":\"{at}/half.txt\"}}\nthen use tool Bash with {{\"command\":\"cat \
                 {at}/rest.txt\"}}\n"
            ),
        ),
        ("half.txt", "the switch stands at\n".to_owned()),
        ("rest.txt", "track nine\n".to_owned()),
    ] {
        std::fs::write(work.join(name), text).expect("a file");
    }
    for provider in [
        "anthropic",
        "openai",
        "openai-responses",
        "gemini",
        "vertex",
        "vertex-claude",
        "bedrock",
        "bedrock-claude",
        "ollama",
    ] {
        let before = every.seen();
        let prompt = format!("use tool Read with {{\"file_path\":\"{at}/start.txt\"}}");
        let answer = claude_code(every.address, provider, &work, &prompt, "Read,Bash(cat:*)").await;
        assert!(answer.contains("the switch stands at") && answer.contains("track nine"), "{provider}: {answer}");
        assert!(every.since(&before).len() >= 4, "{provider}: four turns");
    }
    std::fs::remove_dir_all(&work).expect("the folder");
}
