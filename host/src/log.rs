//! The log, on standard error: text for people, or one JSON object a line for programs.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// Set when the configuration is known, which is after the log has begun.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Begin. Until [`set_format`] says otherwise it is text.
pub fn begin(level: LevelFilter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(Lines::default())
        .init();
}

/// From the next line on.
pub fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// Each line as the format is when it is written.
struct Lines {
    text: Format<Full, SystemTime>,
    json: Format<Json, SystemTime>,
}

impl Default for Lines {
    fn default() -> Lines {
        let text = Format::default().with_target(false);
        let json = text.clone().json().flatten_event(true).with_current_span(false).with_span_list(false);
        Lines { text, json }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match IS_JSON.load(Ordering::Relaxed) {
            true => self.json.format_event(context, writer, event),
            false => self.text.format_event(context, writer, event),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_line_is_one_object_or_text() {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .event_format(Lines::default())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            set_format(LogFormat::Json);
            tracing::info!(
                id = "pm_1",
                model = "a \"quoted\"\nname",
                attempts = 2_u32,
                absent = None::<u32>,
                "request"
            );
            set_format(LogFormat::Text);
            tracing::warn!(model = "m", "words");
        });
        let written = String::from_utf8(kept.0.lock().expect("no panic").clone()).expect("text");
        let [json, text] = written.lines().collect::<Vec<_>>()[..] else { panic!("{written}") };
        let json: serde_json::Value = serde_json::from_str(json).expect("an object");
        assert_eq!(json["level"], "INFO");
        assert_eq!(json["message"], "request");
        assert_eq!(json["model"], "a \"quoted\"\nname");
        assert_eq!((&json["attempts"], json.get("absent")), (&serde_json::json!(2), None));
        assert!(json["timestamp"].is_string());
        assert!(text.contains("WARN words model=\"m\""), "{text}");
    }
}
