//! Is a plugin fit to serve? The tests that every policy and every adapter has to pass, whoever wrote it in whatever
//! language, and those that its author wrote for it (`case.rs`, `adapter/case.rs`). For `pointsman plugin test`; the cases in
//! a package are for the gate, too (`gateway/gate.rs`).
//!
//! Calls are made through what makes them in production, and are bounded by the same limits. What the host would count as a
//! fault of the plugin fails here, and what it cannot notice while requests run.

pub mod adapter;
pub mod case;
pub mod generate;
mod incidents;
mod law;
mod policy;

use std::sync::Arc;

use anyhow::bail;
use serde::Serialize;

use self::case::Case;
use crate::journal::{Entry, RouteView};
use crate::plugin::bindings::policy::{Situation, Target};
use crate::plugin::{Cases, Compiler, Kind, Package, Plugin};

pub use self::policy::target;

pub use self::incidents::incidents;

/// Failures of one check that are told; more would say nothing new.
const FAILURES_MAX: usize = 5;

/// What a plugin is tried with.
#[derive(Debug, Default)]
pub struct Trial {
    /// JSON, an object: a route's for a policy, a provider's for an adapter.
    pub settings: String,
    /// The route that generated situations are of; empty: routes of one to six invented targets.
    pub targets: Vec<Target>,
    pub seed: u64,
    /// How many situations are generated, or requests for an adapter.
    pub situations: usize,
    /// Empty: those in its package.
    pub cases: Vec<Cases>,
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

/// What a plugin did wrong.
#[derive(Debug, PartialEq, Serialize)]
pub struct Failure {
    /// In which situation, or with which request: the case's file and line, say.
    pub place: String,
    pub said: String,
    pub expected: String,
    /// Of a policy.
    pub situation: Option<Situation>,
}

impl Check {
    fn new(name: &'static str) -> Check {
        Check { name, told: String::new(), failures: Vec::new() }
    }

    fn fail(&mut self, place: impl Into<String>, said: impl Into<String>, expected: impl Into<String>) {
        self.failures.push(Failure { place: place.into(), ..Failure::new(said, expected) });
    }

    /// Are as many failures told as one wants to read?
    fn is_full(&self) -> bool {
        self.failures.len() >= FAILURES_MAX
    }

    /// What was asked there, if it was answered as it has to be; else why not is noted.
    fn note<T>(&mut self, place: &str, tried: Result<T, Failure>) -> Option<T> {
        let broken = match tried {
            Ok(answer) => return Some(answer),
            Err(broken) => broken,
        };
        if !self.is_full() {
            self.failures.push(Failure { place: place.to_owned(), ..broken });
        }
        None
    }
}

impl Failure {
    /// The place is whose who asked.
    fn new(said: impl Into<String>, expected: impl Into<String>) -> Failure {
        Failure { place: String::new(), said: said.into(), expected: expected.into(), situation: None }
    }
}

/// Try a component: every check, up to one without which the rest means nothing.
///
/// # Errors
/// Which of the trial's cases cannot be read, and why.
pub async fn run(compiler: &Compiler, bytes: &[u8], trial: &Trial) -> anyhow::Result<Vec<Check>> {
    match Plugin::load_by(compiler, "tested", bytes).await {
        Ok(plugin) => try_out(compiler, &plugin, trial).await,
        Err(error) => {
            let mut loads = Check::new("loads");
            loads.fail("the file", format!("{error:#}"), "a component that the gateway can load");
            Ok(vec![loads])
        }
    }
}

/// The same, for one that is loaded.
///
/// # Errors
/// As there.
pub async fn try_out(compiler: &Compiler, plugin: &Arc<Plugin>, trial: &Trial) -> anyhow::Result<Vec<Check>> {
    let own = OwnCases::read(plugin.kind, &trial.cases)?;
    let mut loads = Check::new("loads");
    loads.told = format!("{}, {} bytes, imports no function, sha256 {}", plugin.kind, plugin.bytes, plugin.sha256);
    let mut checks = vec![loads];
    checks.append(&mut match plugin.kind {
        Kind::Policy => policy::try_out(plugin, trial).await,
        Kind::Adapter { .. } => adapter::try_out(plugin, trial).await,
    });
    if !trial.cases.is_empty() {
        checks.push(own.check(compiler, plugin, &trial.settings).await);
    } else if let Some(package) = &plugin.package {
        checks.push(shipped(compiler, plugin, package, &trial.settings).await);
    }
    Ok(checks)
}

/// The cases in a package.
pub async fn shipped(compiler: &Compiler, plugin: &Arc<Plugin>, package: &Package, settings: &str) -> Check {
    match OwnCases::read(plugin.kind, &package.cases) {
        Ok(own) => own.check(compiler, plugin, settings).await,
        Err(error) => {
            let mut check = Check::new("cases");
            check.fail("its package", format!("{error:#}"), "cases that can be read");
            check
        }
    }
}

/// What a plugin's author wrote for it.
pub enum OwnCases {
    Policy(Vec<Case>),
    Adapter(Vec<adapter::case::Case>),
}

impl OwnCases {
    /// The cases of all these files, which have to suit the plugin's kind.
    ///
    /// # Errors
    /// What is wrong with one, and in which line.
    pub fn read(kind: Kind, files: &[Cases]) -> anyhow::Result<OwnCases> {
        let policys = || all(files, case::read).map(OwnCases::Policy);
        let adapters = || all(files, adapter::case::read).map(OwnCases::Adapter);
        let (own, other) = match kind {
            Kind::Policy => (policys(), "which only adapters answer"),
            Kind::Adapter { .. } => (adapters(), "which only policies decide"),
        };
        let is_others = || match kind {
            Kind::Policy => adapters().is_ok(),
            Kind::Adapter { .. } => policys().is_ok(),
        };
        match own {
            Err(_) if is_others() => {
                let names: Vec<&str> = files.iter().map(|cases| cases.file.as_str()).collect();
                bail!("{} has cases {other}, but it is a {kind}", names.join(", "))
            }
            own => own,
        }
    }

    pub fn count(&self) -> usize {
        match self {
            OwnCases::Policy(all) => all.len(),
            OwnCases::Adapter(all) => all.len(),
        }
    }

    async fn check(&self, compiler: &Compiler, plugin: &Arc<Plugin>, settings: &str) -> Check {
        match self {
            OwnCases::Policy(all) => policy::cases(plugin, settings, all).await,
            OwnCases::Adapter(all) => adapter::cases::check(compiler, plugin, settings, all).await,
        }
    }
}

fn all<C>(files: &[Cases], read: fn(&str, &str) -> anyhow::Result<Vec<C>>) -> anyhow::Result<Vec<C>> {
    let read = files.iter().map(|cases| read(&cases.text, &cases.file));
    Ok(read.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use pointsman_bundle::BUNDLED;

    use super::*;

    async fn tried(name: &str, settings: &str, cases: &str) -> Vec<Check> {
        let bundled = BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in");
        let cases = vec![Cases { file: "here.toml".to_owned(), text: cases.to_owned() }];
        let trial = Trial { settings: settings.into(), seed: 1, situations: 120, cases, ..Trial::default() };
        run(&Compiler::here(), bundled.bytes, &trial).await.expect("cases that can be read")
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

    /// As a provider of each kind that it serves.
    #[tokio::test]
    async fn every_built_in_adapter_passes() {
        let (mut adapters, mut all_failures) = (0, String::new());
        for bundled in BUNDLED {
            let plugin = Plugin::load("any", bundled.bytes).await.expect("it loads");
            if plugin.kind == Kind::Policy {
                continue;
            }
            let all: &[&str] = match bundled.name {
                "anthropic-messages" => &["{}", r#"{"platform": "bedrock", "region": "eu-west-1"}"#],
                "bedrock-converse" => &[r#"{"region": "eu-west-1"}"#],
                _ => &["{}"],
            };
            for settings in all {
                let checks = tried(bundled.name, settings, "").await;
                for failure in failures(&checks) {
                    all_failures += &format!("{} with {settings}: {failure:#?}\n", bundled.name);
                }
            }
            adapters += 1;
        }
        assert!(all_failures.is_empty(), "{all_failures}");
        assert!(adapters >= 6);
    }

    #[tokio::test]
    async fn what_is_no_plugin_or_is_not_opened_fails() {
        let checks = run(&Compiler::here(), b"\0asm", &Trial::default()).await.expect("no cases");
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

    #[test]
    fn cases_of_another_sort_are_told_apart() {
        let files = |text: &str| [Cases { file: "here.toml".to_owned(), text: text.to_owned() }];
        let policys = files("[[case]]\ntargets = [\"ready\"]\nexpect = \"attempt 0\"\n");
        let adapters = files("[[case]]\nreply = \"\"\nanswer = { fault = \"truncated\" }\n");
        let codec = Kind::Adapter { provider: true, client: true };
        let count = |kind, files: &[Cases]| OwnCases::read(kind, files).map(|own| own.count());
        assert_eq!(
            (count(Kind::Policy, &policys).expect("its own"), count(codec, &adapters).expect("its own")),
            (1, 1)
        );
        for (kind, files, words) in [
            (codec, &policys, "here.toml has cases which only policies decide, but it is a codec"),
            (Kind::Policy, &adapters, "which only adapters answer, but it is a routing-policy"),
            (codec, &files("[[case]]\nrepli = 1\n"), "unknown field `repli`"),
        ] {
            let error = count(kind, files).expect_err(words);
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    }
}
