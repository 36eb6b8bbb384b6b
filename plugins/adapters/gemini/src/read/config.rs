//! `generationConfig`: how the model shall answer.

use super::{below, object, schema, strings, unsupported, unsupported_if_there};
use crate::INCLUDE_THOUGHTS;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, JsonSchema, OutputFormat};
use pointsman_sdk::json::{self, Fields};
use serde_json::Value;

pub struct Config {
    pub output: OutputFormat,
    pub max_output_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    pub thinking: Thinking,
    pub extras: Vec<Extra>,
}

const THINKING_BUDGET: &str = "generationConfig.thinkingConfig.thinkingBudget";

#[derive(Default)]
pub struct Thinking {
    pub effort: Option<String>,
    pub budget_tokens: Option<u32>,
    pub thoughts_wanted: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            output: OutputFormat::Text,
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            stop: Vec::new(),
            seed: None,
            thinking: Thinking::default(),
            extras: Vec::new(),
        }
    }
}

pub fn read(mut config: Fields) -> Result<Config, Fault> {
    refuse_untranslatable(&mut config)?;
    let mut extras = Vec::new();
    Ok(Config {
        output: output(&mut config)?,
        max_output_tokens: max_output_tokens(&mut config)?,
        temperature: from_zero(&mut config, "temperature", 2.0)?,
        top_p: from_zero(&mut config, "topP", 1.0)?,
        stop: strings(&mut config, "stopSequences")?,
        seed: config.i64("seed")?,
        thinking: thinking(&mut config, &mut extras)?,
        extras: {
            extras.extend(below("generationConfig", config));
            extras
        },
    })
}

/// Several answers, or answers that are not text.
fn refuse_untranslatable(config: &mut Fields) -> Result<(), Fault> {
    if config.u32("candidateCount")?.is_some_and(|count| count > 1) {
        return Err(unsupported(config.at("candidateCount")));
    }
    let modalities = strings(config, "responseModalities")?;
    if modalities.iter().any(|modality| !modality.eq_ignore_ascii_case("TEXT")) {
        return Err(unsupported(config.at("responseModalities")));
    }
    unsupported_if_there(config, "responseFormat")
}

fn max_output_tokens(config: &mut Fields) -> Result<Option<u32>, Fault> {
    match config.u32("maxOutputTokens")? {
        Some(0) => Err(json::wrong(config.at("maxOutputTokens"), "at least 1")),
        tokens => Ok(tokens),
    }
}

fn from_zero(config: &mut Fields, name: &str, max: f64) -> Result<Option<f64>, Fault> {
    match config.f64(name)? {
        Some(value) if !(0.0..=max).contains(&value) => Err(json::wrong(config.at(name), &format!("from 0 to {max}"))),
        value => Ok(value),
    }
}

fn output(config: &mut Fields) -> Result<OutputFormat, Fault> {
    let mime = config.optional_string("responseMimeType")?.unwrap_or_default();
    let json_schema = config.take("responseJsonSchema");
    let own_schema =
        config.take("responseSchema").map(|value| schema::json_schema(&config.at("responseSchema"), value));
    let schema = match (json_schema, own_schema) {
        (Some(given @ Value::Object(_)), _) => Some(schema::standard(given)),
        (Some(_), _) => return Err(json::wrong(config.at("responseJsonSchema"), "an object")),
        (None, own) => own.transpose()?,
    };
    match (mime.as_str(), schema) {
        ("" | "application/json", Some(schema)) => {
            let schema = schema.to_string();
            // Not strict: elsewhere that demands more of a schema than Gemini does.
            Ok(OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema, strict: None }))
        }
        ("application/json", None) => Ok(OutputFormat::JsonObject),
        ("" | "text/plain", _) => Ok(OutputFormat::Text),
        _ => Err(unsupported(config.at("responseMimeType"))),
    }
}

fn thinking(config: &mut Fields, extras: &mut Vec<Extra>) -> Result<Thinking, Fault> {
    let Some(mut fields) = object(config, "thinkingConfig")? else { return Ok(Thinking::default()) };
    let mut thinking =
        Thinking { thoughts_wanted: fields.bool("includeThoughts")?.unwrap_or(false), ..Thinking::default() };
    match fields.i64("thinkingBudget")? {
        Some(0) => thinking.effort = Some("none".into()),
        // As the model likes: with Gemini not what it does by itself.
        Some(-1) => extras.push(Extra { name: THINKING_BUDGET.into(), value: "-1".into() }),
        None => {}
        Some(tokens) => match u32::try_from(tokens) {
            Ok(tokens) => thinking.budget_tokens = Some(tokens),
            Err(_) => return Err(json::wrong(fields.at("thinkingBudget"), "-1 or more")),
        },
    }
    if let Some(level) = fields.optional_string("thinkingLevel")? {
        match level.to_ascii_lowercase().as_str() {
            "thinking_level_unspecified" => {}
            level @ ("minimal" | "low" | "medium" | "high" | "xhigh") => thinking.effort = Some(level.to_owned()),
            _ => {
                let what = "one of MINIMAL, LOW, MEDIUM, HIGH and XHIGH";
                return Err(json::wrong(fields.at("thinkingLevel"), what));
            }
        }
    }
    extras.extend(below("generationConfig.thinkingConfig", fields));
    // Only Gemini keeps apart whether to think and whether to show it.
    let thinks = thinking.budget_tokens.is_some() || thinking.effort.as_deref().is_some_and(|effort| effort != "none");
    if thinking.thoughts_wanted != thinks {
        let value = thinking.thoughts_wanted.to_string();
        extras.push(Extra { name: INCLUDE_THOUGHTS.into(), value });
    }
    Ok(thinking)
}
