//! Callers of the Responses API that refer to items of earlier answers by their ids, as Vercel's default provider does from the
//! second step on: each step of a conversation may be answered by another provider, or with another key.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pointsman::fake::{Fake, Protocol};
use pointsman_tests::{Answer, Line, behave};
use serde_json::{Value, json};

/// Both providers think, so that thoughts are among what is referred to.
struct Agent {
    line: Line,
    responses: Fake,
    /// Another provider of the same protocol.
    azure: Fake,
    client: Client<HttpConnector, Full<Bytes>>,
    key: &'static str,
    model: &'static str,
    stream: bool,
    input: Vec<Value>,
    targets: Vec<String>,
}

impl Agent {
    async fn start(model: &'static str, stream: bool) -> Agent {
        let responses = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
        let azure = Fake::start(Protocol::OpenAiResponses).await.expect("a port");
        let line = Line::start_with(&format!(
            r#"
            [keys.one]
            key = "caller-one"
            [keys.two]
            key = "caller-two"
            [providers.responses]
            adapter = "openai-responses"
            base_url = "{}"
            keys = ["key-one"]
            [providers.keys]
            adapter = "openai-responses"
            base_url = "{}"
            keys = ["key-one", "key-two", "key-three"]
            [providers.azure]
            adapter = "openai-responses"
            base_url = "{}"
            key = "key-azure"
            [models.claude]
            settings = {{ attempts = 3 }}
            targets = ["responses/gpt-5", "anthropic/claude-sonnet-4-5"]
            [models.azure]
            settings = {{ attempts = 3 }}
            targets = ["responses/gpt-5", "azure/gpt-5"]
            [models.keys]
            settings = {{ attempts = 1 }}
            targets = ["keys/gpt-5"]
            [models.stranger]
            targets = ["anthropic/claude-sonnet-4-5"]
            "#,
            responses.base_url(),
            responses.base_url(),
            azure.base_url(),
        ))
        .await;
        let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        // Fakes number their ids, and no two providers give the same ones.
        for _ in 0..20 {
            let request = Request::post(format!("{}/responses", azure.base_url())).body(Full::default());
            client.request(request.expect("a request")).await.expect("an answer");
        }
        let input = vec![json!({ "role": "user", "content": "use tool look with {}" })];
        let (key, targets) = ("caller-one", Vec::new());
        Agent { line, responses, azure, client, key, model, stream, input, targets }
    }

    fn body(&self, input: &Value) -> Value {
        json!({
            "model": self.model, "stream": self.stream, "input": input,
            "reasoning": { "effort": "low", "summary": "auto" },
            "tools": [{ "type": "function", "name": "look", "parameters": { "type": "object", "properties": {} } }],
        })
    }

    async fn post(&self, body: &Value) -> Answer {
        let request = Request::post(format!("http://{}/v1/responses", self.line.address));
        let request = request.header("authorization", format!("Bearer {}", self.key));
        let request = request.body(Full::new(body.to_string().into())).expect("a request");
        Answer::read(self.client.request(request).await.expect("an answer")).await
    }

    /// One step: what was answered is referred to in the next one, and the tool's result comes in full.
    async fn step(&mut self) -> Vec<Value> {
        let answer = self.post(&self.body(&json!(self.input))).await;
        assert_eq!(answer.status, 200, "{:?}: {}", self.targets, answer.body);
        self.targets.push(answer.header("x-pointsman-target").to_owned());
        let output = match self.stream {
            true => answer.events().pop().expect("events")["response"]["output"].clone(),
            false => answer.json()["output"].clone(),
        };
        let output = output.as_array().expect("an output").clone();
        assert!(output.iter().any(|item| item["type"] == "function_call"), "{output:?}");
        for item in &output {
            self.input.push(json!({ "type": "item_reference", "id": item["id"] }));
        }
        let calls = output.iter().filter(|item| item["type"] == "function_call");
        let result = |call: &Value| json!({ "type": "function_call_output", "call_id": call["call_id"], "output": "seen; then use tool look with {}" });
        self.input.extend(calls.map(result));
        output
    }

    fn last_sent(fake: &Fake) -> Value {
        let seen = fake.seen();
        serde_json::from_slice(&seen.last().expect("a request").body).expect("JSON")
    }
}

fn count(body: &Value, kind: &str) -> usize {
    body["input"].as_array().expect("items").iter().filter(|item| item["type"] == kind).count()
}

const OWN: &str = "responses/gpt-5";
const CLAUDE: &str = "anthropic/claude-sonnet-4-5";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_made_the_items_is_referred_to_them() {
    for stream in [false, true] {
        let mut agent = Agent::start("claude", stream).await;
        for _ in 0..3 {
            agent.step().await;
        }
        assert_eq!(agent.targets, [OWN; 3]);
        assert_eq!(count(&Agent::last_sent(&agent.responses), "item_reference"), 4, "the caller's own bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_provider_gets_the_items_themselves_and_its_own_go_back() {
    for stream in [false, true] {
        let mut agent = Agent::start("claude", stream).await;
        for fault in ["ok", "503", "503", "ok", "529", "ok"] {
            agent.responses.behave(behave(fault));
            agent.step().await;
        }
        assert_eq!(agent.targets, [OWN, CLAUDE, CLAUDE, OWN, CLAUDE, OWN]);
        let sent = Agent::last_sent(&agent.responses);
        assert_eq!(count(&sent, "item_reference"), 4, "of two steps of its own: {sent}");
        assert_eq!((count(&sent, "function_call"), count(&sent, "reasoning")), (3, 0), "{sent}");
    }
}

/// The type of a reference is optional: <https://platform.openai.com/docs/api-reference/responses/create>.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_may_lack_its_type() {
    let mut agent = Agent::start("claude", false).await;
    for fault in ["ok", "ok", "503", "ok"] {
        agent.responses.behave(behave(fault));
        agent.step().await;
        for item in agent.input.iter_mut().filter(|item| item["type"] == "item_reference") {
            *item = json!({ "id": item["id"] });
        }
    }
    assert_eq!(agent.targets, [OWN, OWN, CLAUDE, OWN]);
    let answer = agent.post(&agent.body(&json!([{ "role": "user", "content": "hi" }, { "id": "fc_of_nobody" }]))).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backup_answers_the_first_step() {
    let mut agent = Agent::start("claude", true).await;
    agent.responses.behave(behave("503"));
    agent.step().await;
    agent.responses.behave(behave("ok"));
    agent.step().await;
    assert_eq!(agent.targets, [CLAUDE, OWN]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_provider_of_the_same_protocol_gets_the_items_too() {
    let mut agent = Agent::start("azure", true).await;
    for fault in ["ok", "503", "ok", "503"] {
        agent.responses.behave(behave(fault));
        agent.step().await;
    }
    let azure = "azure/gpt-5";
    assert_eq!(agent.targets, [OWN, azure, OWN, azure]);
    let sent = Agent::last_sent(&agent.azure);
    assert_eq!((count(&sent, "item_reference"), count(&sent, "function_call")), (2, 2), "{sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_that_made_the_items_is_used_again_until_it_rests() {
    let mut agent = Agent::start("keys", false).await;
    let key = |fake: &Fake| fake.seen().last().and_then(|seen| seen.header("authorization").map(str::to_owned));
    agent.step().await;
    let first = key(&agent.responses);
    for _ in 0..3 {
        agent.step().await;
        assert_eq!(key(&agent.responses), first);
    }
    agent.responses.behave(behave("429:60"));
    let refused = agent.post(&agent.body(&json!(agent.input))).await;
    assert!(matches!(refused.status.as_u16(), 429 | 503), "{}", refused.body);
    agent.responses.behave(behave("ok"));
    agent.step().await;
    assert_ne!(key(&agent.responses), first);
    assert_eq!(count(&Agent::last_sent(&agent.responses), "item_reference"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thoughts_that_come_back_by_their_id_alone_go_to_their_maker_only() {
    let mut agent = Agent::start("azure", false).await;
    let output = agent.step().await;
    // As OpenAI's Agents SDK does: all items whole, thoughts without their encryption.
    let mut input = vec![agent.input[0].clone()];
    input.extend(output);
    input.push(agent.input.last().expect("a result").clone());
    for fault in ["ok", "503"] {
        agent.responses.behave(behave(fault));
        let answer = agent.post(&agent.body(&json!(input))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(count(&Agent::last_sent(&agent.responses), "reasoning"), 1);
    assert_eq!(count(&Agent::last_sent(&agent.azure), "reasoning"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_another_callers_items() {
    let mut agent = Agent::start("claude", false).await;
    agent.step().await;
    let asked = agent.responses.seen().len();
    agent.key = "caller-two";
    let refused = agent.post(&agent.body(&json!(agent.input))).await;
    not_found(&refused, "rs_");
    assert_eq!(agent.responses.seen().len(), asked, "no provider is asked");
    agent.key = "caller-one";
    agent.step().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_nobody_knows_is_not_found() {
    for model in ["claude", "stranger"] {
        let agent = Agent::start(model, false).await;
        let input = json!([{ "type": "item_reference", "id": "msg_nobody" }, { "role": "user", "content": "hi" }]);
        not_found(&agent.post(&agent.body(&input)).await, "msg_nobody");
        assert!(agent.line.anthropic.seen().is_empty());
        // It is this request's own trouble.
        let answer = agent.post(&agent.body(&json!("hi"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_to_be_stored_is_not_kept() {
    let agent = Agent::start("stranger", false).await;
    let mut body = agent.body(&json!("hi"));
    body["store"] = json!(false);
    let answer = agent.post(&body).await.json();
    let id = answer["output"].as_array().and_then(|items| items.last()).map(|item| item["id"].clone());
    let id = id.expect("an item");
    let input = json!([{ "role": "user", "content": "hi" }, { "type": "item_reference", "id": id }, { "role": "user", "content": "on" }]);
    not_found(&agent.post(&agent.body(&input)).await, id.as_str().expect("an id"));
}

fn not_found(answer: &Answer, id: &str) {
    let body = answer.json();
    assert_eq!(answer.status, 404, "{body}");
    let message = body["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("Item with id '{id}")) && message.contains("not found"), "{body}");
    let expected = (&json!("invalid_request_error"), &json!("input"));
    assert_eq!((&body["error"]["type"], &body["error"]["param"]), expected, "{body}");
}

/// A response that one caller got is nothing that another can continue, though both are asked for with the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_response_is_its_callers_own() {
    let mut agent = Agent::start("claude", false).await;
    let made = agent.post(&agent.body(&json!("hello"))).await.json()["id"].clone();
    let mut next = agent.body(&json!("go on"));
    next["previous_response_id"] = made;
    let asked = agent.responses.seen().len();
    agent.key = "caller-two";
    let answer = agent.post(&next).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(answer.body.contains("previous_response_id"), "{}", answer.body);
    assert_eq!(agent.responses.seen().len(), asked, "no provider was asked");
    agent.key = "caller-one";
    let answer = agent.post(&next).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
