/** A provider with a dialect of its own, as a tenant's connection has it, with a stand-in on loopback. */
import type { ProviderConnection, ProviderDeps, ProviderFactory } from '../../src/llm/providers/provider-factory.js';
import type { Provider } from '../../src/llm/providers/provider.js';
import { Tokenizer } from '../../src/llm/tokens/tokenizer.js';
import { loadSettings } from '../../src/platform/config/index.js';
import { OutboundHttp } from '../../src/platform/outbound/index.js';
import { captureLog, type CapturedLog } from './captured-log.js';

export const TIMEOUTS = { firstByteTimeoutMs: 10_000, idleTimeoutMs: 10_000, totalTimeoutMs: 20_000 };

export class TranslatedStage {
  readonly http: OutboundHttp;
  readonly tokenizer = new Tokenizer();
  private readonly log: CapturedLog = captureLog('warn');

  constructor() {
    const { settings } = loadSettings({ GATEHOUSE_MODE: 'development', OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8' });
    this.http = new OutboundHttp(settings);
  }

  /** The provider of a connection that a tenant set up. */
  provider(
    factory: ProviderFactory,
    connection: Pick<ProviderConnection, 'kind' | 'credentials'> & Partial<ProviderConnection>,
    deps: Partial<ProviderDeps> = {},
  ): Provider {
    const usual = { name: 'mine', baseUrl: null, policy: 'tenant', settings: {}, models: [] } as const;
    return factory(
      { ...usual, ...connection },
      { http: this.http, tokenizer: this.tokenizer, timeouts: TIMEOUTS, ...deps },
    );
  }

  /** The fields that the packages dropped from requests, which the bridge should have refused. */
  get warnings(): unknown[] {
    return this.log.lines.filter(({ features }) => features !== undefined);
  }

  get logged(): string {
    return this.log.text();
  }

  async close(): Promise<void> {
    this.log.stop();
    await this.http.onApplicationShutdown();
  }
}

export const HI = [{ role: 'user', content: 'Hi' }];

export const WEATHER = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

/** A tool loop's second turn: two parallel calls and their results. */
export const AFTER_TOOLS = [
  { role: 'user', content: 'How is the weather in Paris and Rome?' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
      { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Rome"}' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
  { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'rainy' }] },
];

export const SCHEMA = {
  type: 'json_schema',
  json_schema: {
    name: 'answer',
    strict: true,
    schema: { type: 'object', properties: { a: { type: 'number' } }, required: ['a'], additionalProperties: false },
  },
};

/** A picture of one pixel. */
export const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
