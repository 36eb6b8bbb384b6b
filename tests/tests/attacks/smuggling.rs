//! Requests of HTTP/1 that two could read differently. Whatever we make of them, it is one thing: as many requests reach the
//! provider as answers with its name reach the caller, and none that stands in the body of another.

use pointsman_tests::{CLAUDE, messages_body};
use tokio::task::JoinSet;

use super::raw::{impatient, say};

/// A request line, and headers that are always there.
const POST: &str = "POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// What is sent, and how many requests of it the provider sees.
struct Case {
    name: String,
    bytes: Vec<u8>,
    seen: usize,
}

/// One case after another, each with a number in its prompts.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn number(&self) -> usize {
        self.0.len()
    }

    /// A body that is good.
    fn body(&self) -> String {
        messages_body(CLAUDE, &format!("case-{} genuine", self.number()), false).to_string()
    }

    /// A whole request, which must never be taken for one where it stands inside of another.
    fn smuggled(&self) -> String {
        let body = messages_body(CLAUDE, &format!("case-{} smuggled", self.number()), false).to_string();
        format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    fn add(&mut self, seen: usize, name: &str, bytes: impl Into<Vec<u8>>) {
        self.0.push(Case { name: name.to_owned(), bytes: bytes.into(), seen });
    }

    /// A good body with its length, and these headers.
    fn headers(&mut self, seen: usize, headers: &str) {
        let body = self.body();
        self.add(seen, headers, format!("{POST}Content-Length: {}\r\n{headers}\r\n{body}", body.len()));
    }

    /// A good body with this for a length; `{}` is the true one.
    fn length(&mut self, seen: usize, length: &str) {
        let body = self.body();
        let header = format!("Content-Length: {}\r\n", length.replace("{}", &body.len().to_string()));
        self.add(seen, &header, format!("{POST}{header}\r\n{body}"));
    }

    /// Good chunks and a request behind them that a reader of the length would take for their rest.
    fn coding(&mut self, seen: usize, headers: &str) {
        let (chunks, smuggled) = (chunks(&self.body()), self.smuggled());
        let length = chunks.len() + smuggled.len();
        self.add(seen, headers, format!("{POST}Content-Length: {length}\r\n{headers}\r\n{chunks}{smuggled}"));
    }

    /// A good body in one chunk, written so: `{size}`, `{body}`.
    fn chunk(&mut self, seen: usize, how: &str) {
        let body = self.body();
        let text = how.replace("{size}", &format!("{:x}", body.len())).replace("{body}", &body);
        let smuggled = self.smuggled();
        self.add(seen, how, format!("{POST}{CHUNKED}\r\n{}", text.replace("{smuggled}", &smuggled)));
    }
}

fn chunks(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn lengths(cases: &mut Cases) {
    for (seen, length) in [
        (1, "{}"),
        (1, " {} "),
        (1, "000{}"),
        (0, "+{}"),
        (0, "-1"),
        (0, "0x{}"),
        (0, "1e2"),
        (0, "{};x"),
        (0, "{}, {}"),
        (0, "{} {}"),
        (0, ""),
        (0, "18446744073709551616"),
        (0, "18446744073709551615"),
        (0, "99999999999999999999999999"),
        (1, "{}\r\nContent-Length: {}"),
        (0, "{}\r\nContent-Length: 5"),
        (0, "0\r\nContent-Length: {}"),
        (0, "{}\r\ncontent-length: +{}"),
    ] {
        cases.length(seen, length);
    }
    let smuggled = cases.smuggled();
    cases.add(0, "too large, with a request in it", format!("{POST}Content-Length: 99999999\r\n\r\n{smuggled}"));
    let (body, smuggled) = (cases.body(), cases.smuggled());
    let length = body.len() + smuggled.len();
    cases.add(0, "behind the JSON", format!("{POST}Content-Length: {length}\r\n\r\n{body}{smuggled}"));
}

fn codings(cases: &mut Cases) {
    for (seen, headers) in [
        // Where both are there, the chunks are it, and the connection ends.
        (1, "Transfer-Encoding: chunked\r\n"),
        (1, "transfer-encoding:\tChunked \r\n"),
        (0, "Transfer-Encoding: xchunked\r\n"),
        (0, "Transfer-Encoding: identity\r\n"),
        (0, "Transfer-Encoding: chunked, identity\r\n"),
        (0, "Transfer-Encoding: identity, chunked\r\n"),
        (0, "Transfer-Encoding: gzip, chunked\r\n"),
        (0, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        (0, "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        (0, "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"),
        (0, "Transfer-Encoding: chunked;q=1\r\n"),
        (0, "Transfer-Encoding: \"chunked\"\r\n"),
        (0, "Transfer-Encoding:\r\n"),
        (0, "Transfer-Encoding : chunked\r\n"),
        (0, "Transfer-Encoding\t: chunked\r\n"),
        (0, " Transfer-Encoding: chunked\r\n"),
        (0, "X: y\r\n Transfer-Encoding: chunked\r\n"),
        (0, "X: y\r\n\tz\r\nTransfer-Encoding: chunked\r\n"),
        (0, "Transfer-Encoding:\r\n chunked\r\n"),
        (0, "Transfer-Encoding: \x0bchunked\r\n"),
        (0, "Transfer-Encoding: chunked\0\r\n"),
        (0, "Transfer-Encoding\0: chunked\r\n"),
        (0, "X: y\rTransfer-Encoding: chunked\r\n"),
        (0, "X: y\r\r\nTransfer-Encoding: chunked\r\n"),
        (0, "X: a\0b\r\n"),
        (0, "X\r\n"),
        (0, ": x\r\n"),
        // A line may end without a carriage return (RFC 9112, 2.2): then it is a header like another.
        (1, "X: y\nTransfer-Encoding: chunked\r\n"),
    ] {
        cases.coding(seen, headers);
    }
    let chunked = chunks(&cases.smuggled());
    cases.add(0, "a request as the chunk", format!("{POST}Content-Length: 4\r\n{CHUNKED}\r\n{chunked}"));
    let chunked = chunks(&cases.body());
    cases.add(1, "chunks before length", format!("{POST}{CHUNKED}Content-Length: 4\r\n\r\n{chunked}"));
    let old = POST.replace("HTTP/1.1", "HTTP/1.0");
    let chunked = chunks(&cases.body());
    cases.add(0, "chunks in HTTP/1.0", format!("{old}{CHUNKED}\r\n{chunked}"));
    let body = cases.body();
    cases.add(1, "HTTP/1.0", format!("{old}Content-Length: {}\r\n\r\n{body}", body.len()));
}

fn chunked(cases: &mut Cases) {
    for (seen, how) in [
        (1, "{size}\r\n{body}\r\n0\r\n\r\n"),
        (1, "000{size}\r\n{body}\r\n000\r\n\r\n"),
        (1, "{size};a=b\r\n{body}\r\n0;c\r\n\r\n"),
        (1, "{size}\r\n{body}\r\n0\r\nX-Api-Key: theirs\r\nContent-Length: 5\r\n\r\n"),
        (0, "{size};a\n{body}\r\n0\r\n\r\n"),
        (0, "{size}\n{body}\r\n0\r\n\r\n"),
        (0, "{size}\r\n{body}\n0\r\n\r\n"),
        (0, "{size}\r\n{body}0\r\n\r\n"),
        (0, "0x{size}\r\n{body}\r\n0\r\n\r\n"),
        (0, "+{size}\r\n{body}\r\n0\r\n\r\n"),
        (0, "-{size}\r\n{body}\r\n0\r\n\r\n"),
        (0, "fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        (0, "ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        (0, "\r\n{body}\r\n0\r\n\r\n"),
        (0, "{size}\r\n{body}\r\n"),
        (0, "{size}\r\n{body}\r\n0\r\n{smuggled}"),
        (0, "{size};{smuggled}\r\n{body}\r\n0\r\n\r\n"),
        // What follows an end is a next request, as in any pipeline.
        (2, "{size}\r\n{body}\r\n0\r\n\r\n{smuggled}"),
    ] {
        cases.chunk(seen, how);
    }
    let body = cases.body();
    let bomb = format!("{:x};{}\r\n{body}\r\n0\r\n\r\n", body.len(), "x".repeat(100_000));
    cases.add(0, "an extension without an end", format!("{POST}{CHUNKED}\r\n{bomb}"));
}

fn heads(cases: &mut Cases) {
    for (seen, headers) in [
        (1, "X-Pointsman-Target: openai/gpt-5\r\n"),
        (1, "Connection: keep-alive, Content-Length, Host\r\n"),
        (1, "Expect: 200-ok\r\n"),
        (0, "Host: gateway\r\n"),
        (0, "host: other\r\n"),
        (0, "Content-Encoding: gzip\r\n"),
        (0, "Content-Encoding: identity, gzip\r\n"),
        (0, "Bad Name: x\r\n"),
        (0, "Bad(Name): x\r\n"),
    ] {
        cases.headers(seen, headers);
    }
    for (seen, from, to) in [
        (0, "Host: gateway\r\n", ""),
        (0, "HTTP/1.1", "HTTP/2.0"),
        (0, "HTTP/1.1", "HTTP/1.2"),
        (0, "HTTP/1.1", "http/1.1"),
        (0, " HTTP/1.1", ""),
        (0, "POST ", "POST  "),
        (0, "POST ", "POST\t"),
        (0, "POST ", "POST\0 "),
        (0, "/v1", " /v1"),
        (0, "/v1", "*"),
        (0, "/v1/messages", "/v1/messages%0d%0aX:%20y"),
        (0, "/v1/messages", "/v1/messages/../messages"),
        (0, "/v1/messages", "http://other/v1/messages"),
        (1, "/v1/messages", "http://gateway/v1/messages"),
        (0, "/v1/messages", "http://user@gateway/v1/messages"),
        (1, "POST", "\r\n\r\nPOST"),
        (0, "POST", " POST"),
        (1, "\r\n", "\n"),
    ] {
        let (body, post) = (cases.body(), POST.replace(from, to));
        cases.add(seen, to, format!("{post}Content-Length: {}\r\n\r\n{body}", body.len()));
    }
    let body = cases.body();
    let long = "x".repeat(70_000);
    cases.add(0, "a header without an end", format!("{POST}X: {long}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    cases.headers(0, &many);
}

/// A reply that comes early: what is left of its request is no request.
fn rests(cases: &mut Cases) {
    for (name, head) in [
        ("nothing answers", POST.replace("/v1/messages", "/v1/nothing")),
        ("no such method", POST.replace("POST", "PUT")),
        ("a probe with a body", POST.replace("POST /v1/messages", "GET /health")),
        ("models with a body", POST.replace("POST /v1/messages", "GET /v1/models")),
        ("a body in an unknown coding", format!("{POST}Content-Encoding: deflate\r\n")),
        ("CONNECT", POST.replace("POST /v1/messages", "CONNECT gateway:443")),
        ("OPTIONS *", POST.replace("POST /v1/messages", "OPTIONS *")),
        ("a body for HEAD", POST.replace("POST /v1/messages", "HEAD /")),
    ] {
        let smuggled = cases.smuggled();
        let wanted = smuggled.len() + 100;
        cases.add(0, name, format!("{head}Content-Length: {wanted}\r\n\r\n{smuggled}"));
    }
    let (body, smuggled) = (cases.body(), cases.smuggled());
    let whole = format!("{POST}Content-Length: {}\r\n", body.len());
    // Numbers of three digits all: the length is the same.
    cases.add(1, "a premature upgrade", format!("{whole}Upgrade: x\r\nConnection: upgrade\r\n\r\n{body}{smuggled}"));
    let (body, smuggled) = (cases.body(), cases.smuggled());
    cases.add(1, "an end that was asked for", format!("{whole}Connection: close\r\n\r\n{body}{smuggled}"));
    let smuggled = cases.smuggled();
    let connect = "CONNECT gateway:443 HTTP/1.1\r\nHost: gateway:443\r\n\r\n";
    cases.add(0, "a tunnel that nobody dug", format!("{connect}{smuggled}"));
    let (body, smuggled) = (cases.body(), cases.smuggled());
    cases.add(2, "an honest pipeline", format!("{whole}\r\n{body}{smuggled}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_smuggled_in_another() {
    let line = impatient("").await;
    let mut cases = Cases::default();
    lengths(&mut cases);
    codings(&mut cases);
    chunked(&mut cases);
    heads(&mut cases);
    rests(&mut cases);
    let cases = cases.0;
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut callers = JoinSet::new();
    for (number, case) in cases.iter().enumerate() {
        let (address, bytes) = (line.address, case.bytes.clone());
        callers.spawn(async move { (number, say(address, &bytes).await) });
    }
    let (mut replies, mut wrong) = (vec![String::new(); cases.len()], Vec::new());
    while let Some(caller) = callers.join_next().await {
        let (number, reply) = caller.expect("an end");
        replies[number] = reply;
    }
    let seen: Vec<String> =
        line.anthropic.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    for (number, (case, reply)) in cases.iter().zip(&replies).enumerate() {
        let of_it = |what: &str| seen.iter().filter(|body| body.contains(&format!("case-{number} {what}"))).count();
        let (genuine, smuggled) = (of_it("genuine"), of_it("smuggled"));
        let answered = reply.matches("x-pointsman-target: anthropic/").count();
        let as_expected = genuine == case.seen.min(1) && smuggled == case.seen.saturating_sub(1);
        if !as_expected || answered != genuine + smuggled || reply.contains("500 Internal") {
            let name = &case.name[..case.name.len().min(200)];
            wrong.push(format!(
                "{name:?}: expected {}, seen {genuine} + {smuggled}, answered {answered}: {reply}",
                case.seen
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(line.openai.seen().len(), 0);
    let answer = line.claude(CLAUDE, "hello", false).await;
    assert_eq!(answer.status, 200, "and the next caller is served");
}
