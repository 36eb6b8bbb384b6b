//! `pointsman fault`: what it says, and what it does to a gateway that runs.

use pointsman::fake::{Fake, Protocol};
use serde_json::{Value, json};

use super::program::{Folder, Serving, TOKEN, run};

const ENABLED: &str = "[game_day]\nenabled = true\n";

#[tokio::test]
async fn the_programs_verbs_add_list_and_remove_faults() {
    let folder = Folder::new("game-day");
    let anthropic = Fake::start(Protocol::AnthropicMessages).await.expect("a port");
    let text = |more: &str| {
        format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"${{TOKEN}}\"\n[providers.a]\n\
             adapter = \"anthropic-messages\"\nbase_url = \"{}\"\nkey = \"k\"\n[models.x]\ntargets = [\"a/one\", \"a/two\"]\n{more}",
            anthropic.base_url()
        )
    };
    let path = folder.write("pointsman.toml", text(""));
    let serving = Serving::start(&["serve", "--config", &path], &[("TOKEN", TOKEN)]).await;
    let operator = [("POINTSMAN_ADMIN", serving.operators.as_str()), ("POINTSMAN_ADMIN_TOKEN", TOKEN)];
    let fault = async |arguments: &[&str]| run(&[&["fault"], arguments].concat(), &operator).await;
    let (code, out, err) = fault(&["add", "a/one", "overloaded"]).await;
    assert!(code == 2 && out.is_empty() && err.contains("write `[game_day]` with `enabled = true`"), "{out}{err}");
    let (code, out, err) = fault(&["list"]).await;
    assert!(code == 0 && out.starts_with("FAULT") && err.contains("game days are off"), "{out}{err}");

    folder.write("pointsman.toml", text(ENABLED));
    let mut added = fault(&["add", "a/one", "overloaded", "--for", "2h"]).await;
    for _ in 0..100 {
        if added.0 == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        added = fault(&["add", "a/one", "overloaded", "--for", "2h"]).await;
    }
    let (code, out, err) = added;
    assert_eq!(code, 0, "{err}");
    let id = out.trim_end().strip_prefix("a/one: no fault → overloaded, for all requests (").expect(&out);
    let id = id.strip_suffix(')').expect(&out).to_owned();
    assert!(
        err.contains("it ends by itself in 2h, at 2") && err.contains(&format!("pointsman fault remove {id}")),
        "{err}"
    );
    assert_eq!(serving.target("x").await, "a/two");
    let (_, out, _) = fault(&["list"]).await;
    let row = out.lines().find(|row| row.starts_with(&id)).unwrap_or_else(|| panic!("{out}"));
    let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert!(cells[1..4] == ["a/one", "overloaded", "all requests"] && cells[6] == "1", "{out}");
    let (_, out, _) = run(&["targets"], &operator).await;
    assert!(out.lines().any(|row| row.starts_with("a/one") && row.ends_with(&id)), "{out}");
    let (_, out, _) = run(&["explain", "--json"], &operator).await;
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["entries"][0]["injected"][0]["fault"], *id);

    let (code, out, err) = fault(&["add", "a/one", "slow:1ms", "--share", "0.5%", "--json"]).await;
    let told: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
    assert_eq!((code, &told["fault"]["order"]["share_percent"]), (0, &json!(0.5)));
    let (code, out, err) = fault(&["remove", &id]).await;
    assert_eq!((code, out), (0, format!("a/one: overloaded → no fault; {id} befell 1 requests\n")));
    assert!(err.contains("undo: pointsman fault add 'a/one' overloaded --share 100% --for 120m"), "{err}");
    let (code, _, err) = fault(&["remove", &id]).await;
    assert!(code == 2 && err.contains(&format!("no fault `{id}` is on")), "{err}");
    let (code, out, _) = fault(&["remove", "--all", "--json"]).await;
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &told["removed"][0]["order"]["kind"]), (0, &json!("slow:1ms")));
    let (code, out, _) = fault(&["list", "--json"]).await;
    assert_eq!((code, out.as_str()), (0, "{\"enabled\":true,\"faults\":[]}\n"));
    for (wrong, words) in [
        (&["add", "a", "overloaded", "--share", "some"][..], "write it like 5% or 0.5%"),
        (&["add", "a", "overloaded", "--for", "5h"], "for 4 hours at most"),
        (&["add", "a", "overloaded", "--for", "soon"], "write it like 90s"),
        (&["add", "a/three", "overloaded"], "`a/*` means all of its models"),
        (&["remove"], "--all"),
    ] {
        let (code, out, err) = fault(wrong).await;
        assert!((code, out.as_str()) == (2, "") && err.contains(words), "{wrong:?}: {code} {out}{err}");
    }
    let (_, said) = serving.stop().await;
    assert!(said.contains("an operator injects a fault") && said.contains("an injected fault has ended"), "{said}");
}
