//! Results of tools. Gemini wants those of one turn all together, in the order of the calls, each with the tool's name.
//!
//! Media go into `functionResponse.parts` where the model is known to be a Gemini 3, which is where the API documents
//! them (<https://ai.google.dev/gemini-api/docs/function-calling#multimodal>). Older models know only text there: for
//! them, and for models of which nothing is known, media follow the results as parts of the same turn.

use std::collections::BTreeMap;

use super::{Dropped, content, tools};
use pointsman_sdk::codec::chat::{Media, ResultPart, Source, ToolCall, ToolResult};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

/// The calls of the conversation so far.
#[derive(Default)]
pub struct Calls {
    count: usize,
    /// Position and tool's name of the latest call with each id.
    latest: BTreeMap<String, (usize, String)>,
}

impl Calls {
    pub fn add(&mut self, call: &ToolCall) {
        self.latest.insert(call.id.clone(), (self.count, call.name.clone()));
        self.count += 1;
    }

    /// Position and tool's name. Some providers count the ids of each reply anew: the latest call is meant.
    fn find(&self, id: &str) -> Option<(usize, &str)> {
        self.latest.get(id).map(|(position, name)| (*position, name.as_str()))
    }
}

pub struct Answer {
    /// Of its call. Results without one stand last.
    position: usize,
    part: Value,
    /// Media that found no place in the result itself.
    media: Vec<Value>,
}

/// The results of one turn.
#[derive(Default)]
pub struct Results(Vec<Answer>);

impl Results {
    pub fn push(&mut self, answer: Answer) {
        self.0.push(answer);
    }

    pub fn append(&mut self, mut more: Results) {
        self.0.append(&mut more.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn wire(mut self) -> Vec<Value> {
        self.0.sort_by_key(|answer| answer.position);
        let (mut parts, media): (Vec<_>, Vec<_>) = self.0.into_iter().map(|answer| (answer.part, answer.media)).unzip();
        parts.extend(media.into_iter().flatten());
        parts
    }
}

pub fn result(
    result: &ToolResult,
    calls: &Calls,
    path: &str,
    is_gemini_3: bool,
    dropped: &mut Dropped,
) -> Result<Answer, Fault> {
    let call = calls.find(&result.call_id);
    let Some(name) = call.map(|(_, name)| name).or(result.name.as_deref()) else {
        let message = format!("{path} answers a call that is not in the conversation");
        return Err(fault_at(FaultKind::InvalidRequest, path, message));
    };
    let mut response = json!({});
    if !result.call_id.is_empty() {
        response["id"] = result.call_id.as_str().into();
    }
    response["name"] = tools::name(name, path)?.into();
    let mut texts = Vec::new();
    let (mut inside, mut beside) = (Vec::new(), Vec::new());
    for (i, part) in result.content.iter().enumerate() {
        match part {
            ResultPart::Text(text) => {
                dropped.extras(&text.extras, &mut Value::Null);
                texts.push(text.text.as_str());
            }
            ResultPart::Media(media) if dropped.speaks_gemini || is_gemini_3 && fits_inside(media) => {
                inside.push(content::media(media, &format!("{path}.content[{i}]"), dropped)?);
            }
            ResultPart::Media(media) => beside.push(content::media(media, &format!("{path}.content[{i}]"), dropped)?),
        }
    }
    response["response"] = said(&texts.join("\n"), result.failed, dropped.speaks_gemini);
    if !inside.is_empty() {
        response["parts"] = inside.into();
    }
    let mut part = json!({ "functionResponse": response });
    dropped.extras(&result.extras, &mut part);
    Ok(Answer { position: call.map_or(usize::MAX, |(position, _)| position), part, media: beside })
}

/// What the API takes inside of a result.
fn fits_inside(media: &Media) -> bool {
    let mime = media.mime.as_str();
    matches!(media.source, Source::Bytes(_))
        && matches!(mime, "image/png" | "image/jpeg" | "image/jpg" | "image/webp" | "application/pdf" | "text/plain")
}

/// An object. A text that is one is sent as it is; any other stands in `result`, and that of a failure in `error`.
fn said(text: &str, failed: bool, is_own: bool) -> Value {
    let object = serde_json::from_str::<Map<String, Value>>(text).ok().map(Value::Object);
    // `$ref` would mean a part of the result, which only callers of this protocol mean.
    let object = object.filter(|object| is_own || !has_reference(object));
    match (object, failed) {
        (Some(object), true) if object.get("error").is_some() => object,
        (Some(object), true) => json!({ "error": object }),
        (Some(object), false) => object,
        (None, true) => json!({ "error": text }),
        (None, false) => json!({ "result": text }),
    }
}

fn has_reference(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("$ref") || fields.values().any(has_reference),
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
    }
}
