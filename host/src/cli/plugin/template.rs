//! What a new project consists of. Policies begin as `examples/policies/night-shift`, which the tests build and compare in
//! every language; adapters as those in `examples/adapters`. Only names and paths are changed on the way.

use pointsman_bundle::{ADAPTER_SDK, CONTRACT, POLICY_SDK};

use super::language::Language;

/// Where a file goes in the project, and its text.
pub type File = (String, String);

macro_rules! example {
    ($folder:literal: $($path:literal)+) => {
        &[$(($path, include_str!(concat!("../../../../examples/", $folder, "/", $path)))),+]
    };
}

type Texts = &'static [(&'static str, &'static str)];

const RUST: Texts = example!("policies/night-shift": "Cargo.toml" "src/lib.rs" "src/tests.rs");
const JAVASCRIPT: Texts = example!("policies/night-shift-js": "package.json" ".npmrc" "policy.js" "policy.test.js");
const TYPESCRIPT: Texts = example!(
    "policies/night-shift-ts": "package.json" ".npmrc" "tsconfig.json" "contract.ts" "policy.ts" "policy.test.ts"
);
const PYTHON: Texts =
    example!("policies/night-shift-python": "build.sh" "requirements.txt" "policy.py" "test_policy.py");
const C: Texts = example!("policies/night-shift-c": "Makefile" "policy.c" "policy.test.c");
const CASES: Texts = example!("policies": "cases/night.toml");
const PROVIDER: Texts = example!(
    "adapters/plain-provider": "Cargo.toml" "src/lib.rs" "src/reply.rs" "src/tests.rs" "cases/plain.toml"
);
const CLIENT: Texts = example!(
    "adapters/plain-client": "Cargo.toml" "src/lib.rs" "src/reply.rs" "src/tests.rs" "cases/plain.toml"
);

/// The folder of the SDK's copy.
const SDK_FOLDER: &str = "pointsman-sdk";
/// What the tools of all languages make.
const IGNORED: &str = "/target\n/node_modules\n/build\n/bindings\n/.venv\n__pycache__\n*.wasm\n";

/// All files of a policy's project.
pub fn policy(name: &str, language: Language) -> Vec<File> {
    let own = match language {
        Language::Rust => RUST,
        Language::Javascript => JAVASCRIPT,
        Language::Typescript => TYPESCRIPT,
        Language::Python => PYTHON,
        Language::C => C,
    };
    let mut files = project("night-shift", name, &[own, CASES].concat());
    let contract = match language {
        Language::Rust => format!("{SDK_FOLDER}/wit"),
        Language::Javascript | Language::Typescript | Language::Python | Language::C => "wit".to_owned(),
    };
    files.extend(match language {
        Language::Rust => sdk(POLICY_SDK),
        Language::Javascript | Language::Typescript | Language::Python | Language::C => below(&contract, CONTRACT),
    });
    let readme = include_str!("template/README.md").replace("{{contract}}", &contract);
    let readme = readme.replace("{{language}}", language.name()).replace("{{source}}", language.source());
    files.push(("README.md".to_owned(), named(&readme.replace("{{tests}}", language.tests()), name)));
    files
}

/// All files of an adapter's project: for an API of a provider.
pub fn provider(name: &str) -> Vec<File> {
    const MORE: &str = "
    [providers.mine]
    adapter = \"{{name}}\"
    base_url = \"http://127.0.0.1:5000\"
    key = \"${MY_KEY}\"

    [models.\"my-*\"]
    targets = [\"mine/*\"]
";
    adapter(
        "plain-provider",
        name,
        PROVIDER,
        &[("what", "An adapter for a provider's API"), ("interface", "provider"), ("more", MORE)],
    )
}

/// The same, for a protocol of callers.
pub fn client(name: &str) -> Vec<File> {
    const MORE: &str = "\nCallers then ask the gateway at the path that `describe` tells.\n";
    adapter(
        "plain-client",
        name,
        CLIENT,
        &[("what", "A protocol of callers"), ("interface", "client-protocol"), ("more", MORE)],
    )
}

fn adapter(example: &str, name: &str, own: Texts, words: &[(&str, &str)]) -> Vec<File> {
    let readme = words.iter().fold(include_str!("template/adapter.md").to_owned(), |text, (word, said)| {
        text.replace(&format!("{{{{{word}}}}}"), said)
    });
    let mut files = project(example, name, own);
    files.extend(sdk(ADAPTER_SDK));
    files.push(("README.md".to_owned(), named(&readme, name)));
    files
}

/// An example under another name, as a project of its own.
fn project(example: &str, name: &str, own: &[(&str, &str)]) -> Vec<File> {
    let moved = |(path, text): &(&str, &str)| {
        let text = text.replace(example, name).replace(&file(example), &file(name)).replace("NightShift", "MyPolicy");
        let mut text = text.replace("../../../plugins/sdk", SDK_FOLDER).replace("../../../wit", "wit");
        if *path == "Cargo.toml" {
            text.push_str(include_str!("template/workspace.toml.txt"));
        }
        ((*path).to_owned(), text)
    };
    let ignored = (".gitignore".to_owned(), IGNORED.to_owned());
    own.iter().map(moved).chain([ignored]).collect()
}

fn sdk(texts: &[(&str, &str)]) -> Vec<File> {
    let readme = (format!("{SDK_FOLDER}/README.md"), named(include_str!("template/sdk.md"), ""));
    let contract = below(&format!("{SDK_FOLDER}/wit"), CONTRACT);
    below(SDK_FOLDER, texts).into_iter().chain(contract).chain([readme]).collect()
}

fn below(folder: &str, texts: &[(&str, &str)]) -> Vec<File> {
    texts.iter().map(|(path, text)| (format!("{folder}/{path}"), (*text).to_owned())).collect()
}

fn named(text: &str, name: &str) -> String {
    let text = text.replace("{{name}}", name).replace("{{file}}", &file(name));
    text.replace("{{version}}", env!("CARGO_PKG_VERSION"))
}

/// The component's name, without its ending.
fn file(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of all projects there are.
    fn all() -> Vec<(&'static str, Vec<File>)> {
        let languages = [Language::Rust, Language::Javascript, Language::Typescript, Language::Python, Language::C];
        let policies = languages.map(|language| (language.name(), policy("day-and-night", language)));
        policies
            .into_iter()
            .chain([("provider", provider("day-and-night")), ("client", client("day-and-night"))])
            .collect()
    }

    #[test]
    fn nothing_of_the_repository_is_left_in_a_project() {
        for (what, files) in all() {
            let mut paths: Vec<&String> = files.iter().map(|(path, _)| path).collect();
            paths.sort();
            paths.dedup();
            assert_eq!(paths.len(), files.len(), "{what}");
            assert!(files.iter().any(|(path, _)| path.ends_with("wit/faults.wit")), "{what}");
            assert!(!files.iter().any(|(path, _)| path.contains("wit/0.")), "{what}: only the current contract");
            for (path, text) in &files {
                for foreign in ["../../", "{{", "night-shift", "night_shift", "NightShift", "plain-", "plain_"] {
                    assert!(!text.contains(foreign), "{what}: `{foreign}` in {path}");
                }
            }
        }
    }

    #[test]
    fn the_sdk_goes_along_as_far_as_it_is_needed_and_stands_alone() {
        for (what, files) in all() {
            let text = |name: &str| {
                files.iter().find(|(path, _)| path == &format!("pointsman-sdk/{name}")).map(|(_, text)| text.as_str())
            };
            let Some(manifest) = text("Cargo.toml") else { continue };
            assert!(!manifest.contains("workspace") && manifest.contains("wit-bindgen = "), "{what}: {manifest}");
            let is_policys = what == "Rust";
            assert_eq!(text("src/codec.rs").is_none(), is_policys, "{what}");
            assert_eq!(text("src/lib.rs").is_some_and(|text| text.contains("codec")), !is_policys, "{what}");
            assert_eq!(manifest.contains("postcard"), !is_policys, "{what}");
            assert_eq!(text("adapter/src/client.rs").is_some(), !is_policys, "{what}");
        }
    }
}
