//! File descriptors: each caller's connection is one, and so is each to a provider. When callers have taken all of them, no request
//! can be sent, so they may have half.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For files, plugins that are compiled, name lookups, listeners and operators.
const OTHERS: u64 = 64;

/// Where a system allows less than it says, this and its halves are tried.
const FILES: u64 = 1 << 20;

/// Raise this process's limit of open files as far as it may. Gives the limit; None: there is none.
pub fn raise() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let set = |files| setrlimit(Resource::Nofile, Rlimit { current: files, maximum }).is_ok();
    raised(current, maximum, set)
}

/// macOS says that there is no maximum, and takes 10,240 or what `kern.maxfilesperproc` says; a shell there begins with 256.
fn raised(current: Option<u64>, maximum: Option<u64>, set: impl Fn(Option<u64>) -> bool) -> Option<u64> {
    if set(maximum) {
        return maximum;
    }
    let now = current?;
    let fewer = std::iter::successors(Some(FILES), |files| Some(files / 2)).take_while(|files| *files > now);
    let mut fewer = fewer.filter(|files| maximum.is_none_or(|maximum| *files < maximum));
    fewer.find(|files| set(Some(*files))).or(current)
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

    /// Faults: F184
    #[test]
    fn a_system_that_allows_less_than_it_says_is_asked_for_less() {
        let takes = |most: u64| move |files: Option<u64>| files.is_some_and(|files| files <= most);
        assert_eq!(raised(Some(256), None, takes(10_240)), Some(8_192), "macOS");
        assert_eq!(raised(Some(1_024), Some(4_096), takes(4_096)), Some(4_096));
        assert_eq!(raised(Some(1_024), Some(4_096), takes(3_000)), Some(2_048));
        assert_eq!(raised(Some(1_024), None, takes(0)), Some(1_024), "it stays as it was");
        assert_eq!(raised(None, None, |files| files.is_none()), None);
    }

    #[test]
    fn the_limit_is_raised() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise(), before.maximum);
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
