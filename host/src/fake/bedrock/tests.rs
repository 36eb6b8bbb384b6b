use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::reply::Piece;
use super::super::seal::seal;
use super::super::vector::{DIMENSIONS, vector};
use super::*;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";

fn seen(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Seen {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = Bytes::copy_from_slice(body);
    Seen { method: "POST".into(), path: path.into(), headers, body, model: String::new(), ..Seen::default() }
}

fn ask(operation: &str, body: &Value) -> Result<Script, Refused> {
    script(&seen(&format!("/model/{CLAUDE}/{operation}"), &[("authorization", "Bearer key")], &[]), body, 1)
}

/// A good request with some fields changed.
fn with(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": [{ "text": "hi" }] }] });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), fields) {
        body.extend(fields);
    }
    body
}

fn refused_for(fields: Value, message: &str) {
    let refused = ask("converse", &with(fields.clone())).err().unwrap_or_else(|| panic!("accepted: {fields}"));
    let given = refused.body["message"].as_str().expect("a message");
    let header = &refused.headers[0];
    assert!(header.0 == "x-amzn-errortype" && header.1.starts_with("ValidationException:"), "{header:?}");
    assert!(refused.status == 400 && given.contains(message), "{fields}: {given}");
}

fn whole(operation: &str, body: &Value) -> Value {
    match ask(operation, body) {
        Ok(Script::Whole { body, .. }) => body,
        Ok(Script::Stream(_)) => panic!("a stream"),
        Err(refused) => panic!("{}", refused.body),
    }
}

fn converse(fields: Value) -> Value {
    whole("converse", &with(fields))["output"]["message"]["content"].clone()
}

/// The frames of a stream: the header that says what each is, and what is in it.
fn frames(operation: &str, body: &Value) -> Vec<(String, Value)> {
    let Ok(Script::Stream(pieces)) = ask(operation, body) else { panic!("a stream") };
    pieces.iter().map(|piece: &Piece| decoded(&piece.bytes)).collect()
}

fn decoded(bytes: &Bytes) -> (String, Value) {
    let DecodedFrame::Complete(message) = MessageFrameDecoder::new().decode_frame(bytes.clone()).expect("check sums")
    else {
        panic!("a whole frame");
    };
    let names = [":event-type", ":exception-type"];
    let kind = message.headers().iter().find(|header| names.contains(&header.name().as_str())).expect("a kind");
    let kind = kind.value().as_string().expect("text").as_str().to_owned();
    (kind, serde_json::from_slice(message.payload()).expect("JSON"))
}

fn user(content: Value) -> Value {
    json!({ "role": "user", "content": content })
}

fn assistant(content: Value) -> Value {
    json!({ "role": "assistant", "content": content })
}

fn call(id: &str) -> Value {
    json!({ "toolUse": { "toolUseId": id, "name": "get", "input": {} } })
}

fn result(id: &str) -> Value {
    json!({ "toolResult": { "toolUseId": id, "content": [{ "text": "r" }], "status": "success" } })
}

fn tools() -> Value {
    json!({ "tools": [{ "toolSpec": { "name": "get", "inputSchema": { "json": { "type": "object" } } } }] })
}

/// The headers of a signed request.
fn signed(path: &str, body: &[u8], secret: &str, mode: PercentEncodingMode, service: &str) -> Vec<(String, String)> {
    let identity = Credentials::new(auth::TEST_KEY, secret, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = mode;
    let time = aws_smithy_types::DateTime::from_secs(1_780_394_400).try_into().expect("a time");
    let params = SigningParams::builder().identity(&identity).region("us-east-1").name(service).time(time);
    let params = params.settings(settings).build().expect("all parameters").into();
    let headers = [("host", "127.0.0.1:9"), ("content-type", "application/json")];
    let url = format!("http://127.0.0.1:9{path}");
    let request = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(body)).expect("a request");
    let (instructions, _) = sign(request, &params).expect("a signature").into_parts();
    let added = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).chain(added).collect()
}

#[test]
fn signatures_are_checked() {
    let path = format!("/model/{CLAUDE}/converse");
    let body = with(json!({}));
    let bytes = body.to_string().into_bytes();
    let kind = |headers: &[(String, String)]| {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match script(&seen(&path, &headers, &bytes), &body, 1) {
            Ok(_) => String::new(),
            Err(refused) => {
                assert_eq!(refused.status, 403);
                refused.headers[0].1.split(':').next().unwrap_or_default().to_owned()
            }
        }
    };
    let double = PercentEncodingMode::Double;
    assert_eq!(kind(&signed(&path, &bytes, auth::TEST_SECRET, double, "bedrock")), "");
    assert_eq!(kind(&signed(&path, &bytes, "another", double, "bedrock")), "InvalidSignatureException");
    assert_eq!(kind(&signed(&path, b"another", auth::TEST_SECRET, double, "bedrock")), "InvalidSignatureException");
    let single = PercentEncodingMode::Single;
    assert_eq!(kind(&signed(&path, &bytes, auth::TEST_SECRET, single, "bedrock")), "InvalidSignatureException");
    assert_eq!(kind(&signed(&path, &bytes, auth::TEST_SECRET, double, "s3")), "InvalidSignatureException");
    let header = |value: &str| vec![("authorization".to_owned(), value.to_owned())];
    assert_eq!(kind(&[]), "MissingAuthenticationTokenException");
    assert_eq!(kind(&header("Bearer key")), "");
    assert_eq!(kind(&header("Bearer bad-key")), "AccessDeniedException");
    assert_eq!(kind(&header("AWS4-HMAC-SHA256 Credential=a/b/c")), "IncompleteSignatureException");
}

#[test]
fn models_are_checked() {
    let refusal = |model: &str| {
        let path = format!("/model/{model}/converse");
        script(&seen(&path, &[("authorization", "Bearer key")], &[]), &with(json!({})), 1).err().expect("a refusal")
    };
    let refused = refusal("no-such-model");
    assert_eq!((refused.status, &refused.body["message"]), (400, &json!("The provided model identifier is invalid.")));
    assert_eq!(refusal("missing").status, 404);
    assert_eq!(claude("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), Some("claude-sonnet-4-5-20250929"));
    assert_eq!(claude("amazon.nova-pro-v1:0"), None);
}

#[test]
fn messages_are_checked() {
    let turns = |turns: Value| json!({ "messages": turns });
    let text = json!([{ "text": "a" }]);
    let image = json!([{ "image": { "format": "jpg", "source": { "bytes": "AAAA" } } }]);
    for (messages, expected) in [
        (json!([]), "A conversation must start with a user message"),
        (json!([assistant(text.clone())]), "A conversation must start with a user message"),
        (json!([user(text.clone()), user(text.clone())]), "must alternate between user and assistant"),
        (json!([{ "role": "system", "content": text }]), "Member must satisfy enum value set: [user, assistant]"),
        (json!([user(json!([]))]), "The content field in the Message object at messages.0 is empty"),
        (
            json!([user(json!([{ "text": " \n" }]))]),
            "The text field in the ContentBlock object at messages.0.content.0 is blank",
        ),
        (json!([user(json!([{ "text": "a", "type": "text" }]))]), "extraneous key [type]"),
        (
            json!([user(json!([{ "text": "a", "cachePoint": { "type": "default" } }]))]),
            "must set one of the following keys",
        ),
        (json!([user(image)]), "enum value set: [gif, jpeg, png, webp]"),
        (json!([user(json!([{ "image": { "format": "png", "source": { "bytes": "%" } } }]))]), "not valid base64"),
        (
            json!([user(
                json!([{ "text": "a" }, { "document": { "name": "a.pdf", "format": "pdf", "source": { "bytes": "AAAA" } } }])
            )]),
            "The file name can only contain",
        ),
        (json!([user(json!([call("x")]))]), "not allowed in messages with the user role"),
        (json!([user(text.clone()), assistant(json!([{ "text": "b " }]))]), "trailing whitespace"),
    ] {
        refused_for(turns(messages), expected);
    }
    refused_for(json!({ "system": [{ "text": "" }] }), "system.0 is blank");
    refused_for(json!({ "model": "m" }), "extraneous key [model]");
}

#[test]
fn calls_and_results_come_in_pairs() {
    let first = user(json!([{ "text": "a" }]));
    let turns = |turns: Value| json!({ "toolConfig": tools(), "messages": turns });
    let (long, two) = ("x".repeat(65), assistant(json!([call("x"), call("y")])));
    for (messages, expected) in [
        (
            json!([first, two, user(json!([result("x")]))]),
            "Expected toolResult blocks at messages.2.content for the following Ids: y",
        ),
        (json!([first, two]), "Expected toolResult blocks at messages.2.content for the following Ids: x, y"),
        (
            json!([first, two, user(json!([result("x"), result("y"), result("z")]))]),
            "exceeds the number of toolUse blocks",
        ),
        (json!([user(json!([result("x")]))]), "exceeds the number of toolUse blocks"),
        (json!([first, assistant(json!([call("x"), call("x")]))]), "contain duplicate Ids: x"),
        (json!([first, assistant(json!([call("x y")]))]), "regular expression pattern: [a-zA-Z0-9_.:-]+"),
        (json!([first, assistant(json!([call(&long)]))]), "length less than or equal to 64"),
        (json!([first, two, user(json!([result("x"), { "text": "b" }, result("y")]))]), "must come first"),
        (
            json!([first, assistant(json!([{ "toolUse": { "toolUseId": "x", "name": "get", "input": "{}" } }]))]),
            "toolUse.input is invalid. Provide a json object",
        ),
    ] {
        refused_for(turns(messages), expected);
    }
    let good = json!([first, two, user(json!([result("y"), result("x"), { "text": "b" }]))]);
    refused_for(json!({ "messages": good }), "The toolConfig field must be defined");
    assert_eq!(converse(turns(good))[0]["text"], "The tools said: r; r");
}

#[test]
fn tools_and_numbers_are_checked() {
    let spec = |spec: Value| json!({ "toolConfig": { "tools": [{ "toolSpec": spec }] } });
    let schema = json!({ "json": { "type": "object" } });
    let choice = |choice: Value| {
        let mut config = tools();
        config["toolChoice"] = choice;
        json!({ "toolConfig": config })
    };
    let config = |config: Value| json!({ "inferenceConfig": config });
    for (fields, expected) in [
        (json!({ "toolConfig": { "tools": [] } }), "Member must have length greater than or equal to 1"),
        (spec(json!({ "name": "a b", "inputSchema": schema })), "regular expression pattern: [a-zA-Z0-9_-]+"),
        (spec(json!({ "name": "get", "description": "", "inputSchema": schema })), "toolSpec.description"),
        (spec(json!({ "name": "get", "inputSchema": { "json": {} } })), "inputSchema.json.type must be one of"),
        (choice(json!({ "none": {} })), "extraneous key [none]"),
        (choice(json!({ "tool": { "name": "put" } })), "The tool put"),
        (
            spec(json!({ "name": "get", "inputSchema": { "json": { "type": "object", "anyOf": [] } } })),
            "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
        ),
        (
            json!({ "system": [{ "text": "x-anthropic-billing-header: cc_version=2" }] }),
            "x-anthropic-billing-header is a reserved keyword",
        ),
        (config(json!({ "temperature": 1.7 })), "Member must have value less than or equal to 1"),
        (config(json!({ "maxTokens": 0 })), "Member must have value greater than or equal to 1"),
        (config(json!({ "temperature": 1, "topP": 0.5 })), "`temperature` and `top_p` cannot both be specified"),
        (config(json!({ "topK": 5 })), "extraneous key [topK]"),
        (json!({ "additionalModelRequestFields": { "n": 1 } }), "n: Extra inputs are not permitted"),
        (json!({ "additionalModelRequestFields": { "anthropic_beta": ["no-such-beta"] } }), "invalid beta flag"),
    ] {
        refused_for(fields, expected);
    }
    assert_eq!(converse(choice(json!({ "any": {} })))[0]["toolUse"]["toolUseId"], "tooluse_000001_0");
    let schema =
        json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "additionalProperties": false });
    let format = |schema: &Value| {
        let structure = json!({ "jsonSchema": { "schema": schema, "name": "x" } });
        json!({ "outputConfig": { "textFormat": { "type": "json_schema", "structure": structure } } })
    };
    refused_for(format(&schema), "Member must be a string");
    assert_eq!(converse(format(&json!(schema.to_string())))[0]["text"], "{\"a\":1}");
}

#[test]
fn thoughts_are_signed() {
    let thinking = json!({ "thinking": { "type": "enabled", "budget_tokens": 1024 } });
    let fields = json!({ "additionalModelRequestFields": thinking, "inferenceConfig": { "maxTokens": 2000 } });
    let content = converse(fields.clone());
    let thought = &content[0]["reasoningContent"]["reasoningText"];
    assert_eq!(thought, &json!({ "text": "Let me think.", "signature": seal(Protocol::Bedrock, "Let me think.") }));
    let mut next = fields;
    next["toolConfig"] = tools();
    let with_thought = |text: &str, signature: &Value| {
        let block = json!({ "reasoningContent": { "reasoningText": { "text": text, "signature": signature } } });
        json!([user(json!([{ "text": "a" }])), assistant(json!([block, call("x")])), user(json!([result("x")]))])
    };
    next["messages"] = with_thought("Let me think.", &thought["signature"]);
    converse(next.clone());
    next["messages"] = with_thought("Let me think.Let me think.", &thought["signature"]);
    refused_for(next.clone(), "Invalid `signature` in `thinking` block");
    next["messages"] =
        json!([user(json!([{ "text": "a" }])), assistant(json!([call("x")])), user(json!([result("x")]))]);
    refused_for(next, "Expected `thinking`");
}

#[test]
fn streams_have_the_order_of_the_service() {
    let prompt = "use tool get with {\"city\": \"Zürich\"}\nuse tool get with {}";
    let body = with(json!({
        "messages": [user(json!([{ "text": prompt }]))], "toolConfig": tools(),
        "inferenceConfig": { "maxTokens": 4000 },
        "additionalModelRequestFields": { "thinking": { "type": "enabled", "budget_tokens": 1024 } },
    }));
    let frames = frames("converse-stream", &body);
    let mut kinds: Vec<&str> = frames.iter().map(|(kind, _)| kind.as_str()).collect();
    kinds.dedup();
    let call = ["contentBlockStart", "contentBlockDelta", "contentBlockStop"];
    let thought = ["messageStart", "contentBlockDelta", "contentBlockStop"];
    assert_eq!(kinds, [&thought[..], &call, &call, &["messageStop", "metadata"]].concat());
    let inputs = |index: u64| -> String {
        let parts = frames.iter().filter(|(_, payload)| payload["contentBlockIndex"] == index);
        parts.filter_map(|(_, payload)| payload["delta"]["toolUse"]["input"].as_str()).collect()
    };
    assert_eq!((inputs(1).as_str(), inputs(2).as_str()), ("{\"city\": \"Zürich\"}", ""));
    assert!(frames.iter().all(|(_, payload)| payload["p"].is_string()));
    assert_eq!(frames[frames.len() - 2].1["stopReason"], "tool_use");
    assert_eq!(decoded(&error_event()).0, "serviceUnavailableException");
    assert!(MessageFrameDecoder::new().decode_frame(garbage()).is_err());
}

#[test]
fn claude_is_invoked_with_its_own_body() {
    let body = json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": [{ "role": "user", "content": "hi" }],
    });
    let changed = |field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        ask("invoke", &body).err().map(|refused| refused.body["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(changed("anthropic_beta", json!(["context-1m-2025-08-07"])), None);
    for (field, value, expected) in [
        ("model", json!("m"), "extraneous key [model]"),
        ("stream", json!(true), "extraneous key [stream]"),
        ("anthropic_version", json!("2023-06-01"), "is not a valid enum value"),
        ("anthropic_beta", json!(["claude-code-20250219"]), "invalid beta flag"),
        ("messages", json!([]), "at least one message is required"),
        ("context_management", json!({}), "context_management: Extra inputs are not permitted"),
        (
            "messages",
            json!([{ "role": "user", "content": [{ "type": "image", "source": { "type": "url", "url": "https://a/b" } }] }]),
            "URL sources are not supported",
        ),
        ("n", json!(1), "n: Extra inputs are not permitted"),
        ("system", json!("x-anthropic-billing-header: cc_version=2"), "is a reserved keyword"),
        (
            "system",
            json!([{ "type": "text", "text": "Be brief." }, { "type": "text", "text": "x-anthropic-billing-header: a" }]),
            "is a reserved keyword",
        ),
    ] {
        let message = changed(field, value).unwrap_or_else(|| panic!("accepted: {field}"));
        assert!(message.contains(expected), "{message}");
    }
    let said = whole("invoke", &body);
    assert_eq!(said["model"], "claude-sonnet-4-5-20250929");
    assert!(
        said["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("Hello from bedrock us.anthropic"))
    );
    let frames = frames("invoke-with-response-stream", &body);
    let inner = |(kind, payload): &(String, Value)| -> Value {
        assert_eq!(kind, "chunk");
        serde_json::from_slice(&STANDARD.decode(payload["bytes"].as_str().expect("bytes")).expect("base64"))
            .expect("JSON")
    };
    let events: Vec<Value> = frames.iter().map(inner).collect();
    let last = events.last().expect("events");
    assert_eq!((&events[0]["type"], &last["type"]), (&json!("message_start"), &json!("message_stop")));
    assert!(last["amazon-bedrock-invocationMetrics"]["outputTokenCount"].as_u64() > Some(0));
}

#[test]
fn tokens_are_counted() {
    let request = with(json!({}));
    let counted = whole("count-tokens", &json!({ "input": { "converse": request } }));
    assert!(counted["inputTokens"].as_u64() > Some(0));
    let body = json!({ "anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    let encoded = STANDARD.encode(body.to_string());
    assert!(whole("count-tokens", &json!({ "input": { "invokeModel": { "body": encoded } } }))["inputTokens"].is_u64());
    assert!(ask("count-tokens", &json!({ "input": {} })).is_err());
}

#[test]
fn embeddings_follow_from_the_text() {
    let embed = |model: &str, body: Value| {
        let seen = seen(&format!("/model/{model}/invoke"), &[("authorization", "Bearer key")], &[]);
        match script(&seen, &body, 1) {
            Ok(Script::Whole { body, .. }) => body,
            Ok(Script::Stream(_)) => panic!("a stream"),
            Err(refused) => refused.body,
        }
    };
    let (titan, first) = ("amazon.titan-embed-text-v2%3A0", "amazon.titan-embed-text-v1");
    let (cohere, third) = ("us.cohere.embed-v4%3A0", "cohere.embed-english-v3");
    let own = vector("a", DIMENSIONS);
    let reply = embed(titan, json!({ "inputText": "a" }));
    assert_eq!((&reply["embedding"], &reply["inputTextTokenCount"]), (&json!(own), &json!(1)));
    assert_eq!(embed(titan, json!({ "inputText": "a", "dimensions": 256 }))["embedding"], json!(vector("a", 256)));
    assert_eq!(embed(first, json!({ "inputText": "a" }))["embedding"], json!(own));
    let texts = |fields: Value| {
        let mut body = json!({ "texts": ["a"], "input_type": "search_document" });
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        body
    };
    assert_eq!(embed(third, texts(json!({})))["embeddings"], json!([own]));
    assert_eq!(embed(cohere, texts(json!({ "embedding_types": ["float"] })))["embeddings"]["float"], json!([own]));
    let sized = embed(cohere, texts(json!({ "output_dimension": 512 })));
    assert_eq!(sized["embeddings"][0].as_array().map(Vec::len), Some(512));
    for (model, body, message) in [
        (titan, json!({}), "required key [inputText]"),
        (titan, json!({ "inputText": "" }), "minLength"),
        (titan, json!({ "inputText": "a", "dimensions": 8 }), "#/dimensions"),
        (titan, json!({ "inputText": "a", "model": "m" }), "extraneous key [model]"),
        (titan, json!({ "inputText": "long ".repeat(9000) }), "Too many input tokens"),
        (first, json!({ "inputText": "a", "dimensions": 256 }), "extraneous key [dimensions]"),
        (third, json!({ "texts": ["a"] }), "required key [input_type]"),
        (third, texts(json!({ "texts": [] })), "#/texts"),
        (third, texts(json!({ "texts": vec!["a"; 97] })), "found: 97"),
        (third, texts(json!({ "input_type": "query" })), "#/input_type"),
        (third, texts(json!({ "output_dimension": 512 })), "extraneous key [output_dimension]"),
        (cohere, texts(json!({ "output_dimension": 8 })), "#/output_dimension"),
    ] {
        let reply = embed(model, body);
        assert!(reply["message"].as_str().is_some_and(|given| given.contains(message)), "{message}: {reply}");
    }
}
