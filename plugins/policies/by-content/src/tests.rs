use super::*;
use pointsman_sdk::policy::testing::*;
use pointsman_sdk::policy::*;

fn decide(rules: &str, situation: &Situation) -> Option<usize> {
    let settings = format!(r#"{{"rules": [{rules}]}}"#);
    let policy: ByContent = open(&settings, &vec![1; situation.targets.len()]).expect("good settings");
    chosen(&policy.decide(situation)).map(|(target, _)| target)
}

fn three() -> Situation {
    situation(vec![ready(), ready(), ready()])
}

/// Does a rule with this condition hold for an ordinary request, with this change?
fn holds(when: &str, change: impl FnOnce(&mut RequestFacts)) -> bool {
    let mut request = three();
    change(&mut request.request);
    decide(&format!(r#"{{"when": {when}, "targets": ["provider-2/model"]}}"#), &request) == Some(2)
}

#[test]
fn each_condition_is_about_its_fact() {
    assert!(holds("{}", |_| {}));
    assert!(holds(r#"{"operation": "embeddings"}"#, |request| request.operation = "embeddings".into()));
    assert!(!holds(r#"{"operation": "embeddings"}"#, |_| {}));
    assert!(holds(r#"{"protocol": "anthropic-messages"}"#, |request| request.protocol = "anthropic-messages".into()));
    assert!(holds(r#"{"protocol": "openai-*"}"#, |_| {}));
    assert!(holds(r#"{"stream": true}"#, |request| request.stream = true));
    assert!(holds(r#"{"stream": false}"#, |_| {}) && !holds(r#"{"stream": true}"#, |_| {}));
    assert!(holds(r#"{"tools": true}"#, |request| request.tools = true));
    assert!(holds(r#"{"images": true}"#, |request| request.images = true));
    assert!(holds(r#"{"documents": true}"#, |request| request.documents = true));
    assert!(holds(r#"{"audio": true}"#, |request| request.audio = true));
    assert!(holds(r#"{"continuing": true}"#, |request| request.continuing = true));
    assert!(!holds(r#"{"tools": true, "images": true}"#, |request| request.tools = true), "all must hold");
    for (tokens, inside) in [(99, false), (100, true), (200, true), (201, false)] {
        let within = r#"{"min_input_tokens": 100, "max_input_tokens": 200}"#;
        assert_eq!(holds(within, |request| request.input_tokens_estimate = tokens), inside);
    }
}

#[test]
fn callers_and_headers_are_told_by_name_or_by_beginning() {
    let caller = |when: &str, name: &str| holds(when, |request| request.caller = name.into());
    assert!(caller(r#"{"caller": "research"}"#, "research") && !caller(r#"{"caller": "research"}"#, "research-2"));
    assert!(caller(r#"{"caller": "research*"}"#, "research-2") && !caller(r#"{"caller": "research*"}"#, "sales"));
    let header = |when: &str, value: &str| {
        let shown = Attribute { name: "header.x-team".into(), value: value.into() };
        holds(when, |request| request.attributes = vec![shown])
    };
    assert!(header(r#"{"header": {"X-Team": "search"}}"#, "search"));
    assert!(
        header(r#"{"header": {"x-team": "se*"}}"#, "search") && !header(r#"{"header": {"x-team": "se"}}"#, "search")
    );
    assert!(!header(r#"{"header": {"x-other": "*"}}"#, "search"), "a header that is absent fits nothing");
}

#[test]
fn the_first_rule_that_holds_decides() {
    let rules = r#"{"when": {"images": true}, "targets": ["provider-1/model"]},
                   {"when": {"stream": false}, "targets": ["provider-2/model", "provider-0/model"]}"#;
    let mut request = three();
    assert_eq!(decide(rules, &request), Some(2));
    let failed_once = after(request.clone(), vec![failed(2, FaultKind::Overloaded)]);
    assert_eq!(decide(rules, &failed_once), Some(0), "its own order");
    request.request.images = true;
    assert_eq!(decide(rules, &request), Some(1));
    request.request = RequestFacts { stream: true, images: false, ..request.request };
    assert_eq!(decide(rules, &request), Some(0), "no rule: the configured order");
}

#[test]
fn others_may_be_asked_at_last_or_not_at_all() {
    let only = |effect: &str, first| {
        let history = vec![failed(first, FaultKind::Overloaded)];
        let request = after(situation(vec![ready(), ready()]), history);
        decide(&format!("{{{effect}}}"), &request)
    };
    assert_eq!(only(r#""targets": ["provider-1/model"]"#, 1), Some(0));
    assert_eq!(only(r#""targets": ["provider-1/model"], "else_others": false"#, 1), Some(1), "the same again");
    assert_eq!(only(r#""avoid": ["provider-0/model"]"#, 1), Some(0));
    assert_eq!(only(r#""avoid": ["provider-0/model"], "else_others": false"#, 1), Some(1));
    let unable = TargetState { able: false, ..ready() };
    let rule = r#"{"targets": ["provider-1/model"], "else_others": false}"#;
    assert_eq!(decide(rule, &situation(vec![ready(), unable])), None);
}

#[test]
fn wrong_rules_are_refused_in_words() {
    let refused = |rule: &str| refusal::<ByContent>(&format!(r#"{{"rules": [{rule}]}}"#));
    let unknown = refused(r#"{"targets": ["provider-9/model"]}"#);
    assert!(
        unknown.starts_with("`rules[0]`: the route has no target `provider-9/model`; there are: provider-0/model, ")
    );
    assert!(refused("{}").contains("either `targets` or `avoid`"));
    assert!(refused(r#"{"targets": ["provider-0/model"], "avoid": ["provider-1/model"]}"#).contains("not both"));
    let all = r#"{"avoid": ["provider-0/model", "provider-1/model", "provider-2/model"]}"#;
    assert!(refused(all).contains("none is left"));
    assert!(refused(r#"{"when": {"operation": "chats"}, "targets": ["provider-0/model"]}"#).contains("one of chat, "));
    let never = r#"{"when": {"min_input_tokens": 9, "max_input_tokens": 8}, "targets": ["provider-0/model"]}"#;
    assert!(refused(never).contains("must not be above"));
    assert!(refused(r#"{"when": {"image": true}, "targets": ["provider-0/model"]}"#).contains("unknown field `image`"));
}

#[test]
fn the_laws_are_kept() {
    let rules = r#"{"rules": [
        {"when": {"images": true}, "targets": ["provider-1/model"]},
        {"when": {"caller": "team-*", "header": {"x-team": "x*"}}, "avoid": ["provider-0/model"]},
        {"when": {"max_input_tokens": 1000}, "targets": ["provider-1/model", "provider-0/model"]}], "attempts": 5}"#;
    for targets in 2..=6 {
        check_policy(&open::<ByContent>(rules, &vec![1; targets]).expect("good settings"), targets);
    }
    check_policy(&open::<ByContent>("{}", &[1]).expect("good settings"), 1);
}
