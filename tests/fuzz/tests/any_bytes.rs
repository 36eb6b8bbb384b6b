//! The bodies on stable Rust: the fixtures, torn and mended at random.

use pointsman_fuzz::{Subject, body, call, change, error, fixtures, frames, framing, reply, subjects, whole};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

/// What `PROPTEST_CASES` multiplies, where it is given.
const CASES: u32 = 1000;

/// Bytes that can be read when they make a test fail.
#[derive(Clone)]
struct Torn(Vec<u8>);

impl std::fmt::Debug for Torn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// One of these, with a few changes.
fn torn(fixtures: Vec<Vec<u8>>) -> impl Strategy<Value = Torn> {
    (select(fixtures), prop::collection::vec(any::<u64>(), 0..5)).prop_map(|(mut bytes, seeds)| {
        seeds.into_iter().for_each(|seed| change(&mut bytes, seed));
        Torn(bytes)
    })
}

fn check<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, holds: impl Fn(T)) {
    let times = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1);
    let cases = CASES.saturating_mul(times);
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() });
    let run = runner.run(&strategy, |value| {
        holds(value);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn each(test: impl Fn(Subject)) {
    subjects().into_iter().for_each(test);
}

fn bytes_of(fixtures: Vec<fixtures::Fixture>) -> Vec<Vec<u8>> {
    fixtures.into_iter().map(|fixture| fixture.bytes).collect()
}

#[test]
fn requests() {
    each(|subject| {
        if subject.client.is_some() {
            check(torn(bytes_of(fixtures::requests(subject.name))), |Torn(bytes)| _ = body(&subject, &bytes));
        }
    });
}

#[test]
fn streams() {
    each(|subject| {
        let streams = fixtures::streams(subject.name);
        let lines = streams.iter().map(|(_, frames)| fixtures::as_lines(frames)).collect();
        check((torn(lines), 2..9usize), |(Torn(bytes), batch)| drop(reply(&subject, true, &frames(&bytes), batch)));
    });
}

#[test]
fn whole_replies() {
    each(|subject| {
        let replies = bytes_of(fixtures::whole_replies(subject.name));
        check(torn(replies), |Torn(bytes)| drop(reply(&subject, false, &whole(&bytes), 1)));
    });
}

#[test]
fn errors() {
    each(|subject| {
        let bodies = fixtures::errors(subject.name).into_iter().map(|(_, body)| body).collect();
        check((torn(bodies), 400..600u16), |(Torn(bytes), status)| drop(error(&subject, status, &bytes)));
    });
}

#[test]
fn calls() {
    each(|subject| {
        let settings = subject.settings.iter().map(|settings| settings.as_bytes().to_vec()).collect();
        check((torn(settings), ".{0,40}"), |(Torn(settings), model)| {
            call(&subject, &String::from_utf8_lossy(&settings), &model);
        });
    });
}

#[test]
fn framings() {
    let fixtures = subjects().iter().flat_map(|subject| fixtures::streams(subject.name)).collect::<Vec<_>>();
    let bytes = fixtures.iter().map(|(stream, _)| stream.wire_bytes()).collect();
    check((torn(bytes), any::<usize>()), |(Torn(bytes), cut)| framing(cut, &bytes));
}
