//! The Responses API, as it looks from outside. Errors and headers are those of Chat Completions.
//!
//! <https://platform.openai.com/docs/api-reference/responses>
//!
//! This fake keeps the items of its answers, but not the answers: any id that begins with `resp_` may be a previous response. The
//! encrypted content of a reasoning item is the base64 of `fake/openai-responses/<id of the item>`.

mod events;
mod items;
mod kept;
mod parts;
mod rules;
#[cfg(test)]
mod tests;
mod tools;

use serde_json::{Value, json};

use super::answer::{Answer, Finish, THINKING_TOKENS};
use super::openai::{self, CREATED};
use super::reply::{Refused, Script};
use super::seal::seal;
use super::state::Seen;
use super::{Protocol, prefill};

use self::rules::Request;

pub use self::events::error_event;
pub use self::kept::Kept;

pub fn script(seen: &Seen, body: &Value, number: usize) -> Result<Script, Refused> {
    openai::rules::check_key(seen).map_err(openai::refusal)?;
    let (counts, compacts) = match (seen.method.as_str(), seen.bare_path()) {
        ("POST", "/v1/responses") => (false, false),
        ("POST", "/v1/responses/input_tokens") => (true, false),
        ("POST", "/v1/responses/compact") => (false, true),
        _ => return Err(openai::invalid_url(seen)),
    };
    let mut request = rules::check(body).map_err(openai::refusal)?;
    let asked = |body: &Value| rules::check(body).map(|request| request.asked);
    request.asked = prefill::read(seen, body, asked).map_err(openai::refusal)?;
    let answer = Answer::to(&request.asked, Protocol::OpenAiResponses);
    if counts {
        let body = json!({ "object": "response.input_tokens", "input_tokens": answer.input_tokens });
        return Ok(Script::Whole { body, chunks: 1 });
    }
    if compacts {
        let id = format!("cmp_fake{number:06}");
        let item = json!({ "type": "compaction", "id": id, "encrypted_content": seal(Protocol::OpenAiResponses, &id) });
        let usage =
            json!({ "input_tokens": answer.input_tokens, "output_tokens": 1, "total_tokens": answer.input_tokens + 1 });
        let body = json!({
            "id": self::id(number), "object": "response.compaction", "created_at": CREATED, "output": [item], "usage": usage,
        });
        return Ok(Script::Whole { body, chunks: 1 });
    }
    let reply = Reply { request: &request, body, answer: &answer, number };
    Ok(match request.asked.stream {
        true => Script::Stream(events::stream(&reply)),
        false => Script::Whole { body: reply.finished(), chunks: answer.chunks() },
    })
}

/// What a tool of free text is given: orders tell it as they tell a function's only argument, `{"input": TEXT}`.
fn free_text(arguments: &str) -> String {
    let object: Value = serde_json::from_str(arguments).unwrap_or_default();
    object["input"].as_str().unwrap_or(arguments).to_owned()
}

fn id(number: usize) -> String {
    format!("resp_fake{number:06}")
}

/// One reply, in all the forms that it takes.
struct Reply<'a> {
    request: &'a Request,
    /// Of the request: much of it is said back.
    body: &'a Value,
    answer: &'a Answer,
    number: usize,
}

impl Reply<'_> {
    /// The response with nothing in it yet.
    fn begun(&self) -> Value {
        let said = |field: &str, otherwise: Value| {
            self.body.get(field).filter(|value| !value.is_null()).cloned().unwrap_or(otherwise)
        };
        json!({
            "id": id(self.number), "object": "response", "created_at": CREATED, "status": "in_progress",
            "background": false, "error": null, "incomplete_details": null,
            "instructions": said("instructions", Value::Null), "max_output_tokens": said("max_output_tokens", Value::Null),
            "metadata": said("metadata", json!({})), "model": self.request.asked.model, "output": [],
            "parallel_tool_calls": said("parallel_tool_calls", json!(true)),
            "previous_response_id": said("previous_response_id", Value::Null),
            "reasoning": said("reasoning", json!({ "effort": null, "summary": null })), "service_tier": "default",
            "store": said("store", json!(true)), "temperature": said("temperature", json!(1.0)),
            "text": said("text", json!({ "format": { "type": "text" } })), "tool_choice": said("tool_choice", json!("auto")),
            "tools": said("tools", json!([])), "top_p": said("top_p", json!(1.0)), "truncation": "disabled", "usage": null,
        })
    }

    fn finished(&self) -> Value {
        let mut response = self.begun();
        response["output"] = json!(self.items());
        response["status"] = json!("completed");
        if self.answer.finish == Finish::Length {
            response["status"] = json!("incomplete");
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        let (input, output) = (self.answer.input_tokens, self.answer.output_tokens);
        let reasoning = if self.request.asked.thinking { THINKING_TOKENS } else { 0 };
        response["usage"] = json!({
            "input_tokens": input, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": output,
            "output_tokens_details": { "reasoning_tokens": reasoning }, "total_tokens": input + output,
        });
        response
    }

    /// Reasoning, then a message or calls.
    fn items(&self) -> Vec<Value> {
        let mut items: Vec<Value> = self.request.asked.thinking.then(|| self.reasoning()).into_iter().collect();
        if self.answer.calls.is_empty() {
            let text =
                json!({ "type": "output_text", "text": self.answer.text.concat(), "annotations": [], "logprobs": [] });
            items.push(json!({
                "id": format!("msg_fake{:06}", self.number), "type": "message", "role": "assistant", "content": [text],
                "status": if self.answer.finish == Finish::Length { "incomplete" } else { "completed" },
            }));
        }
        let forms = &self.request.forms;
        let calls = self.answer.calls.iter().enumerate().map(|(position, call)| {
            let mut item = json!({
                "id": format!("fc_fake{:06}_{position}", self.number), "type": "function_call", "status": "completed",
                "call_id": format!("call_{:06}_{position}", self.number), "name": call.name, "arguments": call.arguments,
            });
            if forms.custom.contains(&call.name) {
                item = json!({
                    "id": format!("ctc_fake{:06}_{position}", self.number), "type": "custom_tool_call",
                    "status": "completed", "call_id": item["call_id"], "name": call.name,
                    "input": free_text(&call.arguments),
                });
            }
            if let Some((_, namespace)) = forms.namespaced.iter().find(|(name, _)| *name == call.name) {
                item["namespace"] = json!(namespace);
            }
            item
        });
        items.extend(calls);
        items
    }

    /// What was thought is told only in a summary, and only to who asks; the whole of it only sealed.
    fn reasoning(&self) -> Value {
        let id = format!("rs_fake{:06}", self.number);
        let thought = self.answer.thinking.filter(|_| self.request.summary);
        let summary: Vec<Value> = thought.iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
        let mut item = json!({ "id": id, "type": "reasoning", "summary": summary });
        if self.request.encrypted {
            item["encrypted_content"] = json!(seal(Protocol::OpenAiResponses, &id));
        }
        item
    }
}
