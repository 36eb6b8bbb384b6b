//! A caller's connection, with an end to its patience: who says nothing at first, or does not read what it is sent, is
//! disconnected, and with it whatever runs for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;
use super::control_frames::ControlFrames;
use crate::config::Edge;
use crate::config::defaults::{LINGER, READ_RATE};
use crate::net::Wire;

/// Until so many bytes are here nobody knows which HTTP it is, and hyper's own limits do not hold yet.
const PREFACE_BYTES: usize = 24;
/// No method of HTTP/1 begins so.
const HTTP2_OPENING: &[u8] = b"PRI";

/// See the module.
pub struct Patient {
    wire: Box<dyn Wire>,
    write_stall: Duration,
    /// How much is missing of the preface, and when it must be here.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    /// Something waits to be written, since and until then.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How long the caller may still leave its reply unread. What it reads gives time back.
    patience: Duration,
    activity: Activity,
    header_timeout: Duration,
    /// The first bytes, which tell HTTP/2 apart.
    opening: Vec<u8>,
    /// A request's head has begun, after so many requests, and must be here by then.
    head: Option<(usize, Pin<Box<Sleep>>)>,
    /// Over HTTP/2.
    control_frames: Option<ControlFrames>,
    linger: Linger,
    lingering: Option<Pin<Box<Sleep>>>,
}

/// Set when a reply goes out before its request was read: then the connection's end waits for the caller to notice.
#[derive(Clone, Default)]
pub struct Linger(Arc<AtomicBool>);

impl Linger {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Patient {
    pub fn new(wire: Box<dyn Wire>, edge: &Edge, linger: Linger, activity: Activity) -> Patient {
        let preface = Some((PREFACE_BYTES, Box::pin(sleep(edge.header_timeout))));
        Patient {
            wire,
            write_stall: edge.write_stall,
            preface,
            stalled: None,
            patience: edge.write_stall,
            activity,
            header_timeout: edge.header_timeout,
            opening: Vec::new(),
            head: None,
            control_frames: None,
            linger,
            lingering: None,
        }
    }

    /// What became of something that waits for the caller to read. `bytes` of it were taken.
    fn watch<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        bytes: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if let Some((since, _)) = self.stalled.take() {
                self.activity.writing(false);
                self.patience = self.patience.saturating_sub(since.elapsed());
            }
            if let Some(frames) = &mut self.control_frames {
                frames.written(bytes);
            }
            let paid = Duration::from_secs(1).saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX)) / READ_RATE;
            self.patience = self.patience.saturating_add(paid).min(self.write_stall);
            return written;
        }
        if self.stalled.is_none() {
            self.activity.writing(true);
        }
        let patience = self.patience;
        let (_, until) = self.stalled.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(patience))));
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read its reply")))
    }
}

impl Patient {
    /// Bytes came. If no request runs, a head has begun. False: they are a flood.
    fn note_read(&mut self, bytes: &[u8]) -> bool {
        let missing = HTTP2_OPENING.len().saturating_sub(self.opening.len());
        self.opening.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        let is_flood = self.opening == HTTP2_OPENING && self.note_frames(bytes, missing);
        let begun = self.activity.begun();
        let is_another = self.head.as_ref().is_none_or(|(of, _)| *of != begun);
        if is_another && !bytes.is_empty() && self.activity.is_idle() {
            self.head = Some((begun, Box::pin(sleep(self.header_timeout))));
        }
        !is_flood
    }

    /// Bytes of HTTP/2 came; of the letters that say so, so many were `missing` before. True where they
    /// are a flood.
    fn note_frames(&mut self, bytes: &[u8], missing: usize) -> bool {
        let now = Instant::now();
        let frames = self.control_frames.get_or_insert_with(|| {
            let mut frames = ControlFrames::new(now);
            frames.read(&HTTP2_OPENING[..HTTP2_OPENING.len() - missing], now);
            frames
        });
        frames.read(bytes, now)
    }

    /// Ready if a head has begun and does not come to its end.
    fn poll_late_head(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((begun, until)) = &mut self.head else { return Poll::Pending };
        // Over HTTP/2 there is more than heads, and pings tell whether anybody is there.
        if *begun != self.activity.begun() || self.opening == HTTP2_OPENING {
            self.head = None;
            return Poll::Pending;
        }
        until.as_mut().poll(context)
    }
}

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let before = to.filled().len();
        let read = Pin::new(&mut patient.wire).poll_read(context, to);
        if read.is_ready() {
            if !patient.note_read(&to.filled()[before..]) {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a flood of frames without requests",
                )));
            }
        } else if patient.poll_late_head(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the head of a request does not end")));
        }
        let Some((missing, until)) = &mut patient.preface else { return read };
        if read.is_ready() {
            *missing = missing.saturating_sub(to.filled().len() - before);
            if *missing == 0 {
                patient.preface = None;
            }
            return read;
        }
        ready!(until.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller says nothing")))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let patient = self.get_mut();
        // Whoever gets an answer has said enough, however short it was.
        patient.preface = None;
        let written = Pin::new(&mut patient.wire).poll_write(context, bytes);
        let taken = taken(&written);
        patient.watch(written, taken, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let patient = self.get_mut();
        patient.preface = None;
        let written = Pin::new(&mut patient.wire).poll_write_vectored(context, pieces);
        let taken = taken(&written);
        patient.watch(written, taken, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let flushed = Pin::new(&mut patient.wire).poll_flush(context);
        patient.watch(flushed, 0, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        if patient.lingering.is_none() {
            let shut = Pin::new(&mut patient.wire).poll_shutdown(context);
            ready!(patient.watch(shut, 0, context))?;
            if !patient.linger.0.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let until = patient.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut thrown_away = [0; 4096];
        while until.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match ready!(Pin::new(&mut patient.wire).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn taken(written: &Poll<io::Result<usize>>) -> usize {
    match written {
        Poll::Ready(Ok(bytes)) => *bytes,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;
    use crate::config::defaults::EDGE;

    fn patient(wire: impl Wire + 'static) -> (Patient, Linger) {
        let linger = Linger::default();
        (Patient::new(Box::new(wire), &EDGE, linger.clone(), Activity::new(Instant::now())), linger)
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_too_little_is_disconnected() {
        for said in ["", "PRI * HTTP/2.0"] {
            let (mut theirs, ours) = duplex(64);
            theirs.write_all(said.as_bytes()).await.expect("room");
            let (mut patient, began) = (patient(ours).0, Instant::now());
            let mut read = Vec::new();
            let error = patient.read_to_end(&mut read).await.expect_err("no patience");
            assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, EDGE.header_timeout));
            assert_eq!(read, said.as_bytes());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_disconnected_and_who_reads_slowly_is_not() {
        let bytes = usize::try_from(EDGE.write_stall.as_secs() / 2 * u64::from(READ_RATE)).expect("a small number");
        let (mut theirs, ours) = duplex(64);
        let mut patient = patient(ours).0;
        let reading = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(EDGE.write_stall / 2).await;
                // At the least rate, to the byte.
                theirs.read_exact(&mut vec![0; bytes]).await.expect("bytes");
            }
            theirs
        });
        let began = Instant::now();
        let error = patient.write_all(&vec![7; bytes * 10 + 1000]).await.expect_err("no patience");
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, EDGE.write_stall * 6));
        drop(reading);
    }

    /// Faults: F115
    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_disconnected() {
        let (mut theirs, ours) = duplex(64);
        let mut patient = patient(ours).0;
        tokio::spawn(async move {
            while theirs.read_exact(&mut [0; 1]).await.is_ok() {
                tokio::time::sleep(EDGE.write_stall / 10).await;
            }
        });
        let began = Instant::now();
        let error = patient.write_all(&[7; 1000]).await.expect_err("no patience");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() < EDGE.write_stall * 2, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_early_reply_what_still_comes_is_thrown_away_for_a_while() {
        let (mut theirs, ours) = duplex(64);
        let (mut patient, linger) = patient(ours);
        linger.set();
        let sending = tokio::spawn(async move {
            while theirs.write_all(&[7; 1000]).await.is_ok() {
                tokio::time::sleep(LINGER / 9).await;
            }
        });
        let began = Instant::now();
        patient.shutdown().await.expect("an end");
        assert_eq!(began.elapsed(), LINGER);
        drop(patient);
        sending.await.expect("it could send until then");
    }
}
