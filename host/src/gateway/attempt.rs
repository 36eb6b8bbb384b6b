//! One attempt: ask a target, and hold its reply back until the first content. A status of 200 proves nothing: overloaded
//! providers open a stream, send its opening frames, and then an error. Held back, that is a failure like any other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use super::absurd;
use super::amendment::Amendment;
use super::begun::{Bad, Begun, Failed};
use super::commit::{Facts, HeldBack, Uncommitted};
use super::decide::Step;
use super::exchange::{COUNT_TOKENS, Exchange, name_request};
use super::game_day::{Break, Harm, Struck};
use super::halves;
use super::hold::Hold;
use super::items;
use super::outgoing::{Outgoing, adapter_failed};
use super::pace::{Measured, Pace, content_bytes};
use super::provider::Adapter;
use super::record::LOST_CONTENT;
use super::redact::Redaction;
use super::refusal::fault;
use super::relay::Relay;
use super::reply::{Batch, Reply};
use super::reply_head::{self, content_type, returned};
use super::shadow::Shadow;
use super::spent::Told;
use super::splice::Said;
use super::tool_names::ToolNames;
use super::undecoded::{Call, Undecoded};
use super::writer::Writer;
use crate::health::Running;
use crate::plugin::bindings::chat::{self, Usage};
use crate::plugin::bindings::faults::{Fault, FaultKind};
use crate::plugin::bindings::provider::{Frame, Framing};
use crate::upstream::{Framer, Incoming, Pieces, TimedOut};

/// A reply that is not streamed may have this many bytes.
const REPLY_BYTES_MAX: usize = 64 << 20;
/// Held back, a stream may have this many before its first content, and [`ECHOES`] times its request: some protocols begin with
/// all that they were told. What comes to more than that is no answer.
const HELD_BYTES_MAX: usize = 1 << 20;
const ECHOES: usize = 4;

/// Ask the step's target. The caller must not have seen anything yet.
///
/// # Errors
/// The attempt failed; the target's health knows already.
pub async fn run(exchange: &Exchange, step: Step, _: &Uncommitted) -> Result<HeldBack, Box<Failed>> {
    let (begun, began) = (Begun::new(exchange, &step).await?, Instant::now());
    let asked = begun.within(ask(&begun)).await;
    let (good, running) = begun.judge(asked)?;
    // Its first content is here, and its health knows; a call that has begun is still waited for.
    step.told.note_content();
    good.held_back(running).with_whole_calls(&step.told).await.map_err(|fault| {
        Box::new(Failed {
            target: step.target,
            started_at: began.saturating_duration_since(exchange.arrived),
            elapsed: began.elapsed(),
            fault,
            used: step.told.usage(),
            raw: None,
        })
    })
}

/// Ask the step's target for the sake of its health: nobody sees the reply. With `pace` a stream is read on for so long.
///
/// # Errors
/// The attempt failed; the target's health knows already.
pub async fn probe(exchange: &Exchange, step: Step, pace: Option<Duration>) -> Result<(), Box<Failed>> {
    let begun = Begun::new(exchange, &step).await?;
    let asked = begun.within(ask(&begun)).await;
    let (good, mut running) = begun.judge(asked)?;
    if let (Some(within), Some(rest)) = (pace, good.rest)
        && let Some(measured) = measure(rest, within).await
    {
        running.pace(measured.millis_per_kb, measured.is_too_slow, Instant::now());
    }
    running.succeed(Instant::now());
    Ok(())
}

/// How fast the content of a stream comes, for so long. `None` if it ends too soon.
async fn measure(mut rest: Rest, within: Duration) -> Option<Measured> {
    let (until, mut bytes) = (Instant::now() + within, 0);
    let began = Instant::now();
    while let Ok(batch) = timeout_at(until, rest.reply.next()).await {
        bytes += content_bytes(&batch.events);
        if batch.finished() || batch.fault().is_some() {
            break;
        }
    }
    rest.pace.measured(bytes, began.elapsed())
}

/// A reply that goes on where another broke off.
pub struct Resumed {
    /// `provider/model`
    pub target: String,
    pub reply: Reply,
    /// What was held back.
    pub held: Batch,
    pub pace: Pace,
    pub running: Running,
}

/// Ask the step's target to go on with what the caller has read.
///
/// # Errors
/// The attempt failed; the target's health knows already.
pub async fn resume(exchange: &Exchange, step: Step, said: &Said) -> Result<Resumed, Box<Failed>> {
    let (begun, began) = (Begun::new(exchange, &step).await?, Instant::now());
    let asked = begun.within(ask_on(&begun, said)).await;
    let ((target, reply, held), running) = begun.judge(asked)?;
    if said.is_begun_anew(&held.events) {
        // It answered, and well, but not what was asked: its health is good, and its words are no use.
        running.succeed(Instant::now());
        return Err(Box::new(Failed {
            target: step.target,
            started_at: began.saturating_duration_since(exchange.arrived),
            elapsed: began.elapsed(),
            fault: fault(FaultKind::MalformedReply, "it began anew instead of continuing"),
            used: step.told.usage(),
            raw: None,
        }));
    }
    Ok(Resumed { target, reply, held, pace: pace(exchange, &step), running })
}

/// A reply with content, not yet bound to the health of its target.
struct Good {
    status: StatusCode,
    headers: HeaderMap,
    content_type: HeaderValue,
    first: Bytes,
    rest: Option<Rest>,
    facts: Facts,
    adapter: Arc<Adapter>,
    /// The reply's, as its provider calls it.
    id: Option<String>,
}

/// Of a streamed reply.
struct Rest {
    reply: Reply,
    writer: Writer,
    pace: Pace,
    /// What the caller is about to read, where another target may have to go on.
    said: Option<(usize, Said)>,
    hold: Hold,
}

impl Good {
    fn held_back(self, running: Running) -> HeldBack {
        let Good { status, headers, content_type, first, rest, facts, adapter, .. } = self;
        let rest = match rest {
            Some(Rest { reply, writer, pace, said, hold }) => {
                Some(Box::new(Relay::new(reply, writer, pace, running, said, hold)))
            }
            None => {
                running.succeed(Instant::now());
                adapter.plugin.tally.note_outcome(true);
                None
            }
        };
        HeldBack { status, headers, content_type, first, rest, facts }
    }
}

async fn ask(begun: &Begun<'_>) -> Result<Good, Bad> {
    let Begun { exchange, step, target, running, .. } = begun;
    let key_at = running.key_at();
    let mut outgoing = Outgoing::build(exchange, target, key_at, None).await?;
    let (mut amended, is_for_another) = (None, target.model(&exchange.asked.model) != exchange.asked.model);
    let (response, breaks) = loop {
        let same = outgoing.translating.is_none();
        let request = std::mem::replace(&mut outgoing.request, Request::new(Pieces::new([])));
        let body = request.body().clone();
        let sent = send(begun, &outgoing.adapter, outgoing.framing, request, &outgoing.redaction, same).await;
        let bad = match sent {
            Ok(sent) => break sent,
            Err(bad) => bad.shown(outgoing.shown.as_ref()),
        };
        let is_ours = (!same || is_for_another) && amended.is_none();
        let how = Amendment::of(&bad.fault, &body, same, is_ours);
        let Some(how) = how.and_then(|how| how.after(amended.take())) else { return Err(bad) };
        drop((body, outgoing.room.take()));
        outgoing = Outgoing::build(exchange, target, key_at, Some(&how)).await.map_err(|_| bad)?;
        amended = Some(how);
    };
    drop(outgoing.room);
    let (adapter, same, redaction) = (outgoing.adapter, outgoing.translating.is_none(), outgoing.redaction);
    let model = target.model(&exchange.asked.model);
    let facts = Facts { target: exchange.name(step.target), dropped: outgoing.dropped, ..Facts::default() };
    let keeper = exchange.keeper(target, key_at);
    let said = exchange.spliceable().await.map(|_| (step.target, Said::default()));
    let writer = match outgoing.translating {
        None => Writer::same(exchange, &adapter.description.reply_model, model, keeper.clone()),
        Some(memory) => Writer::translating(exchange, memory, model),
    };
    let mut good = Good {
        status: if same { response.status() } else { StatusCode::OK },
        content_type: content_type(response.headers(), same, outgoing.framing, exchange.shape()),
        headers: returned(response.headers(), &adapter, same),
        first: Bytes::new(),
        rest: None,
        facts,
        adapter: Arc::clone(&adapter),
        id: None,
    };
    if !same {
        name_request(&mut good.headers, &exchange.id);
    }
    match Framer::new(outgoing.framing) {
        Some(framer) => {
            let reply = Reply::new(exchange, response.into_body(), framer, Arc::clone(&adapter), redaction);
            let reply = reply.breaking(breaks).naming(outgoing.tool_names);
            let hold = Hold::new(exchange.route.hold_tool_calls);
            let rest = Rest { reply, writer, pace: pace(exchange, step), said, hold };
            begin(rest, &step.told, exchange.body.len(), &mut good).await?;
        }
        None => {
            let names = &outgoing.tool_names;
            whole(exchange, response, breaks, &redaction, names, writer, &mut good).await?;
        }
    }
    // What another protocol says is kept by nobody: its caller is given another id.
    if let Some(id) = good.id.take().filter(|_| same && !exchange.endpoint.pinning_fields.is_empty()) {
        exchange.gateway.keepers.note(items::owner(exchange.caller.as_deref()), &id, keeper);
    }
    Ok(good)
}

async fn ask_on(begun: &Begun<'_>, said: &Said) -> Result<(String, Reply, Batch), Bad> {
    let Begun { exchange, step, target, running, .. } = begun;
    let outgoing = Outgoing::build_on(exchange, target, running.key_at(), said).await?;
    let (adapter, redaction) = (outgoing.adapter, outgoing.redaction);
    let sent = send(begun, &adapter, outgoing.framing, outgoing.request, &redaction, false).await;
    let (response, breaks) = sent.map_err(|bad| bad.shown(outgoing.shown.as_ref()))?;
    drop(outgoing.room);
    let framer = Framer::new(outgoing.framing);
    let framer = framer.ok_or_else(|| fault(FaultKind::Unsupported, "its adapter does not stream"))?;
    let reply = Reply::new(exchange, response.into_body(), framer, adapter, redaction);
    let mut reply = reply.breaking(breaks).naming(outgoing.tool_names);
    let mut held = hold_back(&mut reply, &step.told, false, exchange.body.len()).await?;
    // Its first words tell whether it goes on.
    while !Said::is_told(&held.events) {
        let mut batch = reply.next().await;
        if let Some(fault) = batch.fault() {
            return Err(Bad::from(fault.clone()));
        }
        held.frames.append(&mut batch.frames);
        held.events.append(&mut batch.events);
    }
    Ok((exchange.name(step.target), reply, held))
}

fn pace(exchange: &Exchange, step: &Step) -> Pace {
    let timeouts = &exchange.route.targets[step.target].holds.timeouts;
    Pace::new(step.idle, timeouts, exchange.deadline, Instant::now())
}

/// The head of a reply that claims to be a success, and what a game day wants to become of the rest.
async fn send(
    begun: &Begun<'_>,
    adapter: &Adapter,
    framing: Framing,
    request: Request<Pieces>,
    redaction: &Redaction,
    same: bool,
) -> Result<(Response<Incoming>, Option<Break>), Bad> {
    let Begun { exchange, step, target, .. } = begun;
    let head_within = match framing {
        Framing::WholeBody => step.first_token,
        Framing::Sse | Framing::Ndjson | Framing::AwsEventStream => target.holds.timeouts.headers,
    };
    let late = || fault(FaultKind::TimedOut, format!("no head of a reply within {} ms", head_within.as_millis()));
    let mut breaks = None;
    if let Some(harm) = Harm::of(begun, adapter, framing, &request) {
        // As if the provider had the request.
        step.sent_at.note(Instant::now());
        match timeout(head_within, harm.strike()).await.map_err(|_| late())? {
            Struck::Spared(rest) => breaks = rest,
            Struck::Unconnected(why) => return Err(Bad::from(fault(FaultKind::Connection, why))),
            Struck::Refused(response) => {
                let judged = reply_head::judge(begun, adapter, framing, response, redaction, same).await;
                // A success that is none is refused for its content type, so this is said of nothing.
                let no_reply = || Bad::from(fault(FaultKind::MalformedReply, "no provider gave this reply"));
                return Err(judged.err().unwrap_or_else(no_reply));
            }
        }
    }
    step.sent_at.expect_head(head_within.min(step.first_token), exchange.deadline);
    let client = adapter.client(&exchange.gateway).map_err(|text| fault(FaultKind::Connection, text))?;
    let sending = client.send(request, &step.sent_at);
    let response = step.sent_at.within(head_within, sending).await.map_err(|TimedOut| late())?;
    let mut response = response.map_err(|unsent| {
        // What this machine lacks is no word on the target: it was not asked.
        let kind = if unsent.is_ours { FaultKind::Busy } else { FaultKind::Connection };
        fault(kind, redaction.text(unsent.text))
    })?;
    redaction.headers(response.headers_mut());
    Ok((reply_head::judge(begun, adapter, framing, response, redaction, same).await?, breaks))
}

/// Hold a stream back until its first content. `same`: the caller speaks the provider's protocol, and can read what the
/// contract has no word for.
async fn hold_back(reply: &mut Reply, told: &Told, same: bool, asked_bytes: usize) -> Result<Batch, Fault> {
    let mut held = Batch::default();
    let (mut held_bytes, mut empty_bytes) = (0, 0);
    let most = asked_bytes.saturating_mul(ECHOES).saturating_add(HELD_BYTES_MAX);
    loop {
        let mut batch = reply.next().await;
        told.note(usage(&batch.events));
        if let Some(fault) = batch.fault() {
            return Err(fault.clone());
        }
        let bytes = batch.frames.iter().map(|frame| frame.raw.len()).sum::<usize>();
        let is_other = batch.has_other_content();
        held_bytes += bytes;
        empty_bytes += if is_other { 0 } else { bytes };
        let ready = batch.has_content() || same && is_other;
        if !ready && empty_bytes > most {
            let text = format!("{empty_bytes} bytes came, and no content among them");
            return Err(fault(FaultKind::MalformedReply, text));
        }
        // Its provider did nothing wrong.
        if !ready && held_bytes > REPLY_BYTES_MAX {
            let text = format!("it begins with {held_bytes} bytes that cannot be written in the caller's protocol");
            return Err(fault(FaultKind::Unsupported, text));
        }
        held.frames.append(&mut batch.frames);
        held.events.append(&mut batch.events);
        if ready {
            return Ok(held);
        }
    }
}

async fn begin(mut rest: Rest, told: &Told, asked_bytes: usize, good: &mut Good) -> Result<(), Bad> {
    let mut held = hold_back(&mut rest.reply, told, rest.writer.is_same(), asked_bytes).await?;
    let finished = held.finished();
    note_lost(&held, &rest.writer, good)?;
    good.facts.usage = told.usage();
    good.facts.content_bytes = content_bytes(&held.events);
    good.id = id(&held.events);
    rest.hold.follow(&held.events);
    if let Some((_, said)) = &mut rest.said {
        said.follow(&mut held);
    }
    good.first = rest.writer.write(held, finished).await.map_err(Bad::unwritten)?;
    if finished {
        rest.reply.finish();
    } else {
        good.rest = Some(rest);
    }
    Ok(())
}

async fn whole(
    exchange: &Exchange,
    response: Response<Incoming>,
    breaks: Option<Break>,
    redaction: &Redaction,
    tool_names: &ToolNames,
    mut writer: Writer,
    good: &mut Good,
) -> Result<(), Bad> {
    let adapter = Arc::clone(&good.adapter);
    let body = Limited::new(response.into_body(), REPLY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        // Its provider did nothing wrong.
        true => fault(FaultKind::Unsupported, format!("the reply has more than {REPLY_BYTES_MAX} bytes")),
        false => fault(FaultKind::Truncated, redaction.text(format!("the reply broke off: {error}"))),
    });
    let mut body = redaction.answer(body?.to_bytes());
    if let Some(breaks) = breaks {
        body = breaks.strike_whole(body).await?;
    }
    let codec = adapter.codec().ok_or_else(|| fault(FaultKind::AdapterFailed, "the plugin is not an adapter"))?;
    let frame = Frame { event: None, data: halves::mended(&body).to_vec() };
    let (operation, frames) = (&exchange.endpoint.operation, [frame]);
    let decoded = codec.decode(operation, false, &[], &frames, true).await;
    if let Err(failed) = &decoded {
        let call = Call::Decode { operation, stream: false, frames: &frames, ended: true };
        Undecoded::of(exchange, &adapter.plugin).note(&adapter.plugin, failed, call).await;
    }
    let mut events = decoded.map_err(|fault| adapter_failed(&adapter, &fault))?.events;
    if let Some(mut shadow) = Shadow::of(exchange, &adapter) {
        shadow.decode(operation, false, &frames, true, &events).await;
    }
    if absurd::without_usages(&mut events) && operation == COUNT_TOKENS {
        return Err(fault(FaultKind::MalformedReply, "it counts more tokens than any request has").into());
    }
    tool_names.restore(&mut events);
    let batch = Batch { events, ..Batch::default() };
    if let Some(fault) = batch.fault() {
        return Err(fault.clone().into());
    }
    if !batch.finished() {
        return Err(fault(FaultKind::Truncated, "the reply is not complete").into());
    }
    note_lost(&batch, &writer, good)?;
    good.facts.usage = usage(&batch.events);
    good.id = id(&batch.events);
    good.first = writer.write_whole(body, batch).await.map_err(Bad::unwritten)?;
    Ok(())
}

/// Content that the caller's protocol has no word for is lost. A part of an answer is named in a header, or in the log and the
/// journal where the caller has the headers already; of one that was nothing else an empty success would be left.
fn note_lost(batch: &Batch, writer: &Writer, good: &mut Good) -> Result<(), Fault> {
    if !writer.loses(batch) {
        return Ok(());
    }
    if batch.finished() && !batch.has_sayable_content() {
        let text = "the answer has only content that cannot be said in the caller's protocol";
        return Err(fault(FaultKind::Unsupported, text));
    }
    good.facts.dropped.push(LOST_CONTENT.to_owned());
    Ok(())
}

/// The last usage that was told.
pub fn usage(events: &[chat::Event]) -> Option<Usage> {
    events.iter().rev().find_map(|event| match event {
        chat::Event::Usage(usage) => Some(*usage),
        _ => None,
    })
}

fn id(events: &[chat::Event]) -> Option<String> {
    events.iter().find_map(|event| match event {
        chat::Event::Started(started) => Some(started.id.clone()),
        _ => None,
    })
}
