//! The log, on standard error: text for people, or one JSON object a line for programs.
//!
//! Of a process that serves, a thread of its own writes it. Nothing waits for it: while lines cannot be written, because a disk is full, or whoever reads
//! them is slow or gone, they are dropped and counted, and the next line that can be written is followed by their number.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Full, Json, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// Set when the configuration is known, which is after the log has begun.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Lines that wait to be written, at the most: a few megabytes.
const LINES_MAX: usize = 8_192;

/// Begin. Until [`set_format`] says otherwise it is text.
pub fn begin(level: LevelFilter) {
    begin_with(level, BoxMakeWriter::new(|| Output::to(io::stderr())));
}

/// The same for a process that serves. What is returned writes the lines that wait when it is dropped, for at most a second.
#[must_use = "the log ends with it"]
pub fn begin_apart(level: LevelFilter) -> WorkerGuard {
    let output = Output::to(io::stderr());
    let queue = Arc::clone(&output.queue);
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).thread_name("log");
    let (writer, guard) = builder.finish(output);
    let _ = queue.set(writer.error_counter());
    begin_with(level, BoxMakeWriter::new(writer));
    guard
}

fn begin_with(level: LevelFilter, writer: BoxMakeWriter) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer)
        .with_ansi(io::stderr().is_terminal())
        .event_format(Lines::default())
        .init();
}

/// Where lines go, one with each call. What cannot be written is lost, and counted.
struct Output<W> {
    to: W,
    /// Counts the lines that found the queue full.
    queue: Arc<OnceLock<ErrorCounter>>,
    /// Lines that could not be written.
    failed: usize,
    /// Lost lines whose number has been written.
    reported: usize,
}

impl<W> Output<W> {
    fn to(to: W) -> Output<W> {
        Output { to, queue: Arc::default(), failed: 0, reported: 0 }
    }
}

/// No error: `tracing` would print it to the very place that fails, and panic.
impl<W: Write> Write for Output<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.to.write_all(line).and_then(|()| self.to.flush());
        self.failed += usize::from(written.is_err());
        let lost = self.failed + self.queue.get().map_or(0, ErrorCounter::dropped_lines);
        if written.is_ok() && lost > self.reported {
            // From this thread it only enters the queue.
            tracing::warn!(
                lines = lost - self.reported,
                "lines of this log are lost: they could not be written in time"
            );
            self.reported = lost;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
    use std::sync::Mutex;

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

    /// Fails while it is told to.
    #[derive(Clone, Default)]
    struct Full(Arc<AtomicBool>, Kept);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.load(Ordering::Relaxed) { Err(io::ErrorKind::StorageFull.into()) } else { self.1.write(bytes) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let full = Full::default();
        let mut output = Output::to(full.clone());
        let said = Kept::default();
        let writer = said.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            for (is_full, line) in
                [(false, "one\n"), (true, "two\n"), (true, "three\n"), (false, "four\n"), (false, "five\n")]
            {
                full.0.store(is_full, Ordering::Relaxed);
                output.write_all(line.as_bytes()).expect("the log never fails");
            }
        });
        let text = |kept: &Kept| String::from_utf8(kept.0.lock().expect("no panic").clone()).expect("text");
        assert_eq!(text(&full.1), "one\nfour\nfive\n");
        let said = text(&said);
        assert!(said.lines().count() == 1 && said.contains("lines=2"), "{said}");
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
