//! How much the model is told to think.

use super::*;
use pointsman_adapter_sdk::provider::ReasoningForm;

fn asked(effort: Option<&str>, budget: Option<u32>) -> Request {
    Request { reasoning_effort: effort.map(str::to_owned), reasoning_budget_tokens: budget, ..ask("hi") }
}

/// `thinking`, the effort, and what was dropped.
fn chosen(request: Request, form: Option<ReasoningForm>) -> (Value, Value, Vec<String>) {
    let (body, dropped) = encode_with(request, ModelFacts { reasoning: form, ..no_facts() });
    let thinking = body["additionalModelRequestFields"]["thinking"].clone();
    (thinking, body["outputConfig"]["effort"].clone(), dropped)
}

fn enabled(tokens: u32) -> Value {
    json!({ "type": "enabled", "budget_tokens": tokens })
}

#[test]
fn claude_is_asked_in_the_way_it_knows() {
    use ReasoningForm::{Adaptive, Budget, Effort};
    let adaptive = json!({ "type": "adaptive" });
    let none = Value::Null;
    let table = [
        (None, None, Some(Adaptive), &none, None, None),
        (Some("minimal"), None, None, &adaptive, Some("low"), None),
        (Some("low"), None, Some(Effort), &none, Some("low"), None),
        (Some("low"), None, Some(ReasoningForm::None), &none, None, Some("reasoning_effort")),
        (Some("high"), None, Some(Budget), &enabled(16_384), None, None),
        (None, Some(5000), None, &enabled(5000), None, None),
        (Some("max"), Some(5000), Some(Budget), &enabled(5000), None, Some("reasoning_effort")),
        (Some("max"), Some(5000), Some(Adaptive), &adaptive, Some("max"), Some("reasoning_budget_tokens")),
        (Some("none"), None, None, &none, None, None),
        (Some("none"), None, Some(Adaptive), &json!({ "type": "disabled" }), None, None),
    ];
    for (effort, budget, form, thinking, told, lost) in table {
        let expected =
            (thinking.clone(), told.map_or(Value::Null, Value::from), Vec::from_iter(lost.map(str::to_owned)));
        assert_eq!(chosen(asked(effort, budget), form), expected, "{effort:?} {budget:?} {form:?}");
    }
}

#[test]
fn other_models_are_asked_only_where_they_are_known_to_listen() {
    let nova = |effort, budget| Request { model: "amazon.nova-2-lite-v1:0".into(), ..asked(effort, budget) };
    let told = vec!["reasoning_effort".to_owned()];
    assert_eq!(chosen(nova(Some("low"), None), None), (Value::Null, Value::Null, told));
    let (_, effort, dropped) = chosen(nova(Some("low"), None), Some(ReasoningForm::Level));
    assert_eq!((effort, dropped.len()), (json!("low"), 0));
    let (thinking, _, dropped) = chosen(nova(None, Some(2000)), Some(ReasoningForm::Budget));
    assert_eq!((thinking, dropped), (Value::Null, vec!["reasoning_budget_tokens".into()]));
}

#[test]
fn a_budget_leaves_room_for_the_answer() {
    let limited = |limit, effort, budget| {
        let request = Request { max_output_tokens: Some(limit), ..asked(effort, budget) };
        chosen(request, Some(ReasoningForm::Budget))
    };
    assert_eq!(limited(4096, None, Some(10_000)).0, enabled(4095));
    assert_eq!(limited(4096, Some("high"), None).0, enabled(2048));
    assert_eq!(limited(20_000, None, Some(5)).0, enabled(1024));
    let (thinking, _, dropped) = limited(1024, None, Some(10_000));
    assert_eq!((thinking, dropped), (Value::Null, vec!["reasoning_budget_tokens".into()]));
    assert_eq!(limited(1500, Some("low"), None).2, ["reasoning_effort"]);
    let known = ModelFacts { output_tokens: Some(8000), reasoning: Some(ReasoningForm::Budget), ..no_facts() };
    let (body, _) = encode_with(asked(Some("max"), None), known);
    assert_eq!(body["additionalModelRequestFields"]["thinking"], enabled(4000));
}

#[test]
fn thinking_forbids_sampling_and_forced_tools() {
    let request =
        Request { temperature: Some(0.5), extras: vec![extra("top_k", json!(3))], ..asked(Some("low"), None) };
    let (body, dropped) = encode(request.clone());
    assert!(body.get("inferenceConfig").is_none());
    assert_eq!(body["additionalModelRequestFields"], json!({ "thinking": { "type": "adaptive" } }));
    assert_eq!(dropped, ["temperature", "top_k"]);
    let tools = vec![tool("look", json!({}))];
    let (body, dropped) = encode(Request { tools, tool_choice: Some(ToolChoice::Required), ..request });
    assert!(body["additionalModelRequestFields"].get("thinking").is_none());
    assert_eq!(dropped, ["reasoning_effort"]);
}

#[test]
fn a_pending_tool_turn_needs_its_own_thoughts_for_a_budget() {
    let turn = |first: Part| Request {
        messages: vec![
            user(vec![text("a")]),
            assistant(vec![first, call("c", "look", "{}")]),
            user(vec![result("c", vec![])]),
        ],
        ..asked(None, Some(2000))
    };
    assert_eq!(chosen(turn(thought("mine", Some("anthropic-messages"))), None).0, enabled(2000));
    let (thinking, _, dropped) = chosen(turn(thought("x", Some("gemini"))), None);
    assert_eq!((thinking, dropped), (Value::Null, vec!["reasoning".into(), "reasoning_budget_tokens".into()]));
    let adaptive = Request { reasoning_effort: Some("low".into()), reasoning_budget_tokens: None, ..turn(text("b")) };
    assert_eq!(chosen(adaptive, None).0, json!({ "type": "adaptive" }), "which does not mind");
}
