//! Replies to callers of this protocol: streamed, an event for each piece; not streamed, one piece that says everything.

use pointsman_adapter_sdk::chat::{Event, Finish, Usage};
use pointsman_adapter_sdk::client::Written;
use pointsman_adapter_sdk::{Fault, FaultKind, fault, recall, remember};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Default, Deserialize, Serialize)]
struct Memory {
    /// Input and output.
    tokens: (u64, u64),
    /// Of a reply that is not streamed: all so far.
    text: String,
    is_over: bool,
}

pub fn bytes(stream: bool, memory: &[u8], events: Vec<Event>, ended: bool) -> Written {
    let mut memory: Memory = recall(memory);
    let mut pieces = Vec::new();
    for event in events {
        if !memory.is_over {
            memory.piece(stream, event, &mut pieces);
        }
    }
    if ended && !memory.is_over {
        // A caller must not take this for a whole answer.
        pieces.push(error(&fault(FaultKind::Truncated, "the reply ended before it was complete")));
        memory.is_over = true;
    }
    let framed = |piece: String| if stream { format!("data: {piece}\n\n") } else { piece };
    let bytes = pieces.into_iter().map(framed).collect::<String>().into_bytes();
    Written { bytes, memory: remember(&memory) }
}

impl Memory {
    fn piece(&mut self, stream: bool, event: Event, pieces: &mut Vec<String>) {
        match event {
            Event::TextDelta(delta) if stream => pieces.push(json!({ "text": delta.text }).to_string()),
            Event::TextDelta(delta) => self.text.push_str(&delta.text),
            Event::Usage(Usage { input, output, .. }) => self.tokens = (input, output),
            Event::Finished(finished) => {
                let end = if finished.reason == Finish::Length { "length" } else { "stop" };
                let mut last = json!({ "end": end, "tokens": { "in": self.tokens.0, "out": self.tokens.1 } });
                if !stream {
                    last["text"] = Value::from(std::mem::take(&mut self.text));
                }
                pieces.push(last.to_string());
                self.is_over = true;
            }
            Event::Failed(fault) => {
                pieces.push(error(&fault));
                self.is_over = true;
            }
            // This protocol has no words for thoughts, and callers cannot ask for tools.
            _ => {}
        }
    }
}

pub fn error(fault: &Fault) -> String {
    let code = match fault.kind {
        FaultKind::Overloaded | FaultKind::Busy | FaultKind::RateLimited => "busy",
        FaultKind::ContextTooLong | FaultKind::TooLarge => "too-long",
        FaultKind::InvalidRequest | FaultKind::Unsupported => "wrong",
        _ => "failed",
    };
    json!({ "error": { "code": code, "message": fault.message } }).to_string()
}

pub fn status(kind: FaultKind) -> u16 {
    match kind {
        FaultKind::InvalidRequest | FaultKind::Unsupported | FaultKind::ContextTooLong | FaultKind::ContentPolicy => {
            400
        }
        FaultKind::Authentication => 401,
        FaultKind::Permission => 403,
        FaultKind::ModelNotFound => 404,
        FaultKind::TooLarge => 413,
        FaultKind::RateLimited | FaultKind::QuotaExhausted => 429,
        FaultKind::Overloaded | FaultKind::Unavailable | FaultKind::Connection | FaultKind::Busy => 503,
        FaultKind::TimedOut => 504,
        FaultKind::ServerError | FaultKind::MalformedReply | FaultKind::Truncated | FaultKind::AdapterFailed => 502,
    }
}
