//! File descriptors: each caller's connection is one, and so is each to a provider. When callers have taken all of them, no request
//! can be sent, so they may have half.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files, plugins that are compiled, name lookups, listeners and operators.
const OTHERS: u64 = 64;

/// Raise this process's limit of open files as far as it may. Gives the limit; None: there is none.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Some systems allow less than they say; then it stays as it was.
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// The connections of callers that fit into so many open files.
pub fn connections_that_fit(files: Option<u64>) -> usize {
    let Some(files) = files else { return usize::MAX };
    let fit = files.saturating_sub(OTHERS.min(files / 2)) / 2;
    usize::try_from(fit).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_may_have_half_of_what_is_left() {
        for (files, connections) in [(0, 1), (40, 10), (300, 118), (1_024, 480), (1 << 20, 524_256)] {
            assert_eq!(connections_that_fit(Some(files)), connections, "{files}");
        }
        assert_eq!(connections_that_fit(None), usize::MAX);
    }

    #[test]
    fn the_limit_is_raised() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
