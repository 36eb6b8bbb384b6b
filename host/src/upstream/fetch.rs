//! Media by URL for providers that take only bytes. The URL is the caller's, so this is the one place where a stranger
//! says where we connect: only when the configuration allows it, only to public addresses, never along a redirect.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::client::AGENT;
use crate::sync::{Mutex, PoisonError};

/// What Anthropic takes of an image, before Base64, is 5 MB; of a document 32 MB. Ours lies between.
const MEDIA_BYTES_MAX: usize = 20 << 20;
/// For one URL, all in all.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Names of callers that are looked up at once. Each takes a thread until the resolver answers, of those that providers' names need, too.
const LOOKUPS_MAX: usize = 16;
/// Of these, names of one caller, where callers have keys: names that hang leave places for others.
const LOOKUPS_OF_CALLER_MAX: usize = 4;

/// What was found at a URL.
#[derive(Debug)]
pub struct Media {
    /// Without parameters, such as `image/png`.
    pub mime: String,
    pub bytes: Bytes,
}

/// Gets media from the public internet, and from `allow`ed `host:port`s.
pub struct Fetcher {
    allow: Vec<String>,
    tls: TlsConnector,
    lookups: Arc<Semaphore>,
    /// Of callers, by the names of their keys, which the configuration bounds.
    lookups_of: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Fetcher {
    /// # Errors
    /// When the platform's certificates cannot be read.
    pub fn new(allow: Vec<String>) -> anyhow::Result<Fetcher> {
        let config = ClientConfig::builder().try_with_platform_verifier().context("reading the certificates")?;
        let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        Ok(Fetcher { allow, tls, lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)), lookups_of: Mutex::default() })
    }

    /// The places of one caller's lookups.
    fn lookups_of(&self, caller: &str) -> Arc<Semaphore> {
        let mut of = self.lookups_of.lock().unwrap_or_else(PoisonError::into_inner);
        let its = of.entry(caller.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(LOOKUPS_OF_CALLER_MAX)));
        Arc::clone(its)
    }

    /// `fits` is asked for room before bytes are kept. `caller` is the name of the caller's key, empty where there is none.
    ///
    /// # Errors
    /// Why the URL was not fetched, in words for its sender.
    pub async fn get(&self, url: &str, caller: &str, fits: &(dyn Fn(u64) -> bool + Sync)) -> anyhow::Result<Media> {
        let fetched = timeout(TIMEOUT, self.fetch(url, caller, fits)).await;
        fetched.unwrap_or_else(|_| bail!("it took longer than {} s", TIMEOUT.as_secs()))
    }

    async fn fetch(&self, url: &str, caller: &str, fits: &(dyn Fn(u64) -> bool + Sync)) -> anyhow::Result<Media> {
        let uri: Uri = url.parse().map_err(|_| anyhow!("it is not a URL"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => bail!("only http and https are fetched"),
        };
        let authority = uri.authority().ok_or_else(|| anyhow!("it has no host"))?;
        ensure!(!authority.as_str().contains('@'), "it names a user");
        let host = authority.host();
        let default_port = if secure { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default_port);
        let address = self.address(host, port, port == default_port, caller).await?;
        // To the very address that was checked: a name that is looked up again could point elsewhere by then.
        let stream = TcpStream::connect(address).await.context("connecting")?;
        let response = if secure {
            let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).context("its host")?;
            ask(self.tls.connect(name, stream).await.context("TLS")?, &uri).await?
        } else {
            ask(stream, &uri).await?
        };
        ensure!(!response.status().is_redirection(), "it redirects, which is not followed");
        ensure!(response.status().is_success(), "it answered {}", response.status());
        let mime = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mime = mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let media = ["image/", "audio/", "video/", "application/pdf", "text/plain"];
        ensure!(media.iter().any(|kind| mime.starts_with(kind)), "it is `{mime}`: no media");
        let (mut body, mut bytes) = (Limited::new(response.into_body(), MEDIA_BYTES_MAX), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| anyhow!("reading it: {error}"))?;
            let data = frame.into_data().unwrap_or_default();
            ensure!(fits(data.len() as u64), "the gateway has no room for it");
            bytes.extend_from_slice(&data);
        }
        Ok(Media { mime, bytes: bytes.freeze() })
    }

    async fn address(&self, host: &str, port: u16, usual: bool, caller: &str) -> anyhow::Result<SocketAddr> {
        let host = host.trim_matches(['[', ']']);
        let allowed = self.allow.iter().any(|allowed| *allowed == format!("{host}:{port}"));
        ensure!(usual || allowed, "the port {port} is not the usual one");
        // One after the other: who waits for a place of its own takes none of the others'.
        let own = match caller {
            "" => None,
            caller => Some(self.lookups_of(caller).acquire_owned().await?),
        };
        let (permit, name) = (Arc::clone(&self.lookups).acquire_owned().await?, (host.to_owned(), port));
        // It has its place as long as its thread is busy, even if nobody waits for it any more.
        let looking = tokio::spawn(async move {
            let found = tokio::net::lookup_host(name).await.map(Iterator::collect::<Vec<_>>);
            drop((own, permit));
            found
        });
        let mut addresses = looking.await?.context("looking up its host")?.into_iter();
        // One private address among public ones is a trick: then none is used.
        let mut first = None;
        let all_public = addresses.all(|address| {
            first.get_or_insert(address);
            allowed || is_public(address.ip())
        });
        ensure!(all_public, "its host has a private address");
        first.ok_or_else(|| anyhow!("its host has no address"))
    }
}

async fn ask<S>(stream: S, uri: &Uri) -> anyhow::Result<Response<Incoming>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = HeaderValue::try_from(uri.authority().map_or("", |authority| authority.as_str()))?;
    let request = Request::get(path).header(HOST, host).header(ACCEPT, "image/*, application/pdf, */*;q=0.1");
    let request = request.header(USER_AGENT, AGENT).header(ACCEPT_ENCODING, "identity");
    Ok(sender.send_request(request.body(Empty::<Bytes>::new())?).await?)
}

/// Is it an address that anyone on the internet could reach?
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                // Carriers' own, IETF's own, benchmarks.
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))
                // Azure's own: its machines ask there for their keys and certificates.
                || v4 == Ipv4Addr::new(168, 63, 129, 16);
            !special
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4() {
                // Mapped, or the old compatible form.
                return is_public(IpAddr::V4(v4)) && !v6.is_loopback() && !v6.is_unspecified();
            }
            let [first, second, ..] = v6.segments();
            // Only 2000::/3 is given out; in it, 6to4 and Teredo carry an IPv4 address, and 2001:db8 is documentation.
            first & 0xe000 == 0x2000 && first != 0x2002 && !(first == 0x2001 && (second == 0 || second == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F07
    #[test]
    fn addresses_that_are_not_everyones() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.1",
            "240.0.0.1",
            "168.63.129.16",
            "::ffff:168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().expect(private)), "{private}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().expect(public)), "{public}");
        }
    }

    /// Faults: F120
    #[tokio::test(start_paused = true)]
    async fn callers_names_take_a_few_threads_at_most() {
        let fetcher = Fetcher::new(Vec::new()).expect("certificates");
        let all = fetcher.lookups.try_acquire_many(u32::try_from(LOOKUPS_MAX).expect("a few")).expect("all");
        let error =
            fetcher.get("http://name.invalid/a.png", "", &|_| true).await.expect_err("its name is not looked up");
        assert!(error.to_string().contains("longer than 10 s"), "{error:#}");
        drop(all);
        let error = fetcher.get("http://127.0.0.1/a.png", "", &|_| true).await.expect_err("private");
        assert!(error.to_string().contains("private"), "{error:#}");
        assert_eq!(fetcher.lookups.available_permits(), LOOKUPS_MAX);
    }

    /// Faults: F120
    #[tokio::test(start_paused = true)]
    async fn one_callers_names_that_hang_leave_places_for_others() {
        let fetcher = Fetcher::new(Vec::new()).expect("certificates");
        let hanging = fetcher.lookups_of("mallory");
        let _all = hanging.try_acquire_many(u32::try_from(LOOKUPS_OF_CALLER_MAX).expect("a few")).expect("all");
        let url = "http://127.0.0.1/a.png";
        let error = fetcher.get(url, "mallory", &|_| true).await.expect_err("all of its places are taken");
        assert!(error.to_string().contains("longer than 10 s"), "{error:#}");
        for caller in ["alice", ""] {
            let error = fetcher.get(url, caller, &|_| true).await.expect_err("private");
            assert!(error.to_string().contains("private"), "{error:#}");
        }
        assert_eq!(fetcher.lookups.available_permits(), LOOKUPS_MAX);
    }

    #[tokio::test]
    async fn what_is_refused_before_a_connection() {
        let fetcher = Fetcher::new(Vec::new()).expect("certificates");
        for (url, why) in [
            ("file:///etc/passwd", "not a URL"),
            ("ftp://example.com/", "only http"),
            ("http://user@example.com/", "names a user"),
            ("http://127.0.0.1/a.png", "private"),
            ("http://[::1]/a.png", "private"),
            ("http://localhost/a.png", "private"),
            ("http://example.com:22/", "port"),
            ("nonsense", "only http"),
            ("http://2130706433/", "private"),
        ] {
            let error = fetcher.get(url, "", &|_| true).await.expect_err(url);
            assert!(format!("{error:#}").contains(why), "{url}: {error:#}");
        }
    }
}
