use bytes::Bytes;
use serde_json::{Value, json};

use super::super::vector::{DIMENSIONS, vector};
use super::*;

fn ask(path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Script, Refused> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let seen = Seen {
        method: "POST".into(),
        path: path.into(),
        headers,
        body: Bytes::new(),
        model: String::new(),
        ..Seen::default()
    };
    script(&seen, body, 1)
}

fn model_ask(model: &str, body: &Value) -> Result<Script, Refused> {
    ask(&format!("/v1beta/models/{model}:generateContent"), &[("x-goog-api-key", "key")], body)
}

/// A good request with some fields changed.
fn with(fields: Value) -> Value {
    let mut body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }] });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn message(model: &str, fields: &Value) -> String {
    let refused = model_ask(model, &with(fields.clone())).err().unwrap_or_else(|| panic!("accepted: {fields}"));
    let error = &refused.body["error"];
    assert_eq!((refused.status, &error["code"], &error["status"]), (400, &json!(400), &json!("INVALID_ARGUMENT")));
    error["message"].as_str().expect("a message").to_owned()
}

fn whole(model: &str, fields: Value) -> Value {
    match model_ask(model, &with(fields)) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn streamed(query: &str, fields: Value) -> Vec<Piece> {
    let path = format!("/v1beta/models/gemini-3-pro:streamGenerateContent{query}");
    match ask(&path, &[("x-goog-api-key", "key")], &with(fields)) {
        Ok(Script::Stream(pieces)) => pieces,
        _ => panic!("a stream"),
    }
}

fn text(role: &str, text: &str) -> Value {
    json!({ "role": role, "parts": [{ "text": text }] })
}

fn declared(name: &str, parameters: Value) -> Value {
    json!({ "tools": [{ "functionDeclarations": [{ "name": name, "parameters": parameters }] }] })
}

#[test]
fn keys_and_tokens_are_checked() {
    let body = with(json!({}));
    let refused = |path: &str, headers: &[(&str, &str)]| ask(path, headers, &body).err();
    let studio = "/v1beta/models/m:generateContent";
    assert_eq!(refused(studio, &[("x-goog-api-key", "key")]), None);
    for headers in [&[][..], &[("x-goog-api-key", "bad-key")]] {
        let refused = refused(studio, headers).expect("a refusal");
        assert_eq!((refused.status, &refused.body["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    }
    let vertex = "/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent";
    assert_eq!(refused(vertex, &[("authorization", "Bearer token")]), None);
    let refused = refused(vertex, &[("x-goog-api-key", "key")]).expect("a refusal");
    assert_eq!((refused.status, &refused.body["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let unknown = model_ask("no-such-model", &body).err().expect("a refusal");
    assert_eq!((unknown.status, &unknown.body["error"]["status"]), (404, &json!("NOT_FOUND")));
}

#[test]
fn unknown_names_are_refused_at_every_level() {
    let part = |part: Value| json!({ "contents": [{ "role": "user", "parts": [part] }] });
    for (fields, name, place) in [
        (json!({ "model_name": "m" }), "model_name", ": "),
        (json!({ "contents": [{ "role": "user", "content": "a", "parts": [] }] }), "content", " at 'contents[0]'"),
        (part(json!({ "type": "text", "text": "a" })), "type", " at 'contents[0].parts[0]'"),
        (part(json!({ "inlineData": { "mime": "a" } })), "mime", " at 'contents[0].parts[0].inline_data'"),
        (json!({ "generationConfig": { "max_tokens": 1 } }), "max_tokens", " at 'generation_config'"),
        (
            declared("get", json!({ "type": "OBJECT", "properties": { "a": { "type": "STRING", "const": "x" } } })),
            "const",
            " at 'tools[0].function_declarations[0].parameters.properties[0].value'",
        ),
        (
            declared("get", json!({ "type": ["object", "null"] })),
            "type",
            " at 'tools[0].function_declarations[0].parameters': Proto field is not repeating",
        ),
    ] {
        let given = message("gemini-2.5-pro", &fields);
        assert!(given.contains(&format!("Unknown name \"{name}\"{place}")), "{given}");
    }
    let snake = json!({
        "system_instruction": { "parts": [{ "text": "a" }] }, "generation_config": { "max_output_tokens": 9, "topK": null },
    });
    assert!(whole("gemini-2.5-pro", snake)["candidates"][0]["content"]["parts"][0]["text"].is_string());
}

#[test]
fn values_are_checked() {
    let part = |part: Value| json!({ "contents": [{ "role": "user", "parts": [part] }] });
    let config = |config: Value| json!({ "generationConfig": config });
    let tool = declared("get", json!({ "type": "OBJECT", "properties": { "a": { "type": "STRING" } } }));
    let mut with_json = tool.clone();
    with_json["generationConfig"] = json!({ "responseMimeType": "application/json" });
    let mut with_names = tool.clone();
    with_names["toolConfig"] = json!({ "functionCallingConfig": { "mode": "AUTO", "allowedFunctionNames": ["get"] } });
    let mut with_other = tool;
    with_other["toolConfig"] = json!({ "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["put"] } });
    for (fields, expected) in [
        (json!({ "contents": [] }), "contents is not specified"),
        (json!({ "contents": [text("assistant", "a")] }), "Please use a valid role: user, model."),
        (json!({ "contents": [{ "role": "user", "parts": [] }] }), "contents.parts must not be empty"),
        (part(json!({ "thought": true })), "required oneof field 'data'"),
        (part(json!({ "text": "a", "inlineData": {} })), "oneof field 'data' is already set"),
        (part(json!({ "text": "" })), "empty text parameter"),
        (part(json!({ "text": 1 })), "(TYPE_STRING), 1"),
        (part(json!({ "inlineData": { "mimeType": "image/png", "data": "%%%" } })), "Base64 decoding failed"),
        (
            part(json!({ "inlineData": { "mimeType": "image/gif", "data": "AAAA" } })),
            "Unsupported MIME type: image/gif",
        ),
        (config(json!({ "temperature": 2.1 })), "temperature must be in the range [0.0, 2.0]"),
        (config(json!({ "maxOutputTokens": 0 })), "max_output_tokens must be"),
        (config(json!({ "stopSequences": ["1", "2", "3", "4", "5", "6"] })), "must be at most 5"),
        (config(json!({ "responseJsonSchema": {} })), "only supported with response_mime_type"),
        (config(json!({ "thinkingConfig": { "thinkingLevel": "low" } })), "Thinking level is not supported"),
        (config(json!({ "thinkingConfig": { "thinkingBudget": 0 } })), "Budget 0 is invalid"),
        (json!({ "toolConfig": { "functionCallingConfig": { "mode": "ANY" } } }), "without function_declarations"),
        (with_json, "Function calling with a response mime type"),
        (with_names, "only when function calling mode is ANY"),
        (with_other, "contains put"),
    ] {
        let given = message("gemini-2.5-pro", &fields);
        assert!(given.contains(expected), "{fields}: {given}");
    }
}

#[test]
fn schemas_are_a_subset() {
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    for (schema, expected) in [
        (json!({ "type": "OBJECT", "properties": {} }), "should be non-empty for OBJECT type"),
        (object(json!({ "a": { "type": "array" } })), "items: missing field."),
        (object(json!({ "a": { "type": "integer", "enum": ["1"] } })), "enum: only allowed for STRING type"),
        (object(json!({ "a": { "type": "integer", "enum": [1] } })), "(TYPE_STRING), 1"),
        (object(json!({ "a": { "type": "string", "format": "uri" } })), "only 'enum' and 'date-time'"),
        (object(json!({ "a": { "type": "date" } })), "properties[a].type'"),
        (object(json!({ "a": { "$ref": "#/b" } })), "Unknown name \"$ref\""),
        (json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["b"] }), "required[0]"),
        (json!({ "type": "object", "additionalProperties": false }), "Unknown name \"additionalProperties\""),
    ] {
        let given = message("gemini-2.5-pro", &declared("get", schema));
        assert!(given.contains(expected), "{given}");
    }
    assert!(message("m", &declared("1get", json!(null))).contains("Invalid function name"));
    let full =
        json!({ "type": "object", "properties": { "a": { "const": 1 } }, "additionalProperties": false, "$defs": {} });
    let tools = json!({ "tools": [{ "functionDeclarations": [{ "name": "get", "parametersJsonSchema": full }] }] });
    whole("gemini-2.5-pro", tools);
}

fn calls(calls: Value) -> Value {
    let parts: Value = calls.as_array().into_iter().flatten().map(|call| json!({ "functionCall": call })).collect();
    json!({ "role": "model", "parts": parts })
}

fn responses(names: &[&str]) -> Value {
    let part =
        |name: &&str| json!({ "functionResponse": { "name": name, "response": { "output": format!("r-{name}") } } });
    json!({ "role": "user", "parts": names.iter().map(part).collect::<Value>() })
}

#[test]
fn calls_and_responses_come_in_pairs() {
    let two = json!([{ "name": "get", "args": {} }, { "name": "put", "args": {} }]);
    let user = text("user", "a");
    let mut other_id = responses(&["get"]);
    other_id["parts"][0]["functionResponse"]["id"] = json!("2");
    for (contents, expected) in [
        (json!([calls(two.clone())]), "function call turn comes immediately after a user turn"),
        (
            json!([user, text("model", "b"), calls(two.clone()), responses(&["get", "put"])]),
            "comes immediately after a user",
        ),
        (
            json!([user, calls(two.clone()), responses(&["get"]), responses(&["put"])]),
            "number of function response parts",
        ),
        (json!([user, calls(two.clone()), user]), "number of function response parts"),
        (json!([user, responses(&["get"])]), "response turn comes immediately after a function call turn"),
        (json!([user, calls(two.clone()), responses(&["put", "get"])]), "names and ids"),
        (json!([user, calls(two.clone())]), "end with a user turn or a function response"),
        (
            json!([user, calls(json!([{ "name": "get", "args": "{}" }]))]),
            "(type.googleapis.com/google.protobuf.Struct)",
        ),
        (json!([user, calls(json!([{ "name": "get", "id": "1" }])), other_id]), "names and ids"),
    ] {
        let given = message("gemini-2.5-pro", &json!({ "contents": contents }));
        assert!(given.contains(expected), "{contents}: {given}");
    }
    let good = json!({ "contents": [user, calls(two), responses(&["get", "put"])] });
    assert_eq!(
        whole("gemini-2.5-pro", good)["candidates"][0]["content"]["parts"][0]["text"],
        "The tools said: r-get; r-put"
    );
    let referring = json!({ "functionResponse": { "name": "get", "response": { "a": { "$ref": "x" } } } });
    let contents = json!([user, calls(json!([{ "name": "get" }])), { "role": "user", "parts": [referring] }]);
    assert!(message("gemini-2.5-pro", &json!({ "contents": contents })).contains("names no part"));
}

#[test]
fn the_third_generation_wants_its_signatures_back() {
    let call = |name: &str, signature: Value| {
        let part = json!({ "functionCall": { "name": name }, "thoughtSignature": signature });
        json!({ "role": "model", "parts": [part, { "functionCall": { "name": "put" } }] })
    };
    let history = |signature: Value| json!({ "contents": [text("user", "a"), call("get", signature), responses(&["get", "put"])] });
    let good = seal(Protocol::Gemini, "get");
    for signature in [json!(good), json!("skip_thought_signature_validator")] {
        whole("gemini-3-pro", history(signature));
    }
    // Google's SDKs send bytes back in the URL's alphabet.
    let odd = seal(Protocol::Gemini, "a?>");
    let of_url = odd.replace('+', "-").replace('/', "_");
    assert_ne!(odd, of_url);
    for signature in [of_url.trim_end_matches('='), &of_url, &odd] {
        let contents = [text("user", "a"), call("a?>", json!(signature)), responses(&["a?>", "put"])];
        let refused = model_ask("gemini-3-pro", &with(json!({ "contents": contents }))).err();
        let given = refused.map(|refused| refused.body.to_string()).unwrap_or_default();
        assert!(!given.contains("signature"), "{signature}: {given}");
    }
    whole("gemini-2.5-pro", history(Value::Null));
    assert!(message("gemini-3-pro", &history(Value::Null)).contains("missing a thought_signature"));
    assert!(message("gemini-3-pro", &history(json!("c2lnbmF0dXJl"))).contains("Corrupted thought signature"));
    assert!(message("gemini-3-pro", &history(json!(seal(Protocol::Gemini, "put")))).contains("not valid"));
    let mut old = history(Value::Null);
    old["contents"].as_array_mut().expect("a list").extend([text("model", "b"), text("user", "c")]);
    whole("gemini-3-pro", old);
}

#[test]
fn what_is_asked_for_is_said() {
    let schema = json!({ "type": "OBJECT", "properties": { "a": { "type": "INTEGER" } } });
    let config = json!({ "responseMimeType": "application/json", "responseSchema": schema });
    let part = |reply: &Value| reply["candidates"][0]["content"]["parts"][0].clone();
    assert_eq!(part(&whole("gemini-2.5-pro", json!({ "generationConfig": config })))["text"], "{\"a\":1}");
    let system = json!({ "systemInstruction": { "parts": [{ "text": "be brief" }] }, "contents": [text("user", "what is your system prompt")] });
    assert_eq!(part(&whole("gemini-2.5-pro", system))["text"], "My system prompt is: be brief");
    let thinking =
        json!({ "generationConfig": { "thinkingConfig": { "includeThoughts": true }, "maxOutputTokens": 2 } });
    let reply = whole("gemini-2.5-pro", thinking);
    assert_eq!(
        (&part(&reply)["thought"], &reply["candidates"][0]["finishReason"]),
        (&json!(true), &json!("MAX_TOKENS"))
    );
    assert_eq!(reply["usageMetadata"]["thoughtsTokenCount"], THINKING_TOKENS);
    let image = json!({ "contents": [{ "role": "user", "parts": [{ "inline_data": { "mime_type": "image/png", "data": "AAAA" } }] }] });
    assert!(
        part(&whole("m", image))["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("I see an image of 3 bytes (image/png)"))
    );
}

#[test]
fn streams_have_the_form_of_the_api() {
    let mut fields = declared("get", json!({ "type": "OBJECT", "properties": { "a": { "type": "STRING" } } }));
    fields["contents"] = json!([text("user", "use tool get with {\"a\":\"b\"}\nuse tool get with {}")]);
    let pieces = streamed("?alt=sse", fields.clone());
    let data = |piece: &Piece| -> Value {
        let data =
            piece.text().strip_prefix("data: ").and_then(|data| data.strip_suffix("\r\n\r\n")).expect("an event");
        serde_json::from_str(data).expect("JSON")
    };
    let events: Vec<Value> = pieces.iter().map(data).collect();
    let parts: Vec<&Value> = events.iter().map(|event| &event["candidates"][0]["content"]["parts"][0]).collect();
    assert_eq!(parts[0]["functionCall"]["args"], json!({ "a": "b" }));
    assert_eq!(parts[0]["thoughtSignature"], seal(Protocol::Gemini, "get"));
    assert_eq!((parts[1].get("thoughtSignature"), parts.len()), (None, 3));
    assert_eq!(events[2]["candidates"][0]["finishReason"], "STOP");
    let array: String = streamed("", fields).iter().map(|piece| piece.text().to_owned()).collect();
    assert_eq!(serde_json::from_str::<Value>(&array).expect("an array").as_array().map(Vec::len), Some(3));
    let refused = ask("/v1beta/models/m:streamGenerateContent", &[], &json!({})).err().expect("a refusal");
    assert_eq!(refused.body[0]["error"]["code"], 400);
}

#[test]
fn tokens_are_counted() {
    let count = |path: &str, body: &Value| ask(path, &[("x-goog-api-key", "key"), ("authorization", "Bearer t")], body);
    let studio = "/v1beta/models/m:countTokens";
    let whole_request = json!({ "generateContentRequest": with(json!({ "model": "models/m", "tools": [] })) });
    for body in [with(json!({})), whole_request] {
        assert!(
            matches!(count(studio, &body), Ok(Script::Whole { body, .. }) if body["totalTokens"].as_u64() > Some(0))
        );
    }
    let more = with(json!({ "tools": [] }));
    assert_eq!(count(studio, &more).err().map(|refused| refused.status), Some(400));
    assert!(count("/v1/projects/p/locations/l/publishers/google/models/m:countTokens", &more).is_ok());
}

#[test]
fn embeddings_follow_from_the_text() {
    let reply = |path: &str, body: &Value| {
        let headers = [("x-goog-api-key", "key"), ("authorization", "Bearer token")];
        match ask(path, &headers, body) {
            Ok(Script::Whole { body, .. }) => body,
            Ok(Script::Stream(_)) => panic!("a stream"),
            Err(refused) => refused.body,
        }
    };
    let studio = |requests: Value| reply("/v1beta/models/m:batchEmbedContents", &json!({ "requests": requests }));
    let vertex = |model: &str, body: Value| {
        reply(&format!("/v1/projects/p/locations/global/publishers/google/models/{model}:predict"), &body)
    };
    let one = |text: &str| json!({ "model": "models/m", "content": { "parts": [{ "text": text }] } });
    let mut sized = one("b");
    sized["outputDimensionality"] = json!(3);
    let expected = json!({ "embeddings": [{ "values": vector("a", DIMENSIONS) }, { "values": vector("b", 3) }] });
    assert_eq!(studio(json!([one("a"), sized])), expected);
    let body = json!({ "instances": [{ "content": "a", "task_type": "RETRIEVAL_QUERY" }, { "content": "b" }],
        "parameters": { "autoTruncate": false, "outputDimensionality": 3 } });
    let predicted = vertex("text-embedding-005", body.clone());
    let second = &predicted["predictions"][1]["embeddings"];
    assert_eq!((&second["values"], &second["statistics"]["token_count"]), (&json!(vector("b", 3)), &json!(1)));

    let long = json!([{ "content": "long ".repeat(2000) }]);
    for (refused, message) in [
        (studio(json!([])), "requests is not specified"),
        (studio(json!(vec![one("a"); 101])), "at most 100 requests"),
        (studio(json!([one("")])), "content: contents is not specified"),
        (studio(json!([{ "content": { "parts": [{ "text": "a" }] } }])), "requests[0].model"),
        (studio(json!([{ "model": "models/m", "text": "a" }])), "Unknown name \"text\" at 'requests[0]'"),
        (vertex("gemini-embedding-001", body), "2 instance(s) found"),
        (vertex("m", json!({ "instances": [] })), "0 instance(s) found"),
        (vertex("m", json!({ "instances": [{ "content": "" }] })), "empty"),
        (vertex("m", json!({ "instances": [{ "text": "a" }] })), "Unknown name \"text\""),
        (vertex("m", json!({ "instances": long, "parameters": { "autoTruncate": false } })), "exceeds the limit"),
        (reply("/v1beta/models/m:predict", &json!({})), "was not found"),
    ] {
        assert!(refused["error"]["message"].as_str().is_some_and(|given| given.contains(message)), "{refused}");
    }
    assert_eq!(
        vertex("m", json!({ "instances": long }))["predictions"][0]["embeddings"]["statistics"]["truncated"],
        true
    );
}
