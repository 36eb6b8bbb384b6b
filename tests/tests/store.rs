//! What stands in the slots is there again after a restart, as the configuration allows; what is damaged or does not suit any
//! more costs nothing. Each restart is a new gateway in the same folder. `restart.rs` does it with whole processes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pointsman::clock::Clock;
use pointsman::config;
use pointsman::gateway::{Gateway, SlotView};
use pointsman::store::{Change, Store, What, Who};
use pointsman_tests::guests::{bundled, variant};

/// A folder of the test's own, and a configuration in it.
struct Place {
    folder: PathBuf,
    more: String,
}

impl Place {
    fn new(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("pointsman-store-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        Place { folder, more: String::new() }
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn version(&self, sha256: &str) -> PathBuf {
        self.state().join("versions").join(sha256).with_extension("wasm")
    }

    fn parsed(&self) -> config::Config {
        let text = format!(
            "[providers.p]\nadapter = \"openai-chat\"\nbase_url = \"http://127.0.0.1:1\"\n\
             [models.other]\ntargets = [\"p/m\"]\n{}",
            self.more
        );
        config::parse(&text, &self.folder.join("x.toml"), &|_| None).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The gateway before must have gone: its lock goes with its threads, a moment later.
    async fn start(&self) -> Arc<Gateway> {
        for _ in 0..1000 {
            if let Ok(store) = Store::open(&self.state()).await {
                let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
                return Gateway::with(store, self.parsed(), clock).await.expect("a gateway");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the folder is never free");
    }

    async fn restart(&self, gateway: Arc<Gateway>) -> Arc<Gateway> {
        gateway.flush().await;
        assert_eq!(gateway.store().trouble(), None);
        drop(gateway);
        self.start().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn slot(gateway: &Gateway, name: &str) -> SlotView {
    gateway.slots().into_iter().find(|slot| slot.name == name).expect("the slot")
}

/// What stands where, without what is counted anew.
#[derive(Debug, PartialEq)]
struct Standing {
    places: [Option<String>; 5],
    canary_percent: Option<u8>,
    barred: BTreeMap<String, String>,
}

fn standing(gateway: &Gateway) -> BTreeMap<String, Standing> {
    let stands = |slot: SlotView| {
        let SlotView { name, live, staged, previous, canary, canary_percent, shadow, barred, .. } = slot;
        let places =
            [Some(live), staged, previous, canary, shadow].map(|version| version.map(|version| version.sha256));
        (name, Standing { places, canary_percent, barred })
    };
    gateway.slots().into_iter().map(stands).collect()
}

fn last(gateway: &Gateway, name: &str) -> Change {
    gateway.store().history(Some(name)).pop().expect("a change")
}

/// Staged and live, one after the other.
async fn put_in(gateway: &Gateway, name: &str, bytes: &[u8]) -> String {
    let sha256 = gateway.load(name, bytes).await.expect("a plugin").staged.expect("staged").sha256;
    gateway.swap(name, false).await.expect("a swap");
    sha256
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_slot_is_as_it_was() {
    let place = Place::new("slots");
    let gateway = place.start().await;
    let built_in = slot(&gateway, "failover").live.sha256;
    let first = put_in(&gateway, "failover", &variant(bundled("failover"), 1)).await;
    put_in(&gateway, "failover", &variant(bundled("failover"), 2)).await;
    gateway.load("failover", &variant(bundled("failover"), 3)).await.expect("a plugin");
    gateway.canary("failover", 10, false).await.expect("a trial");
    gateway.load("failover", &variant(bundled("fastest"), 4)).await.expect("a plugin");
    gateway.shadow("failover").await.expect("a shadow");
    gateway.load("failover", &variant(bundled("failover"), 5)).await.expect("a plugin");
    put_in(&gateway, "openai-chat", &variant(bundled("openai-chat"), 6)).await;
    gateway.load("mine", bundled("cheapest")).await.expect("a new name");
    let (before, history) = (standing(&gateway), gateway.store().history(None));
    assert!(before["failover"].places.iter().all(Option::is_some), "{before:?}");
    let gateway = place.restart(gateway).await;
    assert_eq!(standing(&gateway), before);
    assert_eq!(gateway.store().history(None), history, "a restart is no change");
    let told: Vec<What> = gateway.store().history(Some("failover")).iter().map(|change| change.what).collect();
    use What::{Canary, Loaded, Shadow, Swapped};
    assert_eq!(told, [Loaded, Swapped, Loaded, Swapped, Loaded, Canary, Loaded, Shadow, Loaded]);
    let second = slot(&gateway, "failover").live.sha256;
    gateway.rollback("failover").await.expect("the end of the trial");
    assert_eq!(last(&gateway, "failover").what, What::Ended);
    // Back to what no place holds any more, after one more restart.
    let gateway = place.restart(gateway).await;
    gateway.rollback_to("failover", &built_in[..12], false).await.expect("the built-in one");
    let Change { what, before, after, who, .. } = last(&gateway, "failover");
    assert_eq!((what, before, after, who), (What::RolledBack, Some(second), Some(built_in), Who::Operator));
    let view = gateway.rollback_to("failover", &first, false).await.expect("the first one");
    assert_eq!(view.live.sha256, first);
    assert!(gateway.rollback_to("failover", "0123", false).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_back_stays_out() {
    let place = Place::new("barred");
    let gateway = place.start().await;
    let looking = tokio::spawn(pointsman::gateway::look_after(Arc::clone(&gateway)));
    let bad = gateway.load("failover", pointsman_tests::guests::ROGUE).await.expect("it looks well");
    let bad = bad.staged.expect("staged").sha256;
    gateway.swap("failover", false).await.expect("a swap");
    let live = Arc::clone(&gateway.table().slots["failover"].live);
    for _ in 0..3 {
        live.tally.note_fault(&pointsman::plugin::PluginFault::Nonsense("on purpose".into()));
    }
    pointsman_tests::wait_until("it is gone", || slot(&gateway, "failover").live.sha256 != bad).await;
    looking.abort();
    let _ = looking.await;
    let Change { what, before, who, why, .. } = last(&gateway, "failover");
    assert_eq!((what, before, who), (What::TakenBack, Some(bad.clone()), Who::Itself));
    assert!(why.contains("faults"), "{why}");
    let gateway = place.restart(gateway).await;
    assert!(slot(&gateway, "failover").barred.contains_key(&bad));
    gateway.load("failover", pointsman_tests::guests::ROGUE).await.expect("it may be looked at");
    assert!(gateway.swap("failover", false).await.is_err(), "kept out after a restart, too");
    assert!(gateway.rollback_to("failover", &bad, false).await.is_err());
    gateway.rollback_to("failover", &bad, true).await.expect("an operator insists");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_configuration_stands_above_what_was_kept_only_when_it_changes() {
    let mut place = Place::new("configured");
    let file = place.folder.join("mine.wasm");
    std::fs::write(&file, variant(bundled("failover"), 1)).expect("a file");
    place.more = "[plugins.mine]\nfile = \"mine.wasm\"".to_owned();
    let gateway = place.start().await;
    let configured = slot(&gateway, "mine").live.sha256;
    let Change { what, who, .. } = last(&gateway, "mine");
    assert_eq!((what, who), (What::Configured, Who::Configuration));
    let operators = put_in(&gateway, "mine", &variant(bundled("failover"), 2)).await;
    let gateway = place.restart(gateway).await;
    let view = slot(&gateway, "mine");
    assert_eq!((&view.live.sha256, view.previous.expect("one").sha256), (&operators, configured), "a swap stays");
    std::fs::write(&file, variant(bundled("failover"), 3)).expect("a changed file");
    let gateway = place.restart(gateway).await;
    let view = slot(&gateway, "mine");
    assert_eq!(view.previous.expect("one").sha256, operators, "a changed file takes its place");
    assert_eq!(last(&gateway, "mine").after, Some(view.live.sha256));
    // The version that the configuration gave is kept, too, though the file is another by now.
    place.more.clear();
    let gateway = place.restart(gateway).await;
    assert!(gateway.slots().iter().all(|slot| slot.name != "mine"), "it left with the configuration");
}

/// Faults: F155
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_goes_back_only_to_what_was_in_it() {
    let place = Place::new("own");
    let gateway = place.start().await;
    let others = put_in(&gateway, "fastest", &variant(bundled("failover"), 1)).await;
    let own = put_in(&gateway, "failover", &variant(bundled("failover"), 2)).await;
    put_in(&gateway, "failover", &variant(bundled("failover"), 3)).await;
    put_in(&gateway, "failover", &variant(bundled("failover"), 4)).await;
    let refused = async |gateway: &Gateway| {
        let error = gateway.rollback_to("failover", &others[..12], false).await.expect_err("it was in another slot");
        assert!(format!("{error:#}").contains("no version that was in `failover`"), "{error:#}");
    };
    refused(&gateway).await;
    let gateway = place.restart(gateway).await;
    refused(&gateway).await;
    gateway.rollback_to("failover", &own[..12], false).await.expect("its own");
    assert_eq!(slot(&gateway, "failover").live.sha256, own);
}

/// Faults: F141
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_costs_no_more_than_itself() {
    let place = Place::new("damaged");
    let gateway = place.start().await;
    let built_in = slot(&gateway, "failover").live.sha256;
    let first = put_in(&gateway, "failover", &variant(bundled("failover"), 1)).await;
    let second = put_in(&gateway, "failover", &variant(bundled("failover"), 2)).await;
    gateway.load("failover", &variant(bundled("failover"), 3)).await.expect("a plugin");
    let staged = slot(&gateway, "failover").staged.expect("staged").sha256;
    let damage = |sha256: &str| {
        let path = place.version(sha256);
        let mut bytes = std::fs::read(&path).expect("the version's bytes");
        bytes[2_000] ^= 1;
        std::fs::write(&path, bytes).expect("damage");
    };
    damage(&second);
    damage(&staged);
    let gateway = place.restart(gateway).await;
    let view = slot(&gateway, "failover");
    assert_eq!((&view.live.sha256, view.staged.is_none()), (&first, true), "the previous one");
    let losses: Vec<Change> = gateway.store().history(Some("failover"));
    let losses: Vec<&Change> = losses.iter().filter(|change| change.what == What::NotRestored).collect();
    assert!(losses.len() == 2 && losses[0].why.contains("damaged"), "{losses:?}");
    std::fs::remove_file(place.version(&first)).expect("it was there");
    let gateway = place.restart(gateway).await;
    assert_eq!(slot(&gateway, "failover").live.sha256, built_in, "the built-in one");
    // The same bytes again heal what was damaged.
    assert_eq!(put_in(&gateway, "failover", &variant(bundled("failover"), 2)).await, second);
    let gateway = place.restart(gateway).await;
    assert_eq!(slot(&gateway, "failover").live.sha256, second);
    gateway.flush().await;
    drop(gateway);
    std::fs::write(place.state().join("rollouts.db"), b"nonsense").expect("damage");
    let gateway = place.start().await;
    assert_eq!(slot(&gateway, "failover").live.sha256, second, "there is a copy of the slots");
    gateway.flush().await;
    drop(gateway);
    std::fs::write(place.state().join("rollouts.db"), b"nonsense").expect("damage");
    std::fs::write(place.state().join("slots.json"), b"[{").expect("damage");
    let gateway = place.start().await;
    assert_eq!(slot(&gateway, "failover").live.sha256, built_in);
    assert!(place.state().join("rollouts.db.damaged").exists());
    let third = put_in(&gateway, "failover", &variant(bundled("failover"), 3)).await;
    let gateway = place.restart(gateway).await;
    assert_eq!(slot(&gateway, "failover").live.sha256, third, "the new database serves");
    gateway.rollback_to("failover", &second, false).await.expect("found again by its file");
    assert_eq!(slot(&gateway, "failover").live.sha256, second);
}

/// The configuration changed while the gateway was down, and what an operator swapped in refuses its settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_suit_the_configuration_any_more_is_left_out() {
    let mut place = Place::new("unsuited");
    place.more = "[models.m]\ntargets = [\"p/m\"]\npolicy = \"fastest\"".to_owned();
    let gateway = place.start().await;
    let built_in = slot(&gateway, "fastest").live.sha256;
    put_in(&gateway, "fastest", bundled("failover")).await;
    let other = put_in(&gateway, "cheapest", &variant(bundled("cheapest"), 1)).await;
    place.more += "\nsettings = { failure_ms = 5 }";
    let gateway = place.restart(gateway).await;
    assert_eq!(slot(&gateway, "fastest").live.sha256, built_in);
    assert_eq!(slot(&gateway, "cheapest").live.sha256, other, "the others are as they were");
    let Change { what, why, .. } = last(&gateway, "fastest");
    assert!(what == What::NotRestored && why.contains("refuses its settings"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_ten_versions_are_kept_and_no_more() {
    let place = Place::new("ten");
    let gateway = place.start().await;
    let mut versions = Vec::new();
    for number in 0..14 {
        versions.push(put_in(&gateway, "failover", &variant(bundled("failover"), number)).await);
    }
    let files = std::fs::read_dir(place.state().join("versions")).expect("the folder").count();
    assert_eq!(files, 10);
    let gateway = place.restart(gateway).await;
    let error = gateway.rollback_to("failover", &versions[3], false).await.expect_err("it is gone");
    assert!(format!("{error:#}").contains("cannot come back"), "{error:#}");
    gateway.rollback_to("failover", &versions[4], false).await.expect("the tenth");
    assert_eq!(slot(&gateway, "failover").live.sha256, versions[4]);
}

/// Without a folder there is a history, too, as long as the process lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_folder_the_history_is_in_memory() {
    let place = Place::new("none");
    let clock = Clock::seeded(Duration::from_secs(1_780_394_400), 7);
    let gateway = Gateway::new(place.parsed(), clock).await.expect("a gateway");
    let built_in = slot(&gateway, "failover").live.sha256;
    let first = put_in(&gateway, "failover", &variant(bundled("failover"), 1)).await;
    put_in(&gateway, "failover", &variant(bundled("failover"), 2)).await;
    assert_eq!(gateway.store().history(Some("failover")).len(), 4);
    gateway.rollback_to("failover", &built_in, false).await.expect("the program has it");
    put_in(&gateway, "failover", &variant(bundled("failover"), 3)).await;
    let error = gateway.rollback_to("failover", &first, false).await.expect_err("nobody has it");
    assert!(format!("{error:#}").contains("[server] state"), "{error:#}");
    assert!(!Path::new(&place.state()).exists());
}
