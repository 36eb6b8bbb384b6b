//! Tools, which of them to call, and the shape that the answer must have.

use std::collections::BTreeSet;

use super::{left_of, unsupported};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::freeform;
use pointsman_sdk::json::{Fields, wrong};
use serde_json::{Map, Value};

pub fn list(top: &mut Fields) -> Result<Vec<Tool>, Fault> {
    top.array("tools")?.into_iter().map(|(at, value)| tool(Fields::new(at, value)?)).collect()
}

fn tool(mut fields: Fields) -> Result<Tool, Fault> {
    let kind = fields.string("type")?;
    if kind == freeform::KIND {
        return custom(fields);
    }
    if kind != "function" {
        return Err(unsupported(fields.at("type"), format!("other providers have no tools of type `{kind}`")));
    }
    let mut function = Fields::new(fields.at("function"), fields.required("function")?)?;
    let name = function.string("name")?;
    let description = function.optional_string("description")?;
    let parameters = parameters(&mut function)?;
    let strict = function.bool("strict")?;
    let mut extras = fields.rest();
    extras.extend(left_of("function", function));
    Ok(Tool { name, description, parameters, strict, extras })
}

/// A tool that takes free text.
fn custom(mut fields: Fields) -> Result<Tool, Fault> {
    let mut custom = Fields::new(fields.at("custom"), fields.required("custom")?)?;
    let name = custom.string("name")?;
    let description = custom.optional_string("description")?;
    let format = custom.peek("format").map(|format| &format["grammar"]);
    let grammar = format.and_then(|grammar| grammar["syntax"].as_str().zip(grammar["definition"].as_str()));
    let parameters = freeform::parameters(grammar);
    let mut extras = fields.rest();
    extras.push(freeform::mark());
    extras.extend(left_of(freeform::KIND, custom));
    Ok(Tool { name, description, parameters, strict: None, extras })
}

/// OpenAI lets a tool without parameters leave the schema out, or its type.
fn parameters(function: &mut Fields) -> Result<String, Fault> {
    let mut schema = match function.take("parameters") {
        None => Map::new(),
        Some(Value::Object(schema)) => schema,
        Some(_) => return Err(wrong(function.at("parameters"), "a JSON schema (an object)")),
    };
    if schema.is_empty() {
        schema.insert("properties".into(), Value::Object(Map::new()));
    }
    schema.entry("type").or_insert_with(|| "object".into());
    Ok(Value::Object(schema).to_string())
}

/// The only tools that may be called, of those that are offered: other providers are offered no more than these, which keeps
/// the rule at the price of their prompt cache.
fn allowed(tools: &mut Vec<Tool>, choice: &mut Fields) -> Result<Option<ToolChoice>, Fault> {
    let mut allowed = Fields::new(choice.at("allowed_tools"), choice.required("allowed_tools")?)?;
    let mut names = BTreeSet::new();
    for (at, tool) in allowed.array("tools")? {
        let mut tool = Fields::new(at, tool)?;
        let kind = tool.string("type")?;
        let mut function = Fields::new(tool.at(&kind), tool.required(&kind)?)?;
        names.insert(function.string("name")?);
    }
    tools.retain(|tool| names.contains(&tool.name));
    match allowed.string("mode")?.as_str() {
        "auto" => Ok((!tools.is_empty()).then_some(ToolChoice::Auto)),
        "required" => Ok(Some(ToolChoice::Required)),
        _ => Err(wrong(allowed.at("mode"), "auto or required")),
    }
}

pub fn choice(top: &mut Fields, tools: &mut Vec<Tool>) -> Result<Option<ToolChoice>, Fault> {
    let value = match top.take("tool_choice") {
        None => return Ok(None),
        Some(value) => value,
    };
    if let Value::String(word) = &value {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong("tool_choice", "auto, none, required or a function")),
        };
    }
    let mut choice = Fields::new("tool_choice", value)?;
    let kind = choice.string("type")?;
    if kind == "allowed_tools" {
        return allowed(tools, &mut choice);
    }
    if kind != "function" && kind != freeform::KIND {
        return Err(unsupported("tool_choice.type", format!("other providers have no tool choice of type `{kind}`")));
    }
    let mut function = Fields::new(choice.at(&kind), choice.required(&kind)?)?;
    Ok(Some(ToolChoice::Named(function.string("name")?)))
}

pub fn output(top: &mut Fields) -> Result<OutputFormat, Fault> {
    let Some(mut format) = top.object("response_format")? else {
        return Ok(OutputFormat::Text);
    };
    match format.string("type")?.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let mut schema = Fields::new(format.at("json_schema"), format.required("json_schema")?)?;
            Ok(OutputFormat::JsonSchema(JsonSchema {
                name: Some(schema.string("name")?),
                description: schema.optional_string("description")?,
                strict: schema.bool("strict")?,
                schema: match schema.required("schema")? {
                    Value::Object(object) => Value::Object(object).to_string(),
                    _ => return Err(wrong(schema.at("schema"), "a JSON schema (an object)")),
                },
            }))
        }
        kind => Err(unsupported(format.at("type"), format!("other providers have no response format `{kind}`"))),
    }
}
