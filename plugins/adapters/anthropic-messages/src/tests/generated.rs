//! Bodies that nobody thought of: whatever a caller of this protocol may say survives being read and said again.

use super::same_protocol::normal;
use super::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::Map;

/// Words that are not white space alone, some of them hard to keep.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 ,.é{}\"\\\\]{0,12}[a-z]",
        Just("pointsman".to_owned()),
        Just("Zeile\n\n二行目 \u{1f600}".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_-]{1,12}"
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1.0e6..1.0e6).prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), fields(inner).prop_map(Value::Object)]
    })
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((name(), value), 0..4).prop_map(|fields| fields.into_iter().collect())
}

/// Adds `fields` to an object, each with its chance of being there.
fn with(
    object: impl Strategy<Value = Value> + 'static,
    more: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    more.into_iter().fold(object.boxed(), |object, (name, value)| {
        let add = move |(mut object, value): (Value, Option<Value>)| {
            if let Some(value) = value {
                object[name] = value;
            }
            object
        };
        (object, of(value)).prop_map(add).boxed()
    })
}

fn mark() -> BoxedStrategy<Value> {
    prop_oneof![Just(json!({ "type": "ephemeral" })), Just(json!({ "type": "ephemeral", "ttl": "1h" }))].boxed()
}

/// What any block may have, and what nobody knows yet.
fn block(object: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    with(object, vec![("cache_control", mark()), ("x_novelty", json_value().boxed())])
}

fn text_block() -> BoxedStrategy<Value> {
    block(words().prop_map(|text| json!({ "type": "text", "text": text })))
}

fn source(mime: &'static str) -> BoxedStrategy<Value> {
    let bytes = vec(any::<u8>(), 0..8).prop_map(move |bytes| {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({ "type": "base64", "media_type": mime, "data": data })
    });
    let url = name().prop_map(|name| json!({ "type": "url", "url": format!("https://x.test/{name}") }));
    let file = name().prop_map(|id| json!({ "type": "file", "file_id": id }));
    with(prop_oneof![bytes, url, file], vec![("x_novelty", json_value().boxed())])
}

fn media_block() -> BoxedStrategy<Value> {
    let image = source("image/png").prop_map(|source| json!({ "type": "image", "source": source }));
    let plain = words().prop_map(|data| json!({ "type": "text", "media_type": "text/plain", "data": data }));
    let document = prop_oneof![source("application/pdf"), plain.boxed()]
        .prop_map(|source| json!({ "type": "document", "source": source }));
    let citations = Just(json!({ "enabled": true })).boxed();
    let document = with(document, vec![("title", words().prop_map(Value::from).boxed()), ("citations", citations)]);
    prop_oneof![block(image), block(document)].boxed()
}

fn tool_result() -> BoxedStrategy<Value> {
    let result = name().prop_map(|id| json!({ "type": "tool_result", "tool_use_id": id }));
    let blocks = vec(prop_oneof![text_block(), media_block()], 0..3).prop_map(Value::from);
    let content = prop_oneof![words().prop_map(Value::from), Just(json!("")), blocks];
    block(with(result, vec![("content", content.boxed()), ("is_error", any::<bool>().prop_map(Value::from).boxed())]))
}

fn user_message() -> BoxedStrategy<Value> {
    let blocks = (vec(tool_result(), 0..3), vec(prop_oneof![text_block(), media_block()], 1..3));
    let blocks = blocks.prop_map(|(results, others)| Value::from([results, others].concat()));
    message("user", prop_oneof![words().prop_map(Value::from), blocks].boxed())
}

fn assistant_message() -> BoxedStrategy<Value> {
    let thinking = (words(), name())
        .prop_map(|(text, signature)| json!({ "type": "thinking", "thinking": text, "signature": signature }));
    let redacted = name().prop_map(|data| json!({ "type": "redacted_thinking", "data": data }));
    let call = (name(), name(), fields(json_value()))
        .prop_map(|(id, name, input)| json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
    let first = prop_oneof![block(thinking), block(redacted)];
    let rest = vec(prop_oneof![text_block(), block(call)], 1..4);
    let content = (first, rest).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        Value::from(rest)
    });
    message("assistant", prop_oneof![words().prop_map(Value::from), content].boxed())
}

fn message(role: &'static str, content: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let message = content.prop_map(move |content| json!({ "role": role, "content": content }));
    with(message, vec![("x_novelty", json_value().boxed())])
}

/// A user speaks first and last; instructions follow users.
fn messages() -> BoxedStrategy<Value> {
    let system = message("system", words().prop_map(Value::from).boxed());
    let turn = (user_message(), of(system), assistant_message());
    let turn = turn.prop_map(|(user, system, assistant)| [Some(user), system, Some(assistant)]);
    let turns = (vec(turn, 0..3), vec(user_message(), 1..3));
    turns.prop_map(|(turns, last)| turns.into_iter().flatten().flatten().chain(last).collect()).boxed()
}

fn tool() -> BoxedStrategy<Value> {
    let schema = fields(json_value()).prop_map(|mut schema| {
        schema.insert("type".into(), "object".into());
        schema
    });
    let tool = (name(), schema).prop_map(|(name, schema)| json!({ "name": name, "input_schema": schema }));
    let flag = || any::<bool>().prop_map(Value::from).boxed();
    let more = vec![
        ("description", words().prop_map(Value::from).boxed()),
        ("type", Just(json!("custom")).boxed()),
        ("strict", flag()),
        ("defer_loading", flag()),
        ("eager_input_streaming", flag()),
    ];
    block(with(tool, more))
}

fn thinking() -> BoxedStrategy<Value> {
    let kinds = [json!({ "type": "adaptive" }), json!({ "type": "between_tools" }), json!({ "type": "disabled" })];
    let kinds = Union::new(kinds.map(Just)).boxed();
    let budget = (1024_u32..50_000).prop_map(|tokens| json!({ "type": "enabled", "budget_tokens": tokens }));
    let display = prop_oneof![Just(json!("summarized")), Just(json!("omitted"))];
    with(prop_oneof![kinds, budget.boxed()], vec![("display", display.boxed()), ("x_novelty", json_value().boxed())])
}

fn output_config() -> BoxedStrategy<Value> {
    let effort = Union::new(["low", "medium", "high", "xhigh", "max"].map(|word| Just(json!(word)))).boxed();
    let format = fields(json_value()).prop_map(|schema| json!({ "type": "json_schema", "schema": schema }));
    let more = vec![("effort", effort), ("format", format.boxed()), ("x_novelty", json_value().boxed())];
    with(Just(json!({})), more)
}

fn body() -> BoxedStrategy<Value> {
    let needed = (messages(), 1_u32..100_000)
        .prop_map(|(messages, limit)| json!({ "model": "m", "max_tokens": limit, "messages": messages }));
    let share = || prop_oneof![(0.0..=1.0).prop_map(Value::from), Just(json!(1))].boxed();
    let system = prop_oneof![words().prop_map(Value::from), vec(text_block(), 1..3).prop_map(Value::from)];
    let metadata =
        with(Just(json!({})), vec![("user_id", words().prop_map(Value::from).boxed()), ("team", json_value().boxed())]);
    let body = with(
        needed,
        vec![
            ("system", system.boxed()),
            ("temperature", share()),
            ("top_p", share()),
            ("top_k", any::<u8>().prop_map(Value::from).boxed()),
            ("stop_sequences", vec(words(), 0..3).prop_map(Value::from).boxed()),
            ("stream", any::<bool>().prop_map(Value::from).boxed()),
            ("metadata", metadata),
            ("thinking", thinking()),
            ("output_config", output_config()),
            ("context_management", json_value().boxed()),
            ("service_tier", Just(json!("auto")).boxed()),
            ("cache_control", mark()),
            ("x_novelty", json_value().boxed()),
        ],
    );
    // A choice without tools is refused, and a forced one beside a budget.
    let choice = prop_oneof![Just(json!({ "type": "auto" })), Just(json!({ "type": "none" }))];
    let choice = with(choice, vec![("x_novelty", json_value().boxed())]);
    let tools = with(vec(tool(), 1..3).prop_map(|tools| json!({ "tools": tools })), vec![("tool_choice", choice)]);
    let add = |(mut body, tools): (Value, Option<Value>)| {
        let tools = tools.as_ref().and_then(Value::as_object);
        tools.into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    (body, of(tools)).prop_map(add).boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_survives_being_read_and_said_again(body in body()) {
        let (encoded, dropped) = encode(read(body.clone()));
        prop_assert_eq!(normal(encoded), normal(body));
        prop_assert!(dropped.is_empty(), "{:?}", dropped);
    }

    /// Saying it once brings it into its normal form; saying it again changes nothing more, not even the order.
    #[test]
    fn the_second_time_changes_nothing(body in body()) {
        let once = encode(read(body)).0;
        prop_assert_eq!(encode(read(once.clone())).0.to_string(), once.to_string());
    }
}
