//! `inlineData` and `fileData`.

use super::{below, fields};
use crate::signature;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Media, MediaKind, Source};
use pointsman_sdk::json::{self, Fields};

/// None when the part is of another kind.
pub fn media(part: &mut Fields) -> Result<Option<Media>, Fault> {
    let (source, mime, title, extras) = if let Some(value) = part.take("inlineData") {
        let mut blob = fields(part.at("inlineData"), value)?;
        let data = blob.string("data")?;
        let bytes = signature::base64(&data).ok_or_else(|| json::wrong(blob.at("data"), "Base64"))?;
        let (mime, title) = (blob.string("mimeType")?, blob.optional_string("displayName")?);
        (Source::Bytes(bytes), mime, title, below("inlineData", blob).collect())
    } else if let Some(value) = part.take("fileData") {
        let mut file = fields(part.at("fileData"), value)?;
        let uri = file.string("fileUri")?;
        let (mime, title) = (file.optional_string("mimeType")?, file.optional_string("displayName")?);
        (source(uri), mime.unwrap_or_default(), title, below("fileData", file).collect())
    } else {
        return Ok(None);
    };
    let kind = kind(&mime);
    Ok(Some(Media { kind, mime, source, title, extras }))
}

/// A URL that anyone can fetch, or one that only Google makes sense of: its own files, its cloud's, and its videos.
fn source(uri: String) -> Source {
    let host = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
    let host = host.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        Some(host) if !is_googles(host) => Source::Url(uri),
        _ => Source::FileId(uri),
    }
}

fn is_googles(host: &str) -> bool {
    ["generativelanguage.googleapis.com", "youtube.com", "www.youtube.com", "youtu.be"].contains(&host)
}

fn kind(mime: &str) -> MediaKind {
    match mime.split('/').next() {
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        Some("application" | "text") => MediaKind::Document,
        _ => MediaKind::Image,
    }
}
