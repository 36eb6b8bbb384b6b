//! A streamed text that broke off goes on at another target: only where the route says so, only while there was nothing but
//! text, and only at targets whose model is known to continue what it is given. It is the one way in which words of two
//! attempts stand in one reply, so it never happens unmarked: see `Record::spliced` and [`mark`].

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::attempt::{self, Resumed};
use super::begun::Failed;
use super::decide::{self, Next};
use super::exchange::Exchange;
use crate::health::{Blame, blame};
use crate::plugin::bindings::chat::{Event, Message, OutputFormat, Part, Request, Role, Text, Usage};
use crate::plugin::bindings::faults::Fault;

/// Bytes of a text that are remembered. What is longer is not continued.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// A rough guess, to shorten what the caller allowed by what it has got.
const BYTES_PER_TOKEN: usize = 4;

/// What the caller has read, as far as it matters for going on.
#[derive(Debug, Default)]
pub struct Said {
    text: String,
    /// There was more than one part of text.
    is_more: bool,
    /// What the replies that broke off had told of their cost.
    spent: Option<Usage>,
    last_usage: Option<Usage>,
    fit: Fit,
}

/// How the events of a continuation are changed so that they fit to what the caller has read.
#[derive(Debug, Default)]
struct Fit {
    is_on: bool,
    /// Parts of reasoning that the continuation began with; the caller never sees them.
    hidden: u32,
    /// White space was cut off before asking: the next text may bring it again.
    trimmed: bool,
}

impl Said {
    /// What the caller is about to read.
    pub fn note(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::TextDelta(delta) if delta.index == 0 => self.text.push_str(&delta.text),
                Event::Usage(usage) => self.last_usage = Some(*usage),
                Event::Started(_) | Event::Ping | Event::Failed(_) => {}
                _ => self.is_more = true,
            }
        }
        self.is_more |= self.text.len() > TEXT_BYTES_MAX;
    }

    /// The events of a continuation, as the caller's reply goes on; those of a first reply as they are.
    pub fn fit(&mut self, events: Vec<Event>) -> Vec<Event> {
        if !self.fit.is_on {
            return events;
        }
        events.into_iter().filter_map(|event| self.fit_one(event)).collect()
    }

    fn fit_one(&mut self, mut event: Event) -> Option<Event> {
        match &mut event {
            Event::Started(_) | Event::ReasoningDelta(_) | Event::ReasoningSignature(_) => return None,
            Event::RedactedReasoning(sealed) => {
                self.fit.hidden = self.fit.hidden.max(sealed.index + 1);
                return None;
            }
            // Reasoning comes first. A part that ends before any text was reasoning.
            Event::PartFinished(index) if self.fit.trimmed || *index < self.fit.hidden => {
                self.fit.hidden = self.fit.hidden.max(*index + 1);
                return None;
            }
            Event::PartFinished(index) => *index -= self.fit.hidden,
            Event::TextDelta(delta) => {
                if self.fit.trimmed {
                    self.fit.hidden = delta.index;
                    delta.text = delta.text.trim_start().to_owned();
                    self.fit.trimmed = delta.text.is_empty();
                }
                delta.index = delta.index.saturating_sub(self.fit.hidden);
            }
            Event::ToolArgumentsDelta(delta) => delta.index = delta.index.saturating_sub(self.fit.hidden),
            Event::ToolCallStarted(call) => call.index = call.index.saturating_sub(self.fit.hidden),
            Event::Usage(usage) => *usage = self.spent.map_or(*usage, |spent| sum(spent, *usage)),
            Event::Ping | Event::Embedding(_) | Event::Finished(_) | Event::Failed(_) => {}
        }
        Some(event)
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

    fn go_on(&mut self) {
        // What a continuation told of its cost holds what was spent before it.
        self.spent = self.last_usage.take().or(self.spent);
        self.fit = Fit { is_on: true, hidden: 0, trimmed: true };
    }
}

fn sum(a: Usage, b: Usage) -> Usage {
    Usage {
        input: a.input + b.input,
        output: a.output + b.output,
        cache_read: a.cache_read + b.cache_read,
        cache_write: a.cache_write + b.cache_write,
        reasoning: a.reasoning + b.reasoning,
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
        let is_plain = !self.said.is_more && !self.said.text.trim_end().is_empty();
        let asks_for_text =
            exchange.reading().await.is_ok_and(|reading| matches!(reading.request.output, OutputFormat::Text));
        if !is_plain || !asks_for_text || blame(fault.kind) == Blame::Caller {
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
                    self.said.go_on();
                    return Some(resumed);
                }
                Err(failed) => self.history.push(*failed),
            }
        }
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
    use crate::plugin::bindings::chat::{Delta, ToolCallStarted};

    fn text(index: u32, text: &str) -> Event {
        Event::TextDelta(Delta { index, text: text.to_owned() })
    }

    #[test]
    fn a_continuation_fits_to_what_was_read() {
        let mut said = Said::default();
        said.note(&[Event::Ping, text(0, "Once upon a ")]);
        assert!(!said.is_more);
        said.go_on();
        let reasoning = |index| Event::ReasoningDelta(Delta { index, text: "hm".to_owned() });
        let events = vec![reasoning(0), Event::PartFinished(0), text(1, " "), text(1, "\ntime"), text(1, " there")];
        let fitted = said.fit(events);
        assert!(matches!(&fitted[..], [Event::TextDelta(empty), Event::TextDelta(time), Event::TextDelta(there)]
            if empty.text.is_empty() && time.text == "time" && there.text == " there" && there.index == 0));
        let call = ToolCallStarted { index: 2, id: "c".to_owned(), name: "t".to_owned() };
        let fitted = said.fit(vec![Event::PartFinished(1), Event::ToolCallStarted(call)]);
        assert!(matches!(&fitted[..], [Event::PartFinished(0), Event::ToolCallStarted(call)] if call.index == 1));
    }

    #[test]
    fn what_is_more_than_text_is_not_continued() {
        let mut said = Said::default();
        said.note(&[text(0, "a"), Event::PartFinished(0)]);
        assert!(said.is_more);
        let mut said = Said::default();
        said.note(&[Event::ReasoningDelta(Delta { index: 0, text: "hm".to_owned() })]);
        assert!(said.is_more);
    }
}
