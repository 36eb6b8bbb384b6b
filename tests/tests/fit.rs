//! What `pointsman plugin test` finds in an adapter: nothing in those that are fit to serve, and each flaw in one that has it.

use pointsman::conformance::{Check, Trial, run};
use pointsman::plugin::{Cases, Compiler};
use pointsman_tests::guests::{PLAIN_CLIENT, PLAIN_PROVIDER, unfit};

async fn tried(component: &[u8], cases: Vec<Cases>) -> Vec<Check> {
    let trial = Trial { settings: "{}".to_owned(), seed: 1, situations: 10, cases, ..Trial::default() };
    run(&Compiler::here(), component, &trial).await.expect("cases that can be read")
}

/// The checks that failed, each with all that was said of why.
fn failed(checks: &[Check]) -> Vec<(&'static str, String)> {
    let failed = checks.iter().filter(|check| !check.failures.is_empty());
    failed.map(|check| (check.name, format!("{:?}", check.failures))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_are_fit_and_answer_their_cases() {
    for (component, text, names) in [
        (
            PLAIN_PROVIDER,
            include_str!("../../examples/adapters/plain-provider/cases/plain.toml"),
            &["loads", "describes", "refuses", "encodes", "classifies", "decodes", "cases"][..],
        ),
        (
            PLAIN_CLIENT,
            include_str!("../../examples/adapters/plain-client/cases/plain.toml"),
            &["loads", "answers", "reads", "writes", "tells", "cases"],
        ),
    ] {
        let cases = vec![Cases { file: "plain.toml".to_owned(), text: text.to_owned() }];
        let checks = tried(component, cases).await;
        assert_eq!(failed(&checks), [], "{checks:#?}");
        assert_eq!(checks.iter().map(|check| check.name).collect::<Vec<_>>(), names);
    }
}

/// Each with the check that finds it, and words of what it says.
const FLAWS: [(&str, &str, &str); 44] = [
    ("takes all settings", "refuses", "settings are an object"),
    ("traps on settings", "refuses", "trapped"),
    ("odd protocol", "describes", "`Un Fit`"),
    ("odd operation", "describes", "`talk` is none of"),
    ("odd base url", "describes", "https://host/path"),
    ("loops", "encodes", "longer than a call may"),
    ("traps on images", "encodes", "with an image"),
    ("blames the server", "encodes", "server-error: only plain text"),
    ("counts its calls", "encodes", "asked again, it answers otherwise"),
    ("remembers the first", "encodes", "in a fresh instance, it answers otherwise"),
    ("says other words", "encodes", "What does a pointsman do?"),
    ("says no json", "encodes", "a body of JSON"),
    ("drops oddly", "encodes", "names of fields"),
    ("asks elsewhere", "encodes", "does not begin with a slash"),
    ("brings a key", "encodes", "`authorization` is the host's to set"),
    ("never streams", "encodes", "a framing of streams"),
    ("traps on html", "classifies", "with HTML"),
    ("eats memory", "classifies", "more memory than a plugin may have"),
    ("429 is the caller's", "classifies", "`rate-limited`"),
    ("500 is the caller's", "classifies", "a fault of the target"),
    ("finds no words", "classifies", "the status at least"),
    ("traps on nothing", "decodes", "without any frame"),
    ("takes any end", "decodes", "finished"),
    ("answers with html", "decodes", "no content: this is no reply"),
    ("depends on pieces", "decodes", "ping"),
    ("goes on and on", "decodes", "the reply has ended already"),
    ("odd method", "answers", "such as `POST`"),
    ("odd path", "answers", "a path alone"),
    ("traps on odd turns", "reads", "trapped"),
    ("names no field", "reads", "the field that is wrong"),
    ("reads anything", "reads", "that is no request"),
    ("speaks for another", "understands", "whose the extras are"),
    ("fails by itself", "understands", "server-error"),
    ("forgets the limit", "understands", "limit"),
    ("writes no text", "writes", "all of the text"),
    ("writes early", "writes", "nothing before the call with `finished`"),
    ("hides failures", "writes", "an event with the fault's message"),
    ("ends no event", "writes", "a blank line ends each"),
    ("comments", "writes", "no comments"),
    ("refuses with 200", "tells", "a status from 400"),
    ("blames itself", "tells", "the caller's own mistake"),
    ("keeps why to itself", "tells", "the fault's message"),
    ("leaves parts open", "rereads", "finishes within a part"),
    ("swallows letters", "rereads", "the text"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_flaw_is_found() {
    let checks = tried(&unfit("none"), Vec::new()).await;
    assert_eq!(failed(&checks), [], "it is fit but for its flaw: {checks:#?}");
    let mut missed = String::new();
    for (flaw, name, words) in FLAWS {
        let failed = failed(&tried(&unfit(flaw), Vec::new()).await);
        if !failed.iter().any(|(check, said)| *check == name && said.contains(words)) {
            missed += &format!("`{flaw}` is to be found by `{name}`: {words}: {failed:#?}\n");
        }
    }
    assert!(missed.is_empty(), "{missed}");
}
