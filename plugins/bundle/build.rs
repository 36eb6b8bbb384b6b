//! Builds every plugin below `plugins/policies` and `plugins/adapters` to a component and embeds it.
//!
//! Packagers who must not run cargo inside cargo, or have no WebAssembly target, set `POINTSMAN_PLUGINS_DIR` to a folder
//! with one `NAME.wasm` for each plugin and a `SHA256SUMS` file as `sha256sum *.wasm` writes it; the digests are checked.
//!
//! Embeds the SDK's sources as well, for `pointsman plugin new`: see `sdk.rs`.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

mod sdk;

const PREBUILT: &str = "POINTSMAN_PLUGINS_DIR";

fn main() {
    if let Err(message) = run() {
        // One error with a name and a remedy, rather than a panic with a backtrace.
        println!("cargo::error={}", message.replace('\n', " "));
    }
}

fn run() -> Result<(), String> {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=sdk.rs");
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("this crate stands at the root")?.to_path_buf();
    let workspace = plugins.parent().ok_or("plugins/ stands at the root")?.to_path_buf();
    for watched in ["wit", "plugins/sdk", "plugins/policies", "plugins/adapters", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    let names = names(&plugins)?;
    let components = match env::var_os(PREBUILT) {
        Some(folder) => prebuilt(Path::new(&folder), &names)?,
        None => {
            let paths = pointsman_build::build(&workspace, &names)?;
            names.iter().zip(paths).map(|(name, path)| component(name, path)).collect::<Result<_, _>>()?
        }
    };
    let texts = [
        ("CONTRACT", "The contract, a folder of WIT", sdk::contract(&workspace)?),
        ("POLICY_SDK", "What a policy's project needs of the SDK", sdk::for_policies(&workspace)?),
        ("ADAPTER_SDK", "What an adapter's project needs of it", sdk::for_adapters(&workspace)?),
    ];
    embed(&components, &texts)
}

struct Component {
    name: String,
    path: PathBuf,
    sha256: String,
}

/// A plugin is a folder, and its package has the folder's name.
fn names(plugins: &Path) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for kind in ["policies", "adapters"] {
        let folder = plugins.join(kind);
        for entry in fs::read_dir(&folder).map_err(|error| format!("reading {}: {error}", folder.display()))? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.join("Cargo.toml").is_file() {
                names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

fn prebuilt(folder: &Path, names: &[String]) -> Result<Vec<Component>, String> {
    let sums_path = folder.join("SHA256SUMS");
    println!("cargo::rerun-if-changed={}", sums_path.display());
    let sums = fs::read_to_string(&sums_path)
        .map_err(|error| format!("{PREBUILT}: reading {}: {error}", sums_path.display()))?;
    let mut components = Vec::new();
    for name in names {
        let file = format!("{name}.wasm");
        let expected = sums
            .lines()
            .filter_map(|line| line.split_once(char::is_whitespace))
            .find(|(_, listed)| listed.trim_start_matches([' ', '*']) == file)
            .map(|(digest, _)| digest.to_ascii_lowercase())
            .ok_or_else(|| format!("{PREBUILT}: {} does not list {file}", sums_path.display()))?;
        println!("cargo::rerun-if-changed={}", folder.join(&file).display());
        let component = component(name, folder.join(&file))?;
        if component.sha256 != expected {
            return Err(format!("{PREBUILT}: {file} has digest {}, but SHA256SUMS says {expected}", component.sha256));
        }
        components.push(component);
    }
    Ok(components)
}

fn component(name: &str, path: PathBuf) -> Result<Component, String> {
    let bytes = fs::read(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    let mut sha256 = String::new();
    for byte in Sha256::digest(&bytes) {
        write!(sha256, "{byte:02x}").map_err(|error| error.to_string())?;
    }
    let path = path.canonicalize().map_err(|error| format!("finding {}: {error}", path.display()))?;
    Ok(Component { name: name.to_owned(), path, sha256 })
}

fn embed(components: &[Component], texts: &[(&str, &str, Vec<sdk::Text>)]) -> Result<(), String> {
    let mut source = String::from("/// Every built-in plugin, by name.\npub const BUNDLED: &[Bundled] = &[\n");
    for Component { name, path, sha256 } in components {
        let path = path.display().to_string();
        writeln!(source, "    Bundled {{ name: {name:?}, sha256: {sha256:?}, bytes: include_bytes!({path:?}) }},")
            .map_err(|error| error.to_string())?;
    }
    source.push_str("];\n");
    for (name, what, files) in texts {
        write!(source, "\n/// {what}: where a file goes, and its text.\npub const {name}: &[(&str, &str)] = &[\n")
            .map_err(|error| error.to_string())?;
        for (path, text) in files {
            writeln!(source, "    ({path:?}, {text:?}),").map_err(|error| error.to_string())?;
        }
        source.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("bundled.rs");
    fs::write(&out, source).map_err(|error| format!("writing {}: {error}", out.display()))
}
