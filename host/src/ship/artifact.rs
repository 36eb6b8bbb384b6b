//! How a plugin lies in a registry: the layout that the CNCF's guidance for WebAssembly gives (a configuration of imports and
//! exports, one layer with the component), so that `wkg`, `oras` and others read it. They take no second layer, so a
//! signature is an annotation. The same plugin makes the same bytes, whoever pushes it, and when.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, ensure};
use serde::{Deserialize, Serialize};

use super::Digest;
use crate::plugin::{COMPONENT_BYTES_MAX, Plugin};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const COMPONENT: &str = "application/wasm";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
const DESCRIPTION: &str = "org.opencontainers.image.description";
/// The text of the file `FILE.minisig`.
const SIGNATURE: &str = "pointsman.plugin.minisig";
/// Ours have one; others write whole changelogs into annotations.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// As much as a signature beside a file may have.
pub const SIGNATURE_BYTES_MAX: usize = 8 << 10;

/// What people are told of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub name: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
}

/// Ready to be pushed.
pub struct Artifact {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

/// What a manifest says.
#[derive(Debug)]
pub struct Layout {
    pub component: Digest,
    pub bytes: usize,
    pub about: About,
    pub signature: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: [String; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

impl Artifact {
    /// # Errors
    /// When a text is too long.
    pub fn new(plugin: &Plugin, about: &About, signature: Option<&str>) -> anyhow::Result<Artifact> {
        let component = Digest::parse(&plugin.sha256).map_err(|text| anyhow!(text))?;
        let config = serde_json::to_vec(&Config {
            // The layout wants a time, and a time would give each push another digest.
            created: "1970-01-01T00:00:00Z",
            architecture: "wasm",
            // What the layout says of every component.
            os: "wasip2",
            layer_digests: [component.to_string()],
            component: Component { exports: &plugin.exports, imports: &plugin.imports },
        })?;
        let mut annotations = BTreeMap::new();
        let signature = signature.map(str::to_owned);
        let About { name, version, description } = about.clone();
        for (key, value) in [(TITLE, &name), (VERSION, &version), (DESCRIPTION, &description), (SIGNATURE, &signature)]
        {
            annotations.extend(value.clone().map(|value| (key.to_owned(), value)));
        }
        // `oras pull` writes the layers that have a file's name.
        let file = name.map(|name| BTreeMap::from([(TITLE.to_owned(), format!("{name}.wasm"))]));
        let manifest = serde_json::to_vec(&Manifest {
            schema_version: 2,
            media_type: Some(MANIFEST.to_owned()),
            config: Descriptor {
                media_type: CONFIG.to_owned(),
                digest: Digest::of(&config).to_string(),
                size: config.len() as u64,
                annotations: None,
            },
            layers: vec![Descriptor {
                media_type: COMPONENT.to_owned(),
                digest: component.to_string(),
                size: plugin.bytes as u64,
                annotations: file,
            }],
            annotations: Some(annotations),
        })?;
        ensure!(manifest.len() <= MANIFEST_BYTES_MAX, "its name, version and description are too long");
        Ok(Artifact { config, manifest })
    }
}

impl Layout {
    /// # Errors
    /// Why it is no manifest of a plugin.
    pub fn read(manifest: &[u8]) -> anyhow::Result<Layout> {
        let read: Manifest = serde_json::from_slice(manifest).context("it is no manifest of a package")?;
        let Manifest { schema_version, media_type, config, layers, annotations } = read;
        let mut annotations = annotations.unwrap_or_default();
        ensure!(
            schema_version == 2 && media_type.as_deref().is_none_or(|kind| kind == MANIFEST),
            "its manifest is of a kind that is not known here"
        );
        ensure!(
            config.media_type == CONFIG,
            "it is no WebAssembly package: its configuration is `{}`",
            config.media_type
        );
        let layer = match layers.as_slice() {
            [layer] => layer,
            _ => anyhow::bail!("it has {} layers, but a plugin is one", layers.len()),
        };
        ensure!(layer.media_type == COMPONENT, "its layer is `{}`, no WebAssembly", layer.media_type);
        let component = Digest::parse(&layer.digest).map_err(|text| anyhow!(text))?;
        let bytes = usize::try_from(layer.size).unwrap_or(usize::MAX);
        ensure!(
            bytes <= COMPONENT_BYTES_MAX,
            "its component has {bytes} bytes, but a plugin may have {COMPONENT_BYTES_MAX}"
        );
        let signature = annotations.remove(SIGNATURE);
        ensure!(
            signature.as_ref().is_none_or(|text| text.len() <= SIGNATURE_BYTES_MAX),
            "its signature is longer than {SIGNATURE_BYTES_MAX} bytes"
        );
        let about = About {
            name: annotations.remove(TITLE),
            version: annotations.remove(VERSION),
            description: annotations.remove(DESCRIPTION),
        };
        Ok(Layout { component, bytes, about, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn manifest() -> Value {
        let digest = format!("sha256:{}", "0f".repeat(32));
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest, "size": 2 },
            "layers": [{ "mediaType": COMPONENT, "digest": digest, "size": 9, "annotations": { TITLE: "../../p.wasm" } }],
            "annotations": { VERSION: "1.0" },
            "subject": null,
        })
    }

    #[test]
    fn what_others_push_is_read() {
        let read = Layout::read(manifest().to_string().as_bytes()).expect("a manifest");
        assert_eq!((read.bytes, read.about.version.as_deref(), read.signature), (9, Some("1.0"), None));
        assert_eq!(read.component.hex(), "0f".repeat(32));
        let mut plain = manifest();
        plain.as_object_mut().expect("an object").remove("mediaType");
        plain.as_object_mut().expect("an object").remove("annotations");
        assert!(Layout::read(plain.to_string().as_bytes()).is_ok(), "both may be left out");
    }

    #[test]
    fn what_is_no_plugin_says_why() {
        let with = |path: &str, value: Value| {
            let mut manifest = manifest();
            *manifest.pointer_mut(path).expect(path) = value;
            manifest.to_string()
        };
        let layer = manifest()["layers"][0].clone();
        let long = "x".repeat(SIGNATURE_BYTES_MAX + 1);
        for (text, why) in [
            ("<html>".to_owned(), "no manifest"),
            ("{}".to_owned(), "no manifest"),
            (json!({ "schemaVersion": 2, "manifests": [] }).to_string(), "no manifest"),
            (with("/schemaVersion", json!(1)), "a kind that is not known"),
            (with("/mediaType", json!("application/vnd.oci.image.index.v1+json")), "a kind that is not known"),
            (with("/config/mediaType", json!("application/vnd.oci.image.config.v1+json")), "no WebAssembly package"),
            (with("/layers", json!([])), "0 layers"),
            (with("/layers", json!([layer, layer])), "2 layers"),
            (with("/layers/0/mediaType", json!("application/x-tar")), "no WebAssembly"),
            (with("/layers/0/digest", json!("sha512:00")), "64 hexadecimal digits"),
            (with("/layers/0/size", json!(-1)), "no manifest"),
            (with("/layers/0/size", json!(COMPONENT_BYTES_MAX + 1)), "a plugin may have"),
            (with("/annotations", json!({ SIGNATURE: long })), "signature is longer"),
        ] {
            let error = Layout::read(text.as_bytes()).expect_err(&text);
            assert!(format!("{error:#}").contains(why), "{text}: {error:#}");
        }
    }
}
