//! What a policy says of itself: read once, when it is loaded, and checked as if a stranger had said it.

use anyhow::{anyhow, ensure};

use super::bindings::about::{GuestIndices, Kind, Range, Setting, Variation};
use super::engine;
use super::fault::PluginFault;
use super::load::Code;
use super::tally::Tally;

/// A policy in a sentence, and its settings.
pub use super::bindings::about::Description as About;

/// More than a person would read.
const SETTINGS_MAX: usize = 100;

/// What the policy says; nothing when it only says that it has nothing to say.
///
/// # Errors
/// It does not answer, or what it says makes no sense.
pub(super) async fn about(code: &Code, tally: &Tally) -> anyhow::Result<Option<About>> {
    let mut store = engine::store(engine::POLICY, tally)?;
    engine::arm_to_open(&mut store);
    let indices = GuestIndices::new(&code.pre).map_err(|error| code.misfit(&error))?;
    let described = match code.pre.instantiate_async(&mut store).await {
        Ok(instance) => {
            let guest = indices.load(&mut store, &instance).map_err(|error| code.misfit(&error))?;
            guest.call_describe(&mut store).await
        }
        Err(error) => Err(error),
    };
    let failed = |error| anyhow!("asking it to describe itself failed: {}", PluginFault::of(&error, &store));
    let mut about = described.map_err(failed)?;
    if about.summary.is_empty() && about.settings.is_empty() {
        return Ok(None);
    }
    ensure!(about.settings.len() <= SETTINGS_MAX, "it describes more than {SETTINGS_MAX} settings");
    about.summary = line(&about.summary);
    for setting in &mut about.settings {
        setting.meaning = line(&setting.meaning);
        setting.name = line(&setting.name);
        check(setting).map_err(|wrong| anyhow!("it says of its setting `{}` that {wrong}", setting.name))?;
    }
    Ok(Some(about))
}

/// It will be shown in a terminal.
fn line(said: &str) -> String {
    said.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn check(setting: &Setting) -> Result<(), String> {
    let fits = |value: &str| fits(&setting.kind, value);
    if let Kind::Whole(range) | Kind::Number(range) = &setting.kind {
        is_range(range)?;
    }
    if let Some(value) = &setting.default
        && !fits(value)
    {
        return Err(format!("its default is `{}`, which cannot stand there", line(value)));
    }
    match (&setting.variation, &setting.kind) {
        (Variation::Fixed, _) => Ok(()),
        (Variation::Between(tried), Kind::Whole(range) | Kind::Number(range)) => {
            is_range(tried)?;
            let is_within = range.min <= tried.min && tried.max <= range.max;
            if is_within { Ok(()) } else { Err("it may be varied beyond what may stand there".to_owned()) }
        }
        (Variation::Between(_), _) => Err("it may be varied like a number, but is none".to_owned()),
        (Variation::Among(values), _) => match values.iter().find(|value| !fits(value)) {
            Some(value) => Err(format!("`{}` may be tried, which cannot stand there", line(value))),
            None => Ok(()),
        },
    }
}

fn is_range(range: &Range) -> Result<(), String> {
    let is_one = range.min.is_finite() && range.max.is_finite() && range.min <= range.max;
    if is_one { Ok(()) } else { Err(format!("it may be {} to {}, which is no range", range.min, range.max)) }
}

/// May this value, as JSON, stand in a setting of this kind?
fn fits(kind: &Kind, value: &str) -> bool {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(value) else { return false };
    match kind {
        Kind::Flag => value.is_boolean(),
        Kind::Whole(range) => {
            (value.is_u64() || value.is_i64()) && value.as_f64().is_some_and(|number| is_in(range, number))
        }
        Kind::Number(range) => value.as_f64().is_some_and(|number| is_in(range, number)),
        Kind::Choice(words) => value.as_str().is_some_and(|word| words.iter().any(|known| known == word)),
        Kind::Text => value.is_string(),
        Kind::Other => true,
    }
}

fn is_in(range: &Range, number: f64) -> bool {
    (range.min..=range.max).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: Kind, default: &str, variation: Variation) -> Result<(), String> {
        let (name, meaning) = ("attempts".to_owned(), "How many.".to_owned());
        check(&Setting { name, meaning, kind, default: Some(default.to_owned()), variation })
    }

    fn range(min: f64, max: f64) -> Range {
        Range { min, max }
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let whole = || Kind::Whole(range(1.0, 5.0));
        let choice = || Kind::Choice(vec!["a".to_owned(), "b".to_owned()]);
        let among = |values: &[&str]| Variation::Among(values.iter().map(|value| (*value).to_owned()).collect());
        assert_eq!(said(whole(), "3", Variation::Between(range(2.0, 4.0))), Ok(()));
        assert_eq!(said(choice(), "\"a\"", among(&["\"b\""])), Ok(()));
        assert_eq!(said(Kind::Flag, "true", among(&["false", "true"])), Ok(()));
        assert_eq!(said(Kind::Other, "{}", Variation::Fixed), Ok(()));
        for (kind, default, variation) in [
            (whole(), "6", Variation::Fixed),
            (whole(), "2.5", Variation::Fixed),
            (whole(), "three", Variation::Fixed),
            (whole(), "3", Variation::Between(range(0.0, 4.0))),
            (whole(), "3", among(&["9"])),
            (Kind::Number(range(1.0, f64::INFINITY)), "1", Variation::Fixed),
            (Kind::Number(range(2.0, 1.0)), "1", Variation::Fixed),
            (choice(), "\"c\"", Variation::Fixed),
            (choice(), "\"a\"", Variation::Between(range(0.0, 1.0))),
            (Kind::Flag, "1", Variation::Fixed),
            (Kind::Text, "{}", Variation::Fixed),
        ] {
            let told = format!("{kind:?} {default} {variation:?}");
            assert!(said(kind, default, variation).is_err(), "{told}");
        }
    }
}
