//! W3C Trace Context: the trace that a caller's request belongs to. The gateway records no spans of its own, so what came goes on to
//! providers as it is, and the log names the trace.
//!
//! <https://www.w3.org/TR/trace-context/>

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");
/// What must be passed on at least; a longer state is left out whole.
const STATE_BYTES_MAX: usize = 512;

/// What a caller's headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    parent: HeaderValue,
    states: Vec<HeaderValue>,
}

impl Trace {
    /// The trace that the caller's headers name. `None` if they name none, or an invalid one, which W3C Trace Context says to ignore.
    pub fn of(headers: &HeaderMap) -> Option<Trace> {
        let mut parents = headers.get_all(PARENT).iter();
        let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
        id(parent)?;
        let states: Vec<HeaderValue> = headers.get_all(STATE).iter().cloned().collect();
        let bytes: usize = states.iter().map(|state| state.len() + 1).sum();
        let states = if bytes <= STATE_BYTES_MAX + 1 { states } else { Vec::new() };
        Some(Trace { parent: plain(parent.clone()), states: states.into_iter().map(plain).collect() })
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        id(&self.parent).unwrap_or_default()
    }

    /// In place of what may stand there.
    pub fn send(&self, headers: &mut HeaderMap) {
        headers.insert(PARENT, self.parent.clone());
        headers.remove(STATE);
        for state in &self.states {
            headers.append(STATE, state.clone());
        }
    }
}

/// A caller of HTTP/2 may mark anything as a secret; only keys of ours are.
fn plain(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(false);
    value
}

/// `00-<trace id>-<parent id>-<flags>`; later versions may have more behind it.
fn id(parent: &HeaderValue) -> Option<&str> {
    let mut fields = parent.to_str().ok()?.splitn(5, '-');
    let (version, trace, span, flags, rest) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next());
    let is_hex = |field: &str, digits: usize| {
        field.len() == digits && field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_number = |field: &str, digits| is_hex(field, digits) && field.bytes().any(|byte| byte != b'0');
    let is_version = is_hex(version, 2) && version != "ff" && (version != "00" || rest.is_none());
    (is_version && is_number(trace, 32) && is_number(span, 16) && is_hex(flags, 2)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = |text: &&str| HeaderValue::from_str(text).expect("a header");
        for parent in parents {
            headers.append(PARENT, value(parent));
        }
        for state in states {
            headers.append(STATE, value(state));
        }
        headers
    }

    #[test]
    fn a_trace_goes_on_as_it_came() {
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        let came = headers(&[&parent], &["congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7"]);
        let trace = Trace::of(&came).expect("a trace");
        assert_eq!(trace.id(), TRACE);
        let mut sent = headers(&["00-x"], &["other=1"]);
        trace.send(&mut sent);
        assert_eq!(sent, came);
        let later = format!("cc-{TRACE}-b7ad6b7169203331-01-what-comes-later");
        assert_eq!(Trace::of(&headers(&[&later], &[])).expect("a later version").id(), TRACE);
    }

    #[test]
    fn what_is_no_trace_is_ignored() {
        let (upper, zeros) = (TRACE.to_uppercase(), "0".repeat(32));
        for parent in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-b7ad6b7169203331"),
            format!("00-{TRACE}-b7ad6b7169203331-01-more"),
            format!("ff-{TRACE}-b7ad6b7169203331-01"),
            format!("00-{upper}-b7ad6b7169203331-01"),
            format!("00-{zeros}-b7ad6b7169203331-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{TRACE}-b7ad6b7169203331-1"),
            format!("00-{TRACE}0-b7ad6b7169203331-01"),
        ] {
            assert_eq!(Trace::of(&headers(&[&parent], &["a=1"])), None, "{parent}");
        }
        let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
        assert_eq!(Trace::of(&headers(&[&parent, &parent], &[])), None, "twice");
        assert_eq!(Trace::of(&headers(&[], &["a=1"])), None);
        let long = Trace::of(&headers(&[&parent], &[&"a=1,".repeat(200)])).expect("a trace");
        assert!(long.states.is_empty());
    }
}
