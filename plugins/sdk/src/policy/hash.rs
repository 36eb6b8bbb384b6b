//! Numbers that look random and are the same for ever: a policy has no dice, and whoever stood at a target shall stand
//! there again tomorrow and in the next gateway.

use super::Target;

/// FNV-1a, and a last stir.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv =
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    mix(fnv, 0)
}

/// One number of two, by SplitMix64: neighbours give numbers that have nothing in common.
pub fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Weighted rendezvous: over many keys, each target stands first as often as its weight says, and a changed weight or
/// another target moves only as many keys as it must. Weight 0 stands last, in the configured order.
pub fn rendezvous(key: u64, targets: &[Target]) -> Vec<usize> {
    let distance = |target: &Target| match target.weight {
        0 => f64::INFINITY,
        weight => -unit(mix(key, hash(target.id.as_bytes()))).ln() / f64::from(weight),
    };
    let distances: Vec<f64> = targets.iter().map(distance).collect();
    let mut order: Vec<usize> = (0..targets.len()).collect();
    order.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
    order
}

/// Between 0 and 1, and never either: the upper 52 bits, in the middle of their step.
fn unit(random: u64) -> f64 {
    ((random >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::targets;

    fn firsts(weights: &[u32]) -> Vec<usize> {
        let targets = targets(weights);
        (0..20_000).map(|key| rendezvous(key, &targets)[0]).collect()
    }

    #[test]
    fn shares_are_as_the_weights() {
        let firsts = firsts(&[90, 9, 1, 0]);
        let share = |target| firsts.iter().filter(|first| **first == target).count() as f64 / 20_000.0;
        assert!((share(0) - 0.90).abs() < 0.01, "{}", share(0));
        assert!((share(1) - 0.09).abs() < 0.01, "{}", share(1));
        assert!((share(2) - 0.01).abs() < 0.005, "{}", share(2));
        assert_eq!(share(3), 0.0);
    }

    #[test]
    fn a_changed_weight_moves_keys_to_that_target_only() {
        for (before, after) in firsts(&[5, 5, 1]).into_iter().zip(firsts(&[5, 5, 3])) {
            assert!(before == after || after == 2, "{before} to {after}");
        }
    }

    #[test]
    fn numbers_stay_the_same_for_ever() {
        assert_eq!(hash(b"openai/gpt-5"), 0x4cd7_c9ad_d42a_f4c1);
        assert_eq!(mix(1, 2), 0x382f_f84c_b272_81e9);
    }
}
