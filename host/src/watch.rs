//! The configuration file, and the plugin files that it names, watched: what is saved takes effect, what is wrong changes
//! nothing.
//!
//! Watched by looking, twice a second: that works on every file system, through links that are flipped (Kubernetes) and
//! for files that are gone for a moment (editors).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Config, Source};
use crate::gateway::Gateway;
use crate::plugin::signature;
use crate::ship::Place;

const PERIOD: Duration = Duration::from_millis(500);

/// Apply each change of the configuration, for ever.
pub async fn watch(gateway: Arc<Gateway>, source: Source) {
    let Source::File(path) = source else { return };
    let mut seen = fingerprint(&path, &gateway.table().config).await;
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = fingerprint(&path, &gateway.table().config).await;
        // Half of a file looks like a broken one: wait until it stays as it is.
        if now == seen {
            continue;
        }
        tokio::time::sleep(PERIOD / 5).await;
        if fingerprint(&path, &gateway.table().config).await != now {
            continue;
        }
        match reload(&gateway, &path).await {
            Ok(()) => tracing::info!(file = %path.display(), "the changed configuration is in force"),
            Err(error) => tracing::error!("the changed configuration is not in force, the old one stays:\n{error:#}"),
        }
        seen = fingerprint(&path, &gateway.table().config).await;
    }
}

async fn reload(gateway: &Gateway, path: &std::path::Path) -> anyhow::Result<()> {
    let config = Source::File(path.to_owned()).load(&config::process_environment)?;
    crate::log::set_format(config.server.log);
    let before = gateway.table();
    let fixed = |config: &Config| {
        let server = &config.server;
        let token = server.admin_token.clone();
        (server.listen, server.admin, token, server.tls.clone(), server.state.clone(), config.timeouts.connect)
    };
    if fixed(&before.config) != fixed(&config) {
        tracing::warn!(
            "`listen`, `admin`, `admin_token`, `tls`, `state` and the connect timeout take effect at the next start"
        );
    }
    gateway.apply(config).await
}

/// The file's text, and size and time of each plugin file and its signature.
async fn fingerprint(path: &PathBuf, config: &Config) -> (Option<String>, Vec<Option<(u64, std::time::SystemTime)>>) {
    let mut plugins = Vec::new();
    for plugin in config.plugins.values() {
        // What comes from elsewhere cannot change: its digest stands in the text.
        let Place::File(file) = &plugin.place else { continue };
        for file in [file.clone(), signature::path(file)] {
            let metadata = tokio::fs::metadata(&file).await.ok();
            plugins.push(metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?))));
        }
    }
    (tokio::fs::read_to_string(path).await.ok(), plugins)
}
