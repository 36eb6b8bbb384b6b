//! Lists in which each thing stands once, in the order in which it came first. Callers write bodies with thousands of names,
//! so what is known is found in a sorted set: hashes without a secret could be made to collide, and there is none in a guest.

use std::collections::BTreeSet;

use serde_json::Value;

/// Names, each once.
#[derive(Clone, Debug, Default)]
pub struct Names {
    list: Vec<String>,
    known: BTreeSet<String>,
}

impl Names {
    /// False if it is there already.
    pub fn add(&mut self, name: &str) -> bool {
        let is_new = !self.known.contains(name);
        if is_new {
            self.known.insert(name.to_owned());
            self.list.push(name.to_owned());
        }
        is_new
    }

    pub fn add_if(&mut self, added: bool, name: &str) {
        if added {
            self.add(name);
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.known.contains(name)
    }

    /// In the order in which they came.
    pub fn into_list(self) -> Vec<String> {
        self.list
    }
}

impl<'a> Extend<&'a str> for Names {
    fn extend<I: IntoIterator<Item = &'a str>>(&mut self, names: I) {
        names.into_iter().for_each(|name| _ = self.add(name));
    }
}

/// JSON values that were met already. The order of an object's fields makes no difference.
#[derive(Clone, Debug, Default)]
pub struct Met(BTreeSet<String>);

impl Met {
    /// False if an equal value was met before.
    pub fn add(&mut self, value: &Value) -> bool {
        let mut sorted = value.clone();
        sorted.sort_all_objects();
        self.0.insert(sorted.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_name_once_and_in_order() {
        let mut names = Names::default();
        names.extend(["b", "a", "b"]);
        assert!(names.contains("a") && !names.contains("c"));
        assert!(!names.add("a"));
        names.add_if(false, "c");
        assert_eq!(names.into_list(), ["b", "a"]);
    }

    #[test]
    fn equal_values_are_met_once() {
        let mut met = Met::default();
        assert!(met.add(&json!({"a": 1, "b": [{"c": 2, "d": 3}]})));
        assert!(!met.add(&json!({"b": [{"d": 3, "c": 2}], "a": 1})));
        assert!(met.add(&json!("1")) && met.add(&json!(1)));
    }
}
