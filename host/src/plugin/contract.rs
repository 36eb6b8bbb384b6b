//! Which version of the contract a component was built against, and whether this host serves it.

use std::fmt;

use anyhow::{bail, ensure};

/// Every interface's name begins so, and ends in `@` and the version.
const PACKAGE: &str = "pointsman:plugin/";
/// Major and minor.
const CURRENT: [u64; 2] = [0, 2];
const PREVIOUS: [u64; 2] = [0, 1];

/// A version that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// What the whole host speaks.
    Current,
    /// The one before: `previous.rs` stands between.
    Previous,
}

impl fmt::Display for Contract {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor] = match self {
            Contract::Current => CURRENT,
            Contract::Previous => PREVIOUS,
        };
        write!(formatter, "{major}.{minor}.0")
    }
}

/// The full name of an interface.
pub fn export(interface: &str) -> String {
    format!("{PACKAGE}{interface}@{}", Contract::Current)
}

/// The contract behind a component's exports, and the names of the interfaces of it, such as `policy`; none when they are not ours.
///
/// # Errors
/// They are of a version that is not served, or of several.
pub fn find(exports: &[String]) -> anyhow::Result<Option<(Contract, Vec<&str>)>> {
    let ours = exports.iter().filter_map(|export| export.strip_prefix(PACKAGE)?.split_once('@'));
    let (interfaces, versions): (Vec<&str>, Vec<&str>) = ours.unzip();
    let Some(first) = versions.first() else { return Ok(None) };
    let contract = served(first)?;
    for version in &versions {
        ensure!(
            served(version)? == contract,
            "it exports interfaces of two versions of the contract, {first} and {version}: build it against one of them"
        );
    }
    Ok(Some((contract, interfaces)))
}

/// As semver has it: a patch version adds interfaces and changes none, so that older and newer ones are served alike.
fn served(version: &str) -> anyhow::Result<Contract> {
    let numbers = version.splitn(3, '.').map(str::parse::<u64>).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    let newer = match *numbers.as_slice() {
        [major, minor, _] if [major, minor] == CURRENT => return Ok(Contract::Current),
        [major, minor, _] if [major, minor] == PREVIOUS => return Ok(Contract::Previous),
        [major, minor, _] => [major, minor] > CURRENT,
        // `0.3.0-draft` is nobody's promise.
        _ => false,
    };
    bail!(
        "it was built against version {version} of the contract, and this Pointsman serves {} and {}: build it anew with \
         this Pointsman's SDK ({}; `pointsman plugin new` brings it along){}",
        Contract::Current,
        Contract::Previous,
        env!("CARGO_PKG_VERSION"),
        if newer {
            ", or load it into a newer Pointsman"
        } else {
            ", or keep it in the Pointsman that it was built for"
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exports: &[&str]) -> anyhow::Result<Option<(Contract, usize)>> {
        let exports: Vec<String> = exports.iter().map(|export| (*export).to_owned()).collect();
        Ok(find(&exports)?.map(|(contract, interfaces)| (contract, interfaces.len())))
    }

    #[test]
    fn patch_versions_are_served_alike() {
        let both = ["pointsman:plugin/policy@0.2.0", "pointsman:plugin/about@0.2.0", "init"];
        assert_eq!(of(&both).expect("served"), Some((Contract::Current, 2)));
        for version in ["0.1.0", "0.1.7"] {
            let export = format!("pointsman:plugin/provider@{version}");
            assert_eq!(of(&[&export]).expect("served"), Some((Contract::Previous, 1)));
        }
        assert_eq!(of(&["wasi:cli/run@0.2.0", "init"]).expect("not ours"), None);
    }

    #[test]
    fn unknown_versions_are_refused_in_a_sentence() {
        let said = |version: &str| {
            let error = of(&[&format!("pointsman:plugin/policy@{version}")]).expect_err(version).to_string();
            assert!(error.contains(&format!("against version {version} of")) && error.contains("0.2.0 and 0.1.0"));
            error
        };
        for version in ["0.3.0", "1.0.0", "0.12.0", "10.0.1"] {
            assert!(said(version).ends_with("or load it into a newer Pointsman"), "{version}");
        }
        for version in ["0.0.9", "0.2.0-draft", "two"] {
            assert!(said(version).ends_with("or keep it in the Pointsman that it was built for"), "{version}");
        }
    }

    #[test]
    fn one_component_has_one_version() {
        let error = of(&["pointsman:plugin/policy@0.1.0", "pointsman:plugin/policy@0.2.0"]).expect_err("two");
        assert!(error.to_string().contains("0.1.0 and 0.2.0: build it against one of them"), "{error}");
        assert!(of(&["pointsman:plugin/policy@0.2.0", "pointsman:plugin/about@0.3.0"]).is_err());
    }
}
