//! What routing needs of a request's body: the model, whether a stream is wanted, and what binds it to one provider.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::about::About;
use super::endpoint::Endpoint;
use super::refusal::Refusal;
use super::scan;
use crate::plugin::bindings::client_protocol::Streaming;
use crate::plugin::bindings::faults::FaultKind;

/// Bytes of a model's name: it stands in paths, headers and logs.
const MODEL_BYTES_MAX: usize = 256;

/// What a body asks for.
pub struct Asked {
    pub model: String,
    /// Where the model's name stands in the body, quotes included; absent when the path names it.
    pub model_at: Option<Range<usize>>,
    pub stream: bool,
    /// The field that binds it to what one provider keeps, if there is one.
    pub pinned: Option<String>,
    /// The id in that field: of the reply under which the provider keeps it.
    pub kept: Option<String>,
    pub about: About,
}

impl Asked {
    pub fn find(body: &[u8], path: &str, endpoint: &Endpoint) -> Result<Asked, Refusal> {
        let stream_field = match &endpoint.stream {
            Streaming::Field(field) => field.as_str(),
            Streaming::Never | Streaming::Always => "",
        };
        let mut names = vec![endpoint.model_field.as_str(), stream_field];
        let outer = |field: &'_ String| field.split('.').next().unwrap_or_default().len();
        names.extend(endpoint.pinning_fields.iter().map(|field| &field[..outer(field)]));
        let pinning = names.len() - 2;
        names.extend(About::fields(endpoint));
        let mut found = scan::fields(body, &names).map_err(|text| wrong(None, text))?;
        let about = About::new(body, &found.split_off(2 + pinning));
        let mut found = found.into_iter();
        let (model_at, stream_at) = (found.next().flatten(), found.next().flatten());
        let (model, model_at) = match endpoint.path.model(path) {
            Some(model) => (percent_decode_str(model).decode_utf8().ok().map(Into::into), None),
            None => {
                let field = endpoint.model_field.as_str();
                let at = model_at.ok_or_else(|| wrong(Some(field), format!("`{field}` is missing")))?;
                (scan::text(&body[at.clone()]), Some(at))
            }
        };
        let model = model.filter(|model| is_name(model)).ok_or_else(|| {
            let text = format!("the model's name must be a string of 1 to {MODEL_BYTES_MAX} letters, and no path");
            wrong(Some(endpoint.model_field.as_str()).filter(|field| !field.is_empty()), text)
        })?;
        let stream = match (&endpoint.stream, stream_at.map(|at| &body[at])) {
            (Streaming::Always, _) => true,
            (Streaming::Never, _) | (_, None | Some(b"false" | b"null")) => false,
            (_, Some(b"true")) => true,
            _ => return Err(wrong(Some(stream_field), format!("`{stream_field}` must be true or false"))),
        };
        let set = |at: &Option<Range<usize>>| at.clone().is_some_and(|at| !matches!(&body[at], b"null" | b"false"));
        let within = |(field, at): (&'_ String, Option<Range<usize>>)| {
            let at = at?;
            let at = match field.split_once('.') {
                Some((_, inner)) => {
                    let found = scan::value_at(&body[at.clone()], inner)?;
                    at.start + found.start..at.start + found.end
                }
                None => at,
            };
            set(&Some(at.clone())).then(|| (field.clone(), at))
        };
        let pinned = endpoint.pinning_fields.iter().zip(found).find_map(within);
        let id_of = |at: &Range<usize>| {
            let value = &body[at.clone()];
            scan::text(value).or_else(|| scan::value_at(value, "id").and_then(|id| scan::text(&value[id])))
        };
        let kept = pinned.as_ref().and_then(|(_, at)| id_of(at));
        let pinned = pinned.map(|(field, _)| field);
        Ok(Asked { model, model_at, stream, pinned, kept, about })
    }
}

fn wrong(field: Option<&str>, text: String) -> Refusal {
    Refusal::of(FaultKind::InvalidRequest, field, text)
}

/// Adapters put the name into paths, where it must not lead to another place.
fn is_name(model: &str) -> bool {
    let in_bounds = !model.is_empty() && model.len() <= MODEL_BYTES_MAX;
    in_bounds && !model.contains(char::is_control) && !model.split('/').any(|piece| matches!(piece, "." | ".."))
}
