//! The program, run as people run it: for `command_line.rs`, `drill_page/`, `own_policy.rs`, `restart.rs`, `serving.rs` and
//! `shipping/`.

#![allow(dead_code, reason = "each test uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pointsman");
pub const TOKEN: &str = "choose-one";
pub const CACHE: &str = "POINTSMAN_CACHE";

#[allow(dead_code, reason = "not every test asks for it")]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The program, with nothing in its environment but what is given, and where to find what was compiled of plugins before.
pub fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    command(PROGRAM, arguments, environment)
}

/// Another one, that runs it.
pub fn command(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(std::env::var_os(CACHE).map(|folder| (CACHE, folder)));
    command.envs(environment.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = program(arguments, environment).output().await.expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("it ends by itself"), text(stdout), text(stderr))
}

/// A folder of the test's own.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("pointsman-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    pub fn root(&self) -> &str {
        self.0.to_str().expect("text")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    }

    /// Of a file that may not be there.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `pointsman serve`, running.
pub struct Serving {
    pub child: Child,
    pub callers: String,
    pub operators: String,
    said: tokio::task::JoinHandle<String>,
}

impl Serving {
    pub async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Serving {
        Self::start_command(program(arguments, environment)).await
    }

    pub async fn start_command(mut command: Command) -> Serving {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
        let (mut said, mut callers) = (String::new(), String::new());
        let operators = loop {
            let line = tokio::time::timeout(Duration::from_secs(300), lines.next_line()).await.expect("in time");
            let line = line.expect("text").unwrap_or_else(|| panic!("it ended: {said}"));
            said.push_str(&line);
            said.push('\n');
            if let Some((_, address)) = line.split_once("callers: http://") {
                callers = address.trim().to_owned();
            }
            if let Some((_, address)) = line.split_once("operators: ") {
                break address.trim_start_matches("http://").trim().to_owned();
            }
        };
        let said = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        Serving { child, callers, operators, said }
    }

    /// The target that answers a caller of the Anthropic protocol.
    pub async fn target(&self, model: &str) -> String {
        let output = Command::new("curl")
            .args(["-s", "-i", "--max-time", "120", &format!("http://{}/v1/messages", self.callers), "-d"])
            .arg(format!(
                "{{\"model\":\"{model}\",\"max_tokens\":9,\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
            ))
            .output()
            .await
            .expect("curl");
        let text = String::from_utf8(output.stdout).expect("text");
        let target = text.lines().find_map(|line| line.strip_prefix("x-pointsman-target: "));
        target.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
    }

    pub async fn plugin(&self, arguments: &[&str]) -> (i32, String, String) {
        let arguments: Vec<&str> = [&["plugin"], arguments].concat();
        run(&arguments, &[("POINTSMAN_ADMIN", &self.operators), ("POINTSMAN_ADMIN_TOKEN", TOKEN)]).await
    }

    pub async fn stop(self) -> (i32, String) {
        let id = self.child.id().expect("it runs");
        let kill = Command::new("bash").args(["-c", &format!("kill -INT {id}")]).status().await.expect("bash");
        assert!(kill.success());
        self.ended().await
    }

    /// It was told to stop, and does.
    pub async fn ended(mut self) -> (i32, String) {
        let status = tokio::time::timeout(Duration::from_secs(120), self.child.wait())
            .await
            .expect("in time")
            .expect("a status");
        (status.code().expect("it ends by itself"), self.said.await.expect("its words"))
    }
}
