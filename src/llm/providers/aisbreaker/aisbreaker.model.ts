import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4Message,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from '@ai-sdk/provider';
import type { Fetch } from '../../../platform/outbound/index.js';
import { textOfUrl } from '../bridge/connection.js';
import { AisbreakerEvents, outputIn } from './aisbreaker-events.js';

/** The protocol reports no tokens. */
const NOT_REPORTED: LanguageModelV4Usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

interface Server {
  readonly baseUrl: URL;
  readonly secret: string;
  readonly service: Readonly<Record<string, unknown>>;
}

/** A service of another server of AIsBreaker's protocol, as the bridge asks a model. */
export class AisbreakerModel implements LanguageModelV4 {
  readonly specificationVersion = 'v4';
  readonly provider = 'aisbreaker';
  readonly supportedUrls = {};

  constructor(
    readonly modelId: string,
    private readonly fetch: Fetch,
    private readonly server: Server,
  ) {}

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const response = await this.ask(options, false);
    const text = outputIn(await response.json());
    if (text === null) throw new TypeError('The answer holds no outputs.');
    return {
      content: [{ type: 'text', text }],
      finishReason: { unified: 'stop', raw: undefined },
      usage: NOT_REPORTED,
      warnings: [],
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { body } = await this.ask(options, true);
    if (body === null) throw new TypeError('The answer has no body.');
    return { stream: body.pipeThrough(new TransformStream(new AisbreakerEvents(NOT_REPORTED))) };
  }

  private ask({ prompt, abortSignal }: LanguageModelV4CallOptions, stream: boolean): Promise<Response> {
    const { baseUrl, secret, service } = this.server;
    const request = { inputs: prompt.map(inputOf), ...(stream ? { stream } : {}) };
    return this.fetch(`${textOfUrl(baseUrl)}/api/v1/process`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ service, request }),
      ...(abortSignal === undefined ? {} : { signal: abortSignal }),
    });
  }
}

function inputOf({ role, content }: LanguageModelV4Message): object {
  const text =
    typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  return { text: { role, content: text } };
}
