//! Callers who mean no good, or know no better, beside those who are counted: bodies that nobody expects, replies that are hardly
//! read, connections on which nothing is said. They may be refused; what the others get is not concerned.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman_tests::reply::Speaks;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Between two odd bodies.
const PAUSE: Duration = Duration::from_millis(150);
/// At once.
const SILENT: usize = 20;
/// A slow reader takes so many bytes at a time, so often.
const SIP_BYTES: usize = 40;
const SIP: Duration = Duration::from_millis(50);

/// All of them at once, for so long.
pub async fn run(address: SocketAddr, mut dice: Rng, until: Instant) {
    let slow = dice.fork();
    tokio::join!(odd_bodies(address, dice, until), slow_readers(address, slow, until), silent(address, until));
}

async fn odd_bodies(address: SocketAddr, mut dice: Rng, until: Instant) {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    while Instant::now() < until {
        let speaks = Speaks::ALL[dice.usize(..Speaks::ALL.len())];
        let (path, body) = speaks.ask("one", "odd", dice.bool());
        let (what, body) = odd(&mut dice, body);
        let request = Request::post(format!("http://{address}{path}")).header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let response = timeout(super::PATIENCE, client.request(request)).await.expect("it ends").expect("an answer");
        let status = response.status().as_u16();
        // A stream may break off, as the providers of this route do.
        let _ = timeout(super::PATIENCE, response.into_body().collect()).await.expect("it ends");
        assert!(matches!(status, 200 | 400 | 413 | 415 | 422), "{what} in {speaks:?}: {status}");
        sleep(PAUSE).await;
    }
}

/// What is odd about a body, and the body.
fn odd(dice: &mut Rng, mut body: Value) -> (&'static str, Vec<u8>) {
    match dice.u32(..8) {
        0 => {
            for number in 0..4_000 {
                body[format!("unknown_{number}")] = number.into();
            }
            ("fields that nobody knows", body.to_string().into())
        }
        1 => {
            let text = body.to_string();
            let end = dice.usize(..text.len());
            ("a body that is cut", text.as_bytes()[..end].into())
        }
        2 => ("a body that is nested deeply", "[".repeat(100_000).into()),
        3 => ("a letter that is half", body.to_string().replace("odd", "odd \\\\ud83d").into()),
        4 => ("bytes that are no text", [body.to_string().as_bytes(), b"\xff\xfe"].concat()),
        5 => ("a long text", body.to_string().replace("odd", &"la ".repeat(300_000)).into()),
        6 => {
            let tools: Vec<Value> =
                (0..2_000).map(|number| json!({ "type": "function", "name": format!("t{number}") })).collect();
            body["tools"] = tools.into();
            ("tools of another protocol", body.to_string().into())
        }
        _ => ("a number beyond all bounds", body.to_string().replacen('{', "{\"top_p\":1e999,", 1).into()),
    }
}

async fn slow_readers(address: SocketAddr, mut dice: Rng, until: Instant) {
    while Instant::now() < until {
        let (path, body) = Speaks::Chat.ask("two", "write 300 words", true);
        let (body, mut stream) = (body.to_string(), TcpStream::connect(address).await.expect("a connection"));
        let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            continue;
        }
        let leaves = until.min(Instant::now() + Duration::from_millis(dice.u64(500..6_000)));
        while Instant::now() < leaves {
            match timeout(SIP, stream.read(&mut [0; SIP_BYTES])).await {
                Ok(Ok(0) | Err(_)) => break,
                _ => sleep(SIP).await,
            }
        }
    }
}

async fn silent(address: SocketAddr, until: Instant) {
    let mut connections = Vec::new();
    for number in 0..SILENT {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /v1/mess",
            _ => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        };
        let _ = stream.write_all(said).await;
        connections.push(stream);
    }
    tokio::time::sleep_until(until).await;
}
