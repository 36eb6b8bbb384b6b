//! Settings, and where calls go.

use super::*;
use pointsman_adapter_sdk::provider::{Auth, Framing};

#[test]
fn calls_are_signed_for_the_region() {
    let description = Adapter::describe(r#"{"region":"eu-central-1"}"#.into()).unwrap();
    assert_eq!(description.default_base_url.as_deref(), Some("https://bedrock-runtime.eu-central-1.amazonaws.com"));
    assert_eq!(description.operations, ["chat", "count-tokens", "embeddings"]);
    let [Auth::AwsSigv4(signed), Auth::Header(header)] = &description.auth[..] else { panic!("two ways") };
    assert_eq!((signed.service.as_str(), signed.region.as_str()), ("bedrock", "eu-central-1"));
    assert_eq!((header.name.as_str(), header.prefix.as_str()), ("authorization", "Bearer "));
    assert!(Adapter::describe(r#"{"region":"us-gov-west-1"}"#.into()).is_ok());
}

#[test]
fn wrong_settings_are_named() {
    let table = [
        ("{}", "`region` is missing"),
        (r#"{"region":"us-east-1","model":"x"}"#, "`model`"),
        (r#"{"region":7}"#, "`region` must be"),
        (r#"{"region":""}"#, "`region` must be"),
        (r#"{"region":"US-EAST-1"}"#, "`region` must be"),
        (r#"{"region":"us-east"}"#, "`region` must be"),
        (r#"{"region":"evil.com/us-east-1"}"#, "`region` must be"),
        (r#"{"region":"us-east-1@x-1"}"#, "`region` must be"),
        ("[]", "a table"),
    ];
    for (settings, word) in table {
        let error = Adapter::describe(settings.into()).unwrap_err();
        assert!(error.contains(word), "{settings}: {error}");
        let fault = Adapter::forward(settings.into(), "chat".into(), "m".into(), true).unwrap_err();
        assert_eq!(fault.kind, FaultKind::AdapterFailed);
    }
}

#[test]
fn the_model_stands_in_the_path() {
    let call = |operation: &str, model: &str, stream| {
        Adapter::forward(SETTINGS.into(), operation.into(), model.into(), stream).unwrap()
    };
    let streamed = call("chat", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true);
    let path = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream";
    assert_eq!((streamed.path.as_str(), streamed.framing), (path, Framing::AwsEventStream));
    let whole = call("chat", "arn:aws:bedrock:us-east-1:1:inference-profile/ä", false);
    let path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2F%C3%A4/converse";
    assert_eq!((whole.path.as_str(), whole.framing, whole.method.as_str()), (path, Framing::WholeBody, "POST"));
    let count = call("count-tokens", "m", true);
    assert_eq!((count.path.as_str(), count.framing), ("/model/m/count-tokens", Framing::WholeBody));
    let fault = Adapter::forward(SETTINGS.into(), "images".into(), "m".into(), false).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unsupported);
    let encoded = Adapter::encode(SETTINGS.into(), "chat".into(), Request { stream: true, ..ask("hi") }, no_facts());
    assert!(encoded.unwrap().call.path.ends_with("/converse-stream"));
}
