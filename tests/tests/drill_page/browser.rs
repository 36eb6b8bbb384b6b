//! Debian's Chromium without a screen, spoken to over its own pipes: it opens no port, and finds no name of any host.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::program::Folder;

const PATIENCE: Duration = Duration::from_secs(120);
/// Chromium reads commands from 3 and writes to 4; each ends with a zero.
const PIPES: &str = "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>&2";

/// One page in it.
pub struct Browser {
    _child: Child,
    _profile: Folder,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Value,
    number: u64,
    /// What it told by itself: method and parameters.
    events: Vec<(String, Value)>,
}

impl Browser {
    pub async fn start(name: &str) -> Browser {
        let profile = Folder::new(&format!("browser-{name}"));
        let child = Command::new("bash")
            .args(["-c", PIPES, "chromium"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .args(["--no-first-run", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.root()))
            .arg("--remote-debugging-pipe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.expect("bash");
        let to = child.stdin.take().expect("its input");
        let from = BufReader::new(child.stdout.take().expect("its output"));
        let (session, events) = (Value::Null, Vec::new());
        let mut browser = Browser { _child: child, _profile: profile, to, from, session, number: 0, events };
        let target = browser.send("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.send("Target.attachToTarget", attach).await["sessionId"].clone();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.send(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// # Panics
    /// When it says that this was wrong.
    pub async fn send(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut command = json!({ "id": self.number, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        let written = self.to.write_all(format!("{command}\0").as_bytes()).await;
        written.unwrap_or_else(|error| panic!("this test needs Chromium: apt-get install chromium ({error})"));
        loop {
            let told = self.told().await;
            if told["id"] == self.number {
                assert!(told["error"].is_null(), "{method}: {told}");
                return told["result"].clone();
            }
        }
    }

    /// The next message; an event is remembered as well.
    async fn told(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = self.from.read_until(0, &mut bytes);
        let count = tokio::time::timeout(PATIENCE, read).await.expect("in time").expect("its words");
        assert!(count > 0, "Chromium ended, or is not there: apt-get install chromium");
        let told: Value = serde_json::from_slice(&bytes[..count - 1]).expect("JSON");
        if let Some(method) = told["method"].as_str() {
            self.events.push((method.to_owned(), told["params"].clone()));
        }
        told
    }

    /// Open a file, as large as this and in this `prefers-color-scheme`.
    pub async fn open(&mut self, file: &Path, (width, height): (u32, u32), scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.send("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.send("Emulation.setEmulatedMedia", features).await;
        self.events.clear();
        self.send("Page.navigate", json!({ "url": format!("file://{}", file.display()) })).await;
        while self.all("Page.loadEventFired").next().is_none() {
            self.told().await;
        }
    }

    pub fn all<'a>(&'a self, method: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |(known, _)| known == method).map(|(_, parameters)| parameters)
    }

    /// What an expression of JavaScript gives, or what it promises.
    pub async fn ask(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let told = self.send("Runtime.evaluate", parameters).await;
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    pub async fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.send("Input.dispatchKeyEvent", json!({ "type": kind, "key": key })).await;
        }
    }

    pub async fn point(&mut self, x: f64, y: f64) {
        self.send("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": x, "y": y })).await;
    }
}
