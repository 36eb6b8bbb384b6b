//! The journal on the disk: a thread that owns a database. Requests leave their entries in a channel and never wait: when the
//! disk is too slow or full, entries are dropped and counted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::oneshot;

use super::Entry;
use crate::config::JournalOnDisk;
use crate::store::{Schema, Trouble, is_damage, open_database};

/// Entries that wait for the disk: some seconds of a busy gateway, in some ten megabytes.
const QUEUE_MAX: usize = 4_096;
/// Written together: one trip to the disk.
const BATCH_MAX: usize = 500;
/// Thrown away together, at each write, so that none takes long.
const TRIM_MAX: i64 = 1_000;
/// What is read for one question.
const READ_BYTES_MAX: usize = 64 << 20;
/// Who asks waits so long for the disk.
const ANSWER_MAX: Duration = Duration::from_secs(10);

const SCHEMA: Schema = Schema {
    version: 1,
    tables: "
        CREATE TABLE entries (number INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL);
        CREATE INDEX entries_by_id ON entries (id);
        CREATE INDEX entries_by_time ON entries (at);
    ",
    is_small: false,
};
/// A process that is killed loses nothing that was written, a machine without power the last moments. What a person's own
/// reader holds back of the log of changes is bounded, too.
const TUNING: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA journal_size_limit = 8388608;
";

/// The thread, for those who tell and ask it.
#[derive(Debug)]
pub struct Disk {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    trouble: Arc<Trouble>,
}

#[derive(Debug)]
enum Message {
    Add(Arc<Entry>, JournalOnDisk),
    Find(String, oneshot::Sender<Option<Entry>>),
    Since { unix_ms: u64, most: usize, answer: oneshot::Sender<Vec<Entry>> },
    Flush(oneshot::Sender<()>),
}

impl Disk {
    /// In this folder. Nothing is made there before the first entry comes.
    pub fn start(folder: &Path) -> Disk {
        let (sender, messages) = sync_channel(QUEUE_MAX);
        let (dropped, trouble) = (Arc::new(AtomicU64::new(0)), Arc::new(Trouble::of("the journal")));
        let (path, counts) = (folder.join("journal.db"), Arc::clone(&dropped));
        let work = Work { path, connection: None, dropped: counts, trouble: Arc::clone(&trouble) };
        let started = std::thread::Builder::new().name("journal".to_owned()).spawn(move || work.run(&messages));
        if let Err(error) = started {
            trouble.begins(&format!("starting its thread: {error}"));
        }
        Disk { sender, dropped, trouble }
    }

    /// Takes no longer than to send a pointer.
    pub fn add(&self, entry: Arc<Entry>, bounds: JournalOnDisk) {
        match self.sender.try_send(Message::Add(entry, bounds)) {
            Ok(()) => {}
            Err(error) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.trouble.begins(match error {
                    TrySendError::Full(_) => "the disk does not keep up",
                    TrySendError::Disconnected(_) => "its thread has ended",
                });
            }
        }
    }

    pub async fn find(&self, id: &str) -> Option<Entry> {
        let (answer, found) = oneshot::channel();
        self.ask(Message::Find(id.to_owned(), answer), found).await.flatten()
    }

    /// Oldest first; the newest `most` of those that came no sooner than this.
    pub async fn since(&self, unix_ms: u64, most: usize) -> Vec<Entry> {
        let (answer, found) = oneshot::channel();
        self.ask(Message::Since { unix_ms, most, answer }, found).await.unwrap_or_default()
    }

    /// Until all that was added before is written.
    pub async fn flush(&self) {
        let (answer, done) = oneshot::channel();
        self.ask(Message::Flush(answer), done).await;
    }

    async fn ask<A>(&self, message: Message, answer: oneshot::Receiver<A>) -> Option<A> {
        self.sender.try_send(message).ok()?;
        tokio::time::timeout(ANSWER_MAX, answer).await.ok()?.ok()
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.now()
    }
}

struct Work {
    path: PathBuf,
    connection: Option<Connection>,
    dropped: Arc<AtomicU64>,
    trouble: Arc<Trouble>,
}

impl Work {
    /// Entries that came while the last were written are written together; a question is answered when all that came before it
    /// are.
    fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut batch: Vec<(Arc<Entry>, JournalOnDisk)> = Vec::new();
            for message in std::iter::once(first).chain(messages.try_iter()) {
                match message {
                    Message::Add(entry, bounds) => batch.push((entry, bounds)),
                    question => {
                        self.write(std::mem::take(&mut batch));
                        self.answer(question);
                    }
                }
                if batch.len() >= BATCH_MAX {
                    break;
                }
            }
            self.write(batch);
        }
    }

    fn write(&mut self, batch: Vec<(Arc<Entry>, JournalOnDisk)>) {
        let Some((_, bounds)) = batch.last() else { return };
        let written = self.open().and_then(|connection| write(connection, &batch, *bounds));
        match written {
            Ok(()) => self.trouble.is_over(),
            Err(error) => {
                self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
                self.trouble.begins(&format!("{error:#}"));
                self.after(&error);
            }
        }
    }

    fn answer(&mut self, question: Message) {
        // Who asked may have gone.
        match question {
            Message::Find(id, answer) => drop(answer.send(self.read(|connection| find(connection, &id)))),
            Message::Since { unix_ms, most, answer } => {
                drop(answer.send(self.read(|connection| since(connection, unix_ms, most))));
            }
            Message::Flush(answer) => drop(answer.send(())),
            Message::Add(..) => {}
        }
    }

    /// Nothing, where nothing was ever kept (a question makes no file), or where it cannot be read, which is said.
    fn read<R: Default>(&mut self, query: impl FnOnce(&Connection) -> anyhow::Result<R>) -> R {
        if self.connection.is_none() && !self.path.exists() {
            return R::default();
        }
        let read = self.open().and_then(|connection| query(connection));
        read.unwrap_or_else(|error| {
            tracing::error!("reading the journal on the disk: {error:#}");
            self.after(&error);
            R::default()
        })
    }

    /// What is damaged is opened anew the next time, which sets it aside.
    fn after(&mut self, error: &anyhow::Error) {
        if error.downcast_ref().is_some_and(is_damage) {
            self.connection = None;
        }
    }

    fn open(&mut self) -> anyhow::Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = open_database(&self.path, SCHEMA)?.connection;
                connection.execute_batch(TUNING)?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }
}

fn write(
    connection: &mut Connection,
    batch: &[(Arc<Entry>, JournalOnDisk)],
    bounds: JournalOnDisk,
) -> anyhow::Result<()> {
    let transaction = connection.transaction()?;
    let mut newest = 0;
    {
        let mut insert = transaction.prepare("INSERT INTO entries (id, at, body) VALUES (?1, ?2, ?3)")?;
        for (entry, _) in batch {
            let at = signed(entry.at_unix_ms);
            newest = newest.max(at);
            insert.execute(params![entry.id, at, serde_json::to_string(&**entry)?])?;
        }
    }
    // The newest entry tells what time it is.
    let oldest = newest.saturating_sub(i64::try_from(bounds.keep.as_millis()).unwrap_or(i64::MAX));
    let too_old = "DELETE FROM entries WHERE number IN (SELECT number FROM entries WHERE at < ?1 ORDER BY at LIMIT ?2)";
    transaction.execute(too_old, params![oldest, TRIM_MAX])?;
    if bytes(&transaction)? > bounds.bytes_max {
        let too_many = "DELETE FROM entries WHERE number IN (SELECT number FROM entries ORDER BY number LIMIT ?1)";
        // A few more than came, so that it ends.
        transaction.execute(too_many, params![TRIM_MAX.min((batch.len() + batch.len() / 4 + 1) as i64)])?;
    }
    transaction.commit()?;
    Ok(())
}

/// That the entries take: what is free in the file is used again.
fn bytes(connection: &Connection) -> anyhow::Result<u64> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(number("page_size")?)).unwrap_or(0))
}

fn find(connection: &Connection, id: &str) -> anyhow::Result<Option<Entry>> {
    let mut statement = connection.prepare("SELECT body FROM entries WHERE id = ?1 ORDER BY number DESC LIMIT 1")?;
    let body: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| serde_json::from_str(&body).ok()))
}

/// Newest first from the disk, so that it is the old ones that are too many.
fn since(connection: &Connection, unix_ms: u64, most: usize) -> anyhow::Result<Vec<Entry>> {
    let query = "SELECT body FROM entries WHERE at >= ?1 ORDER BY at DESC, number DESC LIMIT ?2";
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query(params![signed(unix_ms), i64::try_from(most).unwrap_or(i64::MAX)])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        bytes += body.len();
        if bytes > READ_BYTES_MAX {
            break;
        }
        // One that an earlier version wrote otherwise is left out.
        found.extend(serde_json::from_str(&body));
    }
    found.reverse();
    Ok(found)
}

fn signed(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("pointsman-journal-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn entry(number: u64) -> Arc<Entry> {
        let policy = "p".repeat(1_000);
        Arc::new(Entry { id: format!("pm_{number}"), at_unix_ms: number * 1_000, policy, ..Entry::default() })
    }

    fn bounds(keep_s: u64, bytes_max: u64) -> JournalOnDisk {
        JournalOnDisk { keep: Duration::from_secs(keep_s), bytes_max }
    }

    fn numbers(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.at_unix_ms / 1_000).collect()
    }

    #[tokio::test]
    async fn what_is_written_is_there_after_a_restart_until_it_is_too_old() {
        let folder = Folder::new("age");
        let disk = Disk::start(&folder.0);
        assert!(disk.since(0, 9).await.is_empty() && !folder.0.join("journal.db").exists(), "a question makes no file");
        for number in 1..=100 {
            disk.add(entry(number), bounds(60, u64::MAX));
        }
        disk.flush().await;
        drop(disk);
        let disk = Disk::start(&folder.0);
        assert_eq!(numbers(&disk.since(0, 999).await), (40..=100).collect::<Vec<_>>());
        assert_eq!(numbers(&disk.since(98_000, 999).await), [98, 99, 100]);
        assert_eq!(numbers(&disk.since(0, 2).await), [99, 100]);
        assert_eq!(disk.find("pm_77").await.map(|entry| entry.at_unix_ms), Some(77_000));
        assert!(disk.find("pm_7").await.is_none());
        assert_eq!((disk.dropped(), disk.trouble()), (0, None));
    }

    #[tokio::test]
    async fn it_takes_no_more_bytes_than_it_may() {
        let folder = Folder::new("bytes");
        let disk = Disk::start(&folder.0);
        for number in 1..=2_000 {
            disk.add(entry(number), bounds(1 << 30, 300_000));
            if number % 20 == 0 {
                disk.flush().await;
            }
        }
        let kept = disk.since(0, 9_999).await;
        assert_eq!(kept.last().map(|entry| entry.at_unix_ms), Some(2_000_000));
        assert!((100..400).contains(&kept.len()), "{}", kept.len());
        let bytes = std::fs::metadata(folder.0.join("journal.db")).expect("the file").len();
        assert!(bytes < 1_000_000, "{bytes}");
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_costs_entries_and_no_more() {
        let folder = Folder::new("none");
        let place = folder.0.join("gone");
        let disk = Disk::start(&place);
        for number in 1..=10 {
            disk.add(entry(number), bounds(60, u64::MAX));
        }
        disk.flush().await;
        assert_eq!(disk.dropped(), 10);
        assert!(disk.trouble().is_some_and(|why| why.contains("journal.db")), "{:?}", disk.trouble());
        std::fs::create_dir_all(&place).expect("a folder");
        disk.add(entry(11), bounds(60, u64::MAX));
        assert_eq!(numbers(&disk.since(0, 99).await), [11]);
        assert_eq!((disk.dropped(), disk.trouble()), (10, None), "it goes on by itself");
        drop(disk);
        // Its thread goes a moment later, and takes this file with it.
        while place.join("journal.db-wal").exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        std::fs::write(place.join("journal.db"), [7; 100_000]).expect("damage");
        let disk = Disk::start(&place);
        disk.add(entry(12), bounds(60, u64::MAX));
        assert_eq!(numbers(&disk.since(0, 99).await), [12], "what was damaged is set aside");
    }
}
