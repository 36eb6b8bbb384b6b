//! A conversation stays where its prompt cache is warm.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Sticky;

pointsman_sdk::policy!(policy::Sticky);

#[cfg(test)]
mod tests;
