//! Base URLs that look wrong. Such a provider answers every request with 404, and only then does anybody notice.

use super::provider::Adapter;

/// What looks wrong with an adapter's base URL, in a sentence for the operator. It may be right all the same: a proxy can serve
/// any path. `None` also where the adapter does not say which path it adds.
pub async fn doubt(adapter: &Adapter) -> Option<String> {
    let call = adapter.codec()?.forward(&adapter.settings, "chat", "model", false).await.ok()?.ok()?;
    let usual = adapter.description.default_base_url.as_deref().unwrap_or_default();
    let why = wrong(&adapter.base_url, usual, &call.path)?;
    Some(format!("provider `{}`: `base_url` {} {why}", adapter.provider, adapter.base_url))
}

/// `usual` is the adapter's own, and `added` what it adds to any.
fn wrong(base_url: &str, usual: &str, added: &str) -> Option<String> {
    let (base, usual) = (path(base_url), path(usual));
    let added = added.split('?').next().unwrap_or_default();
    let first = added.trim_start_matches('/').split('/').next().unwrap_or_default();
    let last = base.rsplit('/').next().unwrap_or_default();
    if base.ends_with(added) {
        return Some(format!("ends in `{added}`, which the gateway adds by itself: leave it out"));
    }
    if !last.is_empty() && last == first {
        return Some(format!("ends in `/{last}`, and the gateway adds `{added}`: leave `/{last}` out"));
    }
    (base.is_empty() && !usual.is_empty()).then(|| {
        format!(
            "has no path, and the gateway adds `{added}`: servers of this protocol usually have `{usual}` before it"
        )
    })
}

/// Without a slash at its end; empty for none.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_wrong() {
        let (openai, claude) = ("https://api.openai.com/v1", "https://api.anthropic.com");
        for (base_url, usual, added, says) in [
            ("https://api.openai.com/v1", openai, "/chat/completions", None),
            ("https://host/any/path", openai, "/chat/completions", None),
            ("http://127.0.0.1:8000", openai, "/chat/completions", Some("no path")),
            ("http://127.0.0.1:8000/", openai, "/chat/completions", Some("no path")),
            ("https://host/v1/chat/completions", openai, "/chat/completions", Some("ends in `/chat/completions`")),
            ("https://api.anthropic.com", claude, "/v1/messages", None),
            ("https://api.anthropic.com/v1", claude, "/v1/messages", Some("ends in `/v1`")),
            ("https://api.anthropic.com/v1/messages", claude, "/v1/messages", Some("ends in `/v1/messages`")),
            ("https://host/proxy", claude, "/v1/messages", None),
        ] {
            let said = wrong(base_url, usual, added);
            assert_eq!(said.is_some(), says.is_some(), "{base_url}: {said:?}");
            assert!(said.unwrap_or_default().contains(says.unwrap_or_default()), "{base_url}");
        }
    }
}
