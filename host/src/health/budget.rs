//! A share of the traffic of the last seconds, and a floor for when there is little: how many extra attempts may be made.

use std::time::Duration;

use tokio::time::Instant;

/// The budget is counted over this many seconds.
const SECONDS: usize = 10;

/// How large a budget is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetSettings {
    /// Extra attempts for each request, 0 to 1 and above.
    pub share: f64,
    /// Extra attempts a second, whatever the traffic.
    pub floor: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Budget {
    /// Requests and extra attempts, by second.
    seconds: [(u32, u32); SECONDS],
    began: Option<Instant>,
    newest: u64,
}

impl Budget {
    /// A request came.
    pub fn request(&mut self, now: Instant) {
        self.turn(now).0 += 1;
    }

    /// May an extra attempt be made? If so, it is counted.
    pub fn take(&mut self, now: Instant, settings: BudgetSettings) -> bool {
        self.turn(now);
        let (requests, taken) = self
            .seconds
            .iter()
            .fold((0_u64, 0_u64), |sum, second| (sum.0 + u64::from(second.0), sum.1 + u64::from(second.1)));
        let most = settings.share * requests as f64 + f64::from(settings.floor) * SECONDS as f64;
        let may = (taken as f64) < most;
        if may {
            self.turn(now).1 += 1;
        }
        may
    }

    /// The newest second, after those that have passed were emptied.
    fn turn(&mut self, now: Instant) -> &mut (u32, u32) {
        let began = *self.began.get_or_insert(now);
        let newest = now.saturating_duration_since(began).div_duration_f64(Duration::from_secs(1)) as u64;
        let passed = newest.saturating_sub(self.newest).min(SECONDS as u64);
        for number in newest - passed.min(newest)..newest {
            self.seconds[(number + 1) as usize % SECONDS] = (0, 0);
        }
        self.newest = self.newest.max(newest);
        &mut self.seconds[self.newest as usize % SECONDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// In any ten seconds there are no more extra attempts than the share of the requests of the twenty seconds around
        /// them and the floor allow, and the floor is always to be had.
        #[test]
        fn bounds_what_is_taken(
            acts in prop::collection::vec((0_u64..400, any::<bool>()), 1..400),
            share in 0.0_f64..1.0,
            floor in 1_u32..4,
        ) {
            let settings = BudgetSettings { share, floor };
            let began = Instant::now();
            let (mut now, mut budget) = (began, Budget::default());
            let (mut requests, mut taken) = (Vec::new(), Vec::new());
            for (millis, is_request) in acts {
                now += Duration::from_millis(millis);
                if is_request {
                    budget.request(now);
                    requests.push(now);
                } else if budget.take(now, settings) {
                    taken.push(now);
                }
                let lately = |list: &[Instant], seconds| {
                    list.iter().filter(|at| now.saturating_duration_since(**at) < Duration::from_secs(seconds)).count() as f64
                };
                prop_assert!(lately(&taken, 9) <= share * lately(&requests, 20) + f64::from(floor * 10) + 1.0);
                prop_assert!(lately(&taken, 10) > 0.0 || budget_would_give(&budget, now, settings));
            }
        }
    }

    fn budget_would_give(budget: &Budget, now: Instant, settings: BudgetSettings) -> bool {
        Budget { seconds: budget.seconds, began: budget.began, newest: budget.newest }.take(now, settings)
    }
}
