//! What an operator may set for a provider of this protocol.

use serde_json::{Map, Value};

#[derive(Debug)]
pub struct Settings {
    /// Tokens of context, `options.num_ctx`. Without it Ollama takes a default of its own, which is small on small
    /// machines, and silently forgets the beginning of what is longer.
    pub num_ctx: Option<u32>,
    /// How long the model stays in memory after a reply: seconds, or a text such as `10m`. Passed on as it stands.
    pub keep_alive: Option<Value>,
    /// False for models that do not think, which refuse to be asked: the ask is dropped then.
    pub think: bool,
    /// Send the configured key as a bearer token: for ollama.com, or a proxy that asks for one.
    pub auth: bool,
}

impl Settings {
    /// By hand and not derived, because an error must name the setting.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let table: Map<String, Value> = serde_json::from_str(text).map_err(|_| "the settings must be a table")?;
        let mut settings = Settings { num_ctx: None, keep_alive: None, think: true, auth: false };
        for (name, value) in table {
            match name.as_str() {
                "num_ctx" => settings.num_ctx = Some(tokens(&value)?),
                "keep_alive" if value.is_string() || value.is_number() => settings.keep_alive = Some(value),
                "keep_alive" => return Err("`keep_alive` must be seconds or a text such as `10m`".into()),
                "think" => settings.think = flag("think", &value)?,
                "auth" => settings.auth = flag("auth", &value)?,
                _ => {
                    return Err(format!("there is no setting `{name}`: known are num_ctx, keep_alive, think and auth"));
                }
            }
        }
        Ok(settings)
    }
}

fn tokens(value: &Value) -> Result<u32, String> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
    count.ok_or_else(|| "`num_ctx` must be a whole number of tokens, at least 1".into())
}

fn flag(name: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("`{name}` must be true or false"))
}
