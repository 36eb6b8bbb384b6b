//! What requests cost, by the prices that are known of their models.

use super::super::outcome::Outcome;
use super::super::traffic::Arrival;
use crate::facts::{Book, Price};

/// Dollars of a request; none when a price that it needs is not known.
pub struct Costs<'a> {
    pub book: &'a Book,
}

impl Costs<'_> {
    /// What was paid: the answer whole, the input of whoever lost a race, half of the output of a reply that broke off after its
    /// beginning. Errors before any content are free.
    pub fn paid(&self, arrival: &Arrival, outcome: &Outcome) -> Option<f64> {
        let of = |target: &str, output: f64| Some(dollars(self.price(target)?, arrival, output));
        let outrun = outcome.outrun.iter().map(|target| of(target, 0.0)).sum::<Option<f64>>()?;
        let own = match (outcome.is_answered, outcome.first_token_ms) {
            (true, _) => of(&outcome.target, 1.0)?,
            (false, Some(_)) => of(&outcome.target, 0.5)?,
            (false, None) => 0.0,
        };
        Some(outrun + own)
    }

    /// What this target asks for a whole answer.
    pub fn whole(&self, arrival: &Arrival, target: &str) -> Option<f64> {
        Some(dollars(self.price(target)?, arrival, 1.0))
    }

    fn price(&self, target: &str) -> Option<Price> {
        self.book.of(target.split_once('/')?.1).price
    }
}

fn dollars(price: Price, arrival: &Arrival, output: f64) -> f64 {
    (f64::from(arrival.input_tokens) * price.input + f64::from(arrival.output_tokens) * output * price.output) / 1e6
}
