//! What an error is, in one word: a kind of fault as policies see it, or a behaviour of the fakes. Incidents of the drill and
//! faults of a game day are told in these words.

use std::str::FromStr;
use std::time::Duration;

use serde_json::json;

use super::{Behaviour, Fault, Protocol};

/// Pieces of content that come before a reply breaks off.
const BEFORE_BREAK: usize = 3;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    pub word: String,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// The provider's own status for it.
    Overloaded,
    QuotaExhausted,
    Fault(Fault),
}

const WORDS: &str = "overloaded, rate-limited, quota-exhausted, server-error, unavailable, timed-out, connection, \
                     malformed-reply, truncated, authentication, permission, model-not-found";

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Kind, String> {
        let status = |status| What::Fault(Fault::Status { status, retry_after_s: None });
        let what = match word {
            "overloaded" => What::Overloaded,
            "quota-exhausted" => What::QuotaExhausted,
            "rate-limited" => status(429),
            "server-error" => status(500),
            "unavailable" => status(502),
            "authentication" => status(401),
            "permission" => status(403),
            "model-not-found" => status(404),
            "timed-out" => What::Fault(Fault::HangBeforeHeaders),
            "connection" => What::Fault(Fault::ResetBeforeHeaders),
            "malformed-reply" => What::Fault(Fault::Garbage),
            "truncated" => What::Fault(Fault::EndAfter { chunks: BEFORE_BREAK }),
            other => match other.parse::<Behaviour>() {
                Ok(Behaviour { fault: Fault::None, .. }) => {
                    return Err(format!("`{word}` is no error: slowness is `first_token` and `speed`"));
                }
                Ok(behaviour) => What::Fault(behaviour.fault),
                Err(text) => return Err(format!("`{word}` is not a kind of error: there are {WORDS}; and {text}")),
            },
        };
        Ok(Kind { word: word.to_owned(), what })
    }
}

impl Kind {
    /// One of the words above, which a test tries.
    pub fn known(word: &str) -> Kind {
        let unknown = || Kind { word: word.to_owned(), what: What::Overloaded };
        word.parse().unwrap_or_else(|_| unknown())
    }

    /// As this provider tells it.
    pub fn fault(&self, protocol: Protocol, retry_after: Option<Duration>) -> Fault {
        // Whole seconds, because that is all that the header can say.
        let retry_after_s = retry_after.map(|after| after.as_secs_f64().ceil() as u64);
        match &self.what {
            What::Overloaded => Fault::Status { status: protocol.overloaded(), retry_after_s },
            What::QuotaExhausted => match protocol {
                Protocol::OpenAiChat | Protocol::OpenAiResponses => openai_quota(),
                Protocol::AnthropicMessages if retry_after.is_none() => anthropic_quota(),
                Protocol::AnthropicMessages | Protocol::Gemini | Protocol::Bedrock | Protocol::Ollama => {
                    Fault::Status { status: 402, retry_after_s: None }
                }
            },
            What::Fault(Fault::Status { status, retry_after_s: own }) => {
                Fault::Status { status: *status, retry_after_s: own.or(retry_after_s) }
            }
            What::Fault(fault) => fault.clone(),
        }
    }
}

/// OpenAI says 429 for both, and tells them apart in the body.
fn openai_quota() -> Fault {
    let message = "You exceeded your current quota, please check your plan and billing details.";
    let kind = "insufficient_quota";
    let body = json!({ "error": { "message": message, "type": kind, "param": null, "code": kind } });
    Fault::StatusBody { status: 429, content_type: "application/json".to_owned(), body: body.to_string() }
}

/// Anthropic says 400, and tells a spend limit from a wrong request by its sentence: anthropics/claude-code#38035.
fn anthropic_quota() -> Fault {
    let message =
        "You have reached your specified API usage limits. You will regain access on 2100-01-01 at 00:00 UTC.";
    let body = json!({ "type": "error", "error": { "type": "invalid_request_error", "message": message } });
    Fault::StatusBody { status: 400, content_type: "application/json".to_owned(), body: body.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_an_error_and_each_provider_says_it_in_its_own_way() {
        for word in WORDS.split(", ") {
            assert_eq!(Kind::known(word), word.parse().expect(word), "{word}");
        }
        let overloaded = Kind::known("overloaded");
        let status = |protocol| overloaded.fault(protocol, Some(Duration::from_millis(1_200)));
        let expected = |status| Fault::Status { status, retry_after_s: Some(2) };
        assert_eq!(status(Protocol::AnthropicMessages), expected(529));
        assert_eq!(status(Protocol::OpenAiChat), expected(503));
        assert_eq!(
            "529:7".parse::<Kind>().map(|kind| kind.fault(Protocol::Gemini, None)),
            Ok(Fault::Status { status: 529, retry_after_s: Some(7) })
        );
        assert!("overloded".parse::<Kind>().is_err_and(|text| text.contains("there are overloaded")));
        assert!("slow:3s".parse::<Kind>().is_err_and(|text| text.contains("`first_token`")));
    }
}
