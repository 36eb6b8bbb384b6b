//! Replies that are not streamed: the same events, all at once.

use super::parts::Parts;
use super::wire::{Block, Count, ToolUse, Whole, stop_sequence};
use super::{finished, malformed};
use pointsman_adapter_sdk::Fault;
use pointsman_adapter_sdk::chat::{Event, Finish, Finished, Started, Usage};
use serde_json::value::RawValue;

/// An error is the whole reply's.
pub fn body(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let whole: Whole = serde_json::from_slice(data).map_err(|_| malformed("the body is not a message"))?;
    let content = whole.output.and_then(|output| output.message?.content);
    let content = content.ok_or_else(|| malformed("`output.message.content` is missing"))?;
    let stop_reason = whole.stop_reason.ok_or_else(|| malformed("`stopReason` is missing"))?;
    events.push(Event::Started(Started { id: String::new(), model: String::new(), created_unix_s: 0 }));
    let mut parts = Parts::default();
    for (index, block) in (0..).zip(content) {
        push(&mut parts, index, block, events)?;
        parts.end(events);
    }
    events.extend(whole.usage.map(|usage| Event::Usage(usage.chat())));
    let sequence = stop_sequence(whole.additional_model_response_fields);
    events.push(Event::Finished(finished(&stop_reason, sequence, parts.has_calls)?));
    Ok(())
}

/// The reply to `count-tokens`.
pub fn count(data: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let Count { input_tokens: input } =
        serde_json::from_slice(data).map_err(|_| malformed("the body is not a count of tokens"))?;
    events.push(Event::Usage(Usage { input, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 }));
    events.push(Event::Finished(Finished { reason: Finish::Stop, stop_sequence: None }));
    Ok(())
}

fn push(parts: &mut Parts, index: u32, block: Block, events: &mut Vec<Event>) -> Result<(), Fault> {
    if let Some(text) = block.text {
        parts.text(index, text, events);
    }
    if let Some(reasoning) = block.reasoning_content {
        if let Some(thought) = reasoning.reasoning_text {
            parts.reasoning(index, thought.text.unwrap_or_default(), events);
            parts.signature(index, &thought.signature.unwrap_or_default(), events);
        }
        if let Some(data) = reasoning.redacted_content {
            parts.redacted(data, events);
        }
    }
    if let Some(ToolUse { tool_use_id, name, input, kind: None }) = block.tool_use {
        parts.call(index, tool_use_id, name, events);
        parts.arguments(index, arguments(input), events)?;
    }
    Ok(())
}

/// Empty where there are none: a part without arguments says so in its own way.
fn arguments(input: Option<&RawValue>) -> String {
    input.map(RawValue::get).filter(|json| *json != "null").unwrap_or_default().to_owned()
}
