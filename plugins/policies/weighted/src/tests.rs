use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn first(weighted: &Weighted, situation: &Situation) -> usize {
    chosen(&weighted.decide(situation)).expect("an attempt").0
}

fn requests(states: &[TargetState], count: u64) -> impl Iterator<Item = Situation> {
    (0..count).map(|random| Situation { random, ..situation(states.to_vec()) })
}

#[test]
fn a_canary_gets_its_share() {
    let weighted: Weighted = open("{}", &[95, 5]).expect("good settings");
    let canary = requests(&[ready(), ready()], 10_000).filter(|request| first(&weighted, request) == 1).count();
    assert!((400..600).contains(&canary), "{canary}");
}

#[test]
fn weight_0_is_a_backup() {
    let weighted: Weighted = open("{}", &[0, 1, 0]).expect("good settings");
    let healthy = [ready(), ready(), ready()];
    assert!(requests(&healthy, 1_000).all(|request| first(&weighted, &request) == 1));
    assert!(requests(&[ready(), out_for(900), ready()], 10).all(|request| first(&weighted, &request) == 0));
    let failed_once = |request| after(request, vec![failed(1, FaultKind::Overloaded)]);
    assert!(requests(&healthy, 10).map(failed_once).all(|request| first(&weighted, &request) == 0));
}

#[test]
fn the_traffic_of_a_target_that_is_out_is_spread_by_weight() {
    let weighted: Weighted = open("{}", &[6, 3, 1]).expect("good settings");
    let states = [out_for(900), ready(), ready()];
    let second = requests(&states, 10_000).filter(|request| first(&weighted, request) == 1).count();
    assert!((7_300..7_700).contains(&second), "{second}");
}

#[test]
fn a_failed_attempt_goes_on_to_the_others() {
    let weighted: Weighted = open("{}", &[5, 5, 5]).expect("good settings");
    for request in requests(&[ready(), ready(), ready()], 100) {
        let one = first(&weighted, &request);
        let history = vec![failed(u32::try_from(one).unwrap(), FaultKind::ServerError)];
        assert_ne!(first(&weighted, &after(request, history)), one);
    }
}

#[test]
fn who_sticks_keeps_the_target() {
    let asked = |settings: &str, change: &dyn Fn(&mut RequestFacts)| {
        let weighted: Weighted = open(settings, &[5, 5]).expect("good settings");
        let states = [ready(), ready()];
        let firsts = requests(&states, 200).map(|mut request| {
            change(&mut request.request);
            first(&weighted, &request)
        });
        firsts.collect::<std::collections::BTreeSet<_>>().len()
    };
    let conversation = |request: &mut RequestFacts| request.conversation = 77;
    let caller = |request: &mut RequestFacts| request.caller = "team-a".into();
    assert_eq!(asked(r#"{"stick_to": "conversation"}"#, &conversation), 1);
    assert_eq!(asked(r#"{"stick_to": "caller"}"#, &caller), 1);
    assert_eq!(asked(r#"{"stick_to": "caller"}"#, &conversation), 2, "an unnamed caller is drawn by request");
    assert_eq!(asked("{}", &caller), 2);
}

#[test]
fn wrong_settings_are_refused_in_words() {
    assert!(
        refusal::<Weighted>(r#"{"stick_to": "user"}"#).contains("`stick_to`: unknown variant `user`, expected one of")
    );
    assert!(open::<Weighted>("{}", &[0, 0]).err().is_some_and(|error| error.contains("`weight`")));
}

#[test]
fn the_laws_are_kept() {
    for stick_to in ["request", "conversation", "caller"] {
        let settings = format!(r#"{{"stick_to": "{stick_to}"}}"#);
        for weights in [&[1][..], &[0, 3], &[9, 1, 0, 0, 5, 4_000_000_000]] {
            check_policy(&open::<Weighted>(&settings, weights).expect("good settings"), weights.len());
        }
    }
}
