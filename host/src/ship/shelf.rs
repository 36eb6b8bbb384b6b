//! Packages that were fetched, by digest, in the folder `[server] state`: a gateway starts while the host that they came
//! from is down. What is taken from the shelf is checked as if it came over the network.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Digest;

/// All files together; the ones that were fetched longest ago go first. Dozens of Python's components, thousands of Rust's.
const SHELF_BYTES_MAX: u64 = 512 << 20;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Component,
    Manifest,
    /// Of the component with this digest.
    Signature,
}

/// See the module. Without a folder nothing is kept.
#[derive(Clone, Debug)]
pub struct Shelf {
    folder: Option<PathBuf>,
}

impl Shelf {
    /// In this state folder, which is made when there is something to keep.
    pub fn of(state: Option<&Path>) -> Shelf {
        Shelf { folder: state.map(|state| state.join("packages")) }
    }

    /// What is there under this digest, and fits it.
    pub fn get(&self, digest: &Digest, kind: Kind) -> Option<Vec<u8>> {
        let path = self.path(digest, kind)?;
        let bytes = fs::read(&path).ok()?;
        if kind != Kind::Signature && Digest::of(&bytes) != *digest {
            tracing::warn!(file = %path.display(), "a kept package is damaged, and is fetched again");
            return None;
        }
        Some(bytes)
    }

    /// Keep it. A disk that is full costs the next start a fetch, and this one nothing.
    pub fn put(&self, digest: &Digest, kind: Kind, bytes: &[u8]) {
        let Some(path) = self.path(digest, kind) else { return };
        if let Err(error) = write(&path, bytes) {
            tracing::warn!(file = %path.display(), "a fetched package is not kept for the next start: {error}");
        }
        if let Some(folder) = &self.folder {
            make_room(folder, SHELF_BYTES_MAX);
        }
    }

    fn path(&self, digest: &Digest, kind: Kind) -> Option<PathBuf> {
        let ending = match kind {
            Kind::Component => "wasm",
            Kind::Manifest => "json",
            Kind::Signature => "wasm.minisig",
        };
        Some(self.folder.as_ref()?.join(format!("{}.{ending}", digest.hex())))
    }
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let moved = written.and_then(|()| fs::rename(&beside, path));
    if moved.is_err() {
        let _ = fs::remove_file(&beside);
    }
    moved
}

fn make_room(folder: &Path, most: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // What is not called like ours is somebody else's.
            let name = entry.file_name().into_string().ok()?;
            name.split_once('.')
                .filter(|(stem, _)| stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((metadata.modified().ok()?, metadata.len(), entry.path()))
        })
        .collect();
    files.sort();
    let mut held: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in files {
        if held <= most {
            return;
        }
        if fs::remove_file(path).is_ok() {
            held -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            Folder(std::env::temp_dir().join(format!("pointsman-shelf-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_changed_on_the_disk_is_not_taken() {
        let folder = Folder::new("changed");
        let shelf = Shelf::of(Some(&folder.0));
        let digest = Digest::of(b"component");
        assert_eq!(shelf.get(&digest, Kind::Component), None);
        shelf.put(&digest, Kind::Component, b"component");
        assert_eq!(shelf.get(&digest, Kind::Component).as_deref(), Some(&b"component"[..]));
        assert_eq!(shelf.get(&digest, Kind::Manifest), None);
        let path = shelf.path(&digest, Kind::Component).expect("a path");
        fs::write(path, b"componemt").expect("written");
        assert_eq!(shelf.get(&digest, Kind::Component), None);
        let nowhere = Shelf::of(None);
        nowhere.put(&digest, Kind::Component, b"component");
        assert_eq!(nowhere.get(&digest, Kind::Component), None);
    }

    #[test]
    fn what_was_fetched_longest_ago_goes_first() {
        let folder = Folder::new("room");
        let shelf = Shelf::of(Some(&folder.0));
        let digests: Vec<Digest> = [b"one", b"two", b"six"].map(|bytes| Digest::of(bytes)).to_vec();
        for (digest, bytes) in digests.iter().zip([b"one", b"two", b"six"]) {
            shelf.put(digest, Kind::Component, bytes);
        }
        for (second, digest) in [(1, &digests[1]), (2, &digests[0]), (3, &digests[2])] {
            let path = shelf.path(digest, Kind::Component).expect("a path");
            let file = fs::File::options().append(true).open(path).expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second)).expect("a time");
        }
        make_room(&folder.0.join("packages"), 7);
        let there: Vec<bool> = digests.iter().map(|digest| shelf.get(digest, Kind::Component).is_some()).collect();
        assert_eq!(there, [true, false, true]);
    }
}
