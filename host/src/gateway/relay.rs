//! After the commit: frames come in and go out, until the reply ends. A reply that dies ends in an error event of the
//! caller's own protocol, never as if it were complete.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, timeout_at};

use super::Body;
use super::attempt::usage;
use super::begun::Failed;
use super::exchange::Exchange;
use super::hold::Hold;
use super::pace::{Pace, content_bytes};
use super::record::Record;
use super::refusal::fault;
use super::reply::{Batch, Reply};
use super::spent::Told;
use super::splice::{Said, Splice};
use super::writer::Writer;
use crate::health::Running;
use crate::plugin::bindings::faults::{Fault, FaultKind};

/// Bytes that were written before a body breaks off must have left: what waits to be sent is dropped with the connection.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// The rest of a reply whose beginning the caller is about to see. Dropping it cancels the call upstream.
pub struct Relay {
    reply: Reply,
    writer: Writer,
    pace: Pace,
    /// Until its end is known.
    running: Option<Running>,
    /// The target that answers and what it said, until it is known whether another may go on.
    said: Option<(usize, Said)>,
    splice: Option<Splice>,
    hold: Hold,
}

impl Relay {
    pub fn new(
        reply: Reply,
        writer: Writer,
        pace: Pace,
        running: Running,
        said: Option<(usize, Said)>,
        hold: Hold,
    ) -> Relay {
        Relay { reply, writer, pace, running: Some(running), said, splice: None, hold }
    }

    /// Before the commit: what is still to come of a tool call.
    pub async fn to_calls_end(mut self: Box<Self>, told: &Told) -> Result<Calls, Fault> {
        let (mut bytes, mut has_lost_content, since) = (BytesMut::new(), false, Instant::now());
        while self.hold.waits(since, bytes.len(), Instant::now()) {
            let mut batch = self.next().await;
            // Nothing of it has been committed: a failure that is on its way is one.
            if let Some(fault) = batch.fault().cloned() {
                self.end(Err(&fault));
                return Err(fault);
            }
            told.note(usage(&batch.events));
            self.hold.follow(&batch.events);
            if let Some((_, said)) = &mut self.said {
                said.follow(&mut batch);
            }
            let finished = batch.finished();
            has_lost_content |= self.writer.loses(&batch);
            match self.writer.write(batch, finished).await {
                Ok(written) => bytes.extend_from_slice(&written),
                Err(fault) => {
                    self.end_unwritten();
                    return Err(fault);
                }
            }
            if finished {
                self.end(Ok(()));
                self.reply.finish();
                return Ok(Calls { bytes, rest: None, has_lost_content });
            }
        }
        Ok(Calls { bytes, rest: Some(self), has_lost_content })
    }

    /// True if another target may go on with it.
    pub fn let_go_on(&mut self, exchange: &Arc<Exchange>, history: Vec<Failed>) -> bool {
        let began = self.running.as_ref().map(Running::began);
        if let (Some((target, said)), Some(began)) = (self.said.take(), began) {
            self.splice = Some(Splice::new(Arc::clone(exchange), history, target, began, said));
        }
        self.splice.is_some()
    }

    /// The whole body: what was held back, and then the rest as it comes.
    pub fn body(self: Box<Self>, first: Bytes, record: Record) -> Body {
        let rest = stream::unfold(Rest::More(self, record), |state| async move {
            match state {
                Rest::More(relay, record) => relay.step(record).await,
                Rest::BreakOff(record) => {
                    tokio::time::sleep(LAST_WORDS).await;
                    drop(record);
                    Some((Err(io::Error::other("the reply broke off")), Rest::Over))
                }
                Rest::Over => None,
            }
        });
        let first = stream::once(std::future::ready(Ok(Frame::data(first))));
        StreamBody::new(stream::StreamExt::chain(first, rest)).boxed_unsync()
    }

    async fn step(mut self: Box<Self>, mut record: Record) -> Option<(Result<Frame<Bytes>, io::Error>, Rest)> {
        let mut bytes = BytesMut::new();
        loop {
            let mut batch = self.next().await;
            if let Some(fault) = batch.failure().cloned() {
                self.end(Err(&fault));
                self.hold.forget();
                match self.go_on(&fault, &mut record).await {
                    Some((mark, held)) => {
                        bytes.extend_from_slice(&mark);
                        batch = held;
                    }
                    None => record.failed(&fault),
                }
            }
            let Some(kept) = self.hold.keep(batch, Instant::now()) else { continue };
            batch = kept;
            let (failed, finished) = (batch.failure().is_some(), batch.finished());
            if self.writer.loses(&batch) {
                record.lost_content();
            }
            if let Some(splice) = &mut self.splice {
                splice.said.follow(&mut batch);
            }
            record.usage(usage(&batch.events));
            record.content(content_bytes(&batch.events));
            match self.writer.write(batch, finished || failed).await {
                Ok(written) => bytes.extend_from_slice(&written),
                Err(fault) => {
                    self.end_unwritten();
                    // Without its protocol's plugin the caller cannot be told: a broken connection at least is no success.
                    record.failed(&fault);
                    return Some((Err(io::Error::other(fault.message)), Rest::Over));
                }
            }
            if failed {
                return Some((Ok(Frame::data(bytes.freeze())), Rest::BreakOff(record)));
            }
            if finished {
                self.end(Ok(()));
                self.reply.finish();
                record.done();
                return Some((Ok(Frame::data(bytes.freeze())), Rest::Over));
            }
            if !bytes.is_empty() {
                return Some((Ok(Frame::data(bytes.freeze())), Rest::More(self, record)));
            }
        }
    }

    async fn next(&mut self) -> Batch {
        let now = Instant::now();
        // Only where another can go on: elsewhere a stream that is cut is lost, and one that pauses is not.
        let running =
            self.running.as_ref().filter(|_| self.splice.as_ref().is_some_and(|splice| splice.may_go_on(now)));
        self.pace.expect(running.and_then(Running::pause_late_after));
        let until = self.pace.wait(now);
        match timeout_at(until.at, self.reply.next()).await {
            Ok(batch) => {
                let now = Instant::now();
                let pace = self.pace.keep(&batch, now);
                if let Some(running) = &mut self.running {
                    running.progress(now);
                    pace.into_iter().for_each(|pace| running.pace(pace.millis_per_kb, pace.is_too_slow, now));
                }
                if self.pace.is_empty() && !batch.finished() && batch.failure().is_none() {
                    let text = "the provider sent only what has no content in the middle of its reply";
                    return self.reply.give_up(fault(FaultKind::MalformedReply, text)).await;
                }
                batch
            }
            Err(_) => self.reply.give_up(fault(FaultKind::TimedOut, until.why)).await,
        }
    }

    /// The target's health hears how it ended, and its adapter's version.
    fn end(&mut self, how: Result<(), &Fault>) {
        let Some(running) = self.running.take() else { return };
        self.reply.note_outcome(how.is_ok());
        match how {
            Ok(()) => {
                running.paused(self.pace.longest_pause(), Instant::now());
                running.succeed(Instant::now());
            }
            Err(fault) => {
                // Its pauses are not learned: a target that falls silent in every fiftieth stream would be waited for ever longer.
                // One that has come to pause for longer shows it in the streams that are not cut: those that none can go on with.
                running.fail(fault.kind, fault.status, None, Instant::now());
            }
        }
    }

    /// The target answers, and the plugin of the caller's protocol cannot write it down: that is not the target's fault.
    fn end_unwritten(&mut self) {
        if let Some(running) = self.running.take() {
            running.fail(FaultKind::Unsupported, 0, None, Instant::now());
        }
    }

    /// The reply broke off: another may go on with it. A mark for the stream, and what came first.
    async fn go_on(&mut self, fault: &Fault, record: &mut Record) -> Option<(Bytes, Batch)> {
        let splice = self.splice.as_mut()?;
        let resumed = splice.resume(fault).await?;
        let took_over = splice.hand_over(&mut self.writer).await;
        if let Err(fault) = took_over {
            resumed.running.fail(FaultKind::Unsupported, 0, None, Instant::now());
            tracing::warn!(%fault.message, "a reply that broke off is not continued");
            return None;
        }
        record.spliced(&resumed.target);
        // A comment among events; in an array there is no place for it.
        let mark = splice.mark(&resumed.target).filter(|_| !self.writer.is_array()).unwrap_or_default();
        (self.reply, self.pace, self.running) = (resumed.reply, resumed.pace, Some(resumed.running));
        Some((mark, resumed.held))
    }
}

/// What the caller is given of a reply up to the end of a tool call.
pub struct Calls {
    pub bytes: BytesMut,
    /// Where there is one.
    pub rest: Option<Box<Relay>>,
    pub has_lost_content: bool,
}

/// What is still to come of a body.
enum Rest {
    More(Box<Relay>, Record),
    /// The caller has the error event; the body ends without its proper end (no last chunk, RST_STREAM). Some clients know no
    /// error event (Gemini CLI) and would take a proper end for that of a whole answer.
    BreakOff(Record),
    Over,
}
