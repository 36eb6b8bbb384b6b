//! Of two targets drawn by lot, the one that promises the sooner first token.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Fastest;

pointsman_sdk::policy!(policy::Fastest);

#[cfg(test)]
mod tests;
