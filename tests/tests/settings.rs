//! What the built-in policies say of their settings holds: the defaults, both ends of each range, what lies beyond, and the
//! pages that people read.

use std::sync::Arc;

use pointsman::plugin::bindings::about::{Kind, Range, Setting, Variation};
use pointsman::plugin::{About, Plugin, Policy, bundled};
use pointsman_bundle::BUNDLED;
use pointsman_tests::situations::{Situations, targets};
use serde_json::{Map, Value, json};

/// Every built-in policy.
async fn policies() -> Vec<(&'static str, Arc<Plugin>)> {
    let mut policies = Vec::new();
    for name in BUNDLED.iter().map(|bundled| bundled.name) {
        let plugin = bundled(name).await.expect("it loads");
        if plugin.kind == pointsman::plugin::Kind::Policy {
            policies.push((name, plugin));
        }
    }
    assert_eq!(policies.len(), 8);
    policies
}

fn about(plugin: &Plugin) -> &About {
    plugin.about().unwrap_or_else(|| panic!("{plugin:?} says nothing"))
}

/// What must be there, and then these.
fn settings(name: &str, values: impl IntoIterator<Item = (String, Value)>) -> String {
    let must = match name {
        "chain" => json!({ "links": [{ "policy": "failover" }] }),
        _ => json!({}),
    };
    let must = must.as_object().cloned().unwrap_or_default();
    Value::Object(Map::from_iter(must.into_iter().chain(values))).to_string()
}

async fn open(plugin: &Arc<Plugin>, settings: &str) -> Result<Policy, String> {
    Policy::open(Arc::clone(plugin), settings.to_owned(), targets(3)).await.map_err(|error| error.to_string())
}

async fn opens(plugin: &Arc<Plugin>, settings: &str) {
    open(plugin, settings).await.unwrap_or_else(|error| panic!("{plugin:?} {settings}: {error}"));
}

fn number(kind: &Kind, value: f64) -> Value {
    match kind {
        Kind::Whole(_) => json!(value as i64),
        _ => json!(value),
    }
}

#[tokio::test]
async fn each_says_what_it_is() {
    for (name, plugin) in policies().await {
        let about = about(&plugin);
        assert!(about.summary.ends_with('.') && about.summary.len() < 100, "{name}: {}", about.summary);
        for setting in &about.settings {
            assert!(setting.meaning.ends_with('.'), "{name}: {}", setting.meaning);
        }
    }
}

#[tokio::test]
async fn the_defaults_are_what_holds_when_nothing_is_said() {
    for (name, plugin) in policies().await {
        let default = |setting: &Setting| {
            let default = setting.default.as_ref()?;
            Some((setting.name.clone(), serde_json::from_str(default).expect("JSON")))
        };
        let defaults = settings(name, about(&plugin).settings.iter().filter_map(default));
        let (silent, told) = (open(&plugin, &settings(name, [])).await, open(&plugin, &defaults).await);
        let (silent, told) = (silent.expect("nothing is said"), told.expect(&defaults));
        let mut situations = Situations::seeded(5);
        for _ in 0..500 {
            let situation = situations.next(3);
            let expected = silent.decide(&situation).await.expect("a decision");
            assert_eq!(told.decide(&situation).await.expect("a decision"), expected, "{name} {defaults}");
        }
    }
}

#[tokio::test]
async fn both_ends_of_each_range_may_stand_there() {
    for (name, plugin) in policies().await {
        // All at once, because some bound each other.
        let all = |end: fn(&Range) -> f64, tried: bool| {
            let value = move |setting: &Setting| {
                let range = match (&setting.kind, &setting.variation) {
                    (Kind::Whole(range) | Kind::Number(range), _) if !tried => range,
                    (_, Variation::Between(range)) if tried => range,
                    _ => return None,
                };
                Some((setting.name.clone(), number(&setting.kind, end(range))))
            };
            settings(name, about(&plugin).settings.iter().filter_map(value))
        };
        for tried in [false, true] {
            opens(&plugin, &all(|range| range.min, tried)).await;
            opens(&plugin, &all(|range| range.max, tried)).await;
        }
        for setting in &about(&plugin).settings {
            let words = match &setting.kind {
                Kind::Choice(words) => words.iter().map(|word| json!(word)).collect(),
                Kind::Flag => vec![json!(true), json!(false)],
                _ => Vec::new(),
            };
            for word in words {
                opens(&plugin, &settings(name, [(setting.name.clone(), word)])).await;
            }
        }
    }
}

#[tokio::test]
async fn what_lies_beyond_is_refused_by_name() {
    let mut refused = 0;
    for (name, plugin) in policies().await {
        for setting in &about(&plugin).settings {
            let beyond = match &setting.kind {
                Kind::Whole(range) => {
                    [range.min - 1.0, range.max + 1.0].map(|value| number(&setting.kind, value)).to_vec()
                }
                Kind::Number(range) => vec![json!(range.min - 0.001), json!(range.max + 0.001)],
                Kind::Choice(_) | Kind::Flag => vec![json!("sideways"), json!(7)],
                Kind::Text | Kind::Other => vec![json!(7)],
            };
            for value in beyond {
                let settings = settings(name, [(setting.name.clone(), value)]);
                let error = open(&plugin, &settings).await.err().unwrap_or_else(|| panic!("{name} takes {settings}"));
                assert!(error.contains(&format!("`{}`", setting.name)), "{name} {settings}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 80, "{refused}");
}

#[tokio::test]
async fn the_pages_say_the_same() {
    for (name, plugin) in policies().await {
        // What all share stands on the page of `failover`.
        let (own, shared) = (rows(name), rows("failover"));
        for setting in &about(&plugin).settings {
            let Some([default, may_be]) = own.iter().chain(&shared).find(|row| row.0 == setting.name).map(|row| &row.1)
            else {
                assert!(name == "by-content" && page(name).contains("`rules` is a list"), "{name}: {}", setting.name);
                continue;
            };
            let said = setting.default.as_deref().unwrap_or("–");
            // 2.0 is 2 for people.
            let said = said.parse::<f64>().map_or(said.trim_matches('"').to_owned(), |number| number.to_string());
            assert_eq!(*default, said, "{name}: {}", setting.name);
            let expected = match &setting.kind {
                Kind::Flag => "true,false".to_owned(),
                Kind::Choice(words) => words.join(","),
                Kind::Whole(Range { min, max }) | Kind::Number(Range { min, max }) => format!("{min}to{max}"),
                Kind::Text | Kind::Other => continue,
            };
            let same = match may_be.split_once("to").filter(|(least, _)| least.ends_with("_ms")) {
                // The other setting that bounds it.
                Some((_, most)) => expected.ends_with(&format!("to{most}")),
                None if matches!(setting.kind, Kind::Choice(_)) => sorted(may_be) == sorted(&expected),
                None => may_be.split(';').next() == Some(&*expected),
            };
            assert!(same, "{name}: {} may be {may_be}, but {expected} is said", setting.name);
        }
        let undeclared = own.iter().find(|row| about(&plugin).settings.iter().all(|setting| setting.name != row.0));
        assert!(undeclared.is_none(), "{name}: {undeclared:?}");
    }
}

fn sorted(words: &str) -> Vec<&str> {
    let mut words: Vec<&str> = words.split(',').collect();
    words.sort_unstable();
    words
}

fn page(policy: &str) -> String {
    let path = format!("{}/../plugins/policies/{policy}/README.md", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("its page")
}

/// Of the table of settings: names, with the default and what may stand there, without blanks and marks.
fn rows(policy: &str) -> Vec<(String, [String; 2])> {
    let page = page(policy);
    let table = page.lines().skip_while(|line| !line.starts_with("| setting | unit |")).skip(2);
    let row = |line: &str| {
        let cells: Vec<String> =
            line.split('|').map(|cell| cell.replace([' ', '`', '\u{a0}', '\u{202f}'], "")).collect();
        // What stands inside of an entry of a list has a page of its own.
        let is_own = !cells[1].contains("[]");
        is_own.then(|| (cells[1].clone(), [cells[3].clone(), cells[4].clone()]))
    };
    table.take_while(|line| line.starts_with('|')).filter_map(row).collect()
}
