//! Rules about the request say which targets may have it.
//!
//! The component is made here, and its logic stands in `policy.rs`: the policy `chain` compiles that in as well, and a
//! component can export one policy only.

mod policy;

pub use policy::ByContent;

pointsman_sdk::policy!(policy::ByContent);

#[cfg(test)]
mod tests;
