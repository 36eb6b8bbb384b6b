//! Each client's request to each provider: what the provider got, what was dropped, what was refused, what it answered.

use pointsman::fake::Seen;
use pointsman_tests::every::Every;
use pointsman_tests::{Answer, send};
use serde_json::{Value, json};

use super::files::{Golden, canonical, entries, fixtures, read, stem};
use super::table::{Cell, Table};

/// Where a client of this protocol asks for that model.
fn path(client: &str, model: &str) -> String {
    match client {
        "openai-chat" => "/v1/chat/completions".to_owned(),
        "openai-responses" => "/v1/responses".to_owned(),
        "openai-embeddings" => "/v1/embeddings".to_owned(),
        "anthropic-messages" => "/v1/messages".to_owned(),
        "gemini" => format!("/v1beta/models/{model}:generateContent"),
        other => panic!("no client speaks {other}"),
    }
}

/// What was said, in any client's protocol.
fn said(client: &str, reply: &Value) -> String {
    let texts = |list: &Value, field: &str| -> String {
        list.as_array().into_iter().flatten().filter_map(|part| part[field].as_str()).collect()
    };
    match client {
        "openai-chat" => reply["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned(),
        "openai-responses" => {
            let items = reply["output"].as_array().into_iter().flatten();
            items
                .map(|item| if item["type"] == "message" { texts(&item["content"], "text") } else { String::new() })
                .collect()
        }
        "anthropic-messages" => texts(&reply["content"], "text"),
        "gemini" => {
            let parts = reply["candidates"][0]["content"]["parts"].as_array().into_iter().flatten();
            parts.filter(|part| part["thought"] != true).filter_map(|part| part["text"].as_str()).collect()
        }
        "openai-embeddings" => format!("{} vectors", reply["data"].as_array().map_or(0, Vec::len)),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_client_with_every_provider() {
    let all = Every::start().await;
    let (mut golden, mut table) = (Golden::default(), Table::new(&all.providers));
    for feature in entries(&fixtures("requests")) {
        for file in entries(&feature) {
            let client = stem(&file);
            let mut told = serde_json::Map::new();
            for provider in &all.providers {
                let before = all.seen();
                let model = match client.as_str() {
                    "openai-embeddings" => all.embedding_model(provider),
                    _ => provider.clone(),
                };
                let body = read(&file).replace("\"MODEL\"", &format!("\"{model}\""));
                let response = send(all.address, &path(&client, &model), body.clone()).await.expect("an answer");
                let answer = Answer::read(response).await;
                let sent = all.since(&before).into_iter().next();
                let cell = Cell::of(&answer);
                told.insert(provider.clone(), tell(&client, &answer, sent.as_ref(), &body, &model));
                table.set(&stem(&feature), &client, provider, cell);
            }
            let text = serde_json::to_string_pretty(&canonical(told.into())).expect("JSON");
            golden.compare(&format!("requests/{}/{client}.json", stem(&feature)), &format!("{text}\n"));
        }
    }
    assert!(all.seen().values().any(|count| *count > 0));
    golden.compare("../../../plugins/adapters/TABLE.md", &table.to_string());
    golden.finish();
}

fn tell(client: &str, answer: &Answer, sent: Option<&Seen>, body: &str, model: &str) -> Value {
    let mut told = json!({ "status": answer.status.as_u16() });
    if answer.status.is_success() {
        let reply = answer.json();
        let said = said(client, &reply);
        // A fake that answers in JSON does so in the order of its own build.
        let json = serde_json::from_str(&said).ok().filter(Value::is_object);
        told["said"] = json.map_or(said, |json| canonical(json).to_string()).into();
    } else {
        told["error"] = answer.json();
    }
    if !answer.header("x-pointsman-dropped").is_empty() {
        told["dropped"] = answer.header("x-pointsman-dropped").into();
    }
    let Some(sent) = sent else { return told };
    told["path"] = sent.path.clone().into();
    let text = String::from_utf8_lossy(&sent.body);
    // The same protocol on both sides: the very bytes, but for the model's name.
    let (was, is) =
        (body.replacen(&format!("\"{model}\""), "MODEL", 1), text.replacen(&format!("\"{}\"", sent.model), "MODEL", 1));
    told["body"] = match was == is {
        true => "the caller's own bytes".into(),
        false => serde_json::from_slice(&sent.body).unwrap_or_else(|_| text.into_owned().into()),
    };
    told
}
