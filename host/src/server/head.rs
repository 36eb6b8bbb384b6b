//! Is a request's head one that we answer at all? hyper has refused what is not HTTP; this is what HTTP allows, and we do
//! not.

use hyper::header::{HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};

use crate::config::defaults::{HEADER_BYTES_MAX, HEADERS_MAX, URI_BYTES_MAX};

/// A status and a text for people.
pub type Refused = (StatusCode, &'static str);

/// # Errors
/// What is wrong with it.
pub fn check(head: &Parts) -> Result<(), Refused> {
    if head.method == Method::CONNECT {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "this is no proxy: nothing answers CONNECT"));
    }
    if uri_bytes(head) > URI_BYTES_MAX {
        return Err((StatusCode::URI_TOO_LONG, "the URI is longer than 8 KiB"));
    }
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        let text = "there are more than 100 headers, or more than 64 KiB of them";
        return Err((StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text));
    }
    // hyper reads any list that ends in `chunked`; what stands before it would have to be undone, and nobody does.
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next().map_or(&b"chunked"[..], |coding| coding.as_bytes());
    if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
        return Err((StatusCode::NOT_IMPLEMENTED, "`chunked`, once, is the only Transfer-Encoding"));
    }
    host(head)
}

/// Two that read a request must not disagree about whom it is for: there is one host, or none where that is allowed.
fn host(head: &Parts) -> Result<(), Refused> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (host, authority) = (hosts.next(), head.uri.authority());
    if hosts.next().is_some() {
        return Err((StatusCode::BAD_REQUEST, "there is more than one Host header"));
    }
    match (host, authority) {
        (Some(host), Some(authority)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            Err((StatusCode::BAD_REQUEST, "the Host header and the URI name different hosts"))
        }
        (None, None) if head.version >= Version::HTTP_11 => Err((StatusCode::BAD_REQUEST, "there is no Host header")),
        (None, _) if head.version == Version::HTTP_11 => Err((StatusCode::BAD_REQUEST, "there is no Host header")),
        _ => Ok(()),
    }
}

fn uri_bytes(head: &Parts) -> usize {
    let authority = head.uri.authority().map_or(0, |authority| authority.as_str().len());
    authority + head.uri.path_and_query().map_or(0, |path| path.as_str().len())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn what_is_answered_and_what_is_not() {
        let status = |request: hyper::http::request::Builder| {
            let (head, ()) = request.body(()).expect("a request").into_parts();
            check(&head).err().map_or(200, |(status, _)| status.as_u16())
        };
        let get = |uri: &str| Request::get(uri).header("host", "a.example");
        let long = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        assert_eq!(status(get("/v1/models")), 200);
        assert_eq!(status(get(&long(URI_BYTES_MAX))), 200);
        assert_eq!(status(get(&long(URI_BYTES_MAX + 1))), 414);
        assert_eq!(status(get("http://a.example/v1/models")), 200);
        assert_eq!(status(get("http://A.example/v1/models")), 200);
        assert_eq!(status(get("http://b.example/v1/models")), 400);
        assert_eq!(status(get("/").header("host", "a.example")), 400);
        assert_eq!(status(Request::get("/")), 400);
        assert_eq!(status(Request::get("/").version(Version::HTTP_10)), 200);
        assert_eq!(status(Request::get("http://a.example/").version(Version::HTTP_2)), 200);
        assert_eq!(status(Request::get("http://a.example/")), 400);
        assert_eq!(status(Request::builder().method("CONNECT").uri("a.example:443")), 405);
        assert_eq!(status(get("/").header("transfer-encoding", "Chunked")), 200);
        assert_eq!(status(get("/").header("transfer-encoding", "gzip, chunked")), 501);
        assert_eq!(status(get("/").header("transfer-encoding", "chunked").header("transfer-encoding", "chunked")), 501);
        let many = |count| (0..count).fold(get("/"), |request, number| request.header(format!("x-{number}"), "v"));
        assert_eq!(status(many(HEADERS_MAX - 1)), 200);
        assert_eq!(status(many(HEADERS_MAX)), 431);
        let value = |bytes: usize| get("/").header("x", "v".repeat(bytes));
        let rest = "host".len() + "a.example".len() + 4 + "x".len() + 4;
        assert_eq!(status(value(HEADER_BYTES_MAX - rest)), 200);
        assert_eq!(status(value(HEADER_BYTES_MAX - rest + 1)), 431);
    }
}
