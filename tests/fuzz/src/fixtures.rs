//! What fuzzing begins with: the fixtures of `tests/fixtures`.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman_sdk::codec::provider::{Frame, Framing};
use serde_json::Value;

use crate::framing;

/// One file.
pub struct Fixture {
    /// The folder's name: a case, a feature or a wire.
    pub case: String,
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// A request body of each feature that this client has words for.
pub fn requests(client: &str) -> Vec<Fixture> {
    files("requests", |fixture| fixture.stem() == client)
}

/// What is streamed to this adapter.
pub fn streams(adapter: &str) -> Vec<(Fixture, Vec<Frame>)> {
    let streams = files("replies", |fixture| adapter_of(fixture.stem()) == adapter && fixture.framing().is_some());
    streams.into_iter().map(|fixture| (fixture.frames(), fixture)).map(|(frames, fixture)| (fixture, frames)).collect()
}

/// What it is told at once.
pub fn whole_replies(adapter: &str) -> Vec<Fixture> {
    files("replies", |fixture| adapter_of(fixture.stem()) == adapter && fixture.framing().is_none())
}

/// Status and body of error replies.
pub fn errors(adapter: &str) -> Vec<(u16, Vec<u8>)> {
    let read = |fixture: Fixture| {
        let error = json(&fixture.bytes);
        let status = error["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
        let body = error["body"].as_str().map_or_else(|| error["body"].to_string(), str::to_owned);
        (status, body.into_bytes())
    };
    files("errors", |fixture| adapter_of(&fixture.case) == adapter).into_iter().map(read).collect()
}

/// Frames as `crate::frames` reads them: a line for each.
pub fn as_lines(frames: &[Frame]) -> Vec<u8> {
    let mut lines = Vec::new();
    for frame in frames {
        if let Some(event) = &frame.event {
            lines.extend([event.as_bytes(), b"\t"].concat());
        }
        lines.extend(frame.data.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        lines.push(b'\n');
    }
    lines
}

/// The adapter that reads a wire's accent.
fn adapter_of(wire: &str) -> &str {
    match wire {
        "azure" | "vllm" | "llama-cpp" => "openai-chat",
        "bedrock-anthropic" => "anthropic-messages",
        wire => wire,
    }
}

fn files(folder: &str, wanted: impl Fn(&Fixture) -> bool) -> Vec<Fixture> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder);
    let cases = entries(&root).into_iter().filter(|case| case.is_dir());
    let files = cases.flat_map(|case| {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entries(&case).into_iter().map(move |path| (name.clone(), path))
    });
    let read = |(case, path): (String, PathBuf)| Fixture { case, bytes: fs::read(&path).expect("a file"), path };
    let fixtures: Vec<Fixture> = files.map(read).filter(wanted).collect();
    assert!(!fixtures.is_empty(), "no fixtures in {folder}");
    fixtures
}

impl Fixture {
    fn stem(&self) -> &str {
        self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// None for a reply that is not streamed.
    pub fn framing(&self) -> Option<Framing> {
        match self.path.extension()?.to_str()? {
            "sse" => Some(Framing::Sse),
            "ndjson" => Some(Framing::Ndjson),
            "frames" => Some(Framing::AwsEventStream),
            _ => None,
        }
    }

    /// As they come from the provider.
    pub fn wire_bytes(&self) -> Vec<u8> {
        if self.framing() != Some(Framing::AwsEventStream) {
            return self.bytes.clone();
        }
        let lines = self.bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.flat_map(|line| aws_message(&json(line))).collect()
    }

    fn frames(&self) -> Vec<Frame> {
        self.framing().map_or_else(Vec::new, |framing| framing::frames(framing, &self.wire_bytes()))
    }
}

fn aws_message(line: &Value) -> Vec<u8> {
    let (header, name) = match &line["event"] {
        Value::String(name) => (":event-type", name.as_str()),
        _ => (":exception-type", line["exception"].as_str().expect("an exception")),
    };
    framing::named_message(header, name, line["data"].to_string().as_bytes())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}
