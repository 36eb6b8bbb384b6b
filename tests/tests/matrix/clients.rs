//! The clients: how each is told where the gateway is, and what its task is. They are installed below `target/clients/matrix`,
//! once, at the versions that `tests/clients/matrix` gives.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use pointsman::fake::Protocol;
use tokio::process::Command;

/// What the tools say, and so the end of the right answer.
pub const ANSWER: &str =
    "the switch stands at track nine and the signal shows green over the whole of the northern yard until the morning";
const READ_SWITCH: &str = "use tool read_switch with {\"switch\":\"9\"}";
/// Seconds, for a client that waits before each of its own attempts.
const TIMEOUT_S: &str = "100";

pub struct Client {
    pub name: &'static str,
    pub package: &'static str,
    /// The protocol in which it asks, and so that of its first provider.
    pub speaks: Protocol,
    /// The names of the models that it asks for.
    pub models: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Codex,
    ClaudeCode,
    GeminiCli,
    AiSdk,
    Python,
}

macro_rules! client {
    ($name:literal, $package:literal, $speaks:ident, $models:literal, $kind:ident) => {
        Client { name: $name, package: $package, speaks: Protocol::$speaks, models: $models, kind: Kind::$kind }
    };
}

pub static ALL: &[Client] = &[
    client!("codex", "@openai/codex", OpenAiResponses, "gpt-*", Codex),
    client!("claude-code", "@anthropic-ai/claude-code", AnthropicMessages, "claude-*", ClaudeCode),
    client!("gemini-cli", "@google/gemini-cli", Gemini, "gemini-*", GeminiCli),
    client!("ai", "ai", OpenAiResponses, "gpt-*", AiSdk),
    client!("tool_runner", "anthropic", AnthropicMessages, "claude-*", Python),
    client!("agents", "openai-agents", OpenAiResponses, "gpt-*", Python),
    client!("langchain", "langchain", OpenAiChat, "gpt-*", Python),
    client!("pydantic-ai", "pydantic-ai-slim", OpenAiResponses, "gpt-*", Python),
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/matrix")
}

fn installed() -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    test.ancestors().nth(3).expect("target/debug/deps/matrix").join("clients/matrix")
}

pub async fn install() {
    let output = Command::new("bash").arg(sources().join("install.sh")).arg(installed()).output().await.expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "installing the clients (tests/run installs Python and Node): {errors}");
}

/// The version that is pinned.
pub fn version(client: &Client) -> String {
    let file = |name: &str| std::fs::read_to_string(sources().join(name)).expect("a list of versions");
    let python = file("requirements.txt").lines().find_map(|line| {
        let (package, version) = line.split_once("==")?;
        (package.split('[').next() == Some(client.package)).then(|| version.to_owned())
    });
    python.unwrap_or_else(|| {
        let list: serde_json::Value = serde_json::from_str(&file("package.json")).expect("JSON");
        list["dependencies"][client.package].as_str().expect("a version").to_owned()
    })
}

/// How a client ended.
pub struct Ended {
    pub succeeded: bool,
    pub answer: String,
    pub errors: String,
}

/// A folder of its own for a client, deleted in the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Home {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pointsman-matrix-{}-{number}", std::process::id()));
        for name in ["work", "tmp", ".codex", ".claude", ".gemini"] {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        Home(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Run it until it ends, or its time is up. `streams`: a client that can do both asks for a stream.
pub async fn run(client: &Client, gateway: SocketAddr, streams: bool) -> Ended {
    let (home, clients) = (Home::new(), installed());
    let bin = clients.join("node_modules/.bin");
    let url = format!("http://{gateway}");
    let note = home.write("work/note.txt", &format!("{ANSWER}\n"));
    let mode = if streams { "stream" } else { "whole" };
    // `timeout` ends the processes that a client has started as well.
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", TIMEOUT_S]).env_clear().current_dir(home.0.join("work"));
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bin.display())).env("HOME", &home.0).env("TMPDIR", home.0.join("tmp"));
    command.env("NO_PROXY", "127.0.0.1,localhost");
    match client.kind {
        Kind::Codex => {
            let code = "const r = await tools.exec_command({cmd: 'cat note.txt'}); text(r.output)";
            let order = serde_json::json!({ "input": code });
            // Its tools stand in a namespace, of which a backup knows only the flat names.
            let prompt = format!("use tool exec with {order}\nuse tool functions__exec with {order}");
            command.env("CODEX_HOME", home.0.join(".codex")).env("CODEX_API_KEY", "test-key");
            command.args(["codex", "exec", "--skip-git-repo-check", "-c", "analytics.enabled=false", "-c"]);
            command.arg(format!("openai_base_url=\"{url}/v1\"")).arg(prompt);
        }
        Kind::ClaudeCode => {
            // A tool search, and beside it a file that asks for the tool that was searched for.
            let tool = "mcp__yard__read_the_position_of_one_switch_in_the_northern_yard_of_the_railway_07";
            let start = tool.get(..45).unwrap_or_default();
            let plan =
                home.write("work/plan.txt", &format!("then use tool {start}* with {{\"switch\":\"track nine\"}}\n"));
            let prompt = format!(
                "use tool ToolSearch with {{\"query\":\"select:{tool}\",\"max_results\":1}}\nuse tool Read with {{\"file_path\":\"{plan}\"}}"
            );
            let server = serde_json::json!({ "mcpServers": { "yard": {
                "command": clients.join("venv/bin/python"), "args": [clients.join("mcp_server.py")],
            } } });
            let server = home.write("mcp.json", &server.to_string());
            command.env("CLAUDE_CONFIG_DIR", home.0.join(".claude"));
            command.env("ANTHROPIC_BASE_URL", &url).env("ANTHROPIC_API_KEY", "test-key");
            for name in ["DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING", "DISABLE_AUTOUPDATER"] {
                command.env(name, "1");
            }
            command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
            command.args([
                "claude",
                "-p",
                "--mcp-config",
                &server,
                "--allowedTools",
                "Read,ToolSearch,mcp__yard",
                "--",
            ]);
            command.arg(prompt);
        }
        Kind::GeminiCli => {
            let settings = serde_json::json!({
                "security": { "auth": { "selectedType": "gemini-api-key" } }, "privacy": { "usageStatisticsEnabled": false },
            });
            home.write(".gemini/settings.json", &settings.to_string());
            command.env("GOOGLE_GEMINI_BASE_URL", &url).env("GEMINI_API_KEY", "test-key");
            command.env("GEMINI_CLI_TRUST_WORKSPACE", "true");
            command.args(["gemini", "-p", &format!("use tool read_file with {{\"file_path\":\"{note}\"}}")]);
        }
        Kind::AiSdk => {
            command.arg("node").arg(clients.join("matrix_ai.mjs")).args([url.as_str(), mode, READ_SWITCH]);
        }
        Kind::Python => {
            command.arg(clients.join("venv/bin/python")).arg(clients.join("matrix.py"));
            command.args([client.name, &url, mode, READ_SWITCH]);
        }
    }
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("timeout, of coreutils");
    Ended {
        succeeded: output.status.success(),
        answer: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
