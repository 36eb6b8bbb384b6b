//! Pages in browsers, and programs that are made of one: which of them may read what the gateway answers.
//!
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>. No cookie counts here, so a page can do no more than whoever knows the
//! key that it shows; where callers need none, pages of other sites may not call at all.

use http_body_util::{BodyExt as _, Empty};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, HeaderMap,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Response, StatusCode};

use crate::config::Origins;
use crate::gateway::Body;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// How long a browser need not ask again, in seconds. Chrome believes two hours at most, and a change of the configuration
/// should count before that.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// What a page is told of the answer. Absent: it may not read it, or no page asks.
pub struct Cors {
    allowed: HeaderValue,
}

impl Cors {
    pub fn of(request: &HeaderMap, origins: &Origins) -> Option<Cors> {
        let origin = request.get(ORIGIN)?;
        match origins {
            Origins::All | Origins::Unset => Some(Cors { allowed: ANY }),
            Origins::These(these) => {
                let is_one = these.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
                is_one.then(|| Cors { allowed: origin.clone() })
            }
        }
    }

    /// Let the page read the answer, and all of its headers.
    pub fn mark(&self, answer: &mut HeaderMap) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.allowed.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
        if self.allowed != ANY {
            answer.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// The answer to OPTIONS. It needs no key: browsers show none before they have it.
pub fn options(request: &HeaderMap, cors: Option<&Cors>) -> Response<Body> {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    headers.insert(ALLOW, METHODS);
    if let Some(cors) = cors {
        cors.mark(headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        // `*` would not stand for `authorization`.
        if let Some(wanted) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    answer
}

/// Does a page from elsewhere call, which no key of the caller's stops? Browsers send `Origin` with each POST, and `Sec-Fetch-Site`
/// too where a page has no origin to show (<https://w3c.github.io/webappsec-fetch-metadata/>). A page whose name was rebound to
/// this machine's address sends its own name all the same.
pub fn is_foreign_page(request: &HeaderMap, origins: &Origins) -> bool {
    let Some(origin) = request.get(ORIGIN) else {
        let is_elsewhere = |site: &HeaderValue| site == "cross-site" || site == "same-site";
        return *origins != Origins::All && request.get("sec-fetch-site").is_some_and(is_elsewhere);
    };
    match origins {
        Origins::Unset => !is_of_this_machine(origin),
        Origins::All | Origins::These(_) => Cors::of(request, origins).is_none(),
    }
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|text| Some(text.parse::<hyper::Uri>().ok()?.host()?.to_owned()));
    host.is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_machine_call_without_a_key() {
        let these = Origins::These(vec!["https://webui.example".to_owned()]);
        let calls = |name: &'static str, value: &'static str, origins: &Origins| {
            is_foreign_page(
                &HeaderMap::from_iter([(name.parse().expect("a name"), HeaderValue::from_static(value))]),
                origins,
            )
        };
        for own in ["http://localhost:3000", "http://127.0.0.1:8080", "https://[::1]:1"] {
            assert!(!calls("origin", own, &Origins::Unset), "{own}");
        }
        let others =
            ["https://webui.example", "http://localhost.example", "null", "app://obsidian.md", "http://10.0.0.1"];
        for other in others {
            assert!(calls("origin", other, &Origins::Unset), "{other}");
            assert!(!calls("origin", other, &Origins::All), "{other}");
        }
        assert!(!calls("origin", "https://webui.example", &these) && calls("origin", "https://other.example", &these));
        assert!(calls("sec-fetch-site", "cross-site", &Origins::Unset));
        assert!(calls("sec-fetch-site", "same-site", &Origins::Unset));
        assert!(!calls("sec-fetch-site", "same-origin", &Origins::Unset) && !calls("accept", "*/*", &Origins::Unset));
    }

    fn page(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization,content-type"));
        headers
    }

    #[test]
    fn who_may_read_an_answer() {
        let these = Origins::These(vec!["https://webui.example".to_owned(), "app://obsidian.md".to_owned()]);
        let allowed = |origin, origins: &Origins| Cors::of(&page(origin), origins).map(|cors| cors.allowed);
        assert_eq!(allowed("https://anywhere.example", &Origins::All), Some(ANY));
        assert_eq!(allowed("null", &Origins::All), Some(ANY));
        assert_eq!(allowed("https://webui.example", &these).expect("one of these"), "https://webui.example");
        assert_eq!(allowed("app://obsidian.md", &these).expect("one of these"), "app://obsidian.md");
        for other in
            ["https://webui.example.evil.example", "http://webui.example", "https://webui.example:8443", "null"]
        {
            assert_eq!(allowed(other, &these), None, "{other}");
        }
        assert_eq!(allowed("https://webui.example", &Origins::These(Vec::new())), None);
        assert!(Cors::of(&HeaderMap::new(), &Origins::All).is_none(), "no page");
    }

    #[test]
    fn a_page_asks_first() {
        let (page, these) = (page("https://webui.example"), Origins::These(vec!["https://webui.example".to_owned()]));
        let answer = options(&page, Cors::of(&page, &these).as_ref());
        assert_eq!(answer.status(), 204);
        let header = |name| answer.headers().get(name).map(|value: &HeaderValue| value.to_str().expect("text"));
        assert_eq!(header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("https://webui.example"));
        assert_eq!(header(ACCESS_CONTROL_ALLOW_HEADERS), Some("authorization,content-type"));
        assert_eq!(header(ACCESS_CONTROL_ALLOW_METHODS), Some("GET, POST, OPTIONS"));
        assert_eq!(header(VARY), Some("origin"));
        let refused = options(&page, None);
        assert_eq!((refused.status().as_u16(), refused.headers().len()), (204, 1), "{:?}", refused.headers());
    }
}
