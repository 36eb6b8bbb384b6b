//! The same over HTTP/2, frame by frame: what is malformed reaches no provider, and floods end.

use std::time::Duration;

use pointsman::fake::Behaviour;
use pointsman_tests::{CLAUDE, Line, behave, chat_body, messages_body, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::raw::{ENDS, impatient};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A caller that writes frames.
struct Caller {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Caller {
    /// `window`: what the gateway may send ahead of each stream.
    async fn connect(address: std::net::SocketAddr, window: u32) -> Caller {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let mut caller = Caller { stream, read: Vec::new() };
        let mut opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE
        let setting = [&[0, 4][..], &window.to_be_bytes()].concat();
        opening.extend(frame(SETTINGS, 0, 0, &setting));
        opening.extend(frame(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
        assert!(caller.say(&opening).await);
        caller
    }

    /// False: the gateway hears no more.
    async fn say(&mut self, bytes: &[u8]) -> bool {
        timeout(ENDS, self.stream.write_all(bytes)).await.expect("it reads or hangs up").is_ok()
    }

    /// Type, flags, stream, payload. Absent: the connection has ended.
    async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let Some(head) = self.read.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if self.read.len() >= 9 + length {
                    let (kind, flags) = (head[3], head[4]);
                    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                    let payload = self.read[9..9 + length].to_vec();
                    self.read.drain(..9 + length);
                    return Some((kind, flags, stream, payload));
                }
            }
            let mut buffer = [0; 16 << 10];
            match timeout(ENDS, self.stream.read(&mut buffer)).await.expect("it ends") {
                Ok(count @ 1..) => self.read.extend_from_slice(&buffer[..count]),
                _ => return None,
            }
        }
    }

    /// Wait until a stream is over, and say how: the type of its last frame, or GOAWAY, or none.
    async fn end_of(&mut self, wanted: u32) -> Option<u8> {
        loop {
            let (kind, flags, stream, _) = self.next().await?;
            let over = kind == RST_STREAM || (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0);
            if kind == GOAWAY || (stream == wanted && over) {
                return Some(kind);
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Literal headers that no table remembers: any bytes can be said so.
fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            match u8::try_from(text.len()).ok().filter(|length| *length < 127) {
                Some(length) => block.push(length),
                // An integer of several bytes, seven bits each.
                None => {
                    block.push(127);
                    let mut rest = text.len() - 127;
                    while rest >= 128 {
                        block.push((rest % 128) as u8 | 128);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

const GOOD: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "http"), (":authority", "gateway"), (":path", "/v1/messages")];

fn request(stream: u32, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &block(headers));
    bytes.extend(frame(DATA, END_STREAM, stream, body.as_bytes()));
    bytes
}

/// The good headers with one in place of another, or added.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers: Vec<(&str, &str)> = GOOD.iter().filter(|(given, _)| *given != name).copied().collect();
    let at = if name.starts_with(':') { 0 } else { headers.len() };
    headers.insert(at, (name, value));
    headers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_malformed_reaches_no_provider() {
    let line = impatient("").await;
    let without = |name: &str| GOOD.iter().filter(|(given, _)| *given != name).copied().collect::<Vec<_>>();
    let also = |header: (&'static str, &'static str)| GOOD.iter().copied().chain([header]).collect::<Vec<_>>();
    let length = |length: &str| -> Vec<(&'static str, String)> { vec![("content-length", length.to_owned())] };
    let body = messages_body(CLAUDE, "genuine", false).to_string();
    let mut cases: Vec<(usize, Vec<(&str, &str)>)> = vec![
        (1, GOOD.to_vec()),
        (1, also(("host", "gateway"))),
        (1, also(("te", "trailers"))),
        (1, with(":scheme", "https")),
        (0, without(":method")),
        (0, without(":path")),
        (0, without(":scheme")),
        (0, without(":authority")),
        (0, also((":path", "/v1/messages"))),
        (0, also((":method", "POST"))),
        (0, also((":authority", "other"))),
        (0, with(":evil", "x")),
        (0, with(":status", "200")),
        (0, with(":protocol", "websocket")),
        (0, [&[("x", "y")][..], &GOOD].concat()),
        (0, with(":path", "")),
        (0, with(":path", "*")),
        (0, with(":path", "v1/messages")),
        (0, with(":path", "/v1/messages HTTP/1.1\r\nX: y")),
        (0, with(":path", "/v1/messages\r\n\r\nPOST /v1/messages")),
        (0, with(":path", "http://other/v1/messages")),
        (0, with(":method", "POST /v1/messages")),
        (0, with(":method", "")),
        (0, with(":method", "CONNECT")),
        (0, with(":method", "GET")),
        (0, with(":authority", "gateway\r\nX: y")),
        (0, with(":authority", "user@gateway/x")),
        (0, with(":scheme", "http://other/")),
        (0, also(("host", "other"))),
        (0, [&GOOD[..], &[("host", "gateway"), ("host", "gateway")]].concat()),
        (0, also(("x", "a\r\nTransfer-Encoding: chunked"))),
        (0, also(("x", "a\nb"))),
        (0, also(("x", "a\rb"))),
        (0, also(("x", "a\0b"))),
        (0, also(("X", "y"))),
        (0, also(("x y", "z"))),
        (0, also(("x:y", "z"))),
        (0, also(("x\r\ny", "z"))),
        (0, also(("", "z"))),
        (0, also(("connection", "close"))),
        (0, also(("keep-alive", "1"))),
        (0, also(("proxy-connection", "close"))),
        (0, also(("upgrade", "x"))),
        (0, also(("transfer-encoding", "chunked"))),
        (0, also(("te", "gzip"))),
        (0, also(("content-encoding", "gzip"))),
        (0, also(("content-length", "5"))),
        (0, also(("content-length", "99999"))),
        (0, also(("content-length", "99999999"))),
        (0, also(("content-length", "+5"))),
        (0, also(("content-length", "18446744073709551616"))),
        (0, also(("content-length", ""))),
    ];
    let true_length = length(&body.len().to_string());
    let true_length = (true_length[0].0, true_length[0].1.as_str());
    cases.push((1, [&GOOD[..], &[true_length]].concat()));
    cases.push((0, [&GOOD[..], &[true_length, ("content-length", "5")]].concat()));
    let many: Vec<String> = (0..150).map(|number| format!("x-{number}")).collect();
    cases.push((0, GOOD.iter().copied().chain(many.iter().map(|name| (name.as_str(), "y"))).collect()));
    let long = "x".repeat(9 << 10);
    cases.push((0, with(":path", &long)));
    let mut wrong = Vec::new();
    for (expected, headers) in &cases {
        let before = line.anthropic.seen().len();
        let mut caller = Caller::connect(line.address, 1 << 20).await;
        caller.say(&request(1, headers, &body)).await;
        let end = caller.end_of(1).await;
        let seen = line.anthropic.seen().len() - before;
        if seen != *expected || line.anthropic.seen().iter().any(|seen| seen.body != body) {
            let told: Vec<_> = headers.iter().map(|(name, value)| (name, &value[..value.len().min(50)])).collect();
            wrong.push(format!("seen {seen}, not {expected}, its end is {end:?}: {told:?}"));
        }
    }
    assert!(cases.len() >= 50 && wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Requests that are reset as soon as they are sent (CVE-2023-44487): no more of them run at once than may, and callers
/// beside them are served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_start_little_and_end_the_connection() {
    let line = impatient("").await;
    line.anthropic.behave(behave("hang"));
    let body = messages_body("only-claude", "genuine", false).to_string();
    let (mut resets, mut most) = (0, 0);
    let mut connections = 0;
    while resets < 5_000 && connections < 400 {
        connections += 1;
        let mut caller = Caller::connect(line.address, 1 << 20).await;
        for number in 0..500 {
            let stream = 2 * number + 1;
            let mut bytes = request(stream, &GOOD, &body);
            bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
            if !caller.say(&bytes).await {
                break;
            }
            resets += 1;
            most = most.max(line.anthropic.open());
        }
        most = most.max(line.anthropic.open());
    }
    assert!(most <= 200, "{most} at once");
    wait_until("nothing runs for them", || line.anthropic.open() == 0).await;
    line.anthropic.behave(behave("ok"));
    assert_eq!(line.claude("only-claude", "hello", false).await.status, 200, "{resets} resets");
}

/// Frames that cost nothing to send, from a caller that reads no answer: it is disconnected.
///
/// Faults: F122
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end() {
    let line = impatient("").await;
    let opening = frame(HEADERS, 0, 1, &block(&GOOD));
    let floods = [
        ("SETTINGS", Vec::new(), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])),
        ("PING", Vec::new(), frame(PING, 0, 0, b"12345678")),
        ("PING that is an answer", Vec::new(), frame(PING, 1, 0, b"12345678")),
        ("an unknown frame", Vec::new(), frame(200, 0, 0, b"12345678")),
        ("CONTINUATION", opening, frame(CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(1000))]))),
        ("empty CONTINUATION", frame(HEADERS, 0, 1, &block(&GOOD)), frame(CONTINUATION, 0, 1, &[])),
        ("empty DATA", frame(HEADERS, END_HEADERS, 1, &block(&GOOD)), frame(DATA, 0, 1, &[])),
        ("RST_STREAM of idle streams", Vec::new(), frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())),
        ("WINDOW_UPDATE of nothing", Vec::new(), frame(WINDOW_UPDATE, 0, 1, &0_u32.to_be_bytes())),
        ("WINDOW_UPDATE over the top", Vec::new(), frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        ("a frame that is too large", Vec::new(), frame(PING, 0, 0, &[0; 20_000])),
        ("data for no stream", Vec::new(), frame(DATA, 0, 0, b"x")),
    ];
    for (name, opening, flood) in floods {
        let mut caller = Caller::connect(line.address, 1 << 20).await;
        caller.say(&opening).await;
        let flood = flood.repeat((64 << 10) / flood.len() + 1);
        let until = tokio::time::Instant::now() + Duration::from_secs(3);
        let mut ended = false;
        while !ended && tokio::time::Instant::now() < until {
            ended = !caller.say(&flood).await;
        }
        assert!(ended, "{name} goes on");
        drop(caller);
        assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200, "{name}");
    }
}

/// One stream's caller makes no room for it: that one is reset, and the provider's with it. The other is answered.
///
/// Faults: F77
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_nobody_reads_is_reset_and_its_neighbour_is_not() {
    let line = impatient("").await;
    let mut caller = Caller::connect(line.address, 0).await;
    line.openai.behave(Behaviour { between_tokens: Duration::from_millis(2), ..behave("ok") });
    let long = chat_body("only-gpt", "write 10000 words", true).to_string();
    caller.say(&request(1, &with(":path", "/v1/chat/completions"), &long)).await;
    caller.say(&frame(WINDOW_UPDATE, 0, 1, &5_000_u32.to_be_bytes())).await;
    assert_eq!(caller.end_of(1).await, Some(RST_STREAM));
    wait_until("the provider's stream is cancelled", || line.openai.cancelled() == 1).await;
    caller.say(&request(3, &GOOD, &messages_body(CLAUDE, "hello", true).to_string())).await;
    caller.say(&frame(WINDOW_UPDATE, 0, 3, &1_000_000_u32.to_be_bytes())).await;
    assert_eq!(caller.end_of(3).await, Some(DATA));
}

/// More streams than may be at once are refused one by one, not run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_connection_has_more_streams_than_it_may() {
    let line = impatient("").await;
    line.anthropic.behave(behave("hang"));
    let body = messages_body("only-claude", "genuine", false).to_string();
    let mut caller = Caller::connect(line.address, 1 << 20).await;
    let mut bytes = Vec::new();
    for number in 0..300 {
        bytes.extend(request(2 * number + 1, &GOOD, &body));
    }
    caller.say(&bytes).await;
    wait_until("as many run as may", || line.anthropic.open() == 200).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(line.anthropic.open(), 200);
    drop(caller);
    wait_until("nothing runs for them", || line.anthropic.open() == 0).await;
}

/// Connections without streams go: after a while, and sooner where their places are needed.
///
/// Faults: F117
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_streams_make_room_for_others() {
    const PLACES: usize = 4;
    let line = Line::start_with(&format!("[server]\nkeep_alive = \"1m\"\nmax_connections = {PLACES}")).await;
    let mut idle = Vec::new();
    for _ in 0..PLACES {
        idle.push(Caller::connect(line.address, 65_535).await);
    }
    for _ in 0..2 {
        let answer = timeout(ENDS, line.claude(CLAUDE, "hello", false)).await.expect("there is room");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let line = impatient("").await;
    let mut caller = Caller::connect(line.address, 65_535).await;
    assert_eq!(caller.end_of(1).await, Some(GOAWAY));
    while caller.next().await.is_some() {}
}
