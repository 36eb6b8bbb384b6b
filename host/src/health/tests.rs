use super::*;
use crate::config::{BREAKER, LIMITS};
use crate::plugin::bindings::faults::FaultKind;
use crate::upstream::SentAt;

const KEYS: &[KeyId] = &[1];
const MIDDLE: u64 = u64::MAX / 2;

async fn begin(health: &Arc<Health>, keys: &[KeyId]) -> Running {
    let settings = BreakerSettings { faults: 3, ..BREAKER };
    let now = Instant::now();
    let permit = health.admission.admit(LIMITS, now + Duration::from_secs(1)).await.expect("room");
    let (form, sent_at) = (Form::new(true, 100), &SentAt::default());
    sent_at.note(now);
    let start = Start { keys, key: None, settings, is_probe: false, form, conversation: 0, chance: MIDDLE, sent_at };
    Running::begin(health, permit, start, now).expect("no probe")
}

async fn fail(health: &Arc<Health>, kind: FaultKind, retry_after: Option<Duration>) {
    begin(health, KEYS).await.fail(kind, 0, retry_after, Instant::now());
}

fn view(health: &Health) -> TargetState {
    health.view(KEYS, LIMITS, Form::new(true, 100), Instant::now())
}

#[tokio::test(start_paused = true)]
async fn faults_in_a_row_open_the_breaker_and_one_probe_closes_it() {
    let health = Arc::new(Health::default());
    for _ in 0..3 {
        assert_eq!(view(&health).circuit, Circuit::Closed);
        fail(&health, FaultKind::Overloaded, None).await;
    }
    let out = view(&health);
    assert_eq!((out.circuit, out.ready_in_ms, out.retry_after_ms), (Circuit::Open, 2_000, 0));
    let out_since_ms = |state: &TargetState| {
        let told = state.attributes.iter().find(|attribute| attribute.name == "out-since-ms");
        told.map(|attribute| attribute.value.clone())
    };
    assert_eq!(out_since_ms(&out).as_deref(), Some("0"));
    tokio::time::advance(BREAKER.out).await;
    assert_eq!(view(&health).ready_in_ms, 0);
    let probe = begin(&health, KEYS).await;
    let half = view(&health);
    assert_eq!(half.circuit, Circuit::HalfOpen);
    assert!(half.ready_in_ms > 0, "only one probe at a time");
    assert_eq!(out_since_ms(&half), Some(BREAKER.out.as_millis().to_string()));
    probe.succeed(Instant::now());
    assert_eq!((view(&health).circuit, out_since_ms(&view(&health))), (Circuit::Closed, None));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_doubles_the_time_and_one_that_is_dropped_does_not() {
    let health = Arc::new(Health::default());
    for _ in 0..3 {
        fail(&health, FaultKind::TimedOut, None).await;
    }
    tokio::time::advance(BREAKER.out).await;
    drop(begin(&health, KEYS).await);
    assert_eq!(view(&health).ready_in_ms, 0, "the caller left: the next one may probe");
    fail(&health, FaultKind::TimedOut, None).await;
    assert_eq!(view(&health).ready_in_ms, 4_000);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_and_capped_and_a_callers_fault_counts_for_nothing() {
    let health = Arc::new(Health::default());
    fail(&health, FaultKind::RateLimited, Some(Duration::from_secs(7))).await;
    assert_eq!((view(&health).retry_after_ms, view(&health).circuit), (7_000, Circuit::Closed));
    fail(&health, FaultKind::Overloaded, Some(Duration::from_secs(1_000_000))).await;
    assert_eq!(view(&health).retry_after_ms, 300_000);
    let used_up = Arc::new(Health::default());
    fail(&used_up, FaultKind::QuotaExhausted, Some(Duration::from_secs(2_400))).await;
    assert_eq!(view(&used_up).retry_after_ms, 2_400_000, "a quota rests until its reset");
    fail(&used_up, FaultKind::QuotaExhausted, Some(Duration::from_secs(30 * 86_400))).await;
    assert_eq!(view(&used_up).retry_after_ms, 3_600_000, "but is tried once an hour");
    let other = Arc::new(Health::default());
    for _ in 0..9 {
        fail(&other, FaultKind::InvalidRequest, None).await;
    }
    let view = view(&other);
    assert_eq!((view.circuit, view.samples, view.in_flight), (Circuit::Closed, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_key_rests_and_the_others_go_on() {
    let healths = Healths::default();
    let now = Instant::now();
    let (one, sibling) = (healths.of("p", "one", Some(""), now), healths.of("p", "sibling", Some(""), now));
    let keys: &[KeyId] = &[11, 12];
    let ready_in_ms =
        |health: &Health, keys: &[KeyId]| health.view(keys, LIMITS, Form::new(true, 100), now).ready_in_ms;
    let fail = async |health: &Arc<Health>, kind| {
        let running = begin(health, keys).await;
        let at = running.key_at();
        running.fail(kind, 0, None, now);
        at
    };
    let refused = fail(&one, FaultKind::Authentication).await;
    for health in [&one, &sibling] {
        assert_eq!(ready_in_ms(health, keys), 0, "there is another key");
        for _ in 0..4 {
            assert_ne!(begin(health, keys).await.key_at(), refused, "for all models of the provider");
        }
    }
    assert_ne!(fail(&one, FaultKind::ModelNotFound).await, refused);
    assert!(ready_in_ms(&one, keys) > 0, "no key is left for this model");
    assert_eq!(ready_in_ms(&sibling, keys), 0, "but for its sibling");
    assert_eq!(ready_in_ms(&one, &[13]), 0, "a new key knows nothing of this");
}

#[tokio::test(start_paused = true)]
async fn keys_take_turns() {
    let health = Arc::new(Health::default());
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..6 {
        used.insert(begin(&health, &[1, 2, 3]).await.key_at());
    }
    assert_eq!(used.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_well_takes_all_retries_and_one_in_trouble_only_a_few() {
    let health = Arc::new(Health::default());
    let (now, budget) = (Instant::now(), BudgetSettings { share: 0.2, floor: 1 });
    assert!((0..100).all(|_| health.may_retry(budget, &BREAKER, now)), "it is well");
    for _ in 0..4 {
        fail(&health, FaultKind::Overloaded, None).await;
    }
    (0..50).for_each(|_| health.asked_first(now));
    let granted = (0..100).filter(|_| health.may_retry(budget, &BREAKER, now)).count();
    assert_eq!(granted, 10 + 10, "a fifth of its own requests, and one for each of ten seconds");
}

/// What rests and what is out, asked for by this caller.
async fn resting_and_out(healths: &Healths, caller: &str) {
    let now = Instant::now();
    fail(&healths.of("p", "rests", Some(caller), now), FaultKind::RateLimited, Some(Duration::from_secs(60))).await;
    for _ in 0..3 {
        fail(&healths.of("p", "out", Some(caller), now), FaultKind::Overloaded, None).await;
    }
}

/// Faults: F140
#[tokio::test(start_paused = true)]
async fn made_up_names_of_models_make_it_forget_nothing_that_rests_or_is_out() {
    let (healths, now) = (Healths::default(), Instant::now());
    resting_and_out(&healths, "caller").await;
    for number in 0..5_000 {
        healths.of("p", &format!("made-up-{number}"), Some("caller"), now);
        healths.of("p", &format!("made-up-too-{number}"), Some(&number.to_string()), now);
    }
    assert_eq!(view(&healths.of("p", "rests", Some("caller"), now)).retry_after_ms, 60_000);
    assert_eq!(view(&healths.of("p", "out", Some("caller"), now)).circuit, Circuit::Open);
    assert!(healths.all().len() <= 4_096);
}

/// Faults: F140
#[tokio::test(start_paused = true)]
async fn a_caller_whose_made_up_names_rest_takes_no_room_from_others() {
    let (healths, now) = (Healths::default(), Instant::now());
    let is_remembered = |name: &str, caller: &str| {
        let health = healths.of("p", name, Some(caller), now);
        Arc::ptr_eq(&healths.of("p", name, Some(caller), now), &health)
    };
    let mut kept = Vec::new();
    for number in 0..4_200 {
        let health = healths.of("p", &format!("made-up-{number}"), Some("mallory"), now);
        fail(&health, FaultKind::ModelNotFound, None).await;
        kept.push(health);
    }
    assert_eq!(healths.all().len(), remembered::TARGETS_OF_CALLER_MAX);
    assert!(is_remembered("new", "alice"), "there is room for others");
    assert!(!is_remembered("new-too", "mallory"), "they rest");
    tokio::time::advance(Duration::from_secs(60)).await;
    drop(kept);
    let later = Instant::now();
    let health = healths.of("p", "new-too", Some("mallory"), later);
    assert!(
        Arc::ptr_eq(&health, &healths.of("p", "new-too", Some("mallory"), later)),
        "when they rest no more they go"
    );
    healths.of("p", "new-too", Some("alice"), later);
    let own = healths.all().len();
    (0..500).for_each(|number| drop(healths.of("p", &format!("again-{number}"), Some("mallory"), later)));
    assert!(healths.all().len() <= own + remembered::TARGETS_OF_CALLER_MAX);
    assert!(Arc::ptr_eq(&health, &healths.of("p", "new-too", Some("bob"), later)), "what others ask for stays");
}

/// Faults: F140
#[tokio::test(start_paused = true)]
async fn configured_targets_take_no_room_from_callers() {
    let (healths, now) = (Healths::default(), Instant::now());
    let number = remembered::TARGETS_OF_CALLER_MAX + 50;
    // A caller may have made up the name before.
    healths.of("p", "configured-0", Some("caller"), now);
    let configured: Vec<_> =
        (0..number).map(|number| healths.of("p", &format!("configured-{number}"), None, now)).collect();
    let health = healths.of("p", "chosen", Some("caller"), now);
    assert!(Arc::ptr_eq(&health, &healths.of("p", "chosen", Some("caller"), now)));
    for number in 0..5_000 {
        healths.of("p", &format!("made-up-{number}"), Some(&number.to_string()), now);
    }
    let names = configured.iter().enumerate();
    let are_kept = names.map(|(number, health)| (healths.of("p", &format!("configured-{number}"), None, now), health));
    assert!(are_kept.into_iter().all(|(now, before)| Arc::ptr_eq(&now, before)));
}

/// Faults: F149
#[tokio::test(start_paused = true)]
async fn a_shorter_retry_after_replaces_no_longer_one() {
    for kind in [FaultKind::Overloaded, FaultKind::RateLimited] {
        let health = Arc::new(Health::default());
        for seconds in [60, 1, 20] {
            fail(&health, kind, Some(Duration::from_secs(seconds))).await;
        }
        assert_eq!(view(&health).retry_after_ms, 60_000, "{kind:?}");
        tokio::time::advance(Duration::from_secs(61)).await;
        fail(&health, kind, Some(Duration::from_secs(2))).await;
        assert_eq!(view(&health).retry_after_ms, 2_000, "{kind:?}");
    }
}

fn told(health: &Health, name: &str) -> Option<f64> {
    let attributes = view(health).attributes;
    let told = attributes.into_iter().find(|attribute| attribute.name == name);
    told.map(|attribute| attribute.value.parse().expect("a number"))
}

/// A stream whose first content comes after so many milliseconds, and runs on at so many for a kilobyte.
async fn stream(health: &Arc<Health>, first_content_ms: u64, millis_per_kb: f64) {
    let mut running = begin(health, KEYS).await;
    tokio::time::advance(Duration::from_millis(first_content_ms)).await;
    running.content(Instant::now());
    running.pace(millis_per_kb, false, Instant::now());
    running.succeed(Instant::now());
}

#[tokio::test(start_paused = true)]
async fn policies_are_told_what_is_usual_and_how_it_goes_now() {
    let health = Arc::new(Health::default());
    for name in ["first-token-p50-ms", "first-token-p95-ms", "tokens-per-second", "slow-call-rate", "quiet-ms"] {
        assert_eq!(told(&health, name), None, "{name}: nothing is known yet");
    }
    for number in 0..200 {
        stream(&health, 100 + number % 100 * 4, 5_120.0).await;
    }
    let within = |name: &str, from: f64, to: f64| {
        let value = told(&health, name).unwrap_or(-1.0);
        assert!((from..=to).contains(&value), "{name} is {value}");
    };
    // The sketch is a fifth too high at most.
    within("first-token-p50-ms", 280.0, 360.0);
    within("first-token-p95-ms", 440.0, 600.0);
    // 5.12 s for 256 tokens.
    within("tokens-per-second", 38.0, 55.0);
    assert_eq!(told(&health, "slow-call-rate"), None, "none was slow");
    assert_eq!(told(&health, "quiet-ms"), None, "nobody waits");
    let waiting = begin(&health, KEYS).await;
    tokio::time::advance(Duration::from_millis(700)).await;
    within("quiet-ms", 700.0, 700.0);
    drop(waiting);
    // One that is slow, and late: whoever waits looks.
    let mut running = begin(&health, KEYS).await;
    tokio::time::advance(Duration::from_secs(2)).await;
    health.look(&BREAKER, MIDDLE, Instant::now());
    running.content(Instant::now());
    running.succeed(Instant::now());
    within("slow-call-rate", 0.01, 0.1);
}

/// Another attempt was sooner, again and again.
#[tokio::test(start_paused = true)]
async fn a_lost_race_counts_against_who_was_late_and_against_nobody_else() {
    let health = Arc::new(Health::default());
    for _ in 0..100 {
        stream(&health, 200, 5_000.0).await;
    }
    let late = health.late_after(Form::new(true, 100));
    for _ in 0..20 {
        let running = begin(&health, KEYS).await;
        tokio::time::advance(late / 4).await;
        drop(running);
        // Others are answered.
        stream(&health, 200, 5_000.0).await;
    }
    let well = view(&health);
    assert_eq!((well.circuit, well.success_rate), (Circuit::Closed, 1.0), "callers leave, which says nothing");
    let mut lost = 0;
    while view(&health).circuit == Circuit::Closed && lost < 20 {
        let running = begin(&health, KEYS).await;
        tokio::time::advance(late + Duration::from_millis(1)).await;
        drop(running);
        lost += 1;
        assert!(view(&health).success_rate < 1.0 || view(&health).circuit != Circuit::Closed, "it is a fault");
    }
    assert!((2..20).contains(&lost), "its circuit opened after {lost} lost races");
}

#[tokio::test(start_paused = true)]
async fn a_low_success_rate_fades_towards_the_unknown() {
    let health = Arc::new(Health::default());
    for _ in 0..2 {
        fail(&health, FaultKind::Overloaded, None).await;
    }
    let low = view(&health).success_rate;
    assert!(low < 0.7, "{low}");
    tokio::time::advance(RATE_FADE).await;
    let faded = view(&health).success_rate;
    assert!(faded > low && faded < 0.95, "{faded}");
    tokio::time::advance(RATE_FADE * 5).await;
    let later = view(&health).success_rate;
    assert!(later > 0.99, "what only traffic refreshes keeps no traffic away: {later}");
}
