//! A request is sent on the connection that it was given, which is free again when the reply was read.

use std::sync::{Arc, Weak};

use hyper::{Request, Response};
use tokio::time::Instant;

use super::{Lease, On, StreamPlace};
use crate::upstream::connection::Failure;
use crate::upstream::unanswered::{Doubts, Unanswered};
use crate::upstream::{Incoming, Pieces};

impl Lease {
    /// Resolves when the reply's head is here. Dropping the future, or the reply's body, cancels the call.
    /// `due`: when it is late, if that is known.
    pub async fn send(self, request: Request<Pieces>, due: Option<Instant>) -> Result<Response<Incoming>, Failure> {
        let Lease { is_reused, on, home, origin } = self;
        let doubts = Doubts { home: Weak::clone(&home), origin: Arc::clone(&origin), is_reused, due };
        match on {
            On::Http1(mut http1) => {
                let unanswered = Unanswered::new(http1.received(), None, doubts);
                let response = unanswered.settled(http1.send(request).await)?;
                // It ends with the reply's body, read or dropped.
                tokio::spawn(async move {
                    if http1.becomes_ready().await
                        && let Some(home) = home.upgrade()
                    {
                        home.take_back(http1, &origin);
                    }
                });
                Ok(response.map(|body| Incoming::new(body, None)))
            }
            On::Http2(place) => {
                let http2 = Arc::clone(&place.http2);
                let unanswered = Unanswered::new(http2.received(), Some(http2), doubts);
                let response = unanswered.settled(place.http2.send(request).await)?;
                Ok(response.map(|body| Incoming::new(body, Some(place))))
            }
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.http2.give_stream_back(Instant::now());
        if let Some(home) = self.home.upgrade() {
            let mut state = home.lock();
            home.settle(&mut state, &self.origin);
        }
    }
}
