//! What an operator may set for a provider of this protocol.

use crate::platform::Platform;
use serde::Deserialize;

/// The provider's `settings` table, checked.
#[derive(Debug)]
pub struct Settings {
    /// `max_tokens` where the caller sets no limit. Matters only for requests of other protocols: in this one it is
    /// required.
    pub max_tokens: Option<u32>,
    pub platform: Platform,
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    max_tokens: Option<u32>,
    platform: Option<String>,
    region: Option<String>,
    project: Option<String>,
    location: Option<String>,
}

impl Settings {
    /// # Errors
    /// A sentence for the operator: which setting is wrong, and what it may be.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if written.max_tokens == Some(0) {
            return Err("`max_tokens` must be at least 1".into());
        }
        Ok(Settings { max_tokens: written.max_tokens, platform: platform(written)? })
    }
}

fn platform(written: Written) -> Result<Platform, String> {
    let Written { platform, region, project, location, .. } = written;
    let name = platform.as_deref().unwrap_or("anthropic");
    let belongs_to = |setting: &str, value: &Option<String>, owner: &str| match value {
        Some(_) if name != owner => Err(format!("`{setting}` is only for `platform = \"{owner}\"`")),
        _ => Ok(()),
    };
    belongs_to("region", &region, "bedrock")?;
    belongs_to("project", &project, "vertex")?;
    belongs_to("location", &location, "vertex")?;
    match name {
        "anthropic" => Ok(Platform::Anthropic),
        "bedrock" => Ok(Platform::Bedrock { region: place("region", region, "us-east-1")? }),
        "vertex" => Ok(Platform::Vertex {
            project: place("project", project, "my-project")?,
            location: place("location", location, "europe-west1")?,
        }),
        other => Err(format!("`platform` must be `anthropic`, `bedrock` or `vertex`, not `{other}`")),
    }
}

/// These stand in host names and paths, so that nothing but plain names will do. (Old projects are called
/// `example.com:name`.)
fn place(setting: &str, value: Option<String>, example: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_legal = |c: char| is_plain(c) || (setting == "project" && (c == '.' || c == ':'));
    match value {
        Some(name) if !name.is_empty() && name.chars().all(is_legal) => Ok(name),
        Some(name) => Err(format!("`{setting}` must be a name such as `{example}`, not `{name}`")),
        None => Err(format!("`{setting}` is missing: a name such as `{example}`")),
    }
}
