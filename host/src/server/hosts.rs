//! The name in a request's `Host`. Where callers need no key, a name that somebody else may lead here must not count: a page in a browser
//! whose name was rebound to this machine's address (DNS rebinding) calls as a page of this gateway, and needs no permission.

use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;

use crate::config::Hosts;

/// Endings of names that no page of the public web has: RFC 6761 and 6762, RFC 8375, and what ICANN keeps for private networks
/// (`host.docker.internal`, `gateway.default.svc.cluster.local`).
const PRIVATE: [&str; 4] = [".localhost", ".local", ".internal", ".home.arpa"];

/// Does the request name this gateway? Addresses always do, as do `localhost`, names without a dot, such as `gateway` in a
/// network of containers, and names of private networks: no page of the public web has such a name. One without a `Host` is from no browser.
pub fn is_own<B>(request: &Request<B>, hosts: &Hosts) -> bool {
    let host = match (request.headers().get(HOST), request.uri().authority()) {
        (Some(host), _) => host.to_str().ok(),
        (None, Some(authority)) => Some(authority.as_str()),
        (None, None) => return true,
    };
    // What is no text is no name of ours.
    let Some(host) = host else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok() || !name.contains('.') || PRIVATE.iter().any(|ending| name.ends_with(ending)) || hosts.has(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_else_may_lead_here_do_not_count() {
        let asked = |host: &str, hosts: &Hosts| {
            is_own(&Request::post("/v1/messages").header(HOST, host).body(()).expect("a request"), hosts)
        };
        let (none, some) = (Hosts::These(Vec::new()), Hosts::These(vec!["ai.example".to_owned()]));
        let own = [
            "127.0.0.1:4400",
            "10.0.0.7",
            "[::1]:4400",
            "localhost:4400",
            "LocalHost",
            "app.localhost",
            "gateway:4400",
            "host.docker.internal:4400",
            "gateway.default.svc.cluster.local",
        ];
        for host in own {
            assert!(asked(host, &none), "{host}");
        }
        for host in [
            "evil.example",
            "internal.evil.example",
            "evil.example:4400",
            "evil.example.",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
        ] {
            assert!(!asked(host, &none) && !asked(host, &some) && asked(host, &Hosts::All), "{host}");
        }
        assert!(asked("ai.example", &some) && asked("AI.example:443", &some) && asked("ai.example.", &some));
        assert!(!asked("sub.ai.example", &some) && !asked("ai.example", &none));
        let in_http_2 = Request::post("http://evil.example/v1/messages").body(()).expect("a request");
        assert!(!is_own(&in_http_2, &none));
        assert!(is_own(&Request::post("/").body(()).expect("a request"), &none), "no browser");
    }
}
