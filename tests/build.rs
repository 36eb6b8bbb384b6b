//! Builds the plugins that tests use: the examples, those that misbehave, and those that tell all they see.

use std::env;
use std::path::Path;

const GUESTS: [&str; 11] = [
    "night-shift",
    "plain-provider",
    "plain-client",
    "hostile",
    "hostile-codec",
    "rogue",
    "spy",
    "spy-codec",
    "turns",
    "unfit",
    "versioned",
];

fn main() {
    let Some(workspace) = Path::new(env!("CARGO_MANIFEST_DIR")).parent() else { return };
    for watched in
        ["wit", "plugins/sdk", "examples/policies/night-shift", "examples/adapters", "tests/guests", "Cargo.lock"]
    {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    match pointsman_build::build(workspace, &GUESTS.map(str::to_owned)) {
        Ok(paths) => paths.iter().zip(GUESTS).for_each(|(path, name)| export(name, path)),
        Err(message) => println!("cargo::error={}", message.replace('\n', " ")),
    }
}

fn export(name: &str, path: &Path) {
    println!("cargo::rustc-env=GUEST_{}={}", name.replace('-', "_").to_uppercase(), path.display());
}
