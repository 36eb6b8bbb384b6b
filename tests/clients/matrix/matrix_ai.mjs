// Runs the AI SDK on one task: `node matrix_ai.mjs BASE_URL MODE PROMPT`, and prints its last answer.
//
// The default provider of OpenAI is the Responses API with what it stores: from the second step on, items are referred to by
// their ids. The exit code is 3 when the SDK throws.

import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

const ANSWER = 'the switch stands at track nine and the signal shows green over the whole of the northern yard until the morning';

globalThis.AI_SDK_LOG_WARNINGS = false;
const [baseUrl, mode, prompt] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${baseUrl}/v1`, apiKey: 'test-key' });
const read_switch = tool({
  description: 'Reads the position of a switch',
  inputSchema: z.object({ switch: z.string() }),
  execute: async () => ANSWER,
});
const asked = { model: openai('gpt-5'), prompt, tools: { read_switch }, stopWhen: (stepCountIs ?? isStepCount)(5) };

try {
  if (mode === 'whole') {
    console.log((await generateText(asked)).text);
  } else {
    let failure;
    const result = streamText({ ...asked, onError: ({ error }) => (failure = error) });
    await result.consumeStream({ onError: (error) => (failure = error) });
    if (failure) throw failure;
    console.log(await result.text);
  }
} catch (error) {
  console.error(`${error?.name}: ${error?.message}`);
  process.exitCode = 3;
}
