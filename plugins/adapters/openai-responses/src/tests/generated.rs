//! Bodies that nobody thought of: whatever a caller of this protocol may say survives being read and said again.

use super::*;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Map;

/// Letters, and what JSON and UTF-8 make difficult.
fn words() -> impl Strategy<Value = String> {
    "[a-z \"\\\\{}\n\u{0}é世👋]{1,12}"
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_-]{1,40}"
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
        Just(json!([1, null, 2.5])),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let fields = vec((id(), inner.clone()), 0..3);
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Adds `more` to an object, each with its chance of being there; and a field that nobody knows yet.
fn with(
    object: impl Strategy<Value = Value> + 'static,
    mut more: Vec<(&'static str, BoxedStrategy<Value>)>,
) -> BoxedStrategy<Value> {
    more.push(("x_novelty", json_value().boxed()));
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

fn word(words: &[&'static str]) -> BoxedStrategy<Value> {
    select(words.to_vec()).prop_map(Value::from).boxed()
}

fn text() -> BoxedStrategy<Value> {
    words().prop_map(Value::from).boxed()
}

fn flag() -> BoxedStrategy<Value> {
    any::<bool>().prop_map(Value::from).boxed()
}

fn input_text() -> BoxedStrategy<Value> {
    let part = words().prop_map(|text| json!({"type": "input_text", "text": text}));
    with(part, vec![("prompt_cache_breakpoint", Just(json!({"mode": "explicit"})).boxed())])
}

fn media() -> BoxedStrategy<Value> {
    use base64::Engine;
    let data = |mime: &str, bytes: Vec<u8>| {
        format!("data:{mime};base64,{}", base64::engine::general_purpose::STANDARD.encode(bytes))
    };
    let image = prop_oneof![
        vec(any::<u8>(), 0..9).prop_map(move |bytes| json!({"image_url": data("image/png", bytes)})),
        id().prop_map(|name| json!({"image_url": format!("https://x.test/{name}")})),
        id().prop_map(|id| json!({"file_id": id})),
    ];
    let named = |source: Value, mut name: Value| {
        name.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        name
    };
    let image = image.prop_map(move |source| named(source, json!({"type": "input_image"})));
    let bytes = (vec(any::<u8>(), 0..9), select(vec!["application/pdf", "text/plain", "application/zip"])).prop_map(
        move |(bytes, mime)| json!({"type": "input_file", "filename": "a.b", "file_data": data(mime, bytes)}),
    );
    let place = prop_oneof![
        id().prop_map(|name| json!({"type": "input_file", "file_url": format!("https://x.test/{name}")})),
        id().prop_map(|id| json!({"type": "input_file", "file_id": id})),
    ];
    let detail = || vec![("detail", word(&["low", "high"]))];
    prop_oneof![with(image, detail()), with(bytes, detail()), with(place, vec![("filename", text())])].boxed()
}

/// A string, or parts.
fn content(part: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop_oneof![text(), vec(part, 1..4).prop_map(Value::from)].boxed()
}

fn message(role: BoxedStrategy<Value>, content: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let message = (role, content).prop_map(|(role, content)| json!({"role": role, "content": content}));
    // What the SDKs call an easy message has no type.
    with(message, vec![("type", word(&["message"])), ("id", text()), ("status", word(&["completed"]))])
}

fn user() -> BoxedStrategy<Value> {
    message(word(&["user"]), content(prop_oneof![input_text(), media()].boxed()))
}

fn system() -> BoxedStrategy<Value> {
    message(word(&["system", "developer"]), content(input_text()))
}

fn result() -> BoxedStrategy<Value> {
    let output = content(prop_oneof![input_text(), media()].boxed());
    let result = (id(), output)
        .prop_map(|(id, output)| json!({"type": "function_call_output", "call_id": id, "output": output}));
    with(result, vec![("name", text()), ("id", text())])
}

/// A thought, if any, and what it led to.
fn step() -> impl Strategy<Value = Vec<Value>> {
    let summary = of(words()).prop_map(|text| {
        let part = text.map(|text| json!({"type": "summary_text", "text": text}));
        Value::from_iter(part)
    });
    let thought = (id(), id(), summary).prop_map(|(id, encrypted, summary)| {
        json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": encrypted})
    });
    let thought = with(thought, vec![("status", word(&["completed"]))]);
    let said = words().prop_map(|text| json!({"type": "output_text", "text": text}));
    let said = with(said, vec![("annotations", Just(json!([])).boxed())]);
    let refused = with(words().prop_map(|text| json!({"type": "refusal", "refusal": text})), Vec::new());
    let message = message(word(&["assistant"]), content(prop_oneof![said, refused].boxed()));
    let message = with(message, vec![("phase", word(&["commentary", "final_answer"]))]);
    let arguments = words().prop_filter("blank is `{}`", |text| !text.trim().is_empty());
    let call = (id(), id(), arguments).prop_map(
        |(id, name, arguments)| json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments}),
    );
    let call = with(call, vec![("id", text()), ("status", word(&["completed"]))]);
    (of(thought), prop_oneof![message, call])
        .prop_map(|(thought, led_to)| thought.into_iter().chain([led_to]).collect())
}

fn input() -> BoxedStrategy<Value> {
    let one = |item: BoxedStrategy<Value>| item.prop_map(|item| vec![item]).boxed();
    let items = prop_oneof![1 => one(system()), 2 => one(user()), 3 => step().boxed(), 2 => one(result())];
    let items = (vec(items, 0..8), user())
        .prop_map(|(items, last)| items.into_iter().flatten().chain([last]).collect::<Value>());
    prop_oneof![1 => text(), 9 => items.boxed()].boxed()
}

fn schema() -> BoxedStrategy<Value> {
    json_value().prop_map(|value| json!({"type": "object", "properties": {"a": {"x_any": value}}})).boxed()
}

fn tools() -> BoxedStrategy<Value> {
    let tool = id().prop_map(|name| json!({"type": "function", "name": name}));
    let tool = with(
        tool,
        vec![("parameters", schema()), ("description", text()), ("strict", flag()), ("defer_loading", flag())],
    );
    let choice = prop_oneof![
        word(&["auto", "none", "required"]),
        id().prop_map(|name| json!({"type": "function", "name": name})).boxed(),
    ];
    let tools = vec(tool, 1..3).prop_map(|tools| json!({"tools": tools}));
    with(tools, vec![("tool_choice", choice.boxed()), ("parallel_tool_calls", flag())])
}

fn body() -> BoxedStrategy<Value> {
    let needed = input().prop_map(|input| json!({"model": "m", "input": input}));
    let number = |most: f64| (0.0..=most).prop_map(Value::from).boxed();
    let json_schema =
        (id(), schema()).prop_map(|(name, schema)| json!({"type": "json_schema", "name": name, "schema": schema}));
    let json_schema = json_schema.boxed();
    let flags = (json_schema, of(any::<bool>()), of(words())).prop_map(|(mut format, strict, description)| {
        format.as_object_mut().unwrap().extend(strict.map(|strict| ("strict".to_owned(), strict.into())));
        format.as_object_mut().unwrap().extend(description.map(|words| ("description".to_owned(), words.into())));
        format
    });
    let format = prop_oneof![Just(json!({"type": "json_object"})), Just(json!({"type": "text"})), flags];
    let nothing = || Just(json!({}));
    let includes = ["reasoning.encrypted_content", "file_search_call.results", "web_search_call.results"];
    let include = proptest::sample::subsequence(includes.to_vec(), 0..=3);
    let body = with(
        needed,
        vec![
            ("instructions", text()),
            ("text", with(nothing(), vec![("format", format.boxed()), ("verbosity", word(&["low", "high"]))])),
            (
                "reasoning",
                with(nothing(), vec![("effort", word(&["none", "low", "max"])), ("summary", word(&["auto"]))]),
            ),
            ("include", include.prop_map(Value::from).boxed()),
            ("max_output_tokens", (16..u32::MAX).prop_map(Value::from).boxed()),
            ("temperature", number(2.0)),
            ("top_p", number(1.0)),
            ("user", text()),
            ("safety_identifier", text()),
            ("store", flag()),
            ("stream", flag()),
            ("stream_options", Just(json!({"include_obfuscation": false})).boxed()),
            ("background", Just(json!(false)).boxed()),
            ("metadata", Just(json!({"a": "b"})).boxed()),
            ("truncation", word(&["auto"])),
            ("prompt_cache_key", text()),
            ("service_tier", word(&["flex"])),
        ],
    );
    let add = |(mut body, tools): (Value, Option<Value>)| {
        let tools = tools.as_ref().and_then(Value::as_object);
        tools.into_iter().flatten().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    (body, of(tools())).prop_map(add).boxed()
}

/// The normal forms of README.md.
fn normal(mut body: Value) -> Value {
    let fields = body.as_object_mut().unwrap();
    fields.insert("store".into(), false.into());
    fields.remove("background");
    fields.retain(|name, value| !(name == "stream" && *value == false));
    if !fields.contains_key("user")
        && let Some(user) = fields.remove("safety_identifier")
    {
        fields.insert("user".into(), user);
    }
    if let Some(text) = fields.get_mut("text").and_then(Value::as_object_mut) {
        text.retain(|name, value| !(name == "format" && value["type"] == "text"));
    }
    for (name, value) in [("text", json!({})), ("reasoning", json!({})), ("include", json!([]))] {
        if fields.get(name) == Some(&value) {
            fields.remove(name);
        }
    }
    let effort = fields.get("reasoning").and_then(|reasoning| reasoning.get("effort"));
    if effort.is_some_and(|effort| effort != "none") {
        let include = fields.entry("include").or_insert(json!([])).as_array_mut().unwrap();
        include.retain(|wish| wish != "reasoning.encrypted_content");
        include.insert(0, "reasoning.encrypted_content".into());
    }
    for tool in fields.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        let tool = tool.as_object_mut().unwrap();
        tool.entry("parameters").or_insert(json!({"type": "object", "properties": {}}));
    }
    let input = match fields["input"].take() {
        Value::String(text) => vec![json!({"role": "user", "content": text})],
        items => items.as_array().unwrap().clone(),
    };
    let (instructions, items) = normal_items(input, fields.get("instructions").and_then(Value::as_str));
    fields.insert("input".into(), items.into());
    if let Some(instructions) = instructions {
        fields.insert("instructions".into(), instructions.into());
    }
    by_value(body)
}

fn normal_items(input: Vec<Value>, instructions: Option<&str>) -> (Option<String>, Vec<Value>) {
    let mut instructions = Vec::from_iter(instructions.map(str::to_owned));
    let mut items: Vec<Value> = Vec::new();
    for item in input {
        let item = normal_item(item);
        let texts =
            item["content"].as_array().into_iter().flatten().map(|part| part["text"].as_str().unwrap_or_default());
        let is_bare = item.as_object().unwrap().len() == 3
            && item["content"]
                .as_array()
                .is_some_and(|parts| parts.iter().all(|part| part.as_object().unwrap().len() == 2));
        if items.is_empty() && item["role"] == "system" && is_bare {
            instructions.extend(texts.map(str::to_owned));
            continue;
        }
        let head = |item: &Value| {
            let fields = item.as_object().unwrap().iter().filter(|(name, _)| *name != "content");
            fields.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>()
        };
        match items.last_mut() {
            Some(last) if item["role"] == "assistant" && head(last) == head(&item) => {
                let more = item["content"].as_array().unwrap().clone();
                last["content"].as_array_mut().unwrap().extend(more);
            }
            _ => items.push(item),
        }
    }
    (Some(instructions.join("\n\n")).filter(|text| !text.is_empty()), items)
}

fn normal_item(mut item: Value) -> Value {
    let is_message = item.get("type").is_none_or(|kind| kind == "message");
    if is_message {
        item["type"] = "message".into();
    }
    if item["type"] != "reasoning" {
        item.as_object_mut().unwrap().remove("id");
    }
    item.as_object_mut().unwrap().remove("status");
    if item.get("role").is_some_and(|role| role == "developer") {
        item["role"] = "system".into();
    }
    let kind = if item.get("role").is_some_and(|role| role == "assistant") { "output_text" } else { "input_text" };
    if let Some(text) = item.get("content").and_then(Value::as_str) {
        item["content"] = json!([{"type": kind, "text": text}]);
    }
    let output = item.get("output").and_then(Value::as_array);
    if let Some([only]) = output.map(Vec::as_slice)
        && only["type"] == "input_text"
        && only.as_object().unwrap().len() == 2
    {
        item["output"] = only["text"].clone();
    }
    for name in ["content", "output"] {
        for part in item.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            let part = part.as_object_mut().unwrap();
            part.remove("annotations");
            if part.contains_key("image_url") {
                part.entry("detail").or_insert("auto".into());
            }
        }
    }
    item
}

/// Numbers are the same that have the same value: `1.0` and `1`.
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
        let (encoded, dropped) = encode(read(body.clone()), no_facts());
        prop_assert_eq!(by_value(encoded), normal(body));
        prop_assert!(dropped.is_empty(), "{:?}", dropped);
    }

    /// Saying it once brings it into its normal form; saying it again changes nothing more, not even the order.
    #[test]
    fn the_second_time_changes_nothing(body in body()) {
        let once = encode(read(body), no_facts()).0;
        prop_assert_eq!(encode(read(once.clone()), no_facts()).0.to_string(), once.to_string());
    }
}
