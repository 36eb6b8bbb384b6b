//! A message's content: one string, or a list of parts.

use super::{left_of, unsupported};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Media, MediaKind, Part, Source, Text};
use pointsman_sdk::json::{self, Fields, wrong};
use serde_json::Value;

/// Callers are not all careful about the `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub fn parts(at: &str, value: Value) -> Result<Vec<Part>, Fault> {
    match value {
        Value::String(text) => Ok(vec![Part::Text(Text { text, extras: Vec::new() })]),
        Value::Array(_) => {
            let items = json::items(at, value)?;
            items.into_iter().map(|(at, item)| part(Fields::new(at, item)?)).collect()
        }
        _ => Err(wrong(at, "a string or an array of parts")),
    }
}

fn part(mut fields: Fields) -> Result<Part, Fault> {
    let kind = fields.string("type")?;
    match kind.as_str() {
        "text" => {
            let text = fields.string("text")?;
            Ok(Part::Text(Text { text, extras: fields.rest() }))
        }
        "refusal" => {
            let text = fields.string("refusal")?;
            Ok(Part::Text(refusal(text, fields.rest())))
        }
        "image_url" => image(fields).map(Part::Media),
        "input_audio" => audio(fields).map(Part::Media),
        "file" => file(fields).map(Part::Media),
        _ => Err(unsupported(fields.at("type"), format!("content of type `{kind}` cannot be said to other providers"))),
    }
}

/// The model's own words in an earlier turn. Others have no part for them but text.
pub fn refusal(text: String, mut extras: Vec<Extra>) -> Text {
    extras.push(Extra { name: "type".into(), value: "\"refusal\"".into() });
    Text { text, extras }
}

fn image(mut fields: Fields) -> Result<Media, Fault> {
    let at = fields.at("image_url");
    let mut image = match fields.required("image_url")? {
        // Several servers take the URL alone.
        url @ Value::String(_) => Fields::new(at, serde_json::json!({"url": url}))?,
        object => Fields::new(at, object)?,
    };
    let url = image.string("url")?;
    let (mime, source) = if url.starts_with("data:") {
        data_url(&image.at("url"), &url)?
    } else if url.starts_with("https://") || url.starts_with("http://") {
        (String::new(), Source::Url(url))
    } else {
        return Err(wrong(image.at("url"), "an https: or data: URL"));
    };
    let detail = image.take("detail").map(|detail| Extra { name: "detail".into(), value: detail.to_string() });
    let extras = detail.into_iter().chain(fields.rest()).chain(left_of("image_url", image)).collect();
    Ok(Media { kind: MediaKind::Image, mime, source, title: None, extras })
}

fn audio(mut fields: Fields) -> Result<Media, Fault> {
    let mut audio = Fields::new(fields.at("input_audio"), fields.required("input_audio")?)?;
    let source = base64_bytes(&audio.at("data"), &audio.string("data")?)?;
    let mime = match audio.string("format")?.as_str() {
        "mp3" => "audio/mpeg".into(),
        format => format!("audio/{format}"),
    };
    let extras = fields.rest().into_iter().chain(left_of("input_audio", audio)).collect();
    Ok(Media { kind: MediaKind::Audio, mime, source, title: None, extras })
}

fn file(mut fields: Fields) -> Result<Media, Fault> {
    let mut file = Fields::new(fields.at("file"), fields.required("file")?)?;
    let title = file.optional_string("filename")?;
    // With the data, the id is one more field that only OpenAI knows.
    let data = file.optional_string("file_data")?;
    let id = if data.is_none() { file.optional_string("file_id")? } else { None };
    let (mime, source) = match (data, id) {
        (Some(data), _) if data.starts_with("data:") => data_url(&file.at("file_data"), &data)?,
        (Some(data), _) => {
            let is_pdf = title.as_deref().is_none_or(|name| name.to_ascii_lowercase().ends_with(".pdf"));
            let mime = if is_pdf { "application/pdf" } else { "" };
            (mime.into(), base64_bytes(&file.at("file_data"), &data)?)
        }
        (None, Some(id)) => (String::new(), Source::FileId(id)),
        (None, None) => return Err(wrong(file.path(), "a file with file_data or file_id")),
    };
    let extras = fields.rest().into_iter().chain(left_of("file", file)).collect();
    Ok(Media { kind: MediaKind::Document, mime, source, title, extras })
}

/// `data:image/png;base64,…`
fn data_url(at: &str, url: &str) -> Result<(String, Source), Fault> {
    let parsed = url.strip_prefix("data:").and_then(|rest| rest.split_once(','));
    let Some((head, data)) = parsed.filter(|(head, _)| head.ends_with(";base64")) else {
        return Err(wrong(at, "a data: URL in base64"));
    };
    // Between the type and `base64` there may be parameters, such as a character set.
    let mime = head.split(';').next().unwrap_or_default();
    Ok((mime.to_ascii_lowercase(), base64_bytes(at, data)?))
}

fn base64_bytes(at: &str, data: &str) -> Result<Source, Fault> {
    BASE64.decode(data.trim_ascii()).map(Source::Bytes).map_err(|_| wrong(at, "valid base64"))
}
