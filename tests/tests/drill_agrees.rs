//! The drill's simulation and the world: the same incidents in virtual time, and over real sockets in real time, with callers
//! and providers that have connections of their own.

use std::path::Path;

use pointsman::config;
use pointsman::drill::{self, Choice, Drill, Incident, Line, Outcome, Traffic};
use pointsman::plugin::Compiler;

const CONFIGURATION: &str = r#"
    [providers.anthropic]
    adapter = "anthropic-messages"
    keys = ["${ONE}", "${TWO}"]

    [providers.openai]
    adapter = "openai-chat"
    key = "${THREE}"

    [models."claude-*"]
    targets = ["anthropic/*", "openai/gpt-5"]

    [models.assistant]
    targets = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]
"#;

/// So that what hangs is over soon.
const IMPATIENT: &str = r#"
    [timeouts]
    first_token = "3s"
    reply = "10s"
    total = "12s"
"#;
/// What is silent and slow is noticed by what is usual.
const DEFAULTS: &str = "";

/// Quick, so that it can be played in real time, too.
const QUICK: &str = r#"
    name = "quick"
    about = "made for a test"
    lasts = "36s"

    [[phase]]
    name = "everything is ten times as fast"
    first_token = 0.1
    speed = 10.0
"#;
const REFUSED: &str = r#"
    [[phase]]
    name = "gone"
    from = "6s"
    to = "18s"
    role = "first"
    unreachable = "refused"
"#;
const OVERLOADED: &str = r#"
    [[phase]]
    name = "most are refused, and some of the others break off"
    from = "6s"
    to = "24s"
    role = "first"
    share = 0.8
    errors = [{ kind = "overloaded", rate = 0.7 }, { kind = "cut-after:3", rate = 0.3 }]
"#;
const LIMITED: &str = r#"
    [[phase]]
    name = "keys are limited, and who is asked instead hangs"
    from = "6s"
    to = "24s"
    role = "first"
    limit = { per_minute = 60 }

    [[phase]]
    name = "some hang"
    from = "10s"
    to = "20s"
    role = "backup"
    share = 0.3
    errors = [{ kind = "hang-before-content" }]
"#;
const SILENT: &str = r#"
    [[phase]]
    name = "accepted, and then nothing"
    from = "12s"
    to = "24s"
    role = "first"
    errors = [{ kind = "hang" }]
"#;
const SLOW: &str = r#"
    [[phase]]
    name = "fifteen times as slow to begin, and then at a fifth"
    from = "12s"
    to = "24s"
    role = "first"
    first_token = 15.0
    speed = 0.2
"#;
/// Of the requests: so many may be answered in one and not in the other, on balance; of attempts twice as many. Seen were 0 to
/// 4 of 284, and 1 to 13.
const APART: f64 = 0.05;
/// So many may be answered by another, or at another attempt: what is asked when by whom decides when a breaker closes and a
/// bucket is empty, and from then on everything is another day. Seen were 6 to 23 %.
const OTHERWISE: f64 = 0.35;

fn outcomes(timeouts: &str, incident: &str, line: Line) -> Vec<Outcome> {
    let secret = |name: &str| ["ONE", "TWO", "THREE"].contains(&name).then(|| format!("secret-{name}"));
    let config = config::parse(&format!("{timeouts}{CONFIGURATION}"), Path::new("drill.toml"), &secret)
        .unwrap_or_else(|error| panic!("{error}"));
    let incident = Incident::parse(&format!("{QUICK}{incident}"), Path::new("quick.toml")).expect("an incident");
    let traffic = Traffic::guessed(&config, 480.0).expect("traffic");
    let (compiler, choices) = (Compiler::here(), vec![Choice::parse("failover").expect("a policy")]);
    let drill = Drill { compiler, config, incident, traffic, choices, seed: 11, line, explain: None };
    drill::outcomes(&drill).unwrap_or_else(|error| panic!("{error:#}")).remove(0)
}

/// `attempts_min` for each request, at the least: else nothing befell.
fn agree(name: &str, timeouts: &str, incident: &str, attempts_min: f64) {
    let [simulated, real] = [Line::Simulated, Line::Real].map(|line| outcomes(timeouts, incident, line));
    assert!(simulated.len() > 200 && simulated.len() == real.len(), "{name}");
    let all = simulated.len() as f64;
    let answered = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| outcome.is_answered).count() as f64;
    let attempts = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| f64::from(outcome.attempts)).sum::<f64>();
    let decided = |outcome: &Outcome| (outcome.is_answered, outcome.target.clone(), outcome.attempts);
    let otherwise: Vec<u32> = simulated
        .iter()
        .zip(&real)
        .filter(|(one, other)| decided(one) != decided(other))
        .map(|(one, _)| one.number)
        .collect();
    let told = format!(
        "{name}: of {all} requests {} and {} answered, {} and {} attempts, {} otherwise: {otherwise:?}",
        answered(&simulated),
        answered(&real),
        attempts(&simulated),
        attempts(&real),
        otherwise.len(),
    );
    println!("{told}");
    assert!(attempts(&simulated) > attempts_min * all, "nothing befell: {told}");
    assert!((answered(&simulated) - answered(&real)).abs() <= APART * all, "{told}");
    assert!((attempts(&simulated) - attempts(&real)).abs() <= 2.0 * APART * all, "{told}");
    assert!(otherwise.len() as f64 <= OTHERWISE * all, "{told}");
    // Before the trouble begins nothing can be otherwise.
    assert!(otherwise.first().is_none_or(|first| *first >= 40), "{told}");
}

#[test]
fn the_simulated_line_and_the_real_one_agree() {
    std::thread::scope(|scope| {
        for (name, timeouts, incident, attempts_min) in [
            ("refused", IMPATIENT, REFUSED, 1.05),
            ("overloaded", IMPATIENT, OVERLOADED, 1.05),
            ("limited", IMPATIENT, LIMITED, 1.05),
            ("silent", DEFAULTS, SILENT, 1.05),
            // Who is slow is left, and few are asked twice.
            ("slow", DEFAULTS, SLOW, 1.02),
        ] {
            scope.spawn(move || agree(name, timeouts, incident, attempts_min));
        }
    });
}
