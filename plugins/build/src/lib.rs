//! Builds plugins from source to WebAssembly components: cargo with the right target, profile and linker. [`build`] does so
//! from inside a build script, and `pointsman plugin build` for an author's own project.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What plugins are compiled for: nothing of an operating system is in it.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Build these packages of the workspace; the files' paths come back in the same order.
///
/// # Errors
/// A sentence for the person who builds. When the WebAssembly target is missing, it names the command that installs it.
pub fn build(workspace: &Path, names: &[String]) -> Result<Vec<PathBuf>, String> {
    if !has_target(workspace)? {
        return Err(format!(
            "the built-in plugins need the WebAssembly target, which is not installed. Run `rustup target add {TARGET}` \
             and build again (packagers can hand in prebuilt ones: see plugins/bundle/build.rs)"
        ));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    // target/<profile>/build/<package>/out: one folder beside the profiles serves them all.
    let target = out.ancestors().nth(4).unwrap_or(&out).join("plugins");
    let mut cargo = cargo(workspace);
    cargo.args(["--locked", "--quiet"]);
    cargo.arg("--target-dir").arg(&target);
    for name in names {
        cargo.args(["--package", name]);
    }
    for name in ["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|error| format!("starting cargo for the built-in plugins: {error}"))?;
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        return Err("building the built-in plugins failed; cargo's own words are above".to_owned());
    }
    let built = target.join(TARGET).join("plugin");
    Ok(names.iter().map(|name| built.join(format!("{}.wasm", name.replace('-', "_")))).collect())
}

/// `cargo build` in this folder, for components.
pub fn cargo(folder: &Path) -> Command {
    let cargo_home =
        env::var("CARGO_HOME").or_else(|_| env::var("HOME").map(|home| home + "/.cargo")).unwrap_or_default();
    // Paths of this machine would otherwise stand in the panic messages, and the bytes would differ on every machine.
    let flags =
        [format!("--remap-path-prefix={cargo_home}=/cargo"), format!("--remap-path-prefix={}=/src", folder.display())];
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(folder).args(["build", "--profile", "plugin", "--target", TARGET]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-component-ld");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    // What holds for an outer build (clippy as the compiler, coverage flags) must not reach this one.
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC"] {
        cargo.env_remove(name);
    }
    cargo
}

/// Is the WebAssembly target of the toolchain installed that is used in this folder?
///
/// # Errors
/// When there is no Rust compiler at all.
pub fn has_target(folder: &Path) -> Result<bool, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("starting rustc (Rust comes from https://rustup.rs): {error}"))?;
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}
