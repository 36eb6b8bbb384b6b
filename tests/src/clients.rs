//! The official clients, unmodified: scripts in `tests/clients`, installed below `target/clients`, once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::OnceCell;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Where the clients are installed; the scripts are copied beside them, so that the source tree stays clean.
async fn installed() -> &'static Path {
    static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let profile = std::env::current_exe().expect("this test's own path");
            let target = profile.ancestors().nth(3).expect("target/debug/deps/clients").to_owned();
            let clients = target.join("clients");
            let install = sources().join("install.sh");
            let output = Command::new("bash").arg(install).arg(&clients).output().await.expect("bash");
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "installing the clients (tests/run installs Python and Node): {words}");
            clients
        })
        .await
}

/// Run a script's cases, such as `python/sdk_openai.py`. Every case must be told as passed.
///
/// # Panics
/// With what the script said, when one is not.
pub async fn passes(gateway: SocketAddr, script: &str, model: &str, cases: &[&str]) {
    if let Err(words) = tried(gateway, script, model, cases).await {
        panic!("{words}");
    }
}

/// The same, with what went wrong as an error.
///
/// # Errors
/// What the script said.
pub async fn tried(gateway: SocketAddr, script: &str, model: &str, cases: &[&str]) -> Result<(), String> {
    let clients = installed().await;
    let program = match script.ends_with(".py") {
        true => clients.join("venv/bin/python"),
        false => PathBuf::from("node"),
    };
    let output = Command::new(program)
        .arg(clients.join(script))
        .arg(format!("http://{gateway}"))
        .arg(model)
        .args(cases)
        .env("CALLS_ARE_WHOLE", if matches!(model, "gemini" | "vertex" | "ollama") { "1" } else { "" })
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let missing = cases.iter().find(|case| !out.lines().any(|line| line == format!("ok {case}")));
    match missing {
        None if output.status.success() => Ok(()),
        _ => Err(format!("{script} on {model}, {}:\n{out}{err}", missing.unwrap_or(&"its end"))),
    }
}

/// Run Claude Code in print mode; what it answers comes back. `tools` may run, as `--allowedTools` has them.
///
/// # Panics
/// When it fails.
pub async fn claude_code(gateway: SocketAddr, model: &str, work: &Path, prompt: &str, tools: &str) -> String {
    let clients = installed().await;
    let output = Command::new("bash")
        .arg(sources().join("claude_code.sh"))
        .arg(format!("http://{gateway}"))
        .args([model, &work.to_string_lossy(), prompt, tools])
        .env("CLAUDE", clients.join("node/node_modules/.bin/claude"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "Claude Code on {model}: {out}{err}");
    out.into_owned()
}
