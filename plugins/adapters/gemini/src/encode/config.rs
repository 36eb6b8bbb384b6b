//! `generationConfig`: how the model answers.

use super::{Dropped, schema, thinking};
use crate::settings::SchemaForm;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{OutputFormat, Request};
use pointsman_sdk::codec::provider::ModelFacts;
use serde_json::{Map, Value};

/// The API refuses more.
const STOP_SEQUENCES_MAX: usize = 5;

pub fn generation(
    form: SchemaForm,
    request: &Request,
    facts: &ModelFacts,
    dropped: &mut Dropped,
) -> Result<Map<String, Value>, Fault> {
    let mut config = Map::new();
    if let Some(wanted) = request.max_output_tokens {
        let tokens = facts.output_tokens.map_or(wanted, |limit| wanted.min(limit));
        config.insert("maxOutputTokens".into(), tokens.into());
    }
    sampling(&mut config, request, facts, dropped);
    stop(&mut config, &request.stop, dropped);
    match request.seed.map(i32::try_from) {
        Some(Ok(seed)) => _ = config.insert("seed".into(), seed.into()),
        // The API's seed has 32 bits.
        Some(Err(_)) => dropped.add("seed"),
        None => {}
    }
    output(&mut config, form, &request.output)?;
    if let Some(thinking) = thinking::config(request, facts, dropped) {
        config.insert("thinkingConfig".into(), thinking);
    }
    Ok(config)
}

fn sampling(config: &mut Map<String, Value>, request: &Request, facts: &ModelFacts, dropped: &mut Dropped) {
    let numbers = [("temperature", "temperature", request.temperature, 2.0), ("top_p", "topP", request.top_p, 1.0)];
    for (name, wire_name, value, max) in numbers {
        let Some(value) = value else { continue };
        if facts.sampling == Some(false) {
            dropped.add(name);
        } else {
            config.insert(wire_name.into(), value.clamp(0.0, max).into());
        }
    }
}

fn stop(config: &mut Map<String, Value>, stop: &[String], dropped: &mut Dropped) {
    let sequences: Vec<_> = stop.iter().filter(|sequence| !sequence.is_empty()).collect();
    dropped.add_if(sequences.len() > STOP_SEQUENCES_MAX, "stop");
    let sent: Vec<Value> = sequences.into_iter().take(STOP_SEQUENCES_MAX).map(|each| each.as_str().into()).collect();
    if !sent.is_empty() {
        config.insert("stopSequences".into(), sent.into());
    }
}

fn output(config: &mut Map<String, Value>, form: SchemaForm, output: &OutputFormat) -> Result<(), Fault> {
    if matches!(output, OutputFormat::Text) {
        return Ok(());
    }
    config.insert("responseMimeType".into(), "application/json".into());
    if let OutputFormat::JsonSchema(wanted) = output {
        let (name, schema) = match form {
            SchemaForm::Full => ("responseJsonSchema", schema::full(&wanted.schema, "output")?),
            SchemaForm::Subset => ("responseSchema", schema::subset(&wanted.schema, "output")?),
        };
        config.insert(name.into(), schema);
    }
    Ok(())
}
