//! A plugin that fails at a provider's reply: it runs out of time or memory, or traps, in `decode` or `classify`. The attempt has
//! failed. Of the plugin's version it says something only where another version reads the same bytes, or where several replies fail
//! of which no other version can be asked.

use std::sync::Arc;

use super::exchange::Exchange;
use super::untranslated::{self, CHECKED_BYTES_MAX};
use crate::plugin::bindings::provider::{Frame, ReplyHead};
use crate::plugin::{Plugin, PluginFault};

/// The call that failed, to be made again with another version.
pub enum Call<'a> {
    /// From the reply's beginning.
    Decode {
        operation: &'a str,
        stream: bool,
        frames: &'a [Frame],
        ended: bool,
    },
    Classify {
        operation: &'a str,
        head: &'a ReplyHead,
        body: &'a [u8],
    },
    /// What was remembered of the reply's beginning is of no use for another version.
    Within,
}

/// Of one reply.
pub struct Undecoded {
    other: Option<Arc<Plugin>>,
    /// It is told already: the calls that look for the place of a failure meet it again.
    is_noted: bool,
}

impl Undecoded {
    pub fn of(exchange: &Exchange, plugin: &Plugin) -> Undecoded {
        Undecoded { other: untranslated::another(&exchange.table, plugin).cloned(), is_noted: false }
    }

    /// The plugin failed at the reply.
    pub async fn note(&mut self, plugin: &Plugin, failed: &PluginFault, call: Call<'_>) {
        if *failed == PluginFault::Full || std::mem::replace(&mut self.is_noted, true) {
            return;
        }
        let bytes = match &call {
            Call::Decode { frames, .. } => frames.iter().map(|frame| frame.data.len()).sum(),
            Call::Classify { body, .. } => body.len(),
            Call::Within => usize::MAX,
        };
        let other = self.other.as_ref().and_then(|other| other.codec.as_ref());
        let Some(codec) = other.filter(|_| bytes <= CHECKED_BYTES_MAX) else { return plugin.tally.note_reply_hit() };
        // Where one call is being looked at, the others need not be.
        let Some(_checking) = plugin.tally.check() else { return };
        let is_done = match call {
            Call::Decode { operation, stream, frames, ended } => {
                codec.decode(operation, stream, &[], frames, ended).await.is_ok()
            }
            Call::Classify { operation, head, body } => codec.classify(operation, head, body).await.is_ok(),
            Call::Within => false,
        };
        if is_done {
            plugin.tally.hold_against();
        }
    }
}
