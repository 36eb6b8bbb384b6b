//! All codecs and adapters that are built in, as functions of one shape.

use std::sync::LazyLock;

use pointsman_sdk::codec::chat::{Event, Request};
use pointsman_sdk::codec::provider::{Frame, ModelFacts, ReasoningForm};
use pointsman_sdk::codec::{ClientProtocol, Fault};

/// The variable that fixes a codec, or a framing.
pub const NAMED_BY: &str = "POINTSMAN_FUZZ_SUBJECT";

/// What a fold gives, and what it wants to remember.
type Folded<T> = (T, Vec<u8>);
type Encode = fn(&str, &str, Request, ModelFacts) -> Result<Said, Fault>;
type Decode = fn(&str, bool, Vec<u8>, &[Frame], bool) -> Folded<Vec<Event>>;
type Read = fn(&str, Vec<u8>) -> Result<Folded<Request>, Fault>;
type Write = fn(&str, bool, Vec<u8>, &[Event], bool) -> Folded<Vec<u8>>;

/// One codec or adapter.
#[derive(Clone, Copy)]
pub struct Subject {
    pub name: &'static str,
    /// Absent where no caller speaks the protocol.
    pub client: Option<Client>,
    /// Settings under which it differs.
    pub settings: &'static [&'static str],
    pub describe: fn(&str) -> Result<(), String>,
    pub encode: Encode,
    /// The path of a call with this model's name.
    pub forward: fn(&str, &str, &str, bool) -> Result<String, Fault>,
    pub decode: Decode,
    pub classify: fn(u16, Vec<u8>) -> Fault,
}

/// The caller's side of a codec.
#[derive(Clone, Copy)]
pub struct Client {
    /// A body that asks for all that a reply can have.
    pub asks: &'static str,
    pub read: Read,
    pub write: Write,
    pub refuse: fn(Fault) -> (u16, Vec<u8>),
}

/// A request as a provider gets it.
pub struct Said {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// `$provider` is the module of the types that this side is made of: codecs and adapters have their own.
macro_rules! subject {
    ($name:literal, $client:expr, $codec:path, $provider:path, $settings:expr) => {{
        use provider::Guest;
        use $provider as provider;
        type Codec = $codec;
        fn facts(known: ModelFacts) -> provider::ModelFacts {
            let form = |form| match form {
                ReasoningForm::None => provider::ReasoningForm::None,
                ReasoningForm::Effort => provider::ReasoningForm::Effort,
                ReasoningForm::Budget => provider::ReasoningForm::Budget,
                ReasoningForm::Adaptive => provider::ReasoningForm::Adaptive,
                ReasoningForm::Level => provider::ReasoningForm::Level,
            };
            provider::ModelFacts {
                context_tokens: known.context_tokens,
                output_tokens: known.output_tokens,
                reasoning: known.reasoning.map(form),
                sampling: known.sampling,
                prefill: known.prefill,
                mid_system: known.mid_system,
                attributes: Vec::new(),
            }
        }
        Subject {
            name: $name,
            client: $client,
            settings: $settings,
            describe: |settings| <Codec as Guest>::describe(settings.into()).map(drop),
            encode: |settings, operation, request, known| {
                let encoded = <Codec as Guest>::encode(settings.into(), operation.into(), request, facts(known))?;
                let headers = encoded.call.headers.into_iter().map(|header| (header.name, header.value));
                Ok(Said { path: encoded.call.path, headers: headers.collect(), body: encoded.body })
            },
            forward: |settings, operation, model, stream| {
                <Codec as Guest>::forward(settings.into(), operation.into(), model.into(), stream).map(|call| call.path)
            },
            decode: |operation, stream, memory, frames, ended| {
                let own = |frame: &Frame| provider::Frame { event: frame.event.clone(), data: frame.data.clone() };
                let frames = frames.iter().map(own).collect();
                let decoded = <Codec as Guest>::decode(operation.into(), stream, memory, frames, ended);
                (decoded.events, decoded.memory)
            },
            classify: |status, body| {
                let headers = vec![provider::Header { name: "retry-after".into(), value: "7".into() }];
                <Codec as Guest>::classify("chat".into(), provider::ReplyHead { status, headers }, body)
            },
        }
    }};
}

fn client<C: ClientProtocol>(asks: &'static str) -> Option<Client> {
    Some(Client {
        asks,
        read: |operation, body| {
            let reading = C::read(operation.into(), Vec::new(), body)?;
            Ok((reading.request, reading.memory))
        },
        write: |operation, stream, memory, events, ended| {
            let written = C::write(operation.into(), stream, memory, events.to_vec(), ended);
            (written.bytes, written.memory)
        },
        refuse: |fault| {
            let reply = C::refuse("chat".into(), fault);
            (reply.status, reply.body)
        },
    })
}

/// The one that the environment names, else the one that a byte draws.
///
/// # Panics
/// When it names none of them.
pub fn drawn(which: u8) -> Subject {
    static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(NAMED_BY).ok());
    let subjects = subjects();
    match &*NAMED {
        None => subjects[usize::from(which) % subjects.len()],
        Some(name) => {
            let named = subjects.into_iter().find(|subject| subject.name == *name);
            named.unwrap_or_else(|| panic!("{NAMED_BY}: there is no `{name}`, only {:?}", subjects.map(|it| it.name)))
        }
    }
}

/// All that is built in.
pub fn subjects() -> [Subject; 6] {
    [
        subject!(
            "anthropic-messages",
            client::<anthropic_messages::Codec>(
                r#"{"model":"m","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":2000},
                    "messages":[{"role":"user","content":"x"}]}"#
            ),
            anthropic_messages::Codec,
            pointsman_sdk::codec::provider,
            &[
                "{}",
                r#"{"platform":"bedrock","region":"us-east-1"}"#,
                r#"{"platform":"vertex","project":"p","location":"us-east1"}"#
            ]
        ),
        subject!(
            "openai-chat",
            client::<openai_chat::Codec>(
                r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},
                    "messages":[{"role":"user","content":"x"}]}"#
            ),
            openai_chat::Codec,
            pointsman_sdk::codec::provider,
            &[
                "{}",
                r#"{"azure":{"api_version":"2024-10-21"},"sampling":false,"reasoning_effort":false}"#,
                r#"{"reasoning_field":"reasoning_content","media_urls":false,"max_tokens_field":"max_tokens"}"#
            ]
        ),
        subject!(
            "openai-responses",
            client::<openai_responses::Codec>(
                r#"{"model":"m","input":"x","include":["reasoning.encrypted_content"],"reasoning":{"summary":"auto"}}"#
            ),
            openai_responses::Codec,
            pointsman_sdk::codec::provider,
            &["{}"]
        ),
        subject!(
            "gemini",
            client::<gemini::Codec>(
                r#"{"contents":[{"role":"user","parts":[{"text":"x"}]}],
                    "generationConfig":{"thinkingConfig":{"includeThoughts":true}}}"#
            ),
            gemini::Codec,
            pointsman_sdk::codec::provider,
            &["{}", r#"{"schema":"subset"}"#, r#"{"project":"p","location":"us-east1"}"#]
        ),
        subject!(
            "bedrock-converse",
            None,
            bedrock_converse::Adapter,
            pointsman_adapter_sdk::provider,
            &[r#"{"region":"us-east-1"}"#]
        ),
        subject!(
            "ollama",
            None,
            ollama::Adapter,
            pointsman_adapter_sdk::provider,
            &["{}", r#"{"num_ctx":4096,"keep_alive":"10m","think":false}"#]
        ),
    ]
}

/// What may be known of a model: nothing, or that it takes little, each time with another way to reason.
pub fn models() -> [ModelFacts; 6] {
    use ReasoningForm::{Adaptive, Budget, Effort, Level};
    [None, Some(ReasoningForm::None), Some(Effort), Some(Budget), Some(Adaptive), Some(Level)].map(|reasoning| {
        let (tokens, able) = (reasoning.map(|_| 4096), reasoning.map(|_| false));
        ModelFacts {
            context_tokens: tokens,
            output_tokens: tokens,
            reasoning,
            sampling: able,
            prefill: able,
            mid_system: able,
            attributes: Vec::new(),
        }
    })
}
