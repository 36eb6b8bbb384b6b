//! The name of a package in a registry: `REGISTRY/REPOSITORY:TAG@sha256:…`, with a tag, a digest or both.

use std::fmt;

use super::Digest;

/// The grammar's own limits (OCI distribution).
const NAME_BYTES_MAX: usize = 255;
const TAG_BYTES_MAX: usize = 128;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// A host, and a port where it is not the usual one.
    pub registry: String,
    pub repository: String,
    pub tag: Option<String>,
    /// Of the manifest, and so of everything that it names.
    pub digest: Option<Digest>,
}

impl Reference {
    /// `oci://` may stand before it.
    ///
    /// # Errors
    /// What is wrong with it. The text itself is not in the message: a password may stand in it.
    pub fn parse(text: &str) -> Result<Reference, String> {
        let text = text.strip_prefix("oci://").unwrap_or(text);
        let (text, digest) = match text.split_once('@') {
            Some((name, digest)) if digest.starts_with("sha256:") => (name, Some(Digest::parse(digest)?)),
            Some(_) => return Err("after the `@` comes `sha256:` and a digest".to_owned()),
            None => (text, None),
        };
        let like = "it must be like REGISTRY/REPOSITORY:TAG, or REGISTRY/REPOSITORY@sha256:…";
        let (registry, path) = text.split_once('/').ok_or(like)?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        // Docker leaves its own registry's name out. We know no registry.
        if !(registry.contains(['.', ':']) || registry == "localhost") || !is_host(registry) {
            return Err(format!("it names no registry: {like}"));
        }
        if repository.len() > NAME_BYTES_MAX || !repository.split('/').all(is_component) {
            return Err(
                "a repository's name has small letters and digits, with `.`, `_`, `-` or `/` between them".into()
            );
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err("a tag has up to 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`".to_owned());
        }
        if tag.is_none() && digest.is_none() {
            return Err(format!("it has neither a tag nor a digest: {like}"));
        }
        let tag = tag.map(str::to_owned);
        Ok(Reference { registry: registry.to_owned(), repository: repository.to_owned(), tag, digest })
    }

    /// The same package, and no other ever.
    pub fn pinned(&self, digest: &Digest) -> Reference {
        Reference { digest: Some(digest.clone()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(formatter, "@{digest}"),
            None => Ok(()),
        }
    }
}

fn is_host(registry: &str) -> bool {
    let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = match registry.rsplit_once(':') {
        Some((host, number)) if port(number) => host,
        _ => registry,
    };
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)),
    }
}

/// Words of small letters and digits, joined by one dot, one or two underscores, or dashes.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let joint = |joint: &[u8]| matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|byte| *byte == b'-');
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| is_word(*byte))
        && bytes.last().is_some_and(|byte| is_word(*byte))
        && bytes.split(|byte| is_word(*byte)).all(joint)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        for text in [
            "registry.example/team/day-and-night:1.0".to_owned(),
            "localhost/p:latest".to_owned(),
            "127.0.0.1:5000/a/b/c_d__e.f:v1_2-3".to_owned(),
            "[::1]:5000/p:1".to_owned(),
            format!("registry.example/p@{digest}"),
            format!("registry.example:443/p:1@{digest}"),
        ] {
            let read = Reference::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(read.to_string(), text);
            assert_eq!(Reference::parse(&format!("oci://{text}")), Ok(read));
        }
    }

    #[test]
    fn what_is_no_name_is_refused_without_being_repeated() {
        for text in [
            "",
            "p:1",
            "team/p:1",
            "registry.example/p",
            "registry.example/P:1",
            "registry.example/../p:1",
            "registry.example/a//b:1",
            "registry.example/a/:1",
            "registry.example/a..b:1",
            "registry.example/a?x=1:1",
            "registry.example/a b:1",
            "registry.example/p:-1",
            "registry.example/p:a/b",
            "registry.example/p:1@sha256:12",
            "registry.example/p@md5:12",
            "user:password@registry.example/p:1",
            "registry.example:x/p:1",
            "[::x]:5000/p:1",
            "http://registry.example/p:1",
        ] {
            let error = Reference::parse(text).expect_err(text);
            assert!(!error.contains("password"), "{error}");
        }
    }
}
