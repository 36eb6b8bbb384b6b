use std::path::Path;

use crate::config::{self, Aws, Config};

fn read(settings: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let text = format!("[providers.a]\nadapter = \"openai-chat\"\n{settings}\n[models.\"*\"]\ntargets = [\"a/*\"]\n");
    let environment = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    config::parse(&text, Path::new("x.toml"), &environment).map_err(|error| error.to_string())
}

/// Where they come from, as people read it.
fn source(settings: &str, environment: &[(&str, &str)]) -> String {
    let config = match read(settings, environment) {
        Ok(config) => config,
        Err(error) => return error,
    };
    let provider = &config.providers["a"];
    match (&provider.aws, &provider.google, &provider.azure) {
        (Some(Aws::Keys(keys)), None, None) => format!("keys {}", keys.access_key_id),
        (Some(Aws::Fetched(identity)), None, None) => identity.to_string(),
        (None, Some(google), None) => google.to_string(),
        (None, None, Some(azure)) => azure.to_string(),
        _ => panic!("one of them"),
    }
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "canary-secret")];
const IRSA: [(&str, &str); 2] = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
const ECS: [(&str, &str); 1] = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x")];

#[test]
fn auto_is_the_first_that_the_environment_speaks_of() {
    let auto = |environment: &[&[(&str, &str)]]| source("aws = { identity = \"auto\" }", &environment.concat());
    let irsa = "AWS web identity: token in /t, role arn:aws:iam::1:role/r";
    assert_eq!(auto(&[&ECS, &IRSA, &KEYS]), "keys AKID");
    assert_eq!(auto(&[&ECS, &IRSA]), irsa);
    assert_eq!(auto(&[&ECS]), "AWS container credentials at http://169.254.170.2");
    assert_eq!(auto(&[]), "AWS instance metadata at http://169.254.169.254");
    let ipv6 = ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6");
    assert_eq!(auto(&[&[ipv6]]), "AWS instance metadata at http://[fd00:ec2::254]");
    assert_eq!(source("aws = {}", &IRSA), irsa);
    assert_eq!(
        source("aws = { role_arn = \"arn:aws:iam::2:role/other\" }", &IRSA),
        format!("{irsa}, with which the role arn:aws:iam::2:role/other is assumed")
    );
    assert_eq!(
        source("aws = { identity = \"web-identity\", role_arn = \"arn:aws:iam::2:role/own\" }", &IRSA[..1]),
        "AWS web identity: token in /t, role arn:aws:iam::2:role/own"
    );
    let managed = "azure = {}";
    assert_eq!(source(managed, &[]), "Azure managed identity at http://169.254.169.254");
    assert_eq!(
        source(managed, &[("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi?s=canary"), ("IDENTITY_HEADER", "canary")]),
        "Azure managed identity of App Service at http://127.0.0.1:1/msi"
    );
    let workload = [("AZURE_FEDERATED_TOKEN_FILE", "/t"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    assert_eq!(source(managed, &workload), "Azure workload identity: token in /t, client c");
    assert_eq!(
        source("google = { identity = \"metadata\" }", &[]),
        "Google metadata server at http://169.254.169.254, service account default"
    );
}

#[test]
fn files_that_the_clouds_own_tools_write_are_found() {
    let home = std::env::temp_dir().join(format!("pointsman-home-{}", std::process::id()));
    let write = |name: &str, text: &str| {
        let file = home.join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    };
    let of_home = [("HOME", home.to_str().expect("text"))];
    let keys = "aws_access_key_id=AKID\naws_secret_access_key=canary\n";
    write(
        ".aws/config",
        "[profile gateway]\nrole_arn=arn:aws:iam::1:role/r\nsource_profile=team\n[default]\nregion=x\n",
    );
    write(".aws/credentials", &format!("[team]\n{keys}"));
    let auto = |environment: &[&[(&str, &str)]]| source("aws = { identity = \"auto\" }", &environment.concat());
    let files = format!("in {0}/.aws/credentials and {0}/.aws/config", home.display());
    assert_eq!(auto(&[&of_home]), "AWS instance metadata at http://169.254.169.254", "`default` has no keys");
    assert_eq!(auto(&[&of_home, &[("AWS_PROFILE", "gateway")], &IRSA]), format!("AWS profile gateway {files}"));
    assert_eq!(source("aws = { profile = \"team\" }", &of_home), format!("AWS profile team {files}"));
    assert_eq!(auto(&[&of_home, &[("AWS_PROFILE", "gateway")], &KEYS]), "keys AKID");
    write(".aws/credentials", &format!("[team]\n{keys}[default]\n{keys}"));
    assert_eq!(auto(&[&of_home]), format!("AWS profile default {files}"));
    assert_eq!(auto(&[&of_home, &ECS]), "AWS container credentials at http://169.254.170.2");
    let elsewhere = [("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), ("AWS_CONFIG_FILE", "/nowhere")];
    let named = source("aws = { identity = \"profile\" }", &[&of_home[..], &elsewhere].concat());
    assert_eq!(named, format!("AWS profile default in {}/.aws/credentials and /nowhere", home.display()));
    for (settings, expected) in [
        ("aws = { profile = \"nobody\" }", "there is no profile `nobody`"),
        ("aws = { profile = \"team\", identity = \"instance\" }", "there is a `profile` too"),
        ("aws = { profile = \"team\", access_key_id = \"a\", secret_access_key = \"canary\" }", "there are keys too"),
    ] {
        let error = read(settings, &of_home).map(|_| ()).expect_err(settings);
        assert!(error.contains(expected) && !error.contains("canary"), "{settings}: {error}");
    }
    let google = "google = { identity = \"auto\" }";
    assert!(source(google, &of_home).starts_with("Google metadata server"));
    let login = |token_uri: &str| {
        format!(
            "{{\"type\":\"authorized_user\",\"client_id\":\"c.apps\",\"client_secret\":\"canary\",\"refresh_token\":\"canary\"{token_uri}}}"
        )
    };
    write(".config/gcloud/application_default_credentials.json", &login(""));
    assert_eq!(source(google, &of_home), "Google user of the client c.apps");
    write(".config/gcloud/application_default_credentials.json", &login(",\"token_uri\":\"http://evil.example/\""));
    let error = read(google, &of_home).map(|_| ()).expect_err("a URL that the network can read");
    assert!(error.contains("`token_uri` must be a URL of https") && !error.contains("canary"), "{error}");
    write(".config/gcloud/application_default_credentials.json", &login(",\"quota_project_id\":\"a\\r\\nb: c\""));
    let error = read(google, &of_home).map(|_| ()).expect_err("a header's value with another header in it");
    assert!(error.contains("`quota_project_id`") && !error.contains("canary"), "{error}");
    let _ = std::fs::remove_dir_all(home);
}

#[test]
fn what_is_wrong_is_said_with_what_is_allowed() {
    for (settings, environment, expected) in [
        ("aws = { identity = \"irsa\" }", &[][..], "`web-identity`"),
        ("aws = { identity = \"container\" }", &[], "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ("aws = { identity = \"environment\" }", &[], "AWS_ACCESS_KEY_ID"),
        ("aws = { identity = \"web-identity\" }", &[], "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ("aws = { identity = \"auto\" }", &[("AWS_EC2_METADATA_DISABLED", "true")], "AWS_EC2_METADATA_DISABLED"),
        ("aws = { access_key_id = \"canary\" }", &[], "`secret_access_key`"),
        ("aws = { identity = \"auto\", access_key_id = \"a\", secret_access_key = \"canary\" }", &[], "keys too"),
        ("aws = { role_arn = \"canary\" }", &[], "arn:aws:iam::123456789012:role/NAME"),
        ("aws = { external_id = \"canary\" }", &[], "no `role_arn`"),
        ("aws = { region = \"evil.example/\", role_arn = \"arn:aws:iam::1:role/r\" }", &[], "us-east-1"),
        (
            "aws = {}",
            &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://evil.example/canary")],
            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be a URL of https",
        ),
        ("aws = {}", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://10.0.0.1")], "link-local"),
        ("google = { identity = \"gke\" }", &[], "`metadata`"),
        ("google = { identity = \"metadata\" }", &[("GCE_METADATA_HOST", "evil.example")], "GCE_METADATA_HOST"),
        ("google = {}", &[], "`credentials_file = \"FILE\"`"),
        ("google = { file = \"a\" }", &[], "`credentials_file`"),
        ("google = 7", &[], "the path of a credentials file"),
        ("google = \"/nowhere.json\"", &[], "/nowhere.json"),
        ("azure = { identity = \"msi\" }", &[], "`managed`"),
        ("azure = { identity = \"workload\" }", &[], "AZURE_FEDERATED_TOKEN_FILE"),
        ("azure = { client_id = \"a/b\" }", &[], "Entra ID"),
        ("key = \"canary\"\nazure = {}", &[], "a key too"),
        ("azure = {}", &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "ftp://127.0.0.1")], "must be a URL of https"),
    ] {
        let error = read(settings, environment).map(|_| ()).expect_err(settings);
        assert!(error.contains(expected), "{settings}: {error}");
        assert!(!error.contains("canary"), "{settings}: {error}");
    }
}

#[test]
fn plain_http_goes_to_this_machine_or_to_the_clouds_own_addresses() {
    for host in
        ["127.0.0.1", "localhost", "[::1]", "169.254.170.23", "[fd00:ec2::23]", "[fe80::1]", "metadata.google.internal"]
    {
        assert!(super::is_local(host), "{host}");
    }
    for host in ["10.0.0.1", "evil.example", "169.254.169.254.evil.example", "[fd00:ec3::1]", "[2001:db8::1]", ""] {
        assert!(!super::is_local(host), "{host}");
    }
}
