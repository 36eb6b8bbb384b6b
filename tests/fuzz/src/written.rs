//! What must hold for what a caller gets.

use pointsman_sdk::codec::chat::Event;

use crate::is_json;
use crate::subjects::Client;

/// Text whose data are JSON, and the same however the events come together.
pub fn written(client: &Client, stream: bool, memory: &[u8], events: &[Event], name: &str) {
    let (at_once, _) = (client.write)("chat", stream, memory.to_vec(), events, true);
    let (mut memory, mut pieces) = (memory.to_vec(), Vec::new());
    // Input that is told together with the beginning may be told on together with it.
    let together = |a: &Event, b: &Event| matches!((a, b), (Event::Started(_), Event::Usage(_)));
    let mut batches = events.chunk_by(together).peekable();
    while let Some(batch) = batches.next() {
        let (more, kept) = (client.write)("chat", stream, memory, batch, batches.peek().is_none());
        pieces.extend(more);
        memory = kept;
    }
    let text = String::from_utf8(pieces).unwrap_or_else(|_| panic!("{name}: what is written is not text"));
    assert_eq!(String::from_utf8(at_once).as_ref(), Ok(&text), "{name}: other bytes when the events come one by one");
    let finished = matches!(events.last(), Some(Event::Finished(_)));
    if stream {
        let data = text.split_inclusive('\n').filter(|line| !line.trim().is_empty());
        for line in data {
            assert!(line.ends_with('\n'), "{name}: cut off: {text}");
            if let Some(data) = line.strip_prefix("data:") {
                assert!(data.trim() == "[DONE]" || is_json(data.as_bytes()), "{name}: not JSON: {data}");
            } else {
                assert!(line.starts_with("event:") || line.starts_with(':'), "{name}: no event: {line}");
            }
        }
        assert!(!text.trim().is_empty(), "{name}: nothing is said of {events:?}");
    } else if finished {
        assert!(is_json(text.as_bytes()), "{name}: not JSON: {text}");
    }
}
