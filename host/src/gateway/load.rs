//! How many requests run, and how much of memory their bodies take. Who comes when it is full is told so at once, before
//! memory runs out for those that are inside. No route and no target may take so much that nothing is left for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module.
#[derive(Debug, Default)]
pub struct Load {
    requests: AtomicUsize,
    body_bytes: AtomicU64,
}

/// A route or a target may have so many times what is free: one that hangs takes four fifths at most, two of them four ninths each,
/// and however many hang, something stays free.
const SHARE: usize = 4;

/// What one request takes. Dropped, others may have it.
#[derive(Debug)]
pub struct Held {
    load: Arc<Load>,
    /// How many requests of its route run.
    route: Option<Arc<AtomicUsize>>,
    bytes: u64,
}

impl Load {
    /// Absent: `most` run already.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Held> {
        let held = Held { load: Arc::clone(self), route: None, bytes: 0 };
        // Dropping it takes back what is counted here.
        (self.requests.fetch_add(1, Ordering::Relaxed) < most).then_some(held)
    }
}

impl Load {
    /// How many requests one route or target may hold now, of `most` in all.
    pub fn share(&self, most: usize) -> u32 {
        let free = most.saturating_sub(self.requests.load(Ordering::Relaxed));
        u32::try_from(free.saturating_mul(SHARE)).unwrap_or(u32::MAX).max(1)
    }
}

/// Bytes that a request takes: its body, what is fetched for it, and what it becomes in other words. Each is kept beside what it
/// counts, and dropped with it; then others may have them.
#[derive(Debug)]
pub struct Room {
    load: Arc<Load>,
    bytes: AtomicU64,
    most: u64,
}

impl Load {
    /// Of `most` that all requests may hold together.
    pub fn room(self: &Arc<Self>, most: u64) -> Room {
        Room { load: Arc::clone(self), bytes: AtomicU64::new(0), most }
    }
}

impl Room {
    /// Hold so many bytes more. False if they do not fit: then they are not held.
    pub fn grow(&self, bytes: u64) -> bool {
        // Never too many, not even for a moment: another request would be refused for it.
        let grown = |held: u64| Some(held.saturating_add(bytes)).filter(|held| *held <= self.most);
        let fits = self.load.body_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok();
        if fits {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Let go of all but so many bytes.
    pub fn shrink_to(&self, bytes: u64) {
        let held = self.bytes.fetch_min(bytes, Ordering::Relaxed);
        self.load.body_bytes.fetch_sub(held.saturating_sub(bytes), Ordering::Relaxed);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.load.body_bytes.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl Held {
    /// Count it for its route as well. False if that has its share already.
    pub fn enter_route(&mut self, route: &Arc<AtomicUsize>, most: usize) -> bool {
        let running = route.fetch_add(1, Ordering::Relaxed);
        self.route = Some(Arc::clone(route));
        running < self.load.share(most) as usize
    }

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

impl Held {
    /// Let go of so many of the bytes that it holds.
    pub fn shrink(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.load.body_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Its bytes, to be kept beside the body. It holds none afterwards. `most` as for [`Load::room`].
    pub fn take_room(&mut self, most: u64) -> Room {
        Room { load: Arc::clone(&self.load), bytes: AtomicU64::new(std::mem::take(&mut self.bytes)), most }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.load.requests.fetch_sub(1, Ordering::Relaxed);
        if let Some(route) = &self.route {
            route.fetch_sub(1, Ordering::Relaxed);
        }
        self.load.body_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_hangs_leaves_room_for_the_others() {
        let load = Arc::new(Load::default());
        let (hanging, healthy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut inside = Vec::new();
        while let Some(mut held) = load.enter(100) {
            if !held.enter_route(&hanging, 100) {
                break;
            }
            inside.push(held);
        }
        assert!((78..=81).contains(&inside.len()), "{}", inside.len());
        let mut others = Vec::new();
        for _ in 0..15 {
            let mut held = load.enter(100).expect("room");
            assert!(held.enter_route(&healthy, 100));
            others.push(held);
        }
        drop(inside);
        drop(others);
        assert_eq!((hanging.load(Ordering::Relaxed), healthy.load(Ordering::Relaxed)), (0, 0));
    }

    /// Faults: F135, F136
    #[test]
    fn what_a_request_becomes_counts_as_its_body_does() {
        let load = Arc::new(Load::default());
        let mut held = load.enter(2).expect("room");
        assert!(held.grow(10, 30));
        let room = load.room(30);
        assert!(room.grow(15) && !room.grow(6) && room.grow(5) && !room.grow(u64::MAX / 2));
        assert!(!held.fits(1, 30));
        drop(room);
        assert!(held.fits(20, 30) && !held.fits(21, 30));
        // What is let go of is free, and a body's bytes go where the body goes.
        let room = load.room(30);
        assert!(room.grow(20) && !held.fits(1, 30));
        room.shrink_to(12);
        room.shrink_to(15);
        assert!(held.fits(8, 30) && !held.fits(9, 30));
        let body = held.take_room(30);
        drop(held);
        assert_eq!(load.body_bytes.load(Ordering::Relaxed), 22);
        drop((room, body));
        assert_eq!(load.body_bytes.load(Ordering::Relaxed), 0);
    }

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
