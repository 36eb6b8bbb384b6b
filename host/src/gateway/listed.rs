//! Lists in headers of ours: what stands in them may be a caller's own words, as many and as long as it likes.

/// Bytes of a list: HTTP clients take 8 KiB in all headers at least.
const LIST_BYTES_MAX: usize = 2 << 10;
/// Bytes of one thing in it.
const NAME_BYTES_MAX: usize = 200;

/// The beginning of the list, and how many more there are.
pub fn listed(names: &[String], joint: &str) -> String {
    let mut told = String::new();
    for (at, name) in names.iter().enumerate() {
        let name = shown(name);
        if told.len() + joint.len() + name.len() > LIST_BYTES_MAX {
            return format!("{told}{joint}and {} more", names.len() - at);
        }
        if at > 0 {
            told.push_str(joint);
        }
        told.push_str(&name);
    }
    told
}

/// Cut where it is long, and without letters that no header takes.
fn shown(name: &str) -> String {
    let end = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    let mut shown: String = name[..end].chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    if end < name.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F137
    #[test]
    fn a_list_in_a_header_has_an_end() {
        assert_eq!(listed(&["seed".to_owned(), "user".to_owned()], ", "), "seed, user");
        assert_eq!(listed(&[], ", "), "");
        let many: Vec<String> = (0..100_000).map(|number| format!("unknown_{number}")).collect();
        let told = listed(&many, ", ");
        assert!(told.len() < LIST_BYTES_MAX + 30 && told.starts_with("unknown_0, unknown_1, "), "{told}");
        assert!(told.ends_with(" more"), "{told}");
        let long = listed(&["é".repeat(1 << 20), "a\nb".to_owned()], "; ");
        assert!(long.len() < 300 && long.ends_with("…; a?b"), "{long}");
    }
}
