//! Traffic in proportion to the targets' weights: canaries, and quotas that are to be used up evenly.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Weighted;

pointsman_sdk::policy!(policy::Weighted);

#[cfg(test)]
mod tests;
