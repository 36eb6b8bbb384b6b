//! Callers' bodies that are large in one dimension: what a codec makes of them must cost in proportion to it.

use anyhow::{Context as _, anyhow};
use pointsman::facts::Facts;
use pointsman::plugin::bindings::chat::Request;
use pointsman::plugin::{Plugin, bundled};
use serde_json::{Map, Value, json};

/// Protocols of callers, by the plugins that speak them.
pub const CALLERS: [&str; 4] = ["openai-chat", "anthropic-messages", "openai-responses", "gemini"];
/// Adapters, with settings that each takes.
pub const ADAPTERS: [(&str, &str); 7] = [
    ("openai-chat", "{}"),
    ("anthropic-messages", "{}"),
    ("openai-responses", "{}"),
    ("gemini", "{}"),
    ("gemini", r#"{"schema":"subset"}"#),
    ("ollama", "{}"),
    ("bedrock-converse", r#"{"region":"us-east-1"}"#),
];

/// What there is much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Fields at the top that nobody knows.
    Fields,
    /// Such fields of one message.
    MessageFields,
    Messages,
    Tools,
    /// Calls of one turn, and their results.
    Results,
    /// Names of tools that are called and not offered.
    Names,
    /// Definitions in a tool's schema, each of them a choice at its top.
    Definitions,
    /// Properties of a schema that are all required, and an enumeration.
    Properties,
    /// What one property may be, in as many choices.
    Choices,
}

pub const DIMENSIONS: [Dimension; 9] = [
    Dimension::Fields,
    Dimension::MessageFields,
    Dimension::Messages,
    Dimension::Tools,
    Dimension::Results,
    Dimension::Names,
    Dimension::Definitions,
    Dimension::Properties,
    Dimension::Choices,
];

/// A body of this caller's protocol.
pub fn body(caller: &str, dimension: Dimension, count: usize) -> Value {
    let words = Words(caller);
    let unknown = || (0..count).map(|number| (format!("unknown_{number}"), Value::from(number)));
    let hello = || vec![words.said("user", "hello")];
    match dimension {
        Dimension::Fields => with(words.request(hello(), vec![]), unknown()),
        Dimension::MessageFields => words.request(vec![with(words.said("user", "hello"), unknown())], vec![]),
        Dimension::Messages => {
            let roles = ["user", words.assistant()].into_iter().cycle().take(count);
            let mut said: Vec<Value> = roles.map(|role| words.said(role, "hello")).collect();
            said.push(words.said("user", "go on"));
            words.request(said, vec![])
        }
        Dimension::Tools => words.request(hello(), (0..count).map(|number| words.tool(number, json!({}))).collect()),
        Dimension::Results | Dimension::Names => {
            let name = |number: usize| match dimension {
                Dimension::Names => format!("tool_{number}"),
                _ => "tool_0".to_owned(),
            };
            let tools = if dimension == Dimension::Names { vec![] } else { vec![words.tool(0, json!({}))] };
            let said = hello().into_iter().chain(words.calls((0..count).map(name).collect()));
            words.request(said.collect(), tools)
        }
        Dimension::Definitions => {
            let name = |number: usize| format!("thing_{number}");
            let definition = |number| json!({ "type": "object", "properties": { name(number): { "type": "string" } }, "required": [name(number)] });
            let definitions: Map<String, Value> = (0..count).map(|number| (name(number), definition(number))).collect();
            let choices: Vec<Value> =
                (0..count).map(|number| json!({ "$ref": format!("#/$defs/{}", name(number)) })).collect();
            words.request(hello(), vec![words.tool(0, json!({ "$defs": definitions, "anyOf": choices }))])
        }
        Dimension::Properties => {
            let names: Vec<String> = (0..count).map(|number| format!("field_{number}")).collect();
            let properties: Map<String, Value> =
                names.iter().map(|name| (name.clone(), json!({ "type": "string", "enum": [name] }))).collect();
            let schema = json!({ "type": "object", "properties": properties, "required": names, "additionalProperties": false,
                                 "enum": names });
            words.request(hello(), vec![words.tool(0, schema)])
        }
        Dimension::Choices => {
            let choice = |number: usize| json!({ "properties": { "kind": { "const": format!("kind_{number}") } }, "required": ["kind"] });
            let choices: Vec<Value> = (0..count).map(choice).collect();
            let inner = json!({ "type": "object", "properties": { "what": { "anyOf": choices } } });
            words.request(hello(), vec![words.tool(0, json!({ "oneOf": choices })), words.tool(1, inner)])
        }
    }
}

fn with(mut object: Value, fields: impl Iterator<Item = (String, Value)>) -> Value {
    if let Value::Object(object) = &mut object {
        object.extend(fields);
    }
    object
}

/// How a protocol says things.
struct Words<'a>(&'a str);

impl Words<'_> {
    fn assistant(&self) -> &'static str {
        if self.0 == "gemini" { "model" } else { "assistant" }
    }

    fn said(&self, role: &str, text: &str) -> Value {
        match self.0 {
            "gemini" => json!({ "role": role, "parts": [{ "text": text }] }),
            _ => json!({ "role": role, "content": text }),
        }
    }

    fn tool(&self, number: usize, mut schema: Value) -> Value {
        let name = format!("tool_{number}");
        schema["type"] = "object".into();
        match self.0 {
            "openai-chat" => json!({ "type": "function", "function": { "name": name, "parameters": schema } }),
            "openai-responses" => json!({ "type": "function", "name": name, "parameters": schema }),
            "gemini" => json!({ "functionDeclarations": [{ "name": name, "parametersJsonSchema": schema }] }),
            _ => json!({ "name": name, "input_schema": schema }),
        }
    }

    /// Calls of tools with these names in one turn, and a result of each.
    fn calls(&self, names: Vec<String>) -> Vec<Value> {
        let numbered = || names.iter().enumerate().map(|(number, name)| (format!("call_{number}"), name));
        match self.0 {
            "openai-chat" => {
                let calls = numbered().map(|(id, name)| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": "{}" } }));
                let calls: Vec<Value> = calls.collect();
                let results =
                    numbered().map(|(id, _)| json!({ "role": "tool", "tool_call_id": id, "content": "done" }));
                std::iter::once(json!({ "role": "assistant", "content": null, "tool_calls": calls }))
                    .chain(results)
                    .collect()
            }
            "openai-responses" => {
                let calls = numbered().map(
                    |(id, name)| json!({ "type": "function_call", "call_id": id, "name": name, "arguments": "{}" }),
                );
                let results = numbered()
                    .map(|(id, _)| json!({ "type": "function_call_output", "call_id": id, "output": "done" }));
                calls.chain(results).collect()
            }
            "gemini" => {
                let calls: Vec<Value> =
                    numbered().map(|(_, name)| json!({ "functionCall": { "name": name, "args": {} } })).collect();
                let result =
                    |name: &String| json!({ "functionResponse": { "name": name, "response": { "output": "done" } } });
                let results: Vec<Value> = numbered().map(|(_, name)| result(name)).collect();
                vec![json!({ "role": "model", "parts": calls }), json!({ "role": "user", "parts": results })]
            }
            _ => {
                let calls: Vec<Value> = numbered()
                    .map(|(id, name)| json!({ "type": "tool_use", "id": id, "name": name, "input": {} }))
                    .collect();
                let results: Vec<Value> = numbered()
                    .map(|(id, _)| json!({ "type": "tool_result", "tool_use_id": id, "content": "done" }))
                    .collect();
                vec![json!({ "role": "assistant", "content": calls }), json!({ "role": "user", "content": results })]
            }
        }
    }

    fn request(&self, said: Vec<Value>, tools: Vec<Value>) -> Value {
        let mut request = match self.0 {
            "gemini" => json!({ "contents": said }),
            "openai-responses" => json!({ "model": "m", "input": said }),
            "openai-chat" => json!({ "model": "m", "messages": said }),
            _ => json!({ "model": "m", "max_tokens": 100, "messages": said }),
        };
        if !tools.is_empty() {
            request["tools"] = tools.into();
        }
        request
    }
}

/// Instructions that a call took, and why the request cannot be said where that is so.
pub struct Cost {
    pub instructions: u64,
    pub refused: Option<String>,
}

/// Read a caller's body.
///
/// # Errors
/// The plugin failed at it, or does not read it.
pub async fn read(caller: &Plugin, body: &Value) -> anyhow::Result<(Request, Cost)> {
    let codec = caller.codec.as_ref().context("no codec")?;
    let (before, body) = (Before::of(caller), body.to_string());
    let reading = codec.read("chat", &[], body.as_bytes()).await.map_err(|fault| anyhow!("{fault}"))?;
    let reading = reading.map_err(|fault| anyhow!("it is not read: {}", fault.message))?;
    Ok((
        Request { model: "m".to_owned(), ..reading.request },
        Cost { instructions: before.taken(caller), refused: None },
    ))
}

/// Say a request to a provider.
///
/// # Errors
/// The plugin failed at it.
pub async fn encode(adapter: &Plugin, settings: &str, request: &Request, bytes: usize) -> anyhow::Result<Cost> {
    let codec = adapter.codec.as_ref().context("no codec")?;
    let (before, facts) = (Before::of(adapter), Facts::default().told());
    let encoded = codec.encode(&settings.to_owned(), "chat", request, &facts, bytes).await;
    let refused = encoded.map_err(|fault| anyhow!("{fault}"))?.err().map(|fault| fault.message);
    Ok(Cost { instructions: before.taken(adapter), refused })
}

/// The plugins, by their names.
///
/// # Errors
/// One cannot be loaded.
pub async fn plugins() -> anyhow::Result<std::collections::BTreeMap<&'static str, std::sync::Arc<Plugin>>> {
    let mut plugins = std::collections::BTreeMap::new();
    for name in CALLERS.into_iter().chain(ADAPTERS.map(|(name, _)| name)) {
        plugins.insert(name, bundled(name).await?);
    }
    Ok(plugins)
}

struct Before(u64, u64);

impl Before {
    fn of(plugin: &Plugin) -> Before {
        Before(plugin.tally.fuel(), plugin.tally.counts().repeated)
    }

    /// A call may have been made again, to compare the answers.
    fn taken(&self, plugin: &Plugin) -> u64 {
        let calls = 1 + plugin.tally.counts().repeated - self.1;
        (plugin.tally.fuel() - self.0) / calls
    }
}
