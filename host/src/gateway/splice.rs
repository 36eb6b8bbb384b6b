//! A streamed text that broke off goes on at another target: only where the route says so, only while there was nothing but
//! one text and the thoughts before it, and only at targets whose model is known to continue what it is given. It is the one way in which words of two
//! attempts stand in one reply, so it never happens unmarked: see `Record::spliced` and [`mark`].

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::attempt::{self, Resumed};
use super::begun::Failed;
use super::decide::{self, Next};
use super::exchange::Exchange;
use super::position::Position;
use super::reply::Batch;
use super::seam;
use super::writer::Writer;
use crate::health::{Blame, blame};
use crate::plugin::bindings::chat::{Delta, Event, Message, Part, Request, Role, Text, Usage};
use crate::plugin::bindings::faults::Fault;

/// Bytes of a text that are remembered. What is longer is not continued.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// A rough guess, to shorten what the caller allowed by what it has got.
const BYTES_PER_TOKEN: usize = 4;

/// What the caller has read, as far as it matters for going on.
#[derive(Debug, Default)]
pub struct Said {
    text: String,
    /// The part of the reply that the text is.
    index: u32,
    /// The model's thoughts before the text, each of them over.
    before: Vec<Event>,
    /// Bytes of the text and of the thoughts.
    bytes: usize,
    /// Where the text stands for the caller.
    position: Position,
    /// There was something else than thoughts and one text, or too much of it.
    is_more: bool,
    /// What the replies that broke off cost.
    spent: Option<Usage>,
    /// What the present one told of its own cost, and where in the text it began.
    told: Option<Usage>,
    began_at: usize,
    fit: Fit,
}

/// How the events of a continuation are changed so that they fit to what the caller has read.
#[derive(Debug, Default)]
struct Fit {
    is_on: bool,
    /// The part of the caller's reply that the text is.
    index: u32,
    /// Parts of reasoning that the continuation began with; the caller never sees them.
    hidden: u32,
    /// Its first text or call is here.
    is_begun: bool,
    /// It has no text of its own: what it has stands behind the caller's.
    is_behind: bool,
    /// White space that the caller has and the continuation was not shown: it may bring it again.
    trimmed: String,
}

impl Fit {
    /// Where the caller's reply has a part of the continuation.
    fn place(&self, index: u32) -> u32 {
        self.index.saturating_add(index.saturating_sub(self.hidden)).saturating_add(u32::from(self.is_behind))
    }
}

impl Said {
    /// What the caller is about to read, as it reads it.
    pub fn follow(&mut self, batch: &mut Batch) {
        batch.events = self.fit(std::mem::take(&mut batch.events));
        self.note(&batch.events);
        batch.frames.iter().filter_map(|frame| frame.data.as_deref()).for_each(|data| self.position.note(data));
    }

    fn note(&mut self, events: &[Event]) {
        for event in events {
            if self.is_more {
                return;
            }
            match event {
                Event::TextDelta(delta) if delta.index == self.index => {
                    self.text.push_str(&delta.text);
                    self.bytes += delta.text.len();
                }
                Event::Started(_) | Event::Ping | Event::Usage(_) | Event::Failed(_) => {}
                _ if self.text.is_empty() => self.note_before(event),
                _ => self.is_more = true,
            }
            self.is_more |= self.bytes > TEXT_BYTES_MAX;
        }
    }

    /// An event before the text.
    fn note_before(&mut self, event: &Event) {
        match event {
            Event::ReasoningDelta(delta) if delta.index == self.index => self.bytes += delta.text.len(),
            Event::ReasoningSignature(made) | Event::RedactedReasoning(made) if made.index == self.index => {
                self.bytes += made.sealed.data.len();
            }
            Event::PartFinished(index) if *index == self.index && !self.before.is_empty() => self.index += 1,
            _ => return self.is_more = true,
        }
        match (self.before.last_mut(), event) {
            (Some(Event::ReasoningDelta(last)), Event::ReasoningDelta(delta)) if last.index == delta.index => {
                last.text.push_str(&delta.text);
            }
            _ => self.before.push(event.clone()),
        }
    }

    /// All of it once more, for a writer that did not write it.
    pub fn again(&self) -> Vec<Event> {
        let text = Event::TextDelta(Delta { index: self.index, text: self.text.clone() });
        self.before.iter().cloned().chain([text]).collect()
    }

    /// It is nothing but text, and there is some.
    fn is_plain(&self) -> bool {
        !self.is_more && !self.text.trim_end().is_empty()
    }

    /// The events of a continuation, as the caller's reply goes on; those of a first reply as they are.
    fn fit(&mut self, events: Vec<Event>) -> Vec<Event> {
        for event in &events {
            if let Event::Usage(usage) = event {
                self.told = Some(*usage);
            }
        }
        if !self.fit.is_on {
            return events;
        }
        let mut fitted = Vec::with_capacity(events.len());
        for event in events {
            self.fit_one(event, &mut fitted);
        }
        fitted
    }

    fn fit_one(&mut self, mut event: Event, fitted: &mut Vec<Event>) {
        let fit = &mut self.fit;
        match &mut event {
            Event::Started(_) | Event::ReasoningDelta(_) | Event::ReasoningSignature(_) => return,
            Event::RedactedReasoning(sealed) => {
                fit.hidden = fit.hidden.max(sealed.index + 1);
                return;
            }
            // Reasoning comes first. A part that ends before any text was reasoning.
            Event::PartFinished(index) if !fit.is_begun || *index < fit.hidden => {
                fit.hidden = fit.hidden.max(*index + 1);
                return;
            }
            Event::PartFinished(index) => *index = fit.place(*index),
            Event::TextDelta(delta) => {
                if !fit.is_begun {
                    fit.hidden = delta.index;
                }
                fit.is_begun |= !delta.text.is_empty();
                delta.text = seam::without(&mut fit.trimmed, &delta.text);
                delta.index = fit.place(delta.index);
            }
            Event::ToolCallStarted(call) => {
                fit.hidden = if fit.is_begun { fit.hidden } else { call.index };
                fit.end_text(fitted);
                call.index = fit.place(call.index);
            }
            // Content that has no word in the contract, and no place in the caller's reply.
            Event::ToolArgumentsDelta(delta) if delta.index == u32::MAX => return,
            Event::ToolArgumentsDelta(delta) => delta.index = fit.place(delta.index),
            Event::Usage(usage) => *usage = self.spent.map_or(*usage, |spent| sum(spent, *usage)),
            Event::Finished(_) => fit.end_text(fitted),
            Event::Ping | Event::Embedding(_) | Event::Failed(_) => {}
        }
        fitted.push(event);
    }

    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The request that continues the text.
    pub fn request(&self, asked: &Request) -> Request {
        let text = self.text.trim_end().to_owned();
        let left =
            |most: u32| most.saturating_sub(u32::try_from(text.len() / BYTES_PER_TOKEN).unwrap_or(u32::MAX)).max(1);
        let mut request = Request {
            max_output_tokens: asked.max_output_tokens.map(left),
            // A model that thinks first does not continue, it begins anew.
            reasoning_effort: None,
            reasoning_budget_tokens: None,
            ..asked.clone()
        };
        let parts = vec![Part::Text(Text { text, extras: Vec::new() })];
        request.messages.push(Message { role: Role::Assistant, parts, extras: Vec::new() });
        request
    }

    /// A continuation is here: what the reply before it cost is added to what it will tell.
    fn go_on(&mut self, asked_bytes: usize) {
        let written = guess(self.text.len() - self.began_at);
        // Few tell what a reply costs before its end.
        let unknown = Usage { input: guess(asked_bytes + self.began_at), ..NOTHING };
        let told = self.told.take().unwrap_or(unknown);
        let told = Usage { output: told.output.max(written), ..told };
        self.spent = Some(self.spent.map_or(told, |spent| sum(spent, told)));
        self.began_at = self.text.len();
        let trimmed = self.text[self.text.trim_end().len()..].to_owned();
        self.fit = Fit { is_on: true, index: self.index, trimmed, ..Fit::default() };
    }

    /// Can it be seen of these events whether they go on with the text?
    pub fn is_told(events: &[Event]) -> bool {
        let over = |event: &Event| matches!(event, Event::Finished(_) | Event::ToolCallStarted(_));
        events.iter().any(over) || seam::is_enough(&text_of(events))
    }

    /// Do they say again what the caller has read?
    pub fn is_begun_anew(&self, events: &[Event]) -> bool {
        seam::begins_anew(&self.text, &text_of(events))
    }
}

impl Fit {
    /// The caller's text is over, where the continuation has added none to it.
    fn end_text(&mut self, fitted: &mut Vec<Event>) {
        if !self.is_begun {
            fitted.push(Event::PartFinished(self.index));
            (self.is_begun, self.is_behind) = (true, true);
        }
    }
}

fn text_of(events: &[Event]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Event::TextDelta(delta) => Some(delta.text.as_str()),
        _ => None,
    });
    texts.collect()
}

const NOTHING: Usage = Usage { input: 0, output: 0, cache_read: 0, cache_write: 0, reasoning: 0 };

/// Tokens of so many bytes.
fn guess(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX)
}

fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input.saturating_add(b.input),
        output: a.output.saturating_add(b.output),
        cache_read: a.cache_read.saturating_add(b.cache_read),
        cache_write: a.cache_write.saturating_add(b.cache_write),
        reasoning: a.reasoning.saturating_add(b.reasoning),
    }
}

/// What is needed to go on, kept beside a reply whose route allows it.
pub struct Splice {
    exchange: Arc<Exchange>,
    history: Vec<Failed>,
    /// The attempt whose words the caller reads.
    target: usize,
    began: Instant,
    pub said: Said,
}

impl Splice {
    pub fn new(exchange: Arc<Exchange>, history: Vec<Failed>, target: usize, began: Instant, said: Said) -> Splice {
        Splice { exchange, history, target, began, said }
    }

    /// Is there somebody who is well and could go on with what the caller has read?
    pub fn may_go_on(&self, now: Instant) -> bool {
        let exchange = &*self.exchange;
        let mut others = exchange.route.targets.iter().enumerate().filter(|(position, _)| *position != self.target);
        self.said.is_plain()
            && decide::has_attempt_left(exchange, &self.history)
            && others.any(|(position, target)| {
                let facts = target.facts(&exchange.asked.model, &exchange.table.config.facts);
                let is_able = facts.prefill == Some(true) && exchange.why_unable(position).is_none();
                let health = exchange.health(target);
                is_able && !health.is_out(now) && health.rests(exchange.keys(target), now).is_none()
            })
    }

    /// The reply broke off: who goes on? Nobody, where that cannot be done well.
    pub async fn resume(&mut self, fault: &Fault) -> Option<Resumed> {
        let exchange = &*self.exchange;
        self.history.push(Failed {
            target: self.target,
            started_at: self.began.saturating_duration_since(exchange.arrived),
            elapsed: self.began.elapsed(),
            fault: fault.clone(),
            used: None,
            raw: None,
        });
        if !self.said.is_plain() || blame(fault.kind) == Blame::Caller {
            return None;
        }
        loop {
            let Next::Attempt(step) = decide::continuing(exchange, &self.history).await else { return None };
            if !step.after.is_zero() {
                tokio::time::sleep(step.after).await;
            }
            let (target, began) = (step.target, Instant::now());
            match attempt::resume(exchange, step, &self.said).await {
                Ok(resumed) => {
                    (self.target, self.began) = (target, began);
                    self.said.go_on(exchange.body.len());
                    return Some(resumed);
                }
                Err(failed) => self.history.push(*failed),
            }
        }
    }

    /// Our plugin writes the rest, whoever wrote the beginning.
    pub async fn hand_over(&self, writer: &mut Writer) -> Result<(), Fault> {
        let memory = self.exchange.spliceable().await.unwrap_or_default();
        writer.take_over(&self.exchange, memory, &self.said).await
    }

    /// Tells whoever reads the stream itself; clients pass over it. Absent where they would not.
    pub fn mark(&self, target: &str) -> Option<Bytes> {
        let description = self.exchange.endpoint.codec()?.client_description.as_ref()?;
        description.comments.then(|| format!(": the reply broke off, and {target} continues it\n\n").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::bindings::chat::ToolCallStarted;

    /// Faults: F148
    #[test]
    fn usages_that_are_absurd_are_added_all_the_same() {
        let absurd = Usage { input: u64::MAX, output: u64::MAX, ..NOTHING };
        let one = Usage { input: 1, output: 2, cache_read: 3, cache_write: 4, reasoning: 5 };
        assert_eq!(sum(absurd, one), Usage { input: u64::MAX, output: u64::MAX, ..one });
    }

    fn text(index: u32, text: &str) -> Event {
        Event::TextDelta(Delta { index, text: text.to_owned() })
    }

    #[test]
    fn a_continuation_fits_to_what_was_read() {
        let mut said = Said::default();
        said.note(&[Event::Ping, text(0, "Once upon a ")]);
        assert!(!said.is_more);
        said.go_on(40);
        let reasoning = |index| Event::ReasoningDelta(Delta { index, text: "hm".to_owned() });
        let events = vec![reasoning(0), Event::PartFinished(0), text(1, " "), text(1, "time"), text(1, " there")];
        let fitted = said.fit(events);
        assert!(matches!(&fitted[..], [Event::TextDelta(empty), Event::TextDelta(time), Event::TextDelta(there)]
            if empty.text.is_empty() && time.text == "time" && there.text == " there" && there.index == 0));
        let call = ToolCallStarted { index: 2, id: "c".to_owned(), name: "t".to_owned() };
        let fitted = said.fit(vec![Event::PartFinished(1), Event::ToolCallStarted(call)]);
        assert!(matches!(&fitted[..], [Event::PartFinished(0), Event::ToolCallStarted(call)] if call.index == 1));
    }

    #[test]
    fn a_continuation_without_text_ends_the_callers() {
        let mut said = Said::default();
        said.note(&[text(0, "word")]);
        said.go_on(0);
        let call = ToolCallStarted { index: 0, id: "c".to_owned(), name: "t".to_owned() };
        let fitted = said.fit(vec![Event::ToolCallStarted(call), Event::PartFinished(0)]);
        assert!(matches!(&fitted[..], [Event::PartFinished(0), Event::ToolCallStarted(call), Event::PartFinished(1)]
            if call.index == 1));
    }

    #[test]
    fn usage_is_that_of_all_pieces() {
        let usage = |input, output| Usage { input, output, ..NOTHING };
        let mut said = Said::default();
        said.fit(vec![Event::Usage(usage(25, 1))]);
        said.note(&[text(0, "twelve bytes")]);
        said.go_on(100);
        let told = |said: &mut Said, input, output| match said.fit(vec![Event::Usage(usage(input, output))])[..] {
            [Event::Usage(usage)] => (usage.input, usage.output),
            _ => (0, 0),
        };
        assert_eq!(told(&mut said, 30, 4), (55, 3 + 4));
        said.note(&[text(0, "four")]);
        said.go_on(100);
        assert_eq!(told(&mut said, 30, 2), (85, 3 + 4 + 2));
        said.note(&[text(0, "four")]);
        // Another that told nothing before it broke off.
        (said.told, said.began_at) = (None, said.text.len() - 4);
        said.go_on(100);
        assert!(told(&mut said, 30, 2).0 > 25 + 30 + 30 + 100 / 5);
    }

    #[test]
    fn what_is_more_than_text_is_not_continued() {
        let mut said = Said::default();
        said.note(&[text(0, "a"), Event::PartFinished(0)]);
        assert!(said.is_more);
        let call = ToolCallStarted { index: 0, id: "c".to_owned(), name: "t".to_owned() };
        let mut said = Said::default();
        said.note(&[Event::ToolCallStarted(call), text(0, "a")]);
        assert!(said.is_more);
        // Thoughts behind the text.
        let mut said = Said::default();
        said.note(&[text(0, "a"), thought(1)]);
        assert!(said.is_more);
    }

    fn thought(index: u32) -> Event {
        Event::ReasoningDelta(Delta { index, text: "hm".to_owned() })
    }

    #[test]
    fn what_stands_before_the_text_is_kept_as_it_is() {
        let mut said = Said::default();
        said.note(&[
            thought(0),
            thought(0),
            Event::PartFinished(0),
            thought(1),
            Event::PartFinished(1),
            text(2, "word"),
        ]);
        assert!(!said.is_more);
        let again = said.again();
        assert!(
            matches!(&again[..], [Event::ReasoningDelta(one), Event::PartFinished(0), _, _, Event::TextDelta(last)]
            if one.text == "hmhm" && last.index == 2 && last.text == "word")
        );
        said.go_on(40);
        let fitted = said.fit(vec![thought(0), Event::PartFinished(0), text(1, " there"), Event::PartFinished(1)]);
        assert!(matches!(&fitted[..], [Event::TextDelta(there), Event::PartFinished(2)]
            if there.index == 2 && there.text == " there"));
        let mut long = Said::default();
        long.note(&[Event::ReasoningDelta(Delta { index: 0, text: "x".repeat(TEXT_BYTES_MAX + 1) })]);
        assert!(long.is_more);
    }
}
