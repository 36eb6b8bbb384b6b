//! The folder: a lock, databases, a copy of the slots, and the versions of plugins, each in a file that is called by its digest.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use sha2::{Digest as _, Sha256};

use super::change::{SavedSlot, VersionFile};
use crate::plugin::{hex, signature};

/// See the module. Who has it has the lock, to the end of the process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Another gateway has the lock.
#[derive(Debug)]
pub struct InUse(PathBuf);

impl fmt::Display for InUse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.0.display();
        write!(formatter, "the state folder {folder} is in use by another gateway: give each its own ([server] state)")
    }
}

impl std::error::Error for InUse {}

impl Folder {
    /// # Errors
    /// `InUse`, or what keeps it from being used at all.
    pub fn open(path: &Path) -> anyhow::Result<Folder> {
        let versions = path.join("versions");
        let told = || format!("the state folder {}", path.display());
        // Prompts are never in it, but what a company's policies look like is nobody else's business.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&versions);
        let lock_path = path.join("lock");
        keep_to_ourselves(path, &versions);
        let lock = match OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path) {
            Ok(lock) => lock,
            // What was written before may be readable still.
            Err(error) => File::open(&lock_path).map_err(|_| made.err().unwrap_or(error)).with_context(told)?,
        };
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(anyhow!(InUse(path.to_owned()))),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", lock_path.display())),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database of slots and their changes.
    pub fn rollouts(&self) -> PathBuf {
        self.path.join("rollouts.db")
    }

    /// The slots once more, for the day on which the database is lost.
    fn slots(&self) -> PathBuf {
        self.path.join("slots.json")
    }

    /// # Errors
    /// What the disk says; what was there before is there still.
    pub fn write_slots(&self, slots: &[SavedSlot]) -> anyhow::Result<()> {
        self.write_file(&self.slots(), &serde_json::to_vec_pretty(slots)?)
    }

    /// The slots as they were written down last. None if they never were, or cannot be understood, which is logged.
    pub fn read_slots(&self) -> Option<Vec<SavedSlot>> {
        let path = self.slots();
        let bytes = fs::read(&path).ok()?;
        let read = serde_json::from_slice(&bytes);
        read.inspect_err(|error| tracing::error!("{} cannot be understood: {error}", path.display())).ok()
    }

    fn versions(&self) -> PathBuf {
        self.path.join("versions")
    }

    fn version(&self, sha256: &str) -> PathBuf {
        self.versions().join(sha256).with_extension("wasm")
    }

    /// The version is there whole, or not at all, whenever the process or the machine ends; its signature before it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self, version: &VersionFile) -> anyhow::Result<()> {
        let path = self.version(&version.sha256);
        if let Some(signature) = &version.signature {
            self.write_file(&signature::path(&path), signature.as_bytes())?;
        }
        self.write_file(&path, &version.bytes)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let new = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, path)?;
            File::open(path.parent().unwrap_or(&self.path))?.sync_all()
        };
        write().inspect_err(|_| drop(fs::remove_file(&new))).with_context(|| format!("writing {}", path.display()))
    }

    /// # Errors
    /// When it is not there, or its digest is another.
    pub fn read(&self, sha256: &str) -> anyhow::Result<VersionFile> {
        let path = self.version(sha256);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = hex(&Sha256::digest(&bytes));
        ensure!(found == sha256, "{} is damaged: its digest is {found}", path.display());
        // Without it the version is one that nobody signed.
        let signature = fs::read_to_string(signature::path(&path)).ok();
        Ok(VersionFile { sha256: found, bytes: bytes.into(), signature })
    }

    /// Digests of the versions that are here, of those that begin so.
    pub fn find(&self, beginning: &str) -> Vec<String> {
        let names = self.names().into_iter();
        names
            .filter_map(|name| Some(name.strip_suffix(".wasm")?.to_owned()))
            .filter(|name| is_digest(name) && name.starts_with(beginning))
            .collect()
    }

    /// Throw away the versions that nothing names, and what was never finished. What is not called like ours is somebody else's.
    pub fn sweep(&self, wanted: &BTreeSet<String>) {
        for name in self.names() {
            let Some((sha256, ending)) = name.split_once('.').filter(|(stem, _)| is_digest(stem)) else { continue };
            let is_ours = ["wasm", "wasm.minisig", "new", "wasm.new"].contains(&ending);
            let is_wanted = !ending.ends_with("new") && wanted.contains(sha256);
            if is_ours && !is_wanted {
                // What cannot be thrown away now can be the next time.
                let _ = fs::remove_file(self.versions().join(name));
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.versions()).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

/// Nobody else may read what lies here, or put anything there: it says which plugins decide. What is ours is closed to others.
fn keep_to_ourselves(folder: &Path, versions: &Path) {
    let us = rustix::process::geteuid().as_raw();
    let Ok(metadata) = fs::metadata(folder) else { return };
    // Containers mount folders that belong to root, to a user of the host, or to everybody: that is their operator's decision, and a
    // gateway that forgot its plugins because of it would be worse.
    if metadata.uid() != us && metadata.mode() & 0o002 != 0 {
        let shown = folder.display();
        tracing::warn!(
            "everybody may write into the state folder {shown}, which belongs to another user: chmod o-w {shown}"
        );
    }
    let close = |path: &Path, mode: u32| {
        let open_to_others =
            fs::metadata(path).is_ok_and(|metadata| metadata.uid() == us && metadata.mode() & 0o077 != 0);
        if open_to_others && let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(mode)) {
            tracing::warn!("{} stays open to others: {error}", path.display());
        }
    };
    close(versions, 0o700);
    let is_ours = |name: &str| {
        let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
        ["lock", "rollouts", "journal", "slots"].contains(&stem) || is_digest(stem)
    };
    // A folder that others use as well stays open to them.
    let is_shared = fs::read_dir(folder).is_ok_and(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| !name.to_str().is_some_and(|name| name == "versions" || is_ours(name)))
    });
    if !is_shared {
        close(folder, 0o700);
    }
    // Earlier releases made them readable for everybody.
    let entries = [folder, versions].into_iter().flat_map(fs::read_dir).flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let ours = files.filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    ours.for_each(|file| close(&file.path(), 0o600));
}

/// SHA-256, as files are called by it.
fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
