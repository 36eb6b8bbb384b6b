//! Faults before the first content, and after it.

use std::path::Path;
use std::time::Duration;

use pointsman::config;
use pointsman::server::Port;
use pointsman_tests::broken::{Act, Broken};

use super::{CALLERS, Line};

const MODEL: &str = "first";

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/replies/text/openai-chat.{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A whole HTTP reply.
fn reply(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// The head of one, and the beginning of a chunked body.
fn chunked(content_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    if !body.is_empty() {
        bytes.extend_from_slice(&chunk(body));
    }
    bytes
}

fn chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat()
}

const JSON: &str = "content-type: application/json\r\n";
const SSE: &str = "text/event-stream";

/// Which requests a fault is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Both,
    Streamed,
    Whole,
}

/// Number, what happens once a request is there, and to which requests.
fn cases() -> Vec<(&'static str, &'static str, Asked, Vec<Act>)> {
    use Asked::{Both, Streamed, Whole};
    let error = br#"{"error":{"message":"no","type":"t","code":null}}"#;
    let status =
        |status: &str, headers: &str| vec![Act::Read, Act::Say(reply(status, &format!("{JSON}{headers}"), error))];
    let say = |bytes: Vec<u8>| vec![Act::Read, Act::Say(bytes)];
    let (whole, stream) = (fixture("json"), fixture("sse"));
    let half = &whole[..whole.len() / 2];
    let with_length = |length: usize, body: &[u8]| {
        [format!("HTTP/1.1 200 OK\r\n{JSON}content-length: {length}\r\n\r\n").as_bytes(), body].concat()
    };
    vec![
        ("F09", "the connection is accepted and closed", Both, vec![Act::Close]),
        ("F09", "the connection is closed without a reply", Both, vec![Act::Read, Act::Close]),
        ("F01", "the connection is reset without a reply", Both, vec![Act::Read, Act::Reset]),
        ("F18", "429 with seconds", Both, status("429 Too Many Requests", "retry-after: 30\r\n")),
        (
            "F19",
            "429 with a date",
            Both,
            status("429 Too Many Requests", "retry-after: Tue, 02 Jun 2026 10:01:00 GMT\r\n"),
        ),
        ("F20", "429 without a word", Both, status("429 Too Many Requests", "")),
        ("F21", "429 with milliseconds", Both, status("429 Too Many Requests", "retry-after-ms: 1500\r\n")),
        ("F22", "429 with 10^12 seconds", Both, status("429 Too Many Requests", "retry-after: 1000000000000\r\n")),
        ("F22", "429 with a negative wait", Both, status("429 Too Many Requests", "retry-after: -3\r\n")),
        ("F22", "429 with NaN", Both, status("429 Too Many Requests", "retry-after: NaN\r\n")),
        ("F23", "500", Both, status("500 Internal Server Error", "")),
        (
            "F24",
            "502 and a page of HTML",
            Both,
            say(reply("502 Bad Gateway", "content-type: text/html\r\n", b"<html>502")),
        ),
        ("F25", "503 with Retry-After", Both, status("503 Service Unavailable", "retry-after: 5\r\n")),
        ("F26", "504", Both, status("504 Gateway Timeout", "")),
        ("F27", "529", Both, status("529 Overloaded", "")),
        ("F28", "520", Both, status("520 Unknown", "")),
        ("F28", "526", Both, status("526 Invalid SSL", "")),
        ("F29", "401", Both, status("401 Unauthorized", "")),
        ("F30", "403", Both, status("403 Forbidden", "")),
        ("F31", "404", Both, status("404 Not Found", "")),
        ("F34", "408", Both, status("408 Request Timeout", "")),
        ("F35", "a redirect", Both, status("307 Temporary Redirect", "location: http://127.0.0.1:9/\r\n")),
        ("F36", "silence", Both, vec![Act::Read, Act::Stall]),
        (
            "F37",
            "a head that trickles",
            Both,
            vec![Act::Read, Act::Trickle(with_length(9, b""), Duration::from_millis(40))],
        ),
        (
            "F38",
            "a head without an end",
            Both,
            vec![
                Act::Read,
                Act::Say(b"HTTP/1.1 200 OK\r\n".to_vec()),
                Act::Flood(b"x-filler: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n".to_vec()),
            ],
        ),
        ("F39", "1xx without end", Both, vec![Act::Read, Act::Flood(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())]),
        (
            "F39",
            "101",
            Both,
            say(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()),
        ),
        ("F40", "200 and a page of HTML", Both, say(reply("200 OK", "content-type: text/html\r\n", b"<html>fine"))),
        ("F41", "200 and nothing", Both, say(reply("200 OK", JSON, b""))),
        ("F41", "200, a stream, and nothing", Streamed, say([chunked(SSE, b""), b"0\r\n\r\n".to_vec()].concat())),
        ("F42", "fewer bytes than announced", Whole, say(with_length(whole.len() + 1, &whole))),
        ("F43", "more bytes than announced", Whole, say(with_length(whole.len() / 2, &whole))),
        ("F44", "a chunk of no size", Streamed, say([chunked(SSE, b""), b"zz\r\nhello\r\n".to_vec()].concat())),
        (
            "F44",
            "a chunk larger than any",
            Streamed,
            say([chunked(SSE, b""), b"ffffffffffffffffff\r\nx".to_vec()].concat()),
        ),
        (
            "F45",
            "a chunk extension without end",
            Streamed,
            vec![Act::Read, Act::Say([chunked(SSE, b""), b"5;".to_vec()].concat()), Act::Flood(vec![b'x'; 4096])],
        ),
        ("F46", "no last chunk", Whole, say(chunked("application/json", &whole))),
        (
            "F48",
            "two lengths",
            Both,
            say([
                b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n".to_vec(),
                with_length(9, b"")[17..].to_vec(),
                half.to_vec(),
            ]
            .concat()),
        ),
        (
            "F50",
            "gzip that was not asked for",
            Both,
            say(reply("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), &whole)),
        ),
        ("F51", "a bomb", Both, say(reply("200 OK", &format!("{JSON}content-encoding: gzip\r\n"), &[0; 4096]))),
        ("F57", "JSON that is cut", Whole, say(reply("200 OK", JSON, half))),
        (
            "F62",
            "pings without end",
            Streamed,
            vec![
                Act::Read,
                Act::Say(chunked(SSE, b"")),
                Act::Trickle(b"3\r\n:\n\n\r\n".repeat(100), Duration::from_millis(5)),
                Act::Stall,
            ],
        ),
        (
            "F63",
            "an event without end",
            Streamed,
            vec![Act::Read, Act::Say(chunked(SSE, b"data: \"")), Act::Flood(chunk(&[b'x'; 65_536]))],
        ),
        (
            "F138",
            "empty pieces without end",
            Streamed,
            vec![
                Act::Read,
                Act::Say(chunked(SSE, b"")),
                Act::Flood(chunk(
                    &b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n".repeat(1_000),
                )),
            ],
        ),
        (
            "F65",
            "an error as the first event",
            Streamed,
            say([
                chunked(SSE, b"data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n"),
                b"0\r\n\r\n".to_vec(),
            ]
            .concat()),
        ),
        ("F73", "JSON where a stream was asked for", Streamed, say(reply("200 OK", JSON, &whole))),
        (
            "F73",
            "a stream where JSON was asked for",
            Whole,
            say([chunked(SSE, &stream), b"0\r\n\r\n".to_vec()].concat()),
        ),
        ("F64", "garbage in a stream", Streamed, say(chunked(SSE, b"data: {]\n\n"))),
        (
            "F58",
            "no UTF-8",
            Whole,
            say(reply("200 OK", JSON, b"{\"choices\":[{\"message\":{\"content\":\"\xff\xfe\"}}]}")),
        ),
    ]
}

/// The caller gets the second target's answer, whatever the first one does before its first content.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_before_content_go_unnoticed() {
    for (fault, words, asked, script) in cases() {
        let broken = Broken::start(script).await;
        let line = Line::start("openai-chat", &format!("http://{}", broken.address()), "").await;
        for stream in [false, true] {
            if asked == if stream { Asked::Whole } else { Asked::Streamed } {
                continue;
            }
            for caller in CALLERS {
                let answer = line.ask(caller, stream).await;
                let told =
                    format!("{fault} {words}, {caller:?}, streamed: {stream}: {} {}", answer.status, answer.body);
                assert_eq!(
                    (answer.status.as_u16(), answer.header("x-pointsman-target")),
                    (200, "good/second"),
                    "{told}"
                );
                assert!(answer.text().ends_with("word20"), "{told}");
                assert!(!answer.body.contains(MODEL), "{told}");
            }
        }
        let idle = words.contains("accepted and closed");
        assert!(idle || broken.requests() > 0, "{fault} {words}: the first target was never asked");
    }
}

/// The first half of a good stream, in one chunk.
fn first_words() -> Vec<u8> {
    let stream = fixture("sse");
    let end = stream.windows(2).enumerate().filter(|(_, pair)| pair == b"\n\n").nth(3).map_or(0, |(at, _)| at + 2);
    stream[..end].to_vec()
}

/// The caller has read something: it is told, in its own protocol, and what it read is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_after_content_are_told() {
    let begun = || vec![Act::Read, Act::Say(chunked(SSE, &first_words()))];
    let then = |acts: Vec<Act>| [begun(), vec![Act::Pause(Duration::from_millis(50))], acts].concat();
    let cases: Vec<(&str, &str, Vec<Act>)> = vec![
        ("F55", "silence", then(vec![Act::Stall])),
        (
            "F56",
            "an event that trickles",
            then(vec![Act::Trickle(b"20\r\ndata: {\"id\"".to_vec(), Duration::from_millis(80)), Act::Stall]),
        ),
        (
            "F62",
            "pings without end",
            then(vec![Act::Trickle(b"3\r\n:\n\n\r\n".repeat(300), Duration::from_millis(1)), Act::Stall]),
        ),
        ("F63", "an event without end", then(vec![Act::Say(chunk(b"data: \"")), Act::Flood(chunk(&[b'x'; 65_536]))])),
        ("F64", "garbage", then(vec![Act::Say(chunk(b"data: {]\n\n"))])),
        ("F44", "a chunk of no size", then(vec![Act::Say(b"zz\r\nhello\r\n".to_vec())])),
        (
            "F66",
            "an error event",
            then(vec![Act::Say(chunk(b"data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n"))]),
        ),
        ("F67", "the end, without an end", then(vec![Act::Say(b"0\r\n\r\n".to_vec())])),
    ];
    for (fault, words, script) in cases {
        let broken = Broken::start(script).await;
        let line = Line::start("openai-chat", &format!("http://{}", broken.address()), "").await;
        for caller in CALLERS {
            let answer = line.ask(caller, true).await;
            let told = format!("{fault} {words}, {caller:?}: {}", answer.body);
            assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, "broken/first"), "{told}");
            assert!(answer.broken && !answer.complete(), "{told}");
            assert!(answer.text().starts_with("Hello"), "{told}");
            let last = answer.events().pop().unwrap_or_default();
            assert!(last["error"]["message"].is_string(), "{told}");
            assert!(line.good.seen().is_empty(), "{told}: after the commit nobody else is asked");
        }
    }
}

/// Odd, but an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_odd_but_whole_is_passed_on() {
    let (whole, stream) = (fixture("json"), fixture("sse"));
    let text = String::from_utf8_lossy(&stream).into_owned();
    let bytes: Vec<u8> = stream.iter().flat_map(|byte| chunk(&[*byte])).collect();
    let crlf = text.replace('\n', "\r\n");
    let end = || b"0\r\n\r\n".to_vec();
    let streamed = |body: Vec<u8>| vec![Act::Read, Act::Say(chunked(SSE, b"")), Act::Say(body)];
    let no_usage: String = text.split_inclusive("\n\n").filter(|event| !event.contains("\"choices\":[]")).collect();
    let cases: Vec<(&str, &str, bool, Vec<Act>)> = vec![
        ("F60", "one byte in a chunk", true, streamed([bytes, end()].concat())),
        ("F59", "CRLF", true, streamed([chunk(crlf.as_bytes()), end()].concat())),
        ("F59", "a byte order mark", true, streamed([chunk("\u{feff}".as_bytes()), chunk(&stream), end()].concat())),
        ("F68", "two ends", true, streamed([chunk(&stream), chunk(b"data: [DONE]\n\n"), end()].concat())),
        (
            "F69",
            "words behind the end",
            true,
            streamed([chunk(&stream), chunk(b"data: {\"x\":1}\n\n"), end()].concat()),
        ),
        ("F70", "no usage", true, streamed([chunk(no_usage.as_bytes()), end()].concat())),
        ("F46", "the end, and no last chunk", true, streamed(chunk(&stream))),
        ("F47", "trailers", true, streamed([chunk(&stream), b"0\r\nx-secret: sk-secret\r\n\r\n".to_vec()].concat())),
        (
            "F49",
            "a length and chunks",
            true,
            vec![Act::Read, Act::Say([
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            chunk(&stream), end(),
        ].concat())]),
        (
            "F43",
            "a second reply behind the first",
            false,
            vec![Act::Read, Act::Say([reply("200 OK", JSON, &whole), reply("200 OK", JSON, b"{}")].concat())],
        ),
        (
            "F37",
            "a slow head",
            false,
            vec![
                Act::Read,
                Act::Trickle(b"HTTP/1.1 200 OK\r\n".to_vec(), Duration::from_millis(2)),
                Act::Say(reply("200 OK", JSON, &whole)[17..].to_vec()),
            ],
        ),
    ];
    for (fault, words, stream, script) in cases {
        let broken = Broken::start(script).await;
        let line = Line::start("openai-chat", &format!("http://{}", broken.address()), "").await;
        for caller in CALLERS {
            for _ in 0..2 {
                let answer = line.ask(caller, stream).await;
                let told = format!("{fault} {words}, {caller:?}: {} {}", answer.status, answer.body);
                assert_eq!(answer.header("x-pointsman-target"), "broken/first", "{told}");
                assert!(answer.text().contains("wörld! 世界") && answer.text().ends_with("</p>"), "{told}");
                let ends = answer.complete() || answer.body.contains("data: [DONE]");
                assert!(!answer.broken && (!stream || ends), "{told}");
                assert!(!answer.body.contains("secret") && !answer.headers.contains_key("x-secret"), "{told}");
            }
        }
    }
}

/// Faults: F01, F04, F14, F15, F16
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_is_not_waited_for() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let no_tls = Broken::start(vec![Act::Say(b"\x15\x03\x03\x00\x02\x02\x28".to_vec()), Act::Close]).await;
    let silent = Broken::start(vec![Act::Stall]).await;
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let tls = config::Tls { certificate: fixture("localhost.pem"), key: fixture("localhost-key.pem") };
    let own = Port::bind(([127, 0, 0, 1], 0).into(), Some(&tls)).await.expect("a port");
    let own_address = own.address().expect("an address");
    let nobody = Line::start("openai-chat", "http://127.0.0.1:1", "").await;
    tokio::spawn(own.serve(nobody.gateway(), std::future::pending(), Duration::ZERO));
    for url in [
        format!("https://localhost:{}", own_address.port()),
        format!("http://{free}"),
        "http://pointsman.invalid".to_owned(),
        format!("https://{}", no_tls.address()),
        format!("https://{}", silent.address()),
    ] {
        let line = Line::start("openai-chat", &url, "").await;
        for caller in CALLERS {
            let answer = line.ask(caller, true).await;
            assert!(
                answer.complete() && answer.header("x-pointsman-target") == "good/second",
                "{url}: {}",
                answer.body
            );
        }
    }
}

/// A provider closes a connection that waits in the pool; and one that closes it when the next request comes.
/// Faults: F10, F11
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooled_connection_that_died_costs_nothing() {
    let good = reply("200 OK", JSON, &fixture("json"));
    for script in [
        vec![Act::Read, Act::Say(good.clone()), Act::Close],
        vec![Act::Read, Act::Say(good.clone()), Act::Read, Act::Close],
        vec![Act::Read, Act::Say(good.clone()), Act::Read, Act::Reset],
    ] {
        let broken = Broken::start(script).await;
        let line = Line::start("openai-chat", &format!("http://{}", broken.address()), "").await;
        for number in 0..6 {
            let answer = line.ask_for("alone", super::Caller::OpenAi, false).await;
            assert_eq!(answer.status, 200, "request {number}: {}", answer.body);
        }
    }
    let broken = Broken::start(vec![Act::Read, Act::Say(good), Act::Stall]).await;
    let line = Line::start("openai-chat", &format!("http://{}", broken.address()), "").await;
    for number in 0..3 {
        let answer = line.ask(super::Caller::OpenAi, false).await;
        assert_eq!(answer.status, 200, "request {number}: {}", answer.body);
    }
}
