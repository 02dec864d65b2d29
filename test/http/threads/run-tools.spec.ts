/** Tools that a run's caller runs, and calls that no caller can answer. */
import { eventually } from '../../support/eventually.js';
import { UPSTREAM_MODEL, usageChunk } from '../../support/openai-upstream.js';
import type { MadeKey, Org } from '../../support/service-client.js';
import { sharedService, type SharedService } from '../../support/shared-service.js';
import { fieldsOf, platformError } from '../refusals.js';
import { Conversations } from './conversations.js';

const HELLO = 'Hello from the upstream.';

let service: SharedService;
let org: Org;
let key: MadeKey;
let tenant: Conversations;

beforeAll(async () => {
  service = await sharedService();
});
afterAll(() => service.stop());

beforeEach(async () => {
  service.upstream.reset();
  org = await service.createOrg();
  key = await service.createKey(org, { scopes: ['conversations:read', 'conversations:write'] });
  tenant = new Conversations(service, { 'x-api-key': key.key });
});

const asked = (): { messages: { role: string; content: string | null }[] } & Record<string, unknown> =>
  JSON.parse(service.upstream.requests.at(-1)!.body.toString()) as never;

const tools = [{ name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } }];
const call = (index: number, id: string, city: string): object[] => {
  const delta = (more: object): object => ({
    id: 'c',
    object: 'chat.completion.chunk',
    created: 1,
    model: UPSTREAM_MODEL,
    choices: [{ index: 0, delta: { tool_calls: [{ index, ...more }] }, finish_reason: null }],
  });
  return [
    delta({ id, type: 'function', function: { name: 'weather', arguments: '' } }),
    delta({ function: { arguments: '{"city":' } }),
    delta({ function: { arguments: `"${city}"}` } }),
  ];
};
const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] };
const calls = [...call(0, 'call_a', 'Rome'), ...call(1, 'call_b', 'Oslo'), end];

it('calls tools, and continues with their outputs: one run, one stream of events', async () => {
  service.upstream.next({ kind: 'stream', pieces: calls });
  const { runId } = await tenant.send('tools', 'Weather?', { tools, toolChoice: 'required' });
  const stream = tenant.events(runId);
  await eventually(() => stream.last?.type === 'tool_calls');
  expect(stream.last!.data.toolCalls).toEqual([
    { id: 'call_a', name: 'weather', arguments: '{"city":"Rome"}' },
    { id: 'call_b', name: 'weather', arguments: '{"city":"Oslo"}' },
  ]);
  expect(asked()).toMatchObject({ tools: [{ type: 'function', function: tools[0] }], tool_choice: 'required' });
  const waiting = await tenant.state('tools');
  expect(waiting).toMatchObject({ status: 'RUNNING', activeRunId: runId, awaitingToolOutputs: true });
  expect(waiting.messages.at(-1)!.toolCalls).toHaveLength(2);

  const output = (toolCallId: string): object => ({ toolCallId, output: `Sunny for ${toolCallId}` });
  for (const wrong of [
    [output('call_a')],
    [output('call_a'), output('call_x')],
    [output('call_a'), output('call_a')],
  ]) {
    const error = platformError(await tenant.ask('submit-tool-outputs', { runId, toolOutputs: wrong }), 400);
    expect(fieldsOf(error)).toEqual(['toolOutputs']);
  }
  const toolOutputs = [output('call_b'), output('call_a')];
  expect(await tenant.get('submit-tool-outputs', { run_id: runId, tool_outputs: toolOutputs })).toEqual({
    runId,
    status: 'RUNNING',
  });
  expect((await stream.whole()).data.status).toBe('COMPLETED');
  expect(stream.said).toBe(HELLO);
  expect(asked().messages).toEqual([
    { role: 'user', content: 'Weather?' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_a', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
        { id: 'call_b', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_a', content: 'Sunny for call_a' },
    { role: 'tool', tool_call_id: 'call_b', content: 'Sunny for call_b' },
  ]);
  expect(asked()).not.toHaveProperty('tool_choice');
  // A later reader gets the same events, from the start or from any position.
  const whole = tenant.events(runId);
  await whole.whole();
  expect(whole.events.map(({ type }) => type)).toEqual(['tool_calls', 'delta', 'end']);
  const rest = tenant.events(runId, '1.0');
  await rest.whole();
  expect(rest.events.map(({ type }) => type)).toEqual(['delta', 'end']);
});

it('does not send the next message with calls that a cancelled run left without outputs', async () => {
  service.upstream.next({ kind: 'stream', pieces: calls });
  const { runId } = await tenant.send('left', 'Weather?', { tools });
  await eventually(async () => (await tenant.state('left')).awaitingToolOutputs);
  platformError(await tenant.ask('send-message', { conversationKey: 'left', userMessage: { content: 'Hi' } }), 409);
  expect(await tenant.get('cancel-run', { runId })).toEqual({ runId, status: 'CANCELLED' });
  await tenant.send('left', 'Never mind');
  await tenant.idle('left');
  expect(asked().messages.map(({ role }) => role)).toEqual(['user', 'user']);
});

describe('an odd call', () => {
  const chunk = (delta: object): object => ({ choices: [{ index: 0, delta, finish_reason: null }] });
  const calling = (...names: string[]): object[] => [
    chunk({ role: 'assistant', content: 'I look.' }),
    ...names.map((name, index) =>
      chunk({ tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name, arguments: '{}' } }] }),
    ),
    end,
  ];

  it.each([
    ['a run without tools', {}, ['weather'], /the tool "weather", and the run has no tools/],
    [
      'a tool that the run does not have',
      { tools },
      ['stocks'],
      /the tool "stocks", and the run has only these: weather/,
    ],
    ['one such tool among others', { tools }, ['weather', 'stocks'], /"stocks"/],
    ['a tool without a name', { tools }, [''], /a tool without a name/],
  ])('ends the run as failed at once: %s', async (_what, more, names, said) => {
    service.upstream.next({ kind: 'stream', pieces: [...calling(...names), usageChunk()] });
    const stream = tenant.events((await tenant.send('lost', 'Weather?', more)).runId);
    const { data } = await stream.whole();
    expect(data).toMatchObject({ status: 'FAILED', error: { code: 'unknown_tool' } });
    expect(data.error!.message).toMatch(said);
    expect(stream.events.map(({ type }) => type)).toEqual(['delta', 'end']);
    const { messages } = await tenant.idle('lost');
    expect(messages.at(-1)).toMatchObject({ role: 'assistant', content: 'I look.' });
    expect(messages.at(-1)).not.toHaveProperty('toolCalls');
    // A provider that answered is paid; the call settles a moment after the run's end.
    const calls = 'SELECT outcome FROM usage_records WHERE tenant_id = $1';
    await eventually(async () => expect(await service.sql(calls, [org.tenantId])).toEqual([{ outcome: 'OK' }]));
    await tenant.send('lost', 'Never mind');
    await tenant.idle('lost');
    expect(asked().messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
  });

  it("knows the thread's tools, and not those of the thread beside the message's own", async () => {
    await tenant.get('create-thread', { conversationKey: 'own', tools });
    service.upstream.next({ kind: 'stream', pieces: calling('weather') });
    const { runId } = await tenant.send('own', 'Weather?');
    await eventually(async () => (await tenant.state('own')).awaitingToolOutputs);
    await tenant.get('cancel-run', { runId });
    service.upstream.next({ kind: 'stream', pieces: calling('weather') });
    const other = await tenant.send('own', 'Stocks?', { tools: [{ name: 'stocks' }] });
    expect((await tenant.events(other.runId).whole()).data).toMatchObject({ error: { code: 'unknown_tool' } });
  });

  it('does not fail where a server only writes an empty call beside its text', async () => {
    const empty = chunk({ content: 'Hi.', tool_calls: [{ index: 0, id: 'x', function: { name: '', arguments: '' } }] });
    service.upstream.next({ kind: 'stream', pieces: [empty, { choices: [{ delta: {}, finish_reason: 'stop' }] }] });
    const { data } = await tenant.events((await tenant.send('empty', 'Hi')).runId).whole();
    expect(data.status).toBe('COMPLETED');
  });

  it('gives each of two calls an id, where a server gives them the same one', async () => {
    const twins = ['Rome', 'Oslo'].map((city, index) =>
      chunk({
        tool_calls: [{ index, id: 'call', function: { name: 'weather', arguments: JSON.stringify({ city }) } }],
      }),
    );
    service.upstream.next({ kind: 'stream', pieces: [...twins, end] });
    const { runId } = await tenant.send('twins', 'Weather?', { tools });
    const stream = tenant.events(runId);
    await eventually(() => stream.last?.type === 'tool_calls');
    const toolOutputs = stream.last!.data.toolCalls!.map(({ id, arguments: written }) => ({
      toolCallId: id,
      output: written,
    }));
    await tenant.get('submit-tool-outputs', { runId, toolOutputs });
    await stream.whole();
    expect(
      asked()
        .messages.slice(-2)
        .map(({ content }) => content),
    ).toEqual(['{"city":"Rome"}', '{"city":"Oslo"}']);
  });
});
