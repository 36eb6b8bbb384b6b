// Drives the AI SDK of Vercel: `node sdk_ai.mjs BASE_URL PROTOCOL/MODEL CASE...`
//
// PROTOCOL is chat, responses, messages or gemini. `reasoning` is for a model that thinks, and not for chat, where the SDK
// reads no thoughts; `several_steps` is not for gemini, where tools' results are objects, which hide what to do next.
// `expect_error:STATUS` expects an APICallError with that status.

import * as harness from './harness.mjs';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import * as sdk from 'ai';
import { APICallError, embed, embedMany, generateObject, generateText, jsonSchema, Output, stepCountIs, streamText } from 'ai';

const { check, contains, equal, split, words } = harness;
const { BOTH_LINES, PNG, PNG_BYTES, SCHEMA, TIME, TOOLS, WEATHER, WEATHER_LINE } = harness;

globalThis.AI_SDK_LOG_WARNINGS = false;

// No API takes less of all of them.
const TOKENS_MIN = 16;
// Otherwise the SDK sends back only the ids of what it was told, as OpenAI keeps it all.
const STATELESS = { openai: { store: false } };
const THINKING = {
  openai: { ...STATELESS.openai, reasoningEffort: 'low', reasoningSummary: 'auto', forceReasoning: true },
  anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } },
  google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
};

/** What every request has: a failure is not tried again, nor told on the console. */
const asked = (model, more) => ({ model, maxRetries: 0, providerOptions: STATELESS, onError: () => {}, ...more });

async function ask(model, more) {
  const result = await generateText(asked(model, more));
  checkUsage(result.totalUsage);
  return result;
}

function checkUsage(usage) {
  const { inputTokens, outputTokens, totalTokens } = usage;
  check(inputTokens > 0 && outputTokens > 0, `no tokens were counted: ${harness.shown(usage)}`);
  equal(totalTokens, inputTokens + outputTokens, 'totalTokens');
}

/** A streamed reply, in the fields of a whole one; its pieces of text must join to the text of its steps. */
async function streamOf(model, more) {
  const result = streamText(asked(model, more));
  let text = '';
  for await (const part of result.fullStream) {
    if (part.type === 'error') throw part.error;
    if (part.type === 'text-delta') text += part.text;
  }
  const read = {};
  for (const name of ['text', 'finishReason', 'steps', 'toolCalls', 'reasoningText', 'response', 'totalUsage']) {
    read[name] = await result[name];
  }
  equal(text, read.steps.map((step) => step.text).join(''), 'the streamed text');
  checkUsage(read.totalUsage);
  if (more.output) read.output = await result.output;
  return read;
}

function textOf(result, reason = 'stop') {
  equal(result.finishReason, reason, 'finishReason');
  return result.text;
}

async function plain({ model }) {
  const result = await ask(model, { prompt: 'hello' });
  contains(textOf(result), 'you said: hello');
  const said = result.content.filter((part) => part.type !== 'reasoning');
  equal(said.map((part) => part.type), ['text'], 'the parts');
  check(result.response.modelId, 'no model is named');
}

async function stream({ model }) {
  const result = await ask(model, { prompt: 'hello, streamed' });
  const whole = textOf(result);
  contains(whole, 'you said: hello, streamed');
  const streamed = await streamOf(model, { prompt: 'hello, streamed' });
  equal(textOf(streamed), whole, 'the streamed text');
  equal(streamed.totalUsage.outputTokens, result.totalUsage.outputTokens, 'usage');
}

async function long_stream({ model }) {
  equal(split(textOf(await streamOf(model, { prompt: 'write 200 words' }))), words(200), 'the words');
}

async function system({ model }) {
  const system = 'You are pirate 77.';
  contains(textOf(await ask(model, { system, prompt: 'what is your system prompt' })), system);
}

async function multi_turn({ model }) {
  const alone = await ask(model, { prompt: 'third thing' });
  for (const how of [ask, streamOf]) {
    let messages = [{ role: 'user', content: 'first thing' }];
    for (const prompt of ['second thing', 'third thing']) {
      const { response } = await how(model, { messages });
      messages = [...messages, ...response.messages, { role: 'user', content: prompt }];
    }
    const result = await how(model, { messages });
    contains(textOf(result), 'you said: third thing');
    check(result.totalUsage.inputTokens > alone.totalUsage.inputTokens, 'the earlier turns were not counted');
  }
}

/** Tools that give these results, in the order of their calls, and note what they were called with. */
function toolset(names, results) {
  const calls = [];
  const tool = (name) => {
    const execute = async (input) => {
      calls.push([name, input]);
      return results[calls.length - 1];
    };
    const [description, schema] = TOOLS[name];
    return sdk.tool({ description, inputSchema: jsonSchema(schema), execute });
  };
  return { calls, tools: Object.fromEntries(names.map((name) => [name, tool(name)])) };
}

/** The tools are called as expected, and their results read out; the SDK takes the steps by itself. */
async function callTools(how, model, prompt, expected, results, more = {}) {
  const { calls, tools } = toolset([...new Set([...expected.map(([name]) => name), 'now'])], results);
  const result = await how(model, { prompt, tools, stopWhen: stepCountIs(5), ...more });
  equal(calls, expected, 'the calls');
  const ids = result.steps.flatMap((step) => step.toolCalls.map((call) => call.toolCallId));
  check(ids.length === expected.length && ids.every(Boolean), `calls without an id: ${harness.shown(ids)}`);
  const text = textOf(result);
  contains(text, 'The tools said: ');
  return { steps: result.steps, text };
}

/** Not said to the letter: Gemini's results are objects, and may be read out with their braces. */
function checkReadOut(text, results) {
  const places = results.map((result) => text.indexOf(result));
  const inOrder = places.every((place, index) => place > (places[index - 1] ?? 0));
  check(inOrder, `not the results ${harness.shown(results)}, in order: ${harness.shown(text)}`);
}

const RESULTS = ['18 degrees', 'half past nine'];

async function tools({ model }) {
  const { steps, text } = await callTools(ask, model, WEATHER_LINE, [WEATHER], ['18 degrees']);
  equal(steps.map((step) => step.finishReason), ['tool-calls', 'stop'], 'the ends of the steps');
  checkReadOut(text, ['18 degrees']);
}

async function parallel_tools({ model }) {
  const { steps, text } = await callTools(ask, model, BOTH_LINES, [WEATHER, TIME], RESULTS);
  equal(steps.length, 2, 'the number of steps');
  checkReadOut(text, RESULTS);
}

async function tools_stream({ model }) {
  checkReadOut((await callTools(streamOf, model, WEATHER_LINE, [WEATHER], ['18 degrees'])).text, ['18 degrees']);
  checkReadOut((await callTools(streamOf, model, BOTH_LINES, [WEATHER, TIME], RESULTS)).text, RESULTS);
}

/** What the first tool gives asks for the second. */
async function several_steps({ model }) {
  const results = ['18 degrees, then use tool get_time with {"zone":"CET"}', 'half past nine'];
  for (const how of [ask, streamOf]) {
    const { steps, text } = await callTools(how, model, WEATHER_LINE, [WEATHER, TIME], results);
    equal(steps.map((step) => step.finishReason), ['tool-calls', 'tool-calls', 'stop'], 'the ends of the steps');
    checkReadOut(text, ['half past nine']);
  }
}

async function no_argument_tool({ model }) {
  for (const how of [ask, streamOf]) {
    await callTools(how, model, 'use tool now with {}', [['now', {}]], ['noon']);
  }
}

async function image({ model }) {
  const content = [
    { type: 'image', image: PNG, mediaType: 'image/png' },
    { type: 'text', text: 'look at this' },
  ];
  const text = textOf(await ask(model, { messages: [{ role: 'user', content }] }));
  contains(text, `I see an image of ${PNG_BYTES} bytes (image/png)`);
  contains(text, 'you said: look at this');
}

async function structured({ model }) {
  const prompt = 'report the weather';
  const schema = jsonSchema(SCHEMA);
  for (const how of [ask, streamOf]) {
    harness.checkDocument((await how(model, { prompt, output: Output.object({ schema }) })).output);
  }
  harness.checkDocument((await generateObject(asked(model, { prompt, schema }))).object);
}

async function reasoning({ model }) {
  const more = { providerOptions: THINKING, maxOutputTokens: 2000 };
  for (const how of [ask, streamOf]) {
    const result = await how(model, { prompt: 'hello', ...more });
    equal(result.reasoningText, 'Let me think.', 'the thoughts');
    contains(textOf(result), 'you said: hello');
    const first = [{ role: 'user', content: 'hello' }, ...result.response.messages];
    const again = await how(model, { messages: [...first, { role: 'user', content: 'again' }], ...more });
    contains(textOf(again), 'you said: again');
    const { steps } = await callTools(how, model, WEATHER_LINE, [WEATHER], ['18 degrees'], more);
    equal(steps[0].reasoningText, 'Let me think.', 'the thoughts before a call');
  }
}

async function length({ model }) {
  for (const how of [ask, streamOf]) {
    const result = await how(model, { prompt: 'write 50 words', maxOutputTokens: TOKENS_MIN });
    equal(split(textOf(result, 'length')), words(TOKENS_MIN), 'the words');
  }
}

async function embeddings({ embedding }) {
  const { embedding: one, usage } = await embed({ model: embedding, value: 'hello', maxRetries: 0 });
  check(one.length && one.every(Number.isFinite), `not a vector: ${harness.shown(one)}`);
  check(usage.tokens > 0, 'no tokens were counted');
  const { embeddings: many } = await embedMany({ model: embedding, values: ['hello', 'and more'], maxRetries: 0 });
  equal(many.length, 2, 'the number of vectors');
  equal(many[0], one, 'the vector of the same text');
}

/** The SDK has one class for all that a provider refuses. */
async function refused(status, action) {
  let result;
  try {
    result = await action();
  } catch (error) {
    check(APICallError.isInstance(error), `raised ${error?.name}: ${error?.message}, not an APICallError`);
    equal(error.statusCode, status, 'the status');
    // The SDK takes the message from the body, and from the status line if the body is not in the protocol's form.
    check(error.data, `the SDK could not read the error: ${error.responseBody}`);
    return;
  }
  check(false, `nothing was raised; the text is ${harness.shown(result.text)}`);
}

async function error_400({ mute }) {
  for (const how of [ask, streamOf]) await refused(400, () => how(mute, { prompt: 'hello' }));
}

async function error_404({ unknown }) {
  for (const how of [ask, streamOf]) await refused(404, () => how(unknown, { prompt: 'hello' }));
}

async function expect_error({ model }, _, status) {
  for (const how of [ask, streamOf]) await refused(Number(status), () => how(model, { prompt: 'hello' }));
}

/** The stream has an error in it, after at least some text, and does not end as if all were well. */
async function expect_stream_error({ model }) {
  let text = '';
  let failed = false;
  let end = null;
  try {
    for await (const part of streamText(asked(model, { prompt: 'write 50 words' })).fullStream) {
      if (part.type === 'text-delta') text += part.text;
      if (part.type === 'error') failed = true;
      if (part.type === 'finish') end = part.finishReason;
    }
  } catch {
    failed = true;
  }
  check(failed, `no error came; the text is ${harness.shown(text)}`);
  check([null, 'error'].includes(end), `finishReason is ${harness.shown(end)}`);
  check(text.trim(), 'the error came before any text');
  check(words(50).join(' ').startsWith(text), `not the start of the reply: ${harness.shown(text)}`);
}

const cases = {
  plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, several_steps, no_argument_tool, image,
  structured, reasoning, length, embeddings, error_400, error_404, expect_error, expect_stream_error,
};

/** The SDK checks what it is given, so what is wrong must come between it and the network: a request that says nothing. */
function sendNothing(url, options) {
  const body = JSON.parse(options.body);
  for (const name of ['messages', 'input', 'contents']) if (body[name]) body[name] = [];
  return fetch(url, { ...options, body: JSON.stringify(body) });
}

/** By protocol: the maker of a model from its name. */
function makers(baseUrl, more) {
  const common = { apiKey: harness.KEY, ...more };
  const openai = createOpenAI({ baseURL: `${baseUrl}/v1`, ...common });
  const anthropic = createAnthropic({ baseURL: `${baseUrl}/v1`, ...common });
  const google = createGoogleGenerativeAI({ baseURL: `${baseUrl}/v1beta`, ...common });
  return { chat: openai.chat, responses: openai.responses, messages: anthropic, gemini: google, embedding: openai.embedding };
}

await harness.main(cases, (baseUrl, name) => {
  const [protocol, model] = name.split(/\/(.*)/s);
  const made = makers(baseUrl);
  return {
    model: made[protocol](model),
    unknown: made[protocol]('no-such-model'),
    mute: makers(baseUrl, { fetch: sendNothing })[protocol](model),
    embedding: made.embedding(model),
  };
});
