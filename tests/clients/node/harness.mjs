// What the scripts share: the command line, one line for each case, and checks that say what was wrong.

import { isDeepStrictEqual } from 'node:util';

for (const name of Object.keys(process.env)) {
  if (/^(ANTHROPIC|OPENAI|GEMINI|GOOGLE)_/.test(name) || /_proxy$/i.test(name)) delete process.env[name];
}
// The SDK says with every request that a model will be retired.
console.warn = () => {};

export const KEY = 'test-key';
export const CLIENT_TIMEOUT_MS = 30_000;
// The clients' timeout ends with the headers of the answer, so it alone would not end a stream that hangs.
const CASE_TIMEOUT_MS = 60_000;
// Gemini and Ollama stream calls in one piece.
export const CALLS_ARE_WHOLE = Boolean(process.env.CALLS_ARE_WHOLE);

export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNQSFgAAAHEASFcollRAAAAAElFTkSuQmCC';
export const PNG_BYTES = Buffer.from(PNG, 'base64').length;

export const SCHEMA = {
  type: 'object',
  properties: {
    city: { type: 'string' },
    days: { type: 'array', items: { type: 'integer' } },
    sky: { type: 'object', properties: { clear: { type: 'boolean' } }, required: ['clear'], additionalProperties: false },
    unit: { type: 'string', enum: ['C', 'F'] },
  },
  required: ['city', 'days', 'sky', 'unit'],
  additionalProperties: false,
};

// Tools by name: description and schema.
const object = (properties) => ({ type: 'object', properties, required: Object.keys(properties), additionalProperties: false });
export const TOOLS = {
  get_weather: ['The weather in a city', object({ city: { type: 'string' } })],
  get_time: ['The time in a zone', object({ zone: { type: 'string' } })],
  now: ['The time here', object({})],
};

export const WEATHER = ['get_weather', { city: 'Paris' }];
export const TIME = ['get_time', { zone: 'CET' }];
export const WEATHER_LINE = 'use tool get_weather with {"city":"Paris"}';
export const BOTH_LINES = `${WEATHER_LINE}\nuse tool get_time with {"zone":"CET"}`;

class Failed extends Error {}

export function check(condition, text) {
  if (!condition) throw new Failed(text);
}

export const shown = (value) => JSON.stringify(value) ?? String(value);

export function equal(actual, expected, what) {
  check(isDeepStrictEqual(actual, expected), `${what} is ${shown(actual)}, not ${shown(expected)}`);
}

export function contains(text, part, what = 'the text') {
  check(typeof text === 'string' && text.includes(part), `${what} is ${shown(text)}, which does not contain ${shown(part)}`);
}

export const words = (count) => Array.from({ length: count }, (_, index) => `word${index + 1}`);
export const split = (text) => text.split(' ').filter(Boolean);

export function parse(text, what) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failed(`${what} is not JSON: ${shown(text)}`);
  }
}

/** It fits SCHEMA. */
export function checkDocument(document) {
  const text = shown(document);
  check(document !== null && typeof document === 'object', `not an object: ${text}`);
  equal(Object.keys(document).sort(), SCHEMA.required, 'the list of fields');
  check(typeof document.city === 'string', `\`city\` is not a string: ${text}`);
  check(document.days.every(Number.isInteger), `\`days\` are not integers: ${text}`);
  check(typeof document.sky.clear === 'boolean', `\`sky.clear\` is not a boolean: ${text}`);
  check(['C', 'F'].includes(document.unit), `\`unit\` is not of the enum: ${text}`);
}

/** The error that the action raises, which must be of exactly this class of the SDK. */
export async function raises(sdk, className, action) {
  const expected = sdk[className];
  check(typeof expected === 'function', `the SDK has no class ${className}`);
  let result;
  try {
    result = await action();
  } catch (error) {
    if (error instanceof Failed) throw error;
    check(error?.constructor === expected, `raised ${named(error)}, not ${className}`);
    return error;
  }
  throw new Failed(`nothing was raised, not even ${className}; the result is ${shown(result)}`);
}

/** The texts of a reply to `write 50 words` break off with this error, after at least one of them. */
export async function checkStreamError(sdk, className, texts) {
  let text = '';
  await raises(sdk, className, async () => {
    for await (const part of texts) text += part;
    return text;
  });
  check(text.trim(), `${className} came before any text`);
  check(words(50).join(' ').startsWith(text), `not the start of the reply: ${shown(text)}`);
}

const named = (error) => `${error?.constructor?.name}: ${error?.message ?? error}`;

/** `connect` takes base URL and model and makes a client; a case takes a client, the model and what follows its colon. */
export async function main(cases, connect) {
  const [script, baseUrl, model, ...names] = process.argv.slice(1);
  if (!names.length) {
    console.error(`usage: ${script} BASE_URL MODEL CASE...\ncases: ${Object.keys(cases).join(' ')}`);
    process.exit(1);
  }
  const client = connect(baseUrl.replace(/\/+$/, ''), model);
  for (const name of names) {
    const [word, argument = ''] = name.split(/:(.*)/s);
    if (!Object.hasOwn(cases, word)) fail(name, `no such case; there are: ${Object.keys(cases).join(' ')}`);
    const watchdog = setTimeout(fail, CASE_TIMEOUT_MS, name, `no end after ${CASE_TIMEOUT_MS / 1000} s`);
    const unhandled = (error) => fail(name, `nobody waited for: ${named(error)}`);
    process.on('unhandledRejection', unhandled);
    try {
      await cases[word](client, model, argument);
    } catch (error) {
      fail(name, `${error instanceof Failed ? error.message : named(error)} (${where(error, script)})`);
    }
    process.off('unhandledRejection', unhandled);
    clearTimeout(watchdog);
    console.log(`ok ${name}`);
  }
  // Kept connections would hold the process for some seconds.
  process.exit(0);
}

/** The innermost line of the script itself. */
function where(error, script) {
  const line = error?.stack?.split('\n').find((frame) => frame.includes('/sdk_'));
  return line?.match(/[^/]+\.mjs:\d+/)?.[0] ?? `in the SDK, called by ${script}`;
}

function fail(name, text) {
  console.error(`FAILED ${name}: ${text}`);
  process.exit(1);
}
