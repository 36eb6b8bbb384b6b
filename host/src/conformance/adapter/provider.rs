//! What a provider's adapter says of itself.

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::super::Check;
use super::subject::Subject;
use crate::plugin::bindings::provider::{Auth, Description};
use crate::upstream::Origin;

/// Operations that are translated between protocols.
pub const TRANSLATED: [&str; 3] = ["chat", "embeddings", "count-tokens"];
/// Operations of one protocol alone, which are only forwarded.
const FORWARDED: [&str; 3] = ["compact", "embed-content", "batch-embed-contents"];

pub fn is_operation(name: &str) -> bool {
    TRANSLATED.contains(&name) || FORWARDED.contains(&name)
}

pub async fn describes(subject: &Subject<'_>) -> (Check, Option<Description>) {
    let mut check = Check::new("describes");
    let place = format!("settings {}", subject.settings);
    let described = check.note(&place, subject.describe(&subject.settings).await);
    let description = match described {
        Some(Ok(description)) => description,
        Some(Err(error)) => {
            check.fail(place, format!("{error:#}"), "it takes these settings (others: --settings)");
            return (check, None);
        }
        None => return (check, None),
    };
    for (place, text) in wrong(&description) {
        check.fail(place, text, "what `wit/provider.wit` says of it");
    }
    let url = description.default_base_url.as_deref().unwrap_or("no default base URL");
    check.told = format!("the protocol {} for {}; {url}", description.protocol, description.operations.join(", "));
    (check, Some(description))
}

/// Where, and what stands there.
fn wrong(description: &Description) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if !is_name(&description.protocol) {
        wrong.push(("protocol", format!("`{}` is no name of small letters, digits and -", description.protocol)));
    }
    if description.operations.is_empty() {
        wrong.push(("operations", "there is none".to_owned()));
    }
    for operation in description.operations.iter().filter(|name| !is_operation(name)) {
        wrong.push(("operations", format!("`{operation}` is none of {}", [TRANSLATED, FORWARDED].concat().join(", "))));
    }
    if let Some(url) = &description.default_base_url {
        let is_place = url.parse::<Uri>().is_ok_and(|url| Origin::of(&url).is_some() && url.query().is_none());
        if !is_place || url.ends_with('/') {
            wrong.push(("default-base-url", format!("`{url}` is not like https://host/path")));
        }
    }
    for auth in &description.auth {
        if let Auth::Header(header) = auth {
            let is_one = is_header(&header.name) && HeaderValue::try_from(&header.prefix).is_ok();
            if !is_one {
                wrong.push(("auth", format!("`{}: {}` is no header", header.name, header.prefix)));
            }
        }
    }
    let headers =
        [("forwarded-headers", &description.forwarded_headers), ("returned-headers", &description.returned_headers)];
    // A trailing star stands for any ending.
    let is_pattern = |name: &str| name == "*" || is_header(name.strip_suffix('*').unwrap_or(name));
    for (place, names) in headers {
        wrong.extend(
            names
                .iter()
                .filter(|name| !is_pattern(name))
                .map(|name| (place, format!("`{name}` is no header in lower case"))),
        );
    }
    let odd = description.forwarded_query.iter().filter(|name| name.is_empty() || name.contains(['&', '=', '#']));
    wrong.extend(odd.map(|name| ("forwarded-query", format!("`{name}` is no parameter's name"))));
    for limit in &description.rate_limits {
        let names = [&limit.limit, &limit.remaining, &limit.reset];
        let odd = names.into_iter().filter(|name| !name.is_empty() && !is_header(name));
        wrong.extend(odd.map(|name| ("rate-limits", format!("`{name}` is no header in lower case"))));
    }
    if description.foreign_marks.iter().any(String::is_empty) {
        wrong.push(("foreign-marks", "an empty text, which stands in every body".to_owned()));
    }
    wrong
}

pub fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    !name.is_empty() && name.chars().all(is_letter)
}

/// In lower case.
pub fn is_header(name: &str) -> bool {
    name.to_ascii_lowercase() == name && HeaderName::try_from(name).is_ok()
}

/// Settings of another shape are refused in words.
pub async fn refuses(subject: &Subject<'_>) -> Check {
    const NO_OBJECTS: [&str; 7] = ["5", "\"text\"", "true", "null", "[1, 2]", "{", ""];
    let mut check = Check::new("refuses");
    for settings in NO_OBJECTS {
        let place = format!("settings `{settings}`");
        match check.note(&place, subject.describe(settings).await) {
            Some(Ok(_)) => check.fail(place, "it takes them", "an error in words: settings are an object"),
            // What it says of settings comes as an error too, but is no fault of its.
            Some(Err(error)) if !format!("{error:#}").contains("refuses the settings: ") => {
                check.fail(place, format!("{error:#}"), "an error in words");
            }
            Some(Err(_)) | None => {}
        }
    }
    check.told = "settings that are no object, in words".to_owned();
    check
}
