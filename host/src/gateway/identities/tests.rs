//! In virtual time, with a source that does what the test says.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::config::Secret;

type Answers = Arc<Mutex<VecDeque<Option<Result<u64, &'static str>>>>>;

/// A source: seconds that its credentials last, an error, or `None`: it does not answer. After the last it gives an hour each
/// time. Its credentials are numbered, and it is noted when they are asked for.
struct Scene {
    identity: Identity,
    asked: Arc<Mutex<Vec<Instant>>>,
    began: Instant,
}

impl Scene {
    fn begin(answers: impl IntoIterator<Item = Option<Result<u64, &'static str>>>) -> Scene {
        let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let asked: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let fetch = move || {
            let answer = answers.lock().unwrap().pop_front().unwrap_or(Some(Ok(3600)));
            let mut noted = noted.lock().unwrap();
            noted.push(Instant::now());
            let token = Secret::new(format!("token-{}", noted.len()));
            async move {
                let answer = match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                };
                let lasts = Some(Duration::from_secs(answer?));
                Ok(Granted { credential: Credential::Bearer(token), lasts })
            }
        };
        let clock = Arc::new(Clock::seeded(Duration::from_secs(1_780_394_400), 7));
        Scene { identity: Identity::begin("a test".to_owned(), clock, fetch), asked, began: Instant::now() }
    }

    /// Seconds from the beginning to each question.
    fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().iter().map(|at| (*at - self.began).as_secs()).collect()
    }

    async fn token(&self) -> Result<String, String> {
        match &self.identity.current().await?.credential {
            Credential::Bearer(token) => Ok(token.reveal().to_owned()),
            Credential::Aws(_) => panic!("a token"),
        }
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn new_ones_come_before_the_old_expire_and_nobody_waits() {
    let scene = Scene::begin([]);
    assert_eq!(scene.token().await.as_deref(), Ok("token-1"));
    pass(3300).await;
    assert_eq!(scene.token().await.as_deref(), Ok("token-1"));
    pass(299).await;
    assert_eq!(scene.token().await.as_deref(), Ok("token-2"), "before the hour is over");
    let asked = scene.asked();
    assert!(asked.len() == 2 && (3360..3420).contains(&asked[1]), "three to four minutes before: {asked:?}");
}

/// Faults: F114
#[tokio::test(start_paused = true)]
async fn the_old_ones_serve_until_they_expire_while_the_source_fails() {
    let mut answers = vec![Some(Ok(3600))];
    answers.extend(vec![Some(Err("the source is down")); 20]);
    let scene = Scene::begin(answers);
    pass(3599).await;
    assert_eq!(scene.token().await.as_deref(), Ok("token-1"));
    pass(2).await;
    let before = Instant::now();
    let error = scene.token().await.expect_err("they have expired");
    assert!(error.contains("expired") && error.contains("the source is down"), "{error}");
    assert_eq!(Instant::now(), before, "nobody waits");
    let gaps: Vec<u64> = scene.asked().windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap <= 60) && gaps.len() < 14, "less and less often: {gaps:?}");
    pass(1500).await;
    assert!(scene.token().await.is_ok(), "it is well again");
}

/// Faults: F114
#[tokio::test(start_paused = true)]
async fn the_first_are_waited_for_and_not_for_long() {
    let scene = Scene::begin([None, Some(Err("no route")), Some(Ok(3600))]);
    let before = Instant::now();
    let error = scene.token().await.expect_err("it does not answer");
    assert!(error.contains("not answered yet"), "{error}");
    assert_eq!(before.elapsed(), FIRST_WAIT);
    let before = Instant::now();
    assert!(scene.token().await.is_err());
    assert_eq!(before.elapsed(), Duration::ZERO, "only once");
    sleep(Duration::from_millis(7500)).await;
    assert!(scene.token().await.expect_err("it took too long").contains("no answer within 10 s"));
    pass(10).await;
    assert_eq!(scene.token().await.as_deref(), Ok("token-3"));
}

/// Faults: F114
#[tokio::test(start_paused = true)]
async fn what_a_provider_refuses_is_replaced_once() {
    let scene = Scene::begin([]);
    let first = scene.identity.current().await.expect("a credential");
    pass(60).await;
    assert!(scene.identity.refuse(&first), "it is replaced");
    pass(1).await;
    let second = scene.identity.current().await.expect("a credential");
    assert_eq!(scene.token().await.as_deref(), Ok("token-2"));
    assert!(!scene.identity.refuse(&second), "its replacement is refused too: the account itself is");
    pass(1).await;
    assert_eq!(scene.asked(), [0, 60], "not again at once");
    pass(5).await;
    assert_eq!(scene.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_a_moment_is_asked_for_in_time() {
    let scene = Scene::begin([Some(Ok(20)), Some(Ok(1))]);
    for _ in 0..30 {
        assert!(scene.token().await.is_ok());
        pass(1).await;
    }
    assert!(scene.asked().len() < 8, "{:?}", scene.asked());
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_asks_no_more() {
    let scene = Scene::begin([]);
    assert!(scene.token().await.is_ok());
    let asked = Arc::clone(&scene.asked);
    drop(scene);
    pass(20_000).await;
    assert_eq!(asked.lock().unwrap().len(), 1);
}
