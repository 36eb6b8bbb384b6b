//! Fields that only this protocol knows, on their way back to where `read` found them.

use pointsman_sdk::codec::chat::Extra;
use serde_json::{Map, Value};

/// What is left of an object inside another stands in an extra of that object's name: the two become one again.
pub fn put_back(object: &mut Map<String, Value>, extras: Vec<Extra>) {
    for Extra { name, value } in extras {
        // `read` wrote it: always JSON.
        let Ok(value) = serde_json::from_str(&value) else { continue };
        match (object.get_mut(&name), value) {
            (Some(Value::Object(inner)), Value::Object(left)) => inner.extend(left),
            (_, value) => {
                object.insert(name, value);
            }
        }
    }
}

/// The extra of this name, taken out.
pub fn take(extras: &mut Vec<Extra>, name: &str) -> Option<Value> {
    let position = extras.iter().position(|extra| extra.name == name)?;
    serde_json::from_str(&extras.remove(position).value).ok()
}
