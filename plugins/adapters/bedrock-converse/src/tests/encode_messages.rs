//! Conversations of other protocols as turns and content blocks.

use super::*;

fn cached(words: &str, control: Value) -> Text {
    Text { text: words.into(), extras: vec![extra("cache_control", control)] }
}

#[test]
fn instructions_go_to_the_top_and_turns_are_merged() {
    let messages = vec![
        system("one"),
        user(vec![text("a")]),
        system("two"),
        user(vec![text("b"), text(" \n")]),
        assistant(vec![text("c")]),
        assistant(vec![]),
        assistant(vec![text("d")]),
        user(vec![text("e")]),
    ];
    let (body, _) = encode(Request { messages, ..ask("") });
    assert_eq!(body["system"], json!([{ "text": "one" }, { "text": "two" }]));
    let turns = json!([
        { "role": "user", "content": [{ "text": "a" }, { "text": "b" }] },
        { "role": "assistant", "content": [{ "text": "c" }, { "text": "d" }] },
        { "role": "user", "content": [{ "text": "e" }] },
    ]);
    assert_eq!(body["messages"], turns);
}

#[test]
fn a_user_always_speaks_first() {
    let turns = said(vec![assistant(vec![text("Hello, I help.")]), user(vec![text("hi")])]);
    assert_eq!((&turns[0]["role"], &turns[1]["content"][0]["text"]), (&json!("user"), &json!("Hello, I help.")));
    let (body, _) = encode(Request { messages: vec![system("Tell a joke.")], ..ask("") });
    assert_eq!(body, json!({ "messages": [{ "role": "user", "content": [{ "text": "Tell a joke." }] }] }));
}

#[test]
fn a_prefill_is_trimmed_or_refused() {
    let messages = vec![user(vec![text("a")]), assistant(vec![text("So, \n")])];
    assert_eq!(said(messages.clone())[1]["content"][0]["text"], "So,");
    let facts = ModelFacts { prefill: Some(false), ..no_facts() };
    assert_eq!(refused(Request { messages, ..ask("") }, facts), "messages[1]");
}

#[test]
fn all_results_of_a_turn_stand_first_in_one_message() {
    let failed = ToolResult {
        call_id: "c2".into(),
        name: None,
        failed: true,
        content: vec![result_text("no")],
        extras: Vec::new(),
    };
    let turns = said(vec![
        user(vec![text("a")]),
        assistant(vec![call("c1", "look", r#"{"x":1}"#), call("c2", "look", ""), call("c3", "look", "broken")]),
        user(vec![result("c1", vec![result_text("red"), result_text(" ")]), text("and?")]),
        user(vec![Part::ToolResult(failed), result("c3", vec![])]),
    ]);
    let call = |id: &str, input: Value| json!({ "toolUse": { "toolUseId": id, "name": "look", "input": input } });
    let calls = json!([call("c1", json!({ "x": 1 })), call("c2", json!({})), call("c3", json!({ "_raw": "broken" }))]);
    assert_eq!(turns[1]["content"], calls);
    let results = json!([
        { "toolResult": { "toolUseId": "c1", "content": [{ "text": "red" }] } },
        { "toolResult": { "toolUseId": "c2", "content": [{ "text": "no" }], "status": "error" } },
        { "toolResult": { "toolUseId": "c3", "content": [{ "text": "(no output)" }] } },
        { "text": "and?" },
    ]);
    assert_eq!(turns[2]["content"], results);
    assert_eq!(turns.as_array().unwrap().len(), 3);
}

#[test]
fn ids_are_made_to_fit_alike_in_call_and_result() {
    let ids = |id: &str| {
        let turns =
            said(vec![user(vec![text("a")]), assistant(vec![call(id, "look", "{}")]), user(vec![result(id, vec![])])]);
        let made = turns[1]["content"][0]["toolUse"]["toolUseId"].as_str().unwrap().to_owned();
        assert_eq!(turns[2]["content"][0]["toolResult"]["toolUseId"], made.as_str());
        made
    };
    for fits in ["toolu_1", "a.b:c-d", &"x".repeat(64)] {
        assert_eq!(ids(fits), fits);
    }
    let strange = ["", "a b", "a/b", "äöü", &"x".repeat(65), &format!("{}y", "x".repeat(64))];
    let made: Vec<String> = strange.iter().map(|id| ids(id)).collect();
    for (i, id) in made.iter().enumerate() {
        assert!((1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c)));
        assert!(!made[..i].contains(id), "{id}");
    }
}

#[test]
fn claudes_thoughts_go_back_to_claude_alone() {
    let redacted = |maker: &str, data: &str| {
        let redacted = Some(Sealed { maker: maker.into(), data: data.into() });
        Part::Reasoning(Reasoning { text: String::new(), signature: None, redacted, extras: Vec::new() })
    };
    let own = "anthropic-messages";
    let parts = vec![thought("hm", Some(own)), redacted(own, "AQID"), text("b")];
    let asked = Request { messages: vec![user(vec![text("a")]), assistant(parts), user(vec![text("c")])], ..ask("") };
    let (body, dropped) = encode(asked.clone());
    let blocks = json!([
        { "reasoningContent": { "reasoningText": { "text": "hm", "signature": "x" } } },
        { "reasoningContent": { "redactedContent": "AQID" } },
        { "text": "b" },
    ]);
    assert_eq!((&body["messages"][1]["content"], dropped.len()), (&blocks, 0));
    let (body, dropped) = encode(Request { model: "deepseek.r1-v1:0".into(), ..asked });
    assert_eq!((&body["messages"][1]["content"], dropped), (&json!([{ "text": "b" }]), vec!["reasoning".into()]));

    for foreign in [thought("x", None), thought("x", Some("gemini")), redacted("gemini", "AQID"), redacted(own, "%")] {
        let messages = vec![user(vec![text("a")]), assistant(vec![foreign, text("b")])];
        let (body, dropped) = encode(Request { messages, ..ask("") });
        assert_eq!(body["messages"][1]["content"], json!([{ "text": "b" }]));
        assert_eq!(dropped, ["reasoning"]);
    }
}

#[test]
fn cache_marks_become_cache_points_after_their_block() {
    let mark = json!({ "type": "ephemeral" });
    let inner = ResultPart::Text(cached("red", mark.clone()));
    let asked = Request {
        messages: vec![
            message(Role::System, vec![Part::Text(cached("s", json!({ "type": "ephemeral", "ttl": "1h" })))]),
            user(vec![Part::Text(cached("a", mark.clone())), text("b")]),
            assistant(vec![call("c", "look", "{}")]),
            user(vec![result("c", vec![inner, result_text("blue")]), text("d")]),
        ],
        tools: vec![Tool { extras: vec![extra("cache_control", mark)], ..tool("look", json!({})) }],
        ..ask("")
    };
    let (body, dropped) = encode(asked.clone());
    assert!(dropped.is_empty());
    let point = json!({ "cachePoint": { "type": "default" } });
    assert_eq!(body["system"][1], json!({ "cachePoint": { "type": "default", "ttl": "1h" } }));
    assert_eq!(body["messages"][0]["content"], json!([{ "text": "a" }, point, { "text": "b" }]));
    let answered = &body["messages"][2]["content"];
    assert_eq!(answered[0]["toolResult"]["content"], json!([{ "text": "red" }, { "text": "blue" }]));
    assert_eq!((&answered[1], &answered[2]), (&point, &json!({ "text": "d" })));
    assert_eq!(body["toolConfig"]["tools"][1], point);

    for other in [
        Request { protocol: "openai-chat".into(), ..asked.clone() },
        Request { model: "meta.llama3-70b-instruct-v1:0".into(), ..asked },
    ] {
        let (body, dropped) = encode(other);
        assert!(!body.to_string().contains("cachePoint"));
        assert_eq!(dropped, ["cache_control"]);
    }
}
