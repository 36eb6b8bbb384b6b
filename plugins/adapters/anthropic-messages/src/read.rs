//! A caller's Messages request, in the contract's words. It comes here when the target speaks another protocol, or when
//! its history holds what another provider made. A field that the contract does not know becomes an extra, named by its
//! path below the object that keeps it (`metadata.team`), so that `encode` can put it back.

mod content;
mod messages;
mod thinking;
pub mod tools;

use std::collections::BTreeSet;

use crate::{BETA_FIELD, BETA_HEADER, BLOCK, PROTOCOL, is_count};
use pointsman_sdk::codec::chat::{Extra, JsonSchema, Message, OutputFormat, Part, Request};
use pointsman_sdk::codec::client_protocol::Header;
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use pointsman_sdk::json::{self, Fields};
use pointsman_sdk::names::Names;
use serde_json::Value;
use thinking::Thinking;

/// The request, and how much the caller wants the model to think.
pub fn request(operation: &str, body: &[u8]) -> Result<(Request, Thinking), Fault> {
    let mut top = Fields::parse(body)?;
    let mut extras = Vec::new();
    refuse_untranslatable(&mut top, &mut extras)?;
    let model = top.string("model")?;
    let max_tokens = max_tokens(operation, &mut top)?;
    let mut read = Vec::from_iter(messages::system(&mut top, &mut extras)?);
    read.extend(messages::messages(&mut top)?);
    name_lost_blocks(&read, &mut extras);
    let mut config = top.object("output_config")?;
    let thinking = thinking::read(&mut top, config.as_mut(), &mut extras)?;
    let (tool_choice, parallel_tool_calls) = tools::choice(&mut top, &mut extras)?;
    let tools = tools::tools(&mut top, &mut extras)?;
    tools::check_choice(tool_choice.as_ref(), &tools, &extras)?;
    let request = Request {
        model,
        protocol: PROTOCOL.into(),
        messages: read,
        tools,
        tool_choice,
        parallel_tool_calls,
        output: output_format(&mut top, config, &mut extras)?,
        max_output_tokens: max_tokens,
        temperature: share(&mut top, "temperature")?,
        top_p: share(&mut top, "top_p")?,
        stop: stop_sequences(&mut top)?,
        seed: None,
        reasoning_effort: thinking.effort.clone(),
        reasoning_budget_tokens: thinking.budget_tokens,
        stream: top.bool("stream")?.unwrap_or(false),
        user: user(&mut top, &mut extras)?,
        extras: Vec::new(),
    };
    extras.extend(top.rest());
    Ok((Request { extras, ..request }, thinking))
}

/// Before the kind in the name of the extra that tells of blocks which are left out elsewhere.
pub const LOST: &str = "messages.";

/// A block without text leaves no trace in another protocol, so the request tells of it.
fn name_lost_blocks(messages: &[Message], extras: &mut Vec<Extra>) {
    let mut lost = Names::default();
    for part in messages.iter().flat_map(|message| &message.parts) {
        let Part::Text(text) = part else { continue };
        let kinds = text.extras.iter().filter_map(|extra| extra.name.strip_prefix(BLOCK));
        for kind in kinds.filter(|_| text.text.is_empty()) {
            lost.add(&format!("{LOST}{kind}"));
        }
    }
    let known: BTreeSet<&String> = extras.iter().map(|extra| &extra.name).collect();
    let lost: Vec<String> = lost.into_list().into_iter().filter(|name| !known.contains(name)).collect();
    extras.extend(lost.into_iter().map(|name| Extra { name, value: "null".into() }));
}

/// A caller asks for betas in a header, and the clouds want them in the body: there they join those that it already names.
pub fn betas(headers: &[Header], extras: &mut Vec<Extra>) {
    let named = headers.iter().filter(|header| header.name == BETA_HEADER).flat_map(|header| header.value.split(','));
    let named: Vec<&str> = named.map(str::trim).filter(|beta| !beta.is_empty()).collect();
    if named.is_empty() {
        return;
    }
    let in_body = extras.iter().position(|extra| extra.name == BETA_FIELD).map(|at| extras.remove(at).value);
    let mut betas: Vec<String> = in_body.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
    let known: BTreeSet<String> = betas.iter().cloned().collect();
    let mut more = Names::default();
    more.extend(named.into_iter().filter(|beta| !known.contains(*beta)));
    betas.extend(more.into_list());
    extras.push(Extra { name: BETA_FIELD.into(), value: Value::from(betas).to_string() });
}

/// Fields whose loss would give the caller something else than it asked for.
fn refuse_untranslatable(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<(), Fault> {
    for name in ["mcp_servers", "container"] {
        let value = top.take(name);
        if value.is_some_and(|value| value != Value::Array(Vec::new())) {
            let message = format!("`{name}` is known to Anthropic alone, and this request goes elsewhere");
            return Err(fault_at(FaultKind::Unsupported, name, message));
        }
    }
    if let Some(place) = top.optional_string("inference_geo")? {
        if place != "global" {
            let message = "a promise about where the model runs cannot be kept elsewhere";
            return Err(fault_at(FaultKind::Unsupported, "inference_geo", message));
        }
        extras.push(Extra { name: "inference_geo".into(), value: Value::from(place).to_string() });
    }
    Ok(())
}

fn max_tokens(operation: &str, top: &mut Fields) -> Result<Option<u32>, Fault> {
    match top.u32("max_tokens")? {
        Some(0) => Err(json::wrong(top.at("max_tokens"), "at least 1")),
        None if !is_count(operation) => {
            Err(fault_at(FaultKind::InvalidRequest, "max_tokens", "max_tokens is required"))
        }
        tokens => Ok(tokens),
    }
}

fn share(top: &mut Fields, name: &str) -> Result<Option<f64>, Fault> {
    match top.f64(name)? {
        Some(value) if !(0.0..=1.0).contains(&value) => Err(json::wrong(top.at(name), "from 0 to 1")),
        value => Ok(value),
    }
}

fn stop_sequences(top: &mut Fields) -> Result<Vec<String>, Fault> {
    top.array("stop_sequences")?.into_iter().map(|(path, value)| json::string(path, value)).collect()
}

fn user(top: &mut Fields, extras: &mut Vec<Extra>) -> Result<Option<String>, Fault> {
    let Some(mut metadata) = top.object("metadata")? else { return Ok(None) };
    let user = metadata.optional_string("user_id")?;
    extras.extend(below("metadata", metadata));
    Ok(user)
}

/// `output_config.format`, or `output_format` as it was called before.
fn output_format(top: &mut Fields, config: Option<Fields>, extras: &mut Vec<Extra>) -> Result<OutputFormat, Fault> {
    let mut format = top.object("output_format")?;
    if let Some(mut config) = config {
        format = config.object("format")?.or(format);
        extras.extend(below("output_config", config));
    }
    let Some(mut format) = format else { return Ok(OutputFormat::Text) };
    if format.string("type")? != "json_schema" {
        return Err(json::wrong(format.at("type"), "`json_schema`"));
    }
    let schema = match format.required("schema")? {
        Value::Object(schema) => Value::Object(schema).to_string(),
        _ => return Err(json::wrong(format.at("schema"), "an object")),
    };
    extras.extend(below("output_config.format", format));
    // Not `strict`: elsewhere that demands more of the schema than it does here, and a schema in use would be refused.
    Ok(OutputFormat::JsonSchema(JsonSchema { name: None, description: None, schema, strict: None }))
}

/// What nobody took of an object, named with the object's name.
fn below(name: &str, fields: Fields) -> impl Iterator<Item = Extra> {
    fields.rest().into_iter().map(move |extra| Extra { name: format!("{name}.{}", extra.name), ..extra })
}
