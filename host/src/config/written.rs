//! The TOML, as it is written.

mod identity;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::facts::Facts;

pub use identity::{Aws, AwsIdentity, Azure, AzureIdentity, Google, GoogleIdentity};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    #[serde(default)]
    pub server: Server,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub breaker: Breaker,
    #[serde(default)]
    pub attempts: Attempts,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub gate: Gate,
    #[serde(default)]
    pub plugins: BTreeMap<Spanned<String>, PluginFile>,
    #[serde(default)]
    pub providers: BTreeMap<String, Provider>,
    #[serde(default)]
    pub models: BTreeMap<Spanned<String>, Model>,
    /// By the names that providers use; `*` stands for any letters.
    #[serde(default)]
    pub facts: BTreeMap<String, Facts>,
    #[serde(default)]
    pub fetch: Fetch,
    #[serde(default)]
    pub keys: BTreeMap<Spanned<String>, Key>,
    #[serde(default)]
    pub journal: Journal,
    #[serde(default)]
    pub game_day: GameDay,
}

/// `[server]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where callers connect.
    pub listen: Option<Spanned<String>>,
    /// Where the `pointsman plugin …` commands connect. Off without a token.
    pub admin: Option<Spanned<String>>,
    pub admin_token: Option<Spanned<String>>,
    /// An `admin` off loopback needs this, because operators' token goes there without TLS.
    #[serde(default)]
    pub admin_without_tls: bool,
    /// What callers must show, as `Authorization: Bearer …` or `x-api-key`. Anyone may call when there is neither this nor
    /// a `[keys.NAME]`.
    pub caller_keys: Option<Vec<Spanned<String>>>,
    /// Listening off loopback without callers' keys needs this, because everyone who reaches the port spends yours.
    #[serde(default)]
    pub open: bool,
    pub tls: Option<Tls>,
    /// Origins of the pages that may call from a browser, such as `https://webui.example`; `["*"]`: all, `[]`: none. Absent: all
    /// where callers need a key, since a page can do no more than its key; where they need none, pages of this machine.
    pub cors_origins: Option<Vec<Spanned<String>>>,
    /// Names by which callers reach the gateway, such as `ai.example`; `["*"]`: any. Needed only where callers need no key: there a
    /// request whose `Host` is another name with a dot in it is refused.
    pub hosts: Option<Vec<Spanned<String>>>,
    /// A folder of this gateway alone, for what outlives the process. Absent: nothing does.
    pub state: Option<Spanned<String>>,
    /// `text`, or `json`: one object a line. `POINTSMAN_LOG` says how much.
    pub log: Option<LogFormat>,
    /// After SIGTERM, for so long requests are still taken while `/readyz` says 503, so that balancers notice first.
    pub drain_lead: Option<Span>,
    /// How long streams may run on after a signal to stop.
    pub drain: Option<Span>,
    /// Connections at once; who comes later waits to be accepted.
    pub max_connections: Option<Spanned<u64>>,
    /// From one address (of IPv6: from one /64). Absent: as many as there are. Behind a proxy all come from one.
    pub max_connections_per_ip: Option<Spanned<u64>>,
    /// From the first byte of a request's head, and from a new connection, to the head's end.
    pub header_timeout: Option<Span>,
    /// How long a connection is kept on which no request runs.
    pub keep_alive: Option<Span>,
    /// Of one request; 32 MiB at most.
    pub max_body_bytes: Option<Spanned<u64>>,
    /// Between two pieces of a request's body.
    pub body_idle: Option<Span>,
    /// Bytes a second that a request's body must bring, after the first seconds. 0 turns it off.
    pub min_body_rate: Option<u32>,
    /// How long a caller may leave its reply unread; what it reads, at 256 bytes a second, gives time back.
    pub write_stall: Option<Span>,
    /// Requests at once, and bytes of their bodies that are held: who comes later is told to come again.
    pub max_requests: Option<Spanned<u64>>,
    pub max_body_bytes_held: Option<Spanned<u64>>,
}

/// What a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// `[server.tls]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM files.
    pub certificate: Spanned<String>,
    pub key: Spanned<String>,
}

/// `[keys.NAME]`: a caller's key, what it may use and how much.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Of the key, so that the file holds no secret.
    pub sha256: Option<Spanned<String>>,
    /// In place of the digest.
    pub key: Option<Spanned<String>>,
    /// Names, or beginnings of names and a `*`. Absent: all.
    pub models: Option<Spanned<Vec<String>>>,
    pub requests_per_minute: Option<Spanned<u64>>,
    pub tokens_per_minute: Option<Spanned<u64>>,
    pub tokens_per_day: Option<Spanned<u64>>,
    pub max_in_flight: Option<Spanned<u64>>,
}

/// `[timeouts]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// To a connection that can be used: name lookup, TCP and TLS.
    pub connect: Option<Span>,
    /// From the start of an attempt to the first content of a streamed reply.
    pub first_token: Option<Span>,
    /// From the start of an attempt to the head of a streamed reply; `first_token` bounds it too.
    pub headers: Option<Span>,
    /// Between two pieces of a streamed reply. Pings count.
    pub idle: Option<Span>,
    /// Between two pieces of content of a streamed reply. Pings do not count.
    pub between_tokens: Option<Span>,
    /// Bytes of content a second that a streamed reply should bring, taken over `slowest_over`. A slower one counts as slow for
    /// its target's health, and goes on. Off when absent: then only what is usual for the target counts.
    pub slowest: Option<u32>,
    pub slowest_over: Option<Span>,
    /// Learn from each target's replies when an attempt is late, and ask the policy then whether another target shall be tried
    /// besides. On when absent.
    pub adaptive: Option<bool>,
    /// From the start of an attempt to the end of a reply that is not streamed.
    pub reply: Option<Span>,
    /// From the request's arrival to the reply's end, over all attempts.
    pub total: Option<Span>,
}

/// `[breaker]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Hard faults in a row that open it.
    pub faults: Option<u32>,
    /// Share of attempts within `window` that must succeed, and the attempts below which it says nothing. Above them it is believed
    /// when chance does not explain it.
    pub success_rate: Option<f64>,
    pub samples: Option<u32>,
    pub window: Option<Span>,
    /// How long it is open; doubles up to `out_max`.
    pub out: Option<Span>,
    pub out_max: Option<Span>,
    /// Find out whether a target is well again by an attempt beside a request that another answers. It counts as a hedge.
    pub shadow_probes: Option<bool>,
}

/// `[attempts]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempts {
    /// For one request, 1 to 5.
    pub max: Option<Spanned<usize>>,
    /// Attempts after the first at targets that are not healthy: so many for each request, and so many a second.
    pub retry_share: Option<f64>,
    pub retry_floor: Option<u32>,
    /// The same for hedges.
    pub hedge_share: Option<f64>,
    pub hedge_floor: Option<u32>,
}

/// `[limits]`: of each target.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Attempts at once. Absent: as many as come.
    pub max_in_flight: Option<u32>,
    /// How many may wait for their turn, and how long.
    pub queue: Option<u32>,
    pub queue_wait: Option<Span>,
    /// So many at once are never a sudden rise; above it the load may double each second. 0 turns it off.
    pub slow_start: Option<u32>,
}

/// `[gate]`: what a plugin's file must pass before it may serve, from the configuration or from an operator.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Of a core, and bytes of address space, for compiling one file.
    pub compile_time: Option<Span>,
    pub max_compile_bytes: Option<Spanned<u64>>,
    /// For all cases in a package.
    pub cases_time: Option<Span>,
    /// Keys of minisign: a file needs a signature by one of them, in `FILE.minisig`. Absent: it needs none.
    pub public_keys: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `[plugins.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginFile {
    /// Relative to the configuration file. This, `url` or `oci`.
    pub file: Option<Spanned<String>>,
    /// `https://…`, with its `sha256`: fetched once.
    pub url: Option<Spanned<String>>,
    /// In a registry, with its digest: `REGISTRY/REPOSITORY:TAG@sha256:…`. Fetched once.
    pub oci: Option<Spanned<String>>,
    /// Of the component, in hexadecimal.
    pub sha256: Option<Spanned<String>>,
    #[serde(default)]
    pub isolation: Isolation,
}

/// Who shares an instance of a plugin: all its calls, one after the other, or none. `fresh` costs each call what making an
/// instance takes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    #[default]
    Reused,
    Fresh,
}

/// `[providers.NAME]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// The plugin that speaks the provider's protocol, or several: then one that speaks the caller's is used, else the first.
    pub adapter: Spanned<Adapters>,
    /// The adapter's default when absent.
    pub base_url: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    /// Several, which take turns; one that is refused or used up rests.
    pub keys: Option<Spanned<Vec<Spanned<String>>>>,
    pub aws: Option<Spanned<Aws>>,
    pub google: Option<Spanned<Google>>,
    pub azure: Option<Spanned<Azure>>,
    pub probe: Option<Probe>,
    /// `http://[USER:PASSWORD@]HOST:PORT`, through which all its requests go, or `none`. Absent: what HTTPS_PROXY, ALL_PROXY and
    /// NO_PROXY in the environment say of its URL if that is https.
    pub proxy: Option<Spanned<String>>,
    /// A PEM file of certificates that count besides the platform's.
    pub ca_file: Option<Spanned<String>>,
    /// Who we are, for a provider that asks in the TLS handshake.
    pub client_certificate: Option<Tls>,
    /// For the first adapter.
    #[serde(default)]
    pub settings: toml::Table,
    /// In place of what `[timeouts]`, `[breaker]` and `[attempts]` say, for attempts at this provider.
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub breaker: Breaker,
    #[serde(default)]
    pub attempts: Attempts,
}

/// `[providers.NAME.probe]`: while a target of it is out, ask it for something that costs nothing. Off when absent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Begins at the base URL's host, such as `/v1/models`.
    pub path: Spanned<String>,
    pub every: Option<Span>,
}

/// `"openai-chat"` or `["openai-chat", "openai-responses"]`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "an adapter is the name of a plugin, or a list of such names")]
pub enum Adapters {
    One(String),
    Several(Vec<String>),
}

/// `[journal]`: what `pointsman explain` and `pointsman replay` know.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// How many requests are remembered in memory; 0 is none.
    pub requests: Option<usize>,
    /// How long they are kept on the disk, in `[server] state`. Absent: they are not.
    pub keep: Option<Spanned<Span>>,
    /// Of the disk; the oldest go first.
    pub max_disk_bytes: Option<Spanned<u64>>,
}

/// `[game_day]`: may operators break the running gateway on purpose (`pointsman fault`)?
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GameDay {
    #[serde(default)]
    pub enabled: bool,
}

/// `[fetch]`: media by URL, for providers that take only bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    #[serde(default)]
    pub media: bool,
    /// `host:port`s that may be private.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// `[models.NAME]`: a name, or the beginning of names and a `*`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub policy: Option<Spanned<String>>,
    #[serde(default)]
    pub settings: toml::Table,
    /// Callers' headers that the policy may see. None that shows a key.
    #[serde(default)]
    pub policy_headers: Vec<Spanned<String>>,
    #[serde(default)]
    pub continuation: Continuation,
    /// None if the file does not set it: then `asked` for callers of Anthropic's protocol, `answered` for all others.
    pub reply_model: Option<ReplyModel>,
    /// On, where nothing is said: see [`crate::config::defaults::HOLD_TOOL_CALLS`].
    pub hold_tool_calls: Option<bool>,
    /// In place of what `[timeouts]`, `[breaker]` and `[attempts]` say, and the provider's.
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub breaker: Breaker,
    #[serde(default)]
    pub attempts: Attempts,
    pub targets: Vec<Spanned<Target>>,
}

/// What becomes of a streamed reply that breaks off after the caller saw its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Continuation {
    /// It ends in an error of the caller's protocol.
    #[default]
    None,
    /// Another target that can continue a text does so, where there was nothing but text.
    Splice,
}

/// The name of the model in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyModel {
    /// That of the model that answered, as its provider tells it: bills and logs read it.
    Answered,
    /// The one that the caller asked for, for clients that compare.
    Asked,
}

/// `"provider/model"`, or a table when there is more to say.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a target is \"provider/model\" or { target = \"provider/model\", weight = 1 }")]
pub enum Target {
    Name(String),
    Table(TargetTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    pub target: String,
    pub weight: Option<u32>,
    /// In place of `[limits]`'.
    pub max_in_flight: Option<u32>,
}

/// A length of time, such as `"500ms"`, `"3s"`, `"2m"`, `"1h"` or `"7d"`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text).map(Span).ok_or_else(|| {
            D::Error::invalid_value(
                Unexpected::Str(&text),
                &"a length of time such as \"500ms\", \"3s\", \"2m\", \"1h\" or \"7d\", a week at most",
            )
        })
    }
}

/// See [`Span`].
pub fn span(text: &str) -> Option<Duration> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        _ => return None,
    };
    let millis = number.checked_mul(millis)?;
    // Longer than a week is a slip of the pen, and instants that far off could not be computed with.
    const WEEK_MS: u64 = 7 * 24 * 3_600_000;
    (1..=WEEK_MS).contains(&millis).then(|| Duration::from_millis(millis))
}
