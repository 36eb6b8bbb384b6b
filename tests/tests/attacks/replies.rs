//! Replies that are large, read slowly, or left before their end.

use std::time::Duration;

use pointsman::fake::{Fake, Protocol};
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::{CLAUDE, Line, behave, chat_body, wait_until};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use super::raw::{say, until};

fn post(body: &str, headers: &str) -> String {
    let length = body.len();
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// A provider whose streams have no end.
async fn flood() -> Broken {
    let event = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":\
                 [{\"index\":0,\"delta\":{\"content\":\"again \"},\"finish_reason\":null}]}\n\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let events = event.repeat(100);
    let events = format!("{:x}\r\n{events}\r\n", events.len());
    Broken::start(vec![Act::Read, Act::Say(head.into()), Act::Flood(events.into())]).await
}

/// Reads so many bytes five times a second, until the gateway has had enough or for half a minute.
async fn read_slowly(line: &Line, bytes: usize) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(line.address).await.expect("a connection");
    stream.write_all(post(&chat_body("flood", "hello", true).to_string(), "").as_bytes()).await.expect("sent");
    let (began, mut buffer) = (Instant::now(), vec![0; bytes]);
    while began.elapsed() < Duration::from_secs(30) && matches!(stream.read(&mut buffer).await, Ok(1..)) {
        sleep(Duration::from_millis(200)).await;
    }
}

/// However it reads: with all the patience there is until the request's time is over, below the least rate for less.
///
/// Faults: F77, F115
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_holds_its_place_no_longer_than_its_request_may_take() {
    for (write_stall, total, bytes) in [("60s", "2s", 2_000), ("700ms", "60s", 10)] {
        let provider = flood().await;
        let line = Line::start_with(&format!(
            "[server]\nwrite_stall = \"{write_stall}\"\n[providers.flood]\nadapter = \"openai-chat\"\nkey = \"k\"\n\
             base_url = \"http://{}\"\n[models.flood]\ntargets = [\"flood/x\"]\ntimeouts = {{ total = \"{total}\" }}",
            provider.address()
        ))
        .await;
        let left = async {
            while provider.left() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let began = Instant::now();
        // What lies in the system's buffers can be read after the end.
        tokio::select! {
            () = left => {}
            () = read_slowly(&line, bytes) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{total}, {bytes} bytes at a time: {:?}", began.elapsed());
        assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
    }
}

/// Vectors of numbers are written anew for a caller of another protocol, and that is no fault of their provider.
///
/// Faults: F133
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_vectors_are_translated_and_held_against_nobody() {
    let ollama = Fake::start(Protocol::Ollama).await.expect("a port");
    let line = Line::start_with(&format!(
        "[providers.ollama]\nadapter = \"ollama\"\nbase_url = \"{}\"\n\
         [models.vectors]\nsettings = {{ attempts = 1 }}\ntargets = [\"ollama/embeddinggemma\"]",
        ollama.base_url()
    ))
    .await;
    let texts: Vec<_> = (0..20).map(|number| format!("text {number}")).collect();
    let body = json!({ "model": "vectors", "input": texts, "dimensions": 3072, "encoding_format": "float" });
    for _ in 0..3 {
        let answer = line.post("/v1/embeddings", &body).await;
        assert_eq!(answer.status, 200, "{}", &answer.body[..answer.body.len().min(500)]);
        let vectors = answer.json()["data"].as_array().expect("vectors").clone();
        let lengths: Vec<_> = vectors.iter().map(|one| one["embedding"].as_array().map_or(0, Vec::len)).collect();
        assert_eq!(lengths, [3072; 20]);
    }
    let targets = line.gateway.targets();
    let vectors = targets.iter().find(|target| target.id.starts_with("ollama/")).expect("it was asked");
    assert_eq!((vectors.circuit.as_str(), vectors.success_rate), ("closed", 1.0));
}

/// A provider tells the usage at the end of its stream. Who leaves before that has read as much.
///
/// Faults: F118
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_before_the_usage_is_charged_for_what_it_was_sent() {
    let line = Line::start_with("[keys.team]\nkey = \"secret-team\"\ntokens_per_minute = 1500").await;
    line.openai.behave(behave("hang-after:500"));
    let key = "X-Api-Key: secret-team\r\n";
    let request = post(&chat_body("only-gpt", "write 600 words", true).to_string(), key);
    // Some thousand tokens each.
    let mut served = 0;
    while served < 10 {
        let mut stream = TcpStream::connect(line.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.expect("a head");
        if head == *b"HTTP/1.1 429" {
            break;
        }
        until(&mut stream, "word499").await;
        drop(stream);
        wait_until("nothing runs for it", || line.openai.open() == 0).await;
        served += 1;
    }
    assert!((1..=3).contains(&served), "{served} requests");
    let refused = say(line.address, request.as_bytes()).await;
    assert!(refused.contains("`tokens_per_minute` of 1500"), "{refused}");
}
