//! A caller's connection, with an end to its patience: who says nothing at first, or does not read what it is sent, is
//! disconnected, and with it whatever runs for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::config::Edge;
use crate::config::defaults::LINGER;
use crate::net::Wire;

/// Until so many bytes are here nobody knows which HTTP it is, and hyper's own limits do not hold yet.
const PREFACE_BYTES: usize = 24;

/// See the module.
pub struct Patient {
    wire: Box<dyn Wire>,
    write_stall: Duration,
    /// How much is missing of the preface, and when it must be here.
    preface: Option<(usize, Pin<Box<Sleep>>)>,
    /// Something waits to be written until then.
    stalled: Option<Pin<Box<Sleep>>>,
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
    pub fn new(wire: Box<dyn Wire>, edge: &Edge, linger: Linger) -> Patient {
        let preface = Some((PREFACE_BYTES, Box::pin(sleep(edge.header_timeout))));
        Patient { wire, write_stall: edge.write_stall, preface, stalled: None, linger, lingering: None }
    }

    /// What became of something that waits for the caller to read.
    fn watch<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read its reply")))
    }
}

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let before = to.filled().len();
        let read = Pin::new(&mut patient.wire).poll_read(context, to);
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
        patient.watch(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let patient = self.get_mut();
        patient.preface = None;
        let written = Pin::new(&mut patient.wire).poll_write_vectored(context, pieces);
        patient.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        let flushed = Pin::new(&mut patient.wire).poll_flush(context);
        patient.watch(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let patient = self.get_mut();
        if patient.lingering.is_none() {
            let shut = Pin::new(&mut patient.wire).poll_shutdown(context);
            ready!(patient.watch(shut, context))?;
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::config::defaults::EDGE;

    fn patient(wire: impl Wire + 'static) -> (Patient, Linger) {
        let linger = Linger::default();
        (Patient::new(Box::new(wire), &EDGE, linger.clone()), linger)
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
        let (mut theirs, ours) = duplex(64);
        let mut patient = patient(ours).0;
        let reading = tokio::spawn(async move {
            for _ in 0..10 {
                tokio::time::sleep(EDGE.write_stall / 2).await;
                theirs.read_exact(&mut [0; 10]).await.expect("bytes");
            }
            theirs
        });
        let began = Instant::now();
        let error = patient.write_all(&[7; 1000]).await.expect_err("no patience");
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, EDGE.write_stall * 6));
        drop(reading);
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
