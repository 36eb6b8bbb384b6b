//! Bodies that nobody thought of: whatever a caller of this protocol may say survives being read and said again. They
//! are in the normal forms of README.md already; `read` and `read_messages` test what brings others there.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Letters, and what JSON and UTF-8 make difficult; never the text of a JSON object.
fn words() -> impl Strategy<Value = String> {
    "[a-z \"\\\\{}\n\u{0}é世👋]{0,11}[a-z]"
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_.:-]{0,9}".prop_filter("read back it is another", |name| !name.starts_with("esc."))
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
        Just(json!([1, null, 2.5])),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| prop_oneof![vec(inner.clone(), 0..3).prop_map(Value::from), fields(inner)])
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    vec(("[a-z_]{1,6}", value), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// Adds `more` to an object, each with its chance of being there; and a field that nobody knows yet.
fn with(
    object: impl Strategy<Value = Value> + 'static,
    mut more: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    more.push(("xNovelty", json_value().boxed()));
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

fn text() -> BoxedStrategy<Value> {
    words().prop_map(Value::from).boxed()
}

fn media() -> BoxedStrategy<Value> {
    let mimes = select(vec!["image/png", "image/gif", "application/zip", "text/plain", "audio/mp3", "x/y"]);
    let blob = (vec(any::<u8>(), 0..9), mimes.clone());
    let blob = blob.prop_map(|(bytes, mime)| json!({ "mimeType": mime, "data": STANDARD.encode(bytes) }));
    let blob = with(blob, vec![("displayName", text())]).prop_map(|blob| json!({ "inlineData": blob }));
    let places = ["gs://b/v", "https://x.test/y.png", "https://youtu.be/z", "files/a"];
    let file = select(places.to_vec()).prop_map(|uri| json!({ "fileUri": uri }));
    let file = with(file, vec![("displayName", text()), ("mimeType", mimes.prop_map(Value::from).boxed())]);
    let file = file.prop_map(|file| json!({ "fileData": file }));
    with(prop_oneof![blob, file], vec![("videoMetadata", json_value().boxed()), ("partMetadata", json_value().boxed())])
}

fn text_part() -> BoxedStrategy<Value> {
    with(words().prop_map(|text| json!({ "text": text })), vec![("partMetadata", json_value().boxed())])
}

/// Of the model; only the model signs.
fn signed(part: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let signature = vec(any::<u8>(), 1..9).prop_map(|bytes| Value::from(STANDARD.encode(bytes)));
    with(part, vec![("thoughtSignature", signature.boxed())])
}

fn call() -> BoxedStrategy<Value> {
    let call = (name(), fields(json_value())).prop_map(|(name, args)| json!({ "name": name, "args": args }));
    let call = with(call, vec![("willContinue", Just(json!(false)).boxed())]);
    with(call.prop_map(|call| json!({ "functionCall": call })), vec![("partMetadata", json_value().boxed())])
}

/// What a tool said, and more; its name and id are the call's.
fn result() -> BoxedStrategy<Value> {
    let failure = prop_oneof![text(), fields(Just(json!({ "$ref": "a" }))).boxed()];
    let response = prop_oneof![
        words().prop_map(|text| json!({ "result": text })),
        Just(json!({ "result": "" })),
        failure.prop_map(|error| json!({ "error": error })),
        (fields(json_value()), json_value()).prop_map(|(mut said, value)| {
            said["result"] = json!({ "$ref": value });
            said
        }),
    ];
    let response = response.prop_map(|response| json!({ "response": response }));
    let parts = vec(media(), 1..3).prop_map(Value::from).boxed();
    let more = vec![("parts", parts), ("scheduling", Just(json!("SILENT")).boxed())];
    with(with(response, more).prop_map(|result| json!({ "functionResponse": result })), Vec::new())
}

/// A model that calls, and the user's results and words.
fn turn() -> impl Strategy<Value = [Value; 2]> {
    let said = vec(signed(prop_oneof![text_part(), media()].boxed()), 0..3);
    let calls = vec((signed(call()), result()), 0..3);
    let words = vec(prop_oneof![text_part(), media()], 1..3);
    let turn = (said, calls, words)
        .prop_filter("the model says something", |(said, calls, _)| !said.is_empty() || !calls.is_empty());
    turn.prop_map(|(mut said, calls, words)| {
        let mut answers = Vec::new();
        for (mut call, mut answer) in calls {
            let id = Value::from(format!("id{}", answers.len()));
            call["functionCall"]["id"] = id.clone();
            answer["functionResponse"]["id"] = id;
            answer["functionResponse"]["name"] = call["functionCall"]["name"].clone();
            said.push(call);
            answers.push(answer);
        }
        answers.extend(words);
        [json!({ "role": "model", "parts": said }), json!({ "role": "user", "parts": answers })]
    })
}

fn contents() -> impl Strategy<Value = Value> {
    let first = vec(prop_oneof![text_part(), media()], 1..3);
    (first, vec(turn(), 0..3)).prop_map(|(first, turns)| {
        let first = json!({ "role": "user", "parts": first });
        std::iter::once(first).chain(turns.into_iter().flatten()).collect()
    })
}

fn schema() -> BoxedStrategy<Value> {
    let property = (words(), json_value())
        .prop_map(|(words, value)| json!({ "type": ["string", "null"], "description": words, "xAny": value }));
    let properties = (name(), property).prop_map(|(name, property)| json!({ name: property }));
    properties.prop_map(|properties| json!({ "type": "object", "properties": properties })).boxed()
}

fn tools() -> BoxedStrategy<Value> {
    let tool = name().prop_map(|name| json!({ "name": name }));
    let more = vec![
        ("description", text()),
        ("parametersJsonSchema", schema()),
        ("responseJsonSchema", schema()),
        ("behavior", Just(json!("NON_BLOCKING")).boxed()),
    ];
    let tools = vec(with(tool, more), 1..4).prop_flat_map(|tools| {
        let first = tools[0]["name"].clone();
        let modes = vec![
            json!({ "mode": "AUTO" }),
            json!({ "mode": "ANY" }),
            json!({ "mode": "NONE" }),
            json!({ "mode": "ANY", "allowedFunctionNames": [first] }),
        ];
        let calling = with(select(modes), Vec::new()).prop_map(|calling| json!({ "functionCallingConfig": calling }));
        let choice = with(calling, vec![("retrievalConfig", json_value().boxed())]);
        let tools = json!({ "tools": [{ "functionDeclarations": tools }] });
        with_bare(Just(tools), "toolConfig", choice)
    });
    tools.boxed()
}

fn with_bare(
    object: impl Strategy<Value = Value> + 'static,
    name: &'static str,
    value: BoxedStrategy<Value>,
) -> BoxedStrategy<Value> {
    let add = move |(mut object, value): (Value, Option<Value>)| {
        if let Some(value) = value {
            object[name] = value;
        }
        object
    };
    (object, of(value)).prop_map(add).boxed()
}

fn config() -> BoxedStrategy<Value> {
    let number = |most: f64| (0.0..=most).prop_map(Value::from).boxed();
    let budget =
        prop_oneof![Just(-1_i64), Just(0), 1..100_000_i64].prop_map(|tokens| json!({ "thinkingBudget": tokens }));
    let level = select(vec!["MINIMAL", "LOW", "MEDIUM", "HIGH"]).prop_map(|level| json!({ "thinkingLevel": level }));
    let shown = any::<bool>().prop_map(|shown| json!({ "includeThoughts": shown }));
    let thinking =
        with(prop_oneof![budget, level, shown], vec![("includeThoughts", any::<bool>().prop_map(Value::from).boxed())]);
    let format = of(schema()).prop_map(|schema| {
        let mut format = json!({ "responseMimeType": "application/json" });
        if let Some(schema) = schema {
            format["responseJsonSchema"] = schema;
        }
        format
    });
    let more = vec![
        ("maxOutputTokens", (1_u32..).prop_map(Value::from).boxed()),
        ("temperature", number(2.0)),
        ("topP", number(1.0)),
        ("stopSequences", vec(words(), 1..6).prop_map(Value::from).boxed()),
        ("seed", any::<i32>().prop_map(Value::from).boxed()),
        ("thinkingConfig", thinking),
        ("topK", number(40.0)),
        ("presencePenalty", number(1.0)),
        ("mediaResolution", Just(json!("LOW")).boxed()),
    ];
    with(prop_oneof![Just(json!({})), format], more)
}

fn body() -> BoxedStrategy<Value> {
    let system = vec(text_part(), 1..3).prop_map(|parts| json!({ "parts": parts })).boxed();
    let more = vec![
        ("systemInstruction", system),
        ("generationConfig", config()),
        ("safetySettings", json_value().boxed()),
        ("labels", Just(json!({ "a": "b" })).boxed()),
    ];
    let body = with(contents().prop_map(|contents| json!({ "contents": contents })), more);
    let add = |(mut body, tools): (Value, Option<Value>)| {
        let tools = tools.as_ref().and_then(Value::as_object);
        tools.into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    (body, of(tools())).prop_map(add).boxed()
}

/// Not shown is the default; and numbers are the same that have the same value.
fn normal(mut body: Value) -> Value {
    let without = |object: Option<&mut Value>, name: &str, default: Value| {
        if let Some(fields) = object.and_then(Value::as_object_mut) {
            fields.retain(|field, value| field != name || *value != default);
        }
    };
    without(body.pointer_mut("/generationConfig/thinkingConfig"), "includeThoughts", json!(false));
    without(body.pointer_mut("/generationConfig"), "thinkingConfig", json!({}));
    without(Some(&mut body), "generationConfig", json!({}));
    by_value(body)
}

fn by_value(value: Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_none() => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(by_value).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, by_value(value))).collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_survives_being_read_and_said_again(body in body()) {
        let (encoded, dropped) = encode(read(body.clone()));
        prop_assert_eq!(normal(encoded), normal(body));
        prop_assert!(dropped.is_empty(), "{:?}", dropped);
    }
}
