//! Registries and hosts that answer with something else: nothing of it is written, nothing is loaded, and it is said why.

use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::bundled;
use super::evil::{Evil, Reply, fixture};
use super::program::{Folder, run};

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A well-formed one of this component.
pub fn manifest(component: &[u8]) -> String {
    let digest = format!("sha256:{}", sha256(component));
    json!({
        "schemaVersion": 2,
        "config": { "mediaType": "application/vnd.wasm.config.v0+json", "digest": digest, "size": 2 },
        "layers": [{ "mediaType": "application/wasm", "digest": digest, "size": component.len() }],
    })
    .to_string()
}

#[tokio::test]
async fn a_registry_that_answers_with_something_else_gives_nothing() {
    let folder = Folder::new("attacks");
    let component = bundled("failover").bytes;
    let good = manifest(component);
    let pin = format!("@sha256:{}", sha256(good.as_bytes()));
    let other = manifest(bundled("fastest").bytes);
    let digest_of_other = format!("docker-content-digest: sha256:{}\r\n", sha256(other.as_bytes()));
    let announced = "content-length: 999999999\r\n".to_owned();
    let large = good.replace(&format!("\"size\":{}", component.len()), "\"size\":999999999");
    let blob = |reply: fn() -> Reply| (good.clone(), reply);
    type Case = (&'static str, String, Box<dyn Fn(bool) -> Reply + Send + Sync>, &'static str);
    let manifests = |reply: Box<dyn Fn() -> Reply + Send + Sync>| -> Box<dyn Fn(bool) -> Reply + Send + Sync> {
        Box::new(move |is_manifest| if is_manifest { reply() } else { Reply::status(500) })
    };
    let blobs = |(manifest, reply): (String, fn() -> Reply)| -> Box<dyn Fn(bool) -> Reply + Send + Sync> {
        Box::new(move |is_manifest| if is_manifest { Reply::ok(manifest.clone()) } else { reply() })
    };
    let (told, shown) = (good.clone(), other.clone());
    let cases: Vec<Case> = vec![
        ("another manifest", pin.clone(), manifests(Box::new(move || Reply::ok(shown.clone()))), "another manifest"),
        (
            "another digest than the manifest's",
            ":1".to_owned(),
            manifests(Box::new(move || Reply::Whole(200, digest_of_other.clone(), told.clone().into()))),
            "the registry says it is",
        ),
        ("no manifest", ":1".to_owned(), manifests(Box::new(|| Reply::ok("<html>"))), "no manifest of a package"),
        (
            "a huge manifest",
            ":1".to_owned(),
            manifests(Box::new(move || Reply::Whole(200, announced.clone(), vec![]))),
            "longer than",
        ),
        ("an endless manifest", ":1".to_owned(), manifests(Box::new(|| Reply::Endless)), "longer than"),
        (
            "too large by its manifest",
            ":1".to_owned(),
            manifests(Box::new(move || Reply::ok(large.clone()))),
            "a plugin may have",
        ),
        ("a fault", ":1".to_owned(), manifests(Box::new(|| Reply::status(500))), "answered 500"),
        ("another blob", pin.clone(), blobs(blob(|| Reply::ok(bundled("sticky").bytes))), "its answer is longer"),
        (
            "a changed blob",
            pin.clone(),
            blobs(blob(|| Reply::ok([&[1], &bundled("failover").bytes[1..]].concat()))),
            "but came as",
        ),
        ("half a blob", pin.clone(), blobs(blob(|| Reply::ok(&bundled("failover").bytes[..99]))), "(99 bytes)"),
        (
            "a blob that breaks off",
            pin.clone(),
            blobs(blob(|| Reply::Whole(200, "content-length: 500\r\n".into(), vec![0]))),
            "broke off",
        ),
        ("an endless blob", pin.clone(), blobs(blob(|| Reply::Endless)), "longer than"),
        ("a circle", pin.clone(), blobs(blob(|| Reply::to("/v2/p/blobs/round"))), "redirects more than"),
        ("a file of this machine", pin.clone(), blobs(blob(|| Reply::to("file:///etc/passwd"))), "redirects to"),
        (
            "plain HTTP elsewhere",
            pin.clone(),
            blobs(blob(|| Reply::to("http://10.255.255.1/x"))),
            "which is plain HTTP",
        ),
    ];
    for (what, name, answer, why) in cases {
        let registry = Evil::start(move |asked| answer(asked.line.contains("/manifests/"))).await;
        let from = format!("127.0.0.1:{}/p{name}", registry.port);
        let file = folder.path("pulled.wasm");
        let (code, out, err) = run(&["plugin", "pull", &from, "-o", &file], &[]).await;
        assert!(code == 2 && out.is_empty() && err.contains(why), "{what} should say {why:?}: {err}");
        assert!(!Path::new(&file).exists(), "{what}");
    }
}

/// Even if it is pushed to, it cannot say that it holds something else.
#[tokio::test]
async fn a_registry_that_stores_something_else_is_noticed() {
    let folder = Folder::new("stores");
    let file = folder.write("p.wasm", bundled("failover").bytes);
    let storage = Evil::start(|_| Reply::status(201)).await;
    let upload = format!("location: http://localhost:{}/upload?state=1\r\n", storage.port);
    let registry = Evil::start(move |asked| {
        let method = asked.line.split(' ').next().unwrap_or_default();
        let stored = format!("docker-content-digest: sha256:{}\r\n", "0".repeat(64));
        match (asked.authorization.as_str(), method) {
            ("", _) => Reply::Whole(401, "www-authenticate: Basic realm=\"x\"\r\n".to_owned(), Vec::new()),
            (_, "GET" | "HEAD") => Reply::status(404),
            (_, "POST") => Reply::Whole(202, upload.clone(), Vec::new()),
            _ => Reply::Whole(201, stored, Vec::new()),
        }
    });
    let registry = registry.await;
    let host = format!("127.0.0.1:{}", registry.port);
    let login = [
        ("POINTSMAN_REGISTRY", host.as_str()),
        ("POINTSMAN_REGISTRY_USER", "u"),
        ("POINTSMAN_REGISTRY_PASSWORD", "secret-of-u"),
    ];
    let to = format!("127.0.0.1:{}/p:1", registry.port);
    let (code, out, err) = run(&["plugin", "push", &file, &to], &login).await;
    assert!(code == 2 && out.is_empty() && err.contains("says it stored sha256:000"), "{err}");
    // The blobs went to a storage that was shown no login.
    let asked = storage.seen();
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|seen| seen.authorization.is_empty() && seen.line.starts_with("PUT /upload?state=1&digest=sha256"))
    );
}

#[tokio::test]
async fn https_stays_https_and_needs_a_known_certificate() {
    let component = bundled("failover").bytes;
    let sha256 = &bundled("failover").sha256;
    let plain = Evil::start(move |_| Reply::ok(component)).await;
    let to_plain = format!("http://127.0.0.1:{}/p.wasm", plain.port);
    let secure = Evil::start_tls(move |asked| match asked.line.as_str() {
        "GET /p.wasm?token=in-the-query" => Reply::ok(component),
        "GET /there" => Reply::to("/p.wasm?token=in-the-query"),
        "GET /plain" => Reply::to(&to_plain),
        "GET /endless" => Reply::Endless,
        _ => Reply::status(404),
    });
    let secure = secure.await;
    let authority = fixture("authority.pem");
    let trusting = [
        ("SSL_CERT_FILE", authority.to_str().expect("text")),
        ("POINTSMAN_ADMIN_TOKEN", "t"),
        ("POINTSMAN_ADMIN", "127.0.0.1:1"),
    ];
    let load = async |path: &str, sha256: &str, trusted: bool| {
        let url = format!("https://localhost:{}{path}", secure.port);
        let arguments = ["plugin", "load", &url, "--sha256", sha256, "--as", "failover"];
        run(&arguments, if trusted { &trusting } else { &trusting[1..] }).await.2
    };
    // It was fetched: what fails is only that no gateway is there to take it.
    for path in ["/p.wasm?token=in-the-query", "/there"] {
        let err = load(path, sha256, true).await;
        assert!(err.contains("no gateway answers"), "{path}: {err}");
    }
    let wrong = "0".repeat(64);
    for (path, sha256, trusted, why) in [
        ("/p.wasm?token=in-the-query", &*wrong, true, "but should be sha256:000"),
        ("/p.wasm?token=in-the-query", sha256, false, "certificate"),
        ("/plain", sha256, true, "which is plain HTTP"),
        ("/endless", sha256, true, "longer than"),
        ("/none", sha256, true, "answered 404"),
    ] {
        let err = load(path, sha256, trusted).await;
        assert!(err.contains(why) && !err.contains("in-the-query"), "{path} should say {why:?}: {err}");
    }
    assert!(plain.seen().is_empty(), "plain HTTP was not even asked");
}
