//! Any language: the example policy in JavaScript, TypeScript, Python and C is built by that language's own tools, imports
//! nothing, serves in a gateway, and decides exactly as its model in Rust.

use std::collections::BTreeMap;
use std::sync::Arc;

use pointsman::conformance::{Trial, try_out};
use pointsman::plugin::{Cases, Compiler, Kind, Plugin, Policy};
use pointsman_tests::guests::NIGHT_SHIFT;
use pointsman_tests::languages::{self, Language};
use pointsman_tests::situations::{Situations, targets};
use pointsman_tests::{Line, behave};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript() {
    is_as_good_as_rust(languages::JAVASCRIPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript() {
    is_as_good_as_rust(languages::TYPESCRIPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    is_as_good_as_rust(languages::PYTHON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c() {
    is_as_good_as_rust(languages::C).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_in_rust_is_fit() {
    it_is_fit(&Plugin::load("rust", NIGHT_SHIFT).await.expect("the model")).await;
}

async fn is_as_good_as_rust(language: Language) {
    language.test();
    let line = serving(language).await;
    // The gateway's own: compiling one takes seconds.
    let plugin = Arc::clone(&line.gateway.table().slots["night-shift"].live);
    assert_eq!(plugin.kind, Kind::Policy);
    assert!(plugin.imports.iter().all(|import| import == "pointsman:plugin/faults@0.2.0"), "{:?}", plugin.imports);

    it_serves(&line).await;
    it_decides_alike(&plugin).await;
    it_is_fit(&plugin).await;
    it_can_go_on_for_long(&plugin).await;
    assert_eq!(plugin.tally.counts().faults, 0);
}

/// A gateway in which the component decides, by a night that is now, and by one that is not.
async fn serving(language: Language) -> Line {
    let file = language.component();
    // The harness's clock stands at 10 o'clock UTC.
    let model = |name: &str, from: u32, to: u32| {
        format!(
            "[models.{name}]\npolicy = \"night-shift\"\nsettings = {{ from = {from}, to = {to} }}\n\
             targets = [\"anthropic/claude-sonnet-4-5\", \"openai/gpt-5\"]\n"
        )
    };
    let models = model("by-day", 22, 6) + &model("by-night", 9, 11);
    Line::start_with(&format!("[plugins.night-shift]\nfile = {file:?}\n{models}")).await
}

async fn it_serves(line: &Line) {
    let (claude, gpt) = ("anthropic/claude-sonnet-4-5", "openai/gpt-5");
    assert_eq!(line.claude("by-day", "hello", true).await.header("x-pointsman-target"), claude);
    assert_eq!(line.claude("by-night", "hello", false).await.header("x-pointsman-target"), gpt);
    line.anthropic.behave(behave("529"));
    let answer = line.gpt("by-day", "hello", true).await;
    assert_eq!((answer.header("x-pointsman-target"), answer.header("x-pointsman-attempts")), (gpt, "2"));
    line.openai.behave(behave("529"));
    let answer = line.gpt("by-day", "hello", false).await;
    assert!(answer.status.is_server_error(), "{}", answer.body);
    assert_eq!(answer.header("x-pointsman-attempts"), "2", "each was tried once");
}

/// The same settings are refused, and the same decisions are made.
async fn it_decides_alike(plugin: &Arc<Plugin>) {
    const SETTINGS: usize = 40;
    const SITUATIONS: usize = 10;
    let rust = Plugin::load("rust", NIGHT_SHIFT).await.expect("the model");
    let mut situations = Situations::seeded(7);
    let (mut refused, mut decisions) = (0, BTreeMap::<String, usize>::new());
    for number in 0..SETTINGS {
        let settings = settings(number, situations.random());
        let targets = targets(number % 6);
        let (model, copy) = (
            Policy::open(Arc::clone(&rust), settings.clone(), targets.clone()).await,
            Policy::open(Arc::clone(plugin), settings.clone(), targets).await,
        );
        let (model, copy) = match (model, copy) {
            (Ok(model), Ok(copy)) => (model, copy),
            (Err(_), Err(error)) => {
                let error = error.to_string();
                assert!(error.contains("`from` and `to`"), "{settings}: the operator is told {error}");
                refused += 1;
                continue;
            }
            (model, copy) => panic!("{settings}: {:?} in Rust, but {:?}", model.err(), copy.err()),
        };
        for _ in 0..SITUATIONS {
            let situation = situations.next(number % 6);
            let expected = model.decide(&situation).await.expect("a decision in Rust");
            let decision = copy.decide(&situation).await.unwrap_or_else(|fault| panic!("{fault}: {situation:?}"));
            assert_eq!(decision, expected, "{settings}: {situation:?}");
            *decisions.entry(expected.reason).or_default() += 1;
        }
    }
    assert!(refused >= 5, "{refused} of the settings were refused");
    assert_eq!(decisions.len(), 5, "each end was reached: {decisions:?}");
}

/// What `pointsman plugin test` says of it, and of the cases that each new project begins with.
async fn it_is_fit(plugin: &Arc<Plugin>) {
    let cases = include_str!("../../examples/policies/cases/night.toml");
    let cases = vec![Cases { file: "night.toml".to_owned(), text: cases.to_owned() }];
    let trial = Trial { settings: "{}".to_owned(), seed: 1, situations: 300, cases, ..Trial::default() };
    let checks = try_out(&Compiler::here(), plugin, &trial).await.expect("cases that can be read");
    assert_eq!(checks.len(), 5, "{checks:#?}");
    assert!(checks.iter().all(|check| check.failures.is_empty()), "{checks:#?}");
}

/// Every kind of setting that a person may get wrong, between good ones.
fn settings(number: usize, random: &mut fastrand::Rng) -> String {
    let wrong = [
        r#"{"from":24}"#,
        r#"{"form":20}"#,
        r#"{"to":"six"}"#,
        r#"{"to":-1}"#,
        r#"{"from":1.5,"to":3}"#,
        r#"{"from":20,"to":[]}"#,
        r#"{"from":184467440737095516160}"#,
    ];
    match number % 5 {
        0 => "{}".to_owned(),
        1 => wrong[number / 5 % wrong.len()].to_owned(),
        2 => format!(r#"{{"from":{}}}"#, random.u64(0..24)),
        _ => format!(r#"{{"from":{},"to":{}}}"#, random.u64(0..24), random.u64(0..24)),
    }
}

/// One instance serves many calls: what a call leaves behind in it must not add up to a limit.
async fn it_can_go_on_for_long(plugin: &Arc<Plugin>) {
    const DECISIONS: usize = 5_000;
    let policy = Policy::open(Arc::clone(plugin), "{}".to_owned(), targets(8)).await.expect("a policy");
    let situation = Situations::seeded(8).next(8);
    let first = policy.decide(&situation).await.expect("a decision");
    for number in 0..DECISIONS {
        let decision = policy.decide(&situation).await.unwrap_or_else(|fault| panic!("after {number}: {fault}"));
        assert_eq!(decision, first);
    }
}

/// `contract.ts` is written by hand: every record, field and case must be there, in the type that the engine gives it.
#[test]
fn the_types_of_typescript_are_the_contracts() {
    const CONTRACT: &str = include_str!("../../wit/policy.wit");
    const FAULTS: &str = include_str!("../../wit/faults.wit");
    const TYPES: &str = include_str!("../../examples/policies/night-shift-ts/contract.ts");
    let mut checked = 0;
    for (name, body) in blocks(CONTRACT, "record ") {
        let start = format!("export interface {} {{", pascal_case(&name));
        let (_, rest) = TYPES.split_once(&start).unwrap_or_else(|| panic!("no `{start}`"));
        let (fields, _) = rest.split_once('}').expect("its end");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let fields: Vec<String> = fields.split(';').map(words).filter(|field| !field.is_empty()).collect();
        let expected: Vec<String> = items(&body).iter().map(|field| typescript_field(field)).collect();
        assert_eq!(fields, expected, "{name}");
        checked += 1;
    }
    let enums = blocks(CONTRACT, "enum ").into_iter().chain(blocks(FAULTS, "enum "));
    for (name, body) in enums {
        let start = format!("export type {} =", pascal_case(&name));
        let (_, rest) = TYPES.split_once(&start).unwrap_or_else(|| panic!("no `{start}`"));
        let (cases, _) = rest.split_once(';').expect("its end");
        let cases: Vec<String> = cases.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        assert_eq!(cases, items(&body), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 12, "records and enums");
}

/// The names and bodies of all that begin with a word.
fn blocks(contract: &str, word: &str) -> Vec<(String, String)> {
    let code: String = contract.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let block = |start: &str| {
        let (name, rest) = start.split_once(" {")?;
        let (body, _) = rest.split_once('}')?;
        Some((name.to_owned(), body.to_owned()))
    };
    code.split(word).skip(1).filter_map(block).collect()
}

fn items(body: &str) -> Vec<String> {
    body.split(',').map(|item| item.trim().trim_start_matches('%').to_owned()).filter(|item| !item.is_empty()).collect()
}

fn typescript_field(field: &str) -> String {
    let (name, of) = field.split_once(": ").expect("a field");
    format!("{}: {}", camel_case(name), typescript_type(of))
}

fn typescript_type(of: &str) -> String {
    let inside = |outer: &str| of.strip_prefix(outer)?.strip_suffix('>').map(typescript_type);
    match of {
        "string" => "string".to_owned(),
        "bool" => "boolean".to_owned(),
        "u16" | "u32" | "u64" | "f64" => "number".to_owned(),
        _ => inside("list<")
            .map(|item| item + "[]")
            .or_else(|| inside("option<").map(|some| some + " | null"))
            .unwrap_or_else(|| pascal_case(of)),
    }
}

fn pascal_case(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn camel_case(name: &str) -> String {
    let pascal = pascal_case(name);
    pascal[..1].to_lowercase() + &pascal[1..]
}
