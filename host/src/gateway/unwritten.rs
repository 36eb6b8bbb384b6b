//! A plugin that fails when it writes a reply in the caller's protocol: it runs out of time or memory, or traps, in `write`. What it
//! writes is a provider's, in a stream that one caller chose. Of the plugin's version it says something only where another version
//! writes the same, where it befalls several callers, or where it befalls several replies in a row.

use std::sync::Arc;

use super::exchange::Exchange;
use super::untranslated::{self, CHECKED_BYTES_MAX};
use crate::plugin::bindings::chat::Event;
use crate::plugin::{Plugin, PluginFault, written_bytes};

/// The call that failed, to be made again with another version.
pub struct Call<'a> {
    pub operation: &'a str,
    pub stream: bool,
    pub memory: &'a [u8],
    pub events: &'a [Event],
    pub ended: bool,
    /// The reply's first: what a version remembers of a reply's beginning is of no use for another one.
    pub is_first: bool,
}

/// Of one reply.
pub struct Unwritten {
    other: Option<Arc<Plugin>>,
    /// A digest of the caller's key. `None`: there are no keys, and no callers to tell apart.
    caller: Option<[u8; 32]>,
    /// Each reply counts once.
    is_noted: bool,
}

impl Unwritten {
    pub fn of(exchange: &Exchange) -> Unwritten {
        Unwritten {
            other: untranslated::another(&exchange.table, &exchange.endpoint.plugin).cloned(),
            caller: exchange.caller.as_ref().map(|caller| caller.digest),
            is_noted: false,
        }
    }

    /// The plugin failed at it.
    pub async fn note(&mut self, plugin: &Plugin, failed: &PluginFault, call: Call<'_>) {
        if *failed == PluginFault::Full || std::mem::replace(&mut self.is_noted, true) {
            return;
        }
        let bytes = call.events.iter().map(written_bytes).sum::<usize>();
        let other = self.other.as_ref().and_then(|other| other.codec.as_ref());
        let Some(codec) = other.filter(|_| call.is_first && bytes <= CHECKED_BYTES_MAX) else {
            plugin.tally.note_caller_hit(self.caller.as_ref());
            plugin.tally.note_reply_hit();
            return;
        };
        // Where one call is being looked at, the others need not be.
        let Some(_checking) = plugin.tally.check() else { return };
        let Call { operation, stream, memory, events, ended, .. } = call;
        if codec.write(operation, stream, memory, events, ended).await.is_ok() {
            plugin.tally.hold_against();
        }
    }
}
