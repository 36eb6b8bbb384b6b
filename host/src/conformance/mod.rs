//! Is a policy fit to decide? The tests that every policy has to pass, whoever wrote it in whatever language, and those
//! that its author wrote for it (`case.rs`). For `pointsman plugin test`; the cases in a package are for the gate, too
//! (`gateway/gate.rs`).
//!
//! What the host would count as a fault of the policy fails here, and what it cannot notice while requests run: that the
//! same situation is decided in two ways, or that a target is asked which cannot serve the request.

pub mod case;
pub mod generate;
mod incidents;
mod law;

use std::sync::Arc;

use serde::Serialize;

use self::case::Case;
use self::generate::Generator;
use crate::journal::{Entry, RouteView};
use crate::plugin::bindings::policy::{Action, Decision, Situation, Target};
use crate::plugin::{Compiler, Kind, Package, Plugin, PluginFault, Policy};

pub use self::incidents::incidents;

/// Failures of one check that are told; more would say nothing new.
const FAILURES_MAX: usize = 5;
/// A fresh instance of an interpreter takes milliseconds, so only each so-manieth situation is decided in one.
const FRESH_EVERY: usize = 4;
/// A route of more targets is not another kind of route.
const TARGETS_MAX: usize = 6;

/// What a policy is tried with.
#[derive(Debug, Default)]
pub struct Trial {
    /// JSON, an object.
    pub settings: String,
    /// The route that generated situations are of; empty: routes of one to six invented targets.
    pub targets: Vec<Target>,
    pub seed: u64,
    pub situations: usize,
    /// Empty: those in its package.
    pub cases: Vec<Case>,
    /// Of a running gateway: its routes, and what was decided lately.
    pub journal: Option<(Vec<RouteView>, Vec<Entry>)>,
    /// The settings are meant for recorded situations too, in place of each route's own.
    pub overrides: bool,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    /// What it came to, in words.
    pub told: String,
    pub failures: Vec<Failure>,
}

/// What a policy did wrong.
#[derive(Debug, PartialEq, Serialize)]
pub struct Failure {
    /// Which situation: the case's file and line, say.
    pub place: String,
    pub said: String,
    pub expected: String,
    pub situation: Option<Situation>,
}

impl Check {
    fn new(name: &'static str) -> Check {
        Check { name, told: String::new(), failures: Vec::new() }
    }

    fn fail(&mut self, place: impl Into<String>, said: impl Into<String>, expected: impl Into<String>) {
        self.failures.push(Failure {
            place: place.into(),
            said: said.into(),
            expected: expected.into(),
            situation: None,
        });
    }
}

/// Try a component: every check, up to one without which the rest means nothing.
pub async fn run(compiler: &Compiler, bytes: &[u8], trial: &Trial) -> Vec<Check> {
    match Plugin::load_by(compiler, "tested", bytes).await {
        Ok(plugin) => try_out(&plugin, trial).await,
        Err(error) => {
            let mut loads = Check::new("loads");
            loads.fail("the file", format!("{error:#}"), "a component that the gateway can load");
            vec![loads]
        }
    }
}

/// The same, for one that is loaded.
pub async fn try_out(plugin: &Arc<Plugin>, trial: &Trial) -> Vec<Check> {
    let mut loads = Check::new("loads");
    if plugin.kind != Kind::Policy {
        loads.fail("the file", format!("it is a {}", plugin.kind), "a policy");
        return vec![loads];
    }
    loads.told = format!("{}, {} bytes, imports no function, sha256 {}", plugin.kind, plugin.bytes, plugin.sha256);
    let mut generator = Generator::new(trial.seed);
    let (opens, mut opened) = open(plugin, trial, &mut generator).await;
    let mut checks = vec![loads, opens, refuses(plugin, &mut generator).await];
    if !opened.is_empty() {
        checks.push(situations(&mut opened, trial, &mut generator).await);
    }
    if !trial.cases.is_empty() {
        checks.push(cases(plugin, &trial.settings, &trial.cases).await);
    } else if let Some(package) = &plugin.package {
        checks.push(shipped(plugin, package, &trial.settings).await);
    }
    if let Some((routes, entries)) = &trial.journal {
        checks.push(recorded(plugin, trial, routes, entries).await);
    }
    checks
}

/// For each number of targets. A policy may need two, say, so one that takes any is enough.
async fn open(plugin: &Arc<Plugin>, trial: &Trial, generator: &mut Generator) -> (Check, Vec<Policy>) {
    let mut check = Check::new("opens");
    let routes: Vec<Vec<Target>> = match trial.targets.as_slice() {
        [] => (1..=TARGETS_MAX).map(|count| generator.targets(count)).collect(),
        targets => vec![targets.to_vec()],
    };
    let (mut opened, mut refused) = (Vec::new(), Vec::new());
    for targets in routes {
        let count = targets.len();
        match Policy::open(Arc::clone(plugin), trial.settings.clone(), targets).await {
            Ok(policy) => opened.push(policy),
            Err(error) if is_fault(&error) => {
                check.fail(
                    format!("{count} targets, {}", trial.settings),
                    format!("{error:#}"),
                    "it opens or says why not",
                );
            }
            Err(error) => refused.push((count, format!("{error:#}"))),
        }
    }
    let counts: Vec<String> = opened.iter().map(|policy| policy.targets().len().to_string()).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    check.told = format!("with {}; targets of the routes: {counts}", trial.settings);
    match refused.as_slice() {
        [] => {}
        [(count, text), ..] if opened.is_empty() => {
            let expected =
                "it opens with these settings (others: --settings; a route whose targets they name: --targets)";
            check.fail(format!("{count} targets, {}", trial.settings), format!("it refuses: {text}"), expected);
        }
        [(count, text), ..] => check.told.push_str(&format!("; it refuses {count}: {text}")),
    }
    (check, opened)
}

/// Settings of another shape are refused in words.
async fn refuses(plugin: &Arc<Plugin>, generator: &mut Generator) -> Check {
    let mut check = Check::new("refuses");
    const NO_OBJECTS: [&str; 6] = ["5", "\"text\"", "true", "null", "{", ""];
    for settings in NO_OBJECTS.into_iter().chain(["[]", "[1, 2]"]) {
        let opened = Policy::open(Arc::clone(plugin), settings.to_owned(), generator.targets(3)).await;
        let place = || format!("settings `{settings}`");
        match opened {
            Err(error) if is_fault(&error) => check.fail(place(), format!("{error:#}"), "an error in words"),
            // Readers of JSON in more than one language take an array for an object.
            Ok(_) if NO_OBJECTS.contains(&settings) => {
                check.fail(place(), "it opened", "an error in words: settings are an object");
            }
            Ok(_) | Err(_) => {}
        }
    }
    check.told = "settings that are no object, in words".to_owned();
    check
}

async fn situations(opened: &mut [Policy], trial: &Trial, generator: &mut Generator) -> Check {
    let mut check = Check::new("decides");
    let mut tried = 0;
    for number in 0..trial.situations {
        let policy = &opened[number % opened.len()];
        let situation = generator.situation(policy.targets().len());
        tried += 1;
        if let Err(broken) = kept(policy, &situation, number).await {
            let place = format!("situation {number} of seed {}", trial.seed);
            check.failures.push(Failure { place, situation: Some(situation), ..broken });
            if check.failures.len() == FAILURES_MAX {
                break;
            }
        }
    }
    check.told = format!("{tried} generated situations (seed {}), the same again, and in a fresh instance", trial.seed);
    check
}

/// The cases in a package.
pub async fn shipped(plugin: &Arc<Plugin>, package: &Package, settings: &str) -> Check {
    match written(package) {
        Ok(all) => cases(plugin, settings, &all).await,
        Err(error) => {
            let mut check = Check::new("cases");
            check.fail("its package", format!("{error:#}"), "cases that can be read");
            check
        }
    }
}

/// The cases of all files in a package.
///
/// # Errors
/// What is wrong with one, and in which line.
pub fn written(package: &Package) -> anyhow::Result<Vec<Case>> {
    let files = package.cases.iter().map(|cases| case::read(&cases.text, &cases.file));
    Ok(files.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

async fn cases(plugin: &Arc<Plugin>, settings: &str, all: &[Case]) -> Check {
    let mut check = Check::new("cases");
    for case in all {
        // Whoever waits for it may give up, and requests come first.
        tokio::task::yield_now().await;
        let settings = case.settings.as_deref().unwrap_or(settings);
        let policy = match Policy::open(Arc::clone(plugin), settings.to_owned(), case.targets.clone()).await {
            Ok(policy) => policy,
            Err(error) => {
                check.fail(case.place.clone(), format!("{error:#}"), format!("it opens with {settings}"));
                continue;
            }
        };
        let outcome = match law::keeps_in_fresh(&policy, &case.situation).await {
            Ok(decision) if case.expected.fits(&decision) => continue,
            Ok(decision) => Failure {
                place: String::new(),
                said: spelt(&decision),
                expected: case.expected.to_string(),
                situation: None,
            },
            Err(broken) => broken,
        };
        let situation = Some(case.situation.clone());
        check.failures.push(Failure { place: case.place.clone(), situation, ..outcome });
    }
    let good = all.len() - check.failures.len();
    check.told = format!("{good} of {} are decided as expected", all.len());
    check
}

async fn recorded(plugin: &Arc<Plugin>, trial: &Trial, routes: &[RouteView], entries: &[Entry]) -> Check {
    let mut check = Check::new("journal");
    let mut tried = 0;
    for RouteView { pattern, settings, targets, .. } in routes {
        let mut of_it = entries.iter().filter(|entry| entry.route == *pattern).peekable();
        if of_it.peek().is_none() {
            continue;
        }
        let settings = if trial.overrides { &trial.settings } else { settings };
        let policy = match Policy::open(Arc::clone(plugin), settings.clone(), targets.clone()).await {
            Ok(policy) => policy,
            Err(error) => {
                check.fail(format!("route {pattern}"), format!("{error:#}"), format!("it opens with {settings}"));
                continue;
            }
        };
        for entry in of_it {
            let situations = entry.deliberations.iter().map(|deliberation| &deliberation.situation);
            // The route may have had other targets then.
            for situation in situations.filter(|situation| situation.targets.len() == targets.len()) {
                tried += 1;
                if let Err(broken) = kept(&policy, situation, tried).await
                    && check.failures.len() < FAILURES_MAX
                {
                    let place = format!("{} +{} ms", entry.id, situation.elapsed_ms);
                    check.failures.push(Failure { place, situation: Some(situation.clone()), ..broken });
                }
            }
        }
    }
    check.told = format!("{tried} recorded situations");
    check
}

async fn kept(policy: &Policy, situation: &Situation, number: usize) -> Result<Decision, Failure> {
    if number.is_multiple_of(FRESH_EVERY) {
        law::keeps_in_fresh(policy, situation).await
    } else {
        law::keeps(policy, situation).await
    }
}

/// Did it fail, rather than refuse?
fn is_fault(error: &anyhow::Error) -> bool {
    error.downcast_ref::<PluginFault>().is_some()
}

/// A decision as cases spell it, and why.
fn spelt(decision: &Decision) -> String {
    let action = match &decision.action {
        Action::Attempt(attempt) if attempt.after_ms > 0 => {
            format!("attempt {} after {} ms", attempt.target, attempt.after_ms)
        }
        Action::Attempt(attempt) => format!("attempt {}", attempt.target),
        Action::Wait => "wait".to_owned(),
        Action::GiveUp => "give-up".to_owned(),
    };
    format!("{action} ({})", decision.reason)
}

/// A target of this id, `provider/model`, with weight 1.
pub fn target(id: &str) -> Target {
    let (provider, model) = id.split_once('/').unwrap_or((id, "model"));
    let (provider, model) = (provider.to_owned(), model.to_owned());
    Target { id: id.to_owned(), provider, model, weight: 1, attributes: Vec::new() }
}

#[cfg(test)]
mod tests {
    use pointsman_bundle::BUNDLED;

    use super::*;

    async fn tried(name: &str, settings: &str, cases: &str) -> Vec<Check> {
        let bundled = BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in");
        let cases = case::read(cases, "here.toml").expect("cases");
        let trial = Trial { settings: settings.into(), seed: 1, situations: 120, cases, ..Trial::default() };
        run(&Compiler::here(), bundled.bytes, &trial).await
    }

    fn failures(checks: &[Check]) -> Vec<&Failure> {
        checks.iter().flat_map(|check| &check.failures).collect()
    }

    #[tokio::test]
    async fn every_built_in_policy_passes() {
        let mut policies = 0;
        for bundled in BUNDLED {
            let plugin = Plugin::load("any", bundled.bytes).await.expect("it loads");
            if plugin.kind != Kind::Policy {
                continue;
            }
            let settings = match bundled.name {
                "chain" => r#"{"links": [{"policy": "sticky", "settings": {"attempts": 1}}, {"policy": "cheapest"}]}"#,
                "by-content" => r#"{"rules": [{"when": {"tools": true}, "targets": ["p0/m"], "else_others": false}]}"#,
                _ => "{}",
            };
            let checks = tried(bundled.name, settings, "").await;
            assert!(failures(&checks).is_empty(), "{}: {checks:#?}", bundled.name);
            policies += 1;
        }
        assert!(policies >= 8);
    }

    #[tokio::test]
    async fn what_is_no_policy_fails() {
        let checks = tried("openai-chat", "{}", "").await;
        assert_eq!(failures(&checks)[0].said, "it is a codec");
        let checks = run(&Compiler::here(), b"\0asm", &Trial::default()).await;
        assert!(failures(&checks)[0].expected.contains("can load"), "{checks:?}");
        let checks = tried("failover", r#"{"attempts": 9}"#, "").await;
        assert!(failures(&checks)[0].said.contains("must be 1 to 5"), "{checks:?}");
    }

    #[tokio::test]
    async fn a_case_that_is_decided_otherwise_is_told_with_its_line() {
        let text = "[[case]]\ntargets = [\"ready\", \"ready\"]\nexpect = \"attempt 0\"\n\n[[case]]\n\
                    targets = [\"out 900\", \"ready\"]\nexpect = \"attempt 0\"\n";
        let checks = tried("failover", "{}", text).await;
        let failures = failures(&checks);
        assert_eq!(failures.len(), 1, "{checks:?}");
        let Failure { place, said, expected, .. } = failures[0];
        assert_eq!((place.as_str(), expected.as_str()), ("here.toml:7", "attempt 0"));
        assert!(said.starts_with("attempt 1 ("), "{said}");
    }
}
