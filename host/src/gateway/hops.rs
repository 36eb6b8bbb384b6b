//! Headers that belong to one connection, or to this gateway: whatever a plugin's lists allow, they go over to no other.

use hyper::header::{CONNECTION, HeaderMap, HeaderName};

const HOPS: &[&str] = &["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// See the module.
pub struct Hops<'a> {
    headers: &'a HeaderMap,
}

impl<'a> Hops<'a> {
    pub fn of(headers: &'a HeaderMap) -> Hops<'a> {
        Hops { headers }
    }

    /// May the header go to the other side?
    pub fn crosses(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        let stays = HOPS.contains(&text) || text.starts_with("proxy-") || text.starts_with("x-pointsman-");
        !stays && !self.named(text)
    }

    /// `Connection: x-foo` says so of any other.
    fn named(&self, name: &str) -> bool {
        let lists = self.headers.get_all(CONNECTION).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|named| named.trim().eq_ignore_ascii_case(name))
    }
}
