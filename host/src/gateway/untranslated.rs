//! A plugin that fails at the caller's own body: it runs out of time or memory, or traps, in `read` or `encode`. That is the
//! trouble of this one request. It says nothing of the target, and of the plugin's version only where another version does
//! the same call, or where it befalls several callers.

use std::sync::Arc;

use hyper::StatusCode;

use super::begun::Failed;
use super::exchange::Exchange;
use super::refusal::{Refusal, fault};
use super::table::{Slot, Table};
use crate::plugin::bindings::chat::{Json, Request};
use crate::plugin::bindings::client_protocol::Header;
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::ModelFacts;
use crate::plugin::{Codec, Plugin, PluginFault};

/// Another version is not asked about a larger body: it costs the caller time.
pub const CHECKED_BYTES_MAX: usize = 1 << 20;

/// The call that failed, to be made again with another version.
pub enum Call<'a> {
    Read { operation: &'a str, headers: &'a [Header], body: &'a [u8] },
    Encode { settings: &'a Json, operation: &'a str, request: &'a Request, facts: &'a ModelFacts, body_bytes: usize },
}

/// A plugin that failed at this request's body.
#[derive(Clone, Debug)]
pub struct Untranslated {
    sha256: String,
    /// It was the caller's protocol that could not be read, not the provider's that could not be written.
    is_read: bool,
    why: Why,
    message: String,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// More work or memory than one request may cost.
    TooMuch,
    /// The plugin trapped.
    Unreadable,
    /// Another version of the plugin does it.
    Version,
}

/// A call on the caller's body failed: whose fault it is, and what the attempt failed with. The kind is `unsupported`, so that
/// no breaker hears of it, and a target that needs no such translation is still asked.
pub async fn note(exchange: &Exchange, plugin: &Arc<Plugin>, failed: &PluginFault, call: Call<'_>) -> Fault {
    if *failed == PluginFault::Full {
        return fault(FaultKind::Busy, failed.to_string());
    }
    plugin.tally.note_caller_hit(exchange.caller.as_ref().map(|caller| &caller.digest));
    let is_versions = match another(&exchange.table, plugin) {
        Some(other) => is_done_by(other, plugin, &call).await,
        None => false,
    };
    if is_versions {
        plugin.tally.hold_against();
    }
    let is_read = matches!(call, Call::Read { .. });
    let what = if is_read { "reading the request" } else { "translating the request for this provider" };
    let (why, message) = match (is_versions, failed) {
        (true, _) => (Why::Version, format!("{what}: the plugin `{}` failed: {failed}", plugin.name)),
        (false, PluginFault::Time | PluginFault::Memory) => {
            (Why::TooMuch, format!("{what} takes more time or memory than one request may: send a smaller one"))
        }
        (false, _) => (Why::Unreadable, format!("{what}: the plugin `{}` failed at it: {failed}", plugin.name)),
    };
    exchange.untranslated().push(Untranslated {
        sha256: plugin.sha256.clone(),
        is_read,
        why,
        message: message.clone(),
    });
    fault(FaultKind::Unsupported, message)
}

/// Why the target at this position cannot be asked, after a plugin that it needs failed at this request.
pub fn reason(exchange: &Exchange, position: usize) -> Option<String> {
    let adapter = exchange.adapter(exchange.route.targets.get(position)?)?;
    if adapter.description.protocol == exchange.endpoint.protocol {
        return None;
    }
    let untranslated = exchange.untranslated();
    let its = untranslated.iter().find(|one| one.is_read || one.sha256 == adapter.plugin.sha256)?;
    Some(its.message.clone())
}

/// What the caller is told, when no target was asked because nobody can translate the request.
pub fn refusal(exchange: &Exchange, history: &[Failed]) -> Option<Refusal> {
    let is_only_reason = history.iter().all(|failed| failed.fault.kind == FaultKind::Unsupported)
        && (0..exchange.route.targets.len()).all(|position| exchange.why_unable(position).is_some());
    let untranslated = exchange.untranslated();
    // A version that is about to be replaced may do it the next time: that is the best news.
    let telling = untranslated.iter().max_by_key(|one| one.why).filter(|_| is_only_reason)?;
    Some(match telling.why {
        Why::TooMuch => {
            Refusal::of(FaultKind::TooLarge, None, &telling.message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
        }
        Why::Unreadable => {
            Refusal::of(FaultKind::InvalidRequest, None, &telling.message).with_status(StatusCode::UNPROCESSABLE_ENTITY)
        }
        Why::Version => Refusal::of(FaultKind::AdapterFailed, None, &telling.message),
    })
}

/// The version that serves beside this one, or served before it.
pub fn another<'a>(table: &'a Table, plugin: &Plugin) -> Option<&'a Arc<Plugin>> {
    let Slot { live, previous, barred, .. } = table.slots.get(&plugin.name)?;
    let others = [live].into_iter().chain(previous);
    others.into_iter().find(|other| other.sha256 != plugin.sha256 && !barred.contains_key(&other.sha256))
}

/// Does another version do the same call? One such call runs at a time for each version.
async fn is_done_by(other: &Plugin, plugin: &Plugin, call: &Call<'_>) -> bool {
    let Some(_checking) = plugin.tally.check() else { return false };
    let Some(codec): Option<&Codec> = other.codec.as_ref() else { return false };
    match call {
        Call::Read { operation, headers, body } => {
            body.len() <= CHECKED_BYTES_MAX && codec.read(operation, headers, body).await.is_ok()
        }
        Call::Encode { settings, operation, request, facts, body_bytes } => {
            *body_bytes <= CHECKED_BYTES_MAX
                && codec.encode(settings, operation, request, facts, *body_bytes).await.is_ok()
        }
    }
}
