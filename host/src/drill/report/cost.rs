//! What requests cost, by the prices that are known of their models.

use super::super::outcome::Outcome;
use super::super::traffic::Arrival;
use crate::facts::{Book, Price};

/// Of its output, what a reply that broke off had brought.
const BROKEN_OUTPUT: f64 = 0.5;

/// Dollars of a request; none when a price that it needs is not known.
pub struct Costs<'a> {
    pub book: &'a Book,
}

/// Dollars for the answer, and for the attempts that did not answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paid {
    pub answer: f64,
    pub wasted: f64,
}

impl Costs<'_> {
    /// What was paid: the answer whole, the input of whoever lost a race, half of the output of a reply that broke off after its
    /// beginning. Errors before any content are free.
    pub fn paid(&self, arrival: &Arrival, outcome: &Outcome) -> Option<Paid> {
        let of = |target: &str, output: f64| Some(dollars(self.price(target)?, arrival, output));
        let outrun = outcome.outrun.iter().map(|target| of(target, 0.0)).sum::<Option<f64>>()?;
        let answer = if outcome.is_answered { of(&outcome.target, 1.0)? } else { 0.0 };
        let broken = if is_broken(outcome) { of(&outcome.target, BROKEN_OUTPUT)? } else { 0.0 };
        Some(Paid { answer, wasted: outrun + broken })
    }

    /// What this target asks for a whole answer.
    pub fn whole(&self, arrival: &Arrival, target: &str) -> Option<f64> {
        Some(dollars(self.price(target)?, arrival, 1.0))
    }

    fn price(&self, target: &str) -> Option<Price> {
        self.book.of(target.split_once('/')?.1).price
    }
}

/// In and out, of attempts that did not answer, counted as above.
pub fn wasted_tokens(arrival: &Arrival, outcome: &Outcome) -> u64 {
    let input = u64::from(arrival.input_tokens);
    let broken = input + (f64::from(arrival.output_tokens) * BROKEN_OUTPUT).round() as u64;
    input * outcome.outrun.len() as u64 + if is_broken(outcome) { broken } else { 0 }
}

fn is_broken(outcome: &Outcome) -> bool {
    !outcome.is_answered && outcome.first_token_ms.is_some()
}

fn dollars(price: Price, arrival: &Arrival, output: f64) -> f64 {
    (f64::from(arrival.input_tokens) * price.input + f64::from(arrival.output_tokens) * output * price.output) / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_did_not_answer_is_wasted() {
        let (number, at, mix) = (0, Duration::ZERO, 0);
        let (input_tokens, output_tokens, pieces) = (1_000, 100, 4);
        let arrival = Arrival { number, at, mix, stream: true, tools: false, input_tokens, output_tokens, pieces };
        let book = Book::new(Vec::new()).expect("the built-in facts");
        let costs = Costs { book: &book };
        let whole = costs.whole(&arrival, "a/gpt-5").expect("a price that is known");
        let raced = Outcome {
            is_answered: true,
            target: "a/gpt-5".to_owned(),
            first_token_ms: Some(1),
            outrun: vec!["b/gpt-5".to_owned()],
            ..Outcome::default()
        };
        let paid = costs.paid(&arrival, &raced).expect("prices");
        assert_eq!(paid.answer, whole);
        assert!(paid.wasted > 0.0 && paid.wasted < whole, "{paid:?}");
        assert_eq!(wasted_tokens(&arrival, &raced), 1_000);
        let broken = Outcome { is_answered: false, outrun: Vec::new(), ..raced.clone() };
        assert_eq!(costs.paid(&arrival, &broken).map(|paid| paid.answer), Some(0.0));
        assert_eq!(wasted_tokens(&arrival, &broken), 1_050);
        let refused = Outcome { first_token_ms: None, ..broken };
        assert_eq!(costs.paid(&arrival, &refused), Some(Paid { answer: 0.0, wasted: 0.0 }));
        assert_eq!(costs.paid(&arrival, &Outcome { target: "a/nobody-knows".to_owned(), ..raced }), None);
    }
}
