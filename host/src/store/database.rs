//! Slots and their changes in SQLite. Each save is one transaction that holds all slots, so that what is found after a crash is
//! what stood before a change or after it, and a save that failed is made good by the next.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;

use super::change::{CHANGES_MAX, Change, SavedSlot};
use super::sqlite::{self, Schema};

const SCHEMA: Schema = Schema { version: 1, tables: TABLES, is_small: true };
const TABLES: &str = "
    CREATE TABLE changes (number INTEGER PRIMARY KEY AUTOINCREMENT, slot TEXT NOT NULL, body TEXT NOT NULL);
    CREATE INDEX changes_of_slot ON changes (slot);
    CREATE TABLE slots (name TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE versions (slot TEXT NOT NULL, sha256 TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (slot, sha256));
";
/// Versions of each slot whose bytes are kept, besides those that stand in it: so far one can go back.
const VERSIONS_MAX: usize = 10;

/// See the module.
pub struct Database {
    path: PathBuf,
    connection: Connection,
}

/// What it holds when it is opened.
#[derive(Debug, Default)]
pub struct Past {
    pub changes: Vec<Change>,
    pub slots: Vec<SavedSlot>,
}

impl Database {
    /// # Errors
    /// Why it cannot be read.
    pub fn open(path: &Path) -> anyhow::Result<(Database, Past)> {
        let connection = sqlite::open(path, SCHEMA)?;
        let changes = rows(&connection, "SELECT body FROM changes ORDER BY number")?;
        let slots = rows(&connection, "SELECT body FROM slots ORDER BY name")?;
        Ok((Database { path: path.to_owned(), connection }, Past { changes, slots }))
    }

    /// Write down what changed and all slots; gives the digests of all versions that are wanted from now on.
    ///
    /// # Errors
    /// Why nothing was written.
    pub fn save(&mut self, changes: &[Change], slots: &[SavedSlot]) -> anyhow::Result<BTreeSet<String>> {
        match self.try_save(changes, slots) {
            Err(error) if error.downcast_ref().is_some_and(sqlite::is_damage) => {
                let (reopened, _) = Database::open(&self.path)?;
                *self = reopened;
                self.try_save(changes, slots)
            }
            saved => saved,
        }
    }

    fn try_save(&mut self, changes: &[Change], slots: &[SavedSlot]) -> anyhow::Result<BTreeSet<String>> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            let body = serde_json::to_string(change)?;
            transaction.execute("INSERT INTO changes (slot, body) VALUES (?1, ?2)", params![change.slot, body])?;
            transaction.execute(
                "DELETE FROM changes WHERE slot = ?1 AND number NOT IN
                 (SELECT number FROM changes WHERE slot = ?1 ORDER BY number DESC LIMIT ?2)",
                params![change.slot, CHANGES_MAX as i64],
            )?;
        }
        transaction.execute("DELETE FROM slots", [])?;
        let mut wanted = BTreeSet::new();
        for slot in slots {
            let body = serde_json::to_string(slot)?;
            transaction.execute("INSERT INTO slots (name, body) VALUES (?1, ?2)", params![slot.name, body])?;
            for version in slot.versions().filter(|version| !version.built_in) {
                wanted.insert(version.sha256.clone());
                transaction.execute(
                    "INSERT INTO versions (slot, sha256, used)
                     VALUES (?1, ?2, (SELECT ifnull(max(used), 0) + 1 FROM versions))
                     ON CONFLICT DO UPDATE SET used = excluded.used",
                    params![slot.name, version.sha256],
                )?;
            }
            transaction.execute(
                "DELETE FROM versions WHERE slot = ?1 AND sha256 NOT IN
                 (SELECT sha256 FROM versions WHERE slot = ?1 ORDER BY used DESC LIMIT ?2)",
                params![slot.name, VERSIONS_MAX as i64],
            )?;
        }
        let digests: Vec<String> = {
            let mut statement = transaction.prepare("SELECT sha256 FROM versions")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        wanted.extend(digests);
        transaction.commit()?;
        Ok(wanted)
    }
}

/// A row that cannot be understood costs no more than itself.
fn rows<R: DeserializeOwned>(connection: &Connection, query: &str) -> anyhow::Result<Vec<R>> {
    let mut statement = connection.prepare(query)?;
    let bodies = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut found = Vec::new();
    for body in bodies {
        match serde_json::from_str(&body?) {
            Ok(row) => found.push(row),
            Err(error) => tracing::error!("a row of the state cannot be understood, and is left out: {error}"),
        }
    }
    Ok(found)
}
