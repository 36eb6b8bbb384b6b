use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::super::Pieces;
use super::super::dialer::Link;
use super::super::http2::Http2;
use super::super::unanswered::{Doubts, Received, Unanswered};
use super::*;
use crate::net::{Dial, Dialling, Wire};

const CONNECT: Duration = Duration::from_secs(5);
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// A network with one provider, which answers at once.
#[derive(Default)]
struct Network {
    dialled: AtomicUsize,
    /// Nobody answers any more.
    is_down: std::sync::atomic::AtomicBool,
    /// So many times this machine has no file descriptor.
    lacking: AtomicUsize,
}

impl Dial for Network {
    fn dial(&self, host: &str, _: u16) -> Dialling {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        let less = |lacking: usize| lacking.checked_sub(1);
        let lacking = self.lacking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        let (host, is_down) = (host.to_owned(), self.is_down.load(Ordering::Relaxed));
        Box::pin(async move {
            if is_down || host == "vanished.test" {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(ROUND_TRIP).await;
            if lacking {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
            }
            if host == "no-port.test" {
                return Err(io::Error::from_raw_os_error(rustix::io::Errno::ADDRNOTAVAIL.raw_os_error()));
            }
            if host == "refused.test" {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), answer));
            Ok(Box::new(ours) as Box<dyn Wire>)
        })
    }
}

fn pool() -> (Arc<Network>, Arc<Pool>) {
    let network = Arc::new(Network::default());
    let dialer = Dialer::Simulated(Arc::clone(&network) as Arc<dyn Dial>);
    (network, Arc::new(Pool::new(dialer, CONNECT)))
}

fn origin(url: &str) -> Arc<Origin> {
    Arc::new(Origin::of(&url.parse().expect("a URL")).expect("an origin"))
}

/// Read to its end, so that the connection is free again.
async fn call(lease: Lease) {
    let request = Request::post("http://provider.test/").body(Pieces::new(["{}".into()])).expect("a request");
    let response = lease.send(request, None).await.map_err(|failure| failure.text).expect("a reply");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "ok");
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_and_closed_when_it_is_idle() {
    let (network, pool) = pool();
    let provider = origin("http://provider.test");
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for is_reused in [false, true, true] {
        let lease = pool.lease(&provider, Wanted::Any).await.expect("a connection");
        assert_eq!(lease.is_reused, is_reused);
        call(lease).await;
        sleep(IDLE / 2).await;
    }
    assert_eq!(network.dialled.load(Ordering::Relaxed), 1);
    sleep(IDLE * 2).await;
    assert!(pool.shared.lock().origins.is_empty(), "nothing is kept");
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks, "no task is left");
    let lease = pool.lease(&provider, Wanted::Any).await.expect("a connection");
    assert!(!lease.is_reused);
    call(lease).await;
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_fresh_connection_gets_one() {
    let (network, pool) = pool();
    let provider = origin("http://provider.test");
    call(pool.lease(&provider, Wanted::Any).await.expect("a connection")).await;
    let lease = pool.lease(&provider, Wanted::Fresh).await.expect("a connection");
    assert!(!lease.is_reused);
    assert_eq!(network.dialled.load(Ordering::Relaxed), 2);
    pool.drop_idle(&provider);
    assert!(!pool.lease(&provider, Wanted::Any).await.expect("a connection").is_reused);
}

#[tokio::test(start_paused = true)]
async fn what_is_dialled_for_nobody_is_given_up() {
    let (network, pool) = pool();
    let provider = origin("http://provider.test");
    let dialling = || pool.shared.lock().origins.get(&provider).map_or(0, |connections| connections.dialling.len());
    let other = tokio::spawn({
        let (pool, provider) = (Arc::clone(&pool), Arc::clone(&provider));
        async move { pool.lease(&provider, Wanted::Any).await.is_ok() }
    });
    assert!(timeout(ROUND_TRIP / 2, pool.lease(&provider, Wanted::Any)).await.is_err());
    assert_eq!(dialling(), 1, "one is for the other");
    assert!(other.await.expect("no panic"));
    assert_eq!((dialling(), network.dialled.load(Ordering::Relaxed)), (0, 2));
}

/// Whatever comes first.
#[tokio::test(start_paused = true)]
async fn who_waits_gets_a_connection_that_is_returned() {
    let (network, pool) = pool();
    let provider = origin("http://provider.test");
    let lease = pool.lease(&provider, Wanted::Any).await.expect("a connection");
    network.is_down.store(true, Ordering::Relaxed);
    let waiting = tokio::spawn({
        let (pool, provider) = (Arc::clone(&pool), Arc::clone(&provider));
        async move { pool.lease(&provider, Wanted::Any).await.map(|lease| lease.is_reused) }
    });
    sleep(ROUND_TRIP).await;
    call(lease).await;
    assert!(waiting.await.expect("no panic").expect("a connection"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_cannot_be_reached_waits_no_longer_than_connecting_may_take() {
    let (network, pool) = pool();
    for (url, within) in [
        ("http://refused.test", ROUND_TRIP),
        // Who came while it was tried finds out for themselves.
        ("https://refused.test", ROUND_TRIP * 2),
        ("http://vanished.test", CONNECT),
        ("https://vanished.test", CONNECT),
    ] {
        let (began, unreachable) = (Instant::now(), origin(url));
        let leases = (0..20).map(|_| pool.lease(&unreachable, Wanted::Any));
        let failed = futures_util::future::join_all(leases).await.iter().filter(|leased| leased.is_err()).count();
        assert_eq!(failed, 20, "{url}");
        assert!(began.elapsed() <= within + Duration::from_millis(5), "{url}: {:?}", began.elapsed());
    }
    // One is enough to find out, where it could carry them all.
    assert!(network.dialled.load(Ordering::Relaxed) <= 20 + 2 + 20 + 2);
    sleep(CONNECT).await;
    assert!(pool.shared.lock().origins.is_empty(), "nothing is kept");
}

#[tokio::test(start_paused = true)]
async fn one_connection_shows_what_a_provider_speaks() {
    let (network, pool) = pool();
    let provider = origin("https://provider.test");
    let leases = (0..20).map(|_| pool.lease(&provider, Wanted::Any));
    let began = Instant::now();
    let leased = futures_util::future::join_all(leases).await;
    assert!(leased.iter().all(|leased| leased.as_ref().is_ok_and(|lease| !lease.is_reused)));
    assert_eq!(network.dialled.load(Ordering::Relaxed), 20);
    assert!(began.elapsed() < ROUND_TRIP * 3, "one after the other for the first only");
}

/// Faults: F112
#[tokio::test(start_paused = true)]
async fn what_this_machine_lacks_is_waited_for_and_is_nobodys_fault() {
    let (network, pool) = pool();
    call(pool.lease(&origin("http://idle.test"), Wanted::Any).await.expect("a connection")).await;
    network.lacking.store(3, Ordering::Relaxed);
    let began = Instant::now();
    assert!(pool.lease(&origin("http://provider.test"), Wanted::Any).await.is_ok(), "some came back");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let idle = pool.shared.lock().origins.get(&origin("http://idle.test")).map_or(0, |of| of.idle.len());
    assert_eq!(idle, 0, "idle ones are given up");
    network.lacking.store(usize::MAX, Ordering::Relaxed);
    let unsent = pool.lease(&origin("http://other.test"), Wanted::Any).await.err().expect("no connection");
    assert!(unsent.is_ours && unsent.text.contains("os error"), "{unsent}");
    network.lacking.store(0, Ordering::Relaxed);
    let unsent = pool.lease(&origin("http://refused.test"), Wanted::Any).await.err().expect("no connection");
    assert!(!unsent.is_ours, "{unsent}");
}

/// Faults: F112
#[tokio::test(start_paused = true)]
async fn ports_that_run_out_for_one_provider_cost_no_connection_to_another() {
    let (_, pool) = pool();
    call(pool.lease(&origin("http://idle.test"), Wanted::Any).await.expect("a connection")).await;
    let unsent = pool.lease(&origin("http://no-port.test"), Wanted::Any).await.err().expect("no connection");
    assert!(unsent.is_ours && !unsent.others_hold_it, "{unsent}");
    assert!(pool.lease(&origin("http://idle.test"), Wanted::Any).await.expect("a connection").is_reused);
}

/// Faults: F181
#[tokio::test(start_paused = true)]
async fn callers_that_hang_up_in_silence_cost_no_connection() {
    let ((_, pool), provider) = (pool(), origin("http://provider.test"));
    let give_up = |http2: Option<&Arc<Http2>>, received: &Received, due| {
        let home = Arc::downgrade(&pool.shared);
        let doubts = Doubts { home, origin: Arc::clone(&provider), is_reused: true, due };
        Unanswered::new(received.clone(), http2.cloned(), doubts)
    };
    let (second, idle) = (Duration::from_secs(1), || pool.shared.lock().origins[&provider].idle.len());
    let http2 = async || {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let never = service_fn(async |_| {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(theirs), never));
        let made = Http2::handshake(Link::new(ours, true), Instant::now()).await.expect("a connection");
        sleep(second).await;
        Arc::new(made)
    };
    let healthy = http2().await;
    call(pool.lease(&provider, Wanted::Any).await.expect("a connection")).await;
    let silent = Received::default();
    // Many at once, and another after them.
    for callers in [10, 1] {
        let waiting: Vec<_> = (0..callers)
            .flat_map(|_| [give_up(Some(&healthy), &healthy.received(), None), give_up(None, &silent, None)])
            .collect();
        sleep(2 * second).await;
        drop(waiting);
        assert!(healthy.is_usable(), "after {callers}");
        assert_eq!(idle(), 1, "after {callers}");
    }
    // Without a byte in all that time it is no chance any more.
    let waiting = (give_up(Some(&healthy), &healthy.received(), None), give_up(None, &silent, None));
    sleep(2 * second).await;
    drop(waiting);
    assert_eq!((healthy.is_usable(), idle()), (false, 0));
    // A reply that is late says so at once.
    let late = http2().await;
    let waiting = give_up(Some(&late), &late.received(), Some(Instant::now() + 2 * second));
    sleep(2 * second).await;
    drop(waiting);
    assert!(!late.is_usable());
}
