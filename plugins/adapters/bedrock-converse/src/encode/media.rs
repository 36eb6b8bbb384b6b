//! Images, documents, video and audio. Bedrock takes bytes, and wants to be told their format in its own words.

use super::{Notes, unsupported};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Media, MediaKind, Source};
use serde_json::{Value, json};

const NAME_CHARS_MAX: usize = 200;

/// Media type, and Bedrock's word for it.
const FORMATS: [(MediaKind, &str, &str); 31] = [
    (MediaKind::Image, "image/png", "png"),
    (MediaKind::Image, "image/jpeg", "jpeg"),
    (MediaKind::Image, "image/jpg", "jpeg"),
    (MediaKind::Image, "image/gif", "gif"),
    (MediaKind::Image, "image/webp", "webp"),
    (MediaKind::Document, "application/pdf", "pdf"),
    (MediaKind::Document, "text/csv", "csv"),
    (MediaKind::Document, "text/html", "html"),
    (MediaKind::Document, "text/markdown", "md"),
    (MediaKind::Document, "text/plain", "txt"),
    (MediaKind::Document, "application/msword", "doc"),
    (MediaKind::Document, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    (MediaKind::Document, "application/vnd.ms-excel", "xls"),
    (MediaKind::Document, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    (MediaKind::Video, "video/mp4", "mp4"),
    (MediaKind::Video, "video/quicktime", "mov"),
    (MediaKind::Video, "video/webm", "webm"),
    (MediaKind::Video, "video/x-matroska", "mkv"),
    (MediaKind::Video, "video/x-flv", "flv"),
    (MediaKind::Video, "video/mpeg", "mpeg"),
    (MediaKind::Video, "video/x-ms-wmv", "wmv"),
    (MediaKind::Video, "video/3gpp", "three_gp"),
    (MediaKind::Audio, "audio/mpeg", "mp3"),
    (MediaKind::Audio, "audio/mp3", "mp3"),
    (MediaKind::Audio, "audio/wav", "wav"),
    (MediaKind::Audio, "audio/flac", "flac"),
    (MediaKind::Audio, "audio/ogg", "ogg"),
    (MediaKind::Audio, "audio/opus", "opus"),
    (MediaKind::Audio, "audio/aac", "aac"),
    (MediaKind::Audio, "audio/mp4", "mp4"),
    (MediaKind::Audio, "audio/webm", "webm"),
];

pub fn block(media: &Media, path: &str, notes: &mut Notes) -> Result<Value, Fault> {
    let Source::Bytes(bytes) = &media.source else {
        return Err(unsupported(path, "Bedrock takes media only as bytes"));
    };
    let known = FORMATS.iter().find(|(kind, mime, _)| *kind == media.kind && *mime == media.mime);
    let format = match known {
        Some((_, _, format)) => *format,
        None if media.kind == MediaKind::Document && media.mime.starts_with("text/") => "txt",
        None => return Err(unsupported(path, &format!("Bedrock does not take `{}`", media.mime))),
    };
    let mut fields = json!({ "format": format });
    let name = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Document => {
            fields["name"] = document_name(media.title.as_deref(), notes).into();
            "document"
        }
    };
    fields["source"] = json!({ "bytes": STANDARD.encode(bytes) });
    Ok(json!({ name: fields }))
}

/// Every document has a name that no other has: letters, digits, single spaces, hyphens, parentheses and brackets.
fn document_name(title: Option<&str>, notes: &mut Notes) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "-()[]".contains(c);
    let title: String = title.unwrap_or_default().chars().map(|c| if is_legal(c) { c } else { ' ' }).collect();
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = if title.is_empty() { "document".to_owned() } else { title };
    // Documents of one title are numbered on from the last one.
    let last = notes.document_numbers.entry(title.clone()).or_default();
    let names = &mut notes.document_names;
    let numbered = (*last + 1..).map(|number: u32| {
        *last = number;
        let number = if number == 1 { String::new() } else { format!(" {number}") };
        // All of it is ASCII by now.
        let kept: String = title.chars().take(NAME_CHARS_MAX - number.len()).collect();
        format!("{}{number}", kept.trim_end())
    });
    let mut free = numbered.filter(|name| names.insert(name.clone()));
    free.next().unwrap_or_default()
}
