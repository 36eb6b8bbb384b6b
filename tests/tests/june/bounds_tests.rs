use pointsman_tests::reply::Speaks;

use super::super::caller::Question;
use super::super::provider::Manner;
use super::*;

fn morning() -> Morning {
    Morning::lasting(Duration::from_secs(124))
}

fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

fn call(route: Route, at: f64, number: u32) -> Call {
    let question = Question {
        number,
        at: seconds(at),
        route,
        stream: !number.is_multiple_of(3),
        words: 10,
        manner: Manner::Usual,
        speaks: Speaks::Messages,
        model: "m",
        conversation: None,
    };
    Call {
        question,
        first: Some(seconds(0.2)),
        ended: seconds(0.4),
        is_answered: true,
        why: String::new(),
        target: "anthropic/m".to_owned(),
        attempts: 1,
        outrun: 0,
        asked_first: Some(BAD),
        expected: seconds(0.2),
    }
}

/// As it should be: in each trouble all calls but those of the first second go to the backup, and they are back after 5 s.
fn good() -> Vec<Call> {
    let morning = morning();
    let mut calls = Vec::new();
    for number in 0..620 {
        let at = f64::from(number) * 0.2;
        let mut call = call(Route::Claude, at, number);
        let phase = morning.phases.iter().position(|phase| phase.contains(call.question.at)).expect("a phase");
        let (is_bad, since) = (morning.phases[phase].is_bad(), call.question.at - morning.phases[phase].from);
        let is_first_second = since < seconds(1.0);
        if is_bad && is_first_second {
            (call.attempts, call.first) = (2, Some(seconds(1.5)));
        }
        let is_returning = !is_bad && phase > 0 && since < seconds(5.0);
        if is_bad || is_returning {
            call.target = "openai/m".to_owned();
            call.asked_first = if is_bad && is_first_second { Some(BAD) } else { Some("openai") };
        }
        calls.push(call);
        if number.is_multiple_of(5) {
            calls.extend([Route::Healthy, Route::Gpt].map(|route| self::call(route, at, number)));
        }
    }
    calls
}

/// What is said when the good morning is changed so.
fn said(change: impl Fn(&mut Call)) -> String {
    let mut calls = good();
    calls.iter_mut().for_each(change);
    [violations(&calls, &morning()), moves(&rows(&calls, &morning()))].concat().join("; ")
}

fn is_in(call: &Call, from: f64, to: f64) -> bool {
    call.question.route == Route::Claude && (seconds(from)..seconds(to)).contains(&call.question.at)
}

#[test]
fn a_good_morning_violates_nothing() {
    let rows = rows(&good(), &morning());
    assert_eq!([violations(&good(), &morning()), moves(&rows)].concat(), [] as [String; 0]);
    let slow = &rows[3];
    assert_eq!((slow.phase.name, slow.calls, slow.answered, slow.by_backup), ("slow", 50, 50, 1.0));
    assert!(slow.away.is_some_and(|away| away <= seconds(1.0)), "{slow:?}");
    assert!((slow.attempts - 1.1).abs() < 1e-9, "{slow:?}");
    let after = &rows[4];
    assert!(after.back.is_some_and(|back| (seconds(3.0)..=seconds(5.0)).contains(&back)), "{after:?}");
}

#[test]
fn each_bound_can_fail() {
    let lose = |call: &mut Call| {
        if is_in(call, 10.0, 10.3) {
            (call.is_answered, call.first) = (false, None);
        }
    };
    assert!(said(lose).contains("calls were answered, not 0.999"), "{}", said(lose));
    let slow = |call: &mut Call| {
        if is_in(call, 70.0, 71.0) {
            call.first = Some(seconds(6.0));
        }
    };
    assert!(said(slow).contains("silence: first token p99 6.0s is above 4."), "{}", said(slow));
    let stay = |call: &mut Call| {
        if is_in(call, 42.0, 52.0) {
            call.asked_first = Some(BAD);
        }
    };
    assert_eq!(said(stay), "slow: traffic was away after never");
    let leave_late = |call: &mut Call| {
        if is_in(call, 70.0, 76.0) {
            call.asked_first = Some(BAD);
        }
    };
    assert!(said(leave_late).starts_with("silence: traffic was away after "), "{}", said(leave_late));
    let keep = |call: &mut Call| {
        if is_in(call, 106.0, 124.0) {
            call.asked_first = Some("openai");
        }
    };
    assert_eq!(said(keep), "after half-dead: traffic was back after never");
    let go_away_again = |call: &mut Call| {
        if is_in(call, 115.0, 124.0) {
            call.asked_first = Some("openai");
        }
    };
    assert_eq!(said(go_away_again), "after half-dead: traffic was back after never");
    let slow_in_calm = |call: &mut Call| {
        if call.question.route == Route::Claude && call.question.number.is_multiple_of(50) {
            call.first = Some(seconds(6.5));
        }
    };
    assert!(said(slow_in_calm).contains("the whole morning: first token p99 6.5s"), "{}", said(slow_in_calm));
    let calm = |call: &mut Call| {
        if is_in(call, 20.0, 30.0) {
            call.attempts = 1;
        }
    };
    assert_eq!(said(calm), "errors: no call met it");
}

#[test]
fn the_healthy_route_has_its_own_bounds() {
    let lose = |call: &mut Call| {
        if call.question.route == Route::Healthy && call.question.number == 350 {
            call.is_answered = false;
        }
    };
    assert!(said(lose).contains("the healthy route lost 1 of 124"), "{}", said(lose));
    let notice = |call: &mut Call| {
        if call.question.route == Route::Healthy && (seconds(70.0)..seconds(80.0)).contains(&call.question.at) {
            call.first = Some(seconds(0.9));
        }
    };
    assert!(said(notice).contains("the healthy route noticed"), "{}", said(notice));
    let lose = |call: &mut Call| call.is_answered &= call.question.route != Route::Gpt || call.question.number != 350;
    assert!(said(lose).contains("the gpt route lost 1 of 124"), "{}", said(lose));
}

#[test]
fn second_attempts_in_the_first_calm_are_counted() {
    let mut calls = good();
    assert_eq!(second_attempts_in_calm(&calls, &morning()), [100, 0]);
    calls.iter_mut().filter(|call| is_in(call, 3.0, 3.3)).for_each(|call| call.attempts = 2);
    assert_eq!(second_attempts_in_calm(&calls, &morning())[1], 2);
    calls.iter_mut().filter(|call| is_in(call, 5.0, 5.1)).for_each(|call| call.outrun = 1);
    assert_eq!(second_attempts_in_calm(&calls, &morning())[1], 3);
    assert!(super::super::calm_violations([[1_000, 4], [0, 0]].into_iter()).is_empty());
    assert_eq!(super::super::calm_violations([[500, 1], [500, 4]].into_iter()).len(), 1);
}

#[test]
fn streams_that_ran_when_silence_fell_are_counted_apart() {
    let running = Call { ended: seconds(30.0), is_answered: false, ..call(Route::Claude, 69.7, 1) };
    assert!(is_apart(&running, &morning()));
    for other in [
        // It had shown nothing.
        Call { first: None, ..running.clone() },
        Call { first: Some(seconds(0.4)), ..running.clone() },
        // It was over.
        Call { ended: seconds(0.25), ..running.clone() },
        // Another answered.
        Call { target: "openai/m".to_owned(), ..running.clone() },
        // It is no stream.
        Call { ended: seconds(30.0), ..call(Route::Claude, 69.7, 3) },
        // Another trouble than silence.
        Call { ended: seconds(9.0), ..call(Route::Claude, 41.7, 1) },
    ] {
        assert!(!is_apart(&other, &morning()), "{other:?}");
    }
    let calls = [good(), vec![running]].concat();
    assert_eq!(violations(&calls, &morning()), [] as [String; 0]);
    assert_eq!(rows(&calls, &morning())[4].apart, 1);
}

#[test]
fn percentiles_are_values_that_were_there() {
    let values = (1..=200).rev().map(Duration::from_secs);
    assert_eq!(percentiles(values), [100, 190, 198].map(Duration::from_secs));
    assert_eq!(percentiles(std::iter::empty()), [Duration::ZERO; 3]);
}

#[test]
fn a_morning_that_goes_another_way_is_noticed() {
    let real = rows(&good(), &morning());
    assert!(disagreements(&real, &real).is_empty());
    let check = |name: &str, change: fn(&mut Row)| {
        let mut other = real.clone();
        other.iter_mut().for_each(change);
        let found = disagreements(&real, &other);
        assert!(found.len() == 1 && found[0].starts_with(name), "{name}: {found:?}");
    };
    check("answered:", |row| row.answered -= 1);
    check("answered by the backup", |row| row.by_backup = 1.0);
    check("attempts", |row| row.attempts += 0.2);
}
