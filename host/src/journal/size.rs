//! An entry takes no more than so many bytes, however many targets its route has and however often its policy was asked. What does
//! not fit is left out and counted.

use std::mem::size_of_val;

use super::{Deliberation, Entry};
use crate::plugin::bindings::policy::{Attribute, Decision};

/// About as many bytes as one entry takes in memory: twenty times a usual one.
pub const ENTRY_BYTES_MAX: usize = 64 << 10;

impl Entry {
    /// Leave out what does not fit. The newest deliberation goes before the others: it says how the request ended.
    pub(super) fn cut(&mut self) {
        let mut room = ENTRY_BYTES_MAX;
        let mut left_out = fit(&mut self.targets, &mut room, |name| size_of_val(name) + name.len());
        let mut newest = self.deliberations.split_off(self.deliberations.len().saturating_sub(1));
        left_out += fit(&mut newest, &mut room, bytes);
        left_out += fit(&mut self.deliberations, &mut room, bytes);
        self.deliberations.append(&mut newest);
        left_out += fit(&mut self.spent, &mut room, |spent| size_of_val(spent) + spent.target.len());
        left_out += fit(&mut self.injected, &mut room, |one| {
            size_of_val(one) + one.fault.len() + one.kind.len() + one.target.len()
        });
        self.left_out += left_out;
    }
}

/// Keep of a list what fits, from its beginning. Gives how many did not.
fn fit<T>(list: &mut Vec<T>, room: &mut usize, bytes: impl Fn(&T) -> usize) -> usize {
    let before = list.len();
    let fitting = list.iter().map_while(|one| {
        *room = room.checked_sub(bytes(one))?;
        Some(())
    });
    let fitting = fitting.count();
    list.truncate(fitting);
    list.shrink_to_fit();
    before - fitting
}

/// Of a deliberation, about.
fn bytes(deliberation: &Deliberation) -> usize {
    let Deliberation { situation, said, overruled, shadow } = deliberation;
    let attributes = |list: &[Attribute]| -> usize {
        list.iter().map(|one| size_of_val(one) + one.name.len() + one.value.len()).sum()
    };
    let targets = situation.targets.iter().map(|target| size_of_val(target) + attributes(&target.attributes));
    let history = situation.history.iter().map(|report| size_of_val(report) + attributes(&report.attributes));
    let request = &situation.request;
    let words = |said: &Result<Decision, String>| match said {
        Ok(decision) => decision.reason.len(),
        Err(why) => why.len(),
    };
    size_of_val(deliberation)
        + targets.sum::<usize>()
        + history.sum::<usize>()
        + size_of_val(&situation.running[..])
        + attributes(&situation.attributes)
        + attributes(&request.attributes)
        + request.operation.len()
        + request.protocol.len()
        + request.caller.len()
        + words(said)
        + overruled.as_ref().map_or(0, String::len)
        + shadow.as_ref().map_or(0, words)
}

#[cfg(test)]
mod tests {
    use super::super::{Spent, story};
    use super::*;
    use crate::plugin::bindings::policy::{Action, Circuit, RequestFacts, Situation, TargetState};

    fn deliberation(number: usize, targets: usize) -> Deliberation {
        let attribute = |at: usize| Attribute { name: format!("attribute-{at}"), value: "1".repeat(20) };
        let state = || TargetState {
            able: true,
            circuit: Circuit::Closed,
            ready_in_ms: 0,
            retry_after_ms: 0,
            samples: 0,
            success_rate: 1.0,
            first_token_ms: None,
            in_flight: 0,
            room: None,
            headroom: None,
            price: None,
            warm_ms: None,
            attributes: (0..7).map(attribute).collect(),
        };
        let request = RequestFacts {
            operation: "chat".to_owned(),
            protocol: "openai-chat".to_owned(),
            stream: false,
            body_bytes: 0,
            input_tokens_estimate: 0,
            tools: false,
            images: false,
            documents: false,
            audio: false,
            caller: String::new(),
            conversation: 0,
            continuing: false,
            attributes: Vec::new(),
        };
        let situation = Situation {
            request,
            targets: (0..targets).map(|_| state()).collect(),
            history: Vec::new(),
            running: Vec::new(),
            elapsed_ms: 0,
            remaining_ms: 0,
            attempts_left: 0,
            now_unix_ms: 0,
            random: 0,
            sequence: 0,
            attributes: Vec::new(),
        };
        let said = Ok(Decision { action: Action::Wait, reason: number.to_string() });
        Deliberation { situation, said, overruled: None, shadow: None }
    }

    fn entry(deliberations: usize, targets: usize) -> Entry {
        Entry {
            targets: (0..targets).map(|number| format!("provider/{number}")).collect(),
            deliberations: (0..deliberations).map(|number| deliberation(number, targets)).collect(),
            spent: vec![Spent { target: "a/b".to_owned(), input_tokens: 1, output_tokens: 1, told: true }],
            ..Entry::default()
        }
    }

    /// Faults: F182
    #[test]
    fn an_entry_takes_no_more_than_it_may_and_says_what_was_left_out() {
        let mut usual = entry(3, 4);
        usual.cut();
        assert_eq!((usual.deliberations.len(), usual.spent.len(), usual.left_out), (3, 1, 0));
        let mut many = entry(32, 40);
        many.cut();
        let reasons: Vec<_> = many.deliberations.iter().filter_map(|one| one.said.as_ref().ok()).collect();
        assert!((2..16).contains(&reasons.len()), "{}", reasons.len());
        assert_eq!(
            (&*reasons[0].reason, &*reasons[reasons.len() - 1].reason),
            ("0", "31"),
            "its beginning and its end"
        );
        assert!(many.deliberations.iter().map(bytes).sum::<usize>() <= ENTRY_BYTES_MAX);
        assert_eq!(many.left_out, 32 - reasons.len());
        assert!(story(&many).contains("were left out"), "{}", story(&many));
        // Not even one fits.
        let mut huge = entry(32, 10_000);
        huge.cut();
        assert_eq!((huge.deliberations.len(), huge.targets.len() < 10_000), (0, true));
    }
}
