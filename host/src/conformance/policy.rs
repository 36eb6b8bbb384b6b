//! Is a policy fit to decide? What the host would count as its fault fails here, and what the host cannot notice while
//! requests run: that the same situation is decided in two ways, or that a target is asked which cannot serve the request.

use std::sync::Arc;

use super::case::Case;
use super::generate::Generator;
use super::{Check, FAILURES_MAX, Failure, Trial, law};
use crate::journal::{Entry, RouteView};
use crate::plugin::bindings::policy::{Action, Decision, Situation, Target};
use crate::plugin::{Plugin, PluginFault, Policy};

/// A fresh instance of an interpreter takes milliseconds, so only each so-manieth situation is decided in one.
const FRESH_EVERY: usize = 4;
/// A route of more targets is not another kind of route.
const TARGETS_MAX: usize = 6;

/// Every check but the author's own cases.
pub async fn try_out(plugin: &Arc<Plugin>, trial: &Trial) -> Vec<Check> {
    let mut generator = Generator::new(trial.seed);
    let (opens, mut opened) = open(plugin, trial, &mut generator).await;
    let mut checks = vec![opens, refuses(plugin, &mut generator).await];
    if !opened.is_empty() {
        checks.push(situations(&mut opened, trial, &mut generator).await);
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

/// The author's own.
pub async fn cases(plugin: &Arc<Plugin>, settings: &str, all: &[Case]) -> Check {
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
            Ok(decision) => Failure::new(spelt(&decision), case.expected.to_string()),
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
pub fn spelt(decision: &Decision) -> String {
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
