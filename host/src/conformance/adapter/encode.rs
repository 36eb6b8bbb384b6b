//! Requests said to a provider. What cannot be said is refused in words; what is said, the host can send.

use serde_json::Value;

use super::super::{Check, Failure, Trial};
use super::requests::{self, QUESTION};
use super::subject::Subject;
use super::{CHAT, json};
use crate::gateway::said;
use crate::plugin::bindings::chat::Request;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Call, Description, Encoded, Framing};
use crate::upstream::Origin;

/// Where a provider of a test would be.
const BASE_URL: &str = "https://provider.test/base";
/// What is refused is the request, or how it could be said here; nobody else is to blame.
const REFUSALS: [FaultKind; 5] = [
    FaultKind::Unsupported,
    FaultKind::InvalidRequest,
    FaultKind::ContextTooLong,
    FaultKind::ContentPolicy,
    FaultKind::TooLarge,
];

pub async fn check(subject: &Subject<'_>, description: &Description, trial: &Trial) -> Check {
    let mut check = Check::new("encodes");
    if !description.operations.iter().any(|operation| operation == CHAT) {
        check.told = "nothing: it has no operation `chat`".to_owned();
        return check;
    }
    let (mut said, mut refused) = (0, 0);
    for (place, request) in requests::all(trial.seed, trial.situations) {
        if check.is_full() {
            break;
        }
        match check.note(&place, lawful(subject, description, &request).await) {
            Some(true) => said += 1,
            Some(false) => refused += 1,
            None => {}
        }
    }
    for stream in [false, true] {
        let place = format!("a body to forward{}", if stream { ", streamed" } else { "" });
        // Where callers speak another protocol it may refuse: nothing is forwarded then.
        let forwarded = async {
            let call = subject.forward(CHAT, "model-1", stream).await?;
            call.map_or(Ok(()), |call| sendable(description, &call, stream))
        };
        check.note(&place, forwarded.await);
    }
    let seed = trial.seed;
    check.told = format!(
        "{said} requests are said, {refused} refused in words (seed {seed}); each again, and in a fresh instance"
    );
    check
}

/// Was it said? Else it was refused as it may be.
async fn lawful(subject: &Subject<'_>, description: &Description, request: &Request) -> Result<bool, Failure> {
    let is_plain = *request == requests::plain(request.stream);
    match subject.encode(CHAT, request).await? {
        Err(fault) if is_plain => Err(Failure::new(told(&fault), "the simplest request of all can be said")),
        Err(fault) => in_words(&fault).map(|()| false),
        Ok(encoded) => {
            sendable(description, &encoded.call, request.stream)?;
            let body = body(&encoded)?;
            if is_plain && !json::texts(&body).contains(QUESTION) {
                return Err(Failure::new(
                    json::short(&body.to_string()),
                    format!("a body with the words `{QUESTION}`"),
                ));
            }
            let is_printable = |name: &&String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
            match encoded.dropped.iter().find(|name| !is_printable(name)) {
                Some(name) => {
                    Err(Failure::new(format!("it dropped `{name}`"), "names of fields, which stand in a header"))
                }
                None => Ok(true),
            }
        }
    }
}

/// The body, which the host sends as JSON.
///
/// # Errors
/// It is something else.
pub fn body(encoded: &Encoded) -> Result<Value, Failure> {
    serde_json::from_slice(&encoded.body).map_err(|error| {
        let text = json::short(&String::from_utf8_lossy(&encoded.body));
        Failure::new(format!("{text} ({error})"), "a body of JSON: it is sent as `application/json`")
    })
}

/// # Errors
/// It blames somebody else, or nobody could know why.
pub fn in_words(fault: &Fault) -> Result<(), Failure> {
    if REFUSALS.contains(&fault.kind) && !fault.message.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::new(told(fault), "`unsupported` (or a fault of the request itself), with the reason in words"))
}

pub fn told(fault: &Fault) -> String {
    format!("it refuses: {}: {}", fault.kind.word(), json::short(&fault.message))
}

/// The host would send it, to the provider's own place, and read the reply as it comes.
fn sendable(description: &Description, call: &Call, stream: bool) -> Result<(), Failure> {
    let base_url = description.default_base_url.as_deref().unwrap_or(BASE_URL).trim_end_matches('/');
    let request = said(base_url, call, "", Default::default(), ())
        .map_err(|text| Failure::new(text, "a request that the host takes"))?;
    let origin = base_url.parse().ok().and_then(|url| Origin::of(&url));
    if Origin::of(request.uri()) != origin {
        return Err(Failure::new(
            format!("the path `{}`", call.path),
            format!("one at {base_url}: its key goes nowhere else"),
        ));
    }
    let is_whole = call.framing == Framing::WholeBody;
    if is_whole == stream {
        let expected = if stream {
            "a framing of streams: the caller is streamed to"
        } else {
            "`whole-body`: nothing is streamed"
        };
        return Err(Failure::new(format!("the framing {:?}", call.framing), expected));
    }
    Ok(())
}
