//! Finding a field at the top of a JSON object without building a tree of it: bodies have hundreds of kilobytes, and all
//! that routing needs is the model's name and whether to stream.
//!
//! For every text that is JSON, this agrees with a JSON parser; what is not JSON is left for the provider to refuse.

use std::ops::Range;

use memchr::memchr2;

/// Objects and arrays inside each other. serde_json's own limit.
const DEPTH_MAX: u32 = 128;

/// Where the values of these top fields stand, in the order of `names`.
///
/// # Errors
/// Says what is not JSON and where, or which of the fields stands there twice: two readers could take different ones.
pub fn fields(json: &[u8], names: &[&str]) -> Result<Vec<Option<Range<usize>>>, String> {
    let mut found = vec![None; names.len()];
    let mut scan = Scan { json, at: 0 };
    scan.expect(b'{', "the body must be a JSON object")?;
    if scan.peek() == Some(b'}') {
        scan.at += 1;
    } else {
        loop {
            let key = scan.string()?;
            scan.expect(b':', "a colon must follow a field's name")?;
            let value = scan.value()?;
            if let Some(position) = names.iter().position(|name| is(&json[key.clone()], name)) {
                if found[position].is_some() {
                    return Err(format!("the field `{}` stands there twice", names[position]));
                }
                found[position] = Some(value);
            }
            match scan.next() {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(scan.error("a comma or a closing brace must follow a value")),
            }
        }
    }
    if scan.peek().is_some() {
        return Err(scan.error("nothing may follow the JSON object"));
    }
    Ok(found)
}

/// Where the names and the values of an object's fields stand, in their order; names with their quotes. Nothing where it is no
/// object.
pub fn entries(json: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
    let (mut scan, mut found) = (Scan { json, at: 0 }, Vec::new());
    if scan.next() != Some(b'{') || scan.peek() == Some(b'}') {
        return found;
    }
    while let Ok(name) = scan.string() {
        if scan.expect(b':', "").is_err() {
            break;
        }
        let Ok(value) = scan.value() else { break };
        found.push((name, value));
        if scan.next() != Some(b',') {
            break;
        }
    }
    found
}

/// Where the value at `path` (one or two fields, joined by a dot) stands.
pub fn value_at(json: &[u8], path: &str) -> Option<Range<usize>> {
    let (outer, inner) = match path.split_once('.') {
        Some((outer, inner)) => (outer, Some(inner)),
        None => (path, None),
    };
    let value = fields(json, &[outer]).ok()?.pop()??;
    let Some(inner) = inner else { return Some(value) };
    let within = fields(&json[value.clone()], &[inner]).ok()?.pop()??;
    Some(value.start + within.start..value.start + within.end)
}

/// Where the first elements of a JSON array stand; none where it is no array.
pub fn elements(json: &[u8], most: usize) -> Vec<Range<usize>> {
    let (mut scan, mut found) = (Scan { json, at: 0 }, Vec::new());
    if scan.next() != Some(b'[') || scan.peek() == Some(b']') {
        return found;
    }
    while found.len() < most {
        let Ok(element) = scan.value() else { break };
        found.push(element);
        if scan.next() != Some(b',') {
            break;
        }
    }
    found
}

/// A JSON string's text.
pub fn text(json: &[u8]) -> Option<String> {
    serde_json::from_slice(json).ok()
}

fn is(quoted: &[u8], name: &str) -> bool {
    let inner = &quoted[1..quoted.len() - 1];
    // An escape can spell any name.
    if inner.contains(&b'\\') { text(quoted).as_deref() == Some(name) } else { inner == name.as_bytes() }
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        while matches!(self.json.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += 1;
        byte
    }

    fn error(&self, text: &str) -> String {
        format!("{text}, at byte {}", self.at.min(self.json.len()))
    }

    fn expect(&mut self, byte: u8, text: &str) -> Result<(), String> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(text))
    }

    /// Where a string stands, its quotes included.
    fn string(&mut self) -> Result<Range<usize>, String> {
        self.expect(b'"', "a field's name must be a string")?;
        let from = self.at - 1;
        self.string_rest()?;
        Ok(from..self.at)
    }

    /// Past the closing quote of a string whose opening quote was read.
    fn string_rest(&mut self) -> Result<(), String> {
        loop {
            let rest = self.json.get(self.at..).unwrap_or_default();
            let Some(offset) = memchr2(b'"', b'\\', rest) else {
                return Err(self.error("a string has no end"));
            };
            self.at += offset + 1;
            if rest[offset] == b'"' {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// Where a value of any kind stands.
    fn value(&mut self) -> Result<Range<usize>, String> {
        let first = self.peek();
        let from = self.at;
        match first {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{' | b'[') => self.nested()?,
            Some(byte) if byte == b'-' || byte.is_ascii_alphanumeric() => {
                while matches!(self.json.get(self.at), Some(byte) if byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                {
                    self.at += 1;
                }
            }
            _ => return Err(self.error("a value is missing")),
        }
        Ok(from..self.at)
    }

    /// Past an object or array. One bit for each open bracket says which kind it is.
    fn nested(&mut self) -> Result<(), String> {
        let (mut depth, mut kinds) = (0_u32, 0_u128);
        loop {
            let Some(&byte) = self.json.get(self.at) else {
                return Err(self.error("an object or array has no end"));
            };
            self.at += 1;
            match byte {
                b'"' => self.string_rest()?,
                b'{' | b'[' => {
                    if depth == DEPTH_MAX {
                        return Err(self.error("the JSON is nested too deeply"));
                    }
                    depth += 1;
                    kinds = kinds << 1 | u128::from(byte == b'{');
                }
                b'}' | b']' => {
                    if (kinds & 1 == 1) != (byte == b'}') {
                        return Err(self.error("a bracket is closed by another kind"));
                    }
                    depth -= 1;
                    kinds >>= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(json: &str) -> Result<Option<String>, String> {
        let mut found = fields(json.as_bytes(), &["model"])?;
        Ok(found.remove(0).map(|model| json[model].to_owned()))
    }

    #[test]
    fn only_the_top_field_counts() {
        let found = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(model(r#"{"a":{"model":"no"},"b":["model","x"],"model":"yes"}"#), found("\"yes\""));
        assert_eq!(model(" {\n \"model\" : \"a\\\"b\\\\\" , \"x\": -1.5e+3 } \n"), found(r#""a\"b\\""#));
        assert_eq!(model(r#"{"mod\u0065l":"escaped"}"#), found("\"escaped\""));
        assert_eq!(model("{}"), Ok(None));
        assert_eq!(value_at(br#"{"type":"x","message":{"id":1,"model":"m"}}"#, "message.model"), Some(38..41));
    }

    #[test]
    fn elements_of_an_array() {
        let found =
            |json: &str, most| elements(json.as_bytes(), most).into_iter().map(|at| json[at].to_owned()).collect();
        let found: Vec<Vec<String>> =
            vec![found(r#" [ {"a":[1]} , "x,]" ,3]"#, 9), found("[1,2,3]", 2), found("[]", 2)];
        assert_eq!(found, [vec![r#"{"a":[1]}"#, r#""x,]""#, "3"], vec!["1", "2"], vec![]]);
        assert!(elements(b"{}", 3).is_empty() && elements(b"[", 3).is_empty() && elements(b"", 3).is_empty());
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (json, place) in [
            ("", "at byte 0"),
            ("[]", "at byte 0"),
            (r#"{"model""#, "at byte 8"),
            (r#"{"model":}"#, "at byte 9"),
            (r#"{"a":[1,2}}"#, "at byte 10"),
            (r#"{"a":"x}"#, "no end"),
            (r#"{"a":1} x"#, "at byte 8"),
            (r#"{"model":"a","model":"b"}"#, "twice"),
            (r#"{"a":1,}"#, "at byte 7"),
        ] {
            let error = model(json).expect_err(json);
            assert!(error.contains(place), "{json}: {error}");
        }
        assert!(model(&format!("{{\"a\":{}{}}}", "[".repeat(129), "]".repeat(129))).is_err());
    }

    use proptest::prelude::*;
    use serde_json::Value;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\]:, \u{e9}\u{1F600}\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("model|stream|[a-z\"\\\\]{0,4}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// On any JSON object, plain or pretty, the scanner and the parser see the same.
        #[test]
        fn agrees_with_a_parser(fields_ in prop::collection::btree_map("model|stream|x|[a-z\"\\\\]{0,4}", json(), 0..6), pretty in any::<bool>()) {
            let value = Value::Object(fields_.into_iter().collect());
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.expect("JSON");
            let parsed: Value = serde_json::from_str(&text).expect("JSON");
            let found = fields(text.as_bytes(), &["model", "stream"]).expect("an object");
            for (span, name) in found.into_iter().zip(["model", "stream"]) {
                let scanned: Option<Value> = span.map(|span| serde_json::from_str(&text[span]).expect("a value"));
                prop_assert_eq!(scanned.as_ref(), parsed.get(name));
            }
        }

        /// And on no bytes at all does it panic.
        #[test]
        fn takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64), mutated in "[{}\\[\\]\":,a1\\\\ ]{0,40}") {
            let _ = fields(&bytes, &["model"]);
            let _ = fields(mutated.as_bytes(), &["model"]);
        }
    }
}
