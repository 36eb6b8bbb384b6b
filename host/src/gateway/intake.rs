//! A request's body comes in: not too much, not too slowly, and not in a form that nobody can read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Body as HttpBody;
use hyper::header::HeaderMap;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::load::Held;
use super::refusal::Refusal;
use crate::coding::{self, Coding};
use crate::config::Edge;
use crate::config::defaults::BODY_RATE_GRACE;
use crate::plugin::bindings::faults::FaultKind;

/// Room that is made before anything is here, whatever was announced.
const FIRST_BYTES_MAX: u64 = 256 << 10;
/// Bytes of a compressed body that are made at once: no more memory is taken before the limits were looked at again.
const DECODED_BYTES_MAX: usize = 64 << 10;
/// After so many bytes other requests have their turn. Less is decoded in a millisecond or two.
const DECODED_TURN_BYTES: usize = 1 << 20;

/// What can be told from the head, before anything is read: how the body is compressed, if it is.
///
/// # Errors
/// Why the body is not read.
pub fn check(headers: &HeaderMap, announced: u64, edge: &Edge) -> Result<Option<Coding>, Refusal> {
    let coding = Coding::of(headers).map_err(|field| {
        let text = format!("`Content-Encoding: {field}` is not read here: send one of {}, or none", coding::READ);
        let refusal = Refusal::of(FaultKind::InvalidRequest, None, text);
        refusal.with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    })?;
    if announced > edge.body_bytes { Err(too_large(edge)) } else { Ok(coding) }
}

/// What a compressed body stands for. It counts as held, like any other; the limits are looked at before the next piece of it is
/// made.
///
/// # Errors
/// It becomes too large, or it is not compressed as its head says.
pub async fn decode(body: Bytes, coding: Coding, edge: &Edge, held: &mut Held) -> Result<Bytes, Refusal> {
    let full = || Refusal::full("as many bytes of requests");
    let (compressed, window) = (body.len() as u64, coding.window_bytes().min(edge.body_bytes));
    if !held.grow(window, edge.body_bytes_held) {
        return Err(full());
    }
    let mut decoder = coding.decoder(std::io::Cursor::new(body));
    let (mut decoded, mut piece, mut turn) = (BytesMut::new(), vec![0; DECODED_BYTES_MAX], 0);
    loop {
        let bytes = decoder.read(&mut piece).await.map_err(|error| {
            let text = format!("the request's body does not read as {}, which its head says: {error}", coding.name());
            Refusal::of(FaultKind::InvalidRequest, None, text)
        })?;
        if bytes == 0 {
            break;
        }
        if (decoded.len() + bytes) as u64 > edge.body_bytes {
            return Err(too_large(edge));
        }
        if !held.grow(bytes as u64, edge.body_bytes_held) {
            return Err(full());
        }
        decoded.extend_from_slice(&piece[..bytes]);
        turn += bytes;
        if turn >= DECODED_TURN_BYTES {
            turn = 0;
            tokio::task::yield_now().await;
        }
    }
    held.shrink(compressed + window);
    Ok(decoded.freeze())
}

/// `until` is when it must be here, whatever its pace.
///
/// # Errors
/// Why it was not read to its end.
pub async fn read<B>(mut body: B, edge: &Edge, held: &mut Held, until: Instant) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let announced = body.size_hint().lower();
    if !held.fits(announced, edge.body_bytes_held) {
        return Err(Refusal::full("as many bytes of requests"));
    }
    let mut read = BytesMut::with_capacity(announced.min(FIRST_BYTES_MAX) as usize);
    let (began, mut last) = (Instant::now(), Instant::now());
    loop {
        let late = until.min(last + edge.body_idle).min(too_slow(began, read.len(), edge, until));
        let frame = match timeout_at(late, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => return Ok(read.freeze()),
            Ok(Some(Err(error))) => {
                let text = format!("reading the request: {}", error.into());
                return Err(Refusal::of(FaultKind::InvalidRequest, None, text));
            }
            Err(_) => {
                let text = format!("the request comes too slowly: {} bytes in {:?}", read.len(), began.elapsed());
                let refusal = Refusal::of(FaultKind::InvalidRequest, None, text);
                return Err(refusal.with_status(StatusCode::REQUEST_TIMEOUT));
            }
        };
        // What is no data is a trailer, and nobody's business.
        let Ok(data) = frame.into_data() else { continue };
        if (read.len() + data.len()) as u64 > edge.body_bytes {
            return Err(too_large(edge));
        }
        if !held.grow(data.len() as u64, edge.body_bytes_held) {
            return Err(Refusal::full("as many bytes of requests"));
        }
        if !data.is_empty() {
            last = Instant::now();
        }
        read.extend_from_slice(&data);
    }
}

fn too_large(edge: &Edge) -> Refusal {
    Refusal::of(FaultKind::TooLarge, None, format!("the request has more than {} bytes", edge.body_bytes))
}

/// When the bytes that are here will have been too few for the time.
fn too_slow(began: Instant, bytes: usize, edge: &Edge, never: Instant) -> Instant {
    let rate = u64::from(edge.body_rate);
    match (bytes as u64).checked_mul(1000).and_then(|bytes| bytes.checked_div(rate)) {
        None => never,
        Some(enough_ms) => began + BODY_RATE_GRACE.max(Duration::from_millis(enough_ms)),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::super::load::Load;
    use super::*;
    use crate::config::defaults::EDGE;

    /// Pieces of so many bytes, one after each pause.
    fn body(pieces: usize, bytes: usize, pause: Duration) -> impl HttpBody<Data = Bytes, Error = Infallible> + Unpin {
        StreamBody::new(Box::pin(stream::unfold(0, move |number| async move {
            tokio::time::sleep(pause).await;
            (number < pieces).then(|| (Ok(Frame::data(Bytes::from(vec![b'x'; bytes]))), number + 1))
        })))
    }

    async fn arrive(
        body: impl HttpBody<Data = Bytes, Error = Infallible> + Unpin,
        edge: Edge,
    ) -> (Result<usize, u16>, u64) {
        let (load, began) = (Arc::new(Load::default()), Instant::now());
        let mut held = load.enter(1).expect("room");
        let read = read(body, &edge, &mut held, began + Duration::from_secs(3600)).await;
        let read = read.map(|body| body.len()).map_err(|refusal| refusal.status.map_or(0, |status| status.as_u16()));
        (read, began.elapsed().as_secs())
    }

    async fn compressed(body: &[u8], coding: Coding) -> Bytes {
        let mut compressed = Vec::new();
        coding.encoder(body).read_to_end(&mut compressed).await.expect("it can be compressed");
        compressed.into()
    }

    async fn decoded(body: Bytes, coding: Coding, edge: &Edge) -> (Result<Bytes, Refusal>, bool) {
        let load = Arc::new(Load::default());
        let mut held = load.enter(1).expect("room");
        assert!(held.grow(body.len() as u64, edge.body_bytes_held));
        let decoded = decode(body, coding, edge, &mut held).await;
        let bytes = decoded.as_ref().map_or(0, Bytes::len) as u64;
        let is_counted = held.fits(edge.body_bytes_held - bytes, edge.body_bytes_held)
            && !held.fits(edge.body_bytes_held - bytes + 1, edge.body_bytes_held);
        (decoded, is_counted)
    }

    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Brotli, Coding::Zstd];

    #[tokio::test]
    async fn a_compressed_body_is_what_it_stands_for() {
        for coding in CODINGS {
            for length in [0, 1, 70_000, 3 << 20] {
                let body: Vec<u8> = (0..length).map(|number: u32| (number % 251) as u8).collect();
                let (decoded, is_counted) = decoded(compressed(&body, coding).await, coding, &EDGE).await;
                assert!(decoded.is_ok_and(|decoded| decoded == body), "{coding:?} {length}");
                assert!(is_counted, "{coding:?} {length}: what is held is what it became");
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_becomes_too_large_is_refused_while_it_grows() {
        for coding in CODINGS {
            let bomb = compressed(&vec![b' '; 64 << 20], coding).await;
            assert!(bomb.len() < 100_000, "{coding:?}: {}", bomb.len());
            let refused = decoded(bomb.clone(), coding, &EDGE).await.0.expect_err("too large");
            assert_eq!(refused.fault.kind, FaultKind::TooLarge, "{coding:?}");
            let edge = Edge { body_bytes: 1 << 30, body_bytes_held: 20 << 20, ..EDGE };
            let refused = decoded(bomb, coding, &edge).await.0.expect_err("no room");
            assert_eq!(refused.status, Some(StatusCode::SERVICE_UNAVAILABLE), "{coding:?}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_what_its_head_says_is_the_callers_mistake() {
        for coding in CODINGS {
            let whole = compressed(&[b'x'; 5_000], coding).await;
            let half = whole.slice(..whole.len() / 2);
            for body in [Bytes::from_static(b"{\"model\":\"m\"}"), half] {
                let refused = decoded(body.clone(), coding, &EDGE).await.0.expect_err("not compressed so");
                assert_eq!(refused.fault.kind, FaultKind::InvalidRequest, "{coding:?} {body:?}");
                assert!(refused.fault.message.contains(coding.name()), "{}", refused.fault.message);
            }
        }
        // A window of 128 MiB, which a decoder would have to allocate: RFC 8878, 3.1.1.1.2.
        let window = Bytes::from_static(b"\x28\xb5\x2f\xfd\x00\x88\x09\x00\x00x");
        assert!(decoded(window, Coding::Zstd, &EDGE).await.0.is_err());
    }

    /// Faults: F78
    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_trickles_ends_in_time() {
        let seconds = Duration::from_secs;
        assert_eq!(arrive(body(3, 1 << 20, seconds(9)), EDGE).await, (Ok(3 << 20), 36));
        assert_eq!(arrive(body(1, 1 << 20, seconds(31)), EDGE).await, (Err(408), 10), "nothing came");
        assert_eq!(arrive(body(2, 1 << 20, seconds(31)), Edge { body_rate: 0, ..EDGE }).await, (Err(408), 30));
        assert_eq!(arrive(body(10_000, 1, seconds(1)), EDGE).await, (Err(408), 10), "one byte a second");
        assert_eq!(arrive(body(100, 300, seconds(1)), EDGE).await, (Ok(30_000), 101));
        assert_eq!(arrive(body(100, 250, seconds(1)), EDGE).await.0, Err(408));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_no_more_memory_than_it_may() {
        let edge = Edge { body_bytes: 100, body_bytes_held: 150, ..EDGE };
        assert_eq!(arrive(body(10, 10, Duration::ZERO), edge).await.0, Ok(100));
        assert_eq!(arrive(body(11, 10, Duration::ZERO), edge).await.0, Err(0), "too large, as its protocol says it");
        let edge = Edge { body_bytes: 200, ..edge };
        assert_eq!(arrive(body(15, 10, Duration::ZERO), edge).await.0, Ok(150));
        assert_eq!(arrive(body(16, 10, Duration::ZERO), edge).await.0, Err(503));
    }
}
