//! Rules are read in order, and the first whose conditions all hold decides which targets may have the request, and which
//! is the best.

use pointsman_sdk::policy::*;
use serde::Deserialize;

use self::when::When;

#[path = "when.rs"]
mod when;

/// See the crate.
pub struct ByContent {
    rules: Vec<(When, Effect)>,
    retry: Retry,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    rules: Vec<Rule>,
    #[serde(flatten)]
    retry: RetrySettings,
}

/// One of `targets` and `avoid`; each holds ids of the route's targets.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// All of them must hold. A rule without conditions is for every request.
    when: When,
    /// These, in this order.
    targets: Vec<String>,
    /// All but these, in the configured order.
    avoid: Vec<String>,
    /// May the others be asked when those have failed or are not ready? Absent: yes.
    else_others: Option<bool>,
}

/// Targets by position.
struct Effect {
    first: Vec<usize>,
    /// The others, the best first; none where they may not be asked.
    then: Vec<usize>,
}

impl Policy for ByContent {
    type Settings = Settings;

    fn open(settings: Settings, targets: Vec<Target>) -> Result<Self, String> {
        let retry = Retry::open(settings.retry, &targets)?;
        let rules = settings.rules.into_iter().enumerate().map(|(number, rule)| {
            let effect = rule.effect(&targets).and_then(|effect| rule.when.check().map(|()| effect));
            let effect = effect.map_err(|error| format!("`rules[{number}]`: {error}"))?;
            Ok((rule.when, effect))
        });
        Ok(ByContent { rules: rules.collect::<Result<_, String>>()?, retry })
    }

    fn about() -> About {
        let meaning = "A list: the first rule whose conditions all hold says which targets may be asked.";
        let rules = Setting::other("rules", "[]", meaning);
        About::new("By rules about the request: tools, images, size, caller, headers.", [rules])
            .and(RetrySettings::about())
    }

    fn decide(&self, situation: &Situation) -> Decision {
        let rule = self.rules.iter().enumerate().find(|(_, (when, _))| when.holds(&situation.request));
        let Some((number, (_, effect))) = rule else {
            return self.retry.decide(situation, &situation.in_order(), "no rule holds: the first");
        };
        let order = [effect.first.as_slice(), effect.then.as_slice()].concat();
        self.retry.decide(situation, &order, &format!("by `rules[{number}]`"))
    }
}

impl Rule {
    fn effect(&self, targets: &[Target]) -> Result<Effect, String> {
        if self.targets.is_empty() == self.avoid.is_empty() {
            return Err("either `targets` or `avoid` must name targets, and not both".to_owned());
        }
        let positions = |ids: &[String]| ids.iter().map(|id| position(id, targets)).collect::<Result<Vec<_>, _>>();
        let (listed, avoided) = (positions(&self.targets)?, positions(&self.avoid)?);
        let but =
            |left_out: &[usize]| (0..targets.len()).filter(|target| !left_out.contains(target)).collect::<Vec<_>>();
        let (first, others) =
            if avoided.is_empty() { (listed.clone(), but(&listed)) } else { (but(&avoided), avoided) };
        if first.is_empty() {
            return Err("`avoid` names every target of the route, so that none is left".to_owned());
        }
        let then = if self.else_others.unwrap_or(true) { others } else { Vec::new() };
        Ok(Effect { first, then })
    }
}

fn position(id: &str, targets: &[Target]) -> Result<usize, String> {
    targets.iter().position(|target| target.id == id).ok_or_else(|| {
        let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
        format!("the route has no target `{id}`; there are: {}", known.join(", "))
    })
}
