//! Names with several addresses, some of them dead.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pointsman::fake::{Fake, Protocol};
use pointsman::net::Network;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::{Caller, Line};

/// Nobody listens there.
const REFUSES: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
const SILENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const ALIVE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An address at which a connection is neither made nor refused: the kernel drops what comes to a full queue.
async fn silence(port: u16) -> (TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(SILENT, port)).expect("the port is free at this address");
    let listener = socket.listen(1).expect("it listens");
    let mut queued = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), TcpStream::connect((SILENT, port))).await {
        queued.push(connected.expect("a place in the queue"));
        assert!(queued.len() < 100, "the queue is never full");
    }
    (listener, queued)
}

/// A gateway whose first target's name has these addresses, the fake's port at each.
async fn line(addresses: &[IpAddr], first: &Fake) -> Line {
    let base_url = first.base_url().replace("127.0.0.1", "provider.test");
    let network = Network::Hosts(Arc::new(BTreeMap::from([("provider.test".to_owned(), addresses.to_vec())])));
    Line::on(&network, "openai-chat", &base_url, "[timeouts]\nconnect = \"4s\"").await
}

/// Faults: F08
#[tokio::test(flavor = "multi_thread")]
async fn one_dead_address_of_a_name_costs_no_request_and_no_failover() {
    let first = Fake::start(Protocol::OpenAiChat).await.expect("a port");
    let port = first.base_url().split([':', '/']).filter_map(|piece| piece.parse().ok()).next().expect("a port");
    let _silence = silence(port).await;
    for (addresses, answers) in [
        (vec![REFUSES, ALIVE], "broken/first"),
        (vec![SILENT, ALIVE], "broken/first"),
        (vec![REFUSES, SILENT, ALIVE], "broken/first"),
        (vec![REFUSES, REFUSES], "good/second"),
        (vec![REFUSES, SILENT], "good/second"),
    ] {
        let line = line(&addresses, &first).await;
        for stream in [false, true] {
            let answer = line.ask(Caller::OpenAi, stream).await;
            assert_eq!((answer.status.as_u16(), answer.header("x-pointsman-target")), (200, answers), "{addresses:?}");
        }
    }
}

/// Faults: F08
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_address_costs_a_moment_once() {
    let first = Fake::start(Protocol::OpenAiChat).await.expect("a port");
    let port = first.base_url().split([':', '/']).filter_map(|piece| piece.parse().ok()).next().expect("a port");
    let _silence = silence(port).await;
    let line = line(&[SILENT, ALIVE], &first).await;
    // Half of what connecting may take, which was the price of each connection, is 2 s.
    let began = Instant::now();
    let answer = line.ask(Caller::OpenAi, false).await;
    assert!(answer.status == 200 && began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    // Each needs a connection of its own, and none has to find out again.
    first.behave(pointsman_tests::behave("slow:300ms"));
    let began = Instant::now();
    let answers = futures_util::future::join_all((0..8).map(|_| line.ask(Caller::OpenAi, true))).await;
    for answer in answers {
        assert_eq!(answer.header("x-pointsman-target"), "broken/first", "{}", answer.body);
    }
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}
