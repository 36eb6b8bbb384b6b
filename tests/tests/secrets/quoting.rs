//! A provider that quotes in each of its replies what it was sent, keys and all. How it does so stands in the model's name:
//! `NAME.quotes-in-HOW`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// All the ways. A status is an error reply in the words of every provider at once.
pub const WAYS: &[&str] = &[
    "400",
    "401",
    "403",
    "404",
    "413",
    "429",
    "500",
    "503",
    "529",
    "html",
    "garbage",
    "alien",
    "type",
    "encoding",
    "answer",
    "early-error",
    "late-error",
    "late-garbage",
    "late-cut",
];

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A request, as it came.
pub struct Sent {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// See the module.
pub struct Quoting {
    pub address: SocketAddr,
    pub sent: Arc<Mutex<Vec<Sent>>>,
}

impl Quoting {
    pub async fn start() -> Quoting {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let quoting = Quoting { address: listener.local_addr().expect("an address"), sent: Arc::default() };
        let sent = Arc::clone(&quoting.sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let sent = Arc::clone(&sent);
                let service = service_fn(move |request| answer(Arc::clone(&sent), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        quoting
    }
}

async fn answer(sent: Arc<Mutex<Vec<Sent>>>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let headers = head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()));
    let quoted = format!("Incorrect API key provided ({})", headers.collect::<Vec<_>>().join("; "));
    let text = format!("{path} {}", String::from_utf8_lossy(&body));
    let how = text.split_once(".quotes-in-").map_or("answer", |(_, rest)| {
        rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').next().unwrap_or_default()
    });
    let is_stream = text.contains("\"stream\":true") || path.contains("stream");
    let response = reply(how, is_stream, &path, &quoted);
    sent.lock().expect("no panic").push(Sent { path, headers: head.headers, body });
    Ok(response)
}

fn reply(how: &str, is_stream: bool, path: &str, quoted: &str) -> Response<Body> {
    let error = json!({
        "type": "error", "message": quoted,
        "error": { "type": quoted, "message": quoted, "code": quoted, "param": quoted, "status": "UNAUTHENTICATED" },
    });
    let error_event = format!("event: error\ndata: {error}\n\n");
    let (opening, content) = stream_of(path, quoted);
    let events = |late: String| paced(vec![opening.clone() + &content, late]);
    match (how, is_stream) {
        ("html", _) => whole(502, "text/html", quoted, format!("<html><body>{quoted}</body></html>")),
        ("garbage", _) => whole(200, "application/json", quoted, format!("{{\"what\": [\"{quoted}")),
        ("alien", _) => whole(200, "application/json", quoted, json!({ "what": quoted }).to_string()),
        ("type", _) => whole(200, &format!("text/html; is=\"{quoted}\""), quoted, quoted.to_owned()),
        ("encoding", _) => {
            let mut response = whole(200, "application/json", quoted, error.to_string());
            response.headers_mut().insert("content-encoding", quoted.parse().expect("a value"));
            response
        }
        ("answer", false) => whole(200, "application/json", quoted, whole_of(path, quoted).to_string()),
        ("answer", true) => events(end_of(path).to_owned()),
        ("early-error", true) => paced(vec![opening + &error_event]),
        ("late-error", true) => events(error_event),
        ("late-garbage", true) => events(format!("data: {{\"what\": [\"{quoted}\n\n")),
        ("late-cut", true) => events(format!("data: {{\"what\": \"{quoted}")),
        (status, _) => whole(status.parse().unwrap_or(500), "application/json", quoted, error.to_string()),
    }
}

fn whole(status: u16, content_type: &str, quoted: &str, body: String) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", content_type);
    // Headers that adapters hand on to their callers.
    let names = ["request-id", "x-request-id", "anthropic-organization-id", "x-amzn-requestid", "server-timing"];
    let response = names.iter().fold(response, |response, name| response.header(*name, quoted));
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    response.body(body).expect("a response")
}

/// With a pause before each piece but the first, so that it arrives alone.
fn paced(pieces: Vec<String>) -> Response<Body> {
    let pieces = stream::unfold(pieces.into_iter().enumerate(), |mut pieces| async move {
        let (number, piece) = pieces.next()?;
        tokio::time::sleep(Duration::from_millis(if number > 0 { 40 } else { 0 })).await;
        Some((Ok(Frame::data(Bytes::from(piece))), pieces))
    });
    let response = Response::builder().header("content-type", "text/event-stream");
    response.body(StreamBody::new(pieces).boxed_unsync()).expect("a response")
}

fn whole_of(path: &str, text: &str) -> Value {
    if path.contains("/messages") {
        return json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
            "content": [{ "type": "text", "text": text }], "usage": { "input_tokens": 1, "output_tokens": 1 },
        });
    }
    if path.contains("generateContent") {
        let content = json!({ "role": "model", "parts": [{ "text": text }] });
        return json!({ "candidates": [{ "content": content, "finishReason": "STOP" }], "modelVersion": "m" });
    }
    if path.contains("/converse") {
        let message = json!({ "role": "assistant", "content": [{ "text": text }] });
        return json!({ "output": { "message": message }, "stopReason": "end_turn", "usage": { "inputTokens": 1,
            "outputTokens": 1, "totalTokens": 2 } });
    }
    let message = json!({ "role": "assistant", "content": text });
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
    })
}

/// How a stream begins, and its first content.
fn stream_of(path: &str, text: &str) -> (String, String) {
    if path.contains("/messages") {
        let message = json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": null, "usage": { "input_tokens": 1, "output_tokens": 1 } });
        let start = json!({ "type": "message_start", "message": message });
        let block =
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
        let delta =
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
        return (format!("data: {start}\n\n"), format!("data: {block}\n\ndata: {delta}\n\n"));
    }
    if path.contains("streamGenerateContent") {
        let content = json!({ "role": "model", "parts": [{ "text": text }] });
        return (String::new(), format!("data: {}\n\n", json!({ "candidates": [{ "content": content }] })));
    }
    let chunk = |delta: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": null });
        json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice] })
    };
    let opening = chunk(json!({ "role": "assistant", "content": "" }));
    (format!("data: {opening}\n\n"), format!("data: {}\n\n", chunk(json!({ "content": text }))))
}

fn end_of(path: &str) -> &'static str {
    if path.contains("/messages") {
        return "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
                data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n\
                data: {\"type\":\"message_stop\"}\n\n";
    }
    if path.contains("streamGenerateContent") {
        return "data: {\"candidates\":[{\"content\":{\"parts\":[]},\"finishReason\":\"STOP\"}]}\n\n";
    }
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
     \"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}
