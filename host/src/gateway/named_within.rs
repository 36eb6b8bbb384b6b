//! Gemini's callers name the model in the path, and some of their bodies name it once more: a batch of texts to embed in each of
//! its requests, a count in the request that it holds. Google refuses a body whose name is not that of its path, so where a route
//! gives the model another name, these change as well.

use std::ops::Range;

use bytes::Bytes;

use super::scan;
use crate::upstream::Pieces;

/// What stands before a model's name.
const COLLECTION: &str = "models/";
/// Objects that have the field.
const HOLDERS: [&str; 2] = ["generateContentRequest", "generate_content_request"];
const LISTS: [&str; 1] = ["requests"];
const FIELD: &str = "model";

/// The body with `model` where it names `asked`; `None` where it does not, or where that is the same name.
pub fn renamed(body: &Bytes, asked: &str, model: &str) -> Option<Pieces> {
    if asked == model {
        return None;
    }
    let places = places(body).into_iter().filter(|at| {
        let named = scan::text(&body[at.clone()]).unwrap_or_default();
        named.strip_prefix(COLLECTION).unwrap_or(&named) == asked
    });
    let name = format!("{COLLECTION}{}", model.strip_prefix(COLLECTION).unwrap_or(model));
    let name = Bytes::from(serde_json::Value::from(name).to_string());
    let (mut pieces, mut from) = (Vec::new(), 0);
    for at in places {
        pieces.extend([body.slice(from..at.start), name.clone()]);
        from = at.end;
    }
    if pieces.is_empty() {
        return None;
    }
    pieces.push(body.slice(from..));
    Some(Pieces::new(pieces))
}

/// Where models' names stand, in the body's order.
fn places(body: &[u8]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = scan::value_at(body, FIELD).into_iter().collect();
    found.extend(HOLDERS.iter().filter_map(|holder| scan::value_at(body, &format!("{holder}.{FIELD}"))));
    for list in LISTS.iter().filter_map(|list| scan::value_at(body, list)) {
        let json = &body[list.clone()];
        let within = scan::elements(json, usize::MAX).into_iter().filter_map(|element| {
            let name = scan::value_at(&json[element.clone()], FIELD)?;
            let from = list.start + element.start;
            Some(from + name.start..from + name.end)
        });
        found.extend(within);
    }
    found.sort_by_key(|at| at.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Option<String> {
        let renamed = renamed(&Bytes::copy_from_slice(body.as_bytes()), "alias", "gemini-embedding-001")?;
        Some(String::from_utf8(renamed.joined().to_vec()).expect("text"))
    }

    #[test]
    fn each_name_of_the_path_s_model_changes_and_all_other_bytes_stay() {
        let text = r#"{"requests" : [ {"model":"models/alias","content":{"parts":[{"text":"models/alias"}]}},
            {"content":{}, "model" : "alias"}, {"model":"models/other"}, 3 ], "n":1.50}"#;
        let expected = r#"{"requests" : [ {"model":"models/gemini-embedding-001","content":{"parts":[{"text":"models/alias"}]}},
            {"content":{}, "model" : "models/gemini-embedding-001"}, {"model":"models/other"}, 3 ], "n":1.50}"#;
        assert_eq!(told(text).as_deref(), Some(expected));
        let one = r#"{"content":{},"model":"models/alias"}"#;
        assert_eq!(told(one).as_deref(), Some(r#"{"content":{},"model":"models/gemini-embedding-001"}"#));
        let counted = r#"{"generateContentRequest":{"model":"models/alias","contents":[]}}"#;
        let expected = r#"{"generateContentRequest":{"model":"models/gemini-embedding-001","contents":[]}}"#;
        assert_eq!(told(counted).as_deref(), Some(expected));
        for other in ["", "[]", "{}", r#"{"model":"models/b"}"#, r#"{"requests":{"model":"alias"}}"#, r#"{"model":3}"#]
        {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
