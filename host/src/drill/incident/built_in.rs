//! The incidents that are in the program. Their files are examples of the format as well.

/// Name and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("2026-06-02-claude", include_str!("../../../../examples/incidents/2026-06-02-claude.toml")),
    ("provider-loss", include_str!("../../../../examples/incidents/provider-loss.toml")),
    ("brown-out", include_str!("../../../../examples/incidents/brown-out.toml")),
    ("rate-limit-storm", include_str!("../../../../examples/incidents/rate-limit-storm.toml")),
    ("thundering-herd", include_str!("../../../../examples/incidents/thundering-herd.toml")),
    ("everything-degraded", include_str!("../../../../examples/incidents/everything-degraded.toml")),
    ("silence", include_str!("../../../../examples/incidents/silence.toml")),
    ("trickle", include_str!("../../../../examples/incidents/trickle.toml")),
    ("backup-with-a-low-limit", include_str!("../../../../examples/incidents/backup-with-a-low-limit.toml")),
    ("restart-of-the-provider", include_str!("../../../../examples/incidents/restart-of-the-provider.toml")),
];
