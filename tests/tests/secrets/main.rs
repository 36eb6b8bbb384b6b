//! No secret comes out, wherever one looks: keys of providers and of callers, the operators' token, and, in the logs, what
//! callers say. Requests are driven down every way that could tell one, past plugins that tell all they see; then everything
//! that came out is searched for every canary in every form.

mod canary;
mod quoting;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::clock::Clock;
use pointsman::config::{self, Secret, Source};
use pointsman::fake::{Fake, Protocol};
use pointsman::gateway::Gateway;
use pointsman::server::Port;
use pointsman::store::Store;
use pointsman_tests::broken::{Act, Broken};
use pointsman_tests::guests::{HOSTILE, HOSTILE_CODEC, SPY, SPY_CODEC, bundled};
use pointsman_tests::wait_until;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use canary::{Canary, find};
use quoting::{Quoting, WAYS};

/// Provider by provider, what it is shown.
const OPENAI: &str = "sk-canary-openai-5TqT3BlbkFJ0vZ";
const OPENAI_2: &str = "sk-canary-openai-second-8hKq27Lm";
const ANTHROPIC: &str = "sk-ant-canary-03-anthropic-9xW4-AA";
const GEMINI: &str = "AIzaSyCanaryGemini_7Yq-41kZrT";
const RESPONSES: &str = "sk-canary-responses-2mN8vBc6XzLk";
const GOOGLE_TOKEN: &str = "ya29.canary-google-access-token_4Pw-Q";
const AWS_SECRET: &str = "canaryAWS/secret+access/key0wJalrXUtnFE";
const AWS_TOKEN: &str = "IQoJcanaryAWSsession//token+with/signs==";
const SPIED: &str = "sk-canary-of-the-spied-provider-6Gf3";
/// What callers show.
const CALLER: &str = "caller-canary-key-for-the-gateway-1Zt7";
const CALLER_OTHER: &str = "caller-canary-key-of-another-place-3Kp5";
const CALLER_COOKIE: &str = "caller-canary-cookie-session-9Lw2xR";
const CALLER_PROXY: &str = "caller-canary-proxy-password-5Hn8dE";
const CALLER_AWS: &str = "caller-canary-aws-session-token-7Vb1cQ";
const WRONG: &str = "caller-canary-key-that-is-not-known-8Ju4";
const ADMIN: &str = "operators-canary-token-2Rf6yG";
const ADMIN_WRONG: &str = "operators-canary-wrong-token-4Mx9oP";
const PROMPT: &str = "canary-prompt-about-a-patient-0Sd3iU";

/// How the places begin in which prompts may stand no more than in logs.
const OPERATORS: &str = "the operators' reply";

/// What nobody but its own provider may see.
fn keys() -> Vec<Canary> {
    let account = std::fs::read_to_string(fixture("service-account.json")).expect("the account");
    let account: Value = serde_json::from_str(&account).expect("JSON");
    let pem = account["private_key"].as_str().expect("a key").lines().nth(3).expect("a line").to_owned();
    vec![
        Canary::new("OpenAI's key", OPENAI),
        Canary::new("OpenAI's second key", OPENAI_2),
        Canary::new("Anthropic's key", ANTHROPIC),
        Canary::new("Gemini's key", GEMINI),
        Canary::new("the key of Responses", RESPONSES),
        Canary::new("Google's access token", GOOGLE_TOKEN),
        Canary::new("Google's private key", pem),
        Canary::new("AWS's secret", AWS_SECRET),
        Canary::new("AWS's session token", AWS_TOKEN),
        Canary::new("the spied provider's key", SPIED),
        Canary::new("a caller's key", CALLER),
        Canary::new("a caller's other key", CALLER_OTHER),
        Canary::new("a caller's cookie", CALLER_COOKIE),
        Canary::new("a caller's proxy password", CALLER_PROXY),
        Canary::new("a caller's AWS token", CALLER_AWS),
        Canary::new("a wrong key", WRONG),
        Canary::new("the admin token", ADMIN),
        Canary::new("a wrong admin token", ADMIN_WRONG),
    ]
}

fn prompt() -> Canary {
    Canary::new("a prompt", PROMPT)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// All that this process says, at the most talkative level.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Logs {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl io::Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("poisoned"))?.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Logs;

    fn make_writer(&'a self) -> Logs {
        self.clone()
    }
}

/// One for the process, as a subscriber is.
fn logs() -> Logs {
    static LOGS: OnceLock<Logs> = OnceLock::new();
    let start = || {
        let logs = Logs::default();
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
        subscriber.with_writer(logs.clone()).with_ansi(false).init();
        let (panics, before) = (logs.clone(), std::panic::take_hook());
        std::panic::set_hook(Box::new(move |panic| {
            let _ = writeln!(panics.clone(), "{panic}");
            before(panic);
        }));
        logs
    };
    LOGS.get_or_init(start).clone()
}

/// A gateway with all kinds of secrets, its providers, and what came out of it.
struct Stage {
    callers: SocketAddr,
    operators: SocketAddr,
    gateway: Arc<Gateway>,
    quoting: Quoting,
    fakes: Vec<(&'static str, Fake)>,
    nonsense: Broken,
    folder: PathBuf,
    text: String,
    came_out: Mutex<Vec<(String, Vec<u8>)>>,
}

/// `NAME.*` for each, one target each.
const PROVIDERS: &[&str] =
    &["openai", "anthropic", "gemini", "responses", "bedrock", "vertex", "spied", "nonsense", "gone", "trapping"];

fn environment(name: &str) -> Option<String> {
    let known = [("CANARY_OPENAI", OPENAI), ("CANARY_AWS_TOKEN", AWS_TOKEN), ("CANARY_ADMIN", ADMIN)];
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

impl Stage {
    async fn new() -> Stage {
        let quoting = Quoting::start().await;
        let mut fakes = Vec::new();
        for (name, protocol) in [
            ("good-openai", Protocol::OpenAiChat),
            ("good-anthropic", Protocol::AnthropicMessages),
            ("good-gemini", Protocol::Gemini),
        ] {
            fakes.push((name, Fake::start(protocol).await.expect("a port")));
        }
        let granting = Broken::start(Vec::new()).await;
        let granted = format!("{{\"access_token\":\"{GOOGLE_TOKEN}\",\"expires_in\":3599}}");
        let granted = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{granted}", granted.len());
        granting.follow(vec![Act::Read, Act::Say(granted.into_bytes())]);
        let nonsense = Broken::start(Vec::new()).await;
        let folder = std::env::temp_dir().join(format!("pointsman-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, bytes) in
            [("spy", SPY), ("spy-codec", SPY_CODEC), ("hostile", HOSTILE), ("hostile-codec", HOSTILE_CODEC)]
        {
            std::fs::write(folder.join(name).with_extension("wasm"), bytes).expect("a file");
        }
        let account = std::fs::read_to_string(fixture("service-account.json")).expect("the account");
        let account = account.replace("https://TOKEN-ADDRESS", &format!("http://{}", granting.address()));
        std::fs::write(folder.join("account.json"), account).expect("a file");
        let text = configuration(&quoting, &fakes, &nonsense);
        let file = folder.join("pointsman.toml");
        std::fs::write(&file, &text).expect("a file");
        let parsed = config::parse(&text, &file, &environment).unwrap_or_else(|error| panic!("{error}"));
        let stage = Stage::serve(parsed, file, quoting, fakes, nonsense, folder, text).await;
        // Its connections end with it.
        std::mem::forget(granting);
        stage
    }

    async fn serve(
        parsed: config::Config,
        file: PathBuf,
        quoting: Quoting,
        fakes: Vec<(&'static str, Fake)>,
        nonsense: Broken,
        folder: PathBuf,
        text: String,
    ) -> Stage {
        let told = format!("{parsed:?}");
        let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
        let state = parsed.server.state.clone().expect("a folder");
        let gateway =
            Gateway::with(Store::open(&state).await.expect("a store"), parsed, clock).await.expect("a gateway");
        let port = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let admin = Port::bind(([127, 0, 0, 1], 0).into(), None).await.expect("a port");
        let (callers, operators) = (port.address().expect("an address"), admin.address().expect("an address"));
        tokio::spawn(port.serve(Arc::clone(&gateway), std::future::pending(), Duration::ZERO));
        tokio::spawn(admin.serve_admin(Arc::clone(&gateway), Secret::new(ADMIN), std::future::pending()));
        tokio::spawn(pointsman::watch::watch(Arc::clone(&gateway), Source::File(file), Arc::default()));
        let came_out = Mutex::new(vec![("the configuration, printed for a programmer".to_owned(), told.into_bytes())]);
        Stage { callers, operators, gateway, quoting, fakes, nonsense, folder, text, came_out }
    }

    fn keep(&self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.came_out.lock().expect("no panic").push((place.into(), bytes.into()));
    }

    /// A request of a caller; what it gets is kept, and its status comes back.
    async fn call(&self, asked: Asked<'_>) -> u16 {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(asked.http2).build_http();
        let Asked { method, path, shown, body, .. } = asked;
        let place = format!("the reply to {path}, {}", &body[..body.len().min(60)]);
        let joint = if path.contains('?') { '&' } else { '?' };
        let query = if shown == "key" { format!("{joint}key={CALLER}") } else { String::new() };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}{query}", self.callers))
            .header("content-type", "application/json")
            .header("cookie", format!("session={CALLER_COOKIE}"))
            .header("proxy-authorization", format!("Basic {CALLER_PROXY}"))
            .header("x-amz-security-token", CALLER_AWS)
            .header("x-team", "blue");
        request = match shown {
            "authorization" => request.header("authorization", format!("Bearer {CALLER}")),
            "nothing" => request,
            "wrong" => request.header("authorization", format!("Bearer {WRONG}")).header("x-api-key", WRONG),
            "key" => request,
            // Some clients send a key of another place as well.
            name => request.header(name, CALLER).header("authorization", format!("Bearer {CALLER_OTHER}")),
        };
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let Ok(response) = client.request(request).await else {
            self.keep(place, "no reply");
            return 0;
        };
        let status = response.status().as_u16();
        self.keep_reply(place, response).await;
        status
    }

    async fn keep_reply(&self, place: String, response: hyper::Response<hyper::body::Incoming>) {
        let mut bytes = format!("{:?} {:?}\n", response.status(), response.headers()).into_bytes();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default()),
                Err(error) => {
                    // A stream that was reset says so each time that it is asked.
                    bytes.extend_from_slice(error.to_string().as_bytes());
                    break;
                }
            }
        }
        self.keep(place, bytes);
    }

    async fn operate(&self, method: Method, path: &str, token: &str, body: &[u8]) -> u16 {
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.operators));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("a request");
        let response = client.request(request).await.expect("an answer");
        let status = response.status().as_u16();
        self.keep_reply(format!("{OPERATORS} to {path}"), response).await;
        status
    }

    /// All files of the state folder.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = self.folder.join("state");
        let entries = [folder.clone(), folder.join("versions")].map(|folder| std::fs::read_dir(folder).expect("it"));
        let paths = entries.into_iter().flatten().map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.is_file()).map(|path| (path.clone(), std::fs::read(path).expect("it"))).collect()
    }

    /// Everything that came out so far, searched.
    fn leaks(&self) -> Vec<String> {
        let keys = keys();
        let logs = logs().text();
        let mut found = find(&keys, "the logs", logs.as_bytes());
        found.extend(find(&[prompt()], "the logs", logs.as_bytes()));
        for (place, bytes) in self.came_out.lock().expect("no panic").iter() {
            found.extend(find(&keys, place, bytes));
            if place.starts_with(OPERATORS) {
                found.extend(find(&[prompt()], place, bytes));
            }
        }
        let state = self.state();
        for part in ["deliberations", "rate-limited", "swapped", "good-openai"] {
            let is_there = state.iter().any(|(_, bytes)| memchr::memmem::find(bytes, part.as_bytes()).is_some());
            assert!(is_there, "the disk has no `{part}`: nothing was searched");
        }
        for (path, bytes) in state {
            let place = format!("the state on the disk, {}", path.display());
            found.extend(find(&keys, &place, &bytes));
            found.extend(find(&[prompt()], &place, &bytes));
        }
        found.extend(self.sent_to_strangers(&keys));
        found
    }

    /// A key stands in its own header of requests to its own provider, and nowhere else.
    fn sent_to_strangers(&self, keys: &[Canary]) -> Vec<String> {
        let own = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-amz-security-token"];
        let mut found = Vec::new();
        for sent in self.quoting.sent.lock().expect("no panic").iter() {
            let others = sent.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
            let others: String = others.map(|(name, value)| format!("{name}: {value:?}\n")).collect();
            let text = format!("{}\n{others}\n{}", sent.path, String::from_utf8_lossy(&sent.body));
            found.extend(find(keys, "what a provider was sent", text.as_bytes()));
            let shown = own.iter().filter_map(|name| sent.headers.get(*name)).map(|value| format!("{value:?}\n"));
            let callers: Vec<Canary> = keys.iter().filter(|key| key.value.starts_with("caller")).cloned().collect();
            found.extend(find(&callers, "what a provider was shown", shown.collect::<String>().as_bytes()));
        }
        for (name, fake) in &self.fakes {
            for seen in fake.seen() {
                let others = seen.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
                let text = format!("{}\n{:?}\n", seen.path, others.collect::<Vec<_>>());
                found.extend(find(keys, &format!("what {name} was sent"), text.as_bytes()));
                found.extend(find(keys, &format!("what {name} was sent"), &seen.body));
            }
        }
        found
    }
}

/// A request of a caller.
struct Asked<'a> {
    method: Method,
    path: &'a str,
    /// The header or parameter that the caller's key stands in.
    shown: &'a str,
    body: String,
    http2: bool,
}

fn configuration(quoting: &Quoting, fakes: &[(&str, Fake)], nonsense: &Broken) -> String {
    let at = quoting.address;
    let [openai, anthropic, gemini] = [0, 1, 2].map(|number: usize| fakes[number].1.base_url());
    let nonsense = nonsense.address();
    let mut text = format!(
        r#"
[server]
caller_keys = ["{CALLER}"]
admin_token = "${{CANARY_ADMIN}}"
state = "state"
[journal]
keep = "7d"
[timeouts]
first_token = "2s"
reply = "2s"
idle = "1s"
[breaker]
faults = 100000
samples = 100000
success_rate = 0.0
[attempts]
retry_floor = 100000

[plugins]
spy = {{ file = "spy.wasm" }}
spy-codec = {{ file = "spy-codec.wasm" }}
hostile = {{ file = "hostile.wasm" }}
hostile-codec = {{ file = "hostile-codec.wasm" }}

[providers]
openai = {{ adapter = "openai-chat", base_url = "http://{at}/v1", keys = ["${{CANARY_OPENAI}}", "{OPENAI_2}"] }}
anthropic = {{ adapter = "anthropic-messages", base_url = "http://{at}", key = "{ANTHROPIC}" }}
gemini = {{ adapter = "gemini", base_url = "http://{at}", key = "{GEMINI}" }}
responses = {{ adapter = "openai-responses", base_url = "http://{at}/v1", key = "{RESPONSES}" }}
spied = {{ adapter = "spy-codec", base_url = "http://{at}/v1", key = "{SPIED}", settings = {{ team = "blue" }} }}
nonsense = {{ adapter = "openai-chat", base_url = "http://{nonsense}/v1", key = "{OPENAI}" }}
gone = {{ adapter = "openai-chat", base_url = "http://127.0.0.1:1/v1", key = "{OPENAI}" }}
trapping = {{ adapter = "hostile-codec", base_url = "http://{at}/v1", key = "{OPENAI}", settings = {{ how = "trap" }} }}
good-openai = {{ adapter = "openai-chat", base_url = "{openai}", key = "{OPENAI}" }}
good-anthropic = {{ adapter = "anthropic-messages", base_url = "{anthropic}", key = "{ANTHROPIC}" }}
good-gemini = {{ adapter = "gemini", base_url = "{gemini}", key = "{GEMINI}" }}

[providers.bedrock]
adapter = "bedrock-converse"
base_url = "http://{at}"
settings = {{ region = "us-east-1" }}
[providers.bedrock.aws]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "{AWS_SECRET}"
session_token = "${{CANARY_AWS_TOKEN}}"

[providers.vertex]
adapter = "gemini"
base_url = "http://{at}"
google = "account.json"
settings = {{ project = "project-1", location = "europe-west4" }}

[models."all.*"]
targets = ["gone/*", "openai/*", "anthropic/*", "good-openai/gpt-5"]
[models."misbehaving.*"]
policy = "hostile"
settings = {{ how = "trap" }}
targets = ["openai/*", "good-openai/gpt-5"]
[models.good]
policy = "spy"
policy_headers = ["x-team"]
settings = {{ team = "blue" }}
targets = ["good-openai/gpt-5", "good-anthropic/claude-sonnet-4-5", "good-gemini/gemini-2.5-pro"]
"#
    );
    for name in PROVIDERS {
        text += &format!("[models.\"{name}.*\"]\npolicy = \"spy\"\ntargets = [\"{name}/*\"]\n");
    }
    text
}

/// The same question in each of the protocols that callers speak.
fn asks(model: &str, stream: bool) -> [(String, String); 5] {
    let turns = json!([{ "role": "user", "content": PROMPT }]);
    let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    let contents = json!({ "contents": [{ "role": "user", "parts": [{ "text": PROMPT }] }] });
    let chat = json!({ "model": model, "stream": stream, "messages": turns }).to_string();
    let messages = json!({ "model": model, "stream": stream, "max_tokens": 100, "messages": turns });
    let responses = json!({ "model": model, "stream": stream, "store": false, "input": PROMPT });
    [
        ("/v1/chat/completions".to_owned(), chat.clone()),
        ("/v1/messages".to_owned(), messages.to_string()),
        ("/v1/responses".to_owned(), responses.to_string()),
        (format!("/v1beta/models/{model}:{method}"), contents.to_string()),
        ("/spy".to_owned(), chat),
    ]
}

const SHOWN: [&str; 5] = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "key"];

/// Every provider, quoting in every way, asked in every protocol.
async fn ask_everybody(stage: &Stage) {
    let broken = format!("HTTP/1.1 200 OK\r\ncontent-type: {OPENAI}\u{1}\r\nnonsense {OPENAI}\r\n\r\n{OPENAI}");
    stage.nonsense.follow(vec![Act::Read, Act::Say(broken.into_bytes()), Act::Reset]);
    let mut number = 0;
    for name in PROVIDERS.iter().chain(&["all", "misbehaving"]) {
        let quotes = !matches!(*name, "nonsense" | "gone" | "trapping");
        for way in WAYS.iter().take(if quotes { WAYS.len() } else { 1 }) {
            for stream in [false, true] {
                let asked = asks(&format!("{name}.quotes-in-{way}"), stream).map(|(path, body)| {
                    number += 1;
                    let (shown, http2) = (SHOWN[number % SHOWN.len()], number % 9 == 0);
                    (Method::POST, path, shown, body, http2)
                });
                let asked = asked.each_ref().map(|(method, path, shown, body, http2)| {
                    stage.call(Asked { method: method.clone(), path, shown, body: body.clone(), http2: *http2 })
                });
                futures_util::future::join_all(asked).await;
            }
        }
    }
}

/// Whoever may not pass, whatever there is not.
async fn ask_wrongly(stage: &Stage) {
    let body = |text: &str| text.to_owned();
    let long = format!("/v1/{}", "x".repeat(300));
    for (method, path, shown, body, status) in [
        (Method::POST, "/v1/messages", "wrong", body("{}"), 401),
        (Method::POST, "/v1/messages", "nothing", body("{}"), 401),
        (Method::GET, "/v1/nothing-here?api_key=x", "key", body(""), 404),
        (Method::GET, "/v1/messages", "x-api-key", body(""), 405),
        (Method::GET, long.as_str(), "authorization", body(""), 404),
        (Method::GET, "/v1/models", "authorization", body(""), 200),
        (Method::GET, "/v1/models/none", "api-key", body(""), 404),
        (Method::GET, "/v1beta/models", "key", body(""), 200),
        (Method::GET, "/", "nothing", body(""), 200),
        (Method::POST, "/v1/messages", "authorization", body("no JSON"), 400),
        (Method::POST, "/v1/messages", "authorization", json!({ "model": 7, "prompt": PROMPT }).to_string(), 400),
        (Method::POST, "/v1/messages", "authorization", json!({ "model": "none", "x": PROMPT }).to_string(), 404),
        (Method::POST, "/v1/messages", "authorization", json!({ "model": "good", "x": PROMPT }).to_string(), 400),
    ] {
        let got = stage.call(Asked { method, path, shown, body: body.clone(), http2: false }).await;
        assert_eq!(got, status, "{path} {body}");
    }
}

/// Until the policy has told all that it sees, its last words too.
async fn ask_the_spy(stage: &Stage) {
    for number in 0..120 {
        let (path, body) = asks("good", number % 2 == 0)[number % 5].clone();
        let asked = Asked { method: Method::POST, path: &path, shown: SHOWN[number % 5], body, http2: false };
        assert_eq!(stage.call(asked).await, 200, "{path}");
    }
    let logs = logs().text();
    for word in ["header.x-team", "RequestFacts", "that was all", "team"] {
        assert!(logs.contains(word), "the spy did not tell of `{word}`");
    }
}

async fn operate(stage: &Stage) {
    let plugin = bundled("failover");
    for (method, path, token, body, status) in [
        (Method::GET, "/plugins", ADMIN_WRONG, &b""[..], 401),
        (Method::GET, "/plugins", ADMIN, b"", 200),
        (Method::GET, "/metrics", ADMIN, b"", 404),
        (Method::GET, "/journal", ADMIN, b"", 200),
        (Method::GET, "/journal/none", ADMIN, b"", 404),
        (Method::POST, "/plugins/failover", ADMIN, b"nonsense", 422),
        (Method::POST, "/plugins/failover", ADMIN, plugin, 200),
        (Method::POST, "/plugins/failover/swap", ADMIN, b"", 200),
        (Method::POST, "/plugins/failover/rollback", ADMIN, b"", 200),
        (Method::POST, "/plugins/none/swap", ADMIN, b"", 422),
        (Method::POST, "/plugins/hostile", ADMIN, SPY, 200),
        (Method::DELETE, "/plugins/failover", ADMIN, b"", 404),
    ] {
        assert_eq!(stage.operate(method, path, token, body).await, status, "{path}");
    }
}

/// What people get wrong where secrets stand, as they type it.
fn wrong_configurations(good: &str) -> Vec<(&'static str, String)> {
    let provider = |line: &str| format!("[providers.x]\nadapter = \"openai-chat\"\n{line}\n");
    vec![
        ("a text instead of a list", provider(&format!("keys = \"{OPENAI}\""))),
        ("a list instead of a text", provider(&format!("key = [\"{OPENAI}\"]"))),
        ("both", provider(&format!("key = \"{OPENAI}\"\nkeys = [\"{OPENAI_2}\"]"))),
        (
            "both on one line",
            format!("providers.x = {{ adapter = \"openai-chat\", key = \"{OPENAI}\", keys = [\"{OPENAI_2}\"] }}"),
        ),
        ("a space in it", provider(&format!("key = \"{OPENAI} \""))),
        ("no end", provider(&format!("key = \"{OPENAI}"))),
        ("no quotes", provider(&format!("key = {OPENAI}"))),
        ("no beginning", provider(&format!("key = {OPENAI}\""))),
        ("another name", provider(&format!("api_key = \"{OPENAI}\""))),
        ("a list without commas", provider(&format!("keys = [\n  \"{OPENAI}\"\n  \"{OPENAI_2}\"\n]"))),
        ("a list with a number", provider(&format!("keys = [\n  \"{OPENAI}\", 7,\n]"))),
        ("a secret as a number", format!("[server]\nadmin_token = 7\ncaller_keys = \"{CALLER}\"")),
        ("a secret that is a table", format!("[server]\nadmin_token = {{ token = \"{ADMIN}\" }}")),
        ("a bad variable", provider(&format!("key = \"{OPENAI}${{NOT_SET}}\""))),
        ("an open variable", provider(&format!("key = \"{OPENAI}${{NOT_SET\""))),
        ("a URL with a password", provider(&format!("base_url = \"https://user:{OPENAI}@example.com/v1\""))),
        ("a URL with a query", provider(&format!("base_url = \"https://example.com/v1?key={OPENAI}\""))),
        ("a URL from a variable", provider("base_url = \"https://example.com/v1?key=${CANARY_OPENAI}\"")),
        ("AWS's as a text", provider(&format!("aws = \"{AWS_SECRET}\""))),
        ("AWS's without an id", provider(&format!("aws = {{ secret_access_key = \"{AWS_SECRET}\" }}"))),
        (
            "AWS's misspelt",
            provider(&format!("aws = {{ access_key_id = \"a\", secret_acces_key = \"{AWS_SECRET}\" }}")),
        ),
        (
            "AWS's, too much",
            provider(&format!(
                "[providers.x.aws]\naccess_key_id = \"a\"\nsecret_access_key = \"{AWS_SECRET}\"\ntoken = \"{AWS_TOKEN}\""
            )),
        ),
        ("a name as a key", format!("[providers.x.keys]\n\"{OPENAI}\" = 1")),
        ("twice", format!("{good}\n[server]\nadmin_token = \"{ADMIN}\"")),
        ("no models", provider(&format!("key = \"{OPENAI}\""))),
    ]
}

async fn reload_wrongly(stage: &Stage) {
    let file = stage.folder.join("pointsman.toml");
    for (what, text) in wrong_configurations(&stage.text) {
        match config::parse(&text, &file, &environment) {
            Ok(_) => panic!("{what}: it is right"),
            Err(error) => {
                stage.keep(format!("the error of a configuration: {what}"), format!("{error}\n{error:?}"));
                let chain = anyhow::Error::from(error).context("loading");
                stage.keep(format!("the chain of a configuration: {what}"), format!("{chain:#}\n{chain:?}"));
            }
        }
    }
    // And once as it happens.
    let (_, wrong) = wrong_configurations(&stage.text).swap_remove(2);
    std::fs::write(&file, wrong).expect("a file");
    wait_until("the error is in the log", || logs().text().contains("is not in force")).await;
    // The watcher knows no other environment than the process's own.
    let right = stage.text.replace("${CANARY_OPENAI}", OPENAI).replace("${CANARY_AWS_TOKEN}", AWS_TOKEN);
    std::fs::write(&file, right.replace("${CANARY_ADMIN}", ADMIN)).expect("a file");
    wait_until("the change is in the log", || logs().text().contains("configuration is in force")).await;
    assert_eq!(stage.gateway.table().config.providers.len(), 13);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out() {
    let _ = logs();
    let stage = Stage::new().await;
    ask_everybody(&stage).await;
    ask_wrongly(&stage).await;
    ask_the_spy(&stage).await;
    operate(&stage).await;
    reload_wrongly(&stage).await;
    // A panic prints what its programmer thought of; a whole configuration must be harmless.
    let table = stage.gateway.table();
    let panicked = tokio::spawn(async move { panic!("on purpose: {:?}", table.config) }).await;
    assert!(panicked.is_err());

    // It was tried: providers were shown their keys, quoted them, and callers heard of that.
    let shown = stage
        .quoting
        .sent
        .lock()
        .expect("no panic")
        .iter()
        .map(|sent| format!("{:?}", sent.headers))
        .collect::<String>();
    for key in [OPENAI, OPENAI_2, ANTHROPIC, GEMINI, RESPONSES, GOOGLE_TOKEN, AWS_TOKEN, SPIED] {
        assert!(shown.contains(key), "nobody was shown {key}");
    }
    let (heard, kept) = {
        let came_out = stage.came_out.lock().expect("no panic");
        let has = |word: &str| {
            came_out.iter().filter(|(_, bytes)| memchr::memmem::find(bytes, word.as_bytes()).is_some()).count()
        };
        (has("Incorrect API key provided"), came_out.len())
    };
    assert!(heard > 500, "{heard} of {kept} replies quote");
    assert!(logs().text().contains("on purpose") && logs().text().contains("TRACE"));

    stage.gateway.flush().await;
    let leaks = stage.leaks();
    std::fs::remove_dir_all(&stage.folder).expect("the folder");
    let some: Vec<&str> = leaks.iter().take(40).map(String::as_str).collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), some.join("\n"));
}
