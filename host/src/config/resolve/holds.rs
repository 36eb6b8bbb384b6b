//! `[timeouts]`, `[breaker]` and `[attempts]`: for the whole gateway, for a provider, for a model. What a narrower table does not
//! say is as in the next wider one: a model's stands over its provider's, for it says more of what is asked.

use std::time::Duration;

use toml::Spanned;

use super::Resolver;
use crate::config::defaults;
use crate::config::error::ConfigError;
use crate::config::resolved::{Attempts, Holds, Timeouts};
use crate::config::written;
use crate::health::{BreakerSettings, BudgetSettings};

/// The three tables, wherever they stand.
#[derive(Default)]
pub(super) struct Tables {
    pub timeouts: written::Timeouts,
    pub breaker: written::Breaker,
    pub attempts: written::Attempts,
}

/// What nobody says otherwise.
pub const DEFAULT: Holds =
    Holds { timeouts: defaults::TIMEOUTS, breaker: defaults::BREAKER, attempts: defaults::ATTEMPTS };

impl Resolver<'_> {
    /// What holds where `wider` does and this is written. `place` is before the tables' names, such as `models.gpt-5.`.
    pub(super) fn holds(&self, written: &Tables, wider: Holds, place: &str) -> Result<Holds, ConfigError> {
        Ok(Holds {
            timeouts: timeouts(&written.timeouts, wider.timeouts),
            breaker: breaker(&written.breaker, wider.breaker, place)?,
            attempts: self.attempts(&written.attempts, wider.attempts, place)?,
        })
    }

    /// A provider's tables say nothing of what is decided before it is known who is asked.
    pub(super) fn fits_provider(&self, written: &Tables, name: &str) -> Result<(), ConfigError> {
        let Tables { timeouts, attempts, breaker } = written;
        let hedges = attempts.hedge_share.is_some() || attempts.hedge_floor.is_some();
        let misplaced = [
            ("timeouts.connect", timeouts.connect.is_some(), "[timeouts]"),
            ("timeouts.total", timeouts.total.is_some(), "[timeouts] or a model's"),
            ("breaker.shadow_probes", breaker.shadow_probes.is_some(), "[breaker] or a model's"),
            ("attempts.max", attempts.max.is_some(), "[attempts] or a model's"),
            ("attempts.hedge_share and hedge_floor", hedges, "[attempts] or a model's"),
        ];
        self.misplaced(&misplaced, &format!("providers.{name}"))
    }

    /// Connections are the whole gateway's.
    pub(super) fn fits_model(&self, written: &Tables, name: &str) -> Result<(), ConfigError> {
        let misplaced = [("timeouts.connect", written.timeouts.connect.is_some(), "[timeouts]")];
        self.misplaced(&misplaced, &format!("models.\"{name}\""))
    }

    fn misplaced(&self, settings: &[(&str, bool, &str)], place: &str) -> Result<(), ConfigError> {
        match settings.iter().find(|(_, is_written, _)| *is_written) {
            None => Ok(()),
            Some((name, _, where_to)) => {
                Err(ConfigError::plain(format!("`{place}.{name}` is decided elsewhere: write it in {where_to}")))
            }
        }
    }

    fn attempts(&self, written: &written::Attempts, wider: Attempts, place: &str) -> Result<Attempts, ConfigError> {
        let max = match &written.max {
            None => wider.max,
            Some(max) if (1..=defaults::ATTEMPTS_MAX).contains(max.get_ref()) => *max.get_ref(),
            Some(max) => {
                let text = format!("`max` is {}, but must be 1 to {}", max.get_ref(), defaults::ATTEMPTS_MAX);
                return Err(self.error(Spanned::span(max), text, None));
            }
        };
        let budget = |share_of: Option<f64>, floor: Option<u32>, wider: BudgetSettings, name: &str| {
            let share = share(share_of, wider.share, &format!("{place}attempts.{name}"))?;
            Ok(BudgetSettings { share, floor: floor.unwrap_or(wider.floor) })
        };
        Ok(Attempts {
            max,
            retries: budget(written.retry_share, written.retry_floor, wider.retries, "retry_share")?,
            hedges: budget(written.hedge_share, written.hedge_floor, wider.hedges, "hedge_share")?,
        })
    }
}

fn span(written: Option<written::Span>, wider: Duration) -> Duration {
    written.map_or(wider, |span| span.0)
}

fn timeouts(written: &written::Timeouts, wider: Timeouts) -> Timeouts {
    Timeouts {
        connect: span(written.connect, wider.connect),
        first_token: span(written.first_token, wider.first_token),
        headers: span(written.headers, wider.headers),
        idle: span(written.idle, wider.idle),
        between_tokens: span(written.between_tokens, wider.between_tokens),
        slowest: written.slowest.unwrap_or(wider.slowest),
        slowest_over: span(written.slowest_over, wider.slowest_over),
        adaptive: written.adaptive.unwrap_or(wider.adaptive),
        reply: span(written.reply, wider.reply),
        total: span(written.total, wider.total),
    }
}

fn breaker(written: &written::Breaker, wider: BreakerSettings, place: &str) -> Result<BreakerSettings, ConfigError> {
    Ok(BreakerSettings {
        faults: written.faults.unwrap_or(wider.faults).max(1),
        success_rate: share(written.success_rate, wider.success_rate, &format!("{place}breaker.success_rate"))?,
        samples: written.samples.unwrap_or(wider.samples),
        window: span(written.window, wider.window),
        out: span(written.out, wider.out),
        out_max: span(written.out_max, wider.out_max),
        shadow_probes: written.shadow_probes.unwrap_or(wider.shadow_probes),
    })
}

/// A share of 0 to 1.
fn share(written: Option<f64>, wider: f64, name: &str) -> Result<f64, ConfigError> {
    let share = written.unwrap_or(wider);
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(ConfigError::plain(format!("`{name}` is {share}, but must be 0 to 1"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{self, Config, HOLDS, Holds, Target};

    const PROVIDERS: &str = "
        [providers.a]
        adapter = \"ollama\"
        timeouts = { first_token = \"20s\", idle = \"30s\" }
        breaker = { faults = 2 }
        attempts = { retry_floor = 7 }
        [providers.b]
        adapter = \"ollama\"
        [models.narrow]
        targets = [\"a/m\", \"b/m\"]
        timeouts = { first_token = \"3s\", total = \"10s\" }
        breaker = { success_rate = 0.9 }
        attempts = { max = 5, hedge_share = 0.5 }
        [models.wide]
        targets = [\"a/m\", \"b/m\"]
        ";

    fn parse(more: &str) -> Result<Config, String> {
        let text = format!("{PROVIDERS}{more}");
        config::parse(&text, Path::new("test.toml"), &|_| None).map_err(|error| error.to_string())
    }

    fn target<'a>(config: &'a Config, model: &str, provider: &str) -> &'a Target {
        let model = config.models.iter().find(|one| one.pattern.to_string() == model).expect("a model");
        model.targets.iter().find(|target| target.provider == provider).expect("a target")
    }

    #[test]
    fn the_narrower_wins_setting_by_setting() {
        let config =
            parse("[timeouts]\nidle = \"50s\"\nreply = \"60s\"\n[breaker]\nfaults = 9").expect("a configuration");
        let seconds = |holds: &Holds| {
            let timeouts = &holds.timeouts;
            [timeouts.first_token, timeouts.idle, timeouts.reply].map(|span| span.as_secs())
        };
        let (narrow, wide) = (target(&config, "narrow", "a"), target(&config, "wide", "a"));
        assert_eq!(seconds(&narrow.holds), [3, 30, 60], "the model's, the provider's, everybody's");
        assert_eq!(seconds(&wide.holds), [20, 30, 60]);
        assert_eq!(seconds(&target(&config, "narrow", "b").holds), [3, 50, 60]);
        assert_eq!(seconds(&target(&config, "wide", "b").holds), [HOLDS.timeouts.first_token.as_secs(), 50, 60]);
        let breaker = |target: &Target| (target.holds.breaker.faults, target.holds.breaker.success_rate);
        assert_eq!(breaker(narrow), (2, 0.9));
        assert_eq!(breaker(target(&config, "wide", "b")), (9, HOLDS.breaker.success_rate));
        assert_eq!((narrow.holds.attempts.max, narrow.holds.attempts.retries.floor), (5, 7));
        let model = |name: &str| config.models.iter().find(|one| one.pattern.to_string() == name).expect("a model");
        assert_eq!(model("narrow").holds.timeouts.total.as_secs(), 10);
        assert_eq!(model("narrow").holds.attempts.hedges.share, 0.5);
        assert_eq!(model("wide").holds.attempts, HOLDS.attempts);
        assert_eq!((config.timeouts.idle.as_secs(), config.breaker.faults), (50, 9));
    }

    #[test]
    fn what_is_decided_elsewhere_is_refused_where_it_stands() {
        for (more, named) in [
            ("[providers.c]\nadapter = \"ollama\"\ntimeouts.total = \"9s\"", "providers.c.timeouts.total"),
            ("[providers.c]\nadapter = \"ollama\"\nattempts.max = 2", "providers.c.attempts.max"),
            ("[providers.c]\nadapter = \"ollama\"\nattempts.hedge_floor = 2", "hedge_floor"),
            ("[providers.c]\nadapter = \"ollama\"\nbreaker.shadow_probes = false", "shadow_probes"),
            ("[models.c]\ntargets = [\"a/m\"]\ntimeouts.connect = \"2s\"", "models.\"c\".timeouts.connect"),
            ("[models.c]\ntargets = [\"a/m\"]\nattempts.max = 9", "`max` is 9"),
            ("[models.c]\ntargets = [\"a/m\"]\nbreaker.success_rate = 1.5", "models.\"c\".breaker.success_rate"),
            ("[models.c]\ntargets = [\"a/m\"]\ntimeouts.firsttoken = \"2s\"", "firsttoken"),
        ] {
            let error = parse(more).expect_err(more);
            assert!(error.contains(named), "{more}: {error}");
        }
    }
}
