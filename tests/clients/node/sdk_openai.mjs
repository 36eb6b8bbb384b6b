// Drives the official OpenAI client: `node sdk_openai.mjs BASE_URL MODEL CASE...`
//
// `embeddings` and `embeddings_base64` are for a model that embeds, `models` for a name that stands in the list.

import { isDeepStrictEqual } from 'node:util';

import * as harness from './harness.mjs';
import * as sdk from 'openai';

const { check, contains, equal, raises, split, words } = harness;
const { BOTH_LINES, PNG, PNG_BYTES, SCHEMA, TIME, TOOLS, WEATHER, WEATHER_LINE } = harness;

const user = (content) => [{ role: 'user', content }];

async function ask(client, model, messages, more = {}) {
  const completion = await client.chat.completions.create({ model, messages, ...more });
  check(completion.id, 'the completion has no id');
  equal(completion.object, 'chat.completion', 'object');
  equal(completion.choices.length, 1, 'the number of choices');
  equal(completion.choices[0].message.role, 'assistant', 'role');
  checkUsage(completion.usage);
  return completion;
}

function checkUsage(usage) {
  check(usage, 'no usage');
  check(usage.prompt_tokens > 0 && usage.completion_tokens > 0, `no tokens were counted: ${harness.shown(usage)}`);
  equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, 'total_tokens');
}

const counted = (usage) => [usage.prompt_tokens, usage.completion_tokens];

function textOf(completion, finish = 'stop') {
  equal(completion.choices[0].finish_reason, finish, 'finish_reason');
  return completion.choices[0].message.content;
}

const openStream = (client, model, messages, more = {}) =>
  client.chat.completions.create({ model, messages, stream: true, ...more });

/** Put together a streamed reply by hand: text, calls by index, finish reason, usage. */
async function read(opening, wantsUsage = false) {
  const ids = new Set();
  const calls = [];
  let text = '';
  let finish = null;
  let usage = null;
  for await (const chunk of await opening) {
    // Azure's first: what its filter says of the prompt.
    if (!chunk.object && !chunk.choices.length) continue;
    ids.add(chunk.id);
    equal(chunk.object, 'chat.completion.chunk', 'object');
    check(!usage, 'a chunk came after the one with the usage');
    if (chunk.usage) {
      check(wantsUsage, 'usage, which was not asked for');
      equal(chunk.choices, [], 'choices of the chunk with the usage');
      checkUsage(chunk.usage);
      usage = chunk.usage;
      continue;
    }
    equal(chunk.choices.length, 1, 'the number of choices in a chunk');
    check(finish === null, 'a chunk with a choice came after the finish reason');
    const { delta } = chunk.choices[0];
    finish = chunk.choices[0].finish_reason ?? null;
    text += delta.content ?? '';
    for (const part of delta.tool_calls ?? []) {
      let call = calls[part.index];
      if (!call) {
        equal(part.index, calls.length, 'the index of a new call');
        equal(part.type, 'function', 'the type of a call');
        call = calls[part.index] = { id: part.id, name: part.function.name, arguments: '', fragments: 0 };
      } else if (part.id != null) {
        equal(part.id, call.id, 'the id of a call that goes on');
      }
      if (part.function?.arguments) {
        call.arguments += part.function.arguments;
        call.fragments += 1;
      }
    }
  }
  equal(ids.size, 1, 'the number of different ids');
  check([...ids].every(Boolean), 'the chunks have no id');
  check(finish, 'no finish reason');
  check(usage || !wantsUsage, 'no usage, which was asked for');
  return { text, calls, finish, usage };
}

async function plain(client, model) {
  const completion = await ask(client, model, user('hello'));
  contains(textOf(completion), 'you said: hello');
  check(!completion.choices[0].message.tool_calls?.length, 'tools were called');
  check(completion.model, 'no model is named');
}

async function stream(client, model) {
  const messages = user('hello, streamed');
  const stream_options = { include_usage: true };
  const completion = await ask(client, model, messages);
  const whole = textOf(completion);
  contains(whole, 'you said: hello, streamed');
  const { text, calls, finish, usage } = await read(openStream(client, model, messages, { stream_options }), true);
  equal([text, calls, finish], [whole, [], 'stop'], 'the stream');
  equal(counted(usage), counted(completion.usage), 'usage');
  const silent = await read(openStream(client, model, messages));
  equal([silent.text, silent.finish], [whole, 'stop'], 'the stream without usage');
  const helper = client.chat.completions.stream({ model, messages, stream_options });
  let deltas = '';
  helper.on('content', (delta) => (deltas += delta));
  const final = await helper.finalChatCompletion();
  equal(deltas, whole, "the helper's text");
  equal(textOf(final), whole, "the helper's completion");
  equal(counted(await helper.totalUsage()), counted(completion.usage), "the helper's usage");
}

async function long_stream(client, model) {
  const { text, finish } = await read(openStream(client, model, user('write 200 words')));
  equal(split(text), words(200), 'the words');
  equal(finish, 'stop', 'finish_reason');
}

async function system(client, model) {
  for (const role of ['system', 'developer']) {
    const content = `You are pirate 77, said the ${role}.`;
    const messages = [{ role, content }, ...user('what is your system prompt')];
    contains(textOf(await ask(client, model, messages)), content);
  }
}

async function multi_turn(client, model) {
  const alone = await ask(client, model, user('third thing'));
  const completion = await ask(client, model, [
    ...user('first thing'),
    { role: 'assistant', content: 'That was the first.' },
    ...user([{ type: 'text', text: 'second thing' }]),
    { role: 'assistant', content: 'That was the second.' },
    ...user('third thing'),
  ]);
  contains(textOf(completion), 'you said: third thing');
  check(completion.usage.prompt_tokens > alone.usage.prompt_tokens, 'the earlier turns were not counted');
}

function tool(name) {
  const [description, parameters] = TOOLS[name];
  return { type: 'function', function: { name, description, parameters } };
}

function callsOf(completion) {
  equal(completion.choices[0].finish_reason, 'tool_calls', 'finish_reason');
  const calls = completion.choices[0].message.tool_calls ?? [];
  check(calls.every((call) => call.type === 'function'), `a call is of another type: ${harness.shown(calls)}`);
  return calls.map(({ id, function: { name, arguments: text } }) => ({ id, name, arguments: text }));
}

function checkCalls(calls, expected) {
  equal(calls.map((call) => [call.name, harness.parse(call.arguments, `arguments of ${call.name}`)]), expected, 'the calls');
  check(calls.every((call) => call.id), 'a call has no id');
  equal(new Set(calls.map((call) => call.id)).size, calls.length, 'the number of different ids');
}

/** Send the results back, in order; the answer reads them out. */
async function answer(client, model, messages, turn, calls, results, tools) {
  const turns = calls.map((call, index) => ({ role: 'tool', tool_call_id: call.id, content: results[index] }));
  const completion = await ask(client, model, [...messages, turn, ...turns], { tools });
  contains(textOf(completion), `The tools said: ${results.join('; ')}`);
}

/** The assistant's turn, as a client writes it that put the calls together by hand. */
function turnOf(calls) {
  const made = calls.map((call) => ({ id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } }));
  return { role: 'assistant', content: null, tool_calls: made };
}

async function callTools(client, model, prompt, expected, results, tools) {
  const messages = user(prompt);
  const completion = await ask(client, model, messages, { tools });
  const calls = callsOf(completion);
  checkCalls(calls, expected);
  await answer(client, model, messages, completion.choices[0].message, calls, results, tools);
}

async function streamTools(client, model, prompt, expected, results, tools) {
  const messages = user(prompt);
  const { calls, finish } = await read(openStream(client, model, messages, { tools }));
  equal(finish, 'tool_calls', 'finish_reason');
  checkCalls(calls, expected);
  await answer(client, model, messages, turnOf(calls), calls, results, tools);
  return calls;
}

const BOTH = [tool('get_weather'), tool('get_time')];
const RESULTS = ['18 degrees', 'half past nine'];

async function tools(client, model) {
  await callTools(client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], [tool('get_weather'), tool('now')]);
}

async function parallel_tools(client, model) {
  await callTools(client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, BOTH);
}

async function tools_stream(client, model) {
  const [call] = await streamTools(client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], BOTH);
  check(harness.CALLS_ARE_WHOLE || call.fragments > 1, 'the arguments came in one piece');
  await streamTools(client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, BOTH);
  const messages = user(BOTH_LINES);
  const final = await client.chat.completions.stream({ model, messages, tools: BOTH }).finalChatCompletion();
  const calls = callsOf(final);
  checkCalls(calls, [WEATHER, TIME]);
  await answer(client, model, messages, final.choices[0].message, calls, RESULTS, BOTH);
}

async function no_argument_tool(client, model) {
  for (const how of [callTools, streamTools]) {
    await how(client, model, 'use tool now with {}', [['now', {}]], ['noon'], [tool('now')]);
  }
}

async function image(client, model) {
  const parts = [
    { type: 'text', text: 'look at this' },
    { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
  ];
  const text = textOf(await ask(client, model, user(parts)));
  contains(text, `I see an image of ${PNG_BYTES} bytes (image/png)`);
  contains(text, 'you said: look at this');
}

async function structured(client, model) {
  const response_format = { type: 'json_schema', json_schema: { name: 'report', schema: SCHEMA, strict: true } };
  const messages = user('report the weather');
  harness.checkDocument(harness.parse(textOf(await ask(client, model, messages, { response_format })), 'the text'));
  const { text, finish } = await read(openStream(client, model, messages, { response_format }));
  equal(finish, 'stop', 'finish_reason');
  harness.checkDocument(harness.parse(text, 'the streamed text'));
}

async function length(client, model) {
  const messages = user('write 50 words');
  for (const field of ['max_tokens', 'max_completion_tokens']) {
    equal(split(textOf(await ask(client, model, messages, { [field]: 3 }), 'length')), words(3), `the words with ${field}`);
  }
  const { text, finish } = await read(openStream(client, model, messages, { max_completion_tokens: 3 }));
  equal([split(text), finish], [words(3), 'length'], 'the stream');
}

async function stop_sequence(client, model) {
  const messages = user('write 20 words');
  for (const stop of ['word7', ['nothing', 'word7']]) {
    equal(split(textOf(await ask(client, model, messages, { stop }))), words(6), 'the words');
    const { text, finish } = await read(openStream(client, model, messages, { stop }));
    equal([split(text), finish], [words(6), 'stop'], 'the stream');
  }
}

const TEXTS = ['hello', 'something else'];

function vectorsOf(embedded, count) {
  equal(embedded.object, 'list', 'object');
  equal(embedded.data.map((one) => one.index), Array.from({ length: count }, (_, index) => index), 'the indices');
  const vectors = embedded.data.map((one) => Array.from(one.embedding));
  const numbers = vectors.every((vector) => vector.length && vector.every(Number.isFinite));
  check(numbers, `not vectors of numbers: ${harness.shown(vectors)}`);
  equal(new Set(vectors.map((vector) => vector.length)).size, 1, 'the number of different lengths');
  check(embedded.usage.prompt_tokens > 0, `no tokens were counted: ${harness.shown(embedded.usage)}`);
  return vectors;
}

async function embeddings(client, model) {
  const embed = (input) => client.embeddings.create({ model, input, encoding_format: 'float' });
  const [alone] = vectorsOf(await embed('hello'), 1);
  const vectors = vectorsOf(await embed(TEXTS), 2);
  equal(vectors[0], alone, 'the vector of the same text');
  check(!isDeepStrictEqual(vectors[0], vectors[1]), 'two texts have the same vector');
}

/** The client asks for base64 unless told otherwise, and unpacks it. */
async function embeddings_base64(client, model) {
  const wire = await (await client.embeddings.create({ model, input: TEXTS }).asResponse()).json();
  check(wire.data.every((one) => typeof one.embedding === 'string'), `not base64: ${harness.shown(wire)}`);
  const plain = vectorsOf(await client.embeddings.create({ model, input: TEXTS, encoding_format: 'float' }), 2);
  const packed = vectorsOf(await client.embeddings.create({ model, input: TEXTS }), 2);
  // It packs 32 bits of each.
  const close = (one, other) => Math.abs(one - other) <= 1e-6 * Math.max(1, Math.abs(one));
  const alike = (one, other) => one.length === other.length && one.every((number, at) => close(number, other[at]));
  const same = plain.every((vector, at) => alike(vector, packed[at]));
  check(same, `${harness.shown(plain)} packed is ${harness.shown(packed)}`);
}

async function models(client, model) {
  const listed = [];
  for await (const one of client.models.list()) listed.push(one.id);
  check(listed.includes(model), `the list lacks ${model}: ${harness.shown(listed)}`);
  const one = await client.models.retrieve(model);
  equal([one.id, one.object], [model, 'model'], 'the model');
  await raises(sdk, 'NotFoundError', () => client.models.retrieve('no-such-model'));
}

async function checkRefusal(className, status, action) {
  const error = await raises(sdk, className, action);
  equal(error.status, status, 'the status');
  check(error.error?.message, `the error has no message: ${harness.shown(error.error)}`);
  check(error.type, `the error has no type: ${harness.shown(error.error)}`);
}

async function error_400(client, model) {
  await checkRefusal('BadRequestError', 400, () => ask(client, model, []));
  await checkRefusal('BadRequestError', 400, () => read(openStream(client, model, [])));
}

async function error_404(client) {
  await checkRefusal('NotFoundError', 404, () => ask(client, 'no-such-model', user('hello')));
  await checkRefusal('NotFoundError', 404, () => read(openStream(client, 'no-such-model', user('hello'))));
}

async function expect_error(client, model, className) {
  await raises(sdk, className, () => ask(client, model, user('hello')));
}

async function expect_stream_error(client, model, className) {
  const chunks = await openStream(client, model, user('write 50 words'));
  async function* texts() {
    for await (const chunk of chunks) yield chunk.choices[0]?.delta.content ?? '';
  }
  await harness.checkStreamError(sdk, className, texts());
}

const cases = {
  plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
  length, stop_sequence, embeddings, embeddings_base64, models, error_400, error_404, expect_error, expect_stream_error,
};

await harness.main(
  cases,
  (baseUrl) =>
    new sdk.OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: harness.KEY, maxRetries: 0, timeout: harness.CLIENT_TIMEOUT_MS }),
);
