//! A configuration that was checked: what the rest of the gateway uses.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use minisign_verify::PublicKey;

use super::defaults;
use super::identity::{Aws, Azure, Google};
use super::written::LogFormat;
use crate::facts::Book;
use crate::health::{AdmissionSettings, BreakerSettings, BudgetSettings};
use crate::plugin::CompileLimits;
use crate::ship::{Digest, Place};

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub server: Server,
    pub timeouts: Timeouts,
    pub breaker: BreakerSettings,
    pub attempts: Attempts,
    pub limits: AdmissionSettings,
    pub gate: Gate,
    pub plugins: BTreeMap<String, PluginFile>,
    pub providers: BTreeMap<String, Provider>,
    pub models: Vec<Model>,
    pub facts: Book,
    /// Absent: media is not fetched. Else the `host:port`s that may be private.
    pub fetch: Option<Vec<String>>,
    pub journal: JournalSettings,
    /// Operators may inject faults.
    pub game_day: bool,
}

/// Which requests are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSettings {
    /// The last, in memory.
    pub requests: usize,
    /// Absent: they are forgotten with the process.
    pub on_disk: Option<JournalOnDisk>,
}

/// How far back the journal on the disk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalOnDisk {
    pub keep: Duration,
    pub bytes_max: u64,
}

impl JournalSettings {
    /// Nobody wants to know.
    pub fn is_off(&self) -> bool {
        self.requests == 0 && self.on_disk.is_none()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub admin_token: Option<Secret>,
    /// Empty: anyone may call.
    pub callers: Vec<Arc<Caller>>,
    pub tls: Option<Tls>,
    pub origins: Origins,
    pub hosts: Hosts,
    pub log: LogFormat,
    /// A folder of this gateway alone, for what outlives the process. Absent: nothing does.
    pub state: Option<PathBuf>,
    pub drain_lead: Duration,
    pub drain: Duration,
    pub edge: Edge,
}

/// Names of this gateway, beside addresses, `localhost` and names without a dot. They matter where callers need no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    All,
    /// In lower case, without a port.
    These(Vec<String>),
}

impl Hosts {
    /// `name` is in lower case, without a port.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Hosts::All => true,
            Hosts::These(these) => these.iter().any(|one| one == name),
        }
    }
}

/// Origins of the pages that may call from a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Nothing is configured: all of them where callers need a key, and pages of this machine where they need none.
    Unset,
    All,
    /// As browsers spell them in `Origin`.
    These(Vec<String>),
}

/// How much of everything callers may take, all together or each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    pub connections: usize,
    pub connections_per_ip: Option<usize>,
    pub header_timeout: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
    pub body_bytes: u64,
    pub body_idle: Duration,
    /// Bytes a second; 0 is off.
    pub body_rate: u32,
    pub write_stall: Duration,
    /// At once.
    pub requests: usize,
    /// No less than `body_bytes`.
    pub body_bytes_held: u64,
}

/// Someone who may call, known by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Empty for a key of the list `caller_keys`.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// Absent: all.
    pub models: Option<Vec<Pattern>>,
    pub limits: CallerLimits,
}

/// How much a caller may use. Absent: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerLimits {
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub tokens_per_day: Option<u64>,
    /// Requests at once.
    pub max_in_flight: Option<u64>,
}

impl Caller {
    /// `model` is the name that the caller uses.
    pub fn may_use(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(model).is_some()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Duration,
    /// No longer than `first_token`.
    pub headers: Duration,
    pub first_token: Duration,
    pub idle: Duration,
    pub between_tokens: Duration,
    /// Bytes of content a second; 0 is off.
    pub slowest: u32,
    /// How long the pace of a stream is measured.
    pub slowest_over: Duration,
    /// Learn when an attempt is late.
    pub adaptive: bool,
    pub reply: Duration,
    pub total: Duration,
}

/// How many attempts are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempts {
    /// For one request: 1 to 5.
    pub max: usize,
    pub retries: BudgetSettings,
    pub hedges: BudgetSettings,
}

/// What holds for the attempts at one target, or for the requests of one model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holds {
    pub timeouts: Timeouts,
    pub breaker: BreakerSettings,
    pub attempts: Attempts,
}

/// What a plugin's file must pass before it may serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub compile: CompileLimits,
    /// For all cases in a package.
    pub cases_time: Duration,
    /// It is signed by one of them. Empty: it need not be.
    pub public_keys: Vec<PublicKey>,
}

impl Default for Gate {
    fn default() -> Self {
        Gate { compile: defaults::COMPILE, cases_time: defaults::CASES_TIME, public_keys: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFile {
    /// Never a package without a digest.
    pub place: Place,
    /// Of the component; a package's is in its manifest.
    pub sha256: Option<Digest>,
    /// Each call has an instance of its own, in every version that its slot holds.
    pub fresh: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// At least one.
    pub adapters: Vec<String>,
    /// Without a slash at the end. Absent: the adapter's default.
    pub base_url: Option<String>,
    /// They take turns. Empty: there is none.
    pub keys: Vec<Secret>,
    pub aws: Option<Aws>,
    pub google: Option<Google>,
    /// In place of a key.
    pub azure: Option<Azure>,
    /// Absent: it is not probed.
    pub probe: Option<Probe>,
    pub way: Way,
    /// JSON, for the first adapter.
    pub settings: String,
}

/// How its requests reach a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub proxy: Proxy,
    /// PEM, of certificates that count besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// Shown to a provider that asks who we are.
    pub client_certificate: Option<Tls>,
}

/// Through which proxy. URLs may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    None,
    At(Secret),
    /// What the environment says of `https` URLs, and of which hosts it says nothing.
    Usual {
        https: Option<Secret>,
        except: String,
    },
}

impl Default for Proxy {
    fn default() -> Proxy {
        Proxy::Usual { https: None, except: String::new() }
    }
}

/// How to find out whether a provider is well again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Begins with a slash.
    pub path: String,
    pub every: Duration,
}

/// Credentials for AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsKeys {
    pub access_key_id: String,
    pub secret_access_key: Secret,
    pub session_token: Option<Secret>,
}

/// What is needed of a Google service account's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleAccount {
    pub client_email: String,
    /// PEM.
    pub private_key: Secret,
    pub token_uri: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub pattern: Pattern,
    pub policy: String,
    /// JSON.
    pub settings: String,
    /// In lower case.
    pub policy_headers: Vec<String>,
    /// Another target may continue a plain text that broke off.
    pub splice: bool,
    /// A reply names the model that was asked for, whoever answered. `None`: it depends on the caller's protocol.
    pub names_asked: Option<bool>,
    /// A tool call is held back from its first fragment to its end.
    pub hold_tool_calls: bool,
    /// For what is decided before a target is.
    pub holds: Holds,
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub provider: String,
    /// Absent: the name that the caller used.
    pub model: Option<String>,
    pub weight: u32,
    /// Absent: as for every target.
    pub max_in_flight: Option<u32>,
    pub holds: Holds,
}

/// Which model names a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    Exactly(String),
    Beginning(String),
}

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        match text.strip_suffix('*') {
            Some(beginning) => Pattern::Beginning(beginning.to_owned()),
            None => Pattern::Exactly(text.to_owned()),
        }
    }

    /// How well it fits: the best of several is the longest. Absent when it does not.
    pub fn fits(&self, model: &str) -> Option<usize> {
        match self {
            Pattern::Exactly(name) => (name == model).then_some(usize::MAX),
            Pattern::Beginning(beginning) => model.starts_with(beginning.as_str()).then_some(beginning.len()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Exactly(name) => formatter.write_str(name),
            Pattern::Beginning(beginning) => write!(formatter, "{beginning}*"),
        }
    }
}

/// A key or a token. It can be sent where it belongs, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value itself, for the place that sends or compares it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}
