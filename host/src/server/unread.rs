//! A request's body that remembers whether it was read to its end. What is left of it cannot be told from a next request
//! without reading it: then the connection ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

/// See the module.
pub struct Unread {
    body: Incoming,
    ended: Ended,
}

/// Was it read to its end?
#[derive(Clone)]
pub struct Ended(Arc<AtomicBool>);

impl Ended {
    pub fn so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Unread {
    pub fn new(body: Incoming) -> (Unread, Ended) {
        let ended = Ended(Arc::new(AtomicBool::new(body.is_end_stream())));
        (Unread { body, ended: ended.clone() }, ended)
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.0.store(true, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
