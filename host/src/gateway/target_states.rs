//! What a policy sees of a route's targets. The host's own view of each is put together with what the others are like: a target that
//! is merely slow is passed over only where another is faster, and one that may be probed is left to a probe beside the request.

use std::time::Duration;

use tokio::time::Instant;

use super::begun::Failed;
use super::exchange::Exchange;
use super::table::Target;
use crate::config::{Attempts, Holds};
use crate::health::{AdmissionSettings, Form, PROBE_PATIENCE};
use crate::plugin::bindings::policy::{Circuit, Price, TargetState};

impl Exchange {
    /// What attempts for this request are compared by.
    pub fn form(&self) -> Form {
        Form::new(self.asked.stream, self.body.len())
    }

    /// How many attempts a target takes at once: as many as are configured, and no more than leaves room for other targets.
    pub fn limits(&self, target: &Target) -> AdmissionSettings {
        let share = self.gateway.load.share(self.table.config.server.edge.requests);
        let max_in_flight = target.limits.max_in_flight.map_or(share, |most| most.min(share));
        AdmissionSettings { max_in_flight: Some(max_in_flight), ..target.limits }
    }

    /// What is known of a target alone.
    pub fn view(&self, target: &Target, now: Instant) -> TargetState {
        self.health(target).view(self.keys(target), self.limits(target), self.form(), now)
    }

    /// By position: what the policy is told of each target.
    pub fn target_states(&self, history: &[Failed], now: Instant) -> Vec<TargetState> {
        let mut states: Vec<_> = (0..self.route.targets.len()).map(|position| self.state(position, now)).collect();
        for position in 0..states.len() {
            if states[position].circuit == Circuit::Closed {
                continue;
            }
            let target = &self.route.targets[position];
            if self.health(target).is_merely_slow() && !self.has_faster(&states, position) {
                states[position].circuit = Circuit::Closed;
                states[position].ready_in_ms = states[position].retry_after_ms;
            } else if self.is_left_to_a_probe(&states, position, history, now) {
                let patience = u64::try_from(PROBE_PATIENCE.as_millis()).unwrap_or(u64::MAX);
                states[position].ready_in_ms = states[position].ready_in_ms.max(patience);
            }
        }
        states
    }

    fn state(&self, position: usize, now: Instant) -> TargetState {
        let (target, about) = (&self.route.targets[position], &self.asked.about);
        let health = self.health(target);
        let warm = self.gateway.healths.warm_since(&health, about.conversation, now);
        let price = target.facts(&self.asked.model, &self.table.config.facts).price;
        let price = price.map(|price| Price { input: price.input, output: price.output });
        let able = self.why_unable(position).is_none();
        TargetState { able, price, warm_ms: warm.map(millis), ..self.view(target, now) }
    }

    /// Whether probes may run beside requests at all.
    pub fn probes_beside(&self) -> bool {
        let Holds { attempts: Attempts { hedges, .. }, breaker, .. } = self.route.holds;
        breaker.shadow_probes && (hedges.share > 0.0 || hedges.floor > 0)
    }

    /// Is there a target that can serve the request, is not in trouble itself, and is usually sooner than this one is now? Of one that
    /// was never asked nothing bad is known.
    fn has_faster(&self, states: &[TargetState], position: usize) -> bool {
        let (form, targets) = (self.form(), &self.route.targets);
        let now_takes = self.health(&targets[position]).slow_after(form);
        let is_faster = |other: usize| self.health(&targets[other]).usual(form).is_none_or(|usual| usual < now_takes);
        states.iter().enumerate().any(|(other, state)| {
            let is_well = state.able && state.circuit == Circuit::Closed && state.retry_after_ms == 0;
            other != position && is_well && is_faster(other)
        })
    }

    /// It is half-open, and another target is ready to answer meanwhile.
    fn is_left_to_a_probe(&self, states: &[TargetState], position: usize, history: &[Failed], now: Instant) -> bool {
        let is_ready = |other: usize| {
            let state = &states[other];
            let is_well = state.circuit == Circuit::Closed && state.ready_in_ms == 0 && state.room != Some(0);
            other != position && state.able && is_well && history.iter().all(|failed| failed.target != other)
        };
        self.probes_beside()
            && self.health(&self.route.targets[position]).wants_probe(now)
            && (0..states.len()).any(is_ready)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
