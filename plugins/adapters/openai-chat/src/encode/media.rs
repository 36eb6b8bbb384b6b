//! Images, documents and sound -> content parts of a user message.

use super::{Terms, unsupported};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Media, MediaKind, Source};
use serde_json::{Value, json};

/// `at` is the field that the fault names.
pub fn part(terms: &Terms, at: &str, media: Media) -> Result<Value, Fault> {
    if matches!(media.source, Source::FileId(_)) {
        return Err(unsupported(at, "a file uploaded to another provider does not exist at OpenAI"));
    }
    match media.kind {
        MediaKind::Image => image(terms, at, media),
        MediaKind::Document => document(at, media),
        MediaKind::Audio => audio(at, media),
        MediaKind::Video => Err(unsupported(at, "OpenAI's chat completions take no video")),
    }
}

fn image(terms: &Terms, at: &str, media: Media) -> Result<Value, Fault> {
    let url = match media.source {
        Source::Url(url) if terms.settings.media_urls => url,
        Source::Url(_) => {
            return Err(unsupported(at, "this server fetches no images: the setting `media_urls` says so"));
        }
        Source::Bytes(_) if media.mime.is_empty() => {
            return Err(unsupported(at, "the image's media type is not known, and OpenAI wants it"));
        }
        Source::Bytes(bytes) => data_url(&media.mime, &bytes),
        Source::FileId(_) => return Err(unsupported(at, "an image must be bytes or a URL")),
    };
    Ok(json!({"type": "image_url", "image_url": {"url": url}}))
}

/// PDF is a file; plain text is said as text, which every server takes.
fn document(at: &str, media: Media) -> Result<Value, Fault> {
    let Source::Bytes(bytes) = media.source else {
        return Err(unsupported(at, "OpenAI takes a document's bytes only, not its URL"));
    };
    if media.mime == "application/pdf" {
        let name = media.title.unwrap_or_else(|| "document.pdf".into());
        let data = data_url(&media.mime, &bytes);
        return Ok(json!({"type": "file", "file": {"filename": name, "file_data": data}}));
    }
    match String::from_utf8(bytes) {
        Ok(text) if media.mime.starts_with("text/") => {
            let text = match media.title {
                Some(title) => format!("{title}\n\n{text}"),
                None => text,
            };
            Ok(json!({"type": "text", "text": text}))
        }
        _ => Err(unsupported(at, format!("OpenAI takes no document of type `{}`, only PDF and text", media.mime))),
    }
}

fn audio(at: &str, media: Media) -> Result<Value, Fault> {
    let format = match media.mime.as_str() {
        "audio/wav" | "audio/x-wav" | "audio/wave" => "wav",
        "audio/mpeg" | "audio/mp3" => "mp3",
        other => return Err(unsupported(at, format!("OpenAI takes no audio of type `{other}`, only WAV and MP3"))),
    };
    let Source::Bytes(bytes) = media.source else {
        return Err(unsupported(at, "OpenAI takes audio as bytes only"));
    };
    Ok(json!({"type": "input_audio", "input_audio": {"data": STANDARD.encode(bytes), "format": format}}))
}

pub fn data_url(mime: &str, bytes: &[u8]) -> String {
    let mut url = format!("data:{mime};base64,");
    STANDARD.encode_string(bytes, &mut url);
    url
}
