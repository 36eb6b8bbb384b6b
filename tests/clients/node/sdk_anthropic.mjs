// Drives the official Anthropic client: `node sdk_anthropic.mjs BASE_URL MODEL CASE...`
//
// `stop_sequence:REASON` expects another stop reason: a provider behind a translation may not tell which it was. `models` is
// for a name that stands in the list.

import * as harness from './harness.mjs';
import * as sdk from '@anthropic-ai/sdk';
import { jsonSchemaOutputFormat } from '@anthropic-ai/sdk/helpers/json-schema';

const { check, contains, equal, raises, split, words } = harness;
const { BOTH_LINES, PNG, PNG_BYTES, SCHEMA, TIME, TOOLS, WEATHER, WEATHER_LINE } = harness;

const MAX_TOKENS = 1000;

const user = (content) => [{ role: 'user', content }];

const joined = (message) => message.content.map((block) => (block.type === 'text' ? block.text : '')).join('');

const counted = ({ usage }) => [usage.input_tokens, usage.output_tokens];

function textOf(message, reason = 'end_turn') {
  equal(message.stop_reason, reason, 'stop_reason');
  return joined(message);
}

function checkMessage(message) {
  check(message.id, 'the message has no id');
  equal([message.type, message.role], ['message', 'assistant'], 'type and role');
  check(counted(message).every((tokens) => tokens > 0), `no tokens were counted: ${harness.shown(message.usage)}`);
}

async function ask(client, model, messages, more = {}) {
  const message = await client.messages.create({ model, max_tokens: MAX_TOKENS, messages, ...more });
  checkMessage(message);
  return message;
}

/** The message that the helper puts together; its pieces of text must join to the same. */
async function streamOf(client, model, messages, more = {}) {
  const events = client.messages.stream({ model, max_tokens: MAX_TOKENS, messages, ...more });
  let text = '';
  events.on('text', (delta) => (text += delta));
  const message = await events.finalMessage();
  checkMessage(message);
  equal(text, joined(message), 'the streamed text');
  return message;
}

/** The text of a stream that is put together by hand, with a look at the order of its events. */
async function rawText(client, model, messages) {
  const kinds = [];
  let text = '';
  let opened = null;
  for await (const event of await client.messages.create({ model, max_tokens: MAX_TOKENS, messages, stream: true })) {
    kinds.push(event.type);
    if (event.type === 'content_block_start') {
      check(opened === null, 'a block began inside another');
      opened = event.index;
    } else if (event.type === 'content_block_delta') {
      equal(event.index, opened, 'the index of a delta');
      text += event.delta.type === 'text_delta' ? event.delta.text : '';
    } else if (event.type === 'content_block_stop') {
      equal(event.index, opened, "the index of a block's end");
      opened = null;
    }
  }
  const ends = [kinds[0], ...kinds.slice(-2)];
  equal(ends, ['message_start', 'message_delta', 'message_stop'], 'the first and the last two events');
  return text;
}

async function plain(client, model) {
  const message = await ask(client, model, user('hello'));
  contains(textOf(message), 'you said: hello');
  equal(message.content.map((block) => block.type), ['text'], 'the blocks');
  check(message.model, 'no model is named');
}

async function stream(client, model) {
  const messages = user('hello, streamed');
  const message = await ask(client, model, messages);
  const whole = textOf(message);
  contains(whole, 'you said: hello, streamed');
  const streamed = await streamOf(client, model, messages);
  equal(textOf(streamed), whole, 'the streamed text');
  equal(counted(streamed), counted(message), 'usage');
  equal(await rawText(client, model, messages), whole, 'the text put together by hand');
}

async function long_stream(client, model) {
  equal(split(textOf(await streamOf(client, model, user('write 200 words')))), words(200), 'the words');
}

async function system(client, model) {
  const block = { type: 'text', text: 'You are pirate 78.', cache_control: { type: 'ephemeral' } };
  for (const [prompt, text] of [['You are pirate 77.', 'You are pirate 77.'], [[block], block.text]]) {
    contains(textOf(await ask(client, model, user('what is your system prompt'), { system: prompt })), text);
  }
}

async function multi_turn(client, model) {
  const alone = await ask(client, model, user('third thing'));
  const message = await ask(client, model, [
    ...user('first thing'),
    { role: 'assistant', content: 'That was the first.' },
    ...user([{ type: 'text', text: 'second thing' }]),
    { role: 'assistant', content: [{ type: 'text', text: 'That was the second.' }] },
    ...user('third thing'),
  ]);
  contains(textOf(message), 'you said: third thing');
  check(message.usage.input_tokens > alone.usage.input_tokens, 'the earlier turns were not counted');
}

function tool(name) {
  const [description, input_schema] = TOOLS[name];
  return { name, description, input_schema };
}

function checkCalls(message, expected) {
  equal(message.stop_reason, 'tool_use', 'stop_reason');
  const calls = message.content.filter((block) => block.type === 'tool_use');
  equal(calls.map((call) => [call.name, call.input]), expected, 'the calls');
  check(calls.every((call) => call.id), 'a call has no id');
  equal(new Set(calls.map((call) => call.id)).size, calls.length, 'the number of different ids');
  return calls;
}

/** The calls are as expected, and the results that are sent back, in order, are read out. */
async function callTools(how, client, model, prompt, expected, results, tools) {
  const messages = user(prompt);
  const message = await how(client, model, messages, { tools });
  const calls = checkCalls(message, expected);
  const blocks = calls.map((call, index) => ({ type: 'tool_result', tool_use_id: call.id, content: results[index] }));
  const turns = [...messages, { role: 'assistant', content: message.content }, ...user(blocks)];
  contains(textOf(await how(client, model, turns, { tools })), `The tools said: ${results.join('; ')}`);
}

const BOTH = [tool('get_weather'), tool('get_time')];
const RESULTS = ['18 degrees', 'half past nine'];

async function tools(client, model) {
  await callTools(ask, client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], [tool('get_weather'), tool('now')]);
}

async function parallel_tools(client, model) {
  await callTools(ask, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, BOTH);
}

async function tools_stream(client, model) {
  const events = client.messages.stream({ model, max_tokens: MAX_TOKENS, messages: user(WEATHER_LINE), tools: BOTH });
  let fragments = 0;
  events.on('inputJson', (fragment) => (fragments += fragment ? 1 : 0));
  await events.done();
  check(harness.CALLS_ARE_WHOLE || fragments > 1, 'the arguments came in one piece');
  await callTools(streamOf, client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], BOTH);
  await callTools(streamOf, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, BOTH);
}

async function no_argument_tool(client, model) {
  for (const how of [ask, streamOf]) {
    await callTools(how, client, model, 'use tool now with {}', [['now', {}]], ['noon'], [tool('now')]);
  }
}

async function image(client, model) {
  const source = { type: 'base64', media_type: 'image/png', data: PNG };
  const text = textOf(await ask(client, model, user([{ type: 'image', source }, { type: 'text', text: 'look at this' }])));
  contains(text, `I see an image of ${PNG_BYTES} bytes (image/png)`);
  contains(text, 'you said: look at this');
}

async function structured(client, model) {
  const output_config = { format: { type: 'json_schema', schema: SCHEMA } };
  const messages = user('report the weather');
  for (const how of [ask, streamOf]) {
    harness.checkDocument(harness.parse(textOf(await how(client, model, messages, { output_config })), 'the text'));
  }
  const format = jsonSchemaOutputFormat(SCHEMA);
  const message = await client.messages.parse({ model, max_tokens: MAX_TOKENS, messages, output_config: { format } });
  harness.checkDocument(message.parsed_output);
}

async function thinking(client, model) {
  for (const how of [ask, streamOf]) {
    const more = { max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 } };
    const message = await how(client, model, user('hello'), more);
    equal(message.content.map((block) => block.type), ['thinking', 'text'], 'the blocks');
    equal(message.content[0].thinking, 'Let me think.', 'the thinking');
    check(message.content[0].signature, 'the thinking has no signature');
    contains(textOf(message), 'you said: hello');
    const turns = [...user('hello'), { role: 'assistant', content: message.content }, ...user('again')];
    contains(textOf(await how(client, model, turns, more)), 'you said: again');
  }
}

async function length(client, model) {
  for (const how of [ask, streamOf]) {
    const message = await how(client, model, user('write 50 words'), { max_tokens: 3 });
    equal(split(textOf(message, 'max_tokens')), words(3), 'the words');
  }
}

async function stop_sequence(client, model, reason) {
  const expected = reason || 'stop_sequence';
  for (const how of [ask, streamOf]) {
    const message = await how(client, model, user('write 20 words'), { stop_sequences: ['nothing', 'word7'] });
    equal(split(textOf(message, expected)), words(6), 'the words');
    equal(message.stop_sequence, expected === 'stop_sequence' ? 'word7' : null, 'stop_sequence');
  }
}

async function count_tokens(client, model) {
  const count = async (content, more = {}) =>
    (await client.messages.countTokens({ model, messages: user(content), ...more })).input_tokens;
  const [short, long] = [await count('hello'), await count('hello '.repeat(20))];
  const withMore = await count('hello', { system: 'Be brief.', tools: [tool('get_weather')] });
  check(0 < short && short < Math.min(long, withMore), `counted ${short}, ${long} and ${withMore}`);
  await raises(sdk, 'BadRequestError', () => client.messages.countTokens({ model, messages: [] }));
  await raises(sdk, 'NotFoundError', () => count('hello', { model: 'no-such-model' }));
}

async function models(client, model) {
  const listed = [];
  for await (const one of client.models.list()) listed.push(one.id);
  check(listed.includes(model), `the list lacks ${model}: ${harness.shown(listed)}`);
  const one = await client.models.retrieve(model);
  equal([one.id, one.type], [model, 'model'], 'the model');
  check(one.display_name && one.created_at, `the model says too little of itself: ${harness.shown(one)}`);
  await raises(sdk, 'NotFoundError', () => client.models.retrieve('no-such-model'));
}

async function checkRefusal(className, status, kind, action) {
  const error = await raises(sdk, className, action);
  equal(error.status, status, 'the status');
  equal([error.error?.type, error.error?.error?.type], ['error', kind], 'the types in the body');
  check(error.error.error.message, `the error has no message: ${harness.shown(error.error)}`);
}

async function error_400(client, model) {
  for (const how of [ask, streamOf]) {
    await checkRefusal('BadRequestError', 400, 'invalid_request_error', () => how(client, model, []));
  }
}

async function error_404(client) {
  for (const how of [ask, streamOf]) {
    await checkRefusal('NotFoundError', 404, 'not_found_error', () => how(client, 'no-such-model', user('hello')));
  }
}

async function expect_error(client, model, className) {
  await raises(sdk, className, () => ask(client, model, user('hello')));
}

async function expect_stream_error(client, model, className) {
  const events = client.messages.stream({ model, max_tokens: MAX_TOKENS, messages: user('write 50 words') });
  async function* texts() {
    for await (const event of events) yield event.delta?.text ?? '';
  }
  await harness.checkStreamError(sdk, className, texts());
}

const cases = {
  plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
  thinking, length, stop_sequence, count_tokens, models, error_400, error_404, expect_error, expect_stream_error,
};

await harness.main(
  cases,
  (baseUrl) =>
    new sdk.Anthropic({ baseURL: baseUrl, apiKey: harness.KEY, maxRetries: 0, timeout: harness.CLIENT_TIMEOUT_MS }),
);
