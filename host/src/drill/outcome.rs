//! How one request ended.

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of the arrival.
    pub number: u32,
    pub id: String,
    /// Whole and well.
    pub is_answered: bool,
    /// `provider/model`: who answered, or who was asked last.
    pub target: String,
    /// How it ended, if not well, and what the fault was.
    pub why: String,
    pub attempts: u32,
    pub first_token_ms: Option<u64>,
    /// Who lost a race.
    pub outrun: Vec<String>,
    /// In plain words, of those that were lost, and of the one that was asked for.
    pub story: Option<String>,
}
