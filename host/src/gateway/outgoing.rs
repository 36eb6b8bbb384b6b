//! What is sent to a provider: the caller's own bytes where it speaks the provider's protocol, a translation where not.

use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

use super::amendment::{self, Amendment};
use super::authorize::{Authorized, authorize};
use super::dialect::{self, Mended};
use super::exchange::{COPIES, Exchange};
use super::foreign;
use super::hops::Hops;
use super::identities::Shown;
use super::load::Room;
use super::media;
use super::named_within;
use super::provider::Adapter;
use super::redact::Redaction;
use super::scan;
use super::shadow::Shadow;
use super::splice::Said;
use super::table::Target;
use super::tool_names::ToolNames;
use super::trace::Trace;
use super::untranslated;
use crate::config::SECRET_HEADERS;
use crate::facts::Facts;
use crate::plugin::PluginFault;
use crate::plugin::bindings::chat;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Call, Encoded, Framing};
use crate::upstream::Pieces;
use crate::upstream::frame::content_types;

/// Headers of the connection.
const CONNECTION_HEADERS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Parameters of a query that carry keys.
const KEY_PARAMETERS: &[&str] = &["key", "api_key", "api-key", "apikey", "access_token", "token"];

/// A request to a provider.
pub struct Outgoing {
    pub request: Request<Pieces>,
    pub adapter: Arc<Adapter>,
    pub framing: Framing,
    /// Of what the provider is shown.
    pub redaction: Arc<Redaction>,
    /// The credential that it is shown, if that can be replaced.
    pub shown: Option<Shown>,
    /// Names of the caller's fields that this provider's protocol cannot say.
    pub dropped: Vec<String>,
    /// Names of tools that the provider reads in the place of the caller's.
    pub tool_names: ToolNames,
    /// What begins the `write` fold. Absent when both sides speak the same protocol.
    pub translating: Option<Vec<u8>>,
    /// What its body takes, where that is not the caller's, until a reply has begun.
    pub room: Option<Room>,
}

impl Outgoing {
    /// `amendment`: the target refused the request as it was, and gets it once more.
    ///
    /// # Errors
    /// Why this target cannot be asked.
    pub async fn build(
        exchange: &Exchange,
        target: &Target,
        key_at: usize,
        amendment: Option<&Amendment>,
    ) -> Result<Outgoing, Fault> {
        let endpoint = &exchange.endpoint;
        let adapter = adapter(exchange, target)?;
        let same = adapter.description.protocol == endpoint.protocol;
        if matches!(amendment, Some(Amendment::Functions)) {
            let reading = exchange.reading().await?;
            let asked = amendment::with_functions(&reading.request);
            let mut outgoing = translate(exchange, target, adapter, true, key_at, &asked, amendment).await?;
            outgoing.translating = Some(reading.memory.clone());
            return Ok(outgoing);
        }
        let is_silent = match amendment {
            Some(Amendment::Thoughts { is_silent }) => Some(*is_silent),
            _ => None,
        };
        // What only other providers know would be refused: then even the same protocol is said anew, without it.
        let whole = exchange.references.for_keeper(&exchange.body, &exchange.keeper(target, key_at)).filter(|_| same);
        let is_marked = same && is_marked(whole.as_ref().unwrap_or(&exchange.body), adapter);
        if is_marked && exchange.reading().await.is_err() {
            let body = foreign::without_thoughts(whole.as_ref().unwrap_or(&exchange.body)).or(whole);
            return forward(exchange, target, adapter, key_at, Mended { body, ..Mended::default() }, amendment).await;
        }
        if same && is_silent.is_none() && !is_marked {
            let mended = match dialect::body(exchange, target, adapter).await? {
                dialect::Body::AsWritten => Some(Mended::default()),
                dialect::Body::Mended(mended) => Some(mended),
                dialect::Body::Anew => None,
            };
            if let Some(mended) = mended {
                let mended = Mended { body: whole.or(mended.body), ..mended };
                return forward(exchange, target, adapter, key_at, mended, amendment).await;
            }
        }
        let reading = exchange.reading().await?;
        let silenced = is_silent.map(|is_silent| amendment::without_thoughts(&reading.request, is_silent));
        let asked = silenced.as_ref().unwrap_or(&reading.request);
        let mut outgoing = translate(exchange, target, adapter, !same, key_at, asked, amendment).await?;
        outgoing.translating = (!same).then(|| reading.memory.clone());
        Ok(outgoing)
    }

    /// The request that goes on with what the caller has read. It is always said anew.
    ///
    /// # Errors
    /// Why this target cannot be asked.
    pub async fn build_on(exchange: &Exchange, target: &Target, key_at: usize, said: &Said) -> Result<Outgoing, Fault> {
        let adapter = adapter(exchange, target)?;
        let same = adapter.description.protocol == exchange.endpoint.protocol;
        let asked = said.request(&exchange.reading().await?.request);
        translate(exchange, target, adapter, !same, key_at, &asked, None).await
    }
}

fn adapter<'a>(exchange: &Exchange, target: &'a Target) -> Result<&'a Arc<Adapter>, Fault> {
    let endpoint = &exchange.endpoint;
    exchange.adapter(target).ok_or_else(|| {
        let text = format!("its adapter has no operation `{}`", endpoint.operation);
        super::refusal::fault(FaultKind::Unsupported, text)
    })
}

fn is_marked(body: &[u8], adapter: &Adapter) -> bool {
    adapter.description.foreign_marks.iter().any(|mark| memmem::find(body, mark.as_bytes()).is_some())
}

async fn forward(
    exchange: &Exchange,
    target: &Target,
    adapter: &Arc<Adapter>,
    key_at: usize,
    mended: Mended,
    amendment: Option<&Amendment>,
) -> Result<Outgoing, Fault> {
    let model = target.model(&exchange.asked.model);
    let codec = adapter.codec().ok_or_else(no_codec)?;
    let operation = &exchange.endpoint.operation;
    let call = codec.forward(&adapter.settings, operation, model, exchange.asked.stream).await;
    let call = call.map_err(|fault| adapter_failed(adapter, &fault))?;
    if let Some(shadow) = Shadow::of(exchange, adapter) {
        shadow.forward(operation, model, exchange.asked.stream, &call).await;
    }
    let call = call?;
    let Mended { body, mut fields, mut dropped } = mended;
    if let Some(amendment) = amendment {
        dropped.extend(amendment.dropped());
        fields.extend(amendment.fields().iter().cloned());
    }
    let mut body = match body {
        Some(body) => model_in(exchange, body, model),
        None => with_model(exchange, model),
    };
    if exchange.endpoint.model_field.is_empty()
        && let Some(renamed) = named_within::renamed(&body.joined(), &exchange.asked.model, model)
    {
        body = renamed;
    }
    if !fields.is_empty() {
        body = Pieces::new([dialect::with_fields(&body.joined(), &fields)]);
    }
    let headers = forwarded(&exchange.head.headers, &adapter.description.forwarded_headers);
    let query = forwarded_query(exchange.head.uri.query(), &adapter.description.forwarded_query);
    let (request, Authorized { redaction, shown }) =
        request(exchange, adapter, key_at, &call, &query, headers, body).await?;
    Ok(Outgoing {
        request,
        redaction,
        shown,
        adapter: Arc::clone(adapter),
        framing: call.framing,
        dropped,
        tool_names: ToolNames::default(),
        translating: None,
        room: None,
    })
}

/// Say the request in the target's protocol. Where that is the caller's too, headers go along. `is_written_anew`: the reply is
/// translated as well, so that names of tools can be put back.
async fn translate(
    exchange: &Exchange,
    target: &Target,
    adapter: &Arc<Adapter>,
    is_written_anew: bool,
    key_at: usize,
    asked: &chat::Request,
    amendment: Option<&Amendment>,
) -> Result<Outgoing, Fault> {
    let facts = target.facts(&exchange.asked.model, &exchange.table.config.facts);
    let edge = exchange.table.config.server.edge;
    let room = exchange.room_for(COPIES)?;
    let mut encoded = encode(exchange, target, adapter, asked, &facts).await?;
    let (mut renamed, mut tool_names) = (None, ToolNames::default());
    // A reply in the caller's own protocol is not written anew, so no name could be put back into it.
    if is_written_anew && encoded.as_ref().is_err_and(ToolNames::are_refused) {
        let mut request = asked.clone();
        tool_names = ToolNames::replace(&mut request);
        if !tool_names.is_empty() {
            encoded = encode(exchange, target, adapter, &request, &facts).await?;
            renamed = Some(request);
        }
    }
    let asked = renamed.as_ref().unwrap_or(asked);
    if let Err(fault) = &mut encoded
        && fault.kind == FaultKind::Unsupported
        && media::has_urls(asked)
    {
        // Perhaps it was the URLs: some providers take only bytes.
        match &exchange.table.fetcher {
            Some(fetcher) => {
                let caller = exchange.caller.as_deref().map_or("", |caller| caller.name.as_str());
                let fetched = media::fetched(fetcher, asked, caller, &room, edge.body_bytes).await?;
                encoded = encode(exchange, target, adapter, &fetched, &facts).await?;
            }
            None => {
                fault.message += " (if its configuration says `[fetch] media = true`, the gateway fetches media by URL)"
            }
        }
    }
    let mut encoded = encoded?;
    if let Some(amendment) = amendment {
        encoded.dropped.extend(amendment.dropped());
        let mut fields = amendment.fields().to_vec();
        if matches!(amendment, Amendment::Functions) {
            fields.append(&mut amendment::caller_fields(&exchange.body, &mut encoded));
        }
        if !fields.is_empty() {
            encoded.body = dialect::with_fields(&encoded.body, &fields).to_vec();
        }
    }
    // All else that it took to get there is gone.
    room.shrink_to(encoded.body.len() as u64);
    let body = Pieces::new([Bytes::from(encoded.body)]);
    let (mut headers, mut query) = (HeaderMap::new(), String::new());
    if adapter.description.protocol == exchange.endpoint.protocol {
        headers = forwarded(&exchange.head.headers, &adapter.description.forwarded_headers);
        query = forwarded_query(exchange.head.uri.query(), &adapter.description.forwarded_query);
    }
    let (request, Authorized { redaction, shown }) =
        request(exchange, adapter, key_at, &encoded.call, &query, headers, body).await?;
    Ok(Outgoing {
        request,
        redaction,
        shown,
        adapter: Arc::clone(adapter),
        framing: encoded.call.framing,
        dropped: encoded.dropped,
        tool_names,
        translating: None,
        room: Some(room),
    })
}

/// The request in the words of the adapter, for a model of which so much is known.
///
/// # Errors
/// The adapter failed at the request. Within: why the request cannot be said.
pub async fn encode(
    exchange: &Exchange,
    target: &Target,
    adapter: &Adapter,
    request: &chat::Request,
    facts: &Facts,
) -> Result<Result<Encoded, Fault>, Fault> {
    let mut asked = request.clone();
    target.model(&exchange.asked.model).clone_into(&mut asked.model);
    let codec = adapter.codec().ok_or_else(no_codec)?;
    // Media were fetched for it, perhaps: a guest has time and memory for those as well.
    let (operation, size) = (&exchange.endpoint.operation, exchange.body.len().max(media::bytes(&asked) * 3 / 2));
    let facts = facts.told();
    let settings = &adapter.settings;
    let encoded = match codec.encode(settings, operation, &asked, &facts, size).await {
        Ok(encoded) => encoded,
        Err(failed) => {
            let (request, facts) = (&asked, &facts);
            let call = untranslated::Call::Encode { settings, operation, request, facts, body_bytes: size };
            return Err(untranslated::note(exchange, &adapter.plugin, &failed, call).await);
        }
    };
    if let Some(shadow) = Shadow::of(exchange, adapter) {
        shadow.encode(operation, &asked, &facts, size, &encoded).await;
    }
    Ok(encoded)
}

/// The caller's body with the target's name for the model: the very same bytes when the names are equal.
fn with_model(exchange: &Exchange, model: &str) -> Pieces {
    let body = &exchange.body;
    let Some(at) = exchange.asked.model_at.as_ref().filter(|_| model != exchange.asked.model) else {
        return Pieces::new([body.clone()]);
    };
    let quoted = serde_json::Value::from(model).to_string();
    Pieces::new([body.slice(..at.start), Bytes::from(quoted), body.slice(at.end..)])
}

/// A changed body with the target's name for the model. The change has moved the field, so it is searched for.
fn model_in(exchange: &Exchange, body: Bytes, model: &str) -> Pieces {
    let field = exchange.endpoint.model_field.as_str();
    let at = scan::fields(&body, &[field]).ok().and_then(|mut found| found.pop().flatten());
    let Some(at) = at.filter(|_| !field.is_empty()) else { return Pieces::new([body]) };
    let quoted = serde_json::Value::from(model).to_string();
    Pieces::new([body.slice(..at.start), Bytes::from(quoted), body.slice(at.end..)])
}

/// An adapter may not set this header, and is not shown it: it is the connection's, or carries a key.
fn is_hosts(lower: &str) -> bool {
    CONNECTION_HEADERS.contains(&lower) || SECRET_HEADERS.contains(&lower)
}

/// The caller's headers that the provider's protocol knows.
pub fn forwarded(headers: &HeaderMap, patterns: &[String]) -> HeaderMap {
    let (mut kept, hops) = (HeaderMap::new(), Hops::of(headers));
    for (name, value) in headers {
        if matches(name.as_str(), patterns) && hops.crosses(name) && !is_hosts(name.as_str()) {
            let mut value = value.clone();
            // A caller of HTTP/2 may mark anything so; ours are the only secrets that leave.
            value.set_sensitive(false);
            kept.append(name.clone(), value);
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

/// The caller's query, but for what the provider's protocol does not know: callers' keys can stand there.
fn forwarded_query(query: Option<&str>, patterns: &[String]) -> String {
    let kept = query.unwrap_or_default().split('&').filter(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let shows_key = KEY_PARAMETERS.iter().any(|parameter| name.eq_ignore_ascii_case(parameter));
        !name.is_empty() && !shows_key && matches(name, patterns)
    });
    kept.collect::<Vec<_>>().join("&")
}

/// What the adapter said, checked, and the secret that it never saw.
async fn request(
    exchange: &Exchange,
    adapter: &Adapter,
    key_at: usize,
    call: &Call,
    query: &str,
    headers: HeaderMap,
    body: Pieces,
) -> Result<(Request<Pieces>, Authorized), Fault> {
    let request = said(&adapter.base_url, call, query, headers, body).map_err(|text| {
        let fault = PluginFault::Nonsense(text);
        adapter.plugin.tally.note_fault(&fault);
        adapter_failed(adapter, &fault)
    });
    let mut request = request?;
    if let Some(trace) = Trace::of(&exchange.head.headers) {
        trace.send(request.headers_mut());
    }
    let authorized = authorize(&exchange.gateway, adapter, key_at, &mut request).await?;
    Ok((request, authorized))
}

/// The request that an adapter means, without the secret. `headers` are the caller's.
///
/// # Errors
/// What no correct adapter says.
pub fn said<B>(
    base_url: &str,
    call: &Call,
    query: &str,
    mut headers: HeaderMap,
    body: B,
) -> Result<Request<B>, String> {
    if !call.path.starts_with('/') {
        return Err(format!("the path `{}` does not begin with a slash", call.path));
    }
    let joint = if call.path.contains('?') { '&' } else { '?' };
    let url = match query {
        "" => format!("{base_url}{}", call.path),
        query => format!("{base_url}{}{joint}{query}", call.path),
    };
    for header in &call.headers {
        let lower = header.name.to_ascii_lowercase();
        if is_hosts(&lower) {
            return Err(format!("the header `{lower}` is the host's to set"));
        }
        let name = HeaderName::try_from(&lower).map_err(|_| format!("`{lower}` is not a header's name"))?;
        let value = HeaderValue::try_from(&header.value);
        let value = value.map_err(|_| format!("the value of the header `{lower}` is not one"))?;
        headers.entry(name).or_insert(value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let (accept, _) = content_types(call.framing);
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    let request = Request::builder().method(call.method.as_str()).uri(&url).body(body);
    let mut request = request.map_err(|error| format!("{} {url}: {error}", call.method))?;
    *request.headers_mut() = headers;
    Ok(request)
}

pub fn adapter_failed(adapter: &Adapter, fault: &PluginFault) -> Fault {
    let text = format!("the adapter `{}` failed: {fault}", adapter.plugin.name);
    let kind = if *fault == PluginFault::Full { FaultKind::Busy } else { FaultKind::AdapterFailed };
    super::refusal::fault(kind, text)
}

fn no_codec() -> Fault {
    super::refusal::fault(FaultKind::AdapterFailed, "the plugin is not an adapter")
}
