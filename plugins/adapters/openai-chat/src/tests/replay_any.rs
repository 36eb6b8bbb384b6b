//! Any valid body that comes from a caller of this protocol goes to a provider of it as it was. The bodies made here
//! are in the normal forms of README.md already; `replay` tests what brings others there.

use super::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Number};

/// Letters, and what JSON, base64 and UTF-8 make difficult.
fn words() -> impl Strategy<Value = String> {
    "[a-z \"\\\\{}\n\u{0}é世👋]{1,12}"
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,40}"
}

/// Fields that nobody knows, with values of every kind but null, which is as good as absent.
fn extras() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
        vec(words(), 0..3).prop_map(Value::from),
        words().prop_map(|text| json!({"type": text, "ttl": [1, null]})),
    ];
    proptest::collection::hash_map("x_[a-z]{1,4}", value, 0..3).prop_map(|fields| fields.into_iter().collect())
}

fn with(mut object: Value, extras: Map<String, Value>) -> Value {
    object.as_object_mut().expect("an object").extend(extras);
    object
}

fn text_part() -> impl Strategy<Value = Value> {
    (words(), extras()).prop_map(|(text, extras)| with(json!({"type": "text", "text": text}), extras))
}

fn media_part() -> impl Strategy<Value = Value> {
    let data = vec(any::<u8>(), 1..9)
        .prop_map(|bytes| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes));
    (data, extras(), extras(), 0..5).prop_map(|(data, outer, inner, kind)| {
        let (name, object) = match kind {
            0 => ("image_url", json!({"url": format!("data:image/png;base64,{data}"), "detail": "high"})),
            1 => ("image_url", json!({"url": "https://example.org/a.png?b=c"})),
            2 => ("input_audio", json!({"data": data, "format": "mp3"})),
            3 => ("file", json!({"filename": "a.pdf", "file_data": format!("data:application/pdf;base64,{data}")})),
            _ => ("file", json!({"file_id": "file-1"})),
        };
        with(json!({"type": name, (name): with(object, inner)}), outer)
    })
}

/// A list of one text alone would come out as a string.
fn content(part: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let is_normal = |parts: &Vec<Value>| {
        parts.len() > 1 || parts[0]["type"] != "text" || parts[0].as_object().is_some_and(|part| part.len() > 2)
    };
    prop_oneof![
        words().prop_map(Value::from),
        vec(part, 1..4).prop_filter("in normal form", is_normal).prop_map(Value::from),
    ]
}

fn call() -> impl Strategy<Value = Value> {
    (id(), words(), extras(), extras()).prop_map(|(id, arguments, outer, inner)| {
        let function = with(json!({"name": "look", "arguments": arguments}), inner);
        with(json!({"id": id, "type": "function", "function": function}), outer)
    })
}

fn message() -> impl Strategy<Value = Value> {
    let said = |role: &'static str, content| {
        (content, extras())
            .prop_map(move |(content, extras): (Value, _)| with(json!({"role": role, "content": content}), extras))
    };
    let any_part = || prop_oneof![text_part(), media_part()];
    let assistant =
        (option::of(content(text_part()).boxed()), vec(call(), 1..3), extras()).prop_map(|(content, calls, extras)| {
            with(json!({"role": "assistant", "content": content, "tool_calls": calls}), extras)
        });
    let tool = (id(), content(text_part()), option::of(words()), extras()).prop_map(|(id, content, name, extras)| {
        let mut message = json!({"role": "tool", "tool_call_id": id, "content": content});
        if let Some(name) = name {
            message["name"] = name.into();
        }
        with(message, extras)
    });
    prop_oneof![
        said("system", content(text_part()).boxed()),
        said("user", content(any_part()).boxed()),
        said("assistant", content(text_part()).boxed()),
        assistant,
        tool,
    ]
}

fn tool() -> impl Strategy<Value = Value> {
    (id(), option::of(words()), option::of(any::<bool>()), extras(), extras()).prop_map(
        |(name, description, strict, outer, inner)| {
            let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "x": [1, null]});
            let mut function = with(json!({"name": name, "parameters": schema}), inner);
            if let Some(description) = description {
                function["description"] = description.into();
            }
            if let Some(strict) = strict {
                function["strict"] = strict.into();
            }
            with(json!({"type": "function", "function": function}), outer)
        },
    )
}

/// Fields at the top, each there or not.
fn options() -> impl Strategy<Value = Map<String, Value>> {
    let field = |name: &'static str, value: BoxedStrategy<Value>| {
        option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let number = |most: f64| (0.0..=most).prop_map(Value::from).boxed();
    let schema = json!({"name": "n", "description": "d", "schema": {"type": "object"}});
    let format =
        prop_oneof![Just(json!({"type": "json_object"})), Just(json!({"type": "json_schema", "json_schema": schema})),];
    let effort = prop_oneof![Just("none"), Just("low"), Just("xhigh"), Just("max")];
    let fields = (
        field("max_completion_tokens", any::<u32>().prop_map(Value::from).boxed()),
        field("temperature", number(2.0)),
        field("top_p", number(1.0)),
        field("stop", vec(words(), 1..=4).prop_map(Value::from).boxed()),
        field("seed", any::<i64>().prop_map(Value::from).boxed()),
        field("reasoning_effort", effort.prop_map(Value::from).boxed()),
        field("user", "[a-z]{1,64}".prop_map(Value::from).boxed()),
        field("response_format", format.boxed()),
        field("frequency_penalty", number(2.0)),
        field("metadata", extras().prop_map(Value::from).boxed()),
    );
    fields.prop_map(|(a, b, c, d, e, f, g, h, i, j)| [a, b, c, d, e, f, g, h, i, j].into_iter().flatten().collect())
}

fn body() -> impl Strategy<Value = Value> {
    let choice = prop_oneof![
        Just(json!("auto")),
        Just(json!("required")),
        Just(json!({"type": "function", "function": {"name": "f"}})),
    ];
    let tools = (vec(tool(), 1..3), option::of(choice), option::of(any::<bool>()));
    (vec(message(), 1..6), option::of(tools), options(), extras(), any::<bool>()).prop_map(
        |(messages, tools, options, extras, stream)| {
            let mut body = with(with(json!({"model": "m", "messages": messages}), options), extras);
            if let Some((tools, choice, parallel)) = tools {
                body["tools"] = tools.into();
                if let Some(choice) = choice {
                    body["tool_choice"] = choice;
                }
                if let Some(parallel) = parallel {
                    body["parallel_tool_calls"] = parallel.into();
                }
            }
            if stream {
                body["stream"] = true.into();
                body["stream_options"] = json!({"include_usage": true});
            }
            body
        },
    )
}

/// Numbers are the same that have the same value: `1.0` and `1`.
fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let fraction = number.as_i64().is_none().then(|| number.as_f64().and_then(Number::from_f64)).flatten();
            let whole = fraction.as_ref().and_then(Number::as_f64).filter(|value| value.fract() == 0.0);
            whole
                .map(|value| Value::from(value as i64))
                .or(fraction.map(Value::Number))
                .unwrap_or(Value::Number(number))
        }
        Value::Array(items) => items.into_iter().map(by_value).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, by_value(value))).collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_comes_out_as_it_went_in(body in body()) {
        let request = read(body.clone()).expect("it is valid");
        prop_assert_eq!(&request.protocol, "openai-chat");
        let (said, dropped) = encode(json!({}), request).expect("it can be said");
        prop_assert_eq!(by_value(said), by_value(body));
        prop_assert!(dropped.is_empty());
    }
}
