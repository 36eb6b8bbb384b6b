//! From a seed to a plan: which targets there are, what befalls them, who asks what, and how the gateway is configured.
//! Everything is decided here, before anything runs.

use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use pointsman::fake::{Behaviour, Continuing, Fault, Protocol, Speech};
pub use pointsman_tests::reply::Speaks;

/// Until then things go wrong.
pub const TROUBLE_ENDS: Duration = Duration::from_secs(120);
/// Long enough for every breaker to be closed again.
pub const CALM_BEGINS: Duration = Duration::from_secs(180);
/// After this time without trouble a target counts as well: by then no breaker of these configurations is open.
pub const WELL_AFTER: Duration = Duration::from_secs(30);
/// Of a whole request.
pub const TOTAL: Duration = Duration::from_secs(60);
pub const ATTEMPTS_MAX: usize = 3;
/// Requests with this number and higher ones are of the model `other`, whose only target nothing befalls.
pub const OTHER_FROM: usize = 1_000;
/// The only target of the model `other`.
pub const OTHER: &str = "own";

/// A run.
#[derive(Debug)]
pub struct Plan {
    pub targets: Vec<Target>,
    /// When which configuration comes into force, the first at once.
    pub configurations: Vec<(Duration, String)>,
    pub asks: Vec<Ask>,
    /// Something limits how much is accepted, so that a request may be refused though a target is well.
    pub is_limited: bool,
    /// The gateway has room for a few requests at once: one whose targets hang may be refused, one of another route may not.
    pub is_full: bool,
    /// Every target says the same, and where one breaks off another goes on.
    pub splices: bool,
}

#[derive(Debug)]
pub struct Target {
    pub name: String,
    pub model: String,
    pub protocol: Protocol,
    pub well: Behaviour,
    pub troubles: Vec<Trouble>,
}

/// What befalls a target for a while.
#[derive(Debug)]
pub struct Trouble {
    pub from: Duration,
    pub to: Duration,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Behaves(Behaviour),
    Link(Break),
}

/// What befalls its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// New ones are refused, those that are there are reset.
    Refused,
    /// New ones find no way, and nothing arrives any more on those that are there.
    NoRoute,
    /// New ones need what this machine lacks; those that are there fall silent.
    NoDescriptor,
    /// Nothing arrives any more, in either direction.
    Vanished,
    /// A reset after so many bytes of the provider's.
    ResetAfter(usize),
    /// An end as if that were all, after so many bytes of the provider's.
    EndAfter(usize),
    /// Silence after so many bytes of the provider's.
    StallAfter(usize),
}

/// One request of a caller.
#[derive(Clone, Debug)]
pub struct Ask {
    pub number: usize,
    pub at: Duration,
    pub speaks: Speaks,
    pub stream: bool,
    pub prompt: String,
    /// The caller has no more patience than this.
    pub leaves_after: Option<Duration>,
}

impl Plan {
    pub fn new(seed: u64) -> Plan {
        let mut dice = Rng::with_seed(seed);
        let targets: Vec<Target> = (0..dice.usize(2..=3)).map(|number| target(&mut dice, number)).collect();
        let is_limited = dice.u32(0..4) == 0;
        let server = server(&mut dice, is_limited);
        let mut configurations = Vec::new();
        let mut at = Duration::ZERO;
        while at < TROUBLE_ENDS {
            configurations.push((at, configuration(&mut dice, &targets, &server)));
            at += millis(&mut dice, 5_000..90_000);
        }
        let asks = asks(&mut dice);
        let plan = Plan { targets, configurations, asks, is_limited, is_full: false, splices: false };
        plan.and_more(&mut Rng::with_seed(seed ^ 0x5eed))
    }

    /// What was thought of later, by dice of its own: so the seeds that were found before keep their meaning.
    fn and_more(mut self, dice: &mut Rng) -> Plan {
        self.splices = dice.u32(0..4) == 0;
        self.is_full = !self.is_limited && dice.u32(0..4) == 0;
        if self.splices {
            let (protocol, model) = (self.targets[0].protocol, self.targets[0].model.clone());
            for target in &mut self.targets {
                let Target { name, model: own, protocol: spoken, .. } = &*target;
                for (_, text) in &mut self.configurations {
                    *text = text
                        .replace(&format!("\"{name}/{own}\""), &format!("\"{name}/{model}\""))
                        .replace(&provider(name, *spoken), &provider(name, protocol));
                }
                (target.protocol, target.model) = (protocol, model.clone());
                let continuing = [Continuing::GoesOn, Continuing::GoesOn, Continuing::Again, Continuing::Greets];
                let speech = Speech { spaces_last: dice.bool(), continuing: continuing[dice.usize(..4)] };
                target.well.speech = speech;
                for trouble in &mut target.troubles {
                    if let What::Behaves(behaviour) = &mut trouble.what {
                        behaviour.speech = speech;
                    }
                }
            }
        }
        let well = Behaviour { first_token: millis(dice, 50..500), ..Behaviour::default() };
        let own = Target {
            name: OTHER.to_owned(),
            model: "m9".to_owned(),
            protocol: Protocol::OpenAiChat,
            well,
            troubles: Vec::new(),
        };
        for (_, text) in &mut self.configurations {
            if self.splices {
                // Whether a model continues a text is a fact of it.
                let facts = format!("[facts.{}]\nprefill = true\n", self.targets[0].model);
                text.push_str("continuation = \"splice\"\n");
                text.push_str(&facts);
            }
            if self.is_full {
                text.push_str("[server]\nmax_requests = 12\n");
            }
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "{}\nkey = \"own-key\"\n[models.other]\ntargets = [\"own/m9\"]",
                provider(OTHER, own.protocol)
            );
        }
        self.targets.push(own);
        let mut more = Vec::new();
        // Somebody asks all the time.
        if dice.bool() {
            let step = dice.u64(200..2_000);
            more.extend((20_000..110_000).step_by(step as usize).map(Duration::from_millis));
        }
        let first = self.asks.len();
        self.asks.extend(
            more.into_iter()
                .enumerate()
                .map(|(number, at)| Ask { leaves_after: None, ..ask(dice, first + number, at) }),
        );
        let mut at = Duration::ZERO;
        for number in OTHER_FROM.. {
            at += millis(dice, 3_000..15_000);
            if at > TROUBLE_ENDS {
                break;
            }
            self.asks.push(Ask { leaves_after: None, ..ask(dice, number, at) });
        }
        self
    }
}

impl Ask {
    /// The model that is asked for, which is the route's.
    pub fn model(&self) -> &'static str {
        if self.number < OTHER_FROM { "all" } else { "other" }
    }
}

fn millis(dice: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.u64(range))
}

fn target(dice: &mut Rng, number: usize) -> Target {
    let protocols = [
        Protocol::OpenAiChat,
        Protocol::OpenAiResponses,
        Protocol::AnthropicMessages,
        Protocol::Gemini,
        Protocol::Ollama,
    ];
    let protocol = protocols[dice.usize(..protocols.len())];
    let well =
        Behaviour { first_token: millis(dice, 50..1_500), between_tokens: millis(dice, 1..60), ..Behaviour::default() };
    let mut troubles = Vec::new();
    let mut at = millis(dice, 0..60_000);
    // One in four has none at all.
    let is_spared = dice.u32(0..4) == 0;
    while at < TROUBLE_ENDS && !is_spared {
        let to = (at + millis(dice, 500..45_000)).min(TROUBLE_ENDS);
        troubles.push(Trouble { from: at, to, what: what(dice, &well) });
        at = to + millis(dice, 0..50_000);
    }
    Target { name: format!("p{number}"), model: format!("m{number}"), protocol, well, troubles }
}

fn what(dice: &mut Rng, well: &Behaviour) -> What {
    if dice.u32(0..4) == 0 {
        return What::Link(match dice.u32(0..4) {
            0 => Break::Refused,
            1 => Break::Vanished,
            2 => Break::ResetAfter(dice.usize(0..3_000)),
            _ => Break::StallAfter(dice.usize(0..3_000)),
        });
    }
    let status = |status: u16, retry_after_s| Fault::Status { status, retry_after_s };
    let chunks = dice.usize(0..12);
    let fault = match dice.u32(0..19) {
        0 => status(529, None),
        1 => status(503, None),
        2 => status(500, None),
        3 => status(502, None),
        4 => status(429, None),
        5 | 6 => status(429, Some(dice.u64(1..20))),
        7 => status(503, Some(dice.u64(1..9))),
        8 => status(401, None),
        9 => status(404, None),
        10 => Fault::HangBeforeHeaders,
        11 => Fault::HangBeforeContent,
        12 => Fault::HangAfter { chunks },
        13 => Fault::ResetBeforeHeaders,
        14 => Fault::ErrorBeforeContent,
        15 => Fault::ErrorAfter { chunks },
        16 => Fault::CutAfter { chunks },
        17 => Fault::EndAfter { chunks },
        _ => Fault::Garbage,
    };
    // A brown-out: all is well but slow.
    if dice.u32(0..8) == 0 {
        return What::Behaves(Behaviour { first_token: millis(dice, 2_000..30_000), ..well.clone() });
    }
    What::Behaves(Behaviour { fault, ..well.clone() })
}

fn server(dice: &mut Rng, is_limited: bool) -> String {
    let limits = match is_limited {
        true => format!("[limits]\nmax_in_flight = {}\nqueue = {}\n", dice.u32(1..4), dice.u32(0..4)),
        false => String::new(),
    };
    format!(
        r#"
        [timeouts]
        connect = "1s"
        headers = "5s"
        first_token = "8s"
        idle = "6s"
        between_tokens = "20s"
        reply = "9s"
        total = "{}s"
        [breaker]
        faults = {}
        out = "{}ms"
        out_max = "20s"
        [attempts]
        max = {ATTEMPTS_MAX}
        {limits}
        "#,
        TOTAL.as_secs(),
        dice.u32(1..7),
        dice.u32(500..6_000),
    )
}

/// A policy and its settings, such as a team would write.
const POLICIES: &[&str] = &[
    "policy = \"failover\"",
    "policy = \"failover\"\nsettings = { backoff_ms = 50, wait_ms = 15000 }",
    "policy = \"fastest\"",
    "policy = \"weighted\"",
    "policy = \"cheapest\"",
    "policy = \"hedged\"",
    "policy = \"sticky\"",
    "policy = \"by-content\"\nsettings = { rules = [{ when = { stream = true }, targets = [\"p1/m1\"] }] }",
    "policy = \"chain\"\nsettings = { links = [{ policy = \"sticky\" }, { policy = \"fastest\" }] }",
];

fn configuration(dice: &mut Rng, targets: &[Target], server: &str) -> String {
    let mut text = server.to_owned();
    for target in targets {
        let Target { name, protocol, .. } = target;
        let keys = if dice.bool() {
            format!("keys = [\"{name}-key-1\", \"{name}-key-2\"]")
        } else {
            format!("key = \"{name}-key\"")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}\n{keys}", provider(name, *protocol));
    }
    let list: Vec<String> = targets.iter().map(|target| format!("\"{}/{}\"", target.name, target.model)).collect();
    let policy = POLICIES[dice.usize(..POLICIES.len())];
    let _ = writeln!(text, "[models.all]\n{policy}\ntargets = [{}]", list.join(", "));
    text
}

fn asks(dice: &mut Rng) -> Vec<Ask> {
    let mut times: Vec<Duration> = Vec::new();
    // Bursts, and single ones between them.
    for _ in 0..dice.usize(2..5) {
        let begins = millis(dice, 0..TROUBLE_ENDS.as_millis() as u64);
        times.extend((0..dice.usize(2..9)).map(|_| begins + millis(dice, 0..400)));
    }
    times.extend((0..dice.usize(5..15)).map(|_| millis(dice, 0..TROUBLE_ENDS.as_millis() as u64)));
    times.extend((0..6).map(|number| CALM_BEGINS + Duration::from_secs(number * 5)));
    times.sort();
    times.into_iter().enumerate().map(|(number, at)| ask(dice, number, at)).collect()
}

fn ask(dice: &mut Rng, number: usize, at: Duration) -> Ask {
    Ask {
        number,
        at,
        speaks: [Speaks::Chat, Speaks::Responses, Speaks::Messages, Speaks::Gemini][dice.usize(..4)],
        stream: dice.u32(0..3) > 0,
        prompt: format!("ask {number}:{}", " la".repeat(dice.usize(1..40))),
        leaves_after: (dice.u32(0..10) == 0).then(|| millis(dice, 1..4_000)),
    }
}

fn provider(name: &str, protocol: Protocol) -> String {
    format!("[providers.{name}]\nadapter = \"{protocol}\"\nbase_url = \"{}\"", protocol.base_url(format!("{name}.sim")))
}
