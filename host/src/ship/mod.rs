//! Where packages come from and go to: files, HTTPS with a digest, registries (OCI artifacts). A package is a component and,
//! where it has one, its signature; what it is, its digest says.

mod artifact;
mod digest;
mod login;
mod reference;
mod registry;
mod shelf;
mod transport;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use hyper::{StatusCode, Uri};

use crate::plugin::{COMPONENT_BYTES_MAX, Compiler, Plugin, signature};

use artifact::{Artifact, Layout, SIGNATURE_BYTES_MAX};
use registry::{Found, Registry};
use transport::{Ask, Transport, is_loopback, shown};

pub use artifact::About;
pub use digest::Digest;
pub use reference::Reference;
pub use shelf::{Kind, Shelf};

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    File(PathBuf),
    /// With the component's digest.
    Url(Uri, Digest),
    /// In a registry.
    Package(Reference),
}

/// What was fetched.
#[derive(Clone, Debug)]
pub struct Package {
    pub component: Bytes,
    pub signature: Option<String>,
    /// Of a registry's package: its name with its digest.
    pub pinned: Option<Reference>,
    pub about: About,
}

impl Place {
    /// A file's path, `https://…` or `oci://…`. `sha256` is the component's, if it was given.
    ///
    /// # Errors
    /// What is wrong with it, or that a URL comes without a digest.
    pub fn parse(text: &str, sha256: Option<&Digest>) -> Result<Place, String> {
        if text.starts_with("oci://") {
            return Reference::parse(text).map(Place::Package);
        }
        match text.contains("://") {
            true => {
                let digest = sha256.ok_or("what a URL gives can change, so it needs a digest: its `sha256`")?;
                Ok(Place::Url(url(text)?, digest.clone()))
            }
            false => Ok(Place::File(text.into())),
        }
    }

    /// Changes when what is meant changes. Absent for a file, whose content can change.
    pub fn pin(&self) -> Option<&Digest> {
        match self {
            Place::File(_) => None,
            Place::Url(_, digest) => Some(digest),
            Place::Package(reference) => reference.digest.as_ref(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(formatter, "{}", path.display()),
            Place::Url(url, _) => formatter.write_str(&shown(url)),
            Place::Package(reference) => write!(formatter, "{reference}"),
        }
    }
}

/// A URL of a component.
///
/// # Errors
/// What is wrong with it, without the URL: a password or a token may stand in it.
pub fn url(text: &str) -> Result<Uri, String> {
    let like = "it must be like https://host/path.wasm, without a user";
    let url: Uri = text.parse().map_err(|_| like.to_owned())?;
    let host = url.host().filter(|_| !text.contains('@')).ok_or(like)?;
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_loopback(host) => Ok(url),
        Some("http") => Err("it is plain HTTP, by which plugins come only from this machine: use https".to_owned()),
        _ => Err(like.to_owned()),
    }
}

/// Fetch it, from the shelf if it is there. `insecure`: registries may be asked by plain HTTP.
///
/// # Errors
/// Why it was not fetched, or that it is not what its digest says.
pub async fn fetch(place: &Place, shelf: &Shelf, insecure: bool) -> anyhow::Result<Package> {
    match place {
        Place::File(path) => of_file(path).await,
        Place::Url(url, digest) => of_url(url, digest, shelf).await,
        Place::Package(reference) => {
            of_registry(reference, shelf, insecure).await.with_context(|| format!("pulling {reference}"))
        }
    }
}

/// Push a component and its signature. What `about` leaves out is what its author packed into it. Gives the package's name
/// with its digest, and what its tag meant before.
///
/// # Errors
/// When it is no plugin, or what the registry refused.
pub async fn push(
    component: &[u8],
    signature: Option<&str>,
    about: &About,
    reference: &Reference,
    insecure: bool,
    compiler: &Compiler,
) -> anyhow::Result<(Reference, Option<Reference>)> {
    ensure!(reference.digest.is_none(), "the digest comes of what is pushed: give REGISTRY/REPOSITORY:TAG");
    ensure!(
        signature.is_none_or(|text| text.len() <= SIGNATURE_BYTES_MAX),
        "the signature is longer than {SIGNATURE_BYTES_MAX} bytes"
    );
    let plugin = Plugin::load_by(compiler, "pushed", component).await.context("it is no plugin")?;
    let artifact = Artifact::new(&plugin, &of_author(about, &plugin, reference), signature)?;
    let transport = Transport::new(insecure)?;
    let mut registry = Registry::new(&transport, reference, "pull,push").await?;
    let pushed = async {
        let before = registry.find().await?.map(|found| reference.pinned(&found.digest));
        let digest = registry.push(&artifact, component).await?;
        anyhow::Ok((reference.pinned(&digest), before))
    };
    pushed.await.with_context(|| format!("pushing {reference}"))
}

fn of_author(about: &About, plugin: &Plugin, reference: &Reference) -> About {
    let packed = plugin.package.as_ref();
    let or = |given: &Option<String>, packed: Option<&String>| {
        given.clone().or_else(|| packed.filter(|text| !text.is_empty()).cloned())
    };
    let word = reference.repository.rsplit('/').next().map(str::to_owned);
    About {
        name: or(&about.name, packed.map(|packed| &packed.name)).or(word),
        version: or(&about.version, packed.map(|packed| &packed.version)),
        description: or(&about.description, packed.map(|packed| &packed.description)),
    }
}

async fn of_file(path: &Path) -> anyhow::Result<Package> {
    let component = tokio::fs::read(path).await.with_context(|| format!("reading {}", path.display()))?;
    let signature = signature::beside(path).await?;
    Ok(Package { component: component.into(), signature, pinned: None, about: About::default() })
}

async fn of_url(url: &Uri, digest: &Digest, shelf: &Shelf) -> anyhow::Result<Package> {
    let package = |component, signature| Package { component, signature, pinned: None, about: About::default() };
    if let Some(component) = shelf.get(digest, Kind::Component) {
        return Ok(package(component.into(), kept_signature(digest, shelf)));
    }
    let transport = Transport::new(false)?;
    let answer = transport.ask(Ask::get(url.clone(), COMPONENT_BYTES_MAX)).await?;
    ensure!(answer.status == StatusCode::OK, "{} answered {}", shown(url), answer.status);
    let found = Digest::of(&answer.body);
    ensure!(found == *digest, "{} is {found}, but should be {digest}", shown(url));
    // Most have none, so that there is none is no fault.
    let beside = format!("{}.minisig", shown(url)).parse().map_err(|_| anyhow!("no URL"))?;
    let beside = transport.ask(Ask::get(beside, SIGNATURE_BYTES_MAX)).await.ok();
    let signature = beside.filter(|answer| answer.status == StatusCode::OK);
    let signature = signature.and_then(|answer| String::from_utf8(answer.body.to_vec()).ok());
    keep(digest, &answer.body, signature.as_deref(), shelf);
    Ok(package(answer.body, signature))
}

async fn of_registry(reference: &Reference, shelf: &Shelf, insecure: bool) -> anyhow::Result<Package> {
    let kept = reference.digest.as_ref().and_then(|digest| {
        let manifest = shelf.get(digest, Kind::Manifest)?;
        Some(Found { manifest: manifest.into(), digest: digest.clone() })
    });
    let transport = Transport::new(insecure)?;
    let mut registry = None;
    let found = match kept {
        Some(kept) => kept,
        None => {
            let asked = registry.insert(Registry::new(&transport, reference, "pull").await?);
            let found = asked.find().await?.ok_or_else(|| anyhow!("the registry has no such package"))?;
            shelf.put(&found.digest, Kind::Manifest, &found.manifest);
            found
        }
    };
    let layout = Layout::read(&found.manifest)?;
    let component = match shelf.get(&layout.component, Kind::Component) {
        Some(kept) => kept.into(),
        None => {
            let registry = match &mut registry {
                Some(registry) => registry,
                None => registry.insert(Registry::new(&transport, reference, "pull").await?),
            };
            let component = registry.component(&layout).await?;
            keep(&layout.component, &component, None, shelf);
            component
        }
    };
    let pinned = Some(reference.pinned(&found.digest));
    Ok(Package { component, signature: layout.signature, pinned, about: layout.about })
}

fn keep(digest: &Digest, component: &[u8], signature: Option<&str>, shelf: &Shelf) {
    shelf.put(digest, Kind::Component, component);
    if let Some(signature) = signature {
        shelf.put(digest, Kind::Signature, signature.as_bytes());
    }
}

fn kept_signature(digest: &Digest, shelf: &Shelf) -> Option<String> {
    String::from_utf8(shelf.get(digest, Kind::Signature)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_place_is_is_seen_by_its_beginning() {
        let digest = Digest::of(b"");
        assert_eq!(Place::parse("a/b.wasm", None), Ok(Place::File("a/b.wasm".into())));
        assert!(matches!(Place::parse("oci://registry.example/p:1", None), Ok(Place::Package(_))));
        assert!(matches!(Place::parse("https://host.example/p.wasm", Some(&digest)), Ok(Place::Url(..))));
        assert!(matches!(Place::parse("http://127.0.0.1:1/p.wasm", Some(&digest)), Ok(Place::Url(..))));
        for (text, why) in [
            ("http://host.example/p.wasm", "plain HTTP"),
            ("http://localhost.evil.example/p.wasm", "plain HTTP"),
            ("ftp://host.example/p.wasm", "https://host/path"),
            ("https://user:password@host.example/p.wasm", "https://host/path"),
            ("https://", "https://host/path"),
        ] {
            let error = Place::parse(text, Some(&digest)).expect_err(text);
            assert!(error.contains(why) && !error.contains("password"), "{text}: {error}");
        }
        assert!(Place::parse("https://host.example/p.wasm", None).expect_err("no digest").contains("sha256"));
    }
}
