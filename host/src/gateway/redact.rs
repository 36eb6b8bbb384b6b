//! Keys, taken out of what providers say. Some quote the key that they were shown ("Incorrect API key provided: …"), and AWS
//! quotes the whole request when its signature does not fit. What comes back goes on to plugins, callers and logs, and keys
//! go to none of these.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use hyper::header::{HeaderMap, HeaderValue};
use memchr::{memchr2, memchr3_iter, memmem::Finder};

use super::torn::Torn;
use crate::config::Secret;
use crate::upstream::Frame;

/// Of an error nothing is lost with a word too many, but one shorter than this is no key: `EMPTY`, which local servers want.
const ERROR_KEY_BYTES_MIN: usize = 8;
/// An answer goes to its caller as it came. What stands for a key where none is needed may be a word of it
/// (`sk-no-key-required` of llama.cpp); keys of providers are longer.
const ANSWER_KEY_BYTES_MIN: usize = 20;

/// So often a text that holds a key may be encoded within another: JSON in a JSON text in a log line's JSON text.
const NESTED_MAX: usize = 4;

/// The keys of one account. Where they stand, there are as many asterisks: lengths and places stay as they were.
#[derive(Debug, Default)]
pub struct Redaction {
    /// Longer ones first: one may hold another.
    keys: Vec<Finder<'static>>,
}

impl Redaction {
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Redaction {
        let keys = secrets.into_iter().map(Secret::reveal);
        let mut keys: Vec<&str> = keys.filter(|key| key.len() >= ERROR_KEY_BYTES_MIN).collect();
        keys.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        keys.dedup();
        Redaction { keys: keys.iter().map(|key| Finder::new(key).into_owned()).collect() }
    }

    /// An error reply's body.
    pub fn error(&self, bytes: Bytes) -> Bytes {
        self.cleaned(bytes, ERROR_KEY_BYTES_MIN)
    }

    /// A text that may hold words of a provider's.
    pub fn text(&self, text: String) -> String {
        match self.found(text.as_bytes(), ERROR_KEY_BYTES_MIN) {
            // Only letters of ASCII are replaced, by one of ASCII.
            Some(cleaned) => String::from_utf8_lossy(&cleaned).into_owned(),
            None => text,
        }
    }

    /// The body of an answer.
    pub fn answer(&self, bytes: Bytes) -> Bytes {
        self.cleaned(bytes, ANSWER_KEY_BYTES_MIN)
    }

    /// A frame of an answer.
    fn frame(&self, frame: &mut Frame) {
        if let Some(cleaned) = self.found(&frame.raw, ANSWER_KEY_BYTES_MIN) {
            frame.raw = cleaned.freeze();
            frame.data = frame.data.take().map(|data| self.answer(data));
            frame.name = frame.name.take().map(|name| self.text(name));
        }
    }

    /// The next frame of a stream, after those that `torn` knows.
    pub fn next_frame(&self, frame: &mut Frame, torn: &mut Torn) {
        self.frame(frame);
        let long = |key: &&[u8]| key.len() >= ANSWER_KEY_BYTES_MIN;
        torn.frame(self.keys.iter().map(Finder::needle).filter(long), frame);
    }

    /// The headers of any reply.
    pub fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(cleaned) = self.found(value.as_bytes(), ERROR_KEY_BYTES_MIN)
                && let Ok(cleaned) = HeaderValue::from_bytes(&cleaned)
            {
                *value = cleaned;
            }
        }
    }

    fn cleaned(&self, bytes: Bytes, key_bytes_min: usize) -> Bytes {
        self.found(&bytes, key_bytes_min).map_or(bytes, BytesMut::freeze)
    }

    /// The bytes without the keys that stand in them; absent if none does, which costs no copy.
    fn found(&self, bytes: &[u8], key_bytes_min: usize) -> Option<BytesMut> {
        let mut cleaned: Option<BytesMut> = None;
        let may_be_encoded = memchr2(b'%', b'\\', bytes).is_some();
        for key in &self.keys {
            let length = key.needle().len();
            if length < key_bytes_min {
                break;
            }
            let mut from = 0;
            while let Some(at) = key.find(cleaned.as_deref().unwrap_or(bytes).get(from..).unwrap_or_default()) {
                let found = from + at..from + at + length;
                from = found.end;
                cleaned.get_or_insert_with(|| BytesMut::from(bytes))[found].fill(b'*');
            }
            if may_be_encoded {
                for found in encoded(cleaned.as_deref().unwrap_or(bytes), key.needle()) {
                    cleaned.get_or_insert_with(|| BytesMut::from(bytes))[found].fill(b'*');
                }
            }
        }
        cleaned
    }
}

/// Where the key stands with any of its letters written as in a URL (`%2F`) or in a text of JSON (`\/`, `\u002f`), once or again
/// within another such text.
fn encoded(bytes: &[u8], key: &[u8]) -> Vec<Range<usize>> {
    let (Some(first), mut found, mut from) = (key.first(), Vec::new(), 0) else { return Vec::new() };
    for at in memchr3_iter(*first, b'%', b'\\', bytes) {
        if at < from {
            continue;
        }
        let end = key.iter().try_fold(at, |at, wanted| {
            let (letter, next) = written(bytes, at)?;
            (letter == *wanted).then_some(next)
        });
        if let Some(end) = end {
            found.push(at..end);
            from = end;
        }
    }
    found
}

/// The letter that is written here, and where the next one begins.
pub(super) fn written(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let rest = bytes.get(at..)?;
    let plain = (*rest.first()?, at + 1);
    let hex = |from: usize, digits: usize| {
        let digits = std::str::from_utf8(rest.get(from..from + digits)?).ok()?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    match plain.0 {
        b'%' => {
            // `%25` is a percent sign that was encoded itself.
            let again = rest[1..].chunks(2).take(NESTED_MAX).take_while(|pair| pair == b"25").count();
            let from = 1 + 2 * again;
            Some(hex(from, 2).map_or(plain, |letter| (letter, at + from + 2)))
        }
        b'\\' => {
            let from = rest.iter().take(1 << NESTED_MAX).take_while(|letter| **letter == b'\\').count();
            match rest.get(from)? {
                b'u' => hex(from + 1, 4).map(|letter| (letter, at + from + 5)),
                b'x' => hex(from + 1, 2).map(|letter| (letter, at + from + 3)),
                letter => Some((*letter, at + from + 1)),
            }
        }
        _ => Some(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(keys: &[&str]) -> Redaction {
        let keys: Vec<Secret> = keys.iter().map(|key| Secret::new(*key)).collect();
        Redaction::new(&keys)
    }

    fn error(redaction: &Redaction, text: &str) -> String {
        String::from_utf8(redaction.error(Bytes::from(text.to_owned())).to_vec()).expect("text")
    }

    #[test]
    fn every_form_of_every_key_is_taken_out_wherever_it_stands() {
        let redaction = of(&["key/with+signs=", "another-key"]);
        let given = "{\"key/with+signs=\":\"key\\/with+signs=another-key\"}";
        assert_eq!(error(&redaction, given), "{\"***************\":\"***************************\"}");
        assert!(!error(&redaction, "?a=key%2Fwith%2Bsigns%3D&b=1").contains("signs"));
        assert_eq!(error(&redaction, "another-ke"), "another-ke");
        assert_eq!(redaction.text("söanother-keyß".to_owned()), "sö***********ß");
    }

    /// Faults: F145
    #[test]
    fn a_key_is_taken_out_however_its_letters_are_written() {
        let key = "canaryAWS/secret+access/key=";
        let redaction = of(&[key]);
        let each = |write: &dyn Fn(u8) -> String| key.bytes().map(write).collect::<String>();
        let signs = |write: &dyn Fn(u8) -> String| {
            each(&|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { write(byte) })
        };
        for written in [
            key.to_owned(),
            key.replace('/', "\\/"),
            key.replace('/', "%2f").replace('+', "%2B"),
            signs(&|byte| format!("%{byte:02x}")),
            signs(&|byte| format!("%25{byte:02X}")),
            signs(&|byte| format!("\\u{byte:04x}")),
            signs(&|byte| format!("\\\\u{byte:04X}")),
            signs(&|byte| format!("\\x{byte:02x}")),
            each(&|byte| format!("%{byte:02X}")),
            each(&|byte| format!("\\u{byte:04x}")),
            key.replace('/', "\\u002f").replace('=', "%3D"),
        ] {
            let cleaned = error(&redaction, &format!("\\%25<{written}>\\u"));
            assert_eq!(cleaned, format!("\\%25<{}>\\u", "*".repeat(written.len())), "{written}");
            assert!(!redaction.text(format!("ä{written}")).contains("AWS"), "{written}");
        }
        for other in
            ["canaryAWS%2Fsecret", "%", "\\", "%2", "\\u00", "%25", &"\\".repeat(100_000), &"%25".repeat(50_000)]
        {
            assert_eq!(error(&redaction, other), other, "nothing stands there");
        }
    }

    #[test]
    fn one_key_that_holds_another_is_taken_out_whole() {
        assert_eq!(
            error(&of(&["secret-one", "secret-one-and-more"]), "<secret-one-and-more>"),
            "<*******************>"
        );
    }

    #[test]
    fn words_that_only_stand_for_a_key_stay_in_answers() {
        let redaction = of(&["EMPTY", "sk-no-key-required", "sk-a-real-key-has-more"]);
        let answer = Bytes::from_static(b"Set sk-no-key-required or EMPTY, not sk-a-real-key-has-more.");
        let cleaned = redaction.answer(answer.clone());
        assert_eq!(cleaned, "Set sk-no-key-required or EMPTY, not **********************.".as_bytes());
        assert_eq!(redaction.error(answer), "Set ****************** or EMPTY, not **********************.".as_bytes());
        let untouched = Bytes::from_static(b"nothing");
        assert_eq!(redaction.answer(untouched.clone()).as_ptr(), untouched.as_ptr(), "no copy");
    }

    #[test]
    fn headers_and_frames() {
        let redaction = of(&["sk-a-real-key-has-more"]);
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static("for sk-a-real-key-has-more"));
        redaction.headers(&mut headers);
        assert_eq!(headers["x-request-id"], "for **********************");
        let raw = Bytes::from_static(b"event: x\ndata: sk-a-real-key-has-more\n\n");
        let data = Some(raw.slice(15..37));
        let mut frame = Frame { raw, name: Some("x".to_owned()), data, data_at: Some(15) };
        redaction.frame(&mut frame);
        assert_eq!(frame.raw, "event: x\ndata: **********************\n\n".as_bytes());
        assert_eq!((frame.data, frame.data_at), (Some("**********************".into()), Some(15)));
    }
}
