//! The head of a provider's reply: is it a success, what does it say of limits, and what of it does the caller see?

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Body as HttpBody;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use serde::de::IgnoredAny;
use tokio::time::{Instant, timeout_at};

use super::absurd;
use super::array::Shape;
use super::begun::{Bad, Begun, RawReply};
use super::exchange::Exchange;
use super::hops::Hops;
use super::outgoing::{adapter_failed, matches};
use super::provider::Adapter;
use super::redact::Redaction;
use super::refusal::fault;
use super::shadow::Shadow;
use super::undecoded::{Call, Undecoded};
use crate::health;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Framing, Header, ReplyHead};
use crate::upstream::frame::content_types;

/// Bytes of an error reply that are read.
const ERROR_BYTES_MAX: usize = 256 << 10;
/// How long they are waited for. The status is known, and somebody else may answer meanwhile.
const ERROR_BODY_TIME: Duration = Duration::from_secs(2);
/// What is left of an attempt's time then, for its adapter to read the error.
const ERROR_READ_TIME: Duration = Duration::from_millis(100);
/// Of a message whose end did not come, callers and logs have enough with this.
const CUT_MESSAGE_BYTES: usize = 2 << 10;

/// What it says of limits is heard, and it may claim to be a success.
///
/// # Errors
/// It is none, and what that means.
pub async fn judge<B>(
    begun: &Begun<'_>,
    adapter: &Adapter,
    framing: Framing,
    response: Response<B>,
    redaction: &Redaction,
    same: bool,
) -> Result<Response<B>, Bad>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Begun { exchange, running, .. } = begun;
    let (limits, unix) = (&adapter.description.rate_limits, exchange.gateway.clock.unix());
    let used_up_for = running.limits(response.headers(), limits, unix, Instant::now());
    if !response.status().is_success() {
        let mut bad = refused(begun, adapter, response, redaction, same).await;
        if bad.fault.kind == FaultKind::RateLimited {
            let millis = used_up_for.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            bad.fault.retry_after_ms = bad.fault.retry_after_ms.or(millis);
        }
        return Err(bad);
    }
    check_head(&response, framing)?;
    Ok(response)
}

/// A reply whose status is no success: what does it mean?
async fn refused<B>(
    begun: &Begun<'_>,
    adapter: &Adapter,
    response: Response<B>,
    redaction: &Redaction,
    same: bool,
) -> Bad
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let exchange = begun.exchange;
    let (head, body) = response.into_parts();
    // What the status says is lost if the attempt runs out of time before it is read.
    let until = begun.until().checked_sub(ERROR_READ_TIME).unwrap_or_else(Instant::now);
    let until = until.min(Instant::now() + ERROR_BODY_TIME);
    // A body that breaks off or has no end still leaves the status, and its beginning says most.
    let (body, is_whole) = beginning(body, until).await;
    let body = redaction.error(body);
    let body = if is_whole { body } else { mended(body) };
    let headers = head.headers.iter().filter_map(|(name, value)| {
        Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    });
    let reply_head = ReplyHead { status: head.status.as_u16(), headers: headers.collect() };
    let classified = match adapter.codec() {
        Some(codec) => codec.classify(&exchange.endpoint.operation, &reply_head, &body).await,
        None => return Bad::from(fault(FaultKind::AdapterFailed, "the plugin is not an adapter")),
    };
    if let (Ok(fault), Some(shadow)) = (&classified, Shadow::of(exchange, adapter)) {
        shadow.classify(&exchange.endpoint.operation, &reply_head, &body, fault).await;
    }
    if let Err(failed) = &classified {
        let call = Call::Classify { operation: &exchange.endpoint.operation, head: &reply_head, body: &body };
        Undecoded::of(exchange, &adapter.plugin).note(&adapter.plugin, failed, call).await;
    }
    let mut fault = classified.unwrap_or_else(|fault| adapter_failed(adapter, &fault));
    fault.status = head.status.as_u16();
    fault.retry_after_ms = fault.retry_after_ms.or_else(|| retry_after(exchange, &head.headers));
    fault.retry_after_ms = fault.retry_after_ms.map(absurd::wait_ms);
    if !is_whole {
        cut(&mut fault.message);
    }
    // What is not whole is no error of the caller's protocol, so it is spelt anew.
    let raw = (same && is_whole).then(|| RawReply {
        status: head.status,
        headers: returned_with_type(&head.headers, adapter),
        body,
    });
    Bad::new(fault, raw)
}

/// As much of an error's body as comes soon and is not too long. Is it all of it?
async fn beginning<B>(mut body: B, until: Instant) -> (Bytes, bool)
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut read = BytesMut::new();
    loop {
        match timeout_at(until, body.frame()).await {
            Ok(None) => return (read.freeze(), true),
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                let room = ERROR_BYTES_MAX - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if data.len() > room {
                    return (read.freeze(), false);
                }
            }
            Ok(Some(Err(_))) | Err(_) => return (read.freeze(), false),
        }
    }
}

/// The beginning of a JSON object, closed: adapters find in it what came.
fn mended(body: Bytes) -> Bytes {
    if !body.trim_ascii_start().starts_with(b"{") {
        return body;
    }
    let (mut open, mut in_string, mut is_escaped) = (Vec::new(), false, false);
    for byte in &body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(&body);
    let mut text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    if is_escaped {
        text = text.strip_suffix('\\').unwrap_or(text);
    }
    let quote = if in_string { "\"" } else { "" };
    let closing: String = open.iter().rev().collect();
    // The end may stand behind a value, a name, a colon, a comma, or within a number or a word.
    let bare = text.trim_end_matches(|letter: char| letter.is_ascii_alphanumeric() || ",-.".contains(letter));
    let closed = [
        format!("{text}{quote}{closing}"),
        format!("{text}{quote}:null{closing}"),
        format!("{text}null{closing}"),
        format!("{bare}{closing}"),
        format!("{bare}null{closing}"),
    ];
    let is_json = |text: &String| serde_json::from_str::<IgnoredAny>(text).is_ok();
    closed.into_iter().find(is_json).map_or(body, Bytes::from)
}

/// A message that ends somewhere need not be long.
fn cut(message: &mut String) {
    if message.len() > CUT_MESSAGE_BYTES {
        let end = (0..=CUT_MESSAGE_BYTES).rev().find(|end| message.is_char_boundary(*end)).unwrap_or_default();
        message.truncate(end);
        message.push('…');
    }
}

/// `Retry-After` in any form that the adapter did not know: it has no clock, so dates are the host's.
fn retry_after(exchange: &Exchange, headers: &HeaderMap) -> Option<u64> {
    let wait = health::read_wait(headers.get(RETRY_AFTER)?.to_str().ok()?, exchange.gateway.clock.unix())?;
    Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

fn check_head<B>(response: &Response<B>, framing: Framing) -> Result<(), Fault> {
    let text =
        |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let encoding = text(CONTENT_ENCODING);
    if !encoding.is_empty() && encoding != "identity" {
        let message = format!("the reply came as `{encoding}`, which was not asked for");
        return Err(fault(FaultKind::MalformedReply, message));
    }
    let (wanted, unwanted) = content_types(framing);
    let given = text(CONTENT_TYPE);
    if unwanted.iter().any(|unwanted| given.starts_with(unwanted)) {
        return Err(fault(FaultKind::MalformedReply, format!("the reply is `{given}`, not `{wanted}`")));
    }
    Ok(())
}

/// The provider's headers that its callers know.
pub fn returned(headers: &HeaderMap, adapter: &Adapter, same: bool) -> HeaderMap {
    let (mut kept, hops) = (HeaderMap::new(), Hops::of(headers));
    for (name, value) in headers {
        if same && matches(name.as_str(), &adapter.description.returned_headers) && hops.crosses(name) {
            kept.append(name.clone(), absurd::header(name, value).unwrap_or_else(|| value.clone()));
        }
    }
    kept
}

fn returned_with_type(headers: &HeaderMap, adapter: &Adapter) -> HeaderMap {
    let mut kept = returned(headers, adapter, true);
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        kept.insert(CONTENT_TYPE, content_type.clone());
    }
    kept
}

pub fn content_type(headers: &HeaderMap, same: bool, framing: Framing, shape: Shape) -> HeaderValue {
    if shape == Shape::Array {
        return HeaderValue::from_static("application/json; charset=UTF-8");
    }
    let theirs = headers.get(CONTENT_TYPE).filter(|_| same).cloned();
    theirs.unwrap_or_else(|| {
        // What is translated is written as our callers' protocols have it, whatever the provider's framing.
        HeaderValue::from_static(match framing {
            Framing::WholeBody => "application/json",
            Framing::Sse | Framing::Ndjson | Framing::AwsEventStream => "text/event-stream; charset=utf-8",
        })
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::time::sleep;

    use super::*;

    /// Faults: F113
    #[tokio::test(start_paused = true)]
    async fn an_error_whose_body_has_no_end_is_not_waited_for() {
        let piece = |text: &'static str| Ok::<_, Infallible>(Frame::data(Bytes::from(text)));
        let silent = stream::iter([piece("{\"error\"")]).chain(stream::pending());
        let trickle = Box::pin(stream::repeat(()).then(move |()| async move {
            sleep(Duration::from_millis(300)).await;
            piece(" ")
        }));
        let began = Instant::now();
        let until = began + ERROR_BODY_TIME;
        assert_eq!(beginning(StreamBody::new(silent), until).await, (Bytes::from("{\"error\""), false));
        assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
        let began = Instant::now();
        let (read, is_whole) = beginning(StreamBody::new(trickle), began + ERROR_BODY_TIME).await;
        assert!(!is_whole && read.len() < 10 && began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
        let ready = StreamBody::new(stream::iter([piece("{"), piece("}")]));
        assert_eq!(beginning(ready, began).await, (Bytes::from("{}"), true), "what is here is read all the same");
    }

    #[test]
    fn a_body_that_was_cut_anywhere_is_still_read() {
        let whole = r#"{"error":{"type":"a\\b\"c","n":[-12.5,true,{}],"message":"über"}} "#;
        for at in 1..whole.len() {
            let mended = mended(Bytes::copy_from_slice(&whole.as_bytes()[..at]));
            let read: serde_json::Value =
                serde_json::from_slice(&mended).unwrap_or_else(|error| panic!("{at}: {error}"));
            if at > whole.find(",\"n").expect("a field") {
                assert_eq!(read["error"]["type"], "a\\b\"c", "{at}");
            }
        }
        for other in ["<html>", "", "]", "nothing {"] {
            assert_eq!(mended(Bytes::from_static(other.as_bytes())), other);
        }
    }
}
