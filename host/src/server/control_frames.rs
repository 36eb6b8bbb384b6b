//! Frames of HTTP/2 that carry no request: PING, SETTINGS, WINDOW_UPDATE, unknown ones, pieces of a body of a few bytes. Each costs
//! this machine a little, and h2 bounds only some kinds. A connection that sends far more of them than its requests and replies
//! explain is ended, as other proxies do.

use tokio::time::Instant;

/// Bytes of the connection's opening, before the first frame: RFC 9113, 3.4.
const OPENING_BYTES: usize = 24;
/// Bytes of a frame's head: RFC 9113, 4.1.
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
/// Frames at once. Clients open a connection with a handful.
const BURST: f64 = 10_000.0;
/// Frames a second, beside those that requests and replies explain.
const RATE: f64 = 1_000.0;
/// Frames that a request explains: its body's small pieces, its end, updates of windows.
const FOR_A_REQUEST: f64 = 20.0;
/// Bytes of replies that explain one frame: an update of a window for each small piece.
const REPLY_BYTES: f64 = 64.0;
/// A piece of a body that is at least so long is none of these frames.
const PIECE_BYTES: usize = 64;

/// Of one connection of HTTP/2, from its first byte.
pub struct ControlFrames {
    /// Of the opening or of a frame's payload, bytes that come before the next frame's head.
    skipped: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    allowance: f64,
    counted_at: Instant,
}

impl ControlFrames {
    pub fn new(now: Instant) -> ControlFrames {
        let (head, head_bytes) = ([0; HEAD_BYTES], 0);
        ControlFrames { skipped: OPENING_BYTES, head, head_bytes, allowance: BURST, counted_at: now }
    }

    /// Bytes of a reply went out, or of what answers such frames.
    pub fn written(&mut self, bytes: usize) {
        self.allowance = (self.allowance + bytes as f64 / REPLY_BYTES).min(BURST);
    }

    /// Bytes came. True where they are a flood.
    pub fn read(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        let waited = now.saturating_duration_since(self.counted_at).as_secs_f64();
        self.counted_at = now;
        self.allowance = (self.allowance + waited * RATE).min(BURST);
        while !bytes.is_empty() {
            let skipped = self.skipped.min(bytes.len());
            self.skipped -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..self.head_bytes + taken].copy_from_slice(&bytes[..taken]);
            self.head_bytes += taken;
            bytes = &bytes[taken..];
            if self.head_bytes == HEAD_BYTES {
                self.frame();
            }
        }
        self.allowance < 0.0
    }

    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        (self.head_bytes, self.skipped) = (0, length);
        match kind {
            HEADERS => self.allowance = (self.allowance + FOR_A_REQUEST).min(BURST),
            DATA if length >= PIECE_BYTES || flags & END_STREAM != 0 => {}
            _ => self.allowance -= 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., high, middle, low] = length.to_be_bytes();
        [&[high, middle, low, kind, flags, 0, 0, 0, 1][..], &vec![7; length]].concat()
    }

    fn is_flood(bytes: &[u8], piece: usize) -> bool {
        let now = Instant::now();
        let mut frames = ControlFrames::new(now);
        assert!(!frames.read(&[7; OPENING_BYTES], now));
        bytes.chunks(piece).any(|piece| frames.read(piece, now))
    }

    /// Faults: F122
    #[test]
    fn a_flood_is_one_of_whatever_kind() {
        for (kind, length) in [(PING, 8), (4, 6), (8, 4), (200, 0), (DATA, 0), (DATA, 1)] {
            for piece in [1 << 20, 16 << 10, 5] {
                assert!(!is_flood(&frame(kind, 0, length).repeat(10_000), piece), "{kind} by {piece}");
                assert!(is_flood(&frame(kind, 0, length).repeat(10_001), piece), "{kind} by {piece}");
            }
        }
    }

    #[test]
    fn requests_and_replies_explain_what_clients_send() {
        let of_a_request = [
            frame(HEADERS, 4, 300),
            frame(DATA, 0, 16_384).repeat(20),
            frame(DATA, END_STREAM, 0),
            frame(8, 0, 4).repeat(9),
        ];
        assert!(!is_flood(&of_a_request.concat().repeat(2_000), 16 << 10));
        let now = Instant::now();
        let mut frames = ControlFrames::new(now);
        assert!(!frames.read(&[7; OPENING_BYTES], now));
        // An event of a stream, and an update of two windows for each.
        for _ in 0..20_000 {
            frames.written(150);
            assert!(!frames.read(&frame(8, 0, 4).repeat(2), now));
        }
        // What was spent comes back with time.
        assert!(!frames.read(&frame(PING, 0, 8).repeat(9_000), now));
        let later = now + Duration::from_secs(9);
        assert!(!frames.read(&frame(PING, 0, 8).repeat(9_000), later));
        assert!(frames.read(&frame(PING, 0, 8).repeat(9_000), later));
    }
}
