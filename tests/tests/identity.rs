//! Credentials that a cloud gives in place of keys, end to end: each source, a source that is down or wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use pointsman::config;
use pointsman::fake::{Fake, Protocol};
use pointsman_tests::clouds::{Clouds, Mood};
use pointsman_tests::{Answer, Line, configuration};
use tokio::time::{Instant, sleep};

const CLAUDE: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const ROLE: &str = "arn:aws:iam::1:role/gateway";

/// A gateway, the clouds that know it, and a provider in one of them.
struct Scene {
    line: Line,
    clouds: Clouds,
    provider: Fake,
    folder: PathBuf,
}

impl Scene {
    async fn start(name: &str, protocol: Protocol) -> Scene {
        let folder = std::env::temp_dir().join(format!("pointsman-identity-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let scene = Scene {
            line: Line::start().await,
            clouds: Clouds::start().await,
            provider: Fake::start(protocol).await.expect("a port"),
            folder,
        };
        scene.write("subject", "canary-subject\n");
        scene
    }

    fn write(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        std::fs::write(&file, text).expect("a file");
        file.display().to_string()
    }

    /// The provider `cloud` with these settings, alone (`lone`) and with a backup (`cloud`).
    async fn configure(&self, settings: &str, environment: &[(&str, &str)]) {
        let (adapter, model) = match settings.split(' ').next() {
            Some("aws") => ("bedrock-converse", CLAUDE),
            Some("google") => ("gemini", "gemini-2.5-pro"),
            _ => ("openai-chat", "gpt-5"),
        };
        let more = format!(
            "[providers.cloud]\nadapter = \"{adapter}\"\nbase_url = \"{}\"\n{settings}\n\
             [models.cloud]\ntargets = [\"cloud/{model}\", \"openai/gpt-5\"]\n\
             [models.alone]\ntargets = [\"cloud/{model}\"]\n\
             [models.lone]\ntargets = [\"cloud/{model}\"]\nsettings = {{ attempts = 1 }}\n",
            self.provider.base_url()
        );
        let text = configuration(&self.line.anthropic, &self.line.openai, &more);
        let environment = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let parsed = config::parse(&text, Path::new("test.toml"), &environment);
        let parsed = parsed.unwrap_or_else(|error| panic!("{settings}: {error}"));
        self.line.gateway.apply(parsed).await.expect("a good configuration");
    }

    async fn ask(&self, model: &str) -> Answer {
        let answer = self.line.gpt(model, "hello", false).await;
        let shown = format!("{:?} {}", answer.headers, answer.body);
        assert!(!shown.contains("canary"), "no secret is shown: {shown}");
        answer
    }

    /// The header of the last request.
    fn shown(&self, name: &str) -> String {
        self.provider.seen().last().and_then(|seen| seen.header(name)).unwrap_or_default().to_owned()
    }

    /// Two requests are answered with one credential, and the provider saw it in this header.
    async fn serves(&self, what: &str, header: &str, beginning: &str) {
        let answer = self.ask("lone").await;
        assert_eq!(answer.status, 200, "{what}: {} {:?}", answer.body, self.clouds.asked());
        let first = self.shown(header);
        assert!(first.starts_with(beginning), "{what}: {header}: {first}");
        let asked = self.clouds.asked().len();
        assert_eq!(self.ask("lone").await.status, 200, "{what}");
        assert_eq!((self.shown(header), self.clouds.asked().len()), (first, asked), "{what}: it was not asked again");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn bedrock(aws: &str) -> String {
    format!("aws = {{ {aws} }}\nsettings = {{ region = \"us-east-1\" }}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_of_aws() {
    let scene = Scene::start("aws", Protocol::Bedrock).await;
    let (url, subject) = (scene.clouds.url(), scene.write("subject", "canary-subject\n"));
    let (container, file) = (format!("{url}/v2/credentials/task"), scene.write("container", "canary-container\n"));
    let web =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", subject.as_str()), ("AWS_ROLE_ARN", ROLE), ("AWS_ENDPOINT_URL_STS", &url)];
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()), ("AWS_ENDPOINT_URL_STS", &url)];
    let uri = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str());
    let role = format!("role_arn = \"{ROLE}\", external_id = \"external-1\"");
    let keys = "access_key_id = \"AKIDEXAMPLE\", secret_access_key = \"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\"";
    for (what, aws, environment) in [
        ("IRSA", "identity = \"web-identity\"".to_owned(), &web[..]),
        (
            "a container's token",
            "identity = \"container\"".to_owned(),
            &[uri, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container")],
        ),
        (
            "a container's token in a file",
            "identity = \"auto\"".to_owned(),
            &[uri, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file)],
        ),
        ("an instance", "identity = \"instance\"".to_owned(), &instance),
        ("an instance's role", format!("identity = \"instance\", {role}"), &instance),
        ("a role with keys", format!("{keys}, {role}"), &instance[1..]),
    ] {
        scene.configure(&bedrock(&aws), environment).await;
        scene.serves(what, "x-amz-security-token", "canary-token-").await;
        assert!(scene.shown("authorization").contains("Credential=AKIDEXAMPLE/"), "{what}");
    }
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "canary-session-token"),
    ];
    scene.configure(&bedrock("identity = \"environment\""), &environment).await;
    scene.serves("the environment", "x-amz-security-token", "canary-session-token").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_of_google() {
    let scene = Scene::start("google", Protocol::Gemini).await;
    let (url, host) = (scene.clouds.url(), scene.clouds.address.to_string());
    let subject = scene.write("subject", "canary-subject\n");
    let external = |source: &str, more: &str| {
        format!(
            r#"{{"type":"external_account","audience":"//iam.googleapis.com/pool","token_url":"{url}/v1/token",
            "subject_token_type":"urn:ietf:params:oauth:token-type:jwt","credential_source":{source}{more}}}"#
        )
    };
    let impersonated = format!(
        r#","service_account_impersonation_url":"{url}/v1/projects/-/serviceAccounts/g@p.iam.example:generateAccessToken""#
    );
    let from_file = scene.write("file.json", &external(&format!(r#"{{"file":"{subject}"}}"#), ""));
    let from_url = format!(
        r#"{{"url":"{url}/subject","headers":{{"x-secret":"canary-header"}},
        "format":{{"type":"json","subject_token_field_name":"id_token"}}}}"#
    );
    let from_url = scene.write("url.json", &external(&from_url, &impersonated));
    for (what, google, environment, token) in [
        (
            "metadata",
            "{ identity = \"metadata\" }".to_owned(),
            &[("GCE_METADATA_HOST", host.as_str())][..],
            "canary-token-",
        ),
        ("a file", format!("{{ credentials_file = \"{from_file}\" }}"), &[], "canary-federated"),
        ("a URL", format!("\"{from_url}\""), &[], "canary-token-"),
        (
            "auto",
            "{ identity = \"auto\" }".to_owned(),
            &[("GOOGLE_APPLICATION_CREDENTIALS", &from_file)],
            "canary-federated",
        ),
    ] {
        let settings = format!("google = {google}\nsettings = {{ project = \"p\", location = \"us-east1\" }}");
        scene.configure(&settings, environment).await;
        scene.serves(what, "authorization", &format!("Bearer {token}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_of_azure() {
    let scene = Scene::start("azure", Protocol::OpenAiChat).await;
    let (url, subject) = (scene.clouds.url(), scene.write("subject", "canary-subject\n"));
    let msi = format!("{url}/msi/token");
    for (what, azure, environment) in [
        ("a machine", "identity = \"managed\"", &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.as_str())][..]),
        (
            "App Service",
            "identity = \"managed\", client_id = \"client-1\"",
            &[("IDENTITY_ENDPOINT", &msi), ("IDENTITY_HEADER", "canary-header")],
        ),
        (
            "a workload",
            "identity = \"workload\"",
            &[
                ("AZURE_FEDERATED_TOKEN_FILE", &subject),
                ("AZURE_TENANT_ID", "tenant-1"),
                ("AZURE_CLIENT_ID", "client-1"),
                ("AZURE_AUTHORITY_HOST", &url),
            ],
        ),
    ] {
        scene.configure(&format!("azure = {{ {azure} }}"), environment).await;
        scene.serves(what, "authorization", "Bearer canary-token-").await;
        assert_eq!(scene.shown("api-key"), "", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_another_target_answers_and_nobody_rests() {
    let scene = Scene::start("down", Protocol::Bedrock).await;
    let url = scene.clouds.url();
    let (aws, environment) =
        (bedrock("identity = \"instance\""), [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())]);
    scene.clouds.be(Mood::Down);
    scene.configure(&aws, &environment).await;
    let answer = scene.ask("cloud").await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    let answer = scene.ask("lone").await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    for part in ["no credentials for provider `cloud`", "/latest/api/token", "503"] {
        assert!(answer.body.contains(part), "{part}: {}", answer.body);
    }
    assert!(scene.provider.seen().is_empty());
    scene.clouds.be(Mood::Well);
    let until = Instant::now() + Duration::from_secs(60);
    while scene.ask("lone").await.status != 200 {
        assert!(Instant::now() < until, "it is asked again");
        sleep(Duration::from_millis(100)).await;
    }
    // What it has serves on.
    scene.clouds.be(Mood::Down);
    assert_eq!(scene.ask("cloud").await.header("x-pointsman-target"), format!("cloud/{CLAUDE}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_reply_is_said_without_it() {
    let wrong = [
        (
            "w1",
            Protocol::Bedrock,
            bedrock("identity = \"instance\""),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            ["security-credentials", "names no role"],
        ),
        (
            "w2",
            Protocol::Gemini,
            "google = { identity = \"metadata\" }\nsettings = { project = \"p\", location = \"us-east1\" }".to_owned(),
            "GCE_METADATA_HOST",
            ["service-accounts/default/token", "`access_token`"],
        ),
        (
            "w3",
            Protocol::OpenAiChat,
            "azure = { identity = \"managed\" }".to_owned(),
            "AZURE_POD_IDENTITY_AUTHORITY_HOST",
            ["/metadata/identity/oauth2/token", "`access_token`"],
        ),
    ];
    // At once, because each has to wait a moment.
    let asked = wrong.into_iter().map(|(name, protocol, settings, variable, parts)| async move {
        let scene = Scene::start(name, protocol).await;
        scene.clouds.be(Mood::Wrong);
        let place = if variable == "GCE_METADATA_HOST" { scene.clouds.address.to_string() } else { scene.clouds.url() };
        scene.configure(&settings, &[(variable, &place)]).await;
        let answer = scene.ask("lone").await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        for part in parts {
            assert!(answer.body.contains(part), "{part}: {}", answer.body);
        }
    });
    let refused = async {
        let scene = Scene::start("w4", Protocol::Bedrock).await;
        let (url, other) = (scene.clouds.url(), scene.write("other", "canary-other"));
        let environment =
            [("AWS_WEB_IDENTITY_TOKEN_FILE", other.as_str()), ("AWS_ROLE_ARN", ROLE), ("AWS_ENDPOINT_URL_STS", &url)];
        scene.configure(&bedrock("identity = \"web-identity\""), &environment).await;
        let answer = scene.ask("lone").await;
        for part in ["AssumeRoleWithWebIdentity", ROLE, "AccessDenied"] {
            assert!(answer.status == 503 && answer.body.contains(part), "{part}: {}", answer.body);
        }
    };
    tokio::join!(join_all(asked), refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_replaced_and_the_account_does_not_rest() {
    let scene = Scene::start("refused", Protocol::Bedrock).await;
    let url = scene.clouds.url();
    scene.clouds.be(Mood::Bad);
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    scene.configure(&bedrock("identity = \"instance\""), &environment).await;
    let answer = scene.ask("cloud").await;
    assert_eq!(answer.header("x-pointsman-target"), "openai/gpt-5", "{}", answer.body);
    assert!(scene.shown("authorization").contains("Credential=badkey/"));
    let until = Instant::now() + Duration::from_secs(25);
    while scene.ask("cloud").await.header("x-pointsman-target") != format!("cloud/{CLAUDE}") {
        assert!(Instant::now() < until, "the replacement serves");
        sleep(Duration::from_millis(200)).await;
    }
}

/// What AWS's and Google's own tools leave on a machine.
///
/// Faults: F204
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_the_clouds_own_tools() {
    let scene = Scene::start("files", Protocol::Bedrock).await;
    let url = scene.clouds.url();
    let keys = |token: &str| {
        format!(
            "[team]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n{token}"
        )
    };
    let credentials = scene.write("credentials", &keys("aws_session_token = canary-session-token\n"));
    let role = format!("[profile gateway]\nrole_arn = {ROLE}\nsource_profile = team\nexternal_id = external-1\n");
    let config = scene.write("config", &role);
    let environment = [
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_ENDPOINT_URL_STS", &url),
    ];
    scene.configure(&bedrock("profile = \"team\""), &environment).await;
    scene.serves("a profile's keys", "x-amz-security-token", "canary-session-token").await;
    scene.write("credentials", &keys(""));
    scene.configure(&bedrock("profile = \"gateway\""), &environment).await;
    scene.serves("a profile's role", "x-amz-security-token", "canary-token-").await;
    // The file is gone: the credentials in force serve on.
    let _ = std::fs::remove_file(&credentials);
    assert_eq!(scene.ask("lone").await.status, 200);

    let scene = Scene::start("login", Protocol::Gemini).await;
    let login = scene.write(
        "login.json",
        &format!(
            r#"{{"type":"authorized_user","client_id":"client-1","client_secret":"canary-client","refresh_token":"canary-refresh",
            "quota_project_id":"who-pays","token_uri":"{}/refresh"}}"#,
            scene.clouds.url()
        ),
    );
    let google = format!("google = \"{login}\"\nsettings = {{ project = \"project-1\", location = \"us-central1\" }}");
    scene.configure(&google, &[]).await;
    scene.serves("a person's login", "authorization", "Bearer canary-token-").await;
    assert_eq!(scene.shown("x-goog-user-project"), "who-pays");
}

/// Waiting helps nobody who has no other target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_a_lone_target_says_so_soon() {
    let scene = Scene::start("soon", Protocol::Bedrock).await;
    scene.clouds.be(Mood::Down);
    let url = scene.clouds.url();
    scene.configure(&bedrock("identity = \"instance\""), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]).await;
    for model in ["alone", "lone", "alone"] {
        let began = Instant::now();
        let answer = scene.ask(model).await;
        assert!(answer.status.is_server_error() && answer.body.contains("no credentials"), "{model}: {}", answer.body);
        assert!(began.elapsed() < Duration::from_secs(8), "{model}: {:?}", began.elapsed());
    }
    scene.clouds.be(Mood::Well);
}
