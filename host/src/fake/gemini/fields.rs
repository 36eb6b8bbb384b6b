//! The fields of a request.

use super::shape::Kind::{self, Any, Bytes, Integer, List, Map, Message, Number, Same, Struct, Text, Truth};

/// `generateContent`.
pub static REQUEST: Kind = Message(&[
    ("model", Text),
    ("contents", List(&CONTENT)),
    ("systemInstruction", Same(&CONTENT)),
    ("tools", List(&TOOL)),
    ("toolConfig", Same(&TOOL_CONFIG)),
    ("safetySettings", List(&Message(&[("category", Text), ("threshold", Text), ("method", Text)]))),
    ("generationConfig", Same(&GENERATION_CONFIG)),
    ("cachedContent", Text),
    ("labels", Map(&Text)),
    ("serviceTier", Text),
    ("store", Truth),
]);

/// `countTokens`. Vertex takes the fields of the request itself here, too.
pub static COUNT: Kind = Message(&[
    ("contents", List(&CONTENT)),
    ("generateContentRequest", Same(&REQUEST)),
    ("model", Text),
    ("systemInstruction", Same(&CONTENT)),
    ("tools", List(&TOOL)),
    ("generationConfig", Same(&GENERATION_CONFIG)),
]);

/// `batchEmbedContents`.
pub static EMBED: Kind = Message(&[(
    "requests",
    List(&Message(&[
        ("model", Text),
        ("content", Same(&CONTENT)),
        ("taskType", Text),
        ("title", Text),
        ("outputDimensionality", Integer),
    ])),
)]);

/// Vertex's `predict`, as its models of embeddings take it.
pub static PREDICT: Kind = Message(&[
    ("instances", List(&Message(&[("content", Text), ("taskType", Text), ("title", Text)]))),
    ("parameters", Message(&[("autoTruncate", Truth), ("outputDimensionality", Integer)])),
]);

static CONTENT: Kind = Message(&[("role", Text), ("parts", List(&PART))]);

static PART: Kind = Message(&[
    ("text", Text),
    ("inlineData", Same(&INLINE_DATA)),
    ("fileData", Same(&FILE_DATA)),
    ("functionCall", Message(&[("id", Text), ("name", Text), ("args", Struct)])),
    (
        "functionResponse",
        Message(&[
            ("id", Text),
            ("name", Text),
            ("response", Struct),
            ("willContinue", Truth),
            ("scheduling", Text),
            ("parts", List(&Message(&[("inlineData", Same(&INLINE_DATA)), ("fileData", Same(&FILE_DATA))]))),
        ]),
    ),
    ("executableCode", Message(&[("id", Text), ("language", Text), ("code", Text)])),
    ("codeExecutionResult", Message(&[("id", Text), ("outcome", Text), ("output", Text)])),
    ("thought", Truth),
    ("thoughtSignature", Bytes),
    ("partMetadata", Struct),
    ("videoMetadata", Message(&[("startOffset", Text), ("endOffset", Text), ("fps", Number)])),
    ("mediaResolution", Message(&[("level", Text), ("numTokens", Integer)])),
]);

static INLINE_DATA: Kind = Message(&[("mimeType", Text), ("data", Bytes), ("displayName", Text)]);
static FILE_DATA: Kind = Message(&[("mimeType", Text), ("fileUri", Text), ("displayName", Text)]);

static TOOL: Kind = Message(&[
    ("functionDeclarations", List(&DECLARATION)),
    ("googleSearch", Struct),
    ("googleSearchRetrieval", Struct),
    ("googleMaps", Struct),
    ("enterpriseWebSearch", Struct),
    ("codeExecution", Struct),
    ("urlContext", Struct),
    ("fileSearch", Struct),
    ("computerUse", Struct),
    ("retrieval", Struct),
]);

static DECLARATION: Kind = Message(&[
    ("name", Text),
    ("description", Text),
    ("parameters", Same(&SCHEMA)),
    ("parametersJsonSchema", Any),
    ("response", Same(&SCHEMA)),
    ("responseJsonSchema", Any),
    ("behavior", Text),
]);

/// Much less than JSON Schema.
pub static SCHEMA: Kind = Message(&[
    ("type", Text),
    ("format", Text),
    ("title", Text),
    ("description", Text),
    ("nullable", Truth),
    ("enum", List(&Text)),
    ("items", Same(&SCHEMA)),
    ("minItems", Integer),
    ("maxItems", Integer),
    ("properties", Map(&SCHEMA)),
    ("required", List(&Text)),
    ("minProperties", Integer),
    ("maxProperties", Integer),
    ("minLength", Integer),
    ("maxLength", Integer),
    ("pattern", Text),
    ("example", Any),
    ("anyOf", List(&SCHEMA)),
    ("propertyOrdering", List(&Text)),
    ("default", Any),
    ("minimum", Number),
    ("maximum", Number),
]);

static TOOL_CONFIG: Kind = Message(&[
    (
        "functionCallingConfig",
        Message(&[("mode", Text), ("allowedFunctionNames", List(&Text)), ("streamFunctionCallArguments", Truth)]),
    ),
    ("retrievalConfig", Struct),
    ("includeServerSideToolInvocations", Truth),
]);

static GENERATION_CONFIG: Kind = Message(&[
    ("temperature", Number),
    ("topP", Number),
    ("topK", Number),
    ("candidateCount", Integer),
    ("maxOutputTokens", Integer),
    ("stopSequences", List(&Text)),
    ("seed", Integer),
    ("presencePenalty", Number),
    ("frequencyPenalty", Number),
    ("responseLogprobs", Truth),
    ("logprobs", Integer),
    ("responseMimeType", Text),
    ("responseSchema", Same(&SCHEMA)),
    ("responseJsonSchema", Any),
    ("responseModalities", List(&Text)),
    ("thinkingConfig", Message(&[("includeThoughts", Truth), ("thinkingBudget", Integer), ("thinkingLevel", Text)])),
    ("mediaResolution", Text),
    ("speechConfig", Struct),
    ("imageConfig", Struct),
    ("audioTimestamp", Truth),
    ("routingConfig", Struct),
    ("enableAffectiveDialog", Truth),
    ("enableEnhancedCivicAnswers", Truth),
]);
