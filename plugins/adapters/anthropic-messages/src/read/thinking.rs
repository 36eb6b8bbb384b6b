//! How much the caller wants the model to think: `thinking` and `output_config.effort`.

use super::below;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::Extra;
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

#[derive(Default)]
pub struct Thinking {
    pub effort: Option<String>,
    pub budget_tokens: Option<u32>,
    /// The caller knows thinking blocks, and may be sent some.
    pub wanted: bool,
}

/// `config` is `output_config`.
pub fn read(top: &mut Fields, config: Option<&mut Fields>, extras: &mut Vec<Extra>) -> Result<Thinking, Fault> {
    let effort = config.map_or(Ok(None), effort)?;
    let mut thinking = Thinking { effort, ..Thinking::default() };
    let Some(mut fields) = top.object("thinking")? else { return Ok(thinking) };
    let kind = fields.string("type")?;
    let display = fields.optional_string("display")?;
    thinking.wanted = kind != "disabled" && display.as_deref() != Some("omitted");
    extras.extend(display.map(|how| extra("thinking.display", how)));
    match kind.as_str() {
        "enabled" => match fields.u32("budget_tokens")? {
            Some(tokens) => thinking.budget_tokens = Some(tokens),
            None => return Err(json::wrong(fields.at("budget_tokens"), "given when thinking is enabled")),
        },
        "disabled" => {
            let effort = thinking.effort.replace("none".into());
            extras.extend(effort.map(|effort| extra("output_config.effort", effort)));
        }
        // Adaptive, and whatever else there is or will be: the model thinks as it likes, and the caller is told so.
        _ => extras.push(extra("thinking.type", kind)),
    }
    extras.extend(below("thinking", fields));
    Ok(thinking)
}

fn extra(name: &str, word: String) -> Extra {
    Extra { name: name.into(), value: Value::from(word).to_string() }
}

fn effort(config: &mut Fields) -> Result<Option<String>, Fault> {
    let Some(effort) = config.optional_string("effort")? else { return Ok(None) };
    if !matches!(effort.as_str(), "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max") {
        return Err(json::wrong(config.at("effort"), "one of low, medium, high, xhigh and max"));
    }
    Ok(Some(effort))
}
