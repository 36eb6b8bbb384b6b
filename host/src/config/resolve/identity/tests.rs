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
