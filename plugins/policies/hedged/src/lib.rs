//! A second attempt elsewhere when the first is late; whoever shows content first answers.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Hedged;

pointsman_sdk::policy!(policy::Hedged);

#[cfg(test)]
mod tests;
