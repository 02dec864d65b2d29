// Drives a running service as a newcomer's program would: with the official `openai` package, and the file that the first start
// wrote for scripts. `node scripts/first-completion.mjs [.gatehouse/quickstart.json]`; exits 0 when every check passes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import OpenAI, { AuthenticationError } from 'openai';

const { baseUrl, secretKey } = JSON.parse(readFileSync(process.argv[2] ?? '.gatehouse/quickstart.json', 'utf8'));
const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: secretKey, maxRetries: 0 });

const models = [];
for await (const { id } of client.models.list()) models.push(id);
const [model] = models;
assert.ok(model, 'no model is listed');
say(`models.list: ${models.join(', ')}`);

const messages = [{ role: 'user', content: 'Say where you live, in one short sentence.' }];
const { data: whole, response } = await client.chat.completions.create({ model, messages }).withResponse();
const text = whole.choices[0].message.content;
assert.ok(text, 'the completion is empty');
assertUsage(whole.usage);
const left = remaining(response);
say(`JSON: ${whole.usage.prompt_tokens} tokens in, ${whole.usage.completion_tokens} out, ${left} requests left`);

const { data: stream, response: streamResponse } = await client.chat.completions
  .create({ model, messages, stream: true, stream_options: { include_usage: true } })
  .withResponse();
let streamed = '';
let chunks = 0;
let usage = null;
for await (const chunk of stream) {
  chunks += 1;
  streamed += chunk.choices[0]?.delta.content ?? '';
  usage = chunk.usage ?? usage;
}
assert.ok(chunks > 2 && streamed !== '', 'the stream is empty');
assertUsage(usage);
assert.equal(remaining(streamResponse), left - 1, 'a call takes one request of the window');
// The built-in provider gives the same answer to the same question, so its counts are equal; another provider may differ.
if (model === 'dummy') {
  assert.equal(streamed, text);
  assert.deepEqual(usage, whole.usage);
}
say(`stream: ${chunks} chunks, ${usage.prompt_tokens} tokens in, ${usage.completion_tokens} out`);

const stranger = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey: `${secretKey.slice(0, -1)}~`, maxRetries: 0 });
await assert.rejects(stranger.chat.completions.create({ model, messages }), AuthenticationError);
say('a key that is not ours: AuthenticationError');

function assertUsage(counted) {
  assert.ok(counted?.prompt_tokens > 0 && counted.completion_tokens > 0, `no usage: ${JSON.stringify(counted)}`);
  assert.equal(counted.total_tokens, counted.prompt_tokens + counted.completion_tokens);
}

function remaining({ headers }) {
  const value = headers.get('x-ratelimit-remaining');
  assert.match(value ?? '', /^\d+$/, 'x-ratelimit-remaining is missing');
  assert.ok(headers.get('x-request-id'), 'x-request-id is missing');
  return Number(value);
}

function say(line) {
  process.stdout.write(`${line}\n`);
}
