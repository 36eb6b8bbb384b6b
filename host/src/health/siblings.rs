//! The models of one provider. What befalls one of them soon befalls the others: of a model that is rarely asked, less evidence is
//! enough while a sibling is out.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Reason;
use super::usual::Form;

/// For how long a sibling's circuit that opened says something about the others. One that stays out opens again within that time.
const SUSPECTED: Duration = Duration::from_secs(60);

/// The provider's models whose circuit is out for silence or slowness, by the name of their health.
#[derive(Debug, Default)]
pub struct Siblings {
    out: HashMap<u64, Out>,
}

#[derive(Debug)]
struct Out {
    opened: Instant,
    suspicion: Suspicion,
}

/// What a sibling's trouble suggests.
#[derive(Clone, Copy, Debug)]
pub struct Suspicion {
    /// The sibling fell silent; else it is slow.
    pub is_silent: bool,
    /// When an attempt at the sibling is late: the best guess for a model of which nothing is known. By [`Form::index`].
    pub late_after: [Duration; Form::COUNT],
}

impl Siblings {
    /// A circuit opened.
    pub fn opened(&mut self, model: u64, reason: Reason, late_after: [Duration; Form::COUNT], now: Instant) {
        self.out.retain(|_, out| out.is_recent(now));
        if reason == Reason::Faults {
            // A refusal says nothing about another model; after silence or slowness the probe that fails says that it lasts.
            self.out.entry(model).and_modify(|out| out.opened = now);
            return;
        }
        let suspicion = Suspicion { is_silent: reason == Reason::Silent, late_after };
        self.out.insert(model, Out { opened: now, suspicion });
    }

    /// A circuit closed.
    pub fn closed(&mut self, model: u64) {
        self.out.remove(&model);
    }

    /// What the others' trouble suggests about this model. `None` if they are well.
    pub fn suspicion(&self, model: u64, now: Instant) -> Option<Suspicion> {
        let others = self.out.iter().filter(|(other, out)| **other != model && out.is_recent(now));
        others.map(|(_, out)| out).max_by_key(|out| (out.suspicion.is_silent, out.opened)).map(|out| out.suspicion)
    }
}

impl Out {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) <= SUSPECTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_in_trouble_is_a_suspicion_until_it_is_well_or_long_ago() {
        let (now, late) = (Instant::now(), [Duration::from_secs(3); Form::COUNT]);
        let mut siblings = Siblings::default();
        let is_silent = |siblings: &Siblings, model, now| siblings.suspicion(model, now).map(|one| one.is_silent);
        siblings.opened(1, Reason::Faults, late, now);
        assert_eq!(is_silent(&siblings, 2, now), None, "refusals say nothing about another model");
        siblings.opened(1, Reason::Slow, late, now);
        assert_eq!((is_silent(&siblings, 1, now), is_silent(&siblings, 2, now)), (None, Some(false)));
        siblings.opened(3, Reason::Silent, late, now);
        assert_eq!((is_silent(&siblings, 2, now), is_silent(&siblings, 3, now)), (Some(true), Some(false)));
        siblings.opened(3, Reason::Faults, late, now + SUSPECTED);
        assert_eq!(is_silent(&siblings, 2, now + SUSPECTED * 2), Some(true), "a probe failed");
        siblings.closed(3);
        assert_eq!(is_silent(&siblings, 2, now), Some(false));
        assert_eq!(is_silent(&siblings, 2, now + SUSPECTED + Duration::from_millis(1)), None);
    }
}
