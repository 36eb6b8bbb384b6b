//! The streams of HTTP/2, each a task: one whose caller does not make room for its reply is reset, while the others of its
//! connection go on. Under HTTP/1 the connection itself is what stalls, see `patient.rs`.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, sleep, sleep_until};

use crate::gateway::Body;

tokio::task_local! {
    /// Of the stream whose task this is.
    static WAITING: Arc<Waiting>;
}

/// Since when a stream's caller leaves no room for more.
#[derive(Default)]
struct Waiting(Mutex<Option<Instant>>);

/// Runs streams.
#[derive(Clone, Copy)]
pub struct Streams {
    stall: Duration,
}

impl Streams {
    pub fn new(stall: Duration) -> Streams {
        Streams { stall }
    }
}

impl<F: Future + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (waiting, stall) = (Arc::<Waiting>::default(), self.stall);
        tokio::spawn(async move {
            let running = WAITING.scope(Arc::clone(&waiting), stream);
            tokio::select! {
                _ = running => {}
                // Dropping the stream resets it, and ends what runs for it.
                () = waiting.too_long(stall) => {}
            }
        });
    }
}

impl Waiting {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    async fn too_long(&self, stall: Duration) {
        loop {
            let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match since {
                None => sleep(stall).await,
                Some(since) if since.elapsed() >= stall => return,
                Some(since) => sleep_until(since + stall).await,
            }
        }
    }
}

/// hyper asks for the next piece of a body when there is room for it.
struct Watched {
    body: Body,
    waiting: Arc<Waiting>,
}

/// A reply's body that notices when its caller makes no room. Outside of a stream's task it is the same body.
pub fn watched(body: Body) -> Body {
    match WAITING.try_with(Arc::clone) {
        Ok(waiting) => Watched { body, waiting }.boxed_unsync(),
        Err(_) => body,
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.waiting.set(frame.is_ready().then(Instant::now));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
