//! How many requests run, and how much of memory their bodies take. Who comes when it is full is told so at once, before
//! memory runs out for those that are inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub struct Load {
    requests: AtomicUsize,
    body_bytes: AtomicU64,
}

/// What one request takes. Dropped, others may have it.
#[derive(Debug)]
pub struct Held {
    load: Arc<Load>,
    bytes: u64,
}

impl Load {
    /// Absent: `most` run already.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Held> {
        let held = Held { load: Arc::clone(self), bytes: 0 };
        // Dropping it takes back what is counted here.
        (self.requests.fetch_add(1, Ordering::Relaxed) < most).then_some(held)
    }
}

impl Held {
    /// Would so many bytes fit as well? They are not counted: an announcement costs a caller nothing.
    pub fn fits(&self, bytes: u64, most: u64) -> bool {
        self.load.body_bytes.load(Ordering::Relaxed).saturating_add(bytes) <= most
    }

    /// Hold so many bytes more, if they fit.
    pub fn grow(&mut self, bytes: u64, most: u64) -> bool {
        self.bytes += bytes;
        self.load.body_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.requests.fetch_sub(1, Ordering::Relaxed);
        self.load.body_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let load = Arc::new(Load::default());
        let mut first = load.enter(2).expect("room");
        let second = load.enter(2).expect("room");
        assert!(load.enter(2).is_none());
        assert!(first.fits(10, 10) && !first.fits(11, 10));
        assert!(first.grow(6, 10) && !first.grow(5, 10));
        drop(first);
        assert!(second.fits(10, 10));
        drop(second);
        assert_eq!((load.requests.load(Ordering::Relaxed), load.body_bytes.load(Ordering::Relaxed)), (0, 0));
    }
}
