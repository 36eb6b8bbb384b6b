//! Targets in the configured order: the first that is ready gets the request, and a failed attempt moves on to the next.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Failover;

pointsman_sdk::policy!(policy::Failover);

#[cfg(test)]
mod tests;
