use super::*;
use crate::config::BREAKER;
use proptest::prelude::*;

fn at(now: Instant) -> Moment<'static> {
    Moment { now, settings: &BREAKER, chance: u64::MAX / 2, is_suspected: false }
}

/// An attempt that ends at once.
fn attempt(breaker: &mut Breaker, verdict: Verdict, now: Instant) {
    let begun = breaker.begin(now);
    if verdict == Verdict::Success {
        breaker.content(false, false, begun, at(now));
    }
    breaker.end(verdict, verdict == Verdict::Success, begun, at(now));
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_bad_share_opens_it_though_no_row_of_faults_is_long() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    let opened = (0..100).find(|number| {
        let at = now + Duration::from_millis(number * 10);
        attempt(&mut breaker, if number % 4 == 0 { Verdict::Success } else { Verdict::Soft }, at);
        breaker.circuit(at) == Circuit::Open
    });
    assert!(opened.is_some_and(|number| number > 6), "{opened:?}");
    // The same faults an hour apart are chance.
    let mut breaker = Breaker::default();
    for number in 0..100 {
        let at = now + Duration::from_secs(number * 3600);
        attempt(&mut breaker, if number % 4 == 0 { Verdict::Success } else { Verdict::Hard }, at);
        assert_eq!(breaker.circuit(at), Circuit::Closed);
    }
}

#[test]
fn what_breaks_off_after_its_first_content_did_not_succeed() {
    let (now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..BREAKER.faults {
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        let begun = breaker.begin(now);
        breaker.content(false, true, begun, at(now));
        breaker.end(Verdict::Hard, true, begun, at(now));
    }
    assert_eq!(breaker.circuit(now), Circuit::Open);
}

/// Faults: F119
#[test]
fn the_first_content_of_a_probe_closes_it_and_its_stream_is_not_waited_for() {
    let (now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..BREAKER.faults {
        attempt(&mut breaker, Verdict::Hard, now);
    }
    let later = now + BREAKER.out_max;
    assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
    let begun = breaker.begin(later);
    breaker.content(false, true, begun, at(later));
    assert_eq!(breaker.circuit(later), Circuit::Closed);
}

#[test]
fn slow_calls_open_it_and_two_quick_ones_close_it() {
    let (now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..60 {
        attempt(&mut breaker, Verdict::Success, now);
    }
    for _ in 0..SLOW_SAMPLES {
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        let begun = breaker.begin(now);
        breaker.waits_long(begun, at(now));
        breaker.content(true, false, begun, at(now));
    }
    assert_eq!((breaker.circuit(now), breaker.reason()), (Circuit::Open, Some(Reason::Slow)));
    let later = now + BREAKER.out_max * 2;
    let probe = breaker.begin(later);
    breaker.waits_long(probe, at(later));
    assert_eq!(breaker.circuit(later), Circuit::Open, "it is slow still");
    let later = later + BREAKER.out_max * 2;
    attempt(&mut breaker, Verdict::Success, later);
    assert_eq!(breaker.circuit(later), Circuit::HalfOpen, "one may be quick by chance");
    attempt(&mut breaker, Verdict::Success, later);
    assert_eq!((breaker.circuit(later), breaker.reason()), (Circuit::Closed, None));
    let mut slow = 0;
    while breaker.circuit(later) == Circuit::Closed {
        let begun = breaker.begin(later);
        breaker.waits_long(begun, at(later));
        slow += 1;
    }
    assert!(slow < SLOW_SAMPLES, "it was slow a moment ago: {slow} are enough");
}

/// A half-open circuit that wants more than one good attempt, and when.
fn half_open_because_slow() -> (Breaker, Instant) {
    let (now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..SLOW_SAMPLES {
        let begun = breaker.begin(now);
        breaker.waits_long(begun, at(now));
    }
    let later = now + BREAKER.out_max * 2;
    assert_eq!(breaker.circuit(later), Circuit::HalfOpen);
    (breaker, later)
}

/// Faults: F211
#[test]
fn a_probe_that_made_way_for_the_next_one_makes_way_for_no_third() {
    let (mut breaker, now) = half_open_because_slow();
    let first = breaker.begin(now);
    breaker.content(false, false, first, at(now));
    let second = breaker.begin(now);
    assert!(second.probe.is_some() && breaker.is_probed(now), "the first one was quick");
    // Its caller leaves in the middle of its stream.
    breaker.release(first);
    assert!(breaker.is_probed(now) && breaker.begin(now).probe.is_none(), "the second one still runs");
    breaker.release(second);
    assert!(!breaker.is_probed(now));
}

/// Faults: F211
#[test]
fn a_probe_whose_stream_is_too_short_to_show_its_pace_makes_way() {
    let (mut breaker, now) = half_open_because_slow();
    breaker.reason = Reason::SlowStreams;
    let probe = breaker.begin(now);
    breaker.content(false, true, probe, at(now));
    assert!(breaker.is_probed(now), "its pace is to be seen");
    breaker.end(Verdict::Success, true, probe, at(now));
    assert!(!breaker.is_probed(now), "it has ended: another one may show it");
}

#[test]
fn a_single_slow_call_after_a_long_trouble_opens_nothing() {
    let (mut now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..SLOW_SAMPLES {
        let begun = breaker.begin(now);
        breaker.waits_long(begun, at(now));
    }
    for _ in 0..60 {
        now += BREAKER.out_max * 2;
        let probe = breaker.begin(now);
        breaker.waits_long(probe, at(now));
        assert_eq!(breaker.circuit(now), Circuit::Open);
    }
    now += BREAKER.out_max * 2;
    (0..QUICK_TO_CLOSE).for_each(|_| attempt(&mut breaker, Verdict::Success, now));
    let begun = breaker.begin(now);
    breaker.waits_long(begun, at(now));
    assert_eq!(breaker.circuit(now), Circuit::Closed);
}

#[test]
fn streams_that_trickle_open_it_and_only_a_stream_that_flows_closes_it() {
    let (now, mut breaker) = (Instant::now(), Breaker::default());
    for _ in 0..SLOW_SAMPLES {
        let begun = breaker.begin(now);
        breaker.content(false, true, begun, at(now));
        breaker.pace(true, begun, at(now));
    }
    assert_eq!(breaker.reason(), Some(Reason::SlowStreams));
    let later = now + BREAKER.out_max * 2;
    let probe = breaker.begin(later);
    breaker.content(false, true, probe, at(later));
    assert_eq!(breaker.circuit(later), Circuit::HalfOpen, "its first content came soon all the time");
    breaker.pace(false, probe, at(later));
    assert_eq!(breaker.circuit(later), Circuit::HalfOpen, "one may be quick by chance");
    let probe = breaker.begin(later);
    breaker.content(false, true, probe, at(later));
    breaker.pace(false, probe, at(later));
    assert_eq!(breaker.circuit(later), Circuit::Closed);
}

#[test]
fn the_doubling_survives_a_short_recovery() {
    let (mut now, mut breaker) = (Instant::now(), Breaker::default());
    let settings = BreakerSettings { faults: 1, out: SECOND, out_max: SECOND * 60, ..BREAKER };
    let moment = |now| Moment { now, settings: &settings, chance: u64::MAX / 2, is_suspected: false };
    let mut outs = Vec::new();
    for pause in [SECOND, SECOND, SECOND, STABLE * 2, SECOND] {
        let begun = breaker.begin(now);
        breaker.end(Verdict::Hard, false, begun, moment(now));
        outs.push(breaker.ready_at(now).expect("open").saturating_duration_since(now).as_secs_f64().round() as u64);
        now += SECOND * 60;
        // After the first time two have to be good.
        for _ in 0..2 {
            let probe = breaker.begin(now);
            breaker.content(false, true, probe, moment(now));
        }
        assert_eq!(breaker.circuit(now), Circuit::Closed, "its first contents close it");
        now += pause;
    }
    assert_eq!(outs, [1, 2, 4, 8, 1]);
}

#[test]
fn one_that_flapped_has_to_show_more_than_one_success() {
    let (mut breaker, mut now) = (Breaker::default(), Instant::now());
    let probe = |breaker: &mut Breaker, now: Instant| {
        let begun = breaker.begin(now);
        breaker.content(false, true, begun, at(now));
    };
    let fail =
        |breaker: &mut Breaker, now: Instant| (0..BREAKER.faults).for_each(|_| attempt(breaker, Verdict::Hard, now));
    fail(&mut breaker, now);
    now += BREAKER.out_max * 2;
    probe(&mut breaker, now);
    assert_eq!(breaker.circuit(now), Circuit::Closed, "the first time one is enough");
    fail(&mut breaker, now + BREAKER.out);
    now += BREAKER.out_max * 2;
    probe(&mut breaker, now);
    assert_eq!(breaker.circuit(now), Circuit::HalfOpen, "it was chance before");
    assert!(!breaker.is_probed(now), "the next one may find out at once");
    probe(&mut breaker, now);
    assert_eq!(breaker.circuit(now), Circuit::Closed);
    now += STABLE * 2;
    fail(&mut breaker, now);
    now += BREAKER.out_max * 2;
    probe(&mut breaker, now);
    assert_eq!(breaker.circuit(now), Circuit::Closed, "that was another trouble");
}

#[test]
fn what_began_before_says_nothing_about_what_is_now() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    let early = breaker.begin(now);
    for _ in 0..BREAKER.faults {
        attempt(&mut breaker, Verdict::Hard, now);
    }
    assert_eq!(breaker.circuit(now), Circuit::Open);
    breaker.content(false, false, early, at(now));
    assert_eq!(breaker.circuit(now), Circuit::Open, "a success that began before it opened");
    let out = breaker.begin(now);
    let later = now + BREAKER.out_max * 2;
    let probe = breaker.begin(later);
    assert!(probe.probe.is_some());
    breaker.content(false, false, probe, at(later));
    assert_eq!(breaker.circuit(later), Circuit::Closed);
    for _ in 0..2 * BREAKER.faults {
        breaker.end(Verdict::Hard, false, out, at(later));
    }
    assert_eq!(breaker.circuit(later), Circuit::Closed, "faults that began before it closed");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Begin,
    End(Verdict),
    Leave,
    Slow(bool),
    Pace(bool),
    Silent,
    Wait(u64),
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: of all attempts that begin while it is half-open one at most is the probe, it is never out for
    /// longer than its settings say, and a success that began after it opened always closes it, unless it was slowness that
    /// opened it.
    #[test]
    fn holds_its_promises(acts in prop::collection::vec(prop_oneof![
        3 => Just(Act::Begin),
        2 => prop_oneof![Just(Verdict::Success), Just(Verdict::Soft), Just(Verdict::Hard)].prop_map(Act::End),
        1 => Just(Act::Leave),
        1 => any::<bool>().prop_map(Act::Slow),
        1 => any::<bool>().prop_map(Act::Pace),
        1 => Just(Act::Silent),
        1 => (0_u64..40_000).prop_map(Act::Wait),
    ], 1..200), chance in any::<u64>()) {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        // With each: it is a probe that has not yet shown what it was to show.
        let mut running: Vec<(Begun, bool)> = Vec::new();
        for act in acts {
            let moment = Moment { now, settings: &BREAKER, chance, is_suspected: false };
            match act {
                Act::Begin => {
                    let begun = breaker.begin(now);
                    running.push((begun, begun.probe.is_some()));
                }
                Act::End(verdict) => if let Some((begun, _)) = running.pop() {
                    let is_new = begun.changes == breaker.changes;
                    // Then one success is not enough.
                    let needs_more = breaker.reason().is_some_and(Reason::is_soft) || breaker.has_flapped;
                    if verdict == Verdict::Success {
                        breaker.content(false, true, begun, moment);
                    }
                    breaker.end(verdict, verdict == Verdict::Success, begun, moment);
                    if verdict == Verdict::Success && is_new && !needs_more {
                        prop_assert_eq!(breaker.circuit(now), Circuit::Closed);
                    }
                },
                // The oldest: another one may be the probe by now.
                Act::Leave => if !running.is_empty() {
                    breaker.release(running.remove(0).0);
                },
                Act::Slow(is_slow) => if let Some((begun, is_probe)) = running.last_mut() {
                    breaker.content(is_slow, true, *begun, moment);
                    // A probe that has shown what it was to show makes way for the next one.
                    *is_probe &= breaker.probing.is_some();
                },
                Act::Pace(is_slow) => if let Some((begun, is_probe)) = running.last_mut() {
                    breaker.pace(is_slow, *begun, moment);
                    *is_probe &= breaker.probing.is_some();
                },
                Act::Silent => breaker.silent(moment),
                Act::Wait(millis) => now += Duration::from_millis(millis),
            }
            let probes = running.iter().filter(|(begun, is_probe)| *is_probe && begun.changes == breaker.changes).count();
            prop_assert!(probes <= 1);
            if let Some(until) = breaker.open_until {
                prop_assert!(until <= now + BREAKER.out_max.mul_f64(1.2));
            }
        }
    }
}
