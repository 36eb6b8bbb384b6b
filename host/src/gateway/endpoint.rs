//! Where callers ask, in the words of the protocol that they speak.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use hyper::Method;

use super::array::Shape;
use super::table::Trial;
use crate::plugin::bindings::client_protocol::{Endpoint as Described, Streaming};
use crate::plugin::{Codec, Plugin};

/// Where callers of one protocol ask for one operation.
pub struct Endpoint {
    pub method: Method,
    pub path: Path,
    pub operation: String,
    /// Empty when the path names the model.
    pub model_field: String,
    pub stream: Streaming,
    /// Empty: a stream is always events.
    pub events_query: String,
    pub pinning_fields: Vec<String>,
    pub conversation_fields: Vec<String>,
    /// Empty: there is none.
    pub turns_field: String,
    pub protocol: String,
    /// Has a client side.
    pub plugin: Arc<Plugin>,
    /// Answers a share of the requests in its place.
    canary: Option<(Arc<Endpoint>, Trial)>,
}

/// Where an endpoint is, with a place for the model's name or without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    Fixed(String),
    Around { before: String, after: String },
}

impl Endpoint {
    pub fn codec(&self) -> Option<&Codec> {
        self.plugin.codec.as_ref()
    }

    pub fn new(described: &Described, protocol: &str, plugin: &Arc<Plugin>) -> anyhow::Result<Endpoint> {
        let method = Method::from_bytes(described.method.as_bytes());
        let method = method.with_context(|| format!("the plugin `{}`: method `{}`", plugin.name, described.method))?;
        Ok(Endpoint {
            method,
            path: Path::new(&described.path),
            operation: described.operation.clone(),
            model_field: described.model_field.clone(),
            stream: described.stream.clone(),
            events_query: described.events_query.clone(),
            pinning_fields: described.pinning_fields.clone(),
            conversation_fields: described.conversation_fields.clone(),
            turns_field: described.turns_field.clone(),
            protocol: protocol.to_owned(),
            plugin: Arc::clone(plugin),
            canary: None,
        })
    }

    /// A version of its plugin is on trial. What that does not answer at this place stays with the live one.
    pub fn on_trial(&mut self, trial: &Trial) -> anyhow::Result<()> {
        let description = trial.version.codec.as_ref().and_then(|codec| codec.client_description.as_ref());
        let Some(description) = description else { return Ok(()) };
        for described in &description.endpoints {
            let endpoint = Endpoint::new(described, &description.protocol, &trial.version)?;
            if endpoint.method == self.method && endpoint.path == self.path {
                self.canary = Some((Arc::new(endpoint), trial.clone()));
            }
        }
        Ok(())
    }

    /// In the version that answers this request, by its random number.
    pub fn version(self: Arc<Endpoint>, random: u64) -> Arc<Endpoint> {
        match &self.canary {
            Some((endpoint, trial)) if trial.has(random) => Arc::clone(endpoint),
            _ => self,
        }
    }

    /// How a stream is sent to a caller who asks with this query.
    pub fn shape(&self, query: Option<&str>) -> Shape {
        let is_asked = || query.unwrap_or_default().split('&').any(|parameter| parameter == self.events_query);
        let may_be_array = !self.events_query.is_empty() && matches!(self.stream, Streaming::Always);
        if may_be_array && !is_asked() { Shape::Array } else { Shape::Events }
    }
}

impl Path {
    fn new(path: &str) -> Path {
        match path.split_once("{model}") {
            Some((before, after)) => Path::Around { before: before.to_owned(), after: after.to_owned() },
            None => Path::Fixed(path.to_owned()),
        }
    }

    pub fn fits(&self, path: &str) -> bool {
        match self {
            Path::Fixed(fixed) => fixed == path,
            Path::Around { .. } => self.model(path).is_some(),
        }
    }

    /// The model's name in a path, as it stands there.
    pub fn model<'a>(&self, path: &'a str) -> Option<&'a str> {
        let Path::Around { before, after } = self else { return None };
        path.strip_prefix(before.as_str())?.strip_suffix(after.as_str()).filter(|model| !model.is_empty())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Fixed(path) => formatter.write_str(path),
            Path::Around { before, after } => write!(formatter, "{before}{{model}}{after}"),
        }
    }
}
