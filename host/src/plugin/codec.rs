//! A provider adapter, a client adapter, or both: calls into a component of one of those worlds.

use std::sync::Arc;

use anyhow::{anyhow, ensure};

use super::bindings::chat::{Event, Json, Request};
use super::bindings::client_protocol as client;
use super::bindings::faults::Fault;
use super::bindings::provider;
use super::engine;
use super::fault::PluginFault;
use super::instance::{Instance, Isolation, Pool};
use super::load::Code;
use super::previous::{ClientGuest, ClientIndices, ProviderGuest, ProviderIndices, either};
use super::tally::Tally;

/// One call: taken, asked, counted, and now and then made again in a fresh instance, which must not make a difference. A
/// macro, because closures that are futures cannot be required to be `Send` yet.
macro_rules! call {
    ($codec:ident, $side:ident, $size:expr, $function:ident($($argument:expr),*)) => {{
        let Size { bytes, is_strangers } = $size;
        let mut instance = $codec.take(bytes).await?;
        let guest = instance.exports.$side()?;
        let result = either!(guest, guest => guest.$function(&mut instance.store, $($argument),*).await);
        let result = $codec.pool.finish(instance, result);
        let answer = if is_strangers { $codec.tally.note_on_body(result) } else { $codec.tally.note(result) }?;
        if $codec.tally.is_repeated() {
            // Boxed: it is seldom, and should not make every call's future larger.
            let again = Box::pin(async {
                let mut instance = $codec.pool.ready($codec.instantiate().await?, bytes);
                let guest = instance.exports.$side()?;
                let result = either!(guest, guest => guest.$function(&mut instance.store, $($argument),*).await);
                $codec.pool.finish(instance, result)
            });
            $codec.tally.note_again(again.await.map(|again| again == answer), is_strangers);
        }
        Ok(answer)
    }};
}

/// One version of an adapter.
pub struct Codec {
    code: Code,
    provider: Option<ProviderIndices>,
    client: Option<ClientIndices>,
    pool: Pool<Exports>,
    tally: Arc<Tally>,
    /// What the client side says of itself.
    pub client_description: Option<client::Description>,
}

struct Exports {
    provider: Option<ProviderGuest>,
    client: Option<ClientGuest>,
}

impl Codec {
    pub(super) async fn open(
        code: &Code,
        provider: bool,
        client: bool,
        tally: &Arc<Tally>,
        isolation: &Arc<Isolation>,
    ) -> anyhow::Result<Codec> {
        let misfit = |error: wasmtime::Error| code.misfit(&error);
        let Code { contract, pre } = code;
        let mut codec = Codec {
            code: code.clone(),
            provider: provider.then(|| ProviderIndices::find(*contract, pre)).transpose().map_err(misfit)?,
            client: client.then(|| ClientIndices::find(*contract, pre)).transpose().map_err(misfit)?,
            pool: Pool::new(tally, isolation),
            tally: Arc::clone(tally),
            client_description: None,
        };
        let mut instance = codec.instantiate().await.map_err(|error| anyhow!("starting it failed: {error}"))?;
        let described = |fault: PluginFault| anyhow!("asking it to describe itself failed: {fault}");
        if let Some(guest) = &instance.exports.provider {
            // It may want settings, and say so; but it must answer.
            let none = "{}".to_owned();
            let description = either!(guest, guest => guest.call_describe(&mut instance.store, &none).await);
            description.map_err(|error| described(PluginFault::of(&error, &instance.store)))?.ok();
        }
        if let Some(guest) = &instance.exports.client {
            let description = either!(guest, guest => guest.call_describe(&mut instance.store).await);
            let description = description.map_err(|error| described(PluginFault::of(&error, &instance.store)))?;
            ensure!(!description.endpoints.is_empty(), "its client protocol has no endpoint");
            check_list("read-headers", &description.read_headers)?;
            check_count("endpoints", description.endpoints.len())?;
            description.endpoints.iter().try_for_each(check_endpoint)?;
            codec.client_description = Some(description);
        }
        codec.pool.give(instance);
        Ok(codec)
    }

    async fn instantiate(&self) -> Result<Instance<Exports>, PluginFault> {
        let mut store =
            engine::store(engine::CODEC, &self.tally).map_err(|error| PluginFault::Trap(format!("{error:#}")))?;
        engine::arm_to_open(&mut store);
        let exports = match self.code.pre.instantiate_async(&mut store).await {
            Ok(instance) => {
                let provider = self.provider.as_ref().map(|indices| indices.load(&mut store, &instance)).transpose();
                let client = self.client.as_ref().map(|indices| indices.load(&mut store, &instance)).transpose();
                provider.and_then(|provider| Ok(Exports { provider, client: client? }))
            }
            Err(error) => Err(error),
        };
        match exports {
            Ok(exports) => Ok(Instance::new(store, exports)),
            Err(error) => Err(PluginFault::of(&error, &store)),
        }
    }

    async fn take(&self, body_bytes: usize) -> Result<Instance<Exports>, PluginFault> {
        match self.pool.take(body_bytes) {
            Some(instance) => Ok(instance),
            None => Ok(self.pool.ready(self.tally.note(self.instantiate().await)?, body_bytes)),
        }
    }

    /// What the provider side says of itself with these settings.
    ///
    /// # Errors
    /// What is wrong with the settings, or with the plugin.
    pub async fn describe(&self, settings: &Json) -> anyhow::Result<provider::Description> {
        let failed = |fault: PluginFault| anyhow!("asking it to describe itself failed: {fault}");
        let mut instance = self.take(0).await.map_err(failed)?;
        let guest = instance.exports.provider().map_err(failed)?;
        let result = either!(guest, guest => guest.call_describe(&mut instance.store, settings).await);
        let described = self.tally.note(self.pool.finish(instance, result)).map_err(failed)?;
        let description = described.map_err(|text| anyhow!("its adapter refuses the settings: {text}"))?;
        let lists = [
            ("operations", &description.operations),
            ("forwarded-headers", &description.forwarded_headers),
            ("forwarded-query", &description.forwarded_query),
            ("returned-headers", &description.returned_headers),
            ("reply-model", &description.reply_model),
            ("foreign-marks", &description.foreign_marks),
        ];
        lists.into_iter().try_for_each(|(name, list)| check_list(name, list))?;
        check_count("auth", description.auth.len())?;
        check_count("rate-limits", description.rate_limits.len())?;
        check_paths(&description.reply_model)?;
        Ok(description)
    }

    pub async fn encode(
        &self,
        settings: &Json,
        operation: &str,
        request: &Request,
        facts: &provider::ModelFacts,
        body_bytes: usize,
    ) -> Result<Result<provider::Encoded, Fault>, PluginFault> {
        call!(self, provider, Size::of_strangers(body_bytes), call_encode(settings, operation, request, facts))
    }

    pub async fn forward(
        &self,
        settings: &Json,
        operation: &str,
        model: &str,
        stream: bool,
    ) -> Result<Result<provider::Call, Fault>, PluginFault> {
        call!(self, provider, Size::of(0), call_forward(settings, operation, model, stream))
    }

    pub async fn classify(
        &self,
        operation: &str,
        head: &provider::ReplyHead,
        body: &[u8],
    ) -> Result<Fault, PluginFault> {
        call!(self, provider, Size::of_strangers(body.len()), call_classify(operation, head, body))
    }

    pub async fn decode(
        &self,
        operation: &str,
        stream: bool,
        memory: &[u8],
        frames: &[provider::Frame],
        ended: bool,
    ) -> Result<provider::Decoded, PluginFault> {
        let body_bytes = memory.len() + frames.iter().map(|frame| frame.data.len()).sum::<usize>();
        call!(self, provider, Size::of_strangers(body_bytes), call_decode(operation, stream, memory, frames, ended))
    }

    pub async fn read(
        &self,
        operation: &str,
        headers: &[client::Header],
        body: &[u8],
    ) -> Result<Result<client::Reading, Fault>, PluginFault> {
        call!(self, client, Size::of_strangers(body.len()), call_read(operation, headers, body))
    }

    pub async fn write(
        &self,
        operation: &str,
        stream: bool,
        memory: &[u8],
        events: &[Event],
        ended: bool,
    ) -> Result<client::Written, PluginFault> {
        let body_bytes = memory.len() + events.iter().map(written_bytes).sum::<usize>();
        call!(self, client, Size::of_strangers(body_bytes), call_write(operation, stream, memory, events, ended))
    }

    pub async fn refuse(&self, operation: &str, fault: &Fault) -> Result<client::HttpReply, PluginFault> {
        call!(self, client, Size::of(0), call_refuse(operation, fault))
    }
}

impl Exports {
    fn provider(&self) -> Result<&ProviderGuest, PluginFault> {
        self.provider.as_ref().ok_or_else(|| PluginFault::Nonsense("it has no provider side".to_owned()))
    }

    fn client(&self) -> Result<&ClientGuest, PluginFault> {
        self.client.as_ref().ok_or_else(|| PluginFault::Nonsense("it has no client side".to_owned()))
    }
}

/// What a call works on.
struct Size {
    bytes: usize,
    /// They are a caller's or a provider's: a fault is that of the request or the reply first, and not the plugin's.
    is_strangers: bool,
}

impl Size {
    fn of(bytes: usize) -> Size {
        Size { bytes, is_strangers: false }
    }

    fn of_strangers(bytes: usize) -> Size {
        Size { bytes, is_strangers: true }
    }
}

/// What an event is at least, written down.
const EVENT_BYTES: usize = 64;
/// A number of a vector, written down: `-0.012345678,`.
const NUMBER_BYTES: usize = 16;

/// About what an event is when it is written down. Each counts: a reply may have thousands of any kind.
pub fn written_bytes(event: &Event) -> usize {
    let more = match event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::ToolArgumentsDelta(delta) => delta.text.len(),
        Event::ReasoningSignature(delta) | Event::RedactedReasoning(delta) => delta.sealed.data.len(),
        Event::ToolCallStarted(call) => call.id.len() + call.name.len(),
        Event::Embedding(embedding) => embedding.values.len() * NUMBER_BYTES,
        Event::Started(started) => started.id.len() + started.model.len(),
        Event::Failed(fault) => fault.message.len(),
        Event::Finished(finished) => finished.stop_sequence.as_ref().map_or(0, String::len),
        Event::Ping | Event::PartFinished(_) | Event::Usage(_) => 0,
    };
    EVENT_BYTES + more
}

/// Entries of a list in a description: each request goes through most of them, and no built-in adapter has twenty.
const LIST_MAX: usize = 100;
/// Bytes of one of them.
const ENTRY_BYTES_MAX: usize = 256;

fn check_count(name: &str, count: usize) -> anyhow::Result<()> {
    ensure!(count <= LIST_MAX, "its `{name}` has {count} entries, and {LIST_MAX} are the most");
    Ok(())
}

fn check_list(name: &str, list: &[String]) -> anyhow::Result<()> {
    check_count(name, list.len())?;
    let is_long = list.iter().any(|entry| entry.len() > ENTRY_BYTES_MAX);
    ensure!(!is_long, "an entry of its `{name}` has more than {ENTRY_BYTES_MAX} bytes");
    Ok(())
}

fn check_endpoint(endpoint: &client::Endpoint) -> anyhow::Result<()> {
    let client::Endpoint { method, path, model_field, .. } = endpoint;
    check_list("pinning-fields", &endpoint.pinning_fields)?;
    check_list("conversation-fields", &endpoint.conversation_fields)?;
    ensure!(path.starts_with('/'), "its endpoint `{method} {path}`: a path begins with a slash");
    let places = path.matches("{model}").count();
    let well = if model_field.is_empty() { places == 1 } else { places == 0 };
    ensure!(well, "its endpoint `{method} {path}`: the model stands in the path as {{model}}, or in `model-field`");
    Ok(())
}

fn check_paths(paths: &[String]) -> anyhow::Result<()> {
    for path in paths {
        let fields = path.split('.').count();
        ensure!(
            fields <= 2 && path.split('.').all(|field| !field.is_empty()),
            "its `reply-model` holds `{path}`, but a path has one or two fields, such as `message.model`"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults: F134
    #[test]
    fn lists_of_a_description_have_an_end() {
        let endpoint = |fields: Vec<String>| client::Endpoint {
            method: "POST".to_owned(),
            path: "/x".to_owned(),
            operation: "chat".to_owned(),
            model_field: "model".to_owned(),
            stream: client::Streaming::Never,
            events_query: String::new(),
            pinning_fields: fields,
            conversation_fields: Vec::new(),
            turns_field: String::new(),
        };
        assert!(check_endpoint(&endpoint(vec!["previous".to_owned()])).is_ok());
        let many = check_endpoint(&endpoint(vec!["a".to_owned(); 60_000])).expect_err("too many");
        assert!(many.to_string().contains("`pinning-fields` has 60000 entries"), "{many}");
        let long = check_list("foreign-marks", &["x".repeat(1 << 20)]).expect_err("too long");
        assert!(long.to_string().contains("256 bytes"), "{long}");
    }
}
