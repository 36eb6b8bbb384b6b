//! Compiled components on disk, so that a gateway with a policy in Python starts in no time the second time. A file that is
//! damaged, or was made by another version of the engine, is not found, and made again.
//!
//! What lies here is executed. So the folder must be ours alone, and it is looked at each time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

use super::compile::Artifact;
use super::engine;
use crate::clock::Clock;

/// All files together: the built-in plugins have 14 MB, CPython 35. The ones that were not used for the longest time go.
const CACHE_BYTES_MAX: u64 = 512 << 20;
/// At the end of each file: SHA-256 of what stands before.
const DIGEST_BYTES: usize = 32;

/// Names the folder for all programs of a machine or a build.
const VARIABLE: &str = "POINTSMAN_CACHE";

/// A folder of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Where `POINTSMAN_CACHE` says, and else in this folder, if in any.
    ///
    /// # Errors
    /// When what is asked for cannot be used.
    pub fn found(otherwise: Option<PathBuf>) -> anyhow::Result<Option<Cache>> {
        let named = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        named.or(otherwise).map(Cache::open).transpose()
    }

    /// In this folder, which is made if there is none.
    ///
    /// # Errors
    /// When it cannot be made, or somebody else could write there.
    pub fn open(folder: PathBuf) -> anyhow::Result<Cache> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&folder).with_context(|| format!("making {}", folder.display()))?;
        let cache = Cache { folder };
        cache.is_ours_alone()?;
        Ok(cache)
    }

    /// Could nobody but our own user have put there what we find?
    fn is_ours_alone(&self) -> anyhow::Result<()> {
        let us = rustix::process::geteuid().as_raw();
        let metadata = fs::symlink_metadata(&self.folder)?;
        let shown = self.folder.display();
        ensure!(metadata.is_dir(), "{shown} is not a folder");
        ensure!(metadata.uid() == us, "{shown} belongs to another user");
        ensure!(metadata.mode() & 0o077 == 0, "others may enter {shown}: chmod 700 {shown}");
        // Who can write the folder above can put another in its place.
        let above = self.folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let metadata = fs::metadata(above)?;
        let shown = above.display();
        let sticky = metadata.mode() & 0o1000 != 0;
        ensure!([us, 0].contains(&metadata.uid()), "{shown} belongs to another user");
        ensure!(sticky || metadata.mode() & 0o022 == 0, "others may write into {shown}: chmod go-w {shown}");
        Ok(())
    }

    /// What was made of the component with this digest, by an engine like ours.
    pub(super) fn find(&self, sha256: &str) -> Option<Artifact> {
        let path = self.path(sha256)?;
        let mut file = File::open(&path).ok()?;
        if let Err(error) = self.is_ours_alone() {
            tracing::warn!("compiled plugins are not taken from the disk: {error:#}");
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        let digest = bytes.split_off(bytes.len().checked_sub(DIGEST_BYTES)?);
        if Sha256::digest(&bytes)[..] != digest[..] {
            tracing::warn!(file = %path.display(), "a compiled plugin is damaged, and is made again");
            return None;
        }
        // The ones that are used stay.
        let _ = file.set_modified(now());
        Some(Artifact::trusted(bytes))
    }

    /// Keep what was made. A disk that is full costs only the next start its time.
    pub(super) fn keep(&self, sha256: &str, artifact: &Artifact) {
        let kept = self.is_ours_alone().and_then(|()| self.write(sha256, artifact.bytes()));
        if let Err(error) = kept.and_then(|()| self.make_room()) {
            tracing::warn!("a compiled plugin is not kept: {error:#}");
        }
    }

    fn write(&self, sha256: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path(sha256).context("the engine does not start")?;
        // Whole or not at all: it gets its name when it is written.
        let begun = path.with_extension(format!("{}.new", fastrand::u64(..)));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&begun).and_then(|mut file| {
            file.write_all(bytes)?;
            file.write_all(&Sha256::digest(bytes))?;
            fs::rename(&begun, &path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&begun);
        }
        written.with_context(|| format!("writing {}", path.display()))
    }

    /// The oldest files go, until what is left is not too much.
    fn make_room(&self) -> anyhow::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            // The folder may hold what is not ours, where `POINTSMAN_CACHE` names it.
            if !entry.file_name().to_str().is_some_and(is_our_name) {
                continue;
            }
            // Another gateway on this folder may have been quicker.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in files {
            if bytes <= CACHE_BYTES_MAX {
                break;
            }
            let _ = fs::remove_file(path);
            bytes -= size;
        }
        Ok(())
    }

    fn path(&self, sha256: &str) -> Option<PathBuf> {
        Some(self.folder.join(format!("{sha256}-{:016x}", engine::fingerprint().ok()?)))
    }
}

/// `SHA256-FINGERPRINT`, and while it is written `SHA256-FINGERPRINT.NUMBER.new`.
fn is_our_name(name: &str) -> bool {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (stem, ending) = name.split_once('.').map_or((name, None), |(stem, ending)| (stem, Some(ending)));
    let is_begun = |ending: &str| {
        let number = ending.strip_suffix(".new").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (digest, fingerprint) = stem.split_once('-').unwrap_or_default();
    is_hex(digest, 64) && is_hex(fingerprint, 16) && ending.is_none_or(is_begun)
}

/// As the file system counts it.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Clock::system().unix()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sparse: no disk is filled.
    fn large_file(path: &Path, age_s: u64) {
        let file = File::create(path).expect("a file");
        file.set_len(CACHE_BYTES_MAX / 2).expect("a length");
        file.set_modified(now() - Duration::from_secs(age_s)).expect("a time");
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_kept_is_found_and_the_oldest_go_when_there_is_too_much() {
        let state = std::env::temp_dir().join(format!("pointsman-compiled-{}", std::process::id()));
        let cache = Cache::open(state.join("compiled")).expect("a folder");
        let name = |digit: &str| format!("{}-{}", digit.repeat(64), "0".repeat(16));
        let begun = format!("{}.12345.new", name("f"));
        for (name, age_s) in [(name("c"), 1), (name("b"), 2), (begun, 3)] {
            large_file(&cache.folder.join(name), age_s);
        }
        let (ours, missing) = ("0".repeat(64), "1".repeat(64));
        cache.keep(&ours, &Artifact::trusted(vec![1, 2, 3]));
        let found = cache.find(&ours).map(|artifact| artifact.bytes().to_vec());
        assert_eq!((found, cache.find(&missing).is_none()), (Some(vec![1, 2, 3]), true));
        let left = names(&cache.folder);
        assert!(left.len() == 2 && left[1] == name("c"), "{left:?}");
        fs::remove_dir_all(state).expect("the folder");
    }

    /// Faults: F142
    #[test]
    fn files_that_are_not_called_like_ours_stay() {
        let state = std::env::temp_dir().join(format!("pointsman-others-{}", std::process::id()));
        let cache = Cache::open(state.join("compiled")).expect("a folder");
        let digest = "a".repeat(64);
        let others = ["holiday.mp4".to_owned(), digest.clone(), format!("{digest}-{}.bak", "0".repeat(16))];
        for name in &others {
            large_file(&cache.folder.join(name), 1_000);
        }
        for digit in ["0", "1"] {
            cache.keep(&digit.repeat(64), &Artifact::trusted(vec![1, 2, 3]));
        }
        let left = names(&cache.folder);
        assert!(others.iter().all(|name| left.contains(name)) && left.len() == 5, "{left:?}");
        fs::remove_dir_all(state).expect("the folder");
    }
}
