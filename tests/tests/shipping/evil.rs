//! A server that answers whatever a test wants, to whatever it is asked, byte for byte.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `GET /path?query`
    pub line: String,
    /// Empty: none was shown.
    pub authorization: String,
}

pub enum Reply {
    /// The head's lines after the first, and the body.
    Whole(u16, String, Vec<u8>),
    /// A success whose body never ends.
    Endless,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply::Whole(200, String::new(), body.into())
    }

    pub fn status(status: u16) -> Reply {
        Reply::Whole(status, String::new(), Vec::new())
    }

    pub fn to(place: &str) -> Reply {
        Reply::Whole(307, format!("location: {place}\r\n"), Vec::new())
    }
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

pub struct Evil {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Evil {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("tests/fixtures").join(name)
}

impl Evil {
    pub async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Evil {
        Self::with(None, answer).await
    }

    /// As `localhost`, for whoever trusts `authority.pem`.
    pub async fn start_tls(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Evil {
        let chain = CertificateDer::pem_file_iter(fixture("provider.pem")).expect("a file");
        let chain = chain.collect::<Result<_, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(fixture("provider-key.pem")).expect("a key");
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        Self::with(Some(TlsAcceptor::from(Arc::new(tls))), answer).await
    }

    async fn with(tls: Option<TlsAcceptor>, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Evil {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (shared, answer): (_, Arc<Answer>) = (Arc::clone(&seen), Arc::new(answer));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, seen) = (tls.clone(), Arc::clone(&answer), Arc::clone(&shared));
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => serve(tls.accept(stream).await.ok()?, &*answer, &seen).await,
                        None => serve(stream, &*answer, &seen).await,
                    }
                });
            }
        });
        Evil { port, seen, serving }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &Answer,
    seen: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let value = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let mut body = vec![0; value("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let asked = Seen { line, authorization: value("authorization") };
    seen.lock().expect("no panic").push(asked.clone());
    match answer(&asked) {
        Reply::Whole(status, lines, body) => {
            let length = if lines.contains("content-length") {
                String::new()
            } else {
                format!("content-length: {}\r\n", body.len())
            };
            let head = format!("HTTP/1.1 {status} So\r\nconnection: close\r\n{length}{lines}\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            if !asked.line.starts_with("HEAD") {
                stream.write_all(&body).await.ok()?;
            }
        }
        Reply::Endless => {
            stream
                .write_all(b"HTTP/1.1 200 So\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n")
                .await
                .ok()?;
            let chunk = [&b"10000\r\n"[..], &[b' '; 0x10000], b"\r\n"].concat();
            // Until the other side has had enough.
            loop {
                stream.write_all(&chunk).await.ok()?;
            }
        }
    }
    stream.shutdown().await.ok()
}
