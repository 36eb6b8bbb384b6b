//! Why a reply ended: <https://ai.google.dev/api/generate-content#FinishReason>, and Vertex AI's.

use pointsman_sdk::codec::chat::Finish;
use pointsman_sdk::codec::{Fault, FaultKind, fault};

/// `message` is the provider's own, and may be empty. Some reasons mean that there is no reply that another target
/// could not give better: they are faults.
pub fn reason(name: &str, message: &str, has_calls: bool, has_content: bool) -> Result<Finish, Fault> {
    let failed = |kind| {
        let message = if message.is_empty() { "the provider ended the reply" } else { message };
        Err(Fault { provider_code: Some(name.to_owned()), ..fault(kind, format!("{message} ({name})")) })
    };
    match name {
        "MAX_TOKENS" | "CONTINUATION" => Ok(Finish::Length),
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "ESCALATION"
        | "MODEL_ARMOR" => Ok(Finish::ContentFilter),
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" | "MALFORMED_RESPONSE" => {
            failed(FaultKind::MalformedReply)
        }
        // The history is another model's: that one, or one that does not care, can still serve it.
        "MISSING_THOUGHT_SIGNATURE" => failed(FaultKind::Unsupported),
        "PUP_LIMITED_DISABLED" => failed(FaultKind::Permission),
        // Nobody knows why. With something said it is a reply that was cut off, without it is none.
        "OTHER" | "IMAGE_OTHER" | "NO_IMAGE" if has_content => Ok(Finish::ContentFilter),
        "OTHER" | "IMAGE_OTHER" | "NO_IMAGE" => failed(FaultKind::ServerError),
        // STOP, also after a stop sequence and after calls. A reason nobody knows yet is taken for a normal end.
        _ if has_calls => Ok(Finish::ToolCalls),
        _ => Ok(Finish::Stop),
    }
}
