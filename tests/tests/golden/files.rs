//! The fixtures' files, and the comparison with what they said last.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A path below `fixtures`.
pub fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// The entries of a folder, by name.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = read.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}

/// `a/b/text.json` is `text`.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same JSON in the same words, whatever features of serde_json another crate of the build turns on: fields sorted,
/// numbers as Rust writes them.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => {
            let sorted: BTreeMap<String, Value> =
                fields.into_iter().map(|(name, value)| (name, canonical(value))).collect();
            sorted.into_iter().collect()
        }
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => whole.into(),
            (_, Some(whole), _) => whole.into(),
            (_, _, Some(float)) => float.into(),
            _ => Value::Number(number),
        },
        other => other,
    }
}

/// Differences from the golden files, told all at once.
#[derive(Default)]
pub struct Golden {
    differences: Vec<String>,
}

impl Golden {
    pub fn compare(&mut self, path: &str, now: &str) {
        let file = fixtures("golden").join(path);
        let golden = fs::read_to_string(&file).unwrap_or_default();
        if golden == now {
            return;
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(&file, now).expect("a golden file");
            return;
        }
        let line = golden.lines().zip(now.lines()).position(|(a, b)| a != b);
        let line = line.unwrap_or_else(|| golden.lines().count().min(now.lines().count()));
        let at = |text: &str| text.lines().nth(line).unwrap_or("(nothing)").to_owned();
        let (was, is) = (at(&golden), at(now));
        self.differences.push(format!("golden/{path}, line {}:\n  was {was}\n  is  {is}", line + 1));
    }

    /// # Panics
    /// When something differed.
    pub fn finish(self) {
        let count = self.differences.len();
        assert!(
            count == 0,
            "{count} golden files differ; if that is meant, UPDATE_GOLDEN=1 and look them through:\n{}",
            self.differences.join("\n")
        );
    }
}
