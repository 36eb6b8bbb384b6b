// Drives the Responses API of the official OpenAI client: `node sdk_openai_responses.mjs BASE_URL MODEL CASE...`
//
// `reasoning` is for a model that thinks. `expect_stream_error:WHAT` is the type of the event that must end the stream, such
// as `response.failed`, or the class of the exception.

import * as harness from './harness.mjs';
import * as sdk from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const { check, contains, equal, raises, split, words } = harness;
const { BOTH_LINES, PNG, PNG_BYTES, SCHEMA, TIME, TOOLS, WEATHER, WEATHER_LINE } = harness;

const ENDS = { 'response.completed': 'completed', 'response.incomplete': 'incomplete', 'response.failed': 'failed' };
const DELTAS = [
  'response.output_text.delta',
  'response.function_call_arguments.delta',
  'response.reasoning_summary_text.delta',
];
const DONES = {
  'response.output_text.done': 'text',
  'response.function_call_arguments.done': 'arguments',
  'response.reasoning_summary_text.done': 'text',
};
// The API takes no less.
const TOKENS_MIN = 16;
// Nothing is kept for the caller, who so needs what the model thought in a form that can be sent back.
const STATELESS = { store: false, include: ['reasoning.encrypted_content'] };

const user = (content) => [{ role: 'user', content }];

async function ask(client, model, input, more = {}) {
  const response = await client.responses.create({ model, input, ...STATELESS, ...more });
  checkResponse(response);
  return response;
}

function checkResponse(response) {
  check(response.id, 'the response has no id');
  equal(response.object, 'response', 'object');
  equal(response.error ?? null, null, 'the error');
  const { usage } = response;
  check(usage, 'no usage');
  check(usage.input_tokens > 0 && usage.output_tokens > 0, `no tokens were counted: ${harness.shown(usage)}`);
  equal(usage.total_tokens, usage.input_tokens + usage.output_tokens, 'total_tokens');
}

const counted = ({ usage }) => [usage.input_tokens, usage.output_tokens];

function textOf(response, status = 'completed') {
  equal(response.status, status, 'status');
  return joined(response);
}

/** The SDK gives `output_text` only to a whole response, so it is put together here. */
const joined = ({ output }) => output.map((item) => (item.type === 'message' ? said(item) : '')).join('');

/** What an item says, of whatever type it is. */
function said(item) {
  if (item.type === 'function_call') return item.arguments;
  return (item.type === 'message' ? item.content : item.summary).map((part) => part.text).join('');
}

const openStream = (client, model, input, more = {}) => client.responses.create({ model, input, stream: true, ...STATELESS, ...more });

/** Put together a streamed reply by hand: pieces of each item, and the last event's response, which must say the same. */
async function read(opening) {
  const [ids, texts, pieces, done] = [[], [], [], []];
  let first = null;
  let number = -1;
  let end = null;
  for await (const event of await opening) {
    check(!end, `${event.type} came after the last event`);
    check(event.sequence_number > number, `${event.type} has the number ${event.sequence_number}, after ${number}`);
    number = event.sequence_number;
    first ??= event.type;
    const at = event.output_index;
    if (event.type === 'response.output_item.added') {
      equal(at, ids.length, 'the index of a new item');
      ids.push(event.item.id);
      texts.push('');
      pieces.push(0);
    } else if (DELTAS.includes(event.type)) {
      equal(event.item_id, ids[at], `the item of ${event.type}`);
      texts[at] += event.delta;
      pieces[at] += 1;
    } else if (DONES[event.type]) {
      equal(event[DONES[event.type]], texts[at], `the whole of ${event.type}`);
    } else if (event.type === 'response.output_item.done') {
      equal(at, done.length, 'the index of an item that ends');
      equal(event.item.id, ids[at], 'the id of an item that ends');
      done.push(event.item);
    } else if (ENDS[event.type]) {
      end = event;
    }
  }
  equal(first, 'response.created', 'the first event');
  check(end, 'the last event is missing');
  equal(end.response.status, ENDS[end.type], 'the status in the last event');
  checkResponse(end.response);
  equal(done.map(said), texts, 'the items when they end');
  equal(end.response.output, done, 'the items of the last event');
  return { response: end.response, pieces };
}

const streamOf = async (...asked) => (await read(openStream(...asked))).response;

/** The response that the helper puts together; its pieces of text must join to the same. */
async function helped(client, model, input, more = {}) {
  const events = client.responses.stream({ model, input, ...STATELESS, ...more });
  let text = '';
  events.on('response.output_text.delta', ({ delta }) => (text += delta));
  const response = await events.finalResponse();
  checkResponse(response);
  equal(text, joined(response), 'the streamed text');
  return response;
}

async function plain(client, model) {
  const response = await ask(client, model, 'hello');
  contains(textOf(response), 'you said: hello');
  equal(response.output_text, textOf(response), 'output_text');
  const items = response.output.filter((item) => item.type !== 'reasoning');
  equal(items.map((item) => [item.type, item.role]), [['message', 'assistant']], 'the items');
  equal(response.incomplete_details ?? null, null, 'incomplete_details');
  check(response.model, 'no model is named');
}

async function stream(client, model) {
  const response = await ask(client, model, 'hello, streamed');
  const whole = textOf(response);
  contains(whole, 'you said: hello, streamed');
  for (const how of [streamOf, helped]) {
    const streamed = await how(client, model, 'hello, streamed');
    equal(textOf(streamed), whole, 'the streamed text');
    equal(counted(streamed), counted(response), 'usage');
  }
}

async function long_stream(client, model) {
  equal(split(textOf(await streamOf(client, model, 'write 200 words'))), words(200), 'the words');
}

async function system(client, model) {
  const question = user('what is your system prompt');
  const instructions = 'You are pirate 77.';
  contains(textOf(await ask(client, model, question, { instructions })), instructions);
  for (const role of ['system', 'developer']) {
    const content = `You are pirate 78, said the ${role}.`;
    contains(textOf(await ask(client, model, [{ role, content }, ...question])), content);
  }
}

async function multi_turn(client, model) {
  const alone = await ask(client, model, user('third thing'));
  const response = await ask(client, model, [
    ...user('first thing'),
    { role: 'assistant', content: 'That was the first.' },
    ...user([{ type: 'input_text', text: 'second thing' }]),
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'That was the second.' }] },
    ...user('third thing'),
  ]);
  contains(textOf(response), 'you said: third thing');
  check(response.usage.input_tokens > alone.usage.input_tokens, 'the earlier turns were not counted');
  for (const how of [ask, streamOf]) {
    let items = user('first thing');
    for (const prompt of ['second thing', 'third thing']) {
      items = [...items, ...(await how(client, model, items, STATELESS)).output, ...user(prompt)];
      contains(textOf(await how(client, model, items, STATELESS)), `you said: ${prompt}`);
    }
  }
}

function tool(name, strict = false) {
  const [description, parameters] = TOOLS[name];
  return { type: 'function', name, description, parameters, strict };
}

function checkCalls(response, expected) {
  equal(response.status, 'completed', 'status');
  const calls = response.output.filter((item) => item.type === 'function_call');
  equal(calls.map((call) => [call.name, harness.parse(call.arguments, `arguments of ${call.name}`)]), expected, 'the calls');
  check(calls.every((call) => call.call_id), 'a call has no id');
  equal(new Set(calls.map((call) => call.call_id)).size, calls.length, 'the number of different ids');
  return calls;
}

/** The calls are as expected, and the results that are sent back, in order, are read out. */
async function callTools(how, client, model, prompt, expected, results, more) {
  const items = user(prompt);
  const response = await how(client, model, items, more);
  const outputs = checkCalls(response, expected).map(({ call_id }, index) => ({
    type: 'function_call_output',
    call_id,
    output: results[index],
  }));
  // What the helper parsed is its own, and no field of the API.
  const made = response.output.map(({ parsed_arguments, ...item }) => item);
  const answer = await how(client, model, [...items, ...made, ...outputs], more);
  contains(textOf(answer), `The tools said: ${results.join('; ')}`);
  return response;
}

const BOTH = [tool('get_weather', true), tool('get_time', true)];
const RESULTS = ['18 degrees', 'half past nine'];

async function tools(client, model) {
  const offered = [tool('get_weather'), tool('now')];
  await callTools(ask, client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], { tools: offered });
}

async function parallel_tools(client, model) {
  await callTools(ask, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, { tools: BOTH });
}

async function tools_stream(client, model) {
  const { response, pieces } = await read(openStream(client, model, user(WEATHER_LINE), { tools: BOTH }));
  checkCalls(response, [WEATHER]);
  check(harness.CALLS_ARE_WHOLE || Math.max(...pieces) > 1, 'the arguments came in one piece');
  for (const how of [streamOf, helped]) {
    await callTools(how, client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], { tools: BOTH });
    await callTools(how, client, model, BOTH_LINES, [WEATHER, TIME], RESULTS, { tools: BOTH });
  }
}

async function no_argument_tool(client, model) {
  for (const how of [ask, streamOf, helped]) {
    await callTools(how, client, model, 'use tool now with {}', [['now', {}]], ['noon'], { tools: [tool('now')] });
  }
}

async function image(client, model) {
  const parts = [
    { type: 'input_text', text: 'look at this' },
    { type: 'input_image', image_url: `data:image/png;base64,${PNG}`, detail: 'auto' },
  ];
  const text = textOf(await ask(client, model, user(parts)));
  contains(text, `I see an image of ${PNG_BYTES} bytes (image/png)`);
  contains(text, 'you said: look at this');
}

async function structured(client, model) {
  const items = user('report the weather');
  const schema = { format: { type: 'json_schema', name: 'report', schema: SCHEMA, strict: true } };
  for (const how of [ask, streamOf]) {
    harness.checkDocument(harness.parse(textOf(await how(client, model, items, { text: schema })), 'the text'));
  }
  const sky = z.object({ clear: z.boolean() });
  const report = z.object({ city: z.string(), days: z.array(z.int()), sky, unit: z.enum(['C', 'F']) });
  const text = { format: zodTextFormat(report, 'report') };
  harness.checkDocument((await client.responses.parse({ model, input: items, text })).output_parsed);
  harness.checkDocument((await helped(client, model, items, { text })).output_parsed);
}

function checkThought(response) {
  const items = response.output.filter((item) => item.type === 'reasoning');
  equal(items.map(said), ['Let me think.'], 'the thoughts');
  check(items[0].encrypted_content, 'the thought cannot be sent back');
  equal(response.output[0].type, 'reasoning', 'the first item');
}

async function reasoning(client, model) {
  const more = { reasoning: { effort: 'low', summary: 'auto' }, ...STATELESS };
  for (const how of [ask, streamOf]) {
    const response = await how(client, model, user('hello'), more);
    checkThought(response);
    contains(textOf(response), 'you said: hello');
    const items = [...user('hello'), ...response.output, ...user('again')];
    contains(textOf(await how(client, model, items, more)), 'you said: again');
    const withTools = { ...more, tools: [tool('get_weather')] };
    checkThought(await callTools(how, client, model, WEATHER_LINE, [WEATHER], ['18 degrees'], withTools));
  }
}

async function length(client, model) {
  for (const how of [ask, streamOf, helped]) {
    const response = await how(client, model, user('write 50 words'), { max_output_tokens: TOKENS_MIN });
    equal(split(textOf(response, 'incomplete')), words(TOKENS_MIN), 'the words');
    equal(response.incomplete_details.reason, 'max_output_tokens', 'the reason');
  }
}

async function count_tokens(client, model) {
  const count = (input) => client.responses.inputTokens.count({ model, input });
  const [short, long] = [await count('hello'), await count('hello, and more than that '.repeat(10))];
  equal(short.object, 'response.input_tokens', 'object');
  const [few, many] = [short.input_tokens, long.input_tokens];
  check(0 < few && few < many, `counted ${few} and ${many}`);
}

async function checkRefusal(className, status, action) {
  const error = await raises(sdk, className, action);
  equal(error.status, status, 'the status');
  check(error.error?.message, `the error has no message: ${harness.shown(error.error)}`);
  check(error.type, `the error has no type: ${harness.shown(error.error)}`);
}

async function error_400(client, model) {
  for (const how of [ask, streamOf, helped]) {
    await checkRefusal('BadRequestError', 400, () => how(client, model, []));
  }
}

async function error_404(client) {
  for (const how of [ask, streamOf, helped]) {
    await checkRefusal('NotFoundError', 404, () => how(client, 'no-such-model', user('hello')));
  }
}

async function expect_error(client, model, className) {
  for (const how of [ask, streamOf]) {
    await raises(sdk, className, () => how(client, model, user('hello')));
  }
}

/** The last event of a stream that failed: the SDK hands it over and raises nothing. */
class EndedByEvent extends Error {}

async function* textsOf(events, kind) {
  let [end, after] = [null, null];
  try {
    for await (const event of events) {
      if (end) {
        after = event.type;
        break;
      }
      if (event.type === 'response.output_text.delta') {
        yield event.delta;
      } else if (event.type === kind) {
        end = event;
      } else {
        check(!ENDS[event.type] && event.type !== 'error', `the stream ended with ${event.type}`);
      }
    }
  } catch (error) {
    // After an error the body has no proper end, so that nobody takes half an answer for a whole one.
    if (!end) throw error;
  }
  check(!after, `${after} came after ${kind}`);
  check(end, `the stream ended without ${kind}`);
  const error = kind === 'response.failed' ? end.response.error : end;
  check(error?.code && error.message, `the error says too little: ${harness.shown(end)}`);
  throw new EndedByEvent();
}

async function expect_stream_error(client, model, what) {
  const events = await openStream(client, model, user('write 50 words'));
  const byEvent = what.startsWith('response.') || what === 'error';
  const end = byEvent ? [{ EndedByEvent }, 'EndedByEvent'] : [sdk, what];
  await harness.checkStreamError(...end, textsOf(events, what));
}

const cases = {
  plain, stream, long_stream, system, multi_turn, tools, parallel_tools, tools_stream, no_argument_tool, image, structured,
  reasoning, length, count_tokens, error_400, error_404, expect_error, expect_stream_error,
};

await harness.main(
  cases,
  (baseUrl) =>
    new sdk.OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: harness.KEY, maxRetries: 0, timeout: harness.CLIENT_TIMEOUT_MS }),
);
