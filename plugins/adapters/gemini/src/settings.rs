//! What an operator may set for a provider of this protocol, and what follows from it: where calls go.

use crate::{BATCH_EMBED_CONTENTS, COUNT_TOKENS, EMBED_CONTENT, EMBEDDINGS, words};
use pointsman_sdk::codec::provider::{Auth, Call, Framing, HeaderAuth};
use serde::Deserialize;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The provider's `settings` table. Without project and location: the Gemini API of AI Studio. With both: Vertex AI.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    project: Option<String>,
    location: Option<String>,
    /// Matters only for requests that come from another protocol.
    pub schema: SchemaForm,
}

/// How schemas of tools and answers are said.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum SchemaForm {
    /// JSON Schema, in `parametersJsonSchema` and `responseJsonSchema`.
    #[default]
    Full,
    /// Google's own subset, in `parameters` and `responseSchema`, for models that do not know the other fields.
    Subset,
}

impl Settings {
    pub fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let is_host_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match (&settings.project, &settings.location) {
            (Some(_), None) => return Err("`location` is missing: Vertex AI needs it beside `project`".into()),
            (None, Some(_)) => return Err("`project` is missing: Vertex AI needs it beside `location`".into()),
            // Both go into URLs. Old projects are named `example.com:project`.
            (Some(project), _)
                if !begins_plain(project) || !project.chars().all(|c| is_host_part(c) || ".:".contains(c)) =>
            {
                return Err("`project` must be a Google Cloud project's id or number, such as `my-project-123`".into());
            }
            (_, Some(location)) if !begins_plain(location) || !location.chars().all(is_host_part) => {
                return Err("`location` must be a Google Cloud location, such as `us-central1` or `global`".into());
            }
            _ => {}
        }
        Ok(settings)
    }

    /// Project and location.
    fn vertex(&self) -> Option<(&str, &str)> {
        self.project.as_deref().zip(self.location.as_deref())
    }

    pub fn operations(&self) -> Vec<String> {
        // Vertex asks for vectors by another method, with another body.
        match self.is_vertex() {
            true => words("chat count-tokens embeddings"),
            false => words("chat count-tokens embeddings embed-content batch-embed-contents"),
        }
    }

    pub fn base_url(&self) -> String {
        match self.vertex() {
            None => "https://generativelanguage.googleapis.com".into(),
            Some((_, "global")) => "https://aiplatform.googleapis.com".into(),
            // Jurisdictions, not regions: google-genai 3.4.0 calls them so.
            Some((_, location @ ("us" | "eu"))) => format!("https://aiplatform.{location}.rep.googleapis.com"),
            Some((_, location)) => format!("https://{location}-aiplatform.googleapis.com"),
        }
    }

    pub fn auth(&self) -> Vec<Auth> {
        let header = |name: &str, prefix: &str| Auth::Header(HeaderAuth { name: name.into(), prefix: prefix.into() });
        match self.vertex() {
            None => vec![header("x-goog-api-key", "")],
            Some(_) => vec![Auth::GoogleOauth(SCOPE.into()), header("authorization", "Bearer ")],
        }
    }

    pub fn call(&self, operation: &str, model: &str, stream: bool) -> Call {
        let (method, framing) = match (operation, stream) {
            (COUNT_TOKENS, _) => ("countTokens", Framing::WholeBody),
            (EMBEDDINGS, _) if self.is_vertex() => ("predict", Framing::WholeBody),
            (EMBEDDINGS | BATCH_EMBED_CONTENTS, _) => ("batchEmbedContents", Framing::WholeBody),
            (EMBED_CONTENT, _) => ("embedContent", Framing::WholeBody),
            // Without `alt=sse` a stream is one JSON array.
            (_, true) => ("streamGenerateContent?alt=sse", Framing::Sse),
            (_, false) => ("generateContent", Framing::WholeBody),
        };
        let model = url_encoded(bare(model));
        let path = match self.vertex() {
            None => format!("/v1beta/models/{model}:{method}"),
            Some((project, location)) => {
                format!("/v1/projects/{project}/locations/{location}/publishers/google/models/{model}:{method}")
            }
        };
        Call { method: "POST".into(), path, headers: Vec::new(), framing }
    }

    pub fn is_vertex(&self) -> bool {
        self.vertex().is_some()
    }
}

/// A model's name as callers may write it, without the collection that it stands in.
pub fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

fn begins_plain(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
