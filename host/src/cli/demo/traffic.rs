//! Steady traffic: callers of two protocols, streamed and not, for two models. Each reads its reply to the end and checks
//! that it is one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub const OPUS: &str = "claude-opus-4-8";
pub const SONNET: &str = "claude-sonnet-4-5";
/// Nobody waits longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How one request went.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Until the reply's head, which comes with the first content.
    pub first: Duration,
    /// The target that answered, or what went wrong.
    pub by: Result<String, String>,
    pub attempts: u32,
}

/// Requests that are being sent.
pub struct Traffic {
    answers: Arc<Mutex<Vec<Answer>>>,
    sending: JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
    told: Mutex<usize>,
}

impl Traffic {
    pub fn start(gateway: SocketAddr, rate: u32) -> Traffic {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let sending = tokio::spawn(send(gateway, rate, Arc::clone(&answers), stopped));
        Traffic { answers, sending, stop, told: Mutex::new(0) }
    }

    /// What came since the last call.
    pub fn second(&self) -> Vec<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let new = answers.get(*told..).unwrap_or_default().to_vec();
        *told = answers.len();
        new
    }

    /// Send no more, wait for the last answers, and hand over all of them.
    pub async fn stop(self) -> Vec<Answer> {
        self.stop.send_replace(true);
        // A panic in a caller is a bug of the demo; what was answered is still told.
        let _ = self.sending.await;
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clone()
    }
}

async fn send(
    gateway: SocketAddr,
    rate: u32,
    answers: Arc<Mutex<Vec<Answer>>>,
    stopped: tokio::sync::watch::Receiver<bool>,
) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut callers = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut number = 0_usize;
    while !*stopped.borrow() {
        ticks.tick().await;
        let (client, answers) = (client.clone(), Arc::clone(&answers));
        callers.spawn(async move {
            let answer = call(&client, gateway, number).await;
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        });
        number += 1;
        while callers.try_join_next().is_some() {}
    }
    while callers.join_next().await.is_some() {}
}

async fn call(client: &Client<HttpConnector, Full<Bytes>>, gateway: SocketAddr, number: usize) -> Answer {
    let began = Instant::now();
    let mut answer = Answer { first: Duration::ZERO, by: Err("no answer within 30 s".to_owned()), attempts: 0 };
    let outcome = timeout(PATIENCE, ask(client, gateway, number, began, &mut answer)).await;
    if let Ok(outcome) = outcome {
        answer.by = outcome.map_err(|error| format!("{error:#}"));
    }
    answer
}

async fn ask(
    client: &Client<HttpConnector, Full<Bytes>>,
    gateway: SocketAddr,
    number: usize,
    began: Instant,
    answer: &mut Answer,
) -> anyhow::Result<String> {
    let (anthropic, stream) = (number % 3 != 2, number.is_multiple_of(2));
    let model = if number % 4 < 2 { SONNET } else { OPUS };
    let prompt = format!("request {number}");
    let (path, terminator) =
        if anthropic { ("/v1/messages", "message_stop") } else { ("/v1/chat/completions", "[DONE]") };
    let body = serde_json::json!({
        "model": model, "max_tokens": 100, "stream": stream, "messages": [{ "role": "user", "content": prompt }],
    });
    let request = Request::post(format!("http://{gateway}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))?;
    let response = client.request(request).await.context("sending")?;
    answer.first = began.elapsed();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    answer.attempts = header("x-pointsman-attempts").parse().unwrap_or_default();
    let (status, by) = (response.status(), header("x-pointsman-target").to_owned());
    let body = response.into_body().collect().await.context("reading")?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    ensure!(status.is_success(), "{status}: {text}");
    let complete = if stream { text.contains(terminator) } else { text.contains(&prompt) };
    ensure!(complete, "the reply is not complete");
    Ok(by)
}
