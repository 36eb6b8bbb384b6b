//! The body of a reply, as it comes from the provider.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http_body_util::BodyDataStream;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio_util::io::{ReaderStream, StreamReader};

use super::pool::StreamPlace;
use crate::coding::Coding;

/// Bytes of a decoded body that are made at once.
const DECODED_BYTES_MAX: usize = 16 << 10;

/// Dropping it cancels the call upstream.
pub struct Incoming(Source);

enum Source {
    Plain {
        body: hyper::body::Incoming,
        /// Free for another request as soon as this one has ended.
        place: Option<StreamPlace>,
    },
    Decoded(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>),
}

impl Incoming {
    pub(super) fn new(body: hyper::body::Incoming, place: Option<StreamPlace>) -> Incoming {
        Incoming(Source::Plain { body, place })
    }
}

/// The reply without its content coding. One whose coding is not known stays as it is, and so do its headers.
pub(super) fn decoded(mut response: Response<Incoming>) -> Response<Incoming> {
    let Ok(Some(coding)) = Coding::of(response.headers()) else { return response };
    response.headers_mut().remove(CONTENT_ENCODING);
    response.headers_mut().remove(CONTENT_LENGTH);
    response.map(|body| {
        let compressed = StreamReader::new(BodyDataStream::new(body).map_err(io::Error::other));
        let decoded = ReaderStream::with_capacity(coding.decoder(compressed), DECODED_BYTES_MAX);
        Incoming(Source::Decoded(Box::pin(decoded)))
    })
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Plain { body, .. } => body.fmt(formatter),
            Source::Decoded(_) => formatter.write_str("Decoded"),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Source::Plain { body, place } => {
                let polled = ready!(Pin::new(body).poll_frame(context));
                if !matches!(polled, Some(Ok(_))) {
                    *place = None;
                }
                Poll::Ready(polled.map(|frame| frame.map_err(Into::into)))
            }
            Source::Decoded(stream) => {
                let polled = ready!(stream.as_mut().poll_next(context));
                Poll::Ready(polled.map(|data| data.map(Frame::data).map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Plain { body, .. } => body.is_end_stream(),
            Source::Decoded(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Plain { body, .. } => body.size_hint(),
            Source::Decoded(_) => SizeHint::default(),
        }
    }
}
