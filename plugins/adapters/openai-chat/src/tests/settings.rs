use super::*;
use pointsman_sdk::codec::provider::Auth;

fn describe(settings: Value) -> Result<pointsman_sdk::codec::provider::Description, String> {
    <Codec as Provider>::describe(settings.to_string())
}

#[test]
fn what_is_described_without_settings() {
    let description = describe(json!({})).unwrap();
    assert_eq!(description.protocol, "openai-chat");
    assert_eq!(description.operations, ["chat", "embeddings"]);
    assert_eq!(description.default_base_url.as_deref(), Some("https://api.openai.com/v1"));
    let [Auth::Header(auth)] = description.auth.as_slice() else { panic!("{:?}", description.auth) };
    assert_eq!((auth.name.as_str(), auth.prefix.as_str()), ("authorization", "Bearer "));
    assert!(description.forwarded_query.is_empty());
}

#[test]
fn a_wrong_setting_is_named_with_what_it_may_be() {
    let cases = [
        (json!({"sampling": "no"}), "settings.sampling must be true or false"),
        (
            json!({"max_tokens_field": "max"}),
            "settings.max_tokens_field must be `max_completion_tokens` or `max_tokens`",
        ),
        (json!({"reasoning_field": "thoughts"}), "settings.reasoning_field must be `reasoning_content` or `reasoning`"),
        (json!({"azure": true}), "settings.azure must be an object"),
        (json!({"azure": {}}), "settings.azure.api_version is required"),
        (json!({"azure": {"api_version": "2024-10-21", "entra": 1}}), "settings.azure.entra must be true or false"),
        (
            json!({"azure": {"api_version": "2024-10-21", "version": 1}}),
            "settings.azure.version must be left out: only api_version, entra are known",
        ),
    ];
    for (settings, expected) in cases {
        assert_eq!(describe(settings).unwrap_err(), expected);
    }
    for version in ["", "latest", "2024-10-2", "2024-10-21&x=y", "2024-10-21-preview-", "2024/10/21"] {
        assert!(describe(json!({"azure": {"api_version": version}})).is_err(), "{version}");
    }
    let unknown = describe(json!({"max_token_field": "x"})).unwrap_err();
    assert!(unknown.contains("settings.max_token_field") && unknown.contains("max_tokens_field"), "{unknown}");
    assert!(<Codec as Provider>::describe("[]".into()).is_err());
    assert!(<Codec as Provider>::describe("{".into()).is_err());
}
