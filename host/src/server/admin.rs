//! The port that operators use, through `pointsman plugin …`. Every path needs the token.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Limited};
use hyper::header::{HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::edge::{error, json};
use super::faults;
use super::keys::{bearer, same};
use super::unread::Unread;
use crate::config::Secret;
use crate::gateway::{Body, Gateway, SlotView};
use crate::journal::{Difference, Entry};
use crate::plugin::signature::{self, SIGNATURE_HEADER};

/// How an operator gets in.
pub const TOKEN_HELP: &str = "set POINTSMAN_ADMIN_TOKEN to the same value for `pointsman serve` and for this command";
/// A plugin's file, and a little more.
const BODY_BYTES_MAX: usize = 33 << 20;

/// What a change of a plugin answers.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadReply {
    pub slot: SlotView,
    /// What keeps the change from outliving the process, where it should.
    pub not_kept: Option<String>,
}

/// Answer whatever arrives.
pub async fn answer(
    gateway: Arc<Gateway>,
    token: Secret,
    own: Option<IpAddr>,
    request: Request<Unread>,
) -> Response<Body> {
    if let Err(text) = from_no_browser(&request, own) {
        return error(StatusCode::FORBIDDEN, "permission_error", text);
    }
    if !bearer(request.headers()).is_some_and(|shown| same(shown, &token)) {
        return error(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            &format!("the admin token is wrong: {TOKEN_HELP}"),
        );
    }
    let (head, body) = request.into_parts();
    let path: Vec<&str> = head.uri.path().trim_start_matches('/').split('/').collect();
    let changed = match (&head.method, path.as_slice()) {
        (&Method::GET, ["plugins"]) => {
            return json(StatusCode::OK, &serde_json::json!({ "plugins": gateway.slots() }));
        }
        (&Method::POST, ["plugins", name]) => match Limited::new(body, BODY_BYTES_MAX).collect().await {
            Ok(body) => load(&gateway, name, &head, &body.to_bytes()).await,
            Err(error) => Err(anyhow::anyhow!("reading the plugin: {error}")),
        },
        (&Method::GET, ["targets"]) => {
            return json(StatusCode::OK, &serde_json::json!({ "targets": gateway.targets() }));
        }
        (&Method::GET, ["faults"]) => return faults::list(&gateway),
        (&Method::POST, ["faults"]) => return faults::add(&gateway, body).await,
        (&Method::DELETE, ["faults"]) => return faults::remove_all(&gateway),
        (&Method::DELETE, ["faults", id]) => return faults::remove(&gateway, id),
        (&Method::GET, ["history"]) => {
            let changes = gateway.store().history(query(head.uri.query(), "plugin"));
            return json(StatusCode::OK, &serde_json::json!({ "changes": changes, "store": gateway.store_view() }));
        }
        (&Method::GET, ["journal"]) => {
            let number = |name: &str| query(head.uri.query(), name).and_then(|text| text.parse::<u64>().ok());
            let most = number("most").and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
            let entries = gateway.journal().recall_since(number("since_unix_ms").unwrap_or(0), most).await;
            let entries: Vec<&Entry> = entries.iter().map(AsRef::as_ref).collect();
            return json(StatusCode::OK, &serde_json::json!({ "routes": gateway.routes(), "entries": entries }));
        }
        (&Method::GET, ["journal", id]) => {
            return match gateway.journal().recall(id).await {
                Some(entry) => json(StatusCode::OK, &serde_json::json!(*entry)),
                None => {
                    error(StatusCode::NOT_FOUND, "not_found", &format!("the journal has no request `{id}` (any more)"))
                }
            };
        }
        (&Method::GET, ["plugins", name, "differences"]) => {
            if !gateway.table().slots.contains_key(*name) {
                return error(StatusCode::NOT_FOUND, "not_found", &format!("there is no plugin `{name}`"));
            }
            let most = query(head.uri.query(), "most").and_then(|most| most.parse().ok()).unwrap_or(usize::MAX);
            let differences = gateway.differences().of(name, most);
            let differences: Vec<&Difference> = differences.iter().map(AsRef::as_ref).collect();
            return json(StatusCode::OK, &serde_json::json!({ "differences": differences }));
        }
        (&Method::POST, ["plugins", name, "canary"]) => {
            let percent = query(head.uri.query(), "percent").and_then(|text| text.parse().ok()).unwrap_or(0);
            gateway.canary(name, percent, forced(&head)).await
        }
        (&Method::POST, ["plugins", name, "shadow"]) => gateway.shadow(name).await,
        (&Method::POST, ["plugins", name, "swap"]) => gateway.swap(name, forced(&head)).await,
        (&Method::POST, ["plugins", name, "rollback"]) => match query(head.uri.query(), "to") {
            Some(digest) => gateway.rollback_to(name, digest, forced(&head)).await,
            None => gateway.rollback(name).await,
        },
        (method, _) => {
            return error(StatusCode::NOT_FOUND, "not_found", &format!("nothing answers {method} {}", head.uri.path()));
        }
    };
    match changed {
        Ok(slot) => json(StatusCode::OK, &serde_json::json!(LoadReply { slot, not_kept: gateway.store().trouble() })),
        Err(fault) => error(StatusCode::UNPROCESSABLE_ENTITY, "refused", &format!("{fault:#}")),
    }
}

/// With the signature that was sent along, if one was.
async fn load(gateway: &Gateway, name: &str, head: &Parts, bytes: &[u8]) -> anyhow::Result<SlotView> {
    let signature =
        head.headers.get(SIGNATURE_HEADER).map(|header| signature::decode(header.as_bytes())).transpose()?;
    gateway.load_signed(name, bytes, signature.as_deref()).await
}

fn query<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    query?.split('&').filter_map(|pair| pair.split_once('=')).find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// The operator insists.
fn forced(head: &Parts) -> bool {
    query(head.uri.query(), "force") == Some("true")
}

/// A page in an operator's browser could lead its own name to this port (DNS rebinding), and ask here. Our own command
/// asks for an address, and has no origin.
fn from_no_browser<B>(request: &Request<B>, own: Option<IpAddr>) -> Result<(), &'static str> {
    if request.headers().contains_key(ORIGIN) {
        return Err("no page in a browser may ask here: there is an Origin header");
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let ours = match address {
        // Who listens everywhere is reached by any of its addresses.
        Some(address) => address.is_loopback() || own.is_none_or(|own| own == address || own.is_unspecified()),
        None => name.eq_ignore_ascii_case("localhost"),
    };
    if ours {
        Ok(())
    } else {
        Err("ask for localhost, a loopback address, or the address that the admin port listens at")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_away_whatever_name_it_was_led_by() {
        let asked = |host: &str, own: &str| {
            let request = Request::get("/plugins").header(HOST, host).body(()).expect("a request");
            from_no_browser(&request, Some(own.parse().expect("an address"))).is_ok()
        };
        for host in ["127.0.0.1:4401", "127.9.9.9", "localhost:4401", "LOCALHOST", "[::1]:4401", "[::1]"] {
            assert!(asked(host, "127.0.0.1"), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:4401",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            "10.0.0.7",
            "0x7f000001",
            "2130706433",
        ] {
            assert!(!asked(host, "127.0.0.1"), "{host}");
        }
        assert!(asked("10.0.0.7:4401", "10.0.0.7") && asked("10.0.0.7:4401", "0.0.0.0"));
        assert!(!asked("10.0.0.8:4401", "10.0.0.7") && !asked("evil.example", "0.0.0.0"));
        let request = Request::get("/").header(HOST, "localhost").header(ORIGIN, "null").body(()).expect("a request");
        assert!(from_no_browser(&request, None).is_err());
    }
}
