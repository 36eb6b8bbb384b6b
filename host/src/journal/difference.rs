//! Where a version in the shadow would have answered otherwise than the live one, and in which situation. As in the journal,
//! there is no word of a prompt in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::Deliberation;
use super::story::{did, failure, health};
use crate::plugin::bindings::policy::{Action, Decision};
use crate::plugin::shown;

/// Differences that are kept for each plugin: what is wrong with a version shows in far fewer.
pub const DIFFERENCES_KEPT: usize = 50;

/// One answer that was not alike.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The request's id.
    pub request: String,
    pub at_unix_ms: u64,
    /// The pattern of the route.
    pub route: String,
    /// `name@digest` of the version that was obeyed, and of the one in the shadow.
    pub live: String,
    pub shadow: String,
    pub what: What,
}

/// What was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// By a policy; `targets` are the route's, as `provider/model`.
    Decision { targets: Vec<String>, deliberation: Box<Deliberation> },
    /// By an adapter, for a provider: which function of the contract was called, and where the answers part.
    Answer { function: String, provider: String, unlike: String },
}

/// The last ones of each plugin.
#[derive(Debug, Default)]
pub struct Differences {
    rings: Mutex<BTreeMap<String, VecDeque<Arc<Difference>>>>,
}

impl Differences {
    pub fn add(&self, plugin: &str, difference: Difference) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.entry(plugin.to_owned()).or_default();
        ring.push_back(Arc::new(difference));
        if ring.len() > DIFFERENCES_KEPT {
            ring.pop_front();
        }
    }

    /// The newest `most`, oldest first.
    pub fn of(&self, plugin: &str, most: usize) -> Vec<Arc<Difference>> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.get(plugin);
        ring.into_iter().flat_map(|ring| ring.iter().skip(ring.len().saturating_sub(most))).map(Arc::clone).collect()
    }
}

/// In plain words, a line for each thing: what both answered, and the facts that may have made the difference.
pub fn told(difference: &Difference) -> String {
    let Difference { request, route, live, shadow, what, .. } = difference;
    let mut lines = vec![format!("{request}: route {route}, {live}, in the shadow {shadow}")];
    match what {
        What::Answer { function, provider, unlike } => lines.push(format!("{function} for {provider}: {unlike}")),
        What::Decision { targets, deliberation } => {
            let Deliberation { situation, said, shadow, .. } = deliberation.as_ref();
            let words = |said: &Result<Decision, String>| match said {
                Ok(decision) => did(targets, decision),
                Err(fault) => format!("it failed ({fault})"),
            };
            lines.push(format!("live:      {}", words(said)));
            lines.extend(shadow.as_ref().map(|shadow| format!("shadow:    {}", words(shadow))));
            let (elapsed, left) = (situation.elapsed_ms, situation.attempts_left);
            lines.push(format!("after {elapsed} ms, {} ms and {left} attempts left", situation.remaining_ms));
            lines.extend(situation.history.iter().map(|report| failure(targets, report)));
            let concerned: Vec<u32> = [Some(said), shadow.as_ref()].into_iter().flatten().filter_map(target).collect();
            for (position, (target, state)) in targets.iter().zip(&situation.targets).enumerate() {
                if concerned.iter().any(|concerned| *concerned as usize == position) {
                    lines.push(format!("{target}: {}", health(state)));
                }
            }
        }
    }
    lines.iter().map(|line| shown(line)).collect::<Vec<_>>().join("\n    ") + "\n"
}

fn target(said: &Result<Decision, String>) -> Option<u32> {
    match said.as_ref().ok()?.action {
        Action::Attempt(attempt) => Some(attempt.target),
        Action::Wait | Action::GiveUp => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_plugin_are_kept() {
        let differences = Differences::default();
        let difference = |request: usize| Difference {
            request: request.to_string(),
            at_unix_ms: 0,
            route: "*".to_owned(),
            live: "x@1".to_owned(),
            shadow: "x@2".to_owned(),
            what: What::Answer { function: "encode".to_owned(), provider: "p".to_owned(), unlike: "body".to_owned() },
        };
        (0..DIFFERENCES_KEPT + 2).for_each(|request| differences.add("one", difference(request)));
        differences.add("other", difference(7));
        assert_eq!(differences.of("one", 999).len(), DIFFERENCES_KEPT);
        let last = differences.of("one", 2);
        assert_eq!(last.iter().map(|one| one.request.as_str()).collect::<Vec<_>>(), ["50", "51"]);
        assert_eq!(differences.of("other", 9).len(), 1);
        assert!(differences.of("none", 9).is_empty());
        assert_eq!(told(&last[0]), "50: route *, x@1, in the shadow x@2\n    encode for p: body\n");
    }
}
