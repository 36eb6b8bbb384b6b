//! Tool calls, held back from their first fragment to their end: half of one is no use to anybody. Before the commit a failure
//! inside one fails over unseen; after it, the reply ends in an error that leaves no half of a call behind.

use tokio::time::Instant;

use super::reply::Batch;
use crate::config::defaults::{HOLD_TOOL_CALL_BYTES, HOLD_TOOL_CALL_TIME};
use crate::plugin::bindings::chat::Event;

/// Holds a tool call back from its first fragment to its end.
#[derive(Default)]
pub struct Hold {
    is_on: bool,
    /// A call has begun that has not ended.
    is_open: bool,
    /// It took too long, or was too large: the rest of it goes through.
    is_let_go: bool,
    since: Option<Instant>,
    held: Batch,
    bytes: usize,
}

impl Hold {
    pub fn new(is_on: bool) -> Hold {
        Hold { is_on, ..Hold::default() }
    }

    /// What the caller is given, or would be.
    pub fn follow(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::ToolCallStarted(_) => self.is_open = true,
                Event::PartFinished(_) | Event::Finished(_) => (self.is_open, self.is_let_go) = (false, false),
                _ => {}
            }
        }
    }

    /// Is there a call that is to be waited for, `size` bytes of which came since this time?
    pub fn waits(&mut self, since: Instant, size: usize, now: Instant) -> bool {
        let is_over = now.saturating_duration_since(since) >= HOLD_TOOL_CALL_TIME || size >= HOLD_TOOL_CALL_BYTES;
        self.is_let_go |= self.is_open && is_over;
        self.is_on && self.is_open && !self.is_let_go
    }

    /// What came inside a call that failed is nobody's.
    pub fn forget(&mut self) {
        *self = Hold::new(self.is_on);
    }

    /// What may go on of what is held and what came. In order, but for signs of life, which pass.
    pub fn keep(&mut self, mut batch: Batch, now: Instant) -> Option<Batch> {
        self.follow(&batch.events);
        if self.since.is_some() && is_life(&batch) {
            return Some(batch);
        }
        self.bytes += batch.frames.iter().map(|frame| frame.raw.len()).sum::<usize>();
        let since = self.since.unwrap_or(now);
        let waits = self.waits(since, self.bytes, now);
        if waits || self.since.is_some() {
            self.held.frames.append(&mut batch.frames);
            self.held.events.append(&mut batch.events);
            self.held.failing = batch.failing.take();
            batch = Batch::default();
        }
        if waits {
            self.since = Some(since);
            return None;
        }
        self.bytes = 0;
        Some(if self.since.take().is_some() { std::mem::take(&mut self.held) } else { batch })
    }
}

/// Nothing but comments, or one ping: no frame whose place among others matters.
fn is_life(batch: &Batch) -> bool {
    let is_ping = batch.events.iter().all(|event| matches!(event, Event::Ping));
    is_ping
        && (batch.frames.iter().all(|frame| frame.data.is_none())
            || batch.frames.len() == 1 && !batch.events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::chat::{Delta, ToolCallStarted};

    fn call(index: u32) -> Event {
        Event::ToolCallStarted(ToolCallStarted { index, id: "c".to_owned(), name: "t".to_owned() })
    }

    fn piece(index: u32) -> Event {
        Event::ToolArgumentsDelta(Delta { index, text: "{".to_owned() })
    }

    fn of(events: Vec<Event>) -> Batch {
        Batch { events, ..Batch::default() }
    }

    #[test]
    fn a_call_is_held_to_its_end_and_pings_pass() {
        let (mut hold, now) = (Hold::new(true), Instant::now());
        let text = Event::TextDelta(Delta { index: 0, text: "hm".to_owned() });
        assert_eq!(hold.keep(of(vec![text]), now).map(|batch| batch.events.len()), Some(1));
        assert!(hold.keep(of(vec![Event::PartFinished(0), call(1)]), now).is_none());
        assert!(hold.keep(of(vec![piece(1)]), now).is_none());
        assert_eq!(hold.keep(of(vec![Event::Ping]), now).map(|batch| batch.events.len()), Some(1));
        // Another begins at once: both are held.
        assert!(hold.keep(of(vec![Event::PartFinished(1), call(2), piece(2)]), now).is_none());
        let all = hold.keep(of(vec![Event::PartFinished(2)]), now).expect("both");
        assert_eq!(all.events.len(), 7);
        assert!(matches!(all.events[1], Event::ToolCallStarted(_)) && matches!(all.events[6], Event::PartFinished(2)));
    }

    #[test]
    fn a_long_call_is_let_go_and_an_off_one_is_never_held() {
        let (mut hold, began) = (Hold::new(true), Instant::now());
        assert!(hold.keep(of(vec![call(0), piece(0)]), began).is_none());
        let later = began + HOLD_TOOL_CALL_TIME;
        assert_eq!(hold.keep(of(vec![piece(0)]), later).map(|batch| batch.events.len()), Some(3));
        assert_eq!(hold.keep(of(vec![piece(0)]), later).map(|batch| batch.events.len()), Some(1));
        assert!(hold.keep(of(vec![Event::PartFinished(0), call(1)]), later).is_none(), "the next one is held again");
        let mut off = Hold::new(false);
        assert_eq!(off.keep(of(vec![call(0), piece(0)]), began).map(|batch| batch.events.len()), Some(2));
    }

    #[test]
    fn a_large_call_is_let_go_before_it_takes_much_memory() {
        let (mut hold, now) = (Hold::new(true), Instant::now());
        let raw = bytes::Bytes::from(vec![b'x'; HOLD_TOOL_CALL_BYTES / 4]);
        let frame = crate::upstream::Frame { raw, name: None, data: None, data_at: None };
        let quarter = || Batch { frames: vec![frame.clone()], ..of(vec![piece(0)]) };
        assert!(hold.keep(of(vec![call(0)]), now).is_none());
        assert!((0..3).all(|_| hold.keep(quarter(), now).is_none()), "less than the bound is held");
        let all = hold.keep(quarter(), now).expect("it is let go");
        assert_eq!((all.frames.len(), all.events.len()), (4, 5), "nothing of it is lost");
        assert_eq!(hold.keep(quarter(), now).map(|batch| batch.frames.len()), Some(1), "and the rest goes through");
        assert!(hold.keep(of(vec![Event::PartFinished(0), call(1)]), now).is_none(), "the next one is held again");
    }
}
