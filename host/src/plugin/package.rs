//! A component with what its author says of it, in one file: name, version, description, and the cases that it has to
//! pass before it may serve (`gateway/gate.rs`). It stands in a custom section, which engines skip.

use std::ops::Range;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use wasm_encoder::{CustomSection, Section as _};
use wasmparser::{Chunk, Parser, Payload};

/// The custom section's name.
const SECTION: &str = "pointsman:package";
/// Hundreds of cases are tens of kilobytes.
const PACKAGE_BYTES_MAX: usize = 1 << 20;

/// What a component says of itself. In its section it is JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub cases: Vec<Cases>,
}

/// A file of cases, as `conformance` reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cases {
    /// Its name, such as `outage.toml`.
    pub file: String,
    /// TOML.
    pub text: String,
}

impl Package {
    /// What is in a component; nothing, when nobody made a package of it.
    ///
    /// # Errors
    /// When the section, or the component, is not as it should be.
    pub fn of(component: &[u8]) -> anyhow::Result<Option<Package>> {
        let sections = sections(component)?;
        let [(_, data)] = sections.as_slice() else {
            ensure!(sections.is_empty(), "it has {} packages in it, and can have one", sections.len());
            return Ok(None);
        };
        check(data.len())?;
        let data = component.get(data.clone()).context("the package is damaged")?;
        serde_json::from_slice(data)
            .map(Some)
            .context("its package cannot be read (`pointsman plugin build` makes one)")
    }

    /// The component with this package, in place of one that it had.
    ///
    /// # Errors
    /// When the package is too large, or the component not as it should be.
    pub fn put(&self, component: &[u8]) -> anyhow::Result<Vec<u8>> {
        let data = serde_json::to_vec(self)?;
        check(data.len())?;
        let mut packed = Self::without(component)?;
        CustomSection { name: SECTION.into(), data: data.into() }.append_to(&mut packed);
        Ok(packed)
    }

    /// The component as its compiler made it.
    ///
    /// # Errors
    /// When it is not as a component should be.
    pub fn without(component: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (mut bare, mut from) = (Vec::with_capacity(component.len()), 0);
        for (section, _) in sections(component)? {
            bare.extend_from_slice(&component[from..section.start]);
            from = section.end;
        }
        bare.extend_from_slice(&component[from..]);
        Ok(bare)
    }
}

fn check(bytes: usize) -> anyhow::Result<()> {
    ensure!(bytes <= PACKAGE_BYTES_MAX, "its package has {bytes} bytes, but may have {PACKAGE_BYTES_MAX}");
    Ok(())
}

/// Where our sections are, and the data in each. Only those of the component itself, not of what is nested in it.
fn sections(component: &[u8]) -> anyhow::Result<Vec<(Range<usize>, Range<usize>)>> {
    let mut found = Vec::new();
    let (mut parser, mut outer, mut at) = (Parser::new(0), Vec::new(), 0);
    loop {
        let chunk = parser.parse(&component[at..], true).context("the component is damaged or not valid")?;
        // With all the bytes at hand it needs no more.
        let Chunk::Parsed { consumed, payload } = chunk else { return Ok(found) };
        match payload {
            Payload::CustomSection(section) if outer.is_empty() && section.name() == SECTION => {
                let data = section.data_offset();
                found.push((at..at + consumed, data..data + section.data().len()));
            }
            Payload::ModuleSection { parser: inner, .. } | Payload::ComponentSection { parser: inner, .. } => {
                outer.push(std::mem::replace(&mut parser, inner));
            }
            Payload::End(_) => match outer.pop() {
                Some(around) => parser = around,
                None => return Ok(found),
            },
            _ => {}
        }
        at += consumed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(cases: usize) -> Package {
        let file = |number| Cases { file: format!("{number}.toml"), text: "[[case]]".to_owned() };
        let (name, version) = ("night".to_owned(), "1.2.3".to_owned());
        Package { name, version, description: String::new(), cases: (0..cases).map(file).collect() }
    }

    #[test]
    fn what_is_put_in_comes_out_and_the_last_one_counts() {
        // What a module in it has by that name is no package of the component.
        let component = wat::parse_str("(component (core module (@custom \"pointsman:package\" \"{}\")))");
        let component = component.expect("a component");
        assert_eq!(Package::of(&component).expect("none"), None);
        let one = package(1).put(&component).expect("a package");
        let two = package(2).put(&one).expect("a package");
        assert_eq!(Package::of(&one).expect("one"), Some(package(1)));
        assert_eq!(Package::of(&two).expect("one"), Some(package(2)));
        assert_eq!(package(1).put(&two).expect("a package"), one, "the same bytes again");
    }

    #[test]
    fn what_is_wrong_with_a_package_is_told() {
        let component = wat::parse_str("(component)").expect("a component");
        let with = |data: &str| {
            let mut component = component.clone();
            CustomSection { name: SECTION.into(), data: data.as_bytes().into() }.append_to(&mut component);
            component
        };
        let mut two = with("{}");
        two.extend_from_slice(&with("{}")[component.len()..]);
        let long = " ".repeat(PACKAGE_BYTES_MAX + 1);
        for (bytes, words) in [
            (with("{}"), "its package cannot be read"),
            (with(&long), "but may have 1048576"),
            (two, "2 packages"),
            (with("{}")[..20].to_vec(), "damaged"),
        ] {
            let error = format!("{:#}", Package::of(&bytes).expect_err(words));
            assert!(error.contains(words), "{error}");
        }
    }
}
