//! A history that is made short: it goes through, and only its usage is read.

use super::*;
use pointsman_sdk::codec::chat::{Finish, Finished};

fn decoded(body: &str) -> Vec<Event> {
    let frame = Frame { event: None, data: body.as_bytes().to_vec() };
    Codec::decode("compact".into(), false, Vec::new(), vec![frame], true).events
}

#[test]
fn what_was_made_short_is_complete() {
    let body = r#"{"id": "resp_1", "object": "response.compaction", "created_at": 1, "output": [
        {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAA"}],
        "usage": {"input_tokens": 90, "output_tokens": 7, "total_tokens": 97}}"#;
    let events = decoded(body);
    let [Event::Usage(usage), Event::Finished(Finished { reason: Finish::Stop, .. })] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((usage.input, usage.output), (90, 7));
    assert!(matches!(decoded(r#"{"output": []}"#).as_slice(), [Event::Finished(_)]), "no usage is no fault");
}

#[test]
fn what_is_none_is_a_fault() {
    for body in ["", "{", "[]", "{}", r#"{"output": null}"#, r#"{"error": {"message": "no", "code": "server_error"}}"#]
    {
        assert!(matches!(decoded(body).as_slice(), [Event::Failed(_)]), "{body}");
    }
}
