//! Which timeouts, breakers and numbers of attempts hold for each target, wherever they are written.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::target;
use crate::config::{Attempts, HOLDS, Holds};
use crate::gateway::{Route, Table, Target};

/// What is decided before a target is known is the model's.
pub fn of(route: &Route, target: &Target) -> Holds {
    let (model, mut holds) = (route.holds, target.holds);
    holds.timeouts.total = model.timeouts.total;
    holds.breaker.shadow_probes = model.breaker.shadow_probes;
    holds.attempts = Attempts { retries: holds.attempts.retries, ..model.attempts };
    holds
}

/// By the names of the configuration.
pub fn data(holds: &Holds) -> Value {
    let Holds { timeouts, breaker, attempts } = holds;
    json!({
        "timeouts": {
            "connect": span(timeouts.connect), "headers": span(timeouts.headers),
            "first_token": span(timeouts.first_token), "idle": span(timeouts.idle),
            "between_tokens": span(timeouts.between_tokens), "slowest": timeouts.slowest,
            "slowest_over": span(timeouts.slowest_over), "adaptive": timeouts.adaptive, "reply": span(timeouts.reply),
            "total": span(timeouts.total),
        },
        "breaker": {
            "faults": breaker.faults, "success_rate": breaker.success_rate, "samples": breaker.samples,
            "window": span(breaker.window), "out": span(breaker.out), "out_max": span(breaker.out_max),
            "shadow_probes": breaker.shadow_probes,
        },
        "attempts": {
            "max": attempts.max, "retry_share": attempts.retries.share, "retry_floor": attempts.retries.floor,
            "hedge_share": attempts.hedges.share, "hedge_floor": attempts.hedges.floor,
        },
    })
}

/// As the configuration writes it.
fn span(span: Duration) -> String {
    let millis = span.as_millis();
    match millis {
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

/// A row for each target for which something holds that is not the default.
pub fn rows(table: &Table) -> Vec<[String; 3]> {
    let default = data(&HOLDS);
    let rows = table.routes.iter().flat_map(|route| route.targets.iter().map(move |target| (route, target)));
    let rows = rows.filter_map(|(route, at)| {
        let other = difference(&data(&of(route, at)), &default);
        (!other.is_empty()).then(|| [route.pattern.to_string(), target(at), other.join("  ")])
    });
    rows.collect()
}

fn difference(holds: &Value, default: &Value) -> Vec<String> {
    let none = Map::new();
    let tables = holds.as_object().unwrap_or(&none).iter();
    let settings = tables.flat_map(|(table, settings)| {
        let settings = settings.as_object().unwrap_or(&none).iter();
        settings.filter(move |(name, value)| default[table][name] != **value).map(move |(name, value)| match value {
            Value::String(text) => format!("{table}.{name} = {text}"),
            other => format!("{table}.{name} = {other}"),
        })
    });
    settings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["1ms", "1500ms", "90s", "5m", "1h", "36h"] {
            assert_eq!(span(crate::config::span(text).expect("a span")), text);
        }
    }

    #[test]
    fn only_what_is_not_the_default_is_shown() {
        assert!(difference(&data(&HOLDS), &data(&HOLDS)).is_empty());
        let mut holds = HOLDS;
        holds.timeouts.first_token = Duration::from_secs(90);
        holds.attempts.max = 5;
        let shown = difference(&data(&holds), &data(&HOLDS));
        assert_eq!(shown, ["timeouts.first_token = 90s", "attempts.max = 5"]);
    }
}
