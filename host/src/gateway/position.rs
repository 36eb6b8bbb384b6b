//! Where a text stands in a stream, as its protocol counts: SDKs put together by these numbers what belongs together. The Responses
//! API has an item's id, an index and a sequence of events, Anthropic's messages have an index, others have none.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::scan;

const ITEM: &str = "item_id";
/// Where the reply's own id stands: Chat Completions and Gemini repeat it in every event, the Responses API in some.
const REPLIES: [&str; 2] = ["id", "responseId"];
const RESPONSE: &str = "response";
const INDEXES: [&str; 2] = ["output_index", "index"];
const SEQUENCE: &str = "sequence_number";
const DATA: &[u8] = b"data: ";

/// As the newest event says that has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Position {
    /// The reply's id, as the first event says that has one; as JSON.
    reply: Option<Bytes>,
    /// As JSON.
    item: Option<Bytes>,
    index: Option<i64>,
    sequence: Option<i64>,
}

impl Position {
    /// The data of one event.
    pub fn note(&mut self, data: &[u8]) {
        let number =
            |name: &str| scan::value_at(data, name).and_then(|at| str::from_utf8(&data[at]).ok()?.parse().ok());
        if self.reply.is_none() {
            self.reply = reply_id(data).map(Bytes::copy_from_slice);
        }
        if let Some(at) = scan::value_at(data, ITEM) {
            self.item = Some(Bytes::copy_from_slice(&data[at]));
        }
        self.index = INDEXES.iter().find_map(|name| number(name)).or(self.index);
        self.sequence = number(SEQUENCE).or(self.sequence);
    }

    /// Of the last of these events.
    pub fn of(written: &[u8]) -> Position {
        let mut position = Position::default();
        written
            .split(|byte| *byte == b'\n')
            .filter_map(|line| line.strip_prefix(DATA))
            .for_each(|data| position.note(data));
        position
    }
}

/// Codecs put their protocol's prefix (`chatcmpl-`, `resp_`) before the id of a server that has another.
fn reply_id(data: &[u8]) -> Option<&[u8]> {
    let (within, names) = match scan::value_at(data, RESPONSE) {
        Some(at) => (&data[at], &REPLIES[..1]),
        None => (data, &REPLIES[..]),
    };
    names.iter().find_map(|name| scan::value_at(within, name)).map(|at| &within[at]).filter(|id| id.starts_with(b"\""))
}

/// Between a beginning that the caller has read and a rest that counts otherwise.
#[derive(Debug)]
pub struct Shift {
    /// Ids of the reply and of its item: as the rest has them, and as the caller knows them.
    ids: Vec<(Bytes, Bytes)>,
    index: i64,
    sequence: i64,
}

impl Shift {
    /// From where the rest believes that it stands to where the caller is. `None`: they do not count alike.
    pub fn new(ours: Position, theirs: &Position) -> Option<Shift> {
        let between = |ours: Option<i64>, theirs: Option<i64>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => theirs.checked_sub(ours),
            (None, None) => Some(0),
            _ => None,
        };
        let index = between(ours.index, theirs.index)?;
        // Some servers that copy the protocol do not number their events.
        let sequence = between(ours.sequence, theirs.sequence).unwrap_or(0);
        let pairs = [ours.reply.zip(theirs.reply.clone()), ours.item.zip(theirs.item.clone())];
        let ids = pairs.into_iter().flatten().filter(|(ours, theirs)| ours != theirs).collect();
        Some(Shift { ids, index, sequence })
    }

    /// Events of the rest, as they follow what the caller has read.
    pub fn applied(&self, written: &[u8]) -> Bytes {
        let mut shifted = BytesMut::with_capacity(written.len());
        for line in written.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_prefix(DATA) {
                Some(data) => {
                    shifted.extend_from_slice(DATA);
                    self.shift(data, &mut shifted);
                }
                None => shifted.extend_from_slice(line),
            }
        }
        self.ids.iter().fold(shifted.freeze(), |written, (ours, theirs)| renamed(&written, ours, theirs))
    }

    fn shift(&self, data: &[u8], shifted: &mut BytesMut) {
        let numbers = INDEXES.map(|name| (name, self.index)).into_iter().chain([(SEQUENCE, self.sequence)]);
        let mut changes: Vec<_> = numbers
            .filter(|(_, by)| *by != 0)
            .filter_map(|(name, by)| {
                let at = scan::value_at(data, name)?;
                let number: i64 = str::from_utf8(&data[at.clone()]).ok()?.parse().ok()?;
                Some((at, number.saturating_add(by)))
            })
            .collect();
        changes.sort_by_key(|(at, _)| at.start);
        let mut from = 0;
        for (at, number) in changes {
            shifted.extend_from_slice(&data[from..at.start]);
            shifted.extend_from_slice(number.to_string().as_bytes());
            from = at.end;
        }
        shifted.extend_from_slice(&data[from..]);
    }
}

/// A quoted id in a text has escaped quotes, so that only ids are changed.
fn renamed(written: &Bytes, ours: &[u8], theirs: &[u8]) -> Bytes {
    let (mut renamed, mut from) = (BytesMut::new(), 0);
    for at in memmem::find_iter(written, ours) {
        renamed.extend_from_slice(&written[from..at]);
        renamed.extend_from_slice(theirs);
        from = at + ours.len();
    }
    if from == 0 {
        return written.clone();
    }
    renamed.extend_from_slice(&written[from..]);
    renamed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(data: &str) -> Position {
        Position::of(format!("event: e\ndata: {data}\n\n").as_bytes())
    }

    #[test]
    fn the_rest_counts_on_from_what_was_read() {
        let ours =
            position(r#"{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"sequence_number":4}"#);
        let theirs = position(r#"{"sequence_number":20,"item_id":"msg_x","output_index":1,"delta":"a"}"#);
        let shift = Shift::new(ours, &theirs).expect("both count");
        let rest = "event: e\ndata: {\"output_index\":0,\"item\":{\"id\":\"msg_1\"},\"delta\":\"\\\"msg_1\\\"\",\"sequence_number\":5}\n\n";
        let expected = "event: e\ndata: {\"output_index\":1,\"item\":{\"id\":\"msg_x\"},\"delta\":\"\\\"msg_1\\\"\",\"sequence_number\":21}\n\n";
        assert_eq!(shift.applied(rest.as_bytes()), expected);
    }

    #[test]
    fn an_index_alone_is_shifted_and_what_has_none_stays() {
        let shift = Shift::new(position(r#"{"index":0}"#), &position(r#"{"index":2}"#)).expect("both count");
        assert_eq!(
            &shift.applied(b"data: {\"index\":0}\ndata: {\"type\":\"ping\"}\n")[..],
            b"data: {\"index\":2}\ndata: {\"type\":\"ping\"}\n"
        );
        let chunk = b"data: {\"choices\":[{\"index\":0}]}\n\ndata: [DONE]\n\n";
        let none = Shift::new(position("{}"), &position("{}")).expect("neither counts");
        assert_eq!(&none.applied(chunk)[..], chunk);
        assert!(Shift::new(position("{}"), &position(r#"{"index":2}"#)).is_none());
    }

    /// Faults: F201
    #[test]
    fn the_id_that_was_read_goes_on() {
        for (theirs, ours, rest, expected) in [
            (
                r#"{"id":"gen-1","choices":[]}"#,
                r#"{"id":"chatcmpl-gen-1","choices":[]}"#,
                r#"{"id":"chatcmpl-gen-1","choices":[{"delta":{"content":"\"chatcmpl-gen-1\""}}]}"#,
                r#"{"id":"gen-1","choices":[{"delta":{"content":"\"chatcmpl-gen-1\""}}]}"#,
            ),
            (
                r#"{"type":"response.created","response":{"id":"1f-2","output":[]},"sequence_number":0}"#,
                r#"{"type":"response.created","response":{"id":"resp_1f-2","output":[]},"sequence_number":0}"#,
                r#"{"type":"response.completed","response":{"id":"resp_1f-2","output":[{"id":"msg_1"}]},"sequence_number":9}"#,
                r#"{"type":"response.completed","response":{"id":"1f-2","output":[{"id":"msg_1"}]},"sequence_number":9}"#,
            ),
            // An id that is no text, or none: ours goes on.
            (r#"{"id":7}"#, r#"{"id":"chatcmpl-7"}"#, r#"{"id":"chatcmpl-7"}"#, r#"{"id":"chatcmpl-7"}"#),
            (r#"{"id":"a"}"#, r#"{"id":"a"}"#, r#"{"id":"a"}"#, r#"{"id":"a"}"#),
        ] {
            let shift = Shift::new(position(ours), &position(theirs)).expect("both count");
            assert_eq!(shift.applied(format!("data: {rest}\n\n").as_bytes()), format!("data: {expected}\n\n"));
        }
    }

    #[test]
    fn the_first_id_of_a_reply_holds() {
        let mut position = Position::default();
        for data in [r#"{"id":null}"#, r#"{"id":"one"}"#, r#"{"id":"two"}"#] {
            position.note(data.as_bytes());
        }
        assert_eq!(position.reply.as_deref(), Some(&b"\"one\""[..]));
    }
}
