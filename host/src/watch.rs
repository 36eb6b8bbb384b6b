//! The configuration file, and the plugin files that it names, watched: what is saved takes effect, what is wrong changes
//! nothing.
//!
//! Watched by looking, twice a second: that works on every file system, through links that are flipped (Kubernetes) and
//! for files that are gone for a moment (editors).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::config::{self, Config, Source};
use crate::gateway::Gateway;
use crate::plugin::signature;
use crate::ship::Place;

const PERIOD: Duration = Duration::from_millis(500);

/// Apply each change of the configuration, for ever. `again`: look at once, and read it whether it has changed or not.
pub async fn watch(gateway: Arc<Gateway>, source: Source, again: Arc<Notify>) {
    let Source::File(path) = source else { return };
    if !is_regular(&path).await {
        tracing::warn!(file = %path.display(), "this is no regular file: it was read once, and is not watched");
        return;
    }
    let mut seen = Fingerprint::of(&path, &gateway.table().config).await;
    loop {
        let is_asked = tokio::select! {
            () = again.notified() => true,
            () = tokio::time::sleep(PERIOD) => false,
        };
        let now = Fingerprint::of(&path, &gateway.table().config).await;
        if !is_asked {
            // Half of a file looks like a broken one: wait until it stays as it is.
            if now == seen {
                continue;
            }
            tokio::time::sleep(PERIOD / 5).await;
            if Fingerprint::of(&path, &gateway.table().config).await != now {
                continue;
            }
        }
        #[expect(clippy::disallowed_methods, reason = "it is compared with the times that the file system gives files")]
        let began = SystemTime::now();
        match reload(&gateway, &path).await {
            Ok(()) => tracing::info!(file = %path.display(), "the changed configuration is in force"),
            Err(error) => tracing::error!("the changed configuration is not in force, the old one stays:\n{error:#}"),
        }
        // What was saved while it was read is seen at the next look.
        seen = now.and_new(Fingerprint::of(&path, &gateway.table().config).await, began);
    }
}

async fn is_regular(path: &Path) -> bool {
    tokio::fs::metadata(path).await.is_ok_and(|metadata| metadata.is_file())
}

async fn reload(gateway: &Gateway, path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(is_regular(path).await, "{} is no regular file", path.display());
    let config = Source::File(path.to_owned()).load(&config::process_environment)?;
    crate::log::set_format(config.server.log);
    let before = gateway.table();
    let fixed = |config: &Config| {
        let server = &config.server;
        let token = server.admin_token.clone();
        let stop = (server.drain, server.drain_lead, server.edge.connections);
        (server.listen, server.admin, token, server.tls.clone(), server.state.clone(), config.timeouts.connect, stop)
    };
    if fixed(&before.config) != fixed(&config) {
        tracing::warn!(
            "`listen`, `admin`, `admin_token`, `tls`, `state`, `drain`, `drain_lead`, `max_connections` and the connect timeout take \
             effect at the next start"
        );
    }
    gateway.apply(config).await
}

/// The file's text, and size and time of each plugin file and its signature.
#[derive(Clone, Debug, PartialEq)]
struct Fingerprint {
    /// `None` if it cannot be read.
    text: Option<String>,
    /// `None` of a file that is not there.
    plugins: BTreeMap<PathBuf, Option<(u64, SystemTime)>>,
}

impl Fingerprint {
    async fn of(path: &Path, config: &Config) -> Fingerprint {
        let mut plugins = BTreeMap::new();
        for plugin in config.plugins.values() {
            // What comes from elsewhere cannot change: its digest stands in the text.
            let Place::File(file) = &plugin.place else { continue };
            for file in [file.clone(), signature::path(file)] {
                let metadata = tokio::fs::metadata(&file).await.ok();
                plugins.insert(file, metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?))));
            }
        }
        // To read a pipe would wait for ever.
        let text = if is_regular(path).await { tokio::fs::read_to_string(path).await.ok() } else { None };
        Fingerprint { text, plugins }
    }

    /// This one, taken before a configuration was read, with the plugins that only that configuration names, as they were after it.
    /// One that was saved since `began` counts as unread.
    fn and_new(self, after: Fingerprint, began: SystemTime) -> Fingerprint {
        let before = |(file, found): (PathBuf, Option<(u64, SystemTime)>)| {
            let found = match self.plugins.get(&file) {
                Some(known) => *known,
                None => found.filter(|(_, saved)| *saved < began),
            };
            (file, found)
        };
        Fingerprint { text: self.text, plugins: after.plugins.into_iter().map(before).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_while_it_is_read_is_not_taken_for_read() {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let at = |seconds: u64| Some((7, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)));
        let print = |text: &str, plugins: &[(&str, Option<(u64, SystemTime)>)]| Fingerprint {
            text: Some(text.to_owned()),
            plugins: plugins.iter().map(|(file, found)| (PathBuf::from(file), *found)).collect(),
        };
        let before = print("first", &[("kept", at(5)), ("changed", at(5)), ("gone", at(5))]);
        let after = print(
            "second",
            &[("kept", at(5)), ("changed", at(1_001)), ("new", at(900)), ("new and changed", at(1_002))],
        );
        let seen = before.and_new(after, began);
        let expected =
            print("first", &[("kept", at(5)), ("changed", at(5)), ("new", at(900)), ("new and changed", None)]);
        assert_eq!(seen, expected);
    }
}
