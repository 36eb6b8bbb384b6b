//! Opening a database, and what to do when its file is damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, ErrorCode};

/// Writers of this process never meet; a person who looks with another program may hold it for a moment.
const BUSY_MAX: Duration = Duration::from_secs(2);

/// What a database is made of.
#[derive(Clone, Copy)]
pub struct Schema {
    /// One more with each change of the tables.
    pub version: i64,
    /// SQL that makes them.
    pub tables: &'static str,
    /// So that it can be looked through whenever it is opened. Of others damage is found when it is met.
    pub is_small: bool,
}

/// A database that is open.
pub struct Opened {
    pub connection: Connection,
    /// Its tables were made just now: it holds nothing of what was before, if anything was.
    pub is_new: bool,
}

/// Open a database, or make it. One that is damaged is set aside, and a new one begun.
///
/// # Errors
/// What the disk says, or that a later version of the program wrote it.
pub fn open(path: &Path, schema: Schema) -> anyhow::Result<Opened> {
    let was_empty = fs::metadata(path).is_ok_and(|metadata| metadata.len() == 0);
    let opened = match try_open(path, schema) {
        Err(error) if error.downcast_ref().is_some_and(is_damage) => {
            let aside = set_aside(path).with_context(|| format!("{error}; setting {} aside", path.display()))?;
            tracing::error!(
                "{} is damaged ({error}): it is {} now, and a new one begins",
                path.display(),
                aside.display()
            );
            try_open(path, schema)
        }
        opened => opened,
    }
    .with_context(|| format!("opening {}", path.display()))?;
    // To SQLite an empty file is as good as none.
    if was_empty && opened.is_new {
        tracing::error!("{} was there, and empty: what it held is lost, and a new one begins", path.display());
    }
    Ok(opened)
}

fn try_open(path: &Path, schema: Schema) -> anyhow::Result<Opened> {
    let Schema { version, tables, is_small } = schema;
    // SQLite would make it readable for everybody; what it makes beside it gets the same mode. Where that fails it says why.
    let _ = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    ensure!(found <= version, "a later version of Pointsman wrote it: give this one another folder, or update it");
    let verdict = match is_small {
        true => connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?,
        false => "ok".to_owned(),
    };
    if verdict != "ok" {
        let damage = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(damage, Some(verdict)).into());
    }
    if found < version {
        connection.execute_batch(&format!("BEGIN; {tables} PRAGMA user_version = {version}; COMMIT;"))?;
    }
    Ok(Opened { connection, is_new: found == 0 })
}

/// The file itself is to blame, and not what is around it.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// One that was set aside before is replaced: it was not missed.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    let aside = beside(".damaged");
    fs::rename(path, &aside)?;
    for ending in ["-journal", "-wal", "-shm"] {
        // Most of them are not there.
        let _ = fs::remove_file(beside(ending));
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    const THINGS: Schema = Schema { version: 1, tables: "CREATE TABLE things (name TEXT);", is_small: true };

    #[test]
    fn a_damaged_file_is_set_aside_and_a_later_one_left_alone() {
        let folder = std::env::temp_dir().join(format!("pointsman-sqlite-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("x.db");
        let add = |connection: &Connection| connection.execute("INSERT INTO things VALUES ('a')", []).expect("a row");
        let count = |connection: &Connection| -> i64 {
            connection.query_row("SELECT count(*) FROM things", [], |row| row.get(0)).expect("a count")
        };
        let opened = || open(&path, THINGS).expect("a database");
        add(&opened().connection);
        assert_eq!((count(&opened().connection), opened().is_new), (1, false));
        let whole = fs::read(&path).expect("its bytes");
        let header = [&b"no database"[..], &whole[11..]].concat();
        let page = [&whole[..4096], &[0xa5; 4096]].concat();
        for damaged in [header, page, b"short".to_vec()] {
            fs::write(&path, &damaged).expect("damage");
            let Opened { connection, is_new } = opened();
            assert_eq!((count(&connection), is_new), (0, true));
            assert_eq!(fs::read(folder.join("x.db.damaged")).expect("the old one"), damaged);
        }
        opened().connection.pragma_update(None, "user_version", 2).expect("a later version");
        let error = open(&path, THINGS).map(drop).expect_err("it is left alone");
        assert!(format!("{error:#}").contains("a later version"), "{error:#}");
        fs::remove_dir_all(&folder).expect("the folder");
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Faults: F141
    #[test]
    fn an_empty_file_is_reported() {
        let path = std::env::temp_dir().join(format!("pointsman-empty-{}.db", std::process::id()));
        fs::write(&path, []).expect("an empty file");
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || open(&path, THINGS).map(drop).expect("a new one"));
        let log = String::from_utf8(log.0.lock().expect("no panic").clone()).expect("text");
        assert!(log.contains("was there, and empty"), "{log}");
        fs::remove_file(&path).expect("the file");
    }
}
