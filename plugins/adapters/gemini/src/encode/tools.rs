//! Tools, and how the model may choose among them.

use super::{Dropped, schema};
use crate::names;
use crate::read::tools::HOSTED;
use crate::settings::SchemaForm;
use pointsman_sdk::codec::chat::{Request, Tool, ToolChoice};
use pointsman_sdk::codec::{Fault, FaultKind, fault_at};
use serde_json::{Map, Value, json};

pub fn insert(
    body: &mut Map<String, Value>,
    form: SchemaForm,
    request: &Request,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let hosted: Vec<Value> = hosted(request, dropped);
    if request.tools.is_empty() {
        if !hosted.is_empty() {
            body.insert("tools".into(), hosted.into());
        }
        // Without functions there is nothing to choose.
        return Ok(());
    }
    let tools =
        request.tools.iter().enumerate().map(|(i, tool)| declaration(tool, form, &format!("tools[{i}]"), dropped));
    let tools = tools.collect::<Result<Value, Fault>>()?;
    let mut groups = vec![json!({ "functionDeclarations": tools })];
    groups.extend(hosted);
    body.insert("tools".into(), groups.into());
    dropped.add_if(request.parallel_tool_calls == Some(false), "parallel_tool_calls");
    let mode = match &request.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::Auto) => json!({ "mode": "AUTO" }),
        Some(ToolChoice::None) => json!({ "mode": "NONE" }),
        Some(ToolChoice::Required) => json!({ "mode": "ANY" }),
        Some(ToolChoice::Named(chosen)) => {
            json!({ "mode": "ANY", "allowedFunctionNames": [name(chosen, "tool_choice")?] })
        }
    };
    body.insert("toolConfig".into(), json!({ "functionCallingConfig": mode }));
    Ok(())
}

/// Tools that Google runs, of a caller of this protocol.
fn hosted(request: &Request, dropped: &Dropped) -> Vec<Value> {
    let hosted = request.extras.iter().filter_map(|extra| {
        let name = extra.name.strip_prefix(HOSTED)?;
        Some(json!({ name: dropped.own(extra)? }))
    });
    hosted.collect()
}

/// A tool's name as Gemini takes it, in the list of tools as well as in the conversation.
pub fn name(name: &str, path: &str) -> Result<String, Fault> {
    names::to_wire(name).ok_or_else(|| {
        let message = "Gemini takes tool names of 1 to 128 letters, digits, `_`, `.`, `:` and `-`";
        fault_at(FaultKind::Unsupported, path, message)
    })
}

fn declaration(tool: &Tool, form: SchemaForm, path: &str, dropped: &mut Dropped) -> Result<Value, Fault> {
    let mut wire = json!({ "name": name(&tool.name, &format!("{path}.name"))? });
    if let Some(description) = &tool.description {
        wire["description"] = description.as_str().into();
    }
    let path = format!("{path}.parameters");
    // An object without properties is refused in one form, and says nothing in the other.
    if !schema::takes_nothing(&tool.parameters) {
        match form {
            SchemaForm::Full => wire["parametersJsonSchema"] = schema::full(&tool.parameters, &path)?,
            SchemaForm::Subset => wire["parameters"] = schema::subset(&tool.parameters, &path)?,
        }
    }
    dropped.add_if(tool.strict == Some(true), "tools.strict");
    dropped.extras(&tool.extras, &mut wire);
    Ok(wire)
}
