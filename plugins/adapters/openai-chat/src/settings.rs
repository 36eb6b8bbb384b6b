//! What an operator may set for a provider of this protocol: how a server differs from OpenAI's own.

use pointsman_sdk::codec::Fault;
use pointsman_sdk::json::{Fields, wrong};

const KNOWN: &str = "azure, max_tokens_field, media_urls, reasoning_effort, reasoning_field, sampling, stream_usage";

/// The provider's `settings` table. All but `azure`, `max_tokens_field`, `sampling` and `reasoning_effort` matter only for requests
/// that are translated.
#[derive(Debug)]
pub struct Settings {
    /// `max_completion_tokens`, or `max_tokens`, which older self-hosted servers know.
    pub max_tokens_field: &'static str,
    /// False drops `temperature`, `top_p` and the penalties, which reasoning models refuse.
    pub sampling: bool,
    /// False drops `reasoning_effort`, which models without reasoning refuse.
    pub reasoning_effort: bool,
    /// The field that takes an assistant's earlier thoughts back, where the server wants them. OpenAI refuses it.
    pub reasoning_field: Option<&'static str>,
    /// False where the server takes images as `data:` URLs only.
    pub media_urls: bool,
    /// False does not ask for the usage of streams, which older versions of Azure's API refuse.
    pub stream_usage: bool,
    pub azure: Option<Azure>,
}

/// Azure OpenAI's deployments, each with a path of its own. Azure's `/openai/v1` needs none of this.
#[derive(Debug)]
pub struct Azure {
    /// Such as `2024-10-21` or `2025-04-01-preview`.
    pub api_version: String,
    /// The secret is a token of Microsoft Entra and not an API key.
    pub entra: bool,
}

impl Settings {
    /// # Errors
    /// A sentence for the operator: which setting is wrong, and what it may be.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let value = serde_json::from_str(text).map_err(|error| format!("the settings are not JSON: {error}"))?;
        Fields::new("settings", value).and_then(Settings::read).map_err(|fault| fault.message)
    }

    fn read(mut fields: Fields) -> Result<Settings, Fault> {
        let max_tokens_field = one_of(&mut fields, "max_tokens_field", ["max_completion_tokens", "max_tokens"])?;
        let settings = Settings {
            max_tokens_field: max_tokens_field.unwrap_or("max_completion_tokens"),
            sampling: fields.bool("sampling")?.unwrap_or(true),
            reasoning_effort: fields.bool("reasoning_effort")?.unwrap_or(true),
            reasoning_field: one_of(&mut fields, "reasoning_field", ["reasoning_content", "reasoning"])?,
            media_urls: fields.bool("media_urls")?.unwrap_or(true),
            stream_usage: fields.bool("stream_usage")?.unwrap_or(true),
            azure: fields.object("azure")?.map(Azure::read).transpose()?,
        };
        no_others(fields, KNOWN)?;
        Ok(settings)
    }
}

impl Azure {
    fn read(mut fields: Fields) -> Result<Azure, Fault> {
        let api_version = fields.string("api_version")?;
        if !is_version(&api_version) {
            return Err(wrong(fields.at("api_version"), "a version such as 2024-10-21 or 2025-04-01-preview"));
        }
        let entra = fields.bool("entra")?.unwrap_or(false);
        no_others(fields, "api_version, entra")?;
        Ok(Azure { api_version, entra })
    }
}

fn one_of(fields: &mut Fields, name: &str, words: [&'static str; 2]) -> Result<Option<&'static str>, Fault> {
    let Some(given) = fields.optional_string(name)? else { return Ok(None) };
    match words.into_iter().find(|word| *word == given) {
        Some(word) => Ok(Some(word)),
        None => Err(wrong(fields.at(name), &format!("`{}` or `{}`", words[0], words[1]))),
    }
}

fn no_others(fields: Fields, known: &str) -> Result<(), Fault> {
    let path = fields.path().to_owned();
    match fields.rest().first() {
        None => Ok(()),
        Some(extra) => Err(wrong(format!("{path}.{}", extra.name), &format!("left out: only {known} are known"))),
    }
}

/// A day, and perhaps `-preview`: it goes into the path, so nothing else may stand in it.
fn is_version(text: &str) -> bool {
    let day = text.strip_suffix("-preview").unwrap_or(text);
    let fits =
        |(position, byte): (usize, u8)| if matches!(position, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    day.len() == 10 && day.bytes().enumerate().all(fits)
}
