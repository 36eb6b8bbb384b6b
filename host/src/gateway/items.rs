//! The items of answers of the Responses API. Its callers may refer to them by id from the second step on (`item_reference`),
//! because their provider keeps them; where another must answer, the item itself is put in the place of the reference.
//!
//! Items hold what was said, so each caller has its own, and they stand in memory only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Gateway;
use super::exchange::Exchange;
use super::keepers::Keeper;
use super::scan;
use crate::config::Caller;
use crate::sync::{Mutex, PoisonError};
use crate::upstream::Frame;

/// The protocol whose items these are.
pub const PROTOCOL: &str = "openai-responses";
/// Its operation whose answers may be referred to.
const ANSWERS: &str = "chat";
/// Bytes of all items. Then the caller who has most loses its oldest.
const BYTES_MAX: usize = 64 << 20;
/// Bytes of one item; a larger one (an image) is not remembered.
const ITEM_BYTES_MAX: usize = 1 << 20;
/// Bytes of an id.
const ID_BYTES_MAX: usize = 256;
/// Bytes that an item costs beside its text: this bounds the number of items.
const OVERHEAD_BYTES: usize = 512;
/// An item that is older is not given back. OpenAI keeps them for 30 days; a conversation that rests so long begins anew.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// The event that has a whole item.
const ITEM_DONE: &str = "response.output_item.done";

/// Who may refer to an item: the digest of the caller's name, so that a new key of the same caller's finds what the old one had; of
/// its key where it has no name; zeros where anyone may call.
pub type Owner = [u8; 32];

pub fn owner(caller: Option<&Caller>) -> Owner {
    caller.map_or([0; 32], |caller| match caller.name.as_str() {
        "" => caller.digest,
        name => Sha256::digest(name).into(),
    })
}

/// One item of an answer.
#[derive(Debug)]
pub struct Item {
    /// As its caller got it.
    pub json: Bytes,
    /// Who keeps it under its id. `None`: nobody, the answer was translated.
    pub keeper: Option<Keeper>,
    at: Instant,
}

/// What is known of an id.
pub enum Known {
    Own(Arc<Item>),
    /// It is of an answer to another caller.
    Others,
    Nothing,
}

/// The newest items of all callers. They are forgotten with the process.
#[derive(Default)]
pub struct Items(Mutex<Shelves>);

#[derive(Default)]
struct Shelves {
    by_owner: HashMap<Owner, Shelf>,
    bytes: usize,
}

/// One caller's.
#[derive(Default)]
struct Shelf {
    items: HashMap<String, Arc<Item>>,
    /// Ids in the order in which they came, and when they did; an id that came again stands there twice.
    order: VecDeque<(String, Instant)>,
    bytes: usize,
}

impl Items {
    pub fn note(&self, owner: Owner, id: &str, json: &[u8], keeper: Option<Keeper>, now: Instant) {
        if id.is_empty() || id.len() > ID_BYTES_MAX || json.len() > ITEM_BYTES_MAX {
            return;
        }
        // A slice would keep all of the reply that it is cut from.
        let item = Arc::new(Item { json: Bytes::copy_from_slice(json), keeper, at: now });
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.by_owner.entry(owner).or_default();
        let before = shelf.bytes;
        shelf.put(id, item);
        let (freed, added) = (before, shelf.bytes);
        shelves.bytes = shelves.bytes - freed + added;
        while shelves.bytes > BYTES_MAX && shelves.forget_oldest() {}
    }

    pub fn known(&self, owner: &Owner, id: &str, now: Instant) -> Known {
        let shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |shelf: &Shelf| shelf.items.get(id).filter(|item| item.is_fresh(now)).map(Arc::clone);
        match shelves.by_owner.get(owner).and_then(found) {
            Some(item) => Known::Own(item),
            None if shelves.by_owner.values().any(|shelf| found(shelf).is_some()) => Known::Others,
            None => Known::Nothing,
        }
    }
}

impl Item {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < AGE_MAX
    }
}

fn cost(id: &str, item: &Item) -> usize {
    id.len() + item.json.len() + OVERHEAD_BYTES
}

impl Shelf {
    fn put(&mut self, id: &str, item: Arc<Item>) {
        let now = item.at;
        self.bytes += cost(id, &item);
        if let Some(older) = self.items.insert(id.to_owned(), item) {
            self.bytes -= cost(id, &older);
        }
        self.order.push_back((id.to_owned(), now));
        let is_old = |(_, at): &(String, Instant)| now.saturating_duration_since(*at) >= AGE_MAX;
        while self.order.front().is_some_and(is_old) {
            self.forget_oldest();
        }
        // Ids that came again and again, as servers give that number them from one on.
        if self.order.len() > 2 * self.items.len() + 8 {
            let items = &self.items;
            self.order.retain(|(id, at)| items.get(id).is_some_and(|item| item.at == *at));
        }
    }

    fn forget_oldest(&mut self) {
        let Some((id, at)) = self.order.pop_front() else { return };
        if self.items.get(&id).is_some_and(|item| item.at == at)
            && let Some(item) = self.items.remove(&id)
        {
            self.bytes -= cost(&id, &item);
        }
    }
}

impl Shelves {
    /// Of the caller who has most: no caller's items are forgotten for the sake of one who has more. False: there is none.
    fn forget_oldest(&mut self) -> bool {
        let largest = self.by_owner.iter().max_by_key(|(_, shelf)| shelf.bytes).map(|(owner, _)| *owner);
        let Some(owner) = largest else { return false };
        let Some(shelf) = self.by_owner.get_mut(&owner) else { return false };
        let before = shelf.bytes;
        shelf.forget_oldest();
        self.bytes -= before - shelf.bytes;
        if shelf.order.is_empty() {
            self.by_owner.remove(&owner);
        }
        true
    }
}

/// Notes the items of one answer, as its caller gets them.
pub struct Noted {
    gateway: Arc<Gateway>,
    owner: Owner,
    keeper: Option<Keeper>,
}

impl Noted {
    /// `keeper`: see [`Item::keeper`]. Nothing is noted where the caller's protocol has no items, or where the caller does not
    /// want them to be kept (`store: false`).
    pub fn of(exchange: &Exchange, keeper: Option<Keeper>) -> Option<Noted> {
        let endpoint = &exchange.endpoint;
        if endpoint.protocol != PROTOCOL || endpoint.operation != ANSWERS {
            return None;
        }
        let store = scan::value_at(&exchange.body, "store").map(|at| &exchange.body[at]);
        let gateway = Arc::clone(&exchange.gateway);
        (store != Some(b"false")).then(|| Noted { gateway, owner: owner(exchange.caller.as_deref()), keeper })
    }

    /// Another target goes on with the answer: it stands nowhere but here.
    pub fn keep_by_nobody(&mut self) {
        self.keeper = None;
    }

    /// An answer that is not streamed.
    pub fn whole(&self, body: &[u8]) {
        let Some(output) = scan::value_at(body, "output").map(|at| &body[at]) else { return };
        for at in scan::elements(output, usize::MAX) {
            self.item(&output[at]);
        }
    }

    /// Frames as they came.
    pub fn frames(&self, frames: &[Frame]) {
        frames.iter().filter_map(|frame| frame.data.as_deref()).for_each(|data| self.event(data));
    }

    /// Events as they are written here: the data of each stands in one line.
    pub fn written(&self, bytes: &[u8]) {
        if memmem::find(bytes, ITEM_DONE.as_bytes()).is_some() {
            let lines = bytes.split(|byte| *byte == b'\n');
            lines.filter_map(|line| line.strip_prefix(b"data: ")).for_each(|data| self.event(data));
        }
    }

    fn event(&self, data: &[u8]) {
        if memmem::find(data, ITEM_DONE.as_bytes()).is_none() {
            return;
        }
        let Ok(found) = scan::fields(data, &["type", "item"]) else { return };
        let [Some(kind), Some(item)] = &found[..] else { return };
        if scan::text(&data[kind.clone()]).as_deref() == Some(ITEM_DONE) {
            self.item(&data[item.clone()]);
        }
    }

    fn item(&self, json: &[u8]) {
        let id = scan::value_at(json, "id").and_then(|at| scan::text(&json[at]));
        if let Some(id) = id {
            self.gateway.items.note(self.owner, &id, json, self.keeper.clone(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Owner = [1; 32];
    const TWO: Owner = [2; 32];

    fn text(items: &Items, owner: &Owner, id: &str, now: Instant) -> Option<String> {
        match items.known(owner, id, now) {
            Known::Own(item) => Some(String::from_utf8_lossy(&item.json).into_owned()),
            Known::Others | Known::Nothing => None,
        }
    }

    #[test]
    fn each_caller_has_its_own() {
        let (items, now) = (Items::default(), Instant::now());
        items.note(ONE, "msg_1", b"{}", None, now);
        assert_eq!(text(&items, &ONE, "msg_1", now).as_deref(), Some("{}"));
        assert!(matches!(items.known(&TWO, "msg_1", now), Known::Others));
        assert!(matches!(items.known(&TWO, "msg_2", now), Known::Nothing));
        // The same id in answers to both.
        items.note(TWO, "msg_1", b"[]", None, now);
        assert_eq!(text(&items, &ONE, "msg_1", now).as_deref(), Some("{}"));
        assert_eq!(text(&items, &TWO, "msg_1", now).as_deref(), Some("[]"));
    }

    #[test]
    fn the_oldest_of_who_has_most_are_forgotten() {
        let (items, now) = (Items::default(), Instant::now());
        let large = vec![b' '; ITEM_BYTES_MAX];
        items.note(TWO, "msg_small", b"{}", None, now);
        for at in 0..100 {
            items.note(ONE, &format!("msg_{at}"), &large, None, now);
        }
        let shelves = items.0.lock().unwrap();
        let of_each: usize = shelves.by_owner.values().map(|shelf| shelf.bytes).sum();
        assert!(shelves.bytes <= BYTES_MAX && of_each == shelves.bytes);
        drop(shelves);
        assert!(text(&items, &ONE, "msg_0", now).is_none());
        assert!(text(&items, &ONE, "msg_99", now).is_some());
        assert!(text(&items, &TWO, "msg_small", now).is_some(), "another caller's last item stays");
    }

    #[test]
    fn what_is_too_old_or_too_large_is_not_given_back() {
        let (items, now) = (Items::default(), Instant::now());
        items.note(ONE, "msg_1", b"{}", None, now);
        assert!(text(&items, &ONE, "msg_1", now + AGE_MAX).is_none());
        items.note(ONE, "msg_2", b"{}", None, now + AGE_MAX);
        assert_eq!(items.0.lock().unwrap().by_owner[&ONE].items.len(), 1, "the old one is gone");
        items.note(ONE, "msg_3", &vec![b' '; ITEM_BYTES_MAX + 1], None, now);
        items.note(ONE, &"x".repeat(ID_BYTES_MAX + 1), b"{}", None, now);
        items.note(ONE, "", b"{}", None, now);
        assert_eq!(items.0.lock().unwrap().by_owner[&ONE].items.len(), 1);
    }

    #[test]
    fn an_id_that_comes_again_and_again_costs_once() {
        let (items, now) = (Items::default(), Instant::now());
        for at in 0..1000 {
            items.note(ONE, "msg_1", at.to_string().as_bytes(), None, now + Duration::from_millis(at));
        }
        let shelves = items.0.lock().unwrap();
        let shelf = &shelves.by_owner[&ONE];
        assert!(shelf.order.len() < 20 && shelf.items.len() == 1);
        assert_eq!(shelves.bytes, 5 + 3 + OVERHEAD_BYTES);
        drop(shelves);
        assert_eq!(text(&items, &ONE, "msg_1", now + Duration::from_secs(1)).as_deref(), Some("999"));
    }
}
