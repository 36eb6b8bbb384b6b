//! Callers that mean harm, or are broken, over real sockets: what they send costs nobody else anything.

mod http2;
mod raw;
mod replies;
mod slow;
mod smuggling;
