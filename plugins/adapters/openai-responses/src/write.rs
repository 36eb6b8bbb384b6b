//! Events -> a response for a caller of this protocol, streamed or whole; and the errors before any reply.

mod error;
mod open;
mod reply;
mod response;
mod wire;

pub use pointsman_sdk::openai::refuse;

use crate::COUNT_TOKENS;
use crate::forms::Forms;
use pointsman_sdk::codec::chat::Event;
use pointsman_sdk::codec::client_protocol::Written;
use pointsman_sdk::codec::{FaultKind, fault, recall, remember};
use reply::Reply;
use serde_json::json;
use wire::Out;

/// What reading a request leaves for its reply.
pub fn first_memory(body: &[u8], forms: Forms) -> Vec<u8> {
    remember(&Reply::to_request(body, forms))
}

pub fn fold(operation: &str, stream: bool, memory: &[u8], events: Vec<Event>, ended: bool) -> Written {
    let mut reply: Reply = recall(memory);
    if memory.is_empty() {
        reply.follow_another();
    }
    let is_count = operation == COUNT_TOKENS;
    let mut out = Out { stream: stream && !is_count, bytes: Vec::new() };
    for event in events {
        if reply.is_over {
            break;
        }
        match event {
            Event::Finished(_) if is_count => {
                let body = json!({"object": "response.input_tokens", "input_tokens": reply.response.input_tokens()});
                out.whole(&body);
                reply.is_over = true;
            }
            event => reply.write(event, &mut out),
        }
    }
    if ended && !reply.is_over {
        // The contract's last event is missing: a caller must not take this for a whole answer.
        reply.fail(&fault(FaultKind::Truncated, "the reply ended before it was complete"), &mut out);
    }
    Written { bytes: out.bytes, memory: remember(&reply) }
}
