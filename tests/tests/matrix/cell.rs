//! One cell: a client, a fault, a backup.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::fake::{Behaviour, Director, Fake, Protocol, Seen};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use pointsman_tests::{behave, slowly};

use super::clients::{self, ANSWER, Client, Ended};

/// What the first provider does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// An error in place of the first content, each time.
    BeforeContent,
    /// Its connection breaks after three pieces of content, each time.
    MidStream,
    /// It breaks in the midst of a text, where the route says that another target may go on with it.
    Spliced,
    /// It reads requests and never answers.
    Silent,
    /// It answers the first turn and refuses each later one: the conversation has traces of it.
    Later,
}

impl Trouble {
    pub const ALL: [Trouble; 5] =
        [Trouble::BeforeContent, Trouble::MidStream, Trouble::Spliced, Trouble::Silent, Trouble::Later];

    pub fn name(self) -> &'static str {
        match self {
            Trouble::BeforeContent => "before-content",
            Trouble::MidStream => "mid-stream",
            Trouble::Spliced => "spliced",
            Trouble::Silent => "silent",
            Trouble::Later => "later",
        }
    }
}

impl Director for Trouble {
    fn direct(&self, seen: &Seen) -> Behaviour {
        // Results of tools are in the conversation from the second turn on.
        let is_later = String::from_utf8_lossy(&seen.body).contains("track nine");
        match self {
            Trouble::BeforeContent => behave("error-before-content"),
            Trouble::MidStream => slowly("cut-after:3"),
            // A text, behind the thoughts of those that think.
            Trouble::Spliced if is_later => slowly("cut-after:8"),
            Trouble::Spliced => Behaviour::default(),
            Trouble::Silent => behave("hang"),
            Trouble::Later if is_later => behave("503"),
            Trouble::Later => Behaviour::default(),
        }
    }
}

/// A backup's protocol, and the model that it is asked for.
pub const BACKUPS: [(Protocol, &str, &str); 6] = [
    (Protocol::AnthropicMessages, "anthropic-messages", "claude-sonnet-4-5"),
    (Protocol::OpenAiChat, "openai-chat", "gpt-5"),
    (Protocol::OpenAiResponses, "openai-responses", "gpt-5"),
    (Protocol::Gemini, "gemini", "gemini-2.5-pro"),
    (Protocol::Bedrock, "bedrock-converse", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Protocol::Ollama, "ollama", "qwen3"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Survived,
    Error,
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Verdict::Survived => "survived",
            Verdict::Error => "error",
            Verdict::Wrong => "wrong",
        })
    }
}

#[derive(Clone, Copy)]
pub struct Cell {
    pub client: &'static Client,
    pub trouble: Trouble,
    pub backup: (Protocol, &'static str, &'static str),
}

impl Cell {
    pub fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for client in clients::ALL {
            for trouble in Trouble::ALL {
                cells.extend(BACKUPS.map(|backup| Cell { client, trouble, backup }));
            }
        }
        cells
    }

    /// `CLIENT/FAULT/BACKUP`.
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.client.name, self.trouble.name(), self.backup.0)
    }

    /// Whether a client that can do both asks for a stream. What breaks in mid-stream is one; of the others each fault meets both.
    fn streams(&self) -> bool {
        let backup = BACKUPS.iter().position(|backup| *backup == self.backup).unwrap_or_default();
        matches!(self.trouble, Trouble::MidStream | Trouble::Spliced)
            || (backup + self.trouble as usize).is_multiple_of(2)
    }

    /// What became of it, and what the client showed.
    pub async fn play(&self) -> (Verdict, String) {
        let first = Fake::start_directed(self.client.speaks, Arc::new(self.trouble)).await.expect("a port");
        let backup = Fake::start(self.backup.0).await.expect("a port");
        let (address, stop) = gateway(self, &first, &backup).await;
        let ended = clients::run(self.client, address, self.streams()).await;
        drop(stop);
        let Ended { succeeded, answer, errors } = ended;
        let verdict = match (succeeded, answer.contains(ANSWER)) {
            (true, true) => Verdict::Survived,
            (true, false) => Verdict::Wrong,
            (false, _) => Verdict::Error,
        };
        let seen = backup.seen().len();
        (verdict, format!("the backup had {seen} requests; it showed: {}\n{}", answer.trim(), last(&errors)))
    }
}

/// The end of a long text.
fn last(text: &str) -> &str {
    const SHOWN: usize = 1500;
    let start = text.len().saturating_sub(SHOWN);
    let start = (start..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default().trim()
}

/// The defaults but for timeouts, which are short, so that silence is noticed while a test waits.
async fn gateway(cell: &Cell, first: &Fake, backup: &Fake) -> (SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let adapter = BACKUPS.iter().find(|(protocol, ..)| *protocol == cell.client.speaks).map(|(_, adapter, _)| adapter);
    let provider = |adapter: &str, fake: &Fake| {
        let credentials = match adapter {
            "bedrock-converse" => {
                "aws = { access_key_id = \"AKIDEXAMPLE\", secret_access_key = \"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\" }\n\
                 settings = { region = \"us-east-1\" }"
            }
            "ollama" => "",
            _ => "key = \"secret-key\"",
        };
        format!("adapter = \"{adapter}\"\nbase_url = \"{}\"\n{credentials}\n", fake.base_url())
    };
    let (_, backup_adapter, model) = cell.backup;
    let continuation = if cell.trouble == Trouble::Spliced { "continuation = \"splice\"\n" } else { "" };
    let text = format!(
        "[timeouts]\nfirst_token = \"1500ms\"\nreply = \"1500ms\"\nidle = \"1500ms\"\ntotal = \"30s\"\n\n\
         [providers.first]\n{}\n[providers.backup]\n{}\n[models.\"{}\"]\ntargets = [\"first/*\", \"backup/{model}\"]\n{continuation}",
        provider(adapter.expect("an adapter"), first),
        provider(backup_adapter, backup),
        cell.client.models,
    );
    let parsed = config::parse(&text, Path::new("matrix.toml"), &|_| None);
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let gateway = Gateway::new(parsed, Clock::seeded(Duration::from_secs(1_780_394_400), 7)).await.expect("a gateway");
    let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
    let address = port.address().expect("an address");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopping = async move {
        let _ = stopped.await;
    };
    tokio::spawn(port.serve(gateway, stopping, Duration::ZERO));
    (address, stop)
}
