//! The thread that owns the database. What it could not write it tries again, together with what came since.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::change::{Change, Notes, SavedSlot, VersionFile};
use super::database::Database;
use super::folder::Folder;
use super::trouble::Trouble;

/// Changes that wait for the disk: operators wait for theirs, so that there are never many.
const QUEUE_MAX: usize = 64;
/// After a failure, it is tried again after this time or with the next change.
const RETRY: Duration = Duration::from_secs(5);
/// Changes that are not written yet: more than a person can make while a disk is full.
const UNSAVED_MAX: usize = 1_000;
/// An operator is told after this time that the disk did not answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The thread, for those who tell it.
pub struct Keeper {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    trouble: Arc<Trouble>,
}

/// That something is on the disk, or that it failed.
#[derive(Default)]
pub struct Kept(Option<(oneshot::Receiver<()>, Arc<Trouble>)>);

struct Message {
    notes: Option<Notes>,
    tried: oneshot::Sender<()>,
}

impl Kept {
    /// Until it was tried, but not for ever. How it went is the store's `trouble`.
    pub async fn wait(self) {
        let Some((tried, trouble)) = self.0 else { return };
        if tokio::time::timeout(ANSWER_MAX, tried).await.is_err() {
            trouble.begins(&format!("the disk has not answered for {} s", ANSWER_MAX.as_secs()));
        }
    }
}

impl Keeper {
    pub fn start(database: Database, folder: Arc<Folder>, trouble: Arc<Trouble>) -> Keeper {
        let (sender, messages) = sync_channel(QUEUE_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let work = Work {
            database,
            folder,
            trouble: Arc::clone(&trouble),
            lost: Arc::clone(&lost),
            changes: Vec::new(),
            slots: None,
            files: Vec::new(),
        };
        let started = std::thread::Builder::new().name("store".to_owned()).spawn(move || work.run(&messages));
        if let Err(error) = started {
            trouble.begins(&format!("starting its thread: {error}"));
        }
        Keeper { sender, lost, trouble }
    }

    pub fn note(&self, notes: Notes) -> Kept {
        let changes = notes.changes.len() as u64;
        self.send(Some(notes)).unwrap_or_else(|why| {
            self.lost.fetch_add(changes, Ordering::Relaxed);
            self.trouble.begins(why);
            Kept::default()
        })
    }

    pub fn flush(&self) -> Kept {
        self.send(None).unwrap_or_default()
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn send(&self, notes: Option<Notes>) -> Result<Kept, &'static str> {
        let (tried, receiver) = oneshot::channel();
        match self.sender.try_send(Message { notes, tried }) {
            Ok(()) => Ok(Kept(Some((receiver, Arc::clone(&self.trouble))))),
            Err(TrySendError::Full(_)) => Err("the disk does not keep up"),
            Err(TrySendError::Disconnected(_)) => Err("its thread has ended"),
        }
    }
}

struct Work {
    database: Database,
    folder: Arc<Folder>,
    trouble: Arc<Trouble>,
    lost: Arc<AtomicU64>,
    /// What is not written yet.
    changes: Vec<Change>,
    slots: Option<Vec<SavedSlot>>,
    files: Vec<VersionFile>,
}

impl Work {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let first = match self.slots {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(_) => messages.recv_timeout(RETRY),
            };
            let first = match first {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // Those who came meanwhile share one trip to the disk.
            let mut tried = Vec::new();
            for message in first.into_iter().chain(messages.try_iter()) {
                if let Some(notes) = message.notes {
                    self.take(notes);
                }
                tried.push(message.tried);
            }
            self.save();
            for tried in tried {
                // Not everybody waits.
                let _ = tried.send(());
            }
        }
    }

    fn take(&mut self, notes: Notes) {
        self.changes.extend(notes.changes);
        self.files.extend(notes.files);
        let too_many = self.changes.len().saturating_sub(UNSAVED_MAX);
        self.changes.drain(..too_many);
        self.lost.fetch_add(too_many as u64, Ordering::Relaxed);
        let slots = notes.slots;
        // Bytes are held in memory only as long as somebody could miss them.
        self.files
            .retain(|file| slots.iter().flat_map(SavedSlot::versions).any(|version| version.sha256 == file.sha256));
        self.slots = Some(slots);
    }

    /// Files first: whatever the process dies of in between, no version is named whose bytes are not there.
    fn save(&mut self) {
        let Some(slots) = &self.slots else { return };
        let mut failed = None;
        self.files.retain(|file| match self.folder.write(file) {
            Ok(()) => false,
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        match self.database.save(&self.changes, slots) {
            Ok(wanted) => {
                self.changes.clear();
                self.folder.sweep(&wanted);
                if failed.is_none() {
                    self.slots = None;
                }
            }
            Err(error) => failed = Some(error),
        }
        match failed {
            Some(error) => self.trouble.begins(&format!("{error:#}")),
            None => self.trouble.is_over(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use sha2::{Digest as _, Sha256};

    use super::super::{SavedVersion, Store, What, Who};
    use super::*;

    /// A version goes live.
    fn notes(number: u8) -> Notes {
        let bytes = vec![number; 5_000];
        let sha256 = crate::plugin::hex(&Sha256::digest(&bytes));
        let change = Change {
            at_unix_ms: number.into(),
            slot: "a".to_owned(),
            what: What::Swapped,
            before: None,
            after: Some(sha256.clone()),
            who: Who::Operator,
            why: String::new(),
        };
        let slot = SavedSlot {
            name: "a".to_owned(),
            live: SavedVersion { sha256: sha256.clone(), built_in: false },
            staged: None,
            previous: None,
            canary: None,
            shadow: None,
            barred: Default::default(),
            configured: None,
        };
        Notes {
            changes: vec![change],
            slots: vec![slot],
            files: vec![VersionFile { sha256, bytes: bytes.into(), signature: None }],
        }
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later() {
        let path = std::env::temp_dir().join(format!("pointsman-keeper-{}", std::process::id()));
        let store = Store::open(&path).await.expect("a store");
        store.note(notes(1)).wait().await;
        assert_eq!(store.trouble(), None);
        fs::rename(path.join("versions"), path.join("away")).expect("the folder");
        store.note(notes(2)).wait().await;
        store.note(notes(3)).wait().await;
        assert!(store.trouble().is_some_and(|why| why.contains("versions")), "{:?}", store.trouble());
        fs::rename(path.join("away"), path.join("versions")).expect("the folder");
        store.flush().await;
        assert_eq!((store.trouble(), store.view().changes_lost), (None, 0));
        drop(store);
        let store = opened(&path).await;
        assert_eq!(store.saved(), notes(3).slots);
        assert_eq!(store.history(None).len(), 3);
        assert!(store.version(&notes(3).files[0].sha256).await.is_ok());
        fs::remove_dir_all(&path).expect("the folder");
    }

    async fn opened(path: &Path) -> Store {
        loop {
            // The lock goes with the thread, a moment later.
            match Store::open(path).await {
                Ok(store) => break store,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// Faults: F153
    #[tokio::test]
    async fn nobody_else_may_read_the_state() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let path = std::env::temp_dir().join(format!("pointsman-private-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::write(path.join("lock"), []).expect("a file");
        fs::set_permissions(path.join("lock"), fs::Permissions::from_mode(0o666)).expect("it is ours");
        let store = opened(&path).await;
        let mut signed = notes(1);
        signed.files[0].signature = Some("a signature".to_owned());
        store.note(signed).wait().await;
        let mut checked = 0;
        for folder in [path.clone(), path.join("versions")] {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let entry = entry.expect("an entry");
                let mode = entry.metadata().expect("its mode").mode();
                assert_eq!(mode & 0o077, 0, "{:?}: {mode:o}", entry.path());
                checked += 1;
            }
        }
        assert!(checked >= 5, "the lock, the database, the folder, a version and its signature");
        assert_eq!(fs::metadata(&path).expect("the folder").mode() & 0o777, 0o700);
        drop(store);
        fs::remove_dir_all(&path).expect("the folder");
    }

    /// Faults: F141
    #[tokio::test]
    async fn versions_outlive_the_database_that_knew_them() {
        let path = std::env::temp_dir().join(format!("pointsman-outlive-{}", std::process::id()));
        let database = path.join("rollouts.db");
        let kept = notes(1).files[0].sha256.clone();
        let store = opened(&path).await;
        store.note(notes(1)).wait().await;
        drop(store);
        let losses: [fn(&Path); 3] = [
            |path| fs::write(path, [7; 100_000]).expect("damage"),
            |path| fs::write(path, []).expect("an empty file"),
            |path| fs::remove_file(path).expect("the database"),
        ];
        for (number, lose) in (2..).zip(losses) {
            drop(opened(&path).await);
            lose(&database);
            let store = opened(&path).await;
            assert_eq!(store.saved(), notes(number - 1).slots, "loss {number}: what was live is live");
            assert!(store.was_in("a", &notes(number - 1).files[0].sha256), "loss {number}");
            assert!(!store.was_in("b", &notes(number - 1).files[0].sha256), "loss {number}");
            store.note(notes(number)).wait().await;
            assert_eq!(store.trouble(), None);
            assert!(store.version(&kept).await.is_ok(), "loss {number}");
            assert!(store.find(&kept[..12]).await == [kept.clone()], "loss {number}");
        }
        let store = opened(&path).await;
        store.note(notes(9)).wait().await;
        assert!(store.version(&kept).await.is_ok(), "after one more start");
        fs::write(path.join("versions").join("note.txt"), "of somebody else").expect("a file");
        store.note(notes(10)).wait().await;
        assert!(path.join("versions").join("note.txt").exists(), "what is not called like ours is not ours");
        drop(store);
        fs::remove_dir_all(&path).expect("the folder");
    }
}
