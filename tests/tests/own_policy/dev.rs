//! `pointsman plugin dev`: what is saved takes effect, what is wrong does not.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::program::{Serving, TOKEN};
use super::{Place, environment};

/// A machine that has much else to do builds slowly.
const PATIENCE: Duration = Duration::from_secs(300);

/// The next line that begins so; what stands before it has to be one of the steps.
async fn said(lines: &mut Lines<BufReader<ChildStdout>>, word: &str) -> String {
    const STEPS: [&str; 6] = ["changed ", "built ", "tested ", "loaded ", "live ", "kept "];
    loop {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("text");
        let line = line.unwrap_or_else(|| panic!("it ended before it said `{word}`"));
        if line.starts_with(word) {
            return line;
        }
        let is_of_a_check = line.starts_with(' ') || line.starts_with("FAILED ");
        assert!(is_of_a_check || STEPS[..5].iter().any(|step| line.starts_with(step)), "not `{word}` but {line}");
    }
}

/// `plugin dev` of a project, for this plugin of that gateway.
fn start(serving: &Serving, project: &Path, name: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["plugin", "dev", &project.to_string_lossy(), "--as", name])
        .env_clear()
        .envs(environment(true))
        .env("POINTSMAN_ADMIN", &serving.operators)
        .env("POINTSMAN_ADMIN_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts")
}

/// A project of an adapter, which is live already as `plain-words`.
pub async fn keeps_what_is_not_fit(serving: &Serving, project: &Path) {
    let source = project.join("src/lib.rs");
    let good = std::fs::read_to_string(&source).expect("the adapter");
    let mut dev = start(serving, project, "plain-words");
    let mut lines = BufReader::new(dev.stdout.take().expect("its words")).lines();
    assert_eq!(said(&mut lines, "tested ").await, "tested    in 300 requests and 4 cases of its own");
    said(&mut lines, "live ").await;
    std::fs::write(&source, good.replace("text.push_str(&part.text)", "text.push('x')")).expect("saved");
    assert!(said(&mut lines, "FAILED ").await.starts_with("FAILED    encodes"));
    assert!(said(&mut lines, "kept ").await.contains("not fit to serve"));
    std::fs::write(&source, good).expect("saved");
    dev.kill().await.expect("it runs");
}

/// A project in C, whose policy is live already.
pub async fn follows_what_is_saved(place: &Place, project: &Path) {
    let source = project.join("policy.c");
    let good = std::fs::read_to_string(&source).expect("the policy");
    let order = "uint32_t target = night ? count - 1 - i : i;";
    assert!(good.contains(order), "{good}");
    let save = |order_now: &str| std::fs::write(&source, good.replace(order, order_now)).expect("saved");

    let mut dev = start(&place.serving, project, "failover");
    let mut lines = BufReader::new(dev.stdout.take().expect("its words")).lines();
    assert!(said(&mut lines, "live ").await.ends_with(" already"));

    place.one.behave("ok".parse().expect("a behaviour"));
    let (first, last) = ("uint32_t target = i; (void)night;", "uint32_t target = count - 1 - i; (void)night;");
    save(first);
    assert_eq!(said(&mut lines, "changed ").await, "changed   policy.c");
    let told = said(&mut lines, "FAILED ").await;
    assert!(
        told.contains(" of 7 are decided as expected") && !told.contains("7 of 7"),
        "some are about the night: {told}"
    );
    assert!(said(&mut lines, "kept ").await.contains("not fit to decide"));
    std::fs::remove_dir_all(project.join("cases")).expect("they are gone");
    assert_eq!(said(&mut lines, "changed ").await, "changed   cases/night.toml");
    assert!(said(&mut lines, "live ").await.contains(" → "));
    assert_eq!(place.serving.target("x").await, "one/claude");
    save(last);
    assert!(said(&mut lines, "live ").await.contains(" → "));
    assert_eq!(place.serving.target("x").await, "two/claude");
    for (wrong, why) in
        [("uint32_t target = ;", "not built"), ("return 99; uint32_t target = night ? count : i;", "not fit to decide")]
    {
        save(wrong);
        assert!(said(&mut lines, "kept ").await.contains(why));
        assert_eq!(place.serving.target("x").await, "two/claude", "the version before decides on");
    }

    let id = dev.id().expect("it runs");
    let kill = Command::new("bash").args(["-c", &format!("kill -INT {id}")]).status().await.expect("bash");
    assert!(kill.success());
    let status = tokio::time::timeout(PATIENCE, dev.wait()).await.expect("in time").expect("a status");
    assert_eq!(status.code(), Some(0));
}
