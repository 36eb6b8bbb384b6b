//! Slots and their changes in SQLite. Each save is one transaction that holds all slots, so that what is found after a crash is
//! what stood before a change or after it, and a save that failed is made good by the next.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;

use super::change::{CHANGES_MAX, Change, SavedSlot};
use super::folder::Folder;
use super::sqlite::{self, Opened, Schema};

const SCHEMA: Schema = Schema { version: 1, tables: TABLES, is_small: true };
const TABLES: &str = "
    CREATE TABLE changes (number INTEGER PRIMARY KEY AUTOINCREMENT, slot TEXT NOT NULL, body TEXT NOT NULL);
    CREATE INDEX changes_of_slot ON changes (slot);
    CREATE TABLE slots (name TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE versions (slot TEXT NOT NULL, sha256 TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (slot, sha256));
";
/// Versions of each slot whose bytes are kept, besides those that stand in it: so far one can go back.
const VERSIONS_MAX: usize = 10;
/// The slot, in `versions`, of those that were found by their files after the database was lost: nobody knows where they stood.
const UNKNOWN: &str = "";

/// See the module.
pub struct Database {
    folder: Arc<Folder>,
    connection: Connection,
}

/// What it holds when it is opened.
#[derive(Debug, Default)]
pub struct Past {
    pub changes: Vec<Change>,
    pub slots: Vec<SavedSlot>,
    pub versions: Versions,
}

/// Which versions are kept, by their digests.
#[derive(Debug, Default)]
pub struct Versions {
    of_slots: BTreeSet<(String, String)>,
    /// Of those, nobody knows in which slot they were.
    found: BTreeSet<String>,
}

impl Versions {
    /// It was in this slot, or may have been.
    pub fn may_have_been_in(&self, slot: &str, sha256: &str) -> bool {
        self.found.contains(sha256) || self.of_slots.contains(&(slot.to_owned(), sha256.to_owned()))
    }
}

impl Database {
    /// # Errors
    /// Why it cannot be read.
    pub fn open(folder: &Arc<Folder>) -> anyhow::Result<(Database, Past)> {
        let Opened { mut connection, is_new } = sqlite::open(&folder.rollouts(), SCHEMA)?;
        if is_new {
            adopt(&mut connection, &folder.find(""), &folder.read_slots().unwrap_or_default())?;
        }
        let changes = rows(&connection, "SELECT body FROM changes ORDER BY number")?;
        let slots = rows(&connection, "SELECT body FROM slots ORDER BY name")?;
        let versions = versions(&connection)?;
        Ok((Database { folder: Arc::clone(folder), connection }, Past { changes, slots, versions }))
    }

    /// Write down what changed and all slots; gives the digests of all versions that are wanted from now on.
    ///
    /// # Errors
    /// Why nothing was written.
    pub fn save(&mut self, changes: &[Change], slots: &[SavedSlot]) -> anyhow::Result<BTreeSet<String>> {
        let saved = match self.try_save(changes, slots) {
            Err(error) if error.downcast_ref().is_some_and(sqlite::is_damage) => {
                let (reopened, _) = Database::open(&self.folder)?;
                *self = reopened;
                self.try_save(changes, slots)?
            }
            saved => saved?,
        };
        // The database holds the change already.
        if let Err(error) = self.folder.write_slots(slots) {
            tracing::error!(
                "the copy of the slots, for the day on which the database is lost, is not up to date: {error:#}"
            );
        }
        Ok(saved)
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
                let is_known_now = "DELETE FROM versions WHERE slot = ?1 AND sha256 = ?2";
                transaction.execute(is_known_now, params![UNKNOWN, version.sha256])?;
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

/// The database before was lost, and these files were not: they are kept, so that an operator can go back to them. The slots stand as
/// their copy says; without it as the configuration says.
fn adopt(connection: &mut Connection, digests: &[String], slots: &[SavedSlot]) -> anyhow::Result<()> {
    if digests.is_empty() && slots.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for slot in slots {
        let body = serde_json::to_string(slot)?;
        transaction.execute("INSERT OR REPLACE INTO slots (name, body) VALUES (?1, ?2)", params![slot.name, body])?;
    }
    for sha256 in digests {
        let mut its = slots.iter().filter(|slot| slot.versions().any(|version| version.sha256 == *sha256)).peekable();
        let insert = "INSERT OR IGNORE INTO versions (slot, sha256, used) VALUES (?1, ?2, 0)";
        if its.peek().is_none() {
            transaction.execute(insert, params![UNKNOWN, sha256])?;
        }
        for slot in its {
            transaction.execute(insert, params![slot.name, sha256])?;
        }
    }
    transaction.commit()?;
    let stand = if slots.is_empty() { "the configuration says" } else { "they stood before" };
    tracing::warn!(
        versions = digests.len(),
        "the database of the state is new, and versions of plugins lie beside it: they are kept, the slots stand as {stand}, \
         and `pointsman plugin rollback NAME --to DIGEST` brings another version back"
    );
    Ok(())
}

fn versions(connection: &Connection) -> anyhow::Result<Versions> {
    let mut statement = connection.prepare("SELECT slot, sha256 FROM versions")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut versions = Versions::default();
    for row in rows {
        match row? {
            (slot, sha256) if slot == UNKNOWN => drop(versions.found.insert(sha256)),
            of_slot => drop(versions.of_slots.insert(of_slot)),
        }
    }
    Ok(versions)
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
