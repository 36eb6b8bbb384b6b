//! THE LINE: one request, from its arrival to the reply that its caller gets. Every stage is named here, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::body::Body as HttpBody;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::allowance::Allowance;
use super::array::Shape;
use super::asked::Asked;
use super::attempt;
use super::begun::Failed;
use super::commit::{HeldBack, Uncommitted};
use super::decide::{self, Next};
use super::endpoint::Endpoint;
use super::game_day::Befell;
use super::keepers::{Anothers, Keeper};
use super::load::Room;
use super::provider::Adapter;
use super::race::{News, Race};
use super::record::Record;
use super::references::References;
use super::refusal::{Refusal, fault};
use super::table::{Route, Table, Target};
use super::untranslated::{self, Untranslated};
use super::{Body, Gateway, able, estimate, halves, intake, items, outgoing, shadow_probe};
use crate::config::Caller;
use crate::health::{Blame, Health, KeyId, blame};
use crate::plugin::Policy;
use crate::plugin::bindings::chat::OutputFormat;
use crate::plugin::bindings::client_protocol::{Header, Reading};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// While a request is put in other words it is held so many times besides: as it is given to the plugin, within that, and as what
/// comes of it.
pub const COPIES: u64 = 3;
/// Headers that callers' SDKs take a request's id from.
const REQUEST_IDS: [&str; 2] = ["request-id", "x-request-id"];
/// The operation that is answered by a guess when nobody answers it better.
pub const COUNT_TOKENS: &str = "count-tokens";

/// What one request is about. It holds the table it began with, to its end.
pub struct Exchange {
    pub gateway: Arc<Gateway>,
    pub table: Arc<Table>,
    pub endpoint: Arc<Endpoint>,
    pub route: Arc<Route>,
    /// Absent: anyone may call.
    pub caller: Option<Arc<Caller>>,
    pub head: Parts,
    pub body: Bytes,
    pub asked: Asked,
    /// To items of earlier answers.
    pub references: References,
    /// Who keeps what the request names, where that is known.
    kept_by: Option<Keeper>,
    pub arrived: Instant,
    /// When all must be over.
    pub deadline: Instant,
    /// The request's, in the journal and for its caller.
    pub id: String,
    /// Chance, for all that is decided by chance: a policy sees it.
    pub random: u64,
    pub sequence: u64,
    /// For each target of the route: why it cannot serve this request, if it cannot.
    pub unable: Vec<Option<String>>,
    /// By faults that operators injected.
    pub befell: Befell,
    /// Plugins that failed at its body.
    untranslated: Mutex<Vec<Untranslated>>,
    /// What its body takes.
    #[expect(dead_code, reason = "held until it is dropped")]
    body_room: Room,
    /// See [`Exchange::reading`]; and what that takes.
    read: OnceCell<Result<(Reading, Room), Fault>>,
}

/// When a request's time is over: an extension of its response. Who reads slowly is bounded by it too.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

/// Answer one request to an endpoint of a client protocol. `caller` is absent where anyone may call.
pub async fn answer<B>(
    gateway: Arc<Gateway>,
    table: Arc<Table>,
    endpoint: Arc<Endpoint>,
    caller: Option<Arc<Caller>>,
    request: Request<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let random = gateway.clock.random();
    let endpoint = endpoint.version(random);
    let mut record = Record::begin(&gateway, &endpoint);
    let shape = endpoint.shape(request.uri().query());
    let mut response = match line(gateway, table, Arc::clone(&endpoint), random, caller, request, &mut record).await {
        Ok(response) => response,
        Err(refusal) => {
            record.refused(&refusal.fault);
            let mut response = refusal.respond(&endpoint, shape).await;
            name_request(response.headers_mut(), &record.id());
            response
        }
    };
    // An answer carries them already: its record has gone on with it.
    response.headers_mut().extend(record.headers());
    response
}

/// SDKs show the id of a request in their errors: Anthropic's reads `request-id`, OpenAI's `x-request-id`. Where a reply is not a
/// provider's own, it is ours, which `explain` knows.
pub fn name_request(headers: &mut HeaderMap, id: &str) {
    if REQUEST_IDS.iter().any(|name| headers.contains_key(*name)) {
        return;
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.extend(REQUEST_IDS.map(|name| (HeaderName::from_static(name), id.clone())));
    }
}

async fn line<B>(
    gateway: Arc<Gateway>,
    table: Arc<Table>,
    endpoint: Arc<Endpoint>,
    random: u64,
    caller: Option<Arc<Caller>>,
    request: Request<B>,
    record: &mut Record,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    let allowance = Allowance::of(caller.as_deref(), &endpoint);
    record.caller(caller.as_deref());
    record.trace(&head.headers);
    let edge = table.config.server.edge;
    let coding = intake::check(&head.headers, body.size_hint().lower(), &edge)?;
    record.admitted(allowance.admit(&gateway, body.size_hint().lower(), arrived)?);
    let held = gateway.load.enter(edge.requests);
    let mut held = held.ok_or_else(|| Refusal::full("as many requests at once"))?;
    let mut body = intake::read(body, &edge, &mut held, arrived + table.config.timeouts.total).await?;
    if let Some(coding) = coding {
        body = intake::decode(body, coding, &edge, &mut held).await?;
    }
    if let Some(admitted) = record.its_admission() {
        allowance.resize(admitted, body.len(), Instant::now())?;
    }
    let asked = Asked::find(&body, head.uri.path(), &endpoint)?;
    record.asked(&asked);
    allowance.check(&asked.model)?;
    allowance.check_fallbacks(&body)?;
    let owner = items::owner(caller.as_deref());
    let references = References::find(&gateway.items, &owner, &endpoint.protocol, &body);
    let references = references.map_err(|id| Refusal::no_item(&id))?;
    let kept_by = match &asked.kept {
        Some(id) => {
            gateway.keepers.of(&owner, id).map_err(|Anothers| Refusal::not_kept(asked.pinned.as_deref(), id))?
        }
        None => None,
    };
    let route = Arc::clone(table.route(&asked.model).ok_or_else(|| Refusal::no_route(&asked.model, &table))?);
    if table.routes.len() > 1 && !held.enter_route(&route.in_flight, edge.requests) {
        return Err(Refusal::full("as many requests of this route at once"));
    }
    let body_room = held.take_room(edge.body_bytes_held);
    record.held(held);
    gateway.healths.request(arrived);
    let mut exchange = Exchange {
        deadline: arrived + route.holds.timeouts.total,
        id: record.id(),
        random,
        sequence: route.sequence.fetch_add(1, Ordering::Relaxed),
        unable: Vec::new(),
        befell: Befell::default(),
        untranslated: Mutex::default(),
        body_room,
        read: OnceCell::new(),
        gateway,
        table,
        endpoint,
        route,
        caller,
        head,
        body,
        asked,
        references,
        kept_by,
        arrived,
    };
    exchange.unable = able::judge(&exchange).await;
    let exchange = Arc::new(exchange);
    record.route(&exchange);
    record.unable(&exchange);
    let uncommitted = Uncommitted::begin();
    let mut history = Vec::new();
    let mut race = Race::default();
    let mut held_back = loop {
        let (next, deliberation) = decide::next(&exchange, &history, race.running()).await;
        record.deliberated(deliberation);
        match next {
            Next::Attempt(step) => {
                record.attempt(&exchange, &step);
                if history.is_empty() && race.running().is_empty() {
                    shadow_probe::start(&exchange, step.target);
                }
                race.start(&step, attempt::run(&exchange, step.clone(), &uncommitted));
            }
            Next::Wait => {}
            Next::GiveUp(reason) if exchange.may_estimate(&history) => {
                let reply = estimate::reply(&exchange).await;
                let told = |fault| {
                    untranslated::refusal(&exchange, &history).unwrap_or_else(|| Refusal::gave_up_with(fault, &reason))
                };
                let reply = reply.map_err(told)?;
                break HeldBack::estimate(reply);
            }
            Next::GiveUp(reason) => return Err(Refusal::gave_up(&exchange, history, &reason)),
        }
        match race.news(|target| exchange.route.targets[target].holds.breaker, &exchange.gateway.clock).await {
            Some(News::Content(held_back)) => break held_back,
            Some(News::Failed(failed)) => {
                record.failed_attempt(&exchange, &failed);
                history.push(failed);
            }
            Some(News::Late) | None => {}
        }
    };
    record.outrun(&exchange, race.running());
    drop(race);
    held_back.let_go_on(&exchange, history);
    let deadline = Deadline(exchange.deadline);
    let mut response = held_back.commit(uncommitted, record.take());
    response.extensions_mut().insert(deadline);
    Ok(response)
}

impl Exchange {
    /// The request in words that no provider owns; made when it is first needed, and held as long as the body is.
    pub async fn reading(&self) -> Result<&Reading, Fault> {
        // Where there is no room for it, there may be for the next attempt.
        let read = self.read.get_or_try_init(|| async {
            let room = self.room_for(1 + COPIES)?;
            let read = self.read_anew().await;
            room.shrink_to(self.body.len() as u64);
            Ok::<_, Fault>(read.map(|reading| (reading, room)))
        });
        read.await?.as_ref().map(|(reading, _)| reading).map_err(Clone::clone)
    }

    async fn read_anew(&self) -> Result<Reading, Fault> {
        let no_codec = || fault(FaultKind::AdapterFailed, "the plugin has no client side");
        let codec = self.endpoint.codec().ok_or_else(no_codec)?;
        let shown = codec.client_description.as_ref().map_or(&[][..], |description| &description.read_headers);
        let headers = outgoing::forwarded(&self.head.headers, shown);
        let headers = headers.iter().filter_map(|(name, value)| {
            Some(Header { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
        });
        let whole = self.references.for_stranger(&self.body);
        let body = whole.as_ref().unwrap_or(&self.body);
        let (operation, headers) = (&self.endpoint.operation, headers.collect::<Vec<_>>());
        let body = halves::mended(body);
        let mut reading = match codec.read(operation, &headers, &body).await {
            Ok(reading) => reading?,
            Err(failed) => {
                let call = untranslated::Call::Read { operation, headers: &headers, body: &body };
                return Err(untranslated::note(self, &self.endpoint.plugin, &failed, call).await);
            }
        };
        reading.request.stream = self.asked.stream;
        reading.request.model.clone_from(&self.asked.model);
        Ok(reading)
    }

    /// Room for so many times the request's body.
    ///
    /// # Errors
    /// All requests together hold as many bytes as they may.
    pub fn room_for(&self, bodies: u64) -> Result<Room, Fault> {
        let room = self.gateway.load.room(self.table.config.server.edge.body_bytes_held);
        match room.grow((self.body.len() as u64).saturating_mul(bodies)) {
            true => Ok(room),
            false => Err(fault(FaultKind::Busy, "the gateway holds as many bytes of requests as it can: try again")),
        }
    }

    /// Plugins that failed at its body, so far.
    pub fn untranslated(&self) -> MutexGuard<'_, Vec<Untranslated>> {
        self.untranslated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the target at this position cannot serve this request, if it cannot.
    pub fn why_unable(&self, position: usize) -> Option<String> {
        self.unable.get(position).cloned().flatten().or_else(|| untranslated::reason(self, position))
    }

    /// The version that decides for this request, to its end.
    pub fn policy(&self) -> &Policy {
        match &self.route.canary {
            Some((policy, trial)) if trial.has(self.random) => policy,
            _ => &self.route.policy,
        }
    }

    /// `provider/model` of the route's target at this position.
    pub fn name(&self, target: usize) -> String {
        let target = &self.route.targets[target];
        format!("{}/{}", target.provider.name, target.model(&self.asked.model))
    }

    /// Is that the live one, and none on trial?
    pub fn is_live(&self) -> bool {
        std::ptr::eq(self.policy(), self.route.policy.as_ref())
    }

    /// What is remembered of a target, for the model that it would be asked for.
    pub fn health(&self, target: &Target) -> Arc<Health> {
        let caller = self.caller.as_deref().map_or("", |caller| caller.name.as_str());
        target.health(&self.asked.model, caller, &self.gateway.healths, Instant::now())
    }

    /// The key with which a target made what the request names, if it was this target's provider.
    pub fn kept_by(&self, target: &Target) -> Option<KeyId> {
        let keeper = self.kept_by.as_ref()?;
        (keeper.provider == target.provider.name).then_some(keeper.key)
    }

    /// The key that an attempt at a target is best made with: the one that made what the request names. Where other keys can
    /// do as well, it is none that rests.
    pub fn best_key(&self, target: &Target, health: &Health, now: Instant) -> Option<KeyId> {
        let best = || self.references.key_of(&target.provider.name).filter(|key| health.rests(&[*key], now).is_none());
        self.kept_by(target).or_else(best)
    }

    /// Who a target's provider is, asked with the key at this position.
    pub fn keeper(&self, target: &Target, key_at: usize) -> Keeper {
        let key = self.keys(target).get(key_at).copied().unwrap_or(0);
        Keeper { provider: target.provider.name.clone(), key }
    }

    /// Does the request name state that its caller can send again? Then it is better told that nobody has the state than
    /// that who has it is out: it goes on elsewhere.
    pub fn is_replayable(&self) -> bool {
        self.asked.pinned.as_ref().is_some_and(|field| field.contains('.'))
    }

    /// Who speaks to a target for this request, in the version that does so to its end.
    pub fn adapter<'a>(&self, target: &'a Target) -> Option<&'a Arc<Adapter>> {
        target.provider.adapter(&self.endpoint.protocol, &self.endpoint.operation, self.random)
    }

    /// The keys that a target can be asked with.
    pub fn keys<'a>(&self, target: &'a Target) -> &'a [KeyId] {
        self.adapter(target).map_or(&[], |adapter| &adapter.keys)
    }

    /// May one more attempt be made than is needed? If so, it is counted.
    pub fn may_hedge(&self) -> bool {
        self.gateway.healths.may_hedge(self.route.holds.attempts.hedges, Instant::now())
    }

    /// How a stream is sent to this caller.
    pub fn shape(&self) -> Shape {
        self.endpoint.shape(self.head.uri.query())
    }

    /// What begins the `write` fold, where another target may continue a reply that breaks off.
    pub async fn spliceable(&self) -> Option<Vec<u8>> {
        if !self.route.splice || !self.asked.stream {
            return None;
        }
        let reading = self.reading().await.ok()?;
        // Half of a JSON text is no beginning that models go on with.
        matches!(reading.request.output, OutputFormat::Text).then(|| reading.memory.clone())
    }

    /// A count of tokens is never worth an error, unless the caller's own mistake is its reason.
    fn may_estimate(&self, history: &[Failed]) -> bool {
        let callers_own = |failed: &Failed| blame(failed.fault.kind) == Blame::Caller;
        self.endpoint.operation == COUNT_TOKENS && !history.last().is_some_and(callers_own)
    }
}
