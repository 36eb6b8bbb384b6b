//! What outlives the process: which version of a plugin stands where, what became of others, and the bytes of those that may be
//! wanted again, in a folder of this gateway alone. No request knows of it, and nobody waits for the disk but the operator who
//! made a change. Without a folder the last changes are remembered as long as the process lives.

mod change;
mod database;
mod folder;
mod keeper;
mod sqlite;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use self::change::History;
use self::database::Versions;
use self::folder::Folder;
use self::keeper::Keeper;

pub use self::change::{Change, Notes, SavedSlot, SavedVersion, VersionFile, What, Who};
pub use self::keeper::Kept;
pub(crate) use self::sqlite::{Schema, is_damage, open as open_database};
pub(crate) use self::trouble::Trouble;

/// See the module. The default keeps nothing on disk.
#[derive(Default)]
pub struct Store {
    history: Mutex<History>,
    /// As the last process left them.
    saved: Vec<SavedSlot>,
    /// As the last process left them.
    versions: Versions,
    folder: Option<Arc<Folder>>,
    keeper: Option<Keeper>,
    trouble: Arc<Trouble>,
}

/// How the store is, for operators.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StoreView {
    /// Absent: nothing outlives the process.
    pub folder: Option<PathBuf>,
    /// What keeps it from writing down changes, if anything does.
    pub trouble: Option<String>,
    /// Changes that could not be written down, and are forgotten with the process.
    pub changes_lost: u64,
    /// The same of the journal.
    pub journal_trouble: Option<String>,
    pub journal_dropped: u64,
}

impl Store {
    /// A store in this folder, which is made if it is not there. What else is wrong with it than that another gateway uses it
    /// is said, and costs no more than what it held: the gateway must go on answering.
    ///
    /// # Errors
    /// When another gateway uses the folder.
    pub async fn open(path: &Path) -> anyhow::Result<Store> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || Self::open_blocking(&path))
            .await
            .context("opening the state was cut short")?
    }

    fn open_blocking(path: &Path) -> anyhow::Result<Store> {
        let folder = match Folder::open(path) {
            Ok(folder) => Arc::new(folder),
            Err(error) if error.is::<folder::InUse>() => return Err(error),
            Err(error) => {
                let trouble = Arc::new(Trouble::of("what should outlive the process"));
                trouble.begins(&format!("{error:#}"));
                return Ok(Store { trouble, ..Store::default() });
            }
        };
        let trouble = Arc::new(Trouble::of("what operators change"));
        let (database, past) = match database::Database::open(&folder) {
            Ok((database, past)) => (Some(database), past),
            Err(error) => {
                trouble.begins(&format!("{error:#}"));
                (None, database::Past::default())
            }
        };
        let history = Mutex::new(History::new(past.changes));
        let keeper = database.map(|database| Keeper::start(database, Arc::clone(&folder), Arc::clone(&trouble)));
        let (saved, versions) = (past.slots, past.versions);
        Ok(Store { history, saved, versions, folder: Some(folder), keeper, trouble })
    }

    /// The slots as the last process left them.
    pub fn saved(&self) -> &[SavedSlot] {
        &self.saved
    }

    /// The folder, if there is one.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(|folder| folder.path())
    }

    /// Remember what changed. `slots` are all as they stand now. Returns at once: who wants to know that it is on the disk waits.
    pub fn note(&self, notes: Notes) -> Kept {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).add(&notes.changes);
        self.keeper.as_ref().map_or_else(Kept::default, |keeper| keeper.note(notes))
    }

    /// The last changes, oldest first; of one slot or of all.
    pub fn history(&self, slot: Option<&str>) -> Vec<Change> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).of(slot)
    }

    /// The bytes of a version, by its digest.
    ///
    /// # Errors
    /// When it is not there (any more), or damaged.
    pub async fn version(&self, sha256: &str) -> anyhow::Result<VersionFile> {
        let folder =
            self.folder.clone().context("its bytes are not kept: there is no folder for that ([server] state)")?;
        let sha256 = sha256.to_owned();
        tokio::task::spawn_blocking(move || folder.read(&sha256)).await.context("reading was cut short")?
    }

    /// Was this version in the slot? True as well of a version of which nobody knows where it was, because the database was lost.
    pub fn was_in(&self, slot: &str, sha256: &str) -> bool {
        let stood = |change: &Change| [&change.before, &change.after].into_iter().flatten().any(|one| one == sha256);
        self.versions.may_have_been_in(slot, sha256) || self.history(Some(slot)).iter().any(stood)
    }

    /// Digests of the versions that are kept, of those that begin so.
    pub async fn find(&self, beginning: &str) -> Vec<String> {
        let Some(folder) = self.folder.clone() else { return Vec::new() };
        let beginning = beginning.to_owned();
        let found = tokio::task::spawn_blocking(move || folder.find(&beginning)).await;
        found.unwrap_or_default()
    }

    /// What keeps changes from being written down, if anything does.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.now()
    }

    pub fn view(&self) -> StoreView {
        StoreView {
            folder: self.folder().map(Path::to_owned),
            trouble: self.trouble(),
            changes_lost: self.keeper.as_ref().map_or(0, Keeper::lost),
            ..StoreView::default()
        }
    }

    /// Until all that was noted before is on the disk, or the disk has had its time.
    pub async fn flush(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.flush().wait().await;
        }
    }
}
