//! What each provider's error replies mean.

use pointsman::plugin::bindings::provider::{Header, ReplyHead};
use pointsman::plugin::bundled;
use serde_json::Value;

use super::files::{entries, fixtures, json, stem};
use super::replies::adapter_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_is_understood() {
    let mut wrong = Vec::new();
    for wire in entries(&fixtures("errors")) {
        let plugin = bundled(adapter_of(&stem(&wire))).await.expect("built in");
        let codec = plugin.codec.as_ref().expect("an adapter");
        for case in entries(&wire) {
            let given = json(&case);
            let headers = given["headers"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| Header { name: name.clone(), value: value.as_str().expect("text").to_owned() });
            let status = u16::try_from(given["status"].as_u64().expect("a status")).expect("a status");
            let head = ReplyHead { status, headers: headers.collect() };
            let body = match &given["body"] {
                Value::String(text) => text.clone(),
                body => body.to_string(),
            };
            let fault = codec.classify("chat", &head, body.as_bytes()).await.expect("an answer");
            let kind = kebab(&format!("{:?}", fault.kind).replace("FaultKind::", ""));
            let name = format!("{}/{}", stem(&wire), stem(&case));
            if given["expect"] != *kind.as_str() {
                wrong.push(format!("{name}: {} expected, not {kind} ({})", given["expect"], fault.message));
            }
            if given["retry_after_ms"].as_u64() != fault.retry_after_ms {
                wrong.push(format!(
                    "{name}: wait {:?} expected, not {:?}",
                    given["retry_after_ms"], fault.retry_after_ms
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `RateLimited` is `rate-limited`, `rate-limited` itself.
fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}
