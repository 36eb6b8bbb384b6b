//! A provider that speaks HTTP/2 and breaks in its ways: GOAWAY at once, and streams that are reset, with every reason there
//! is, before the head and after the first content.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{CALLERS, Line};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;
const REFUSED_STREAM: u32 = 7;
/// RFC 9113, 7: all of them, and one that nobody knows.
const REASONS: std::ops::RangeInclusive<u32> = 0..=14;

const CONTENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"first\",\"choices\":\
                       [{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"half\"},\"finish_reason\":null}]}\n\n";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Breaks {
    /// GOAWAY instead of anything, or after the request was seen.
    AtOnce,
    AfterRequest,
    BeforeHead,
    AfterContent,
    /// The first request on each connection is answered. GOAWAY says that the second one was not looked at.
    SecondNotProcessed,
    /// The first request on each connection is refused, the others are answered.
    FirstRefused,
}

struct Provider {
    url: String,
    breaks: Mutex<Breaks>,
    reason: AtomicU32,
    /// How often it broke.
    broke: AtomicUsize,
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// TLS, and HTTP/2 alone.
pub fn acceptor(certificate: &str) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(fixture(certificate)).expect("a file");
    let chain = chain.collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("provider-key.pem")).expect("a key");
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    tls.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(tls))
}

/// Only a process that was started so trusts our certificates: the test of this name starts itself again. True in there.
pub async fn is_trusting(name: &str) -> bool {
    let authority = fixture("authority.pem");
    if std::env::var_os("SSL_CERT_FILE").as_deref() == Some(authority.as_os_str()) {
        return true;
    }
    let again = std::env::current_exe().expect("a program");
    let mut again = tokio::process::Command::new(again);
    let output = again.args([name, "--exact"]).env("SSL_CERT_FILE", &authority).output().await.expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    false
}

impl Provider {
    async fn start(certificate: &str) -> Arc<Provider> {
        let acceptor = acceptor(certificate);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let (breaks, reason) = (Mutex::new(Breaks::AtOnce), AtomicU32::new(0));
        let provider = Arc::new(Provider { url, breaks, reason, broke: AtomicUsize::new(0) });
        let shared = Arc::clone(&provider);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, provider) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move { provider.serve(acceptor, stream).await });
            }
        });
        provider
    }

    async fn serve(&self, acceptor: TlsAcceptor, stream: TcpStream) -> Option<()> {
        let mut stream = acceptor.accept(stream).await.ok()?;
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.ok()?;
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.ok()?;
        if *self.breaks.lock().expect("no panic") == Breaks::AtOnce {
            self.broke.fetch_add(1, Ordering::Relaxed);
            return self.go_away(&mut stream, 0).await;
        }
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            stream.read_exact(&mut payload).await.ok()?;
            let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            match (head[3], head[4]) {
                (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await.ok()?,
                (HEADERS, _) => self.break_at(&mut stream, id).await?,
                _ => {}
            }
        }
    }

    async fn break_at(&self, stream: &mut TlsStream<TcpStream>, id: u32) -> Option<()> {
        let breaks = *self.breaks.lock().expect("no panic");
        let is_first = id == 1;
        if breaks == (if is_first { Breaks::SecondNotProcessed } else { Breaks::FirstRefused }) {
            return self.answer(stream, id).await;
        }
        self.broke.fetch_add(1, Ordering::Relaxed);
        let mut says = Vec::new();
        match breaks {
            Breaks::AtOnce | Breaks::AfterRequest => return self.go_away(stream, 0).await,
            Breaks::SecondNotProcessed => return self.go_away(stream, 1).await,
            Breaks::BeforeHead => {}
            Breaks::FirstRefused => {
                stream.write_all(&frame(RST_STREAM, 0, id, &REFUSED_STREAM.to_be_bytes())).await.ok()?;
                return stream.flush().await.ok();
            }
            Breaks::AfterContent => {
                // `:status: 200` stands in the static table; a literal with an indexed name is the content type.
                let block = [&[0x88, 0x0f, 0x10, 17][..], b"text/event-stream"].concat();
                says.extend(frame(HEADERS, END_HEADERS, id, &block));
                says.extend(frame(DATA, 0, id, CONTENT.as_bytes()));
                stream.write_all(&says).await.ok()?;
                stream.flush().await.ok()?;
                says.clear();
                // So that the content is not held back together with its end.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
        says.extend(frame(RST_STREAM, 0, id, &self.reason.load(Ordering::Relaxed).to_be_bytes()));
        stream.write_all(&says).await.ok()?;
        stream.flush().await.ok()
    }

    async fn answer(&self, stream: &mut TlsStream<TcpStream>, id: u32) -> Option<()> {
        let body = std::fs::read(fixture("replies/text/openai-chat.json")).expect("a fixture");
        let block = [&[0x88, 0x0f, 0x10, 16][..], b"application/json"].concat();
        let says = [frame(HEADERS, END_HEADERS, id, &block), frame(DATA, END_STREAM, id, &body)].concat();
        stream.write_all(&says).await.ok()?;
        stream.flush().await.ok()
    }

    async fn go_away(&self, stream: &mut TlsStream<TcpStream>, last: u32) -> Option<()> {
        let payload = [last.to_be_bytes(), self.reason.load(Ordering::Relaxed).to_be_bytes()].concat();
        stream.write_all(&frame(GOAWAY, 0, 0, &payload)).await.ok()?;
        stream.shutdown().await.ok()
    }
}

/// Faults: F12, F13, F17, F52
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_in_which_http_2_breaks_goes_unnoticed_or_is_told() {
    if !is_trusting("http2::every_way_in_which_http_2_breaks_goes_unnoticed_or_is_told").await {
        return;
    }
    let provider = Provider::start("provider.pem").await;
    let line = Line::start("openai-chat", &provider.url, "").await;
    for breaks in [Breaks::AtOnce, Breaks::AfterRequest, Breaks::BeforeHead, Breaks::AfterContent] {
        *provider.breaks.lock().expect("no panic") = breaks;
        let before = provider.broke.load(Ordering::Relaxed);
        for (reason, caller) in REASONS.flat_map(|reason| CALLERS.map(|caller| (reason, caller))) {
            provider.reason.store(reason, Ordering::Relaxed);
            let answer = line.ask(caller, true).await;
            let told = format!("{breaks:?} {reason} {caller:?}: {}", answer.body);
            if breaks == Breaks::AfterContent {
                assert_eq!(answer.header("x-pointsman-target"), "broken/first", "{told}");
                assert!(answer.body.contains("half") && answer.body.contains("error") && answer.broken, "{told}");
                assert!(!answer.complete(), "{told}");
            } else {
                assert_eq!(answer.header("x-pointsman-target"), "good/second", "{told}");
                assert!(answer.complete() && answer.text().ends_with("word20"), "{told}");
            }
        }
        let broke = provider.broke.load(Ordering::Relaxed) - before;
        assert!(broke >= REASONS.count() * CALLERS.len(), "{breaks:?}: it was asked {broke} times");
    }
    // A certificate for another name, and one that is too old: no request, and no key, goes there.
    let expired = Provider::start("provider-expired.pem").await;
    let before = provider.broke.load(Ordering::Relaxed);
    for url in [provider.url.replace("localhost", "127.0.0.1"), expired.url.clone()] {
        let line = Line::start("openai-chat", &url, "").await;
        for caller in CALLERS {
            let answer = line.ask(caller, true).await;
            assert_eq!(answer.header("x-pointsman-target"), "good/second", "{url}: {}", answer.body);
            assert!(answer.complete(), "{url}: {}", answer.body);
        }
    }
    assert_eq!((provider.broke.load(Ordering::Relaxed), expired.broke.load(Ordering::Relaxed)), (before, 0));
}

/// What the provider did not look at is sent again, and counted by nobody.
///
/// Faults: F109
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_processed_is_sent_again() {
    if !is_trusting("http2::what_was_not_processed_is_sent_again").await {
        return;
    }
    for breaks in [Breaks::SecondNotProcessed, Breaks::FirstRefused] {
        let provider = Provider::start("provider.pem").await;
        *provider.breaks.lock().expect("no panic") = breaks;
        let line = Line::start("openai-chat", &provider.url, "").await;
        for number in 0..6 {
            let answer = line.ask_for("alone", CALLERS[number % 2], false).await;
            let told = format!("{breaks:?}, request {number}: {}", answer.body);
            assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-attempts")), (200, "1"), "{told}");
        }
        assert!(provider.broke.load(Ordering::Relaxed) > 0, "{breaks:?}: it never broke");
    }
}
