//! Errors: a message in the body, the kind in a header.

use serde_json::json;

use super::super::reply::Refused;

const KINDS_AT: &str = "http://internal.amazon.com/coral/com.amazon.bedrock/";
pub const UNAVAILABLE: &str = "Bedrock is unable to process your request.";

pub fn refused(status: u16, kind: &str, message: &str) -> Refused {
    let mut refused = Refused::new(status, json!({ "message": message }));
    refused.headers.push(("x-amzn-errortype", format!("{kind}:{KINDS_AT}")));
    refused
}

pub fn invalid(message: &str) -> Refused {
    refused(400, "ValidationException", message)
}

/// What the service says with this status, or with the nearest that it has. It never says how long to wait.
pub fn failure(status: u16) -> Refused {
    let (status, kind, message) = match status {
        401 | 403 => (403, "AccessDeniedException", "You don't have access to the model with the specified model ID."),
        402 => (400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."),
        404 => (
            404,
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        408 | 504 => {
            (408, "ModelTimeoutException", "Model has timed out in processing the request. Try your request again.")
        }
        413 => (413, "RequestEntityTooLargeException", "Request Entity Too Large"),
        424 => (424, "ModelErrorException", "The model returned an unexpected error."),
        429 => (429, "ThrottlingException", "Too many requests, please wait before trying again."),
        400..=499 => (400, "ValidationException", "The provided request is not valid."),
        503 | 529 => (503, "ServiceUnavailableException", UNAVAILABLE),
        _ => (
            500,
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    };
    refused(status, kind, message)
}
