//! Tools, which of them to call, and the shape that the answer must have.

use super::unsupported;
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::json::{Fields, wrong};
use serde_json::{Map, Value};

pub fn list(top: &mut Fields) -> Result<Vec<Tool>, Fault> {
    top.array("tools")?.into_iter().map(|(at, value)| tool(Fields::new(at, value)?)).collect()
}

fn tool(mut fields: Fields) -> Result<Tool, Fault> {
    let kind = fields.string("type")?;
    if kind != "function" {
        return Err(unsupported(fields.at("type"), format!("other providers have no tools of type `{kind}`")));
    }
    let name = fields.string("name")?;
    let description = fields.optional_string("description")?;
    let parameters = match fields.take("parameters") {
        // A function without parameters.
        None => r#"{"type":"object","properties":{}}"#.into(),
        Some(parameters) => schema(fields.at("parameters"), parameters)?,
    };
    let strict = fields.bool("strict")?;
    Ok(Tool { name, description, parameters, strict, extras: fields.rest() })
}

pub fn choice(top: &mut Fields) -> Result<Option<ToolChoice>, Fault> {
    let choice = match top.take("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => return Err(wrong("tool_choice", "auto, none, required or a function")),
        },
        Some(value) => {
            let mut choice = Fields::new("tool_choice", value)?;
            let kind = choice.string("type")?;
            if kind != "function" {
                let message = format!("other providers cannot be told a choice of type `{kind}`");
                return Err(unsupported(choice.at("type"), message));
            }
            ToolChoice::Named(choice.string("name")?)
        }
    };
    Ok(Some(choice))
}

/// Takes `format` out of the field `text`.
pub fn format(text: &mut Fields) -> Result<OutputFormat, Fault> {
    let Some(mut format) = text.object("format")? else { return Ok(OutputFormat::Text) };
    let kind = format.string("type")?;
    match kind.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let (name, description) = (format.optional_string("name")?, format.optional_string("description")?);
            let schema = schema(format.at("schema"), format.required("schema")?)?;
            let strict = format.bool("strict")?;
            Ok(OutputFormat::JsonSchema(JsonSchema { name, description, schema, strict }))
        }
        _ => Err(unsupported(format.at("type"), format!("other providers have no text format `{kind}`"))),
    }
}

/// Some callers leave everything out, and the contract promises an object's type.
fn schema(at: String, value: Value) -> Result<String, Fault> {
    let Value::Object(mut schema) = value else { return Err(wrong(at, "a JSON schema")) };
    if schema.is_empty() {
        schema = Map::from_iter([("type".into(), "object".into()), ("properties".into(), Map::new().into())]);
    }
    Ok(Value::Object(schema).to_string())
}
