//! Simulated callers: what they say, and what they get.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::MARK;
use super::outcome::Outcome;
use super::traffic::{Arrival, Mix, Speaks};
use crate::gateway::{self, Body, Gateway};
use crate::journal;

/// Every provider takes this limit, and no reply is that long: its tokens come as a few words.
const MAX_TOKENS: u32 = 4_000;
/// A word of a token.
const FILLER: &str = "la, ";

/// Where callers get in.
pub enum Entry {
    /// Behind the listener.
    Line,
    /// Each with a connection of its own.
    Port(SocketAddr),
}

/// Ask, read the whole reply, and see in the journal what came of it: the story of those that were lost, and of one more.
pub async fn call(
    gateway: Arc<Gateway>,
    entry: Arc<Entry>,
    arrival: Arrival,
    mix: Mix,
    explain: Option<Arc<str>>,
) -> Outcome {
    let mut outcome = Outcome { number: arrival.number, ..Outcome::default() };
    let table = gateway.table();
    let (path, body) = said(&arrival, &mix);
    let mut request = Request::new(Full::<Bytes>::new(body.into()));
    *request.method_mut() = Method::POST;
    let Ok(uri) = path.parse::<Uri>() else {
        outcome.why = format!("`{path}` is no path: the model's name does not fit into it");
        return outcome;
    };
    let endpoint = table.endpoint(&Method::POST, uri.path()).cloned();
    *request.uri_mut() = uri;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let Some(endpoint) = endpoint else {
        outcome.why = format!("the gateway has no endpoint {path}");
        return outcome;
    };
    let mut callers = table.config.server.callers.iter();
    let caller = callers.find(|caller| match &mix.caller {
        Some(name) => caller.name == *name,
        None => caller.may_use(&mix.model),
    });
    let answered = match *entry {
        Entry::Line => {
            let (gateway, table) = (Arc::clone(&gateway), Arc::clone(&table));
            Ok(gateway::answer(gateway, table, endpoint, caller.cloned(), request).await)
        }
        Entry::Port(address) => knock(address, request).await,
    };
    let (head, mut body) = match answered {
        Ok(answered) => answered.into_parts(),
        Err(error) => {
            outcome.why = format!("{error:#}");
            return outcome;
        }
    };
    let header = |name: &str| text(&head.headers, name);
    outcome.id = header("x-pointsman-request-id");
    outcome.attempts = header("x-pointsman-attempts").parse().unwrap_or(0);
    outcome.outrun = header("x-pointsman-outrun").split(", ").filter(|who| !who.is_empty()).map(Into::into).collect();
    while let Some(Ok(_)) = body.frame().await {}
    // With it goes the gateway's record of the request, which writes the journal.
    drop(body);
    if let Some(entry) = gateway.journal().find(&outcome.id) {
        outcome.is_answered = entry.outcome == "done";
        outcome.target.clone_from(&entry.answered_by);
        outcome.first_token_ms = entry.first_token_ms;
        if !outcome.is_answered {
            outcome.why = format!("{}: {}", entry.outcome, entry.why);
        }
        if !outcome.is_answered || explain.as_deref() == Some(outcome.id.as_str()) {
            outcome.story = Some(journal::story(&entry));
        }
    }
    outcome
}

async fn knock(address: SocketAddr, mut request: Request<Full<Bytes>>) -> anyhow::Result<Response<Body>> {
    let stream = TcpStream::connect(address).await.context("connecting to the gateway")?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, HeaderValue::from_str(&address.to_string())?);
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(std::io::Error::other).boxed_unsync()))
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Path and body. The prompt names the arrival, so that providers know it again, and asks for as many words as the reply is to
/// have pieces.
fn said(arrival: &Arrival, mix: &Mix) -> (String, String) {
    let Arrival { number, stream, pieces, input_tokens, .. } = arrival;
    // Every second request with tools has one called.
    let order = if arrival.tools && number % 2 == 0 { "\nuse tool look_up with {\"city\":\"Oslo\"}" } else { "" };
    let filler = FILLER.repeat(*input_tokens as usize);
    let prompt = format!("{MARK}{number}: write {pieces} words. {filler}{order}");
    let (model, schema) = (&mix.model, json!({ "type": "object", "properties": { "city": { "type": "string" } } }));
    let (path, mut body, tools) = match mix.protocol {
        Speaks::AnthropicMessages => (
            "/v1/messages".to_owned(),
            json!({ "model": model, "max_tokens": MAX_TOKENS, "stream": stream,
                    "messages": [{ "role": "user", "content": prompt }] }),
            json!([{ "name": "look_up", "input_schema": schema }]),
        ),
        Speaks::OpenaiChat => (
            "/v1/chat/completions".to_owned(),
            json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": prompt }] }),
            json!([{ "type": "function", "function": { "name": "look_up", "parameters": schema } }]),
        ),
        Speaks::OpenaiResponses => (
            "/v1/responses".to_owned(),
            json!({ "model": model, "stream": stream, "store": false, "input": prompt }),
            json!([{ "type": "function", "name": "look_up", "parameters": schema }]),
        ),
        Speaks::Gemini => {
            let method = if *stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": prompt }] }] });
            let tools = json!([{ "functionDeclarations": [{ "name": "look_up", "parameters": schema }] }]);
            (format!("/v1beta/models/{model}:{method}"), body, tools)
        }
    };
    if arrival.tools {
        body["tools"] = tools;
    }
    (path, Value::to_string(&body))
}
