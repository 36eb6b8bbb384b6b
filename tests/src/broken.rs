//! A provider that breaks below HTTP: it reads a request and then does, byte for byte, what it was told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// One thing that it does after a request, or after a connection was made.
#[derive(Clone, Debug)]
pub enum Act {
    /// Wait until the request is here.
    Read,
    Say(Vec<u8>),
    /// One byte at a time, with a pause after each.
    Trickle(Vec<u8>, Duration),
    /// Again and again, until the other side has had enough.
    Flood(Vec<u8>),
    /// Nothing more, and the connection stays open.
    Stall,
    Pause(Duration),
    /// RST.
    Reset,
    /// FIN.
    Close,
}

/// See the module.
pub struct Broken {
    address: SocketAddr,
    script: Arc<Mutex<Vec<Act>>>,
    requests: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
}

impl Broken {
    /// Every connection follows the script; at its end the connection is closed.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(script: Vec<Act>) -> Broken {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let broken =
            Broken { address, script: Arc::new(Mutex::new(script)), requests: Arc::default(), left: Arc::default() };
        let (script, counted) = (Arc::clone(&broken.script), Arc::clone(&broken.requests));
        let left = Arc::clone(&broken.left);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let script = script.lock().expect("no panic").clone();
                let (counted, left) = (Arc::clone(&counted), Arc::clone(&left));
                tokio::spawn(async move {
                    if follow(stream, script, counted).await.is_err() {
                        left.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        broken
    }

    /// From the next connection on.
    ///
    /// # Panics
    /// When another test's thread did.
    pub fn follow(&self, script: Vec<Act>) {
        *self.script.lock().expect("no panic") = script;
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that arrived whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Connections that the other side ended in the middle of the script.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

async fn follow(mut stream: TcpStream, script: Vec<Act>, requests: Arc<AtomicUsize>) -> std::io::Result<()> {
    let _ = stream.set_nodelay(true);
    for act in script {
        match act {
            Act::Read => {
                let read = read_request(&mut stream).await;
                requests.fetch_add(usize::from(read.is_some()), Ordering::Relaxed);
                read.ok_or(std::io::ErrorKind::UnexpectedEof)?;
            }
            Act::Say(bytes) => stream.write_all(&bytes).await?,
            Act::Trickle(bytes, pause) => trickle(&mut stream, &bytes, pause).await?,
            Act::Flood(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            Act::Stall => {
                // Until the other side hangs up.
                while matches!(stream.read(&mut [0; 1024]).await, Ok(1..)) {}
            }
            Act::Pause(pause) => sleep(pause).await,
            Act::Reset => stream.set_zero_linger()?,
            Act::Close => return Ok(()),
        }
    }
    Ok(())
}

async fn trickle(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(std::slice::from_ref(byte)).await?;
        sleep(pause).await;
    }
    Ok(())
}

/// The head, and as much of a body as it announces.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 16 << 10];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        if read.len() >= head.len() + 4 + length.unwrap_or(0) {
            return Some(());
        }
    }
}
