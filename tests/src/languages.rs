//! The example policy in other languages, built and tested as each folder's README says: in a copy of it below
//! `target/languages`, so that the source tree stays clean, and once, until a source changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of `examples/policies`, and what its README says to type there.
#[derive(Clone, Copy, Debug)]
pub struct Language {
    pub name: &'static str,
    pub folder: &'static str,
    build: &'static [&'static str],
    test: &'static str,
    /// What the language's own test runner prints when it ran all the tests, and they passed.
    passed: &'static str,
}

pub const JAVASCRIPT: Language = Language {
    name: "JavaScript",
    folder: "night-shift-js",
    build: &["npm install --no-audit --no-fund --loglevel=error", "npm run build"],
    test: "npm test",
    passed: "# pass 5\n",
};
pub const TYPESCRIPT: Language = Language { name: "TypeScript", folder: "night-shift-ts", ..JAVASCRIPT };
pub const PYTHON: Language = Language {
    name: "Python",
    folder: "night-shift-python",
    build: &["sh build.sh"],
    test: "PYTHONPATH=bindings python3 -m unittest",
    passed: "Ran 5 tests",
};
pub const C: Language = Language {
    name: "C",
    folder: "night-shift-c",
    build: &["make"],
    test: "make test",
    passed: "18 passed, 0 failed\n",
};
pub const LANGUAGES: [Language; 4] = [JAVASCRIPT, TYPESCRIPT, PYTHON, C];

impl Language {
    /// The component, built if it was not yet, or if its sources have changed since.
    ///
    /// # Panics
    /// With what the tools said: `tests/run` installs them.
    pub fn component(&self) -> PathBuf {
        let folder = self.copy();
        let (component, built) = (folder.join("night_shift.wasm"), folder.join("is-built"));
        if !built.exists() {
            self.build.iter().for_each(|command| drop(self.run(command)));
            File::create(built).expect("a file");
        }
        component
    }

    /// Run the language's own tests of it.
    ///
    /// # Panics
    /// With what they said, when one failed, or not all were run.
    pub fn test(&self) {
        self.component();
        let words = self.run(self.test);
        assert!(words.contains(self.passed), "{}: `{}` should say `{}`:\n{words}", self.name, self.test, self.passed);
    }

    /// The folder's copy, laid anew when a source has changed.
    fn copy(&self) -> PathBuf {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let sources = workspace.join("examples/policies").join(self.folder);
        let root = root();
        let copy = root.join("examples/policies").join(self.folder);
        // The tests of all languages run at once, and share the contract.
        let lock = File::create(root.join("lock")).expect("a lock");
        lock.lock().expect("the lock");
        let contract = files(&workspace.join("wit"));
        let contract_is_new = is_new(&contract, &root.join("wit"));
        if contract_is_new {
            let _ = fs::remove_dir_all(root.join("examples"));
            lay(&contract, &root.join("wit"));
        }
        let files = files(&sources);
        if is_new(&files, &copy) {
            let _ = fs::remove_dir_all(&copy);
            lay(&files, &copy);
        }
        copy
    }

    /// Run a command of the README in the copy; all that it said comes back.
    fn run(&self, command: &str) -> String {
        let output = Command::new("sh")
            .args(["-c", command])
            .current_dir(self.copy())
            // Outlives the copies: what `make` installs there takes a minute.
            .env("TOOLS", root().join("tools"))
            .output()
            .expect("sh");
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8_lossy(&words).into_owned();
        assert!(
            output.status.success(),
            "{}: `{command}` failed (tests/run installs what it needs; {} says what that is):\n{words}",
            self.name,
            Path::new("examples/policies").join(self.folder).join("README.md").display()
        );
        words
    }
}

/// `target/languages`, beside the profiles.
fn root() -> PathBuf {
    let program = std::env::current_exe().expect("this test's own path");
    let root = program.ancestors().nth(3).expect("target/debug/deps/languages").join("languages");
    fs::create_dir_all(&root).expect("a folder below target/");
    root
}

/// The sources in a folder: its files, as names and contents. None of the examples has folders of its own.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("a file").path()).filter(|path| path.is_file());
    // What was built by hand in the source tree is no source, and what the README says changes nothing.
    let files = files.filter(|path| path.extension().is_none_or(|extension| extension != "wasm" && extension != "md"));
    files
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect()
}

fn is_new(files: &[(String, Vec<u8>)], copy: &Path) -> bool {
    files.iter().any(|(name, bytes)| fs::read(copy.join(name)).ok().as_ref() != Some(bytes))
}

fn lay(files: &[(String, Vec<u8>)], copy: &Path) {
    fs::create_dir_all(copy).expect("a folder below target/");
    for (name, bytes) in files {
        fs::write(copy.join(name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
