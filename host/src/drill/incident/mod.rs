//! An incident: what goes wrong at providers, and when. `written` is the file, and `examples/incidents/README.md` explains it.

mod built_in;
mod written;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::chance::Chance;
use crate::config::ConfigError;
use crate::facts;

pub use self::built_in::BUILT_IN;
pub use crate::fake::Kind;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub name: String,
    pub about: String,
    /// When it began, if that is known. For people; nothing depends on it.
    pub began: Option<String>,
    pub lasts: Duration,
    pub phases: Vec<Phase>,
}

/// A trouble: when, at whom, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    pub name: String,
    pub from: Duration,
    pub to: Duration,
    /// It comes up within this time, and goes away within that.
    pub ramp_in: Duration,
    pub ramp_out: Duration,
    pub flapping: Option<Flapping>,
    pub scope: Scope,
    pub errors: Vec<Error>,
    /// How long an error takes to come.
    pub error_after: Duration,
    /// Times the time to the first token.
    pub first_token: f64,
    /// Times the tokens a second.
    pub speed: f64,
    pub capacity: Option<Capacity>,
    pub limit: Option<Limit>,
    pub acceleration: Option<Acceleration>,
    /// Tokens that a key may use before it is used up.
    pub quota_tokens: Option<u64>,
    pub unreachable: Option<Unreachable>,
}

/// Bad for a while, then well for a while, beginning with the bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    pub down: Duration,
    pub up: Duration,
}

/// Whom a trouble befalls: all that fit everything that is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    pub role: Role,
    /// Pattern of the provider's name.
    pub provider: Option<String>,
    /// What the provider speaks, such as `anthropic-messages`. Claude on Bedrock is `bedrock`.
    pub protocol: Option<String>,
    /// Pattern of the model's name at the provider.
    pub model: Option<String>,
    /// The position of the key among its provider's, from 1.
    pub key: Option<usize>,
    /// Only requests with tools.
    pub tools: bool,
    /// Of the requests; the same ones as long as it lasts.
    pub share: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    All,
    /// The one that stands first for most of the traffic.
    First,
    /// The others.
    Backup,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: Kind,
    pub rate: f64,
    pub retry_after: Option<Duration>,
}

/// So much a minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    PerMinute(f64),
    /// Times the mean rate of the drill's whole traffic.
    OfTraffic(f64),
}

/// What a provider can bear: what is asked beyond it is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    pub rate: Rate,
    /// How much of it overload costs: twice as much as it can bear leaves `1 / (1 + collapse)` of it.
    pub collapse: f64,
    pub kind: Kind,
}

/// What each key may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub requests: Option<Rate>,
    pub tokens_per_minute: Option<f64>,
}

/// Above `floor` the load of a key may double within `doubling`, and no faster.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceleration {
    pub floor: Rate,
    pub doubling: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    Refused,
    /// Nothing comes back.
    Vanished,
}

impl Incident {
    /// A built-in one by its name, or a file.
    ///
    /// # Errors
    /// What is wrong with the file and where, or that there is none.
    pub fn find(name: &str) -> anyhow::Result<Incident> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Ok(Incident::parse(text, Path::new(&format!("{name}.toml")))?);
        }
        let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let text = std::fs::read_to_string(name).with_context(|| {
            format!(
                "`{name}` is neither a file that can be read nor a built-in incident: there are {}",
                names.join(", ")
            )
        })?;
        Ok(Incident::parse(&text, Path::new(name))?)
    }

    /// # Errors
    /// What is wrong, where, and what to do.
    pub fn parse(text: &str, path: &Path) -> Result<Incident, ConfigError> {
        written::parse(text, path)
    }

    /// The same, played faster or slower. How long replies take is not changed, nor what a minute bears.
    pub fn lasting(&self, length: Duration) -> Incident {
        let factor = length.as_secs_f64() / self.lasts.as_secs_f64().max(1.0);
        let mut incident = self.clone();
        incident.lasts = length;
        for phase in &mut incident.phases {
            let flapping = phase.flapping.iter_mut().flat_map(|flapping| [&mut flapping.down, &mut flapping.up]);
            let times = [&mut phase.from, &mut phase.to, &mut phase.ramp_in, &mut phase.ramp_out];
            times.into_iter().chain(flapping).for_each(|time| *time = time.mul_f64(factor));
        }
        incident
    }
}

impl Phase {
    /// How bad it is: 0 is not at all, 1 is as bad as it says.
    pub fn intensity(&self, at: Duration) -> f64 {
        if at < self.from || at >= self.to {
            return 0.0;
        }
        let since = at - self.from;
        if let Some(Flapping { down, up }) = self.flapping {
            let within = since.as_nanos() % (down + up).as_nanos().max(1);
            if within >= down.as_nanos() {
                return 0.0;
            }
        }
        let of = |time: Duration, ramp: Duration| match ramp.is_zero() {
            true => 1.0,
            false => (time.as_secs_f64() / ramp.as_secs_f64()).min(1.0),
        };
        of(since, self.ramp_in) * of(self.to - at, self.ramp_out)
    }
}

impl Scope {
    /// Is it for a provider of this name, protocol and role?
    pub fn is_for_provider(&self, name: &str, protocol: &str, is_first: bool) -> bool {
        let role = match self.role {
            Role::All => true,
            Role::First => is_first,
            Role::Backup => !is_first,
        };
        role && self.provider.as_ref().is_none_or(|pattern| facts::fits(pattern, name))
            && self.protocol.as_ref().is_none_or(|wanted| wanted == protocol)
    }

    /// Is it for this request? `key` counts from 1. `chance` is the request's own, whoever is asked and when.
    pub fn is_for(&self, model: &str, key: usize, tools: bool, chance: Chance) -> bool {
        self.model.as_ref().is_none_or(|pattern| facts::fits(pattern, model))
            && self.key.is_none_or(|wanted| wanted == key)
            && (!self.tools || tools)
            && (self.share >= 1.0 || chance.roll("share") < self.share)
    }
}

#[cfg(test)]
mod tests;
