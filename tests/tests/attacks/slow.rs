//! Callers that are slow, stop in the middle, or leave.

use std::time::Duration;

use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::{Answer, CLAUDE, Line, behave, chat_body, messages_body, slowly, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::raw::{ENDS, impatient, say, to_the_end, until};

fn post(body: &str, headers: &str) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nHost: gateway\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn hello() -> String {
    messages_body(CLAUDE, "hello", false).to_string()
}

/// A stream of half a minute.
fn long() -> String {
    let body = chat_body("only-gpt", "write 600 words", true).to_string();
    post(&body, "").replace("/v1/messages", "/v1/chat/completions")
}

/// Nothing, half a preface of HTTP/2, a head that trickles, half a head: all end, and cost nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let line = impatient("").await;
    let mut callers = JoinSet::new();
    for said in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM", "POST /v1/mess", "POST /v1/messages HTTP/1.1\r\nHost: g\r\n"] {
        let address = line.address;
        callers.spawn(async move { say(address, said.as_bytes()).await });
    }
    let address = line.address;
    callers.spawn(async move {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        for byte in post(&hello(), "").bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        to_the_end(&mut stream).await
    });
    while let Some(caller) = callers.join_next().await {
        let reply = caller.expect("an end");
        assert!(!reply.contains(" 200 "), "{reply}");
    }
    assert!(line.anthropic.seen().is_empty());
    assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
}

/// Faults: F78
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_is_refused_in_the_callers_protocol() {
    let line = impatient("").await;
    let whole = post(&hello(), "");
    let reply = say(line.address, &whole.as_bytes()[..whole.len() - 5]).await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("invalid_request_error"), "{reply}");
    assert!(reply.contains("connection: close"), "{reply}");
    let chunked = "POST /v1/chat/completions HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"mod\r\n";
    let reply = say(line.address, chunked.as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("too slowly"), "{reply}");
    assert!(line.anthropic.seen().is_empty() && line.openai.seen().is_empty());
}

/// Faults: F77
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_stops_reading_is_left_and_the_provider_too() {
    let event = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":\
                 [{\"index\":0,\"delta\":{\"content\":\"again \"},\"finish_reason\":null}]}\n\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let events = event.repeat(100);
    let flood = format!("{:x}\r\n{events}\r\n", events.len());
    let provider = Broken::start(vec![Act::Read, Act::Say(head.into()), Act::Flood(flood.into())]).await;
    let line = impatient(&format!(
        "[providers.flood]\nadapter = \"openai-chat\"\nbase_url = \"http://{}\"\nkey = \"k\"\n\
         [models.flood]\ntargets = [\"flood/x\"]",
        provider.address()
    ))
    .await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let mut stream = socket.connect(line.address).await.expect("a connection");
    let body = chat_body("flood", "hello", true).to_string();
    let request = post(&body, "").replace("/v1/messages", "/v1/chat/completions");
    stream.write_all(request.as_bytes()).await.expect("sent");
    until(&mut stream, "again").await;
    wait_until("the provider's stream is cancelled", || provider.left() == 1).await;
    drop(stream);
    assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
}

/// Faults: F79
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_their_order() {
    let line = impatient("").await;
    let mut bytes = String::new();
    for number in 0..20 {
        bytes += &post(&messages_body(CLAUDE, &format!("number {number}."), number % 3 == 0).to_string(), "");
    }
    let reply = say(line.address, bytes.as_bytes()).await;
    let heads: Vec<usize> = reply.match_indices("HTTP/1.1 200 OK").map(|(at, _)| at).collect();
    assert_eq!(heads.len(), 20, "{reply}");
    for (number, at) in heads.iter().enumerate() {
        let end = heads.get(number + 1).copied().unwrap_or(reply.len());
        // Streamed, each word is an event of its own.
        let text: String =
            reply[*at..end].split("\"text\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(text.ends_with(&format!("number {number}.")), "{number}: {text}");
    }
}

/// Faults: F80
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_whether_to_go_on_is_told() {
    let line = impatient("").await;
    let whole = post(&hello(), "Expect: 100-continue\r\n");
    let (head, body) = whole.split_once("\r\n\r\n").expect("a head");
    let mut stream = TcpStream::connect(line.address).await.expect("a connection");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("sent");
    until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(body.as_bytes()).await.expect("sent");
    until(&mut stream, "you said: hello").await;
    // What is refused by its head is not asked for.
    for (headers, status) in [("Content-Encoding: deflate\r\n", "415"), ("Content-Length: 999999999\r\n", "413")] {
        let head = format!("POST /v1/messages HTTP/1.1\r\nHost: g\r\nExpect: 100-continue\r\n{headers}");
        let length = if headers.starts_with("Content-Length") { "" } else { "Content-Length: 5\r\n" };
        let reply = say(line.address, format!("{head}{length}\r\n").as_bytes()).await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}: {reply}");
        assert!(reply.contains("\"type\":\"error\"") && reply.contains("connection: close"), "{reply}");
    }
}

/// A caller that closes its side looks just like one that left: it is taken for that, because a provider that writes for
/// nobody costs money.
///
/// Faults: F81
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_half_closes_has_left() {
    let line = impatient("").await;
    line.openai.behave(slowly("ok"));
    let mut stream = TcpStream::connect(line.address).await.expect("a connection");
    stream.write_all(long().as_bytes()).await.expect("sent");
    until(&mut stream, "word1").await;
    stream.shutdown().await.expect("half closed");
    wait_until("the provider's stream is cancelled", || line.openai.cancelled() == 1).await;
    to_the_end(&mut stream).await;
    assert_eq!(line.openai.open(), 0);
}

/// Faults: F82
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_vanish_at_once_leave_nothing_behind() {
    let line = impatient("").await;
    line.anthropic.behave(behave("hang-after:2"));
    let body = post(&messages_body("only-claude", "write 9 words", true).to_string(), "");
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(line.address).await.expect("a connection");
        stream.write_all(body.as_bytes()).await.expect("sent");
        streams.push(stream);
    }
    wait_until("all are being answered", || line.anthropic.open() == 200).await;
    for (number, stream) in streams.into_iter().enumerate() {
        // Half of them with RST.
        if number % 2 == 0 {
            stream.set_zero_linger().expect("an option");
        }
    }
    wait_until("nothing runs for them", || line.anthropic.open() == 0).await;
    assert_eq!(line.anthropic.cancelled(), 200);
    line.anthropic.behave(behave("ok"));
    assert!(line.claude(CLAUDE, "hello", true).await.complete());
}

/// The provider's host takes no connection, because nobody accepts those that wait. Its caller leaves, and then it would.
///
/// Faults: F75
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_before_the_provider_is_reached_is_not_asked_for() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let listener: TcpListener = socket.listen(0).expect("listening");
    let address = listener.local_addr().expect("an address");
    let mut filling = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        filling.push(stream.expect("a connection"));
    }
    let line = Line::start_with(&format!(
        "[providers.full]\nadapter = \"openai-chat\"\nbase_url = \"http://{address}\"\nkey = \"k\"\n\
         [models.full]\ntargets = [\"full/x\"]"
    ))
    .await;
    let (gateway, body) = (line.address, messages_body("full", "hello", true).to_string());
    let caller = tokio::spawn(async move {
        let response = pointsman_tests::send(gateway, "/v1/messages", body).await.expect("an answer");
        Answer::read(response).await
    });
    sleep(Duration::from_millis(300)).await;
    caller.abort();
    let _ = caller.await;
    sleep(Duration::from_millis(100)).await;
    drop(filling);
    // Whoever waited is let in now, and says nothing.
    while let Ok(Ok((mut stream, _))) = timeout(Duration::from_millis(1500), listener.accept()).await {
        let said = timeout(ENDS, stream.read(&mut [0; 100])).await.expect("it does not wait");
        assert!(matches!(said, Ok(0) | Err(_)), "a request came: {said:?}");
    }
    assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
}

/// Beyond what it may hold the gateway says so at once, and takes the next when there is room.
/// A request that is said in other words takes more than its body.
///
/// Faults: F136
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_translated_request_becomes_is_counted() {
    let line = impatient("max_body_bytes = 2000\nmax_body_bytes_held = 4000").await;
    let words = "x".repeat(1500);
    assert_eq!(line.claude("only-claude", &words, false).await.status, 200, "forwarded");
    let refused = line.claude("only-gpt", &words, false).await;
    assert!(refused.status.is_server_error() && refused.body.contains("as many bytes"), "{}", refused.body);
    assert_eq!(line.claude("only-gpt", "x", false).await.status, 200, "and nothing is left of it");
}

/// Only what is still there counts: nothing of a request whose reply has begun, and while its provider thinks, not what it took to
/// put it in other words.
///
/// Faults: F180
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_request_took_is_given_back_when_it_is_no_longer_there() {
    // Room for five times the body, which putting it in other words takes, and half a body more.
    let line = impatient("max_body_bytes = 20000\nmax_body_bytes_held = 55000").await;
    let words = "x".repeat(9_900);
    let mut streams = Vec::new();
    line.openai.behave(behave("hang-after:2"));
    for number in 0..4 {
        let mut stream = TcpStream::connect(line.address).await.expect("a connection");
        let request = post(&messages_body("only-gpt", &format!("{words} {number} and so on"), true).to_string(), "");
        stream.write_all(request.as_bytes()).await.expect("sent");
        until(&mut stream, "content_block_delta").await;
        streams.push(stream);
    }
    assert_eq!(line.openai.open(), 4);
    line.openai.behave(behave("hang"));
    let request = post(&messages_body("only-gpt", &words, false).to_string(), "");
    let mut waiting = TcpStream::connect(line.address).await.expect("a connection");
    waiting.write_all(request.as_bytes()).await.expect("sent");
    wait_until("the provider thinks", || line.openai.seen().len() == 5).await;
    let answer = line.claude("only-claude", &words, false).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_it_is_full_callers_are_told_in_their_protocol() {
    let line =
        impatient("max_requests = 2\nmax_body_bytes = 2000\nmax_body_bytes_held = 3000\nmax_connections = 6").await;
    let large = |model: &str| messages_body(model, &"x".repeat(1500), true);
    assert_eq!(line.claude(CLAUDE, &"x".repeat(3000), false).await.status, 413);
    // Its body is held until the reply begins: another target may have to be asked.
    line.anthropic.behave(behave("hang-before-content"));
    let mut first = TcpStream::connect(line.address).await.expect("a connection");
    first.write_all(post(&large("only-claude").to_string(), "").as_bytes()).await.expect("sent");
    wait_until("the provider has it", || line.anthropic.open() == 1).await;
    let refused = line.claude(CLAUDE, &"x".repeat(1500), false).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.body);
    assert!(
        refused.body.contains("as many bytes of requests") && refused.body.contains("api_error"),
        "{}",
        refused.body
    );
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", 1700, "x".repeat(1700));
    let head = "POST /v1/messages HTTP/1.1\r\nHost: g\r\nTransfer-Encoding: chunked\r\n\r\n";
    let reply = say(line.address, format!("{head}{chunked}").as_bytes()).await;
    assert!(reply.starts_with("HTTP/1.1 503 ") && reply.contains("retry-after: 1"), "{reply}");
    // The last place is not for the route that has the others.
    let refused = line.claude("only-claude", "x", false).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.body);
    assert!(refused.body.contains("as many requests of this route at once"), "{}", refused.body);
    line.openai.behave(behave("hang-after:2"));
    let second = line.open("/v1/messages", messages_body("only-gpt", "x", true).to_string()).await;
    let refused = line.gpt("gpt-5", "hello", false).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{}", refused.body);
    assert!(refused.body.contains("as many requests at once"), "{}", refused.body);
    drop((first, second));
    wait_until("there is room again", || line.anthropic.open() + line.openai.open() == 0).await;
    line.openai.behave(behave("ok"));
    assert_eq!(line.gpt("gpt-5", "hello", false).await.status, 200);
    // Connections wait for their turn.
    let idle: Vec<_> = (0..6).map(|_| TcpStream::connect(line.address)).collect();
    let mut streams = Vec::new();
    for connecting in idle {
        streams.push(connecting.await.expect("a connection"));
    }
    assert_eq!(line.gpt("gpt-5", "hello", false).await.status, 200, "those that say nothing are sent away");
}

/// Faults: F116
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_kept_between_requests_and_no_head_may_take_as_long() {
    let line = Line::start_with("[server]\nheader_timeout = \"400ms\"\nkeep_alive = \"3s\"").await;
    let mut stream = TcpStream::connect(line.address).await.expect("a connection");
    for number in 0..2 {
        stream.write_all(post(&hello(), "").as_bytes()).await.expect("sent");
        let answer = until(&mut stream, "you said").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "request {number}: {answer}");
        // Longer than a head may take.
        sleep(Duration::from_millis(1200)).await;
    }
    let began = Instant::now();
    stream.write_all(b"POST /v1/mess").await.expect("sent");
    to_the_end(&mut stream).await;
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}: as long as without a word", began.elapsed());
    let mut stream = TcpStream::connect(line.address).await.expect("a connection");
    stream.write_all(post(&hello(), "").as_bytes()).await.expect("sent");
    to_the_end(&mut stream).await;
}
