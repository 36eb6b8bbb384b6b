//! The file of an incident, as it is written, and what is checked of it.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Acceleration, Capacity, Error, Flapping, Incident, Kind, Limit, Phase, Rate, Role, Scope, Unreachable};
use crate::config::{ConfigError, File, Span};
use crate::fake::Protocol;

/// How long an error takes where nothing is said.
const ERROR_AFTER: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    about: String,
    began: Option<String>,
    lasts: Span,
    phase: Vec<WrittenPhase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPhase {
    name: Spanned<String>,
    from: Option<Span>,
    to: Option<Spanned<Span>>,
    ramp_in: Option<Span>,
    ramp_out: Option<Span>,
    flapping: Option<WrittenFlapping>,
    #[serde(default)]
    role: WrittenRole,
    provider: Option<String>,
    protocol: Option<Spanned<String>>,
    model: Option<String>,
    key: Option<Spanned<usize>>,
    #[serde(default)]
    tools: bool,
    share: Option<Spanned<f64>>,
    #[serde(default)]
    errors: Vec<WrittenError>,
    error_after: Option<Span>,
    first_token: Option<Spanned<f64>>,
    speed: Option<Spanned<f64>>,
    capacity: Option<WrittenCapacity>,
    limit: Option<WrittenLimit>,
    acceleration: Option<WrittenAcceleration>,
    quota_tokens: Option<u64>,
    unreachable: Option<WrittenUnreachable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFlapping {
    down: Span,
    up: Span,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenRole {
    #[default]
    All,
    First,
    Backup,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenUnreachable {
    Refused,
    Vanished,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenError {
    kind: Spanned<String>,
    rate: Option<Spanned<f64>>,
    retry_after: Option<Span>,
}

/// One of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCapacity {
    per_minute: Option<Spanned<f64>>,
    of_traffic: Option<Spanned<f64>>,
    #[serde(default)]
    collapse: f64,
    kind: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLimit {
    per_minute: Option<Spanned<f64>>,
    of_traffic: Option<Spanned<f64>>,
    tokens_per_minute: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAcceleration {
    per_minute: Option<Spanned<f64>>,
    of_traffic: Option<Spanned<f64>>,
    doubling: Span,
}

pub fn parse(text: &str, path: &Path) -> Result<Incident, ConfigError> {
    let file = File { path, text };
    let written: Written =
        toml::from_str(text).map_err(|error| file.at(error.span(), error.message().to_owned(), None))?;
    let lasts = written.lasts.0;
    let phases = written.phase.into_iter().map(|phase| resolve(phase, lasts, &file)).collect::<Result<_, _>>()?;
    Ok(Incident { name: written.name, about: written.about.trim().to_owned(), began: written.began, lasts, phases })
}

fn resolve(phase: WrittenPhase, lasts: Duration, file: &File<'_>) -> Result<Phase, ConfigError> {
    let span = |span: Option<Span>| span.map_or(Duration::ZERO, |span| span.0);
    let (from, name_at) = (span(phase.from), phase.name.span());
    let (to, to_at) = phase.to.map_or((lasts, name_at.clone()), |to| (to.get_ref().0, to.span()));
    if to <= from || to > lasts {
        let hint = "a phase begins before it ends, and ends before the incident's `lasts` is over";
        return Err(file.at(Some(to_at), "this phase has no place in the incident", Some(hint.to_owned())));
    }
    let known = |protocol: &Spanned<String>| {
        let parsed = protocol.get_ref().parse::<Protocol>();
        parsed.map_err(|text| file.at(Some(protocol.span()), text, None))
    };
    phase.protocol.as_ref().map(known).transpose()?;
    if let Some(key) = phase.key.as_ref().filter(|key| *key.get_ref() == 0) {
        return Err(file.at(Some(key.span()), "keys are counted from 1", None));
    }
    let scope = Scope {
        role: match phase.role {
            WrittenRole::All => Role::All,
            WrittenRole::First => Role::First,
            WrittenRole::Backup => Role::Backup,
        },
        provider: phase.provider,
        protocol: phase.protocol.map(Spanned::into_inner),
        model: phase.model,
        key: phase.key.map(Spanned::into_inner),
        tools: phase.tools,
        share: number(phase.share, 1.0, 0.0..=1.0, "a share", file)?,
    };
    let phase = Phase {
        name: phase.name.into_inner(),
        from,
        to,
        ramp_in: span(phase.ramp_in),
        ramp_out: span(phase.ramp_out),
        flapping: phase.flapping.map(|flapping| Flapping { down: flapping.down.0, up: flapping.up.0 }),
        scope,
        errors: phase.errors.into_iter().map(|error| resolve_error(error, file)).collect::<Result<_, _>>()?,
        error_after: phase.error_after.map_or(ERROR_AFTER, |span| span.0),
        first_token: number(phase.first_token, 1.0, 0.01..=1000.0, "a factor", file)?,
        speed: number(phase.speed, 1.0, 0.001..=1000.0, "a factor", file)?,
        capacity: phase.capacity.map(|capacity| resolve_capacity(capacity, &name_at, file)).transpose()?,
        limit: phase.limit.map(|limit| resolve_limit(limit, &name_at, file)).transpose()?,
        acceleration: phase.acceleration.map(|rise| resolve_rise(rise, &name_at, file)).transpose()?,
        quota_tokens: phase.quota_tokens,
        unreachable: phase.unreachable.map(|unreachable| match unreachable {
            WrittenUnreachable::Refused => Unreachable::Refused,
            WrittenUnreachable::Vanished => Unreachable::Vanished,
        }),
    };
    match does_nothing(&phase) {
        true => {
            let hint = "give `errors`, `first_token`, `speed`, `capacity`, `limit`, `acceleration`, `quota_tokens` or \
                        `unreachable`";
            Err(file.at(Some(name_at), "nothing goes wrong in this phase", Some(hint.to_owned())))
        }
        false => Ok(phase),
    }
}

fn does_nothing(phase: &Phase) -> bool {
    let Phase { errors, first_token, speed, capacity, limit, acceleration, quota_tokens, unreachable, .. } = phase;
    let is_slow = *first_token != 1.0 || *speed != 1.0;
    let is_limited = capacity.is_some() || limit.is_some() || acceleration.is_some() || quota_tokens.is_some();
    errors.is_empty() && !is_slow && !is_limited && unreachable.is_none()
}

fn number(
    given: Option<Spanned<f64>>,
    default: f64,
    range: std::ops::RangeInclusive<f64>,
    what: &str,
    file: &File<'_>,
) -> Result<f64, ConfigError> {
    let Some(given) = given else { return Ok(default) };
    match range.contains(given.get_ref()) {
        true => Ok(*given.get_ref()),
        false => {
            let text = format!("{what} is a number from {} to {}", range.start(), range.end());
            Err(file.at(Some(given.span()), text, None))
        }
    }
}

fn kind(word: &Spanned<String>, file: &File<'_>) -> Result<Kind, ConfigError> {
    word.get_ref().parse().map_err(|text: String| file.at(Some(word.span()), text, None))
}

fn resolve_error(error: WrittenError, file: &File<'_>) -> Result<Error, ConfigError> {
    Ok(Error {
        kind: kind(&error.kind, file)?,
        rate: number(error.rate, 1.0, 0.0..=1.0, "a rate", file)?,
        retry_after: error.retry_after.map(|span| span.0),
    })
}

type Range = std::ops::Range<usize>;

/// Absent when neither is given.
fn rate(
    per_minute: Option<Spanned<f64>>,
    of_traffic: Option<Spanned<f64>>,
    file: &File<'_>,
) -> Result<Option<Rate>, ConfigError> {
    let range = 0.0..=1e9;
    match (per_minute, of_traffic) {
        (Some(_), Some(twice)) => {
            Err(file.at(Some(twice.span()), "`per_minute` and `of_traffic` exclude each other", None))
        }
        (None, None) => Ok(None),
        (given, None) => Ok(Some(Rate::PerMinute(number(given, 0.0, range, "a rate", file)?))),
        (None, given) => Ok(Some(Rate::OfTraffic(number(given, 0.0, range, "a rate", file)?))),
    }
}

fn missing(what: &str, at: &Range, file: &File<'_>) -> ConfigError {
    let hint = "give `per_minute`, or `of_traffic`: times the mean rate of the drill's traffic";
    file.at(Some(at.clone()), format!("the phase's `{what}` does not say how much it is"), Some(hint.to_owned()))
}

fn resolve_capacity(capacity: WrittenCapacity, at: &Range, file: &File<'_>) -> Result<Capacity, ConfigError> {
    let rate = rate(capacity.per_minute, capacity.of_traffic, file)?.ok_or_else(|| missing("capacity", at, file))?;
    let kind = capacity.kind.map(|word| kind(&word, file)).transpose()?.unwrap_or_else(|| Kind::known("overloaded"));
    Ok(Capacity { rate, collapse: capacity.collapse.max(0.0), kind })
}

fn resolve_limit(limit: WrittenLimit, at: &Range, file: &File<'_>) -> Result<Limit, ConfigError> {
    let requests = rate(limit.per_minute, limit.of_traffic, file)?;
    if requests.is_none() && limit.tokens_per_minute.is_none() {
        return Err(missing("limit", at, file));
    }
    Ok(Limit { requests, tokens_per_minute: limit.tokens_per_minute })
}

fn resolve_rise(rise: WrittenAcceleration, at: &Range, file: &File<'_>) -> Result<Acceleration, ConfigError> {
    let floor = rate(rise.per_minute, rise.of_traffic, file)?.ok_or_else(|| missing("acceleration", at, file))?;
    Ok(Acceleration { floor, doubling: rise.doubling.0 })
}
