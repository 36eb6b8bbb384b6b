//! Which targets can serve a request, by what is known of their models. A request is not sent where it cannot be served,
//! and the reason is told; what is not known holds nothing back.

use memchr::memmem;

use super::exchange::Exchange;
use super::table::Target;
use crate::facts::Facts;
use crate::plugin::bindings::chat::{MediaKind, Part, Request, ResultPart};

/// Far more bytes than prose or code has for a token: only what is surely too long is held back.
const BYTES_PER_TOKEN_MAX: usize = 8;

/// What a request asks of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Needs {
    tools: bool,
    images: bool,
    documents: bool,
    audio: bool,
    text_bytes: usize,
}

/// For each target of the route: why it cannot serve this request, if it cannot.
pub async fn judge(exchange: &Exchange) -> Vec<Option<String>> {
    let mut reasons = Vec::with_capacity(exchange.route.targets.len());
    // Who made what the request names; where nobody knows, the first that may have made it.
    let mut pinned_to: Option<(usize, bool)> = None;
    for (position, target) in exchange.route.targets.iter().enumerate() {
        let reason = unable(exchange, target).await;
        if reason.is_none() {
            let keeps = exchange.kept_by(target).is_some();
            pinned_to = pinned_to.filter(|(_, kept)| *kept || !keeps).or(Some((position, keeps)));
        }
        reasons.push(reason);
    }
    let pinned_to = pinned_to.map(|(position, _)| position);
    if let Some(field) = &exchange.asked.pinned {
        for (position, reason) in reasons.iter_mut().enumerate() {
            if reason.is_none() && Some(position) != pinned_to {
                *reason = Some(format!("`{field}` binds the request to what another target keeps"));
            }
        }
    }
    reasons
}

async fn unable(exchange: &Exchange, target: &Target) -> Option<String> {
    let (protocol, operation) = (&exchange.endpoint.protocol, &exchange.endpoint.operation);
    let Some(adapter) = exchange.adapter(target) else {
        return Some(format!("its adapter has no operation `{operation}`"));
    };
    if let Some(field) = exchange.asked.pinned.as_ref().filter(|_| adapter.description.protocol != *protocol) {
        return Some(format!("`{field}` needs a target that speaks {protocol}"));
    }
    if let Some(id) = exchange.references.unknown().filter(|_| adapter.description.protocol != *protocol) {
        return Some(format!("nothing is known here of the item `{id}`, and it keeps none"));
    }
    let facts = target.facts(&exchange.asked.model, &exchange.table.config.facts);
    if !might_lack(&facts, &exchange.body) {
        return None;
    }
    // Only now is the body worth reading. A body that cannot be read is the provider's to judge.
    let needs = Needs::of(&exchange.reading().await.ok()?.request);
    lacking(&facts, needs)
}

/// Could the facts stand against this body? Looks only at bytes, and errs towards yes.
fn might_lack(facts: &Facts, body: &[u8]) -> bool {
    let holds = |words: &[&str]| words.iter().any(|word| memmem::find(body, word.as_bytes()).is_some());
    let too_long = |tokens: u32| body.len() / BYTES_PER_TOKEN_MAX > tokens as usize;
    facts.tools == Some(false) && holds(&["tools", "functions"])
        || facts.images == Some(false) && holds(&["image", "nline", "fileData", "file_data"])
        || facts.documents == Some(false) && holds(&["document", "file", "nline"])
        || facts.audio == Some(false) && holds(&["audio"])
        || facts.context_tokens.is_some_and(too_long)
}

fn lacking(facts: &Facts, needs: Needs) -> Option<String> {
    let lacks = |known: Option<bool>, needed: bool| needed && known == Some(false);
    if lacks(facts.tools, needs.tools) {
        return Some("its model calls no tools".to_owned());
    }
    if lacks(facts.images, needs.images) {
        return Some("its model reads no images".to_owned());
    }
    if lacks(facts.documents, needs.documents) {
        return Some("its model reads no documents".to_owned());
    }
    if lacks(facts.audio, needs.audio) {
        return Some("its model hears no audio".to_owned());
    }
    let least = needs.text_bytes / BYTES_PER_TOKEN_MAX;
    let context = facts.context_tokens.filter(|context| least > *context as usize)?;
    Some(format!("its model reads {context} tokens, and the request has {least} at least"))
}

impl Needs {
    fn of(request: &Request) -> Needs {
        let mut needs = Needs { tools: !request.tools.is_empty(), ..Needs::default() };
        for part in request.messages.iter().flat_map(|message| &message.parts) {
            match part {
                Part::Text(text) => needs.text_bytes += text.text.len(),
                Part::Media(media) => needs.see(media.kind),
                Part::Reasoning(_) => {}
                Part::ToolCall(call) => needs.text_bytes += call.arguments.len(),
                Part::ToolResult(result) => {
                    for part in &result.content {
                        match part {
                            ResultPart::Text(text) => needs.text_bytes += text.text.len(),
                            ResultPart::Media(media) => needs.see(media.kind),
                        }
                    }
                }
            }
        }
        needs
    }

    fn see(&mut self, kind: MediaKind) {
        match kind {
            MediaKind::Image => self.images = true,
            MediaKind::Document => self.documents = true,
            MediaKind::Audio => self.audio = true,
            MediaKind::Video => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_stands_against_a_request() {
        let needs = Needs { tools: true, images: true, text_bytes: 8_000, ..Needs::default() };
        assert_eq!(lacking(&Facts::default(), needs), None);
        let blind = Facts { images: Some(false), tools: Some(true), ..Facts::default() };
        assert_eq!(lacking(&blind, needs).as_deref(), Some("its model reads no images"));
        assert_eq!(lacking(&blind, Needs { images: false, ..needs }), None);
        let short = Facts { context_tokens: Some(999), ..Facts::default() };
        assert!(lacking(&short, needs).is_some_and(|reason| reason.contains("999")));
        let enough = Facts { context_tokens: Some(1_000), ..Facts::default() };
        assert_eq!(lacking(&enough, needs), None);
    }
}
