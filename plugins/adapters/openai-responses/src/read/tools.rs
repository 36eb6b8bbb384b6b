//! Tools, which of them to call, and the shape that the answer must have.

use std::cell::Cell;
use std::collections::BTreeSet;

use super::unsupported;
use crate::client_tools::ClientTool;
use crate::forms::Forms;
use crate::{NAMESPACE, TOOL_SEARCH};
use pointsman_sdk::codec::Fault;
use pointsman_sdk::codec::chat::{Extra, JsonSchema, OutputFormat, Tool, ToolChoice};
use pointsman_sdk::freeform;
use pointsman_sdk::json::{Fields, wrong};
use serde_json::{Map, Value, json};

/// What a request offers to the model.
#[derive(Default)]
pub struct Offer {
    pub tools: Vec<Tool>,
    /// Their names.
    known: BTreeSet<String>,
    /// Tools that only this protocol's provider runs, such as `web_search`: elsewhere they are left out and named, because
    /// nothing forces the model to use them. Each is an extra of the request, for this protocol's own provider.
    pub hosted: Vec<Extra>,
    /// What the caller expects calls of some tools to look like.
    pub forms: Forms,
}

/// Before the name of the extra that holds a tool which only its own provider runs.
const HOSTED: &str = "tools.";
/// Kinds of tools that are read field by field.
const KNOWN: [&str; 3] = ["function", freeform::KIND, "namespace"];

impl Offer {
    pub fn read(top: &mut Fields) -> Result<Offer, Fault> {
        let mut offer = Offer::default();
        for (at, value) in top.array("tools")? {
            offer.add(at, value, None)?;
        }
        Ok(offer)
    }

    /// The tool at `at`, of this namespace if it stands in one.
    pub fn add(&mut self, at: String, value: Value, namespace: Option<&Namespace>) -> Result<(), Fault> {
        // A copy only of what is kept whole: namespaces can stand in each other, and hold much.
        let is_client_search = value["execution"] == "client";
        let is_known = value["type"].as_str().is_some_and(|kind| KNOWN.contains(&kind));
        let client_tool = ClientTool::offered(&value);
        let whole = (!is_known).then(|| value.to_string());
        let mut fields = Fields::new(at, value)?;
        let kind = fields.string("type")?;
        match kind.as_str() {
            "function" => {
                let tool = function(fields)?;
                self.push(tool, namespace);
            }
            freeform::KIND => {
                let tool = custom(fields)?;
                self.forms.custom.push(tool.name.clone());
                self.push(tool, namespace);
            }
            "namespace" => {
                let name = fields.string("name")?;
                let tools = fields.array("tools")?;
                let namespace = Namespace {
                    name,
                    is_told: Cell::new(false),
                    fields: Value::Object(
                        fields
                            .rest()
                            .into_iter()
                            .filter_map(|extra| Some((extra.name, serde_json::from_str(&extra.value).ok()?)))
                            .collect(),
                    ),
                };
                for (at, tool) in tools {
                    self.add(at, tool, Some(&namespace))?;
                }
            }
            TOOL_SEARCH if is_client_search => {
                let tool = search(fields)?;
                self.forms.has_search = true;
                self.push(tool, namespace);
            }
            _ if let Some(tool) = client_tool => {
                if !self.forms.client_tools.contains(&tool) {
                    self.forms.client_tools.push(tool);
                }
                self.push(offered(tool, fields), namespace);
            }
            _ => self.hosted.push(Extra { name: format!("{HOSTED}{kind}"), value: whole.unwrap_or_default() }),
        }
        Ok(())
    }

    /// Each name once: a tool that was found by a search may be offered already.
    fn push(&mut self, mut tool: Tool, namespace: Option<&Namespace>) {
        if let Some(namespace) = namespace {
            let flat = flat_name(&namespace.name, &tool.name);
            self.forms.namespaced.push((flat.clone(), namespace.name.clone(), tool.name.clone()));
            if !self.known.contains(&flat) {
                tool.extras.push(namespace.extra());
            }
            tool.name = flat;
        }
        if self.known.insert(tool.name.clone()) {
            self.tools.push(tool);
        }
    }
}

/// A group of tools: Codex offers each MCP server's tools as one.
pub struct Namespace {
    pub name: String,
    /// What else it says of itself, but for its tools.
    pub fields: Value,
    /// One of its tools has that in an extra. The others have its name: there may be thousands of them.
    is_told: Cell<bool>,
}

impl Namespace {
    fn extra(&self) -> Extra {
        let mut fields = if self.is_told.replace(true) { json!({}) } else { self.fields.clone() };
        fields["name"] = self.name.as_str().into();
        Extra { name: NAMESPACE.into(), value: fields.to_string() }
    }
}

/// The name of a namespace's tool for providers that know no namespaces.
pub fn flat_name(namespace: &str, name: &str) -> String {
    let joint = if namespace.ends_with('_') { "" } else { "__" };
    format!("{namespace}{joint}{name}")
}

fn function(mut fields: Fields) -> Result<Tool, Fault> {
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

/// A tool that takes free text.
fn custom(mut fields: Fields) -> Result<Tool, Fault> {
    let name = fields.string("name")?;
    let description = fields.optional_string("description")?;
    let extras: Vec<Extra> = std::iter::once(freeform::mark()).chain(fields.rest()).collect();
    let format = extras.iter().find(|extra| extra.name == "format");
    let format: Value = format.and_then(|extra| serde_json::from_str(&extra.value).ok()).unwrap_or_default();
    let grammar = format["syntax"].as_str().zip(format["definition"].as_str());
    Ok(Tool { name, description, parameters: freeform::parameters(grammar), strict: None, extras })
}

/// The search for tools that the caller runs itself: a function like any other.
fn search(mut fields: Fields) -> Result<Tool, Fault> {
    let description = fields.optional_string("description")?;
    let parameters = match fields.take("parameters") {
        None => r#"{"type":"object","properties":{}}"#.into(),
        Some(parameters) => schema(fields.at("parameters"), parameters)?,
    };
    let kind = Extra { name: "type".into(), value: Value::from(TOOL_SEARCH).to_string() };
    let extras = std::iter::once(kind).chain(fields.rest()).collect();
    Ok(Tool { name: TOOL_SEARCH.into(), description, parameters, strict: None, extras })
}

/// A tool that OpenAI defines and the caller runs: a function like any other.
fn offered(tool: ClientTool, fields: Fields) -> Tool {
    let kind = Extra { name: "type".into(), value: Value::from(tool.name()).to_string() };
    let extras = std::iter::once(kind).chain(fields.rest()).collect();
    let description = Some(tool.description().to_owned());
    Tool { name: tool.name().into(), description, parameters: tool.parameters().to_string(), strict: None, extras }
}

/// The only tools that may be called, of those that are offered: other providers are offered no more than these, which keeps
/// the rule at the price of their prompt cache.
fn allowed(offer: &mut Offer, choice: &mut Fields) -> Result<Option<ToolChoice>, Fault> {
    let mut names = BTreeSet::new();
    for (at, tool) in choice.array("tools")? {
        let mut tool = Fields::new(at, tool)?;
        let kind = tool.string("type")?;
        let namespace = tool.optional_string(NAMESPACE)?;
        names.insert(match (tool.optional_string("name")?, namespace) {
            (Some(name), Some(namespace)) => flat_name(&namespace, &name),
            (Some(name), None) => name,
            (None, _) => kind,
        });
    }
    let is_allowed = |name: &str| names.contains(name);
    offer.tools.retain(|tool| is_allowed(&tool.name));
    offer.hosted.retain(|extra| extra.name.strip_prefix(HOSTED).is_none_or(is_allowed));
    match choice.string("mode")?.as_str() {
        "auto" => Ok((!offer.tools.is_empty()).then_some(ToolChoice::Auto)),
        "required" => Ok(Some(ToolChoice::Required)),
        _ => Err(wrong(choice.at("mode"), "auto or required")),
    }
}

pub fn choice(top: &mut Fields, offer: &mut Offer) -> Result<Option<ToolChoice>, Fault> {
    let choice = match top.take("tool_choice") {
        None => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => Some(ToolChoice::Auto),
            "none" => Some(ToolChoice::None),
            "required" => Some(ToolChoice::Required),
            _ => return Err(wrong("tool_choice", "auto, none, required or a function")),
        },
        Some(value) => {
            let mut choice = Fields::new("tool_choice", value)?;
            let kind = choice.string("type")?;
            match kind.as_str() {
                "function" | freeform::KIND => {
                    let name = choice.string("name")?;
                    Some(ToolChoice::Named(match choice.optional_string(NAMESPACE)? {
                        Some(namespace) => flat_name(&namespace, &name),
                        None => name,
                    }))
                }
                "allowed_tools" => allowed(offer, &mut choice)?,
                kind if let Some(tool) = ClientTool::named(kind) => Some(ToolChoice::Named(tool.name().into())),
                _ => {
                    let message = format!("other providers have no tool of type `{kind}`, and it must be called");
                    return Err(unsupported(choice.at("type"), message));
                }
            }
        }
    };
    if choice == Some(ToolChoice::Required) && offer.tools.is_empty() && !offer.hosted.is_empty() {
        return Err(unsupported("tool_choice", "other providers have none of the tools that must be called"));
    }
    Ok(choice)
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
