//! The typed details of an error, as far as they say what to do next.

use serde_json::Value;

#[derive(Debug, Default)]
pub struct Details {
    /// Of `ErrorInfo`, such as `API_KEY_INVALID`.
    reasons: Vec<String>,
    /// `QuotaFailure` names a limit for a whole day.
    pub quota_is_daily: bool,
    /// Of `RetryInfo`. There is no Retry-After header.
    pub retry_after_ms: Option<u64>,
}

impl Details {
    pub fn read(list: &[Value]) -> Details {
        let mut details = Details::default();
        for detail in list {
            details.reasons.extend(detail["reason"].as_str().map(str::to_owned));
            let violations = detail["violations"].as_array().map_or(&[][..], Vec::as_slice);
            details.quota_is_daily |= violations.iter().any(is_daily);
            details.retry_after_ms = details.retry_after_ms.or(duration_ms(&detail["retryDelay"]));
        }
        details
    }

    pub fn has_reason(&self, beginning: &str) -> bool {
        self.reasons.iter().any(|reason| reason.starts_with(beginning))
    }
}

fn is_daily(violation: &Value) -> bool {
    ["quotaId", "quotaMetric", "subject"].iter().any(|name| {
        let text = violation[*name].as_str().unwrap_or_default().to_ascii_lowercase();
        text.contains("perday") || text.contains("per_day")
    })
}

/// A protobuf duration as JSON: `17s`, `17.5s`; or as some proxies copy it, `{"seconds": 17, "nanos": 500000000}`.
fn duration_ms(value: &Value) -> Option<u64> {
    let seconds = match value {
        Value::String(text) => text.strip_suffix('s')?.parse().ok()?,
        Value::Object(parts) => {
            let number = |name: &str| parts.get(name).and_then(Value::as_f64).unwrap_or(0.0);
            number("seconds") + number("nanos") / 1e9
        }
        _ => return None,
    };
    to_ms(seconds)
}

fn to_ms(seconds: f64) -> Option<u64> {
    (seconds.is_finite() && seconds >= 0.0).then(|| (seconds * 1000.0).ceil() as u64)
}
