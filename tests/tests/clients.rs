//! The official clients, unmodified, against the gateway in front of the fakes: the Python and Node SDKs of OpenAI and
//! Anthropic, and Claude Code. They are installed below `target/clients`, once.

use pointsman_tests::clients::{claude_code, passes as run};
use pointsman_tests::{CLAUDE, GPT, Line, behave, slowly};

/// What works in both protocols, and so must work across them.
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

#[derive(Clone, Copy, Debug)]
enum Sdk {
    PythonOpenAi,
    PythonAnthropic,
    NodeOpenAi,
    NodeAnthropic,
}

const OPENAI: [Sdk; 2] = [Sdk::PythonOpenAi, Sdk::NodeOpenAi];
const ANTHROPIC: [Sdk; 2] = [Sdk::PythonAnthropic, Sdk::NodeAnthropic];

async fn passes(line: &Line, sdk: Sdk, model: &str, cases: &[&str]) {
    let script = match sdk {
        Sdk::PythonOpenAi => "python/sdk_openai.py",
        Sdk::PythonAnthropic => "python/sdk_anthropic.py",
        Sdk::NodeOpenAi => "node/sdk_openai.mjs",
        Sdk::NodeAnthropic => "node/sdk_anthropic.mjs",
    };
    run(line.address, script, model, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_sdks_on_openai() {
    let line = Line::start().await;
    for sdk in OPENAI {
        // The cases use `max_tokens` and `stop`, which gpt-5 refuses and this model takes.
        passes(&line, sdk, "gpt-4.1", &[CASES, &["stop_sequence"]].concat()).await;
    }
    assert!(line.anthropic.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_sdks_on_anthropic() {
    let line = Line::start().await;
    for sdk in OPENAI {
        passes(&line, sdk, "only-claude", &[CASES, &["stop_sequence"]].concat()).await;
    }
    assert!(line.openai.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anthropic_sdks_on_anthropic() {
    let line = Line::start().await;
    for sdk in ANTHROPIC {
        passes(&line, sdk, CLAUDE, &[CASES, &["stop_sequence", "thinking"]].concat()).await;
    }
    assert!(line.openai.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anthropic_sdks_on_openai() {
    let line = Line::start().await;
    for sdk in ANTHROPIC {
        // OpenAI does not tell a stop sequence from an ordinary stop.
        passes(&line, sdk, "only-gpt", &[CASES, &["stop_sequence:end_turn"]].concat()).await;
    }
    assert!(line.anthropic.seen().is_empty());
}

/// The primary fails before content, in each way; the SDK notices nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sdks_do_not_notice_a_failover() {
    for fault in ["529", "500", "429", "hang", "reset", "error-before-content"] {
        let line = Line::start().await;
        line.anthropic.behave(behave(fault));
        for sdk in ANTHROPIC {
            passes(&line, sdk, CLAUDE, &["plain", "stream", "tools", "tools_stream"]).await;
        }
        let line = Line::start().await;
        line.openai.behave(behave(fault));
        for sdk in OPENAI {
            passes(&line, sdk, GPT, &["plain", "stream", "tools", "tools_stream"]).await;
        }
    }
}

/// Nothing is left that could answer: the SDK's own exception for it, and soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sdks_raise_their_own_exceptions() {
    for (fault, openai, anthropic) in [
        ("429", "RateLimitError", "RateLimitError"),
        // The provider refuses our key, not the caller's.
        ("401", "InternalServerError", "ServiceUnavailableError"),
        ("500", "InternalServerError", "InternalServerError"),
        ("529", "InternalServerError", "OverloadedError"),
        ("hang", "InternalServerError", "GatewayTimeoutError"),
    ] {
        for (sdk, model) in OPENAI.into_iter().flat_map(|sdk| [(sdk, "only-gpt"), (sdk, "only-claude")]) {
            let line = line_with(fault).await;
            passes(&line, sdk, model, &[&format!("expect_error:{openai}")]).await;
        }
        for (sdk, model) in ANTHROPIC.into_iter().flat_map(|sdk| [(sdk, "only-gpt"), (sdk, "only-claude")]) {
            let line = line_with(fault).await;
            passes(&line, sdk, model, &[&format!("expect_error:{anthropic}")]).await;
        }
    }
}

/// A stream that dies after its first content: the SDK raises, it does not end as if all were well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sdks_notice_a_stream_that_dies() {
    for fault in ["error-after:5", "cut-after:5", "end-after:5", "hang-after:5"] {
        for sdk in OPENAI {
            let line = line_with(fault).await;
            passes(&line, sdk, "only-gpt", &["expect_stream_error:APIError"]).await;
            passes(&line, sdk, "only-claude", &["expect_stream_error:APIError"]).await;
        }
        for sdk in ANTHROPIC {
            let line = line_with(fault).await;
            let class = if matches!(sdk, Sdk::PythonAnthropic) { "APIStatusError" } else { "APIError" };
            passes(&line, sdk, "only-gpt", &[&format!("expect_stream_error:{class}")]).await;
            passes(&line, sdk, "only-claude", &[&format!("expect_stream_error:{class}")]).await;
        }
    }
}

/// A gateway whose providers both behave so.
async fn line_with(fault: &str) -> Line {
    let line = Line::start().await;
    line.anthropic.behave(slowly(fault));
    line.openai.behave(slowly(fault));
    line
}

/// Claude Code answers, and reads a file with its own tool, on Anthropic and on OpenAI.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claude_code_reads_a_file() {
    let line = Line::start().await;
    let work = std::env::temp_dir().join(format!("pointsman-claude-code-{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a folder");
    std::fs::write(work.join("note.txt"), "the switch stands at track nine\n").expect("a file");
    let note = work.join("note.txt").display().to_string();
    for (model, provider) in [(CLAUDE, &line.anthropic), ("only-gpt", &line.openai)] {
        let before = provider.seen().len();
        let answer = claude_code(line.address, model, &work, "say hello", "Read").await;
        assert!(answer.contains("you said:"), "{model}: {answer}");
        let prompt = format!("use tool Read with {{\"file_path\":\"{note}\"}}");
        let answer = claude_code(line.address, model, &work, &prompt, "Read").await;
        assert!(answer.contains("the switch stands at track nine"), "{model}: {answer}");
        assert!(provider.seen().len() >= before + 3, "a prompt, a call, and the call's result");
    }
    std::fs::remove_dir_all(&work).expect("the folder");
}
