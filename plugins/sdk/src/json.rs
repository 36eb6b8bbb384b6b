//! Reading a JSON body by hand, field by field. Codecs read requests this way and not with derived types, because an
//! error must name the field as the caller wrote it, and because fields nobody knows must survive as extras.

use crate::codec::chat::Extra;
use crate::codec::{Fault, FaultKind, fault, fault_at};
use serde_json::{Map, Value};

/// The fields of one JSON object that were not taken yet. `null` counts as absent.
#[derive(Debug)]
pub struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The object at the top of a request's body.
    pub fn parse(body: &[u8]) -> Result<Fields, Fault> {
        let value = serde_json::from_slice(body)
            .map_err(|error| fault(FaultKind::InvalidRequest, format!("the body is not valid JSON: {error}")))?;
        match value {
            Value::Object(map) => Ok(Fields { path: String::new(), map }),
            _ => Err(fault(FaultKind::InvalidRequest, "the body must be a JSON object")),
        }
    }

    /// The object at `path`, such as `messages[2]`.
    pub fn new(path: impl Into<String>, value: Value) -> Result<Fields, Fault> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Fields { path, map }),
            _ => Err(wrong(path, "an object")),
        }
    }

    /// Where this object stands; empty at the top.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where a field of this object stands, such as `messages[2].content`.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn take(&mut self, name: &str) -> Option<Value> {
        // Taken fields stay behind as nulls, so that the order of the rest is kept and nothing is moved.
        self.map.get_mut(name).map(Value::take).filter(|value| !value.is_null())
    }

    /// A field that stays where it is.
    pub fn peek(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// A field that must be there.
    pub fn required(&mut self, name: &str) -> Result<Value, Fault> {
        self.take(name).ok_or_else(|| {
            let path = self.at(name);
            let message = format!("{path} is required");
            fault_at(FaultKind::InvalidRequest, path, message)
        })
    }

    /// A string that must be there.
    pub fn string(&mut self, name: &str) -> Result<String, Fault> {
        let value = self.required(name)?;
        string(self.at(name), value)
    }

    pub fn optional_string(&mut self, name: &str) -> Result<Option<String>, Fault> {
        self.take(name).map(|value| string(self.at(name), value)).transpose()
    }

    pub fn bool(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.typed(name, "true or false", |value| value.as_bool())
    }

    pub fn u32(&mut self, name: &str) -> Result<Option<u32>, Fault> {
        let read = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        self.typed(name, "a whole number, not negative", read)
    }

    pub fn i64(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        self.typed(name, "a whole number", |value| value.as_i64())
    }

    pub fn f64(&mut self, name: &str) -> Result<Option<f64>, Fault> {
        self.typed(name, "a number", |value| value.as_f64().filter(|number| number.is_finite()))
    }

    /// The items of an array with the path of each, such as `messages[2]`. Absent is empty.
    pub fn array(&mut self, name: &str) -> Result<Vec<(String, Value)>, Fault> {
        self.take(name).map_or(Ok(Vec::new()), |value| items(self.at(name), value))
    }

    pub fn object(&mut self, name: &str) -> Result<Option<Fields>, Fault> {
        self.take(name).map(|value| Fields::new(self.at(name), value)).transpose()
    }

    /// What nobody took, in the order of the body.
    pub fn rest(self) -> Vec<Extra> {
        let left = self.map.into_iter().filter(|(_, value)| !value.is_null());
        left.map(|(name, value)| Extra { name, value: value.to_string() }).collect()
    }

    fn typed<T>(&mut self, name: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Fault> {
        let value = self.take(name);
        value.map(|value| read(&value).ok_or_else(|| wrong(self.at(name), what))).transpose()
    }
}

/// The string at `path`.
pub fn string(path: impl Into<String>, value: Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(wrong(path, "a string")),
    }
}

/// The items of the array at `path`, with the path of each.
pub fn items(path: impl Into<String>, value: Value) -> Result<Vec<(String, Value)>, Fault> {
    let path = path.into();
    match value {
        Value::Array(items) => Ok(items.into_iter().enumerate().map(|(i, v)| (format!("{path}[{i}]"), v)).collect()),
        _ => Err(wrong(path, "an array")),
    }
}

/// The caller's mistake: what stands at `path` must be `what`, such as `a string`.
pub fn wrong(path: impl Into<String>, what: &str) -> Fault {
    let path = path.into();
    let message = format!("{path} must be {what}");
    fault_at(FaultKind::InvalidRequest, path, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_name_the_field() {
        let mut message = Fields::new("messages[2]", json!({"content": 3, "n": -1, "list": [{}, 5]})).unwrap();
        let fault = message.string("content").unwrap_err();
        assert_eq!(fault.field.as_deref(), Some("messages[2].content"));
        assert_eq!(fault.message, "messages[2].content must be a string");
        assert_eq!(message.u32("n").unwrap_err().field.as_deref(), Some("messages[2].n"));
        assert_eq!(message.string("role").unwrap_err().message, "messages[2].role is required");
        let (path, value) = message.array("list").unwrap().remove(1);
        assert_eq!(Fields::new(path, value).unwrap_err().field.as_deref(), Some("messages[2].list[1]"));
    }

    #[test]
    fn null_is_absent_and_the_rest_survives() {
        let mut top = Fields::parse(br#"{"a":null,"x":[1,2],"stream":true,"y":null}"#).unwrap();
        assert!(top.take("a").is_none());
        assert_eq!(top.bool("stream").unwrap(), Some(true));
        let rest: Vec<_> = top.rest().into_iter().map(|extra| (extra.name, extra.value)).collect();
        assert_eq!(rest, [("x".to_owned(), "[1,2]".to_owned())]);
    }

    #[test]
    fn a_body_that_is_no_object_is_the_callers_mistake() {
        for body in [&b"[]"[..], b"", b"{", b"\xff"] {
            assert_eq!(Fields::parse(body).unwrap_err().kind, FaultKind::InvalidRequest);
        }
    }
}
