//! What a codec makes of a caller's body costs in proportion to it, whatever there is much of: instructions are counted.

use pointsman::plugin::bindings::chat::{Delta, Embedding, Event, Finish, Finished, Started, ToolCallStarted, Usage};
use pointsman::plugin::bindings::provider::Frame;
use pointsman::plugin::bundled;
use pointsman_tests::bodies::{ADAPTERS, CALLERS, DIMENSIONS, body, encode, plugins, read};

const COUNT: usize = 1_000;
/// Twice the body may take so many hundredths of the instructions: twice as many, something for sorted sets and for what doubles
/// as it grows. The square would be 400.
const GROWTH_MAX: u64 = 270;

/// Faults: F131
#[test]
fn codecs_work_in_proportion_to_a_callers_body() {
    super::ready();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let wrong = runtime.block_on(async {
        let plugins = plugins().await.expect("the plugins");
        let mut wrong = Vec::new();
        for caller in CALLERS {
            for dimension in DIMENSIONS {
                let mut check = |what: String, [one, two]: [u64; 2]| {
                    if two * 100 > one * GROWTH_MAX {
                        wrong.push(format!("{what}, {dimension:?}: {one} instructions, and {two} for twice the body"));
                    }
                };
                let bodies = [COUNT, 2 * COUNT].map(|count| body(caller, dimension, count));
                let mut requests = Vec::new();
                for body in &bodies {
                    let read = read(&plugins[caller], body).await;
                    requests.push(read.unwrap_or_else(|error| panic!("{caller}, {dimension:?}: {error:#}")));
                }
                check(format!("{caller} is read"), [requests[0].1.instructions, requests[1].1.instructions]);
                for (adapter, settings) in ADAPTERS {
                    let mut costs = Vec::new();
                    for ((request, _), body) in requests.iter().zip(&bodies) {
                        let cost = encode(&plugins[adapter], settings, request, body.to_string().len()).await;
                        let cost =
                            cost.unwrap_or_else(|error| panic!("{caller} to {adapter}, {dimension:?}: {error:#}"));
                        costs.push(cost.instructions);
                    }
                    check(format!("{caller} to {adapter} {settings}"), [costs[0], costs[1]]);
                }
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn whole(said: Vec<Event>, reason: Finish) -> Vec<Event> {
    let started = Started { id: "r".to_owned(), model: "m".to_owned(), created_unix_s: 1 };
    let usage = Usage { input: 1, output: 1, cache_read: 0, cache_write: 0, reasoning: 0 };
    let end = [Event::Usage(usage), Event::Finished(Finished { reason, stop_sequence: None })];
    std::iter::once(Event::Started(started)).chain(said).chain(end).collect()
}

/// A provider's large replies are read and written down within a call's limits: vectors, a long text, thousands of calls.
///
/// Faults: F133
#[test]
fn large_replies_are_written_within_a_calls_limits() {
    super::ready();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut replies = Vec::new();
        for (count, numbers) in [(20, 3072), (60, 1536), (100, 768)] {
            let values: Vec<f32> = (0..numbers).map(|number: u16| f32::from(number) / 7_919.0 - 0.19).collect();
            let vectors = (0..count).map(|index| Event::Embedding(Embedding { index, values: values.clone() }));
            replies.push(("openai-chat", "embeddings", whole(vectors.collect(), Finish::Stop)));
        }
        for caller in CALLERS {
            let text = Event::TextDelta(Delta { index: 0, text: "word\n".repeat((8 << 20) / 5) });
            replies.push((caller, "chat", whole(vec![text, Event::PartFinished(0)], Finish::Stop)));
            let call = |index: u32| {
                [
                    Event::ToolCallStarted(ToolCallStarted { index, id: format!("c{index}"), name: "look".to_owned() }),
                    Event::ToolArgumentsDelta(Delta { index, text: "{}".to_owned() }),
                    Event::PartFinished(index),
                ]
            };
            replies.push((caller, "chat", whole((0..5_000).flat_map(call).collect(), Finish::ToolCalls)));
        }
        for (name, operation, events) in replies {
            let plugin = bundled(name).await.expect("a plugin");
            let codec = plugin.codec.as_ref().expect("a codec");
            let what = format!("{name}, {operation}, {} events", events.len());
            let written = codec.write(operation, false, &[], &events, true).await;
            let written = written.unwrap_or_else(|fault| panic!("{what}: {fault}"));
            // And what another provider of this protocol would say is read.
            let frame = Frame { event: None, data: written.bytes };
            let decoded = codec.decode(operation, false, &[], &[frame], true).await;
            let decoded = decoded.unwrap_or_else(|fault| panic!("{what}, read again: {fault}"));
            let is_part = |event: &&Event| matches!(event, Event::PartFinished(_) | Event::Embedding(_));
            let [before, after] = [&events, &decoded.events].map(|events| events.iter().filter(is_part).count());
            // Gemini signs a turn of calls, in a part of its own.
            assert!((before..=before + 1).contains(&after), "{what}: {before} parts, and {after}");
        }
    });
}

/// What a body may hold, every codec can say.
///
/// Faults: F131
#[test]
fn an_image_of_16_mb_is_said_in_every_protocol() {
    super::ready();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let plugins = plugins().await.expect("the plugins");
        let url = format!("data:image/png;base64,{}", "QUFB".repeat((16 << 20) / 3));
        let image = serde_json::json!([{ "type": "image_url", "image_url": { "url": url } }]);
        let body = serde_json::json!({ "model": "m", "messages": [{ "role": "user", "content": image }] });
        let bytes = body.to_string().len();
        let (request, _) = read(&plugins["openai-chat"], &body).await.expect("it is read");
        for (adapter, settings) in ADAPTERS {
            let cost = encode(&plugins[adapter], settings, &request, bytes).await;
            let cost = cost.unwrap_or_else(|error| panic!("{adapter}: {error:#}"));
            assert_eq!(cost.refused, None, "{adapter}");
        }
    });
}
