//! Is an adapter fit to serve? Each side of it is asked what it may be asked in production and more: requests that nobody
//! sends, replies that are none. One that is both sides of a protocol has to understand itself, too.

mod around;
mod bad;
pub mod case;
pub mod cases;
mod classify;
mod decode;
mod encode;
mod events;
mod json;
mod provider;
mod read;
mod requests;
mod subject;
mod write;

use std::sync::Arc;

use self::subject::Subject;
use super::{Check, Trial};
use crate::plugin::{Kind, Plugin};

/// What most requests are for.
const CHAT: &str = "chat";

/// Every check but the author's own cases.
pub async fn try_out(plugin: &Arc<Plugin>, trial: &Trial) -> Vec<Check> {
    let mut checks = Vec::new();
    if trial.journal.is_some() || !trial.targets.is_empty() {
        let mut check = Check::new("situations");
        check.fail("--journal, --targets", format!("it is a {}", plugin.kind), "a policy: adapters decide nothing");
        checks.push(check);
    }
    let subject = match Subject::open(plugin, &trial.settings).await {
        Ok(subject) => subject,
        Err(error) => {
            let mut check = Check::new("describes");
            check.fail("a fresh instance", format!("{error:#}"), "it describes itself again");
            return vec![check];
        }
    };
    let Kind::Adapter { provider, client } = plugin.kind else { return checks };
    let mut spoken = None;
    if provider {
        let (described, description) = provider::describes(&subject).await;
        checks.push(described);
        checks.push(provider::refuses(&subject).await);
        if let Some(description) = &description {
            checks.push(encode::check(&subject, description, trial).await);
            checks.push(classify::check(&subject, description).await);
            checks.push(decode::check(&subject, description).await);
        }
        spoken = description.map(|description| description.protocol);
    }
    if client {
        checks.push(read::describes(&subject));
        checks.push(read::check(&subject).await);
        checks.push(write::check(&subject).await);
        checks.push(write::refuses(&subject).await);
    }
    // The two sides of a component may be of two protocols.
    if spoken.is_some() && spoken.as_deref() == subject.client().map(|description| description.protocol.as_str()) {
        checks.push(around::requests(&subject, trial).await);
        checks.push(around::replies(&subject).await);
    }
    checks
}
