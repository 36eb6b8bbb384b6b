//! Debian's registry server (package `docker-registry`), run by the test itself: nothing of it is left behind.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::program::Folder;

pub const USER: &str = "team-one";
pub const PASSWORD: &str = "registrys-secret";
/// Of them, by bcrypt.
const HTPASSWD: &str = "team-one:$2y$05$abcdefghijklmnopqrstuun6tD8uxfHM81XyBZb/UdU0lkUQt72re\n";

pub struct Registry {
    /// `127.0.0.1:PORT`
    pub address: String,
    _child: Child,
    _folder: Folder,
}

impl Registry {
    /// `secured`: it wants [`USER`] and [`PASSWORD`].
    pub async fn start(name: &str, secured: bool) -> Registry {
        let folder = Folder::new(&format!("registry-{name}"));
        let storage = folder.write("kept", "").replace("/kept", "/storage");
        let passwords = folder.write("htpasswd", HTPASSWD);
        let auth = match secured {
            true => format!("auth:\n  htpasswd:\n    realm: tests\n    path: {passwords}\n"),
            false => String::new(),
        };
        let config = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {storage}\nhttp:\n  addr: 127.0.0.1:0\n{auth}"
        );
        let config = folder.write("config.yml", config);
        let child = Command::new("docker-registry")
            .args(["serve", &config])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!(
                "this test needs a registry server, `docker-registry serve`: apt-get install docker-registry ({error})"
            )
        });
        let mut lines = BufReader::new(child.stderr.take().expect("its words")).lines();
        let mut said = String::new();
        let address = loop {
            let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.expect("in time");
            let line = line.expect("text").unwrap_or_else(|| panic!("the registry ended: {said}"));
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.trim_end_matches('"').split(['"', ' ']).next().unwrap_or_default().to_owned();
            }
            said = said + &line + "\n";
        };
        // Its pipe stays open, and empty.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Registry { address, _child: child, _folder: folder }
    }
}
