//! What adapters find in a request for embeddings.

use crate::codec::chat::{Part, Request};
use crate::codec::{Fault, FaultKind, fault_at};

/// The inputs, in their order.
///
/// # Errors
/// One of them is more than a text.
pub fn inputs(request: &Request) -> Result<Vec<&str>, Fault> {
    let texts = request.messages.iter().enumerate().map(|(position, message)| match message.parts.as_slice() {
        [Part::Text(text)] => Ok(text.text.as_str()),
        _ => Err(fault_at(FaultKind::Unsupported, format!("input[{position}]"), "an input is one text")),
    });
    texts.collect()
}

/// How many dimensions the vectors should have, as OpenAI's callers ask for it, and the names of all other extras.
///
/// # Errors
/// It is no number.
pub fn dimensions(request: &Request) -> Result<(Option<u64>, Vec<&str>), Fault> {
    let is_said = |name: &str| request.protocol == "openai-chat" && name == "dimensions";
    let (said, others): (Vec<_>, Vec<_>) = request.extras.iter().partition(|extra| is_said(&extra.name));
    let wrong = |_| fault_at(FaultKind::InvalidRequest, "dimensions", "`dimensions` must be a whole number");
    let count = said.last().map(|extra| serde_json::from_str(&extra.value).map_err(wrong)).transpose()?;
    // `null` asks for none.
    Ok((count.flatten(), others.into_iter().map(|extra| extra.name.as_str()).collect()))
}
