//! What the demo shows: one line a second, and the end of the story.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::traffic::Answer;

pub struct Screen {
    seconds: u32,
}

impl Screen {
    pub fn new(gateway: SocketAddr, rate: u32) -> Screen {
        println!(
            "gateway on http://{gateway}, {rate} requests a second: Anthropic and OpenAI clients, streamed and not"
        );
        println!(
            "{:>4}  {:>8}  {:>5}  {:>9}  {:>9}  {:>7}  {:>8}",
            "s", "answered", "lost", "anthropic", "openai", "p50 ms", "max ms"
        );
        Screen { seconds: 0 }
    }

    pub fn scene(&mut self, title: &str) {
        println!("── {title}");
    }

    pub fn say(&mut self, text: &str) {
        println!("   {text}");
    }

    pub fn second(&mut self, answers: &[Answer]) {
        self.seconds += 1;
        let by = |provider: &str| {
            answers.iter().filter(|answer| matches!(&answer.by, Ok(by) if by.starts_with(provider))).count()
        };
        let lost = answers.iter().filter(|answer| answer.by.is_err()).count();
        let (p50, max) = (percentile(answers, 50), percentile(answers, 100));
        println!(
            "{:>4}  {:>8}  {:>5}  {:>9}  {:>9}  {:>7}  {:>8}",
            self.seconds,
            answers.len() - lost,
            lost,
            by("anthropic/"),
            by("openai/"),
            p50.as_millis(),
            max.as_millis()
        );
    }

    /// Prints the end of the story. True if nothing was lost.
    pub fn summary(&self, answers: &[Answer]) -> bool {
        let mut targets: BTreeMap<&str, usize> = BTreeMap::new();
        let mut lost = Vec::new();
        for answer in answers {
            match &answer.by {
                Ok(by) => *targets.entry(by).or_default() += 1,
                Err(text) => lost.push(text),
            }
        }
        let failed_over = answers.iter().filter(|answer| answer.attempts > 1).count();
        println!("── the end");
        println!("   {} requests, {} answered, {} lost", answers.len(), answers.len() - lost.len(), lost.len());
        for (target, count) in targets {
            println!("   {count:>6} by {target}");
        }
        println!("   {failed_over:>6} of them on a second or third attempt, which their callers did not notice");
        for text in lost.iter().take(5) {
            println!("   lost: {text}");
        }
        !answers.is_empty() && lost.is_empty()
    }
}

fn percentile(answers: &[Answer], percent: usize) -> Duration {
    let mut times: Vec<Duration> = answers.iter().map(|answer| answer.first).collect();
    times.sort_unstable();
    let position = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(position).copied().unwrap_or_default()
}
