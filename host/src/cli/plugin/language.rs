//! The languages that plugins are written in here: what a project of each is known by, how it is built by the ordinary
//! tools of the language, and what must be there for that.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Of a new project.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Language {
    Rust,
    Javascript,
    Typescript,
    Python,
    C,
}

impl Language {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Javascript => "JavaScript",
            Language::Typescript => "TypeScript",
            Language::Python => "Python",
            Language::C => "C",
        }
    }

    /// The file that is the author's to change.
    pub fn source(self) -> &'static str {
        match self {
            Language::Rust => "src/lib.rs",
            Language::Javascript => "policy.js",
            Language::Typescript => "policy.ts",
            Language::Python => "policy.py",
            Language::C => "policy.c",
        }
    }

    /// The command for the project's own tests.
    pub fn tests(self) -> &'static str {
        match self {
            Language::Rust => "cargo test",
            Language::Javascript | Language::Typescript => "npm test",
            Language::Python => "PYTHONPATH=bindings python3 -m unittest",
            Language::C => "make test",
        }
    }
}

/// How a project is built that is not Rust's.
#[derive(Debug)]
pub struct Tools {
    /// A project that has this file is built so.
    file: &'static str,
    needs: &'static [Need],
    /// One after the other, in the project's folder; the component is then the newest `*.wasm` there.
    commands: &'static [&'static str],
}

/// What must be there.
#[derive(Debug)]
struct Need {
    /// A command that works if it is.
    probe: &'static str,
    name: &'static str,
    remedy: &'static str,
}

static TOOLS: [Tools; 3] = [
    Tools {
        file: "package.json",
        needs: &[
            Need {
                probe: "node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'",
                name: "Node 20 or newer",
                remedy: "https://nodejs.org has it; Debian 13 and newer: apt-get install nodejs npm",
            },
            Need { probe: "npm --version", name: "npm", remedy: "it comes with Node; on Debian: apt-get install npm" },
        ],
        commands: &[
            "[ node_modules -nt package.json ] || { npm install --no-audit --no-fund --loglevel=error && touch node_modules; }",
            "npm run --silent build",
        ],
    },
    Tools {
        file: "build.sh",
        needs: &[Need {
            probe: "python3 -c 'import venv, ensurepip, typing; typing.Self'",
            name: "Python 3.11 or newer with venv",
            remedy: "https://www.python.org has it; on Debian: apt-get install python3 python3-venv",
        }],
        commands: &["sh build.sh"],
    },
    Tools {
        file: "Makefile",
        needs: &[
            Need { probe: "make --version", name: "make", remedy: "on Debian: apt-get install make" },
            Need {
                probe: "${CLANG:-clang} --version",
                name: "clang",
                remedy: "on Debian: apt-get install clang; another than `clang` is named by CLANG",
            },
            Need {
                probe: "echo 'int main(void) { return 0; }' | ${CLANG:-clang} --target=wasm32-wasi -x c - -o /dev/null",
                name: "clang's linker and C library for WebAssembly",
                remedy: "on Debian: apt-get install lld wasi-libc libclang-rt-dev-wasm32",
            },
            Need {
                probe: "cargo --version && rustc --version",
                name: "Rust, which has the linker for components and builds the generator of the header",
                remedy: "it comes from https://rustup.rs",
            },
        ],
        commands: &["make --no-print-directory"],
    },
];

impl Tools {
    /// For the project in this folder.
    ///
    /// # Errors
    /// When it is none, or something is missing: what, and how it is installed.
    pub fn of(folder: &Path) -> anyhow::Result<&'static Tools> {
        let Some(tools) = TOOLS.iter().find(|tools| folder.join(tools.file).is_file()) else {
            let files: Vec<&str> = TOOLS.iter().map(|tools| tools.file).collect();
            bail!(
                "there is no project in {}: it would have a Cargo.toml, {}; make one with `pointsman plugin new NAME --policy`",
                folder.display(),
                files.join(", ")
            );
        };
        for need in tools.needs {
            let mut probe = shell(folder, need.probe);
            let found = probe.stdout(Stdio::null()).stderr(Stdio::null()).status().context("starting sh")?;
            ensure!(
                found.success(),
                "this project is built with {}, which is missing here: {}",
                need.name,
                need.remedy
            );
        }
        Ok(tools)
    }

    /// Did it work? If not, what the tools said stands on standard error.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn run(&self, folder: &Path) -> anyhow::Result<bool> {
        for command in self.commands {
            // Standard output is for what `pointsman` itself tells.
            let status = shell(folder, command).stdout(std::io::stderr()).status().context("starting sh")?;
            if !status.success() {
                eprintln!("`{command}` failed in {}", folder.display());
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn shell(folder: &Path, command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir(folder).stdin(Stdio::null());
    shell
}
