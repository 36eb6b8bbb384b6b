//! Several policies in a row: one that gives up hands over to the next.

mod links;
mod policy;

pub use policy::Chain;

pointsman_sdk::policy!(policy::Chain);

#[cfg(test)]
mod tests;
