//! A reply's body that is passed on as it is, while somebody watches.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::gateway::Body;

/// What a body says when it is asked for its next frame.
pub type Polled = Poll<Option<Result<Frame<Bytes>, std::io::Error>>>;

struct Passed<W> {
    body: Body,
    watch: W,
}

/// The same body. `watch` sees what comes of each poll, and is dropped with the body.
pub fn watched(body: Body, watch: impl FnMut(&Polled) + Send + Unpin + 'static) -> Body {
    Passed { body, watch }.boxed_unsync()
}

impl<W: FnMut(&Polled) + Unpin> HttpBody for Passed<W> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        (self.watch)(&polled);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
