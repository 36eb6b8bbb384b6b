//! The heart: one request from its first byte in to its last byte out. Read `exchange.rs` first.

mod able;
mod about;
mod absurd;
mod act;
mod allowance;
mod amendment;
mod array;
mod asked;
mod attempt;
mod authorize;
pub mod base_url;
mod begun;
mod charge;
mod commit;
mod control;
mod decide;
mod dialect;
mod endpoint;
mod estimate;
mod exchange;
pub mod files;
mod foreign;
mod game_day;
mod gate;
mod halves;
mod hold;
mod hops;
mod identities;
mod intake;
mod items;
mod keepers;
mod listed;
mod load;
mod media;
mod named_within;
mod outgoing;
mod pace;
mod position;
mod probes;
mod provider;
mod race;
mod raw;
mod readiness;
mod record;
mod redact;
mod references;
mod refusal;
mod relay;
mod rename;
mod reply;
mod reply_head;
mod restore;
mod rollout;
mod scan;
mod seam;
mod shadow;
mod shadow_probe;
mod spent;
mod splice;
mod table;
mod target_states;
mod tool_names;
mod torn;
mod trace;
mod undecoded;
mod unlike;
mod unread;
mod untranslated;
mod unwritten;
mod writer;

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::callers::Callers;
use crate::clock::Clock;
use crate::config::Config;
use crate::health::Healths;
use crate::journal::{Differences, Journal, RouteView};
use crate::net::Network;
use crate::plugin::Compiler;
use crate::store::{Store, StoreView};
use crate::upstream;

pub use control::{SlotView, TargetView, VersionView};
pub use exchange::{Deadline, answer};
pub use game_day::{Injected, InjectionView, Order};
pub use outgoing::said;
pub use probes::probe;
pub use provider::Adapter;
pub use readiness::Readiness;
pub use rollout::look_after;
pub use spent::Spent;
pub use table::{Route, Table, Target};

/// The body of a reply to a caller.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Everything that requests share. What can change while it runs is in one place, the table: a request takes it once and
/// keeps it to its end, so that it never sees two configurations or two versions of a plugin.
pub struct Gateway {
    table: ArcSwap<Table>,
    compiler: Compiler,
    /// Held while a new table is made, so that two changes do not undo each other.
    changing: tokio::sync::Mutex<()>,
    clock: Arc<Clock>,
    callers: Arc<Callers>,
    load: Arc<load::Load>,
    healths: Arc<Healths>,
    keepers: keepers::Keepers,
    readiness: Readiness,
    items: items::Items,
    game_day: game_day::GameDay,
    journal: Journal,
    differences: Differences,
    store: Arc<Store>,
    clients: upstream::Clients,
    identities: identities::Identities,
}

impl Gateway {
    /// Load the plugins, open the policies, build the first table.
    ///
    /// # Errors
    /// What is wrong with the configuration or a plugin.
    pub async fn new(config: Config, clock: Clock) -> anyhow::Result<Arc<Gateway>> {
        Self::on(&Network::System, config, clock).await
    }

    /// The same, with what outlives the process in this store: plugins are put back as the last process left them.
    ///
    /// # Errors
    /// As above.
    pub async fn with(store: Store, config: Config, clock: Clock) -> anyhow::Result<Arc<Gateway>> {
        Self::begin(Compiler::here(), &Network::System, config, clock, store).await
    }

    /// The same, with its providers in this network.
    ///
    /// # Errors
    /// As above.
    pub async fn on(network: &Network, config: Config, clock: Clock) -> anyhow::Result<Arc<Gateway>> {
        Self::begin(Compiler::here(), network, config, clock, Store::default()).await
    }

    /// The same; plugins are compiled as `compiler` says, and what outlives the process is in this store.
    ///
    /// # Errors
    /// As above.
    pub async fn begin(
        compiler: Compiler,
        network: &Network,
        config: Config,
        clock: Clock,
        store: Store,
    ) -> anyhow::Result<Arc<Gateway>> {
        let clients = upstream::Clients::new(network, config.timeouts.connect);
        let store = Arc::new(store);
        let table = restore::first_table(&compiler, config, &store, &clock).await?;
        // Certificates that cannot be read are found now, and no request waits until they are.
        for provider in table.config.providers.values() {
            clients.of(&provider.way).map_err(anyhow::Error::msg)?;
        }
        table.isolate();
        let journal = store.folder().map_or_else(Journal::default, Journal::on_disk);
        Ok(Arc::new(Gateway {
            table: ArcSwap::from_pointee(table),
            compiler,
            changing: tokio::sync::Mutex::new(()),
            clock: Arc::new(clock),
            callers: Arc::default(),
            load: Arc::default(),
            healths: Arc::new(Healths::default()),
            keepers: keepers::Keepers::default(),
            readiness: Readiness::default(),
            items: items::Items::default(),
            game_day: game_day::GameDay::default(),
            journal,
            differences: Differences::default(),
            store,
            clients,
            identities: identities::Identities::default(),
        }))
    }

    /// What happened to the last requests.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Where versions in the shadow would have answered otherwise.
    pub fn differences(&self) -> &Differences {
        &self.differences
    }

    /// What outlives the process.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How it is, and the journal on the disk, for operators.
    pub fn store_view(&self) -> StoreView {
        let (journal_dropped, journal_trouble) = self.journal.losses();
        StoreView { journal_dropped, journal_trouble, ..self.store.view() }
    }

    /// Until what was remembered before is on the disk, or the disk has had its time.
    pub async fn flush(&self) {
        self.store.flush().await;
        self.journal.flush().await;
    }

    /// The routes as their policies know them.
    pub fn routes(&self) -> Vec<RouteView> {
        let view = |route: &Arc<Route>| RouteView {
            pattern: route.pattern.to_string(),
            policy: format!("{:?}", route.policy.plugin),
            settings: route.policy.settings().to_owned(),
            targets: route.policy.targets().to_vec(),
        };
        self.table().routes.iter().map(view).collect()
    }

    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// What is in force now.
    pub fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }
}
