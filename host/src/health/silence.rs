//! One silent target is noticed by its waiting calls together. Each of them alone may just be a long one; that all of them are, and
//! not one shows a sign of progress, is soon too unlikely.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::Begun;
use super::siblings::Suspicion;
use super::usual::{Form, Usual};
use crate::upstream::SentAt;

/// A target that shows progress at least this often is not silent, whatever chance says: pauses of a second befall all calls of a
/// provider alike.
const SILENT_MIN: Duration = Duration::from_secs(2);
/// Fewer calls say nothing together.
const CALLS_MIN: usize = 2;
/// The logarithm of the chance below which silence is none: one in a million.
const CHANCE_MIN_LN: f64 = -13.8;
/// The same while another model of the provider is silent: one in twenty.
const CHANCE_SUSPECTED_LN: f64 = -3.0;
/// What was given up so long ago says nothing about now.
const GIVEN_UP_COUNTS: Duration = Duration::from_secs(60);
/// It is looked at most so often, however many calls wait.
const LOOK: Duration = Duration::from_millis(100);

/// So long nobody got a connection whom others outran: a lost packet costs a second.
const UNCONNECTED_MIN: Duration = Duration::from_secs(2);

/// The calls that wait for their first content.
#[derive(Debug, Default)]
pub struct Waiting {
    calls: HashMap<u64, Call>,
    next: u64,
    /// When any call last showed content, or a sign of life after its opening.
    progress: Option<Instant>,
    given_up: GivenUp,
    unconnected: Unconnected,
    looked: Option<Instant>,
}

/// Calls that stopped waiting since the last progress: another attempt was sooner, or the caller left. A policy that hedges soon would
/// otherwise never see the silence, because no call waits long.
#[derive(Debug, Default)]
struct GivenUp {
    calls: usize,
    /// Of what they waited: the logarithm of the chance that a good target shows nothing for so long.
    chance_ln: f64,
    /// When the first of them began, and when the last gave up.
    first: Option<Instant>,
    last: Option<Instant>,
}

/// Calls that were given up before they had a connection. What comes to no connection for its own time is a fault; where others
/// always are sooner, none would ever come so far.
#[derive(Debug, Default)]
struct Unconnected {
    /// For how long somebody waited in vain since the last connection. Those who wait together count once.
    waited: Duration,
    until: Option<Instant>,
}

#[derive(Debug)]
struct Call {
    form: Form,
    /// Its wait begins when it is sent.
    sent_at: SentAt,
    begun: Begun,
    is_slow: bool,
    is_late: bool,
}

/// What a look showed.
#[derive(Debug, Default)]
pub struct Looked {
    /// Calls that have become slow since the last look; one that has become late, which is far worse, stands here once more.
    pub slow: Vec<Begun>,
    /// How long the slow calls have waited at least, and for which form of reply.
    pub waits: Vec<(Form, Duration)>,
    pub is_silent: bool,
}

/// What it says about a target that a call was given up.
#[derive(Clone, Copy, Debug)]
pub struct GaveUp {
    /// It had waited longer than most do, and has not been counted as slow.
    pub is_slow: bool,
    pub is_silent: bool,
}

impl Waiting {
    /// A call will be sent: from then on it waits. What is returned ends its wait.
    pub fn add(&mut self, form: Form, begun: Begun, sent_at: SentAt) -> u64 {
        self.next += 1;
        self.calls.insert(self.next, Call { form, sent_at, begun, is_slow: false, is_late: false });
        self.next
    }

    /// The calls that were sent, and when.
    fn sent(&self) -> impl Iterator<Item = (&Call, Instant)> {
        self.calls.values().filter_map(|call| Some((call, call.sent_at.get()?)))
    }

    /// It waits no more. True if it was found to be slow.
    pub fn remove(&mut self, call: u64) -> bool {
        self.calls.remove(&call).is_some_and(|call| call.is_slow)
    }

    /// It was given up before it showed anything. `None` if it was not sent.
    pub fn give_up(&mut self, call: u64, usual: &Usual, suspicion: Option<Suspicion>, now: Instant) -> Option<GaveUp> {
        let call = self.calls.remove(&call)?;
        let since = call.sent_at.get()?;
        self.connected();
        if self.given_up.last.is_some_and(|last| now.saturating_duration_since(last) > GIVEN_UP_COUNTS) {
            self.given_up = GivenUp::default();
        }
        self.given_up.calls += 1;
        self.given_up.chance_ln += self.chance_ln(&call, since, usual, now);
        let first = self.given_up.first.map_or(since, |first| first.min(since));
        (self.given_up.first, self.given_up.last) = (Some(first), Some(now));
        let waited = now.saturating_duration_since(since);
        let is_slow = !call.is_slow && waited >= usual.few_wait(call.form);
        Some(GaveUp { is_slow, is_silent: self.is_silent(usual, suspicion, now) })
    }

    /// It was given up while it waited for a connection since `since`. True if others have waited in vain as well: for
    /// [`UNCONNECTED_MIN`] together.
    pub fn give_up_connecting(&mut self, since: Instant, now: Instant) -> bool {
        if self.unconnected.until.is_some_and(|until| now.saturating_duration_since(until) > GIVEN_UP_COUNTS) {
            self.connected();
        }
        let from = self.unconnected.until.map_or(since, |until| until.max(since));
        self.unconnected.waited += now.saturating_duration_since(from);
        self.unconnected.until = Some(now);
        self.unconnected.waited >= UNCONNECTED_MIN
    }

    /// There is a way to the target.
    pub fn connected(&mut self) {
        self.unconnected = Unconnected::default();
    }

    pub fn progress(&mut self, now: Instant) {
        (self.progress, self.given_up) = (Some(now), GivenUp::default());
    }

    /// How long there was no progress while a call waited for it. `None` if none waits.
    pub fn quiet_for(&self, now: Instant) -> Option<Duration> {
        let first = self.sent().map(|(_, since)| since).min()?;
        Some(now.saturating_duration_since(self.progress.map_or(first, |progress| progress.max(first))))
    }

    /// Which calls have become slow, and is the target silent? `None` if it was looked a moment ago.
    pub fn look(&mut self, usual: &Usual, suspicion: Option<Suspicion>, now: Instant) -> Option<Looked> {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK) {
            return None;
        }
        self.looked = Some(now);
        let mut looked = Looked { is_silent: self.is_silent(usual, suspicion, now), ..Looked::default() };
        for call in self.calls.values_mut() {
            let Some(since) = call.sent_at.get() else { continue };
            let waits = now.saturating_duration_since(since);
            // Nothing is known of it: its siblings' times are the best guess.
            let guess = suspicion.filter(|_| !usual.is_known(call.form)).map(|one| one.late_after[call.form.index()]);
            let [slow, late] = [usual.slow_after(call.form), usual.late_after(call.form)]
                .map(|after| guess.map_or(after, |guess| guess.min(after)));
            if !call.is_slow && waits > slow {
                call.is_slow = true;
                looked.slow.push(call.begun);
            }
            if !call.is_late && waits > late {
                call.is_late = true;
                looked.slow.push(call.begun);
            }
            if call.is_slow {
                looked.waits.push((call.form, waits));
            }
        }
        Some(looked)
    }

    fn is_silent(&self, usual: &Usual, suspicion: Option<Suspicion>, now: Instant) -> bool {
        let waiting = self.sent().map(|(_, since)| since).min();
        let Some(first) = [waiting, self.given_up.first].into_iter().flatten().min() else { return false };
        let quiet_since = self.progress.map_or(first, |progress| progress.max(first));
        if now.saturating_duration_since(quiet_since) < SILENT_MIN {
            return false;
        }
        let chance_ln: f64 = self.sent().map(|(call, since)| self.chance_ln(call, since, usual, now)).sum();
        let chance_ln = chance_ln + self.given_up.chance_ln;
        let calls = self.sent().count() + self.given_up.calls;
        if calls >= CALLS_MIN && chance_ln < CHANCE_MIN_LN {
            return true;
        }
        let Some(suspicion) = suspicion.filter(|suspicion| suspicion.is_silent) else { return false };
        let is_late = |(call, since): (&Call, Instant)| {
            let waits = now.saturating_duration_since(since.max(quiet_since));
            !usual.is_known(call.form) && waits > suspicion.late_after[call.form.index()]
        };
        chance_ln < CHANCE_SUSPECTED_LN || self.sent().any(is_late)
    }

    /// The logarithm of the chance that a good target has shown this call nothing.
    fn chance_ln(&self, call: &Call, since: Instant, usual: &Usual, now: Instant) -> f64 {
        let elapsed = |until: Instant| until.saturating_duration_since(since);
        // What it had waited before the last progress is no sign of what has happened since.
        let before = self.progress.map_or(Duration::ZERO, elapsed);
        let (then, now) = (usual.still_waiting(call.form, before), usual.still_waiting(call.form, elapsed(now)));
        (now / then).ln().min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn sent(at: Instant) -> SentAt {
        let sent_at = SentAt::default();
        sent_at.note(at);
        sent_at
    }

    /// Usually 100 to 400 ms.
    fn usual(form: Form, now: Instant) -> Usual {
        let mut usual = Usual::default();
        (0..600).for_each(|number| usual.add_first_content(form, MILLI * (100 + number % 300), now));
        usual
    }

    /// After how many milliseconds it is noticed that nothing comes any more, when a call comes each `every` ms.
    fn noticed_after(every: u32) -> Option<u32> {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let (usual, mut waiting) = (usual(form, began), Waiting::default());
        waiting.progress(began);
        (1..60_000).find(|millis| {
            let now = began + MILLI * *millis;
            if millis % every == 0 {
                waiting.add(form, Begun::default(), sent(now));
            }
            millis % 250 == 0 && waiting.look(&usual, None, now).is_some_and(|looked| looked.is_silent)
        })
    }

    #[test]
    fn the_more_wait_the_sooner_it_is_noticed() {
        assert!(noticed_after(33).is_some_and(|millis| millis <= 2_250), "{:?}", noticed_after(33));
        assert!(noticed_after(500).is_some_and(|millis| millis <= 4_000), "{:?}", noticed_after(500));
        assert!(noticed_after(6_000).is_some_and(|millis| millis > 12_000), "{:?}", noticed_after(6_000));
    }

    #[test]
    fn calls_that_were_given_up_count_as_well() {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let usual = usual(form, began);
        // Each waits for `waits` ms, and another answers it.
        let noticed_after = |waits: u32| {
            let mut waiting = Waiting::default();
            waiting.progress(began);
            (1..60_u32).find(|number| {
                let call = waiting.add(form, Begun::default(), sent(began + MILLI * 500 * *number));
                let gave_up = waiting.give_up(call, &usual, None, began + MILLI * (500 * number + waits));
                gave_up.is_some_and(|gave_up| gave_up.is_silent)
            })
        };
        assert!(noticed_after(450).is_some_and(|calls| calls <= 6), "{:?}", noticed_after(450));
        assert_eq!(noticed_after(50), None, "nobody expects a reply so soon");
        let mut waiting = Waiting::default();
        for number in 1..60 {
            let now = began + MILLI * 500 * number;
            let call = waiting.add(form, Begun::default(), sent(now));
            let gave_up = waiting.give_up(call, &usual, None, now + MILLI * 500).expect("it waited");
            assert!(gave_up.is_slow && !gave_up.is_silent, "it answers others");
            waiting.progress(now + MILLI * 460);
        }
    }

    #[test]
    fn one_that_speaks_speaks_for_all_and_one_call_says_nothing() {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let (usual, mut waiting) = (usual(form, began), Waiting::default());
        let calls: Vec<u64> = (0..30).map(|_| waiting.add(form, Begun::default(), sent(began))).collect();
        for second in 1..20 {
            let now = began + MILLI * 1_000 * second;
            waiting.progress(now - MILLI);
            assert!(!waiting.look(&usual, None, now).expect("a look").is_silent);
        }
        for call in &calls[1..] {
            waiting.remove(*call);
        }
        let later = began + MILLI * 600_000;
        assert!(!waiting.look(&usual, None, later).expect("a look").is_silent);
        assert!(waiting.remove(calls[0]), "it was slow");
    }

    #[test]
    fn what_nobody_knows_yet_is_given_time() {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let (usual, mut waiting) = (Usual::default(), Waiting::default());
        for _ in 0..40 {
            waiting.add(form, Begun::default(), sent(began));
        }
        let is_silent = |waiting: &mut Waiting, seconds: u32| {
            waiting.look(&usual, None, began + MILLI * 1_000 * seconds).expect("a look").is_silent
        };
        assert!(!is_silent(&mut waiting, 9) && is_silent(&mut waiting, 15));
    }

    #[test]
    fn while_a_sibling_is_silent_one_call_is_enough() {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let late_after = [MILLI * 3_000; Form::COUNT];
        let noticed_after = |usual: &Usual, is_silent: bool| {
            let mut waiting = Waiting::default();
            waiting.add(form, Begun::default(), sent(began));
            (1..200).map(|tenth| tenth * 100).find(|millis| {
                let suspicion = Some(Suspicion { is_silent, late_after });
                waiting.look(usual, suspicion, began + MILLI * *millis).is_some_and(|looked| looked.is_silent)
            })
        };
        let (known, unknown) = (usual(form, began), Usual::default());
        assert_eq!(noticed_after(&known, true), Some(2_000));
        assert_eq!(noticed_after(&unknown, true), Some(3_100), "as late as its sibling would be");
        assert_eq!((noticed_after(&known, false), noticed_after(&unknown, false)), (None, None), "it is only slow");
    }

    /// Faults: F160
    #[test]
    fn who_waits_for_a_connection_waits_for_no_reply() {
        let (form, began) = (Form::new(true, 100), Instant::now());
        let (usual, mut waiting) = (usual(form, began), Waiting::default());
        let calls: Vec<SentAt> = (0..30).map(|_| SentAt::default()).collect();
        for sent_at in &calls {
            sent_at.note_connecting(began);
            waiting.add(form, Begun::default(), sent_at.clone());
        }
        let looked = waiting.look(&usual, None, began + MILLI * 4_900).expect("a look");
        assert!(!looked.is_silent && looked.slow.is_empty() && looked.waits.is_empty(), "{looked:?}");
        assert_eq!(waiting.quiet_for(began + MILLI * 4_900), None);
        calls.iter().for_each(|sent_at| sent_at.note(began + MILLI * 4_900));
        assert!(!waiting.look(&usual, None, began + MILLI * 6_000).expect("a look").is_silent);
        assert!(waiting.look(&usual, None, began + MILLI * 7_500).expect("a look").is_silent, "now they were sent");
    }

    #[test]
    fn who_is_outrun_before_it_has_a_connection_counts_in_the_end() {
        let began = Instant::now();
        let at = |millis: u32| began + MILLI * millis;
        let mut waiting = Waiting::default();
        let given_up: Vec<bool> =
            (0..5).map(|call| waiting.give_up_connecting(at(call * 1_000), at(call * 1_000 + 500))).collect();
        assert_eq!(given_up, [false, false, false, true, true], "half a second each");
        waiting.connected();
        assert!(!waiting.give_up_connecting(at(5_000), at(5_500)));
        assert!((0..9).all(|_| !waiting.give_up_connecting(at(5_000), at(5_600))), "they waited together");
        assert!(!waiting.give_up_connecting(at(80_000), at(81_000)), "that was long ago");
    }
}
