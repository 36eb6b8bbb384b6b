//! An item's content: one string, or a list of parts.

use super::unsupported;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, Media, MediaKind, Part, ResultPart, Source, Text};
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

/// What a tool gave back.
pub fn result_parts(at: &str, value: Value) -> Result<Vec<ResultPart>, Fault> {
    let parts = parts(at, value)?.into_iter().enumerate().map(|(position, part)| match part {
        Part::Text(text) => Ok(ResultPart::Text(text)),
        Part::Media(media) => Ok(ResultPart::Media(media)),
        Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
            Err(wrong(format!("{at}[{position}]"), "text, an image or a file"))
        }
    });
    parts.collect()
}

fn part(mut fields: Fields) -> Result<Part, Fault> {
    let kind = fields.string("type")?;
    match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            let text = fields.string("text")?;
            // Notes on words that were already said.
            fields.take("annotations");
            fields.take("logprobs");
            Ok(Part::Text(Text { text, extras: fields.rest() }))
        }
        // The model's own words in an earlier turn.
        "refusal" => {
            let text = fields.string("refusal")?;
            let kind = Extra { name: "type".into(), value: "\"refusal\"".into() };
            Ok(Part::Text(Text { text, extras: std::iter::once(kind).chain(fields.rest()).collect() }))
        }
        "input_image" => image(fields).map(Part::Media),
        "input_file" => file(fields).map(Part::Media),
        _ => Err(unsupported(fields.at("type"), format!("content of type `{kind}` cannot be said to other providers"))),
    }
}

fn image(mut fields: Fields) -> Result<Media, Fault> {
    let (url, id) = (fields.optional_string("image_url")?, fields.optional_string("file_id")?);
    let (mime, source) = match (url, id) {
        (Some(url), _) => at_url(&fields.at("image_url"), url)?,
        (None, Some(id)) => (String::new(), Source::FileId(id)),
        (None, None) => return Err(wrong(fields.path(), "an image with image_url or file_id")),
    };
    Ok(Media { kind: MediaKind::Image, mime, source, title: None, extras: fields.rest() })
}

fn file(mut fields: Fields) -> Result<Media, Fault> {
    let title = fields.optional_string("filename")?;
    let data = fields.optional_string("file_data")?;
    let (url, id) = (fields.optional_string("file_url")?, fields.optional_string("file_id")?);
    let (mime, source) = match (data, url, id) {
        (Some(data), ..) if data.starts_with("data:") => data_url(&fields.at("file_data"), &data)?,
        (Some(data), ..) => {
            let is_pdf = title.as_deref().is_none_or(|name| name.to_ascii_lowercase().ends_with(".pdf"));
            let mime = if is_pdf { "application/pdf" } else { "" };
            (mime.into(), base64_bytes(&fields.at("file_data"), &data)?)
        }
        (None, Some(url), _) => at_url(&fields.at("file_url"), url)?,
        (None, None, Some(id)) => (String::new(), Source::FileId(id)),
        (None, None, None) => return Err(wrong(fields.path(), "a file with file_data, file_url or file_id")),
    };
    Ok(Media { kind: MediaKind::Document, mime, source, title, extras: fields.rest() })
}

fn at_url(at: &str, url: String) -> Result<(String, Source), Fault> {
    if url.starts_with("data:") {
        data_url(at, &url)
    } else if url.starts_with("https://") || url.starts_with("http://") {
        Ok((String::new(), Source::Url(url)))
    } else {
        Err(wrong(at, "an https: or data: URL"))
    }
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
