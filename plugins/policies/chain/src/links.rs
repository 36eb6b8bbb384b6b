//! The other built-in policies, compiled in from their own sources. Their crates cannot be linked: each exports a component,
//! and this one would export them all.

use pointsman_sdk::policy::*;

#[path = "../../by-content/src/policy.rs"]
mod by_content;
#[path = "../../cheapest/src/policy.rs"]
mod cheapest;
#[path = "../../failover/src/policy.rs"]
mod failover;
#[path = "../../fastest/src/policy.rs"]
mod fastest;
#[path = "../../hedged/src/policy.rs"]
mod hedged;
#[path = "../../sticky/src/policy.rs"]
mod sticky;
#[path = "../../weighted/src/policy.rs"]
mod weighted;

/// A policy that is open.
pub type Decide = Box<dyn Fn(&Situation) -> Decision>;

type Open = fn(&str, &[Target]) -> Result<Decide, String>;

const POLICIES: [(&str, Open); 7] = [
    ("by-content", open::<by_content::ByContent>),
    ("cheapest", open::<cheapest::Cheapest>),
    ("failover", open::<failover::Failover>),
    ("fastest", open::<fastest::Fastest>),
    ("hedged", open::<hedged::Hedged>),
    ("sticky", open::<sticky::Sticky>),
    ("weighted", open::<weighted::Weighted>),
];

/// Open a policy by its name.
///
/// # Errors
/// A sentence for the operator.
pub fn open_named(name: &str, settings: &str, targets: &[Target]) -> Result<Decide, String> {
    let Some((_, open)) = POLICIES.iter().find(|(known, _)| *known == name) else {
        let known = POLICIES.map(|(known, _)| known).join(", ");
        return Err(format!("`policy` is `{name}`, which cannot be a link; there are: {known}"));
    };
    open(settings, targets)
}

fn open<P: Policy>(settings: &str, targets: &[Target]) -> Result<Decide, String> {
    let policy = P::open(read_settings(settings)?, targets.to_vec())?;
    Ok(Box::new(move |situation| policy.decide(situation)))
}
