//! A caller that writes bytes, and a gateway that is soon out of patience.

use std::net::SocketAddr;
use std::time::Duration;

use pointsman_tests::Line;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything ends within this time, or never.
pub const ENDS: Duration = Duration::from_secs(20);

pub async fn impatient(more: &str) -> Line {
    let server =
        "[server]\nheader_timeout = \"400ms\"\nkeep_alive = \"800ms\"\nbody_idle = \"400ms\"\nwrite_stall = \"700ms\"";
    Line::start_with(&format!("{server}\n{more}")).await
}

/// Say it, and read what comes until the gateway hangs up.
pub async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // It may hang up before it has heard everything.
    let _ = stream.write_all(bytes).await;
    to_the_end(&mut stream).await
}

pub async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let ended = timeout(ENDS, stream.read_to_end(&mut read)).await;
    let text = String::from_utf8_lossy(&read).into_owned();
    assert!(ended.is_ok(), "the connection never ends: {text}");
    text
}

/// Read until this is there.
pub async fn until(stream: &mut TcpStream, mark: &str) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&read).contains(mark) {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer).await {
                Ok(1..) => read.extend_from_slice(&buffer),
                _ => break,
            }
        }
    };
    let in_time = timeout(ENDS, reading).await.is_ok();
    let text = String::from_utf8_lossy(&read).into_owned();
    assert!(in_time && text.contains(mark), "`{mark}` is not in: {text}");
    text
}
