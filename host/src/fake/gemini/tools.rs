//! The rules for tools and for schemas, which know much less than JSON Schema does.

use serde_json::{Value, json};

use super::super::answer::{Asked, Choice, Tool};

const NAME_CHARS_MAX: usize = 128;
const NAME: &str = "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), \
                    underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.";
const TYPES: &[&str] = &["STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", "TYPE_UNSPECIFIED"];
/// Of strings.
const FORMATS: &[&str] = &["enum", "date-time"];

pub fn check_tools(body: &Value, asked: &mut Asked) -> Result<(), String> {
    for (index, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if tool.as_object().is_some_and(|tool| tool.is_empty()) {
            return Err(format!(
                "* GenerateContentRequest.tools[{index}].tool_type: required one_of 'tool_type' must have one initialized field"
            ));
        }
        let declarations = tool["functionDeclarations"].as_array();
        for (position, declaration) in declarations.into_iter().flatten().enumerate() {
            let at = format!("tools[{index}].function_declarations[{position}]");
            let name = declaration["name"].as_str().unwrap_or_default();
            if !is_legal(name) {
                return Err(format!("* GenerateContentRequest.{at}.name: {NAME}"));
            }
            if asked.tools.iter().any(|known| known.name == name) {
                return Err(format!("Duplicate function declaration found: {name}"));
            }
            asked.tools.push(Tool { name: name.to_owned(), schema: parameters(&at, declaration)? });
        }
    }
    check_choice(&body["toolConfig"]["functionCallingConfig"], asked)
}

fn parameters(at: &str, declaration: &Value) -> Result<Value, String> {
    match (declaration.get("parameters"), declaration.get("parametersJsonSchema")) {
        (Some(_), Some(_)) => {
            let rule = "parameters and parameters_json_schema are mutually exclusive";
            Err(format!("* GenerateContentRequest.{at}: {rule}."))
        }
        (Some(own), None) => {
            check_schema(&format!("{at}.parameters"), own)?;
            if lowered(own)["type"] != "object" {
                return Err(format!("* GenerateContentRequest.{at}.parameters.type: must be OBJECT"));
            }
            Ok(lowered(own))
        }
        (None, Some(standard)) if !standard.is_object() => {
            Err(format!("* GenerateContentRequest.{at}.parameters_json_schema: must be a JSON schema"))
        }
        (None, standard) => Ok(standard.cloned().unwrap_or_default()),
    }
}

fn check_choice(config: &Value, asked: &mut Asked) -> Result<(), String> {
    let named: Vec<&str> =
        config["allowedFunctionNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mode = config["mode"].as_str().map(str::to_uppercase);
    if mode.is_some() && mode.as_deref() != Some("NONE") && asked.tools.is_empty() {
        return Err("Function calling config is set without function_declarations.".to_owned());
    }
    if !named.is_empty() && !matches!(mode.as_deref(), Some("ANY" | "VALIDATED")) {
        let rule = "Please set allowed_function_names only when function calling mode is ANY or VALIDATED.";
        return Err(rule.to_owned());
    }
    let is_declared = |name: &&&str| asked.tools.iter().any(|tool| tool.name == **name);
    if let Some(name) = named.iter().find(|name| !is_declared(name)) {
        return Err(format!("`allowed_function_names` contains {name}, which is not among the function declarations."));
    }
    asked.choice = match (mode.as_deref(), named.as_slice()) {
        (None | Some("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED"), _) => Choice::Auto,
        (Some("NONE"), _) => Choice::None,
        (Some("ANY"), [name]) => Choice::Named((*name).to_owned()),
        (Some("ANY"), _) => Choice::Any,
        (Some(mode), _) => {
            let at = "tool_config.function_calling_config.mode";
            return Err(format!(
                "Invalid value at '{at}' (type.googleapis.com/FunctionCallingConfig.Mode), \"{mode}\""
            ));
        }
    };
    Ok(())
}

/// What is left to check once all names in it are known.
pub fn check_schema(at: &str, schema: &Value) -> Result<(), String> {
    let request = format!("* GenerateContentRequest.{at}");
    let kind = schema["type"].as_str().unwrap_or_default().to_uppercase();
    if !kind.is_empty() && !TYPES.contains(&kind.as_str()) {
        return Err(format!("Invalid value at '{at}.type' (type.googleapis.com/Type), {}", schema["type"]));
    }
    let properties = schema["properties"].as_object();
    if kind == "OBJECT" && properties.is_none_or(|properties| properties.is_empty()) {
        return Err(format!("{request}.properties: should be non-empty for OBJECT type"));
    }
    if kind == "ARRAY" && schema.get("items").is_none() {
        return Err(format!("{request}.items: missing field."));
    }
    if schema.get("enum").is_some() && kind != "STRING" {
        return Err(format!("{request}.enum: only allowed for STRING type"));
    }
    let format = schema["format"].as_str();
    if kind == "STRING" && format.is_some_and(|format| !FORMATS.contains(&format)) {
        return Err(format!("{request}.format: only 'enum' and 'date-time' are supported for STRING type"));
    }
    let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).enumerate();
    let is_known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
    if let Some((index, _)) = required.find(|(_, name)| !is_known(name)) {
        return Err(format!("{request}.required[{index}]: property is not defined"));
    }
    for (name, property) in properties.into_iter().flatten() {
        check_schema(&format!("{at}.properties[{name}]"), property)?;
    }
    for (index, inner) in schema["anyOf"].as_array().into_iter().flatten().enumerate() {
        check_schema(&format!("{at}.any_of[{index}]"), inner)?;
    }
    schema.get("items").map_or(Ok(()), |items| check_schema(&format!("{at}.items"), items))
}

/// As JSON Schema writes it.
pub fn lowered(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => object
            .iter()
            .map(|(name, value)| match value.as_str().filter(|_| name == "type") {
                Some(kind) => (name.clone(), json!(kind.to_lowercase())),
                None => (name.clone(), lowered(value)),
            })
            .collect(),
        Value::Array(list) => list.iter().map(lowered).collect(),
        _ => schema.clone(),
    }
}

fn is_legal(name: &str) -> bool {
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte));
    begins && letters && name.len() <= NAME_CHARS_MAX
}
