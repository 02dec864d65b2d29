import { stageOf } from '../../../../test/support/kind-stage.js';
import { GOOGLE } from '../../../../test/support/kinds.js';
import { AFTER_TOOLS, HI, PIXEL, SCHEMA, WEATHER } from '../../../../test/support/translated.js';

const at = stageOf(GOOGLE);

describe('a Gemini request', () => {
  it('carries turns, system prompts, limits, stops, a seed and sampling', async () => {
    const messages = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Hello!' },
      { role: 'user', content: 'And now?' },
    ];
    const fields = { messages, max_tokens: 200, temperature: 1.5, top_p: 0.5, seed: 7, stop: ['END'] };
    const { sink } = await at.ask(fields);
    expect(sink.told).toEqual({});
    expect(at.upstream.last.headers['x-goog-api-key']).toBe(GOOGLE.secret);
    expect(at.upstream.last.body).toEqual({
      systemInstruction: { parts: [{ text: 'Be short.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'Hi' }] },
        { role: 'model', parts: [{ text: 'Hello!' }] },
        { role: 'user', parts: [{ text: 'And now?' }] },
      ],
      generationConfig: { maxOutputTokens: 200, temperature: 1.5, topP: 0.5, seed: 7, stopSequences: ['END'] },
    });
  });

  it('carries tools, parallel calls and their results', async () => {
    const { sink } = await at.ask({ messages: AFTER_TOOLS, tools: [WEATHER] });
    expect(sink.told).toEqual({});
    expect(at.upstream.last.body).toMatchObject({
      tools: [{ functionDeclarations: [{ name: 'get_weather', parametersJsonSchema: WEATHER.function.parameters }] }],
      contents: [
        {},
        {
          role: 'model',
          parts: [
            { functionCall: { id: 'call_1', name: 'get_weather', args: { city: 'Paris' } } },
            { functionCall: { id: 'call_2', name: 'get_weather', args: { city: 'Rome' } } },
          ],
        },
        {
          role: 'user',
          parts: [
            { functionResponse: { id: 'call_1', name: 'get_weather' } },
            { functionResponse: { id: 'call_2', name: 'get_weather' } },
          ],
        },
      ],
    });
    expect(JSON.stringify(at.upstream.last.body)).toMatch(/sunny.*rainy/);
  });

  it.each([
    ['auto', { mode: 'AUTO' }],
    ['required', { mode: 'ANY' }],
    ['none', { mode: 'NONE' }],
    [
      { type: 'function', function: { name: 'get_weather' } },
      { mode: 'ANY', allowedFunctionNames: ['get_weather'] },
    ],
  ])('carries the tool choice %j', async (choice, sent) => {
    await at.ask({ tools: [WEATHER], tool_choice: choice });
    expect(at.upstream.last.body).toHaveProperty('toolConfig.functionCallingConfig', sent);
  });

  it('gets for Gemini 3 a signature with each message that calls tools: its own, or the word that stands for one', async () => {
    const [question, calling, ...results] = AFTER_TOOLS as { tool_calls?: object[] }[];
    const sentFor = async (model: string, calls: readonly object[]): Promise<unknown> => {
      const messages = [question, { ...calling, tool_calls: calls }, ...results];
      const { sink } = await at.ask({ model, messages, tools: [WEATHER] });
      expect(sink.told).toEqual({});
      const { contents } = at.upstream.last.body as { contents: { parts: { thoughtSignature?: string }[] }[] };
      return contents[1]!.parts.map(({ thoughtSignature }) => thoughtSignature);
    };
    const [one, two] = calling!.tool_calls as [object, object];
    const signed = { ...one, extra_content: { google: { thought_signature: 'c2ln' } } };
    expect(await sentFor('gemini-3-pro-preview', [one, two])).toEqual(['skip_thought_signature_validator', undefined]);
    expect(await sentFor('gemini-3-pro-preview', [signed, two])).toEqual(['c2ln', undefined]);
    expect(await sentFor(GOOGLE.model, [one, two])).toEqual([undefined, undefined]);
  });

  it('holds strict tools to their schemas', async () => {
    await at.ask({ tools: [{ ...WEATHER, function: { ...WEATHER.function, strict: true } }] });
    expect(at.upstream.last.body).toHaveProperty('toolConfig.functionCallingConfig.mode', 'VALIDATED');
  });

  it('carries images, PDFs and sounds', async () => {
    const content = [
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
      { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=' } },
      { type: 'input_audio', input_audio: { format: 'mp3', data: '//uQ' } },
    ];
    await at.ask({ messages: [{ role: 'user', content }] });
    expect(at.upstream.last.body).toHaveProperty('contents.0.parts', [
      { inlineData: { mimeType: 'image/png', data: PIXEL } },
      { inlineData: { mimeType: 'application/pdf', data: 'JVBERi0=' } },
      { inlineData: { mimeType: 'audio/mpeg', data: '//uQ' } },
    ]);
  });

  it('carries images that stand elsewhere, which are fetched here', async () => {
    const bytes = Buffer.from(PIXEL, 'base64');
    at.upstream.next({ headers: { 'content-type': 'image/png' }, chunks: [bytes] });
    const content = [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: `${at.upstream.origin}/a.png` } },
    ];
    const { sink } = await at.ask({ messages: [{ role: 'user', content }] });
    expect(sink.told).toEqual({});
    expect(at.upstream.requests[0]?.path).toBe('/a.png');
    expect(at.upstream.requests[0]?.headers).not.toHaveProperty('x-goog-api-key');
    expect(at.upstream.last.body).toHaveProperty('contents.0.parts.1', {
      inlineData: { mimeType: 'image/png', data: PIXEL },
    });
  });

  it.each([
    ['an address inside', 'http://10.0.0.1/a.png', null],
    ['a redirect', '/a.png', { status: 302, headers: { location: 'http://10.0.0.1/' }, chunks: [] }],
    ['a page', '/a.png', { headers: { 'content-type': 'text/html' }, chunks: ['<html>'] }],
    ['too much', '/a.png', { headers: { 'content-type': 'image/png' }, chunks: [Buffer.alloc(11 * 1024 * 1024)] }],
  ])('fetches no image from %s', async (_name, path, answer) => {
    if (answer !== null) at.upstream.next(answer);
    const url = path.startsWith('/') ? at.upstream.origin + path : path;
    const content = [{ type: 'image_url', image_url: { url } }];
    const { sink } = await at.ask({ messages: [{ role: 'user', content }] });
    expect(sink.told).toMatchObject({
      outcome: 'NOT_SENT',
      status: 400,
      field: 'messages[0].content[0].image_url.url',
    });
    expect(at.upstream.requests.filter(({ path: sent }) => sent !== '/a.png')).toEqual([]);
  });

  it('carries a JSON schema, and JSON without one', async () => {
    await at.ask({ response_format: SCHEMA });
    expect(at.upstream.last.body).toHaveProperty('generationConfig.responseMimeType', 'application/json');
    expect(at.upstream.last.body).toHaveProperty('generationConfig.responseJsonSchema.required', ['a']);
    await at.ask({ response_format: { type: 'json_object' } });
    expect(at.upstream.last.body).toHaveProperty('generationConfig.responseMimeType', 'application/json');
  });

  it.each([
    ['high', 2_000, 1_200],
    ['low', 2_000, 200],
    ['high', undefined, 24_576],
  ])('lets a model think by an effort of %s inside a limit of %s', async (effort, limit, budget) => {
    await at.ask({ reasoning_effort: effort, max_completion_tokens: limit });
    expect(at.upstream.last.body).toHaveProperty('generationConfig.thinkingConfig.thinkingBudget', budget);
  });

  it('lets a newer model think by a word, and an older one not at all', async () => {
    await at.ask({ model: 'gemini-3-pro-preview', reasoning_effort: 'high', max_tokens: 500 });
    expect(at.upstream.last.body).toHaveProperty('generationConfig.thinkingConfig', {
      thinkingLevel: 'high',
      includeThoughts: true,
    });
    await at.ask({ reasoning_effort: 'none' });
    expect(at.upstream.last.body).toHaveProperty('generationConfig.thinkingConfig', { thinkingBudget: 0 });
  });

  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['presence_penalty', { presence_penalty: 0.5 }],
    ['parallel_tool_calls', { tools: [WEATHER], parallel_tool_calls: false }],
    ['messages[1].role', { messages: [...HI, { role: 'system', content: 'Stop.' }] }],
    ['reasoning_effort', { model: 'gemini-2.5-pro', reasoning_effort: 'none' }],
    ['max_completion_tokens', { reasoning_effort: 'low', max_tokens: 200 }],
    [
      'messages[0].cache_control',
      {
        messages: [
          { role: 'system', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
          ...HI,
        ],
      },
    ],
  ])('that would lose something is refused, naming %s', async (field, fields) => {
    const { sink } = await at.ask(fields);
    expect(sink.told).toMatchObject({ outcome: 'NOT_SENT', status: 400, field });
    expect(at.upstream.requests).toEqual([]);
  });
});
