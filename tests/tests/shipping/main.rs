//! Plugins on their way: pushed to and pulled from a real registry, fetched by HTTPS, kept for the next start; and what
//! becomes of those who answer with something else.

mod attacks;
mod configured;
mod evil;
#[path = "../program.rs"]
mod program;
mod registry;

use base64::Engine as _;
use pointsman_bundle::{BUNDLED, Bundled};
use serde_json::Value;

use self::evil::{Evil, Reply};
use self::program::{Folder, run};
use self::registry::{PASSWORD, Registry, USER};

const SIGNATURE: &str = "untrusted comment: signature\nRUQabc\ntrusted comment: test\nxyz==\n";

fn bundled(name: &str) -> &'static Bundled {
    BUNDLED.iter().find(|bundled| bundled.name == name).expect("it is built in")
}

async fn curl(arguments: &[&str]) -> String {
    let output = tokio::process::Command::new("curl").arg("-s").args(arguments).output().await.expect("curl");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn what_is_pushed_is_pulled_again_and_a_digest_stays() {
    let folder = Folder::new("push");
    let registry = Registry::start("open", false).await;
    let address = &registry.address;
    let to = format!("{address}/team/day-and-night:1.0");
    let file = folder.write("mine.wasm", bundled("fastest").bytes);
    folder.write("mine.wasm.minisig", SIGNATURE);

    let push = ["plugin", "push", &file, &to, "--version", "1.0", "--description", "by day and by night"];
    let (code, out, err) = run(&push, &[]).await;
    assert_eq!(code, 0, "{err}");
    let pinned = out.trim().to_owned();
    let digest = pinned.strip_prefix(&format!("{to}@")).expect(&out).to_owned();
    assert!(err.contains("nothing → sha256:") && err.contains(&format!("load oci://{pinned}")), "{err}");
    let (code, out, err) = run(&push, &[]).await;
    assert!(
        code == 0 && out.trim() == pinned && err.contains("as before"),
        "the same, whenever it is pushed: {out}{err}"
    );

    // What lies there is what the CNCF's guidance wants, and what `wkg` and `oras` look for: one layer, and a file's name.
    let accept = "accept: application/vnd.oci.image.manifest.v1+json";
    let manifest = curl(&["-H", accept, &format!("http://{address}/v2/team/day-and-night/manifests/1.0")]).await;
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(text("/mediaType"), "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(text("/config/mediaType"), "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
    assert_eq!(text("/layers/0/mediaType"), "application/wasm");
    assert_eq!(text("/layers/0/digest"), format!("sha256:{}", bundled("fastest").sha256));
    assert_eq!(text("/layers/0/annotations/org.opencontainers.image.title"), "day-and-night.wasm");
    assert_eq!(text("/annotations/org.opencontainers.image.title"), "day-and-night");
    assert_eq!(text("/annotations/org.opencontainers.image.version"), "1.0");
    assert_eq!(text("/annotations/org.opencontainers.image.description"), "by day and by night");
    let config = format!("http://{address}/v2/team/day-and-night/blobs/{}", text("/config/digest"));
    let config: Value = serde_json::from_str(&curl(&[&config]).await).expect("JSON");
    assert_eq!((config["architecture"].as_str(), config["os"].as_str()), (Some("wasm"), Some("wasip2")));
    assert_eq!(config["layerDigests"][0], manifest["layers"][0]["digest"]);
    let exports = config["component"]["exports"].to_string();
    assert!(exports.contains("pointsman:plugin/policy@"), "{exports}");

    // Pulled again, it is the same, and so is its signature; what is there is not written over.
    let (pulled, beside) = (folder.path("pulled.wasm"), folder.path("pulled.wasm.minisig"));
    let (code, out, err) = run(&["plugin", "pull", &to, "-o", &pulled], &[]).await;
    assert!(code == 0 && out.starts_with(&pinned) && out.contains(bundled("fastest").sha256), "{out}{err}");
    assert_eq!(std::fs::read(&pulled).expect("a file"), bundled("fastest").bytes);
    assert_eq!(std::fs::read_to_string(&beside).expect("a file"), SIGNATURE);
    folder.write("pulled.wasm.minisig", "another's");
    let (code, _, err) = run(&["plugin", "pull", &to, "-o", &pulled], &[]).await;
    assert!(code == 2 && err.contains("is another") && err.contains("--force"), "{err}");
    let (code, out, _) = run(&["plugin", "pull", &to, "-o", &pulled, "--force", "--json"], &[]).await;
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, json["reference"].as_str(), json["version"].as_str()), (0, Some(&*pinned), Some("1.0")));
    assert_eq!(std::fs::read_to_string(&beside).expect("a file"), SIGNATURE);

    // Another under the same tag: the digest still means the first.
    let file = folder.write("other.wasm", bundled("failover").bytes);
    let (code, out, err) = run(&["plugin", "push", &file, &to, "--json"], &[]).await;
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, json["before"].as_str()), (0, Some(&*pinned)), "{err}");
    let again = folder.path("again.wasm");
    let (code, _, err) = run(&["plugin", "pull", &pinned, "-o", &again], &[]).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read(&again).expect("a file"), bundled("fastest").bytes);
    let by_tag = folder.path("by-tag.wasm");
    run(&["plugin", "pull", &to, "-o", &by_tag], &[]).await;
    assert_eq!(std::fs::read(&by_tag).expect("a file"), bundled("failover").bytes);
    assert!(!std::path::Path::new(&folder.path("by-tag.wasm.minisig")).exists());

    let none = format!("sha256:{}", "0".repeat(digest.len() - "sha256:".len()));
    for (from, why) in [
        (format!("{address}/team/day-and-night@{none}"), "no such package"),
        (format!("{address}/team/day-and-night:2.0"), "no such package"),
        (format!("{address}/team/nothing:1.0"), "no such package"),
        ("127.0.0.1:1/p:1".to_owned(), "asking http://127.0.0.1:1/v2/p/manifests/1"),
        ("team/p:1".to_owned(), "names no registry"),
        ("user:a-password@registry.example/p:1".to_owned(), "after the `@` comes `sha256:`"),
    ] {
        let (code, out, err) = run(&["plugin", "pull", &from, "-o", &folder.path("none.wasm")], &[]).await;
        assert!(code == 2 && out.is_empty() && err.contains(why), "{from}: {err}");
        assert!(!err.contains("a-password"), "{err}");
    }
    let (code, _, err) = run(&["plugin", "push", &folder.write("no.wasm", "no"), &to], &[]).await;
    assert!(code == 2 && err.contains("it is no plugin"), "{err}");
}

/// The environment's login for a registry.
fn login<'a>(registry: &'a str, password: &'a str) -> [(&'static str, &'a str); 3] {
    [("POINTSMAN_REGISTRY", registry), ("POINTSMAN_REGISTRY_USER", USER), ("POINTSMAN_REGISTRY_PASSWORD", password)]
}

#[tokio::test]
async fn who_must_log_in_does_and_nobody_reads_the_password() {
    let folder = Folder::new("login");
    let registry = Registry::start("secured", true).await;
    let to = format!("{}/p:1", registry.address);
    let file = folder.write("p.wasm", bundled("failover").bytes);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let logins = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"{basic}\"}}}}}}", registry.address);
    let docker = folder.write("config.json", logins).replace("/config.json", "");
    let wrong = format!("{PASSWORD}-not");
    let mut said = String::new();
    for (environment, code, why) in [
        (&[][..], 2, "wants a login: use `docker login`, or set POINTSMAN_REGISTRY_USER"),
        (&[("POINTSMAN_REGISTRY_USER", USER)], 2, "the other is not"),
        (
            &[("POINTSMAN_REGISTRY_USER", USER), ("POINTSMAN_REGISTRY_PASSWORD", PASSWORD)],
            2,
            "POINTSMAN_REGISTRY is not",
        ),
        (&login(&registry.address, &wrong), 2, "does not let us in"),
        (&login("other.example", PASSWORD), 2, "wants a login"),
        (&login(&registry.address, PASSWORD), 0, "nothing → sha256:"),
        (&[("DOCKER_CONFIG", &docker)], 0, "as before"),
    ] {
        let environment = [environment, &[("POINTSMAN_LOG", "debug")]].concat();
        let (got, out, err) = run(&["plugin", "push", &file, &to], &environment).await;
        assert!(got == code && err.contains(why), "{environment:?}: {err}");
        said += &(out + &err);
    }
    let pulled = folder.path("pulled.wasm");
    let (code, _, err) = run(&["plugin", "pull", &to, "-o", &pulled], &[("DOCKER_CONFIG", &docker)]).await;
    assert_eq!(code, 0, "{err}");
    folder.write("config.json", "{\"auths\":{\"127.0.0.1\":{}, ");
    let (code, _, err) = run(&["plugin", "pull", &to, "-o", &pulled], &[("DOCKER_CONFIG", &docker)]).await;
    assert!(code == 2 && err.contains("wants a login"), "{err}");
    said += &err;
    assert!(!said.contains(PASSWORD) && !said.contains(&basic), "{said}");
}

/// As the large registries do it: somebody else gives a token for the login, and blobs lie in a storage elsewhere. The
/// password goes to the first, the token to the registry, and nothing to the storage.
#[tokio::test]
async fn each_is_shown_what_is_for_it() {
    let folder = Folder::new("token");
    let component = bundled("failover").bytes;
    let storage = Evil::start(move |_| Reply::ok(component)).await;
    let blobs = format!("http://localhost:{}/kept?sign=1", storage.port);
    let realm = Evil::start(|asked| match asked.authorization.as_str() {
        "" => Reply::status(401),
        _ => Reply::ok("{\"token\":\"a-token\"}"),
    });
    let realm = realm.await;
    let challenge = format!(
        "www-authenticate: Bearer realm=\"http://127.0.0.1:{}/token\",service=\"tests, all\",scope=\"ignored\"\r\n",
        realm.port
    );
    let manifest = attacks::manifest(component);
    let registry = Evil::start(move |asked| match (asked.authorization.as_str(), &asked.line) {
        ("Bearer a-token", line) if line.contains("/manifests/") => Reply::ok(manifest.clone()),
        ("Bearer a-token", _) => Reply::to(&blobs),
        _ => Reply::Whole(401, challenge.clone(), Vec::new()),
    });
    let registry = registry.await;
    let from = format!("127.0.0.1:{}/team/p:1", registry.port);
    let host = format!("127.0.0.1:{}", registry.port);
    let login = login(&host, PASSWORD);
    let pulled = folder.path("pulled.wasm");
    let (code, _, err) = run(&["plugin", "pull", &from, "-o", &pulled], &login).await;
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::read(&pulled).expect("a file"), component);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let asked = realm.seen();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].authorization, format!("Basic {basic}"));
    assert_eq!(asked[0].line, "GET /token?service=tests%2C%20all&scope=repository%3Ateam%2Fp%3Apull");
    let shown: Vec<String> = registry.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(shown, ["", "Bearer a-token", "Bearer a-token"]);
    let asked = storage.seen();
    assert_eq!((asked.len(), asked[0].line.as_str(), asked[0].authorization.as_str()), (1, "GET /kept?sign=1", ""));
    // Who is nobody gets no token, and is told what to do.
    let (code, _, err) = run(&["plugin", "pull", &from, "-o", &pulled], &[]).await;
    assert!(code == 2 && err.contains("does not let us in: use `docker login`"), "{err}");
}
