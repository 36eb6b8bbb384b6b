//! Callers: what they ask, when, and what they get.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use pointsman::net::Door;
use pointsman_tests::reply::{Reply, Speaks};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::provider::{FAILING_MODEL, MARK, Manner};

/// Which of the three routes a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// To the provider that has the bad morning, with a backup, by the policy under test.
    Claude,
    /// To the backup first.
    Gpt,
    /// To a third provider alone.
    Healthy,
}

/// What a caller is going to ask.
#[derive(Clone, Debug)]
pub struct Question {
    pub number: u32,
    pub at: Duration,
    pub route: Route,
    pub stream: bool,
    pub words: u32,
    pub manner: Manner,
    pub speaks: Speaks,
    pub model: &'static str,
    /// One of a few that go on for the whole time, where it is not a new one.
    pub conversation: Option<u32>,
}

/// How many of the calls take each route, a second.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub claude: f64,
    pub gpt: f64,
    pub healthy: f64,
}

/// How a call went. Times are since it was made.
#[derive(Clone, Debug)]
pub struct Call {
    pub question: Question,
    /// The first content that the caller saw; of a reply in one piece, all of it.
    pub first: Option<Duration>,
    pub ended: Duration,
    /// Whole and right.
    pub is_answered: bool,
    /// What was wrong, if it was not.
    pub why: String,
    /// `provider/model`, as the reply's header says.
    pub target: String,
    pub attempts: u32,
    /// Attempts that lost a race.
    pub outrun: usize,
    /// The provider that saw it first.
    pub asked_first: Option<&'static str>,
    /// The first content that the route's first provider would have shown on a good day, without a gateway.
    pub expected: Duration,
}

impl Call {
    /// How long the caller waited for content; one who got none waited to the end.
    pub fn until_first(&self) -> Duration {
        self.first.unwrap_or(self.ended)
    }

    /// What the first content took longer than expected.
    pub fn late(&self) -> Duration {
        self.until_first().saturating_sub(self.expected)
    }
}

const CONVERSATIONS: u32 = 12;

/// A Poisson process for each route, the same for the same seed.
pub fn questions(rates: Rates, lasts: Duration, words: std::ops::RangeInclusive<u32>, seed: u64) -> Vec<Question> {
    let mut questions = Vec::new();
    for (route, rate) in [(Route::Claude, rates.claude), (Route::Gpt, rates.gpt), (Route::Healthy, rates.healthy)] {
        let mut dice = Rng::with_seed(seed.wrapping_mul(31) + route as u64);
        let mut at = Duration::ZERO;
        loop {
            // A rate of nothing has its first one in a time without end.
            at = at
                .saturating_add(Duration::try_from_secs_f64(-(1.0 - dice.f64()).ln() / rate).unwrap_or(Duration::MAX));
            if at >= lasts {
                break;
            }
            questions.push(question(route, at, dice.u32(words.clone()), &mut dice));
        }
    }
    questions.sort_by_key(|question| question.at);
    (0..).zip(&mut questions).for_each(|(number, question)| question.number = number);
    questions
}

fn question(route: Route, at: Duration, words: u32, dice: &mut Rng) -> Question {
    let (speaks, model) = match route {
        Route::Claude => {
            let speaks = [Speaks::Messages, Speaks::Messages, Speaks::Chat, Speaks::Responses][dice.usize(..4)];
            (speaks, if dice.u32(..5) == 0 { "claude-sonnet-4-5" } else { FAILING_MODEL })
        }
        Route::Gpt => ([Speaks::Chat, Speaks::Responses, Speaks::Messages][dice.usize(..3)], "gpt-5.5"),
        Route::Healthy => ([Speaks::Gemini, Speaks::Chat][dice.usize(..2)], "gemini-2.5-flash"),
    };
    let conversation = (dice.u32(..3) == 0).then(|| dice.u32(..CONVERSATIONS));
    let (number, manner, stream) = (0, Manner::Usual, dice.u32(..3) > 0);
    Question { number, at, route, stream, words, manner, speaks, model, conversation }
}

impl Question {
    /// What the providers' fakes say to it.
    fn expected(&self) -> String {
        (1..=self.words).map(|word| format!("word{word}")).collect::<Vec<_>>().join(" ")
    }

    fn ask(&self) -> (String, Value) {
        let prompt = format!("{MARK}{}: write {} words{}", self.number, self.words, self.manner.words());
        let (path, mut body) = self.speaks.ask(self.model, &prompt, self.stream);
        // Conversations are recognised by how they begin.
        if let (Some(conversation), Some(turns)) =
            (self.conversation, body.get_mut("messages").and_then(Value::as_array_mut))
        {
            turns.insert(0, json!({ "role": "user", "content": format!("conversation {conversation}") }));
            turns.insert(1, json!({ "role": "assistant", "content": "Go on." }));
        }
        (path, body)
    }
}

/// Where callers get in.
#[derive(Clone)]
pub enum Entry {
    Port(Box<Client<HttpConnector, Full<Bytes>>>, SocketAddr),
    /// Each with a connection of its own.
    Door(Door),
}

impl Entry {
    async fn send(
        &self,
        path: &str,
        body: String,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let body = Full::new(Bytes::from(body));
        let request = Request::post(path).header("content-type", "application/json");
        match self {
            Entry::Port(http, address) => {
                let request = request.uri(format!("http://{address}{path}")).body(body)?;
                Ok(http.request(request).await?)
            }
            Entry::Door(door) => {
                let request = request.header("host", "june");
                let (mut sender, connection) = http1::handshake(TokioIo::new(door.knock()?)).await?;
                tokio::spawn(connection);
                Ok(sender.send_request(request.body(body)?).await?)
            }
        }
    }
}

/// Ask them all, each at its time; who waits longer than the patience gets nothing.
pub async fn call_all(entry: &Entry, began: Instant, questions: Vec<Question>, patience: Duration) -> Vec<Call> {
    let (mut running, mut calls) = (JoinSet::new(), Vec::with_capacity(questions.len()));
    for question in questions {
        sleep_until(began + question.at).await;
        running.spawn(call(entry.clone(), question, patience));
        while let Some(call) = running.try_join_next() {
            calls.push(call.expect("a caller does not panic"));
        }
    }
    while let Some(call) = running.join_next().await {
        calls.push(call.expect("a caller does not panic"));
    }
    calls.sort_by_key(|call| call.question.number);
    calls
}

async fn call(entry: Entry, question: Question, patience: Duration) -> Call {
    let made = Instant::now();
    let mut call = Call {
        question,
        first: None,
        ended: patience,
        is_answered: false,
        why: String::new(),
        target: String::new(),
        attempts: 0,
        outrun: 0,
        asked_first: None,
        expected: Duration::ZERO,
    };
    match timeout(patience, read(&entry, &mut call, made)).await {
        Ok(Ok(())) => call.is_answered = true,
        Ok(Err(why)) => call.why = why,
        Err(_) => call.why = "nothing more came".to_owned(),
    }
    call.ended = made.elapsed();
    call
}

/// An error says what is wrong with the reply.
async fn read(entry: &Entry, call: &mut Call, made: Instant) -> Result<(), String> {
    let (path, body) = call.question.ask();
    let response = entry.send(&path, body.to_string()).await.map_err(|error| format!("no reply: {error}"))?;
    let (head, mut body) = response.into_parts();
    let Question { speaks, stream, .. } = call.question;
    call.target = text(&head.headers, "x-pointsman-target");
    call.attempts = text(&head.headers, "x-pointsman-attempts").parse().unwrap_or(0);
    call.outrun = text(&head.headers, "x-pointsman-outrun").split(", ").filter(|who| !who.is_empty()).count();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("it broke off: {error}"))?;
        bytes.extend_from_slice(frame.data_ref().map(|data| &data[..]).unwrap_or_default());
        if stream && call.first.is_none() && !Reply::read(speaks, stream, &bytes).text.is_empty() {
            call.first = Some(made.elapsed());
        }
    }
    if head.status != 200 {
        return Err(format!("status {}: {:.200}", head.status.as_u16(), String::from_utf8_lossy(&bytes)));
    }
    let reply = Reply::read(speaks, stream, &bytes);
    judged(&reply, &call.question.expected())?;
    let _ = call.first.get_or_insert_with(|| made.elapsed());
    Ok(())
}

fn judged(reply: &Reply, expected: &str) -> Result<(), String> {
    match reply {
        Reply { nonsense: Some(nonsense), .. } => Err(format!("nonsense: {:.80}", nonsense)),
        reply if reply.ends != [true] => Err(format!("its ends: {:?}", reply.ends)),
        reply if reply.beginnings > 1 => Err("it began twice".to_owned()),
        reply if reply.text != expected => Err(format!("another text: {:.80}", reply.text)),
        _ => Ok(()),
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// How often each thing went wrong.
pub fn losses<'a>(calls: impl Iterator<Item = &'a Call>) -> BTreeMap<&'a str, usize> {
    let mut losses = BTreeMap::new();
    for call in calls.filter(|call| !call.is_answered) {
        *losses.entry(call.why.as_str()).or_default() += 1;
    }
    losses
}

#[test]
fn questions_come_at_their_rates() {
    let rates = Rates { claude: 5.0, gpt: 1.0, healthy: 2.0 };
    let questions = questions(rates, Duration::from_secs(1_000), 5..=9, 1);
    let count = |route| questions.iter().filter(|question| question.route == route).count();
    assert!((4_700..5_300).contains(&count(Route::Claude)) && (900..1_100).contains(&count(Route::Gpt)));
    assert!(
        questions.is_sorted_by_key(|question| question.at) && questions.is_sorted_by_key(|question| question.number)
    );
    assert!(
        questions.iter().any(|question| question.words == 5) && questions.iter().all(|q| (5..=9).contains(&q.words))
    );
}

#[test]
fn only_a_whole_and_right_reply_is_an_answer() {
    let read = |body: &str| Reply::read(Speaks::Messages, true, body.as_bytes());
    let start = "data: {\"type\":\"message_start\"}\n\n";
    let word = "data: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"word1\"}}\n\n";
    let stop = "data: {\"type\":\"message_stop\"}\n\n";
    assert_eq!(judged(&read(&[start, word, stop].concat()), "word1"), Ok(()));
    for (body, expected, why) in [
        ([start, word, stop].concat(), "word1 word2", "another text"),
        ([start, word].concat(), "word1", "its ends: []"),
        ([start, start, word, stop].concat(), "word1", "it began twice"),
        ([start, word, "data: {"].concat(), "word1", "nonsense"),
        ([start, word, "data: {\"type\":\"error\"}\n\n"].concat(), "word1", "its ends: [false]"),
    ] {
        assert!(judged(&read(&body), expected).is_err_and(|said| said.starts_with(why)), "{body}");
    }
}
