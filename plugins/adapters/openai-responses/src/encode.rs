//! A request of another protocol, said as the body of `POST /responses`.

mod content;
mod extras;
mod items;
mod reasoning;
mod tools;

use crate::{COMPACT, COUNT_TOKENS, PROTOCOL, ids};
use pointsman_sdk::codec::chat::Request;
use pointsman_sdk::codec::provider::ModelFacts;
use pointsman_sdk::codec::{Fault, FaultKind, fault, fault_at};
use serde_json::{Map, Value, json};

pub use extras::Dropped;

/// A smaller limit is refused.
const OUTPUT_TOKENS_MIN: u32 = 16;

/// What `/responses/input_tokens` takes, and Codex sends to `/responses/compact`: the official SDK's `InputTokenCountParams`.
const COUNTED: [&str; 8] =
    ["model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"];

/// The body, and the names of the fields that it does not say.
pub fn body(operation: &str, request: Request, model: &ModelFacts) -> Result<(Vec<u8>, Vec<String>), Fault> {
    let is_own = request.protocol == PROTOCOL;
    let mut dropped = Dropped::new(is_own);
    let reasoning = reasoning::ask(&request, model, &mut dropped);
    let said = items::said(request.messages, model, &mut dropped)?;

    let mut body = Body(Map::new());
    body.put("model", Some(request.model));
    body.put("instructions", said.instructions);
    body.put("input", Some(said.items));
    // OpenAI refuses an empty list, and every word about tools where there are none.
    let mut extras = request.extras;
    let hosted = if is_own { tools::hosted(&mut extras) } else { Vec::new() };
    let has_tools = !request.tools.is_empty() || !hosted.is_empty();
    let choice = tools::choice(request.tool_choice, &request.tools, has_tools, is_own)?;
    if has_tools {
        let mut tools = tools::list(request.tools, &mut dropped)?;
        tools.extend(hosted);
        body.put("tools", Some(tools));
        body.put("tool_choice", choice);
        body.put("parallel_tool_calls", request.parallel_tool_calls);
    }
    body.put("text", tools::format(request.output, is_own)?.map(|format| json!({"format": format})));
    let limit = request.max_output_tokens.map(|tokens| tokens.min(model.output_tokens.unwrap_or(tokens)));
    body.put("max_output_tokens", limit.map(|tokens| tokens.max(OUTPUT_TOKENS_MIN)));
    if model.sampling == Some(false) {
        dropped.add_if(request.temperature.is_some(), "temperature");
        dropped.add_if(request.top_p.is_some(), "top_p");
    } else {
        body.put("temperature", request.temperature.map(|temperature| temperature.clamp(0.0, 2.0)));
        body.put("top_p", request.top_p.map(|top_p| top_p.clamp(0.0, 1.0)));
    }
    body.put("reasoning", reasoning.field);
    body.put("include", reasoning.is_wanted.then(|| json!(["reasoning.encrypted_content"])));
    // `read` makes an extra of `user` where it stands beside the newer name.
    let has_both = is_own && extras.iter().any(|extra| extra.name == "user");
    let user_field = if has_both { "safety_identifier" } else { "user" };
    body.put(user_field, request.user.map(|user| ids::user(&user)));
    // Nothing stays with the provider: the next turn may go to another one.
    body.put("store", Some(false));
    body.put("stream", request.stream.then_some(true));
    extras::put_back(&mut body.0, &request.protocol, extras, &mut dropped);
    dropped.add_if(!request.stop.is_empty(), "stop");
    dropped.add_if(request.seed.is_some(), "seed");

    if matches!(operation, COUNT_TOKENS | COMPACT) {
        body.0.retain(|name, _| COUNTED.contains(&name.as_str()));
    }
    let bytes = serde_json::to_vec(&body.0).map_err(|error| fault(FaultKind::AdapterFailed, error.to_string()))?;
    Ok((bytes, dropped.names()))
}

struct Body(Map<String, Value>);

impl Body {
    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.into(), value.into());
        }
    }
}

fn unsupported(field: impl Into<String>, message: impl Into<String>) -> Fault {
    fault_at(FaultKind::Unsupported, field, message)
}
