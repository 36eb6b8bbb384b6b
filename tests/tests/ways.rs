//! The way to a provider: through a company's proxy, with a company's certificates; and the trace that goes along.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::config::Tls;
use pointsman::server::Port;
use pointsman_tests::{Answer, CLAUDE, Line, chat_body, messages_body};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A company's proxy: heads of what it was asked, and it connects every name to this machine.
#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// With `wants` it asks for these credentials.
    async fn start(wants: Option<&'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy { address: listener.local_addr().expect("an address"), asked: Arc::default() };
        let asked = Arc::clone(&proxy.asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(tunnel(stream, Arc::clone(&asked), wants));
            }
        });
        proxy
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

async fn tunnel(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>, wants: Option<&str>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_welcome = wants.is_none_or(|wants| head.contains(wants));
    let port = head.split_whitespace().nth(1).and_then(|to| to.rsplit_once(':')?.1.parse::<u16>().ok());
    asked.lock().expect("no panic").push(head);
    let (true, Some(port)) = (is_welcome, port) else {
        return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    };
    let mut to = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    copy_bidirectional(&mut stream, &mut to).await.map(drop)
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}

/// A provider that is reached by TLS, with a certificate of nobody that the platform knows: another gateway.
async fn company() -> (Line, u16) {
    let line = Line::start().await;
    let tls = Tls { certificate: fixture("company.pem").into(), key: fixture("company-key.pem").into() };
    let port = Port::bind(([127, 0, 0, 1], 0).into(), Some(&tls)).await.expect("a port");
    let address = port.address().expect("an address");
    tokio::spawn(port.serve(Arc::clone(&line.gateway), std::future::pending(), Duration::ZERO));
    (line, address.port())
}

/// A gateway before it; `more` is added to the provider.
fn before(host: &str, port: u16, more: &str) -> String {
    format!(
        "[providers.company]\nadapter = \"openai-chat\"\nbase_url = \"https://{host}:{port}/v1\"\nkey = \"k\"\n{more}\n\
         [models.company]\ntargets = [\"company/gpt-5\"]\nsettings = {{ attempts = 1 }}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_requests_go_through_its_proxy() {
    let (_company, port) = company().await;
    let (open, closed) = (Proxy::start(None).await, Proxy::start(Some("Basic dXNlcjpwYXNzd29yZA==")).await);
    let ca = format!("ca_file = \"{}\"", fixture("company-ca.pem"));
    let line =
        Line::start_with(&before("localhost", port, &format!("{ca}\nproxy = \"http://{}\"", open.address))).await;
    for stream in [false, true] {
        let answer = line.gpt("company", "hello", stream).await;
        assert!(answer.status == 200 && answer.text().ends_with("hello"), "{}", answer.body);
    }
    let asked = open.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|head| head.starts_with(&format!("CONNECT localhost:{port} "))),
        "{asked:?}"
    );
    assert!(!asked.concat().contains("authorization"), "the provider's key is not the proxy's to see: {asked:?}");

    for (url, status) in [("user:password@", 200), ("user:wrong@", 503), ("", 503)] {
        let more = format!("{ca}\nproxy = \"http://{url}{}\"", closed.address);
        line.reconfigure(&before("localhost", port, &more)).await.expect("a good configuration");
        let answer = line.gpt("company", "hello", false).await;
        assert_eq!(answer.status.as_u16(), status, "{url}: {}", answer.body);
        assert!(status == 200 || answer.body.contains("proxy"), "{}", answer.body);
        assert!(!answer.body.contains("password") && !answer.body.contains("wrong"), "{}", answer.body);
    }
    // Nobody else's requests go there.
    assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
    assert!(open.asked().len() + closed.asked().len() < 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_authority_counts_for_its_provider_alone() {
    let (_company, port) = company().await;
    let line = Line::start_with(&before("localhost", port, "")).await;
    let answer = line.gpt("company", "hello", false).await;
    assert!(answer.status == 503 && answer.body.contains("certificate"), "{}", answer.body);
    let ca = format!("ca_file = \"{}\"", fixture("company-ca.pem"));
    line.reconfigure(&before("localhost", port, &ca)).await.expect("a good configuration");
    assert_eq!(line.gpt("company", "hello", false).await.status, 200);
    for (more, named) in [
        ("ca_file = \"nowhere.pem\"".to_owned(), "nowhere.pem"),
        (format!("ca_file = \"{}\"", fixture("company-key.pem")), "company-key.pem"),
        (
            format!("client_certificate = {{ certificate = \"{}\", key = \"no.pem\" }}", fixture("company.pem")),
            "no.pem",
        ),
        ("proxy = \"socks5://127.0.0.1:1080\"".to_owned(), "proxy"),
        ("proxy = \"http://\"".to_owned(), "proxy"),
    ] {
        let error = line.reconfigure(&before("localhost", port, &more)).await.expect_err(&more);
        assert!(format!("{error:#}").contains(named), "{more}: {error:#}");
    }
    assert_eq!(line.gpt("company", "hello", false).await.status, 200, "what is wrong changes nothing");
}

/// A provider that lets nobody in who shows no certificate of the company's.
async fn strict() -> u16 {
    let read = |name: &str| {
        let certificates = CertificateDer::pem_file_iter(fixture(name)).expect("a file");
        certificates.collect::<Result<Vec<_>, _>>().expect("certificates")
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(read("company-ca.pem"));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let key = PrivateKeyDer::from_pem_file(fixture("company-key.pem")).expect("a key");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.expect("a verifier"))
        .with_single_cert(read("company.pem"), key)
        .expect("they belong together");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (acceptor, port) = (TlsAcceptor::from(Arc::new(config)), listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut read = [0; 16 << 10];
                let _ = stream.read(&mut read).await?;
                let body = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"welcome"},"finish_reason":"stop"}]}"#;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length";
                stream.write_all(format!("{head}: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
                stream.shutdown().await
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_asks_who_we_are_is_shown_a_certificate() {
    let port = strict().await;
    let ca = format!("ca_file = \"{}\"", fixture("company-ca.pem"));
    let line = Line::start_with(&before("localhost", port, &ca)).await;
    assert_eq!(line.gpt("company", "hello", false).await.status, 503);
    let shown = format!(
        "{ca}\nclient_certificate = {{ certificate = \"{}\", key = \"{}\" }}",
        fixture("company.pem"),
        fixture("company-key.pem")
    );
    line.reconfigure(&before("localhost", port, &shown)).await.expect("a good configuration");
    let answer = line.gpt("company", "hello", false).await;
    assert!(answer.status == 200 && answer.text() == "welcome", "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_environment_says_of_proxies_holds() {
    let (_company, port) = company().await;
    let (usual, line) = (Proxy::start(None).await, Line::start().await);
    let url = format!("127.0.0.1:{}", usual.address.port());
    let text = |more: &str| {
        let more = format!("ca_file = \"{}\"\n{more}", fixture("company-ca.pem"));
        pointsman_tests::configuration(&line.anthropic, &line.openai, &before("localhost", port, &more))
    };
    for (more, except, through) in [
        ("", "", true),
        ("", "other.example,.internal", true),
        ("", "localhost", false),
        ("", "*", false),
        ("proxy = \"none\"", "", false),
    ] {
        let environment = |name: &str| match name {
            "HTTPS_PROXY" => Some(format!(" {url}\n")),
            "no_proxy" => Some(except.to_owned()),
            _ => None,
        };
        let parsed = pointsman::config::parse(&text(more), Path::new("test.toml"), &environment);
        line.gateway.apply(parsed.expect("a configuration")).await.expect("it is applied");
        let asked = usual.asked().len();
        assert_eq!(line.gpt("company", "hello", false).await.status, 200, "{more} {except}");
        assert_eq!(usual.asked().len() > asked, through, "{more} {except}");
        // Plain HTTP goes straight.
        assert_eq!(line.claude(CLAUDE, "hello", false).await.status, 200);
    }
    let socks = |name: &str| (name == "ALL_PROXY").then(|| "socks5://127.0.0.1:1080".to_owned());
    let error = pointsman::config::parse(&text(""), Path::new("test.toml"), &socks).expect_err("no tunnel of HTTP");
    assert!(error.to_string().contains("ALL_PROXY"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_on_to_whoever_is_asked() {
    let line = Line::start().await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    line.anthropic.behave(pointsman_tests::behave("529"));
    for (path, body) in [
        ("/v1/messages", messages_body(CLAUDE, "hello", false)),
        ("/v1/chat/completions", chat_body(CLAUDE, "hello", true)),
    ] {
        for (sent, goes) in [(parent, Some(parent)), ("00-nonsense", None)] {
            let request = Request::post(format!("http://{}{path}", line.address))
                .header("traceparent", sent)
                .header("tracestate", "congo=t61rcWkgMzE")
                .body(Full::new(Bytes::from(body.to_string())))
                .expect("a request");
            let answer = Answer::read(client.request(request).await.expect("an answer")).await;
            assert!(answer.header("x-pointsman-target").starts_with("openai/"), "{}", answer.body);
            for fake in [&line.anthropic, &line.openai] {
                let seen = fake.seen().pop().expect("it was asked");
                assert_eq!(seen.header("traceparent"), goes, "{path}");
                assert_eq!(seen.header("tracestate"), goes.map(|_| "congo=t61rcWkgMzE"), "{path}");
            }
        }
    }
}

/// A proxy would connect to wherever a caller's URL leads, past the check of its address: media never go through one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_that_callers_name_are_fetched_through_no_proxy() {
    let (proxy, line) = (Proxy::start(None).await, Line::start().await);
    let private = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let ollama = pointsman::fake::Fake::start(pointsman::fake::Protocol::Ollama).await.expect("a port");
    let url = format!("http://127.0.0.1:{}", proxy.address.port());
    let environment = |name: &str| matches!(name, "HTTPS_PROXY" | "ALL_PROXY" | "https_proxy").then(|| url.clone());
    for more in [String::new(), format!("proxy = \"{url}\"")] {
        let more = format!(
            "[fetch]\nmedia = true\n[providers.local]\nadapter = \"ollama\"\nbase_url = \"{}\"\n{more}\n\
             [models.local]\ntargets = [\"local/qwen3\"]\nsettings = {{ attempts = 1 }}\n",
            ollama.base_url()
        );
        let text = pointsman_tests::configuration(&line.anthropic, &line.openai, &more);
        let parsed = pointsman::config::parse(&text, Path::new("test.toml"), &environment).expect("a configuration");
        line.gateway.apply(parsed).await.expect("it is applied");
        for host in ["127.0.0.1", "localhost", "169.254.169.254"] {
            for (scheme, port) in [("http", private.port()), ("https", private.port()), ("http", 80), ("https", 443)] {
                let mut body = chat_body("local", "", false);
                let image = serde_json::json!({ "url": format!("{scheme}://{host}:{port}/a.png") });
                body["messages"][0]["content"] = serde_json::json!([{ "type": "image_url", "image_url": image }]);
                let answer = line.post("/v1/chat/completions", &body).await;
                assert_eq!(answer.status, 400, "{body}: {}", answer.body);
            }
        }
    }
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
    assert!(ollama.seen().is_empty(), "nobody was asked without the image");
}
