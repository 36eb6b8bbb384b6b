//! What is sent to a provider: the caller's own bytes where it speaks the provider's protocol, a translation where not.

use bytes::Bytes;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::exchange::Exchange;
use super::table::{Provider, Target};
use crate::plugin::PluginFault;
use crate::plugin::bindings::client_protocol;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Auth, Call, Framing};
use crate::upstream::Pieces;

/// Headers that an adapter may not set: they are the connection's, or carry keys.
const HOST_HEADERS: &[&str] = &[
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "api-key",
];

/// A request to a provider.
pub struct Outgoing {
    pub request: Request<Pieces>,
    pub framing: Framing,
    /// Names of the caller's fields that this provider's protocol cannot say.
    pub dropped: Vec<String>,
    /// What begins the `write` fold. Absent when both sides speak the same protocol.
    pub translating: Option<Vec<u8>>,
}

impl Outgoing {
    /// # Errors
    /// Why this target cannot be asked.
    pub async fn build(exchange: &Exchange, target: &Target) -> Result<Outgoing, Fault> {
        let provider = &*target.provider;
        let model = target.model(&exchange.asked.model);
        if provider.description.protocol == exchange.endpoint.protocol {
            forward(exchange, provider, model).await
        } else {
            translate(exchange, provider, model).await
        }
    }
}

async fn forward(exchange: &Exchange, provider: &Provider, model: &str) -> Result<Outgoing, Fault> {
    let codec = provider.codec().ok_or_else(no_codec)?;
    let operation = &exchange.endpoint.operation;
    let call = codec.forward(&provider.settings, operation, model, exchange.asked.stream).await;
    let call = call.map_err(|fault| adapter_failed(provider, &fault))??;
    let body = with_model(exchange, model);
    let mut headers = forwarded(&exchange.head.headers, &provider.description.forwarded_headers);
    let query = exchange.head.uri.query();
    let framing = call.framing;
    let request = request(provider, &call, query, &mut headers, body)?;
    Ok(Outgoing { request, framing, dropped: Vec::new(), translating: None })
}

async fn translate(exchange: &Exchange, provider: &Provider, model: &str) -> Result<Outgoing, Fault> {
    let reading = exchange.reading.get_or_init(|| read(exchange)).await.as_ref().map_err(Clone::clone)?;
    let mut asked = reading.request.clone();
    asked.model = model.to_owned();
    let codec = provider.codec().ok_or_else(no_codec)?;
    let (operation, size) = (&exchange.endpoint.operation, exchange.body.len());
    let encoded = codec.encode(&provider.settings, operation, &asked, size).await;
    let encoded = encoded.map_err(|fault| adapter_failed(provider, &fault))??;
    let body = Pieces::new([Bytes::from(encoded.body)]);
    let request = request(provider, &encoded.call, None, &mut HeaderMap::new(), body)?;
    let (framing, dropped) = (encoded.call.framing, encoded.dropped);
    Ok(Outgoing { request, framing, dropped, translating: Some(reading.memory.clone()) })
}

async fn read(exchange: &Exchange) -> Result<client_protocol::Reading, Fault> {
    let codec = exchange.endpoint.codec().ok_or_else(no_codec)?;
    // No plugin ever sees what may be a key.
    let headers: Vec<client_protocol::Header> = Vec::new();
    let reading = codec.read(&exchange.endpoint.operation, &headers, &exchange.body).await;
    reading.map_err(|fault| {
        let text = format!("the plugin `{}` failed: {fault}", exchange.endpoint.plugin.name);
        super::refusal::fault(FaultKind::AdapterFailed, text)
    })?
}

/// The caller's body with the target's name for the model: the very same bytes when the names are equal.
fn with_model(exchange: &Exchange, model: &str) -> Pieces {
    let body = &exchange.body;
    if model == exchange.asked.model {
        return Pieces::new([body.clone()]);
    }
    let at = &exchange.asked.model_at;
    let quoted = serde_json::Value::from(model).to_string();
    Pieces::new([body.slice(..at.start), Bytes::from(quoted), body.slice(at.end..)])
}

/// The caller's headers that the provider's protocol knows.
fn forwarded(headers: &HeaderMap, patterns: &[String]) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        if matches(name.as_str(), patterns) && !HOST_HEADERS.contains(&name.as_str()) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Is the name one of these, or does it begin as one of them that ends in `*`?
pub fn matches(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    })
}

/// What the adapter said, checked, and the key that it never saw.
fn request(
    provider: &Provider,
    call: &Call,
    query: Option<&str>,
    headers: &mut HeaderMap,
    body: Pieces,
) -> Result<Request<Pieces>, Fault> {
    let nonsense = |text: String| {
        let fault = PluginFault::Nonsense(text);
        provider.plugin.tally.note_fault(&fault);
        adapter_failed(provider, &fault)
    };
    if !call.path.starts_with('/') {
        return Err(nonsense(format!("the path `{}` does not begin with a slash", call.path)));
    }
    let joint = if call.path.contains('?') { '&' } else { '?' };
    let url = match query {
        Some(query) => format!("{}{}{joint}{query}", provider.base_url, call.path),
        None => format!("{}{}", provider.base_url, call.path),
    };
    for header in &call.headers {
        let lower = header.name.to_ascii_lowercase();
        if HOST_HEADERS.contains(&lower.as_str()) {
            return Err(nonsense(format!("the header `{lower}` is the host's to set")));
        }
        let name = HeaderName::try_from(&lower).map_err(|_| nonsense(format!("`{lower}` is not a header's name")))?;
        let value = HeaderValue::try_from(&header.value);
        let value = value.map_err(|_| nonsense(format!("the value of the header `{lower}` is not one")))?;
        headers.entry(name).or_insert(value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = if call.framing == Framing::Sse { "text/event-stream" } else { "application/json" };
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    authorize(provider, headers)?;
    let mut request = Request::builder().method(call.method.as_str()).uri(&url).body(body);
    if let Ok(request) = &mut request {
        std::mem::swap(request.headers_mut(), headers);
    }
    request.map_err(|error| nonsense(format!("{} {url}: {error}", call.method)))
}

fn authorize(provider: &Provider, headers: &mut HeaderMap) -> Result<(), Fault> {
    let (Auth::Header(header), Some(key)) = (&provider.description.auth, &provider.key) else { return Ok(()) };
    let unusable = || {
        let text = format!("the adapter of provider `{}` asks for a header that cannot be sent", provider.name);
        super::refusal::fault(FaultKind::AdapterFailed, text)
    };
    let name = HeaderName::try_from(&header.name).map_err(|_| unusable())?;
    let mut value = HeaderValue::try_from(format!("{}{}", header.prefix, key.reveal())).map_err(|_| unusable())?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

pub fn adapter_failed(provider: &Provider, fault: &PluginFault) -> Fault {
    let text = format!("the adapter `{}` failed: {fault}", provider.plugin.name);
    super::refusal::fault(FaultKind::AdapterFailed, text)
}

fn no_codec() -> Fault {
    super::refusal::fault(FaultKind::AdapterFailed, "the plugin is not an adapter")
}
