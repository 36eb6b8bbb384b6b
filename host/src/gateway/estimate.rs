//! How many tokens a request has, when no provider will count them: a guess, and marked as one.

use bytes::Bytes;

use super::exchange::Exchange;
use super::refusal::fault;
use super::unwritten::{Call, Unwritten};
use crate::plugin::bindings::chat::{Event, Finish, Finished, Part, Request, ResultPart, Usage};
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// English has about four letters for a token, and so has JSON, roughly.
const BYTES_PER_TOKEN: usize = 4;
/// About what Claude counts for an image of a megapixel.
const MEDIA_TOKENS: usize = 1500;
/// What stands around a message and a tool.
const FRAME_TOKENS: usize = 4;

/// The reply to a caller who asked for a count.
///
/// # Errors
/// What is wrong with the request.
pub async fn reply(exchange: &Exchange) -> Result<Bytes, Fault> {
    let reading = exchange.reading().await?;
    let usage = Usage { input: tokens(&reading.request), output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };
    let finished = Finished { reason: Finish::Stop, stop_sequence: None };
    let events = [Event::Usage(usage), Event::Finished(finished)];
    let no_codec = || fault(FaultKind::AdapterFailed, "the plugin has no client side");
    let codec = exchange.endpoint.codec().ok_or_else(no_codec)?;
    let (operation, memory) = (&exchange.endpoint.operation, &reading.memory);
    match codec.write(operation, false, memory, &events, true).await {
        Ok(written) => Ok(written.bytes.into()),
        Err(failed) => {
            let call = Call { operation, stream: false, memory, events: &events, ended: true, is_first: true };
            Unwritten::of(exchange).note(&exchange.endpoint.plugin, &failed, call).await;
            Err(fault(FaultKind::AdapterFailed, failed.to_string()))
        }
    }
}

fn tokens(request: &Request) -> u64 {
    let mut tokens = 0;
    for message in &request.messages {
        tokens += FRAME_TOKENS;
        for part in &message.parts {
            tokens += match part {
                Part::Text(text) => text.text.len() / BYTES_PER_TOKEN,
                Part::Media(_) => MEDIA_TOKENS,
                Part::Reasoning(reasoning) => reasoning.text.len() / BYTES_PER_TOKEN,
                Part::ToolCall(call) => FRAME_TOKENS + (call.name.len() + call.arguments.len()) / BYTES_PER_TOKEN,
                Part::ToolResult(result) => result.content.iter().map(result_tokens).sum(),
            };
        }
    }
    for tool in &request.tools {
        let text = tool.name.len() + tool.description.as_ref().map_or(0, String::len) + tool.parameters.len();
        tokens += FRAME_TOKENS + text / BYTES_PER_TOKEN;
    }
    tokens.max(1) as u64
}

fn result_tokens(part: &ResultPart) -> usize {
    match part {
        ResultPart::Text(text) => text.text.len() / BYTES_PER_TOKEN,
        ResultPart::Media(_) => MEDIA_TOKENS,
    }
}
