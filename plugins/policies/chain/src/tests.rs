use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn decide(links: &str, situation: &Situation) -> Decision {
    let settings = format!(r#"{{"links": [{links}]}}"#);
    open::<Chain>(&settings, &vec![1; situation.targets.len()]).expect("good settings").decide(situation)
}

const STICKY_THEN_CHEAPEST: &str = r#"{"policy": "sticky", "settings": {"attempts": 1}}, {"policy": "cheapest"}"#;

fn warm_and_cheap() -> Situation {
    let cheap = |input| Some(Price { input, output: 0.0 });
    let warm = TargetState { warm_ms: Some(10), price: cheap(9.0), ..ready() };
    situation(vec![TargetState { price: cheap(5.0), ..ready() }, warm, TargetState { price: cheap(1.0), ..ready() }])
}

#[test]
fn the_first_link_with_an_answer_decides_and_is_named() {
    let first = decide(STICKY_THEN_CHEAPEST, &warm_and_cheap());
    assert_eq!(chosen(&first), Some((1, 0)));
    assert!(first.reason.starts_with("sticky: "), "{}", first.reason);
    let second = decide(STICKY_THEN_CHEAPEST, &after(warm_and_cheap(), vec![failed(1, FaultKind::Overloaded)]));
    assert_eq!(chosen(&second), Some((2, 0)));
    assert!(second.reason.starts_with("cheapest: "), "{}", second.reason);
}

#[test]
fn the_callers_own_fault_ends_it_as_the_links_say() {
    let refused = after(warm_and_cheap(), vec![failed(1, FaultKind::ContentPolicy)]);
    let end = decide(STICKY_THEN_CHEAPEST, &refused);
    assert_eq!((end.action, end.reason.as_str()), (Action::GiveUp, "cheapest: the fault is the caller's own"));
    let lenient = r#"{"policy": "sticky"}, {"policy": "failover", "settings": {"on": {"content-policy": "next"}}}"#;
    assert_eq!(chosen(&decide(lenient, &refused)), Some((0, 0)));
}

#[test]
fn a_link_that_would_wait_lets_the_next_hedge() {
    let late = running(Situation { elapsed_ms: 900, ..situation(vec![ready(), ready()]) }, &[(0, 0)]);
    let hedge = decide(r#"{"policy": "sticky"}, {"policy": "hedged"}"#, &late);
    assert_eq!(chosen(&hedge), Some((1, 0)), "{}", hedge.reason);
    assert_eq!(decide(r#"{"policy": "hedged"}, {"policy": "failover"}"#, &late).action, hedge.action);
    assert_eq!(decide(r#"{"policy": "sticky"}, {"policy": "failover"}"#, &late).action, Action::Wait);
}

#[test]
fn wrong_links_are_refused_in_words() {
    assert_eq!(refusal::<Chain>("{}"), "`links` has 0 entries, but must have 1 to 5");
    assert!(
        refusal::<Chain>(r#"{"links": [{"policy": "chain"}]}"#).contains("cannot be a link; there are: by-content, ")
    );
    let deep = r#"{"links": [{"policy": "failover"}, {"policy": "fastest", "settings": {"attempts": 0}}]}"#;
    assert_eq!(refusal::<Chain>(deep), "`links[1]` (fastest): `attempts` is 0, but must be 1 to 5");
}

#[test]
fn the_laws_are_kept() {
    let all = r#"{"links": [{"policy": "sticky", "settings": {"attempts": 1}}, {"policy": "weighted", "settings": {"attempts": 2}},
        {"policy": "fastest"}, {"policy": "hedged"}, {"policy": "cheapest", "settings": {"attempts": 5}}]}"#;
    for targets in 1..=6 {
        check_policy(&open::<Chain>(all, &vec![1; targets]).expect("good settings"), targets);
    }
}

#[test]
fn the_examples_in_the_readmes_are_taken() {
    for (readme, policies) in [
        (include_str!("../README.md"), "chain"),
        (include_str!("../../by-content/README.md"), "by-content"),
        (include_str!("../../cheapest/README.md"), "cheapest"),
        (include_str!("../../failover/README.md"), "failover"),
        (include_str!("../../fastest/README.md"), "fastest"),
        (include_str!("../../hedged/README.md"), "hedged"),
        (include_str!("../../sticky/README.md"), "sticky"),
        (include_str!("../../weighted/README.md"), "weighted"),
    ] {
        let (_, example) = readme.split_once("```toml\n").expect("an example");
        let (example, _) = example.split_once("```").expect("its end");
        let example: toml::Table = toml::from_str(example).expect(policies);
        let (_, route) = example["models"].as_table().and_then(|models| models.iter().next()).expect("a route");
        assert_eq!(route["policy"].as_str(), Some(policies));
        let id = |target: &toml::Value| {
            target.as_str().or_else(|| target.get("target")?.as_str()).expect("an id").to_owned()
        };
        let ids = route["targets"].as_array().expect("targets").iter().map(id);
        let targets: Vec<Target> = ids.map(|id| Target { id, ..targets(&[1]).remove(0) }).collect();
        let settings = serde_json::to_string(&route["settings"]).expect("JSON");
        let opened = match policies {
            "chain" => Chain::open(read_settings(&settings).expect(policies), targets).map(|_| ()),
            link => links::open_named(link, &settings, &targets).map(|_| ()),
        };
        assert_eq!(opened, Ok(()), "{policies}");
    }
}
