//! The healthy target that asks the lowest price for this request.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::Cheapest;

pointsman_sdk::policy!(policy::Cheapest);

#[cfg(test)]
mod tests;
