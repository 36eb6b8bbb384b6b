//! What would have been without Pointsman: each request goes straight to the first target, once.

use std::sync::Arc;

use tokio::time::Instant;

use super::millis;
use super::outcome::Outcome;
use super::play::Played;
use super::provider::{Ask, Provider};
use super::scene::Scene;

/// The same arrivals and the same fates.
pub fn play(scene: &Arc<Scene>, played: &Played) -> Vec<Outcome> {
    // Nothing waits here, so no clock runs.
    let began = Instant::now();
    let providers: Vec<_> = played.places.iter().map(|place| Provider::new(place.clone(), scene, began)).collect();
    let outcome = |arrival: &super::Arrival| {
        let target = played.firsts[arrival.mix].clone();
        let (name, model) = target.split_once('/').unwrap_or((target.as_str(), ""));
        let Some(provider) = providers.iter().find(|provider| provider.place.name == name) else {
            return Outcome { number: arrival.number, target, why: "no target".to_owned(), ..Outcome::default() };
        };
        let key = if provider.place.keys == 0 { 0 } else { 1 + arrival.number as usize % provider.place.keys };
        let fate = provider.fate(&Ask { number: arrival.number, model, key, at: arrival.at });
        let behaviour = &fate.behaviour;
        // A reply that is not streamed shows its first token at its end.
        let whole = behaviour.between_tokens * (arrival.pieces - 1);
        let first_token = behaviour.first_token + if arrival.stream { Default::default() } else { whole };
        let is_answered = fate.wrong.is_none();
        Outcome {
            number: arrival.number,
            is_answered,
            target,
            why: fate.wrong.unwrap_or_default(),
            attempts: 1,
            first_token_ms: is_answered.then(|| millis(first_token)),
            ..Outcome::default()
        }
    };
    scene.arrivals.iter().map(outcome).collect()
}
