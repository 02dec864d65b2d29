/** Each kind of provider as a row: the settings that a tenant gives it, and its stand-in's answers in the kind's own format. */
import type { ProviderCredentials, ProviderKind, ProviderSettings } from '../../src/llm/providers/provider-factory.js';
import { anthropicError, anthropicSays } from './anthropic-wire.js';
import { ACCOUNT, bedrockError, bedrockSays, REGION } from './bedrock-wire.js';
import { cohereError, cohereSays } from './cohere-wire.js';
import { googleError, googleSays } from './google-wire.js';
import { errorBody } from './openai-upstream.js';
import { openaiSays, type OpenaiWords } from './openai-wire.js';
import { jsonAnswer, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

/** A model's answer, in any kind; `calls` of the tool `get_weather`. */
export interface Said {
  readonly text?: string;
  readonly thinking?: string;
  readonly calls?: readonly { readonly id: string; readonly input: object }[];
  /** The length of a stream's pieces; absent: 5 letters. */
  readonly pieceLength?: number;
}

export interface Kind {
  readonly kind: ProviderKind;
  /** The path of its API on a server. */
  readonly path: string;
  readonly credentials: ProviderCredentials;
  readonly settings: ProviderSettings;
  /** The secret one of the credentials. */
  readonly secret: string;
  readonly model: string;
  says(said?: Said): Answerer;
  /** An error of this status. */
  refuses(status: number, message: string, retryAfterSeconds?: number): WireAnswer;
  /** The kind's name for such an error; null: it has no names for errors. */
  typeOf(status: number): string | null;
}

const SECRET = 'sk-secret-of-the-provider-0123456789';
const KEYED = { credentials: { apiKey: SECRET }, secret: SECRET, settings: {} };

export const ANTHROPIC: Kind = {
  ...KEYED,
  kind: 'anthropic',
  path: '/v1',
  model: 'claude-sonnet-4-5',
  says: ({ text, thinking, calls, pieceLength } = {}) =>
    anthropicSays({
      content: [
        ...(thinking === undefined ? [] : [{ type: 'thinking', thinking, signature: 'c2ln' } as const]),
        ...texts(text, calls).map((said) => ({ type: 'text', text: said }) as const),
        ...(calls ?? []).map((call) => ({ type: 'tool_use', name: 'get_weather', ...call }) as const),
      ],
      stopReason: calls === undefined ? 'end_turn' : 'tool_use',
      ...lengthOf(pieceLength),
    }),
  refuses(status, message, retryAfter) {
    return anthropicError(status, this.typeOf(status)!, message, retryAfterHeader(retryAfter));
  },
  typeOf: named({
    400: 'invalid_request_error',
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    408: 'timeout_error',
    409: 'conflict_error',
    413: 'request_too_large',
    422: 'invalid_request_error',
    429: 'rate_limit_error',
    500: 'api_error',
    503: 'api_error',
    529: 'overloaded_error',
  }),
};

export const GOOGLE: Kind = {
  ...KEYED,
  kind: 'google',
  path: '/v1beta',
  model: 'gemini-2.5-flash',
  says: ({ text, thinking, calls, pieceLength = 5 } = {}) =>
    googleSays({
      parts: [
        ...(thinking === undefined ? [] : [{ text: thinking, thought: true }]),
        ...texts(text, calls).map((said) => ({ text: said })),
        ...(calls ?? []).map(({ id, input }) => ({ functionCall: { id, name: 'get_weather', args: input } })),
      ],
      pieceLength,
    }),
  refuses(status, message, retryAfter) {
    const info = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfter}s` };
    return googleError(status, this.typeOf(status)!, message, retryAfter === undefined ? [] : [info]);
  },
  typeOf: named({
    400: 'INVALID_ARGUMENT',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'NOT_FOUND',
    408: 'DEADLINE_EXCEEDED',
    409: 'ABORTED',
    413: 'OUT_OF_RANGE',
    422: 'FAILED_PRECONDITION',
    429: 'RESOURCE_EXHAUSTED',
    500: 'INTERNAL',
    503: 'UNAVAILABLE',
    529: 'UNAVAILABLE',
  }),
};

export const BEDROCK: Kind = {
  kind: 'amazon_bedrock',
  path: '',
  credentials: ACCOUNT,
  settings: { region: REGION },
  secret: ACCOUNT.secretAccessKey,
  model: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
  says: ({ text, thinking, calls, pieceLength } = {}) =>
    bedrockSays({
      content: [
        ...(thinking === undefined
          ? []
          : [{ reasoningContent: { reasoningText: { text: thinking, signature: 'c2ln' } } }]),
        ...texts(text, calls).map((said) => ({ text: said })),
        ...(calls ?? []).map(({ id, input }) => ({ toolUse: { toolUseId: id, name: 'get_weather', input } })),
      ],
      stopReason: calls === undefined ? 'end_turn' : 'tool_use',
      ...lengthOf(pieceLength),
    }),
  refuses(status, message, retryAfter) {
    return bedrockError(status, this.typeOf(status)!, message, retryAfterHeader(retryAfter));
  },
  typeOf: named({
    400: 'ValidationException',
    401: 'UnrecognizedClientException',
    403: 'AccessDeniedException',
    404: 'ResourceNotFoundException',
    408: 'ModelTimeoutException',
    409: 'ConflictException',
    413: 'RequestEntityTooLargeException',
    422: 'UnprocessableEntityException',
    429: 'ThrottlingException',
    500: 'InternalServerException',
    503: 'ServiceUnavailableException',
    529: 'ModelNotReadyException',
  }),
};

export const COHERE: Kind = {
  ...KEYED,
  kind: 'cohere',
  path: '/v2',
  model: 'command-a-03-2025',
  says: ({ text, thinking, calls, pieceLength } = {}) =>
    cohereSays({
      ...(thinking === undefined ? {} : { thinking }),
      ...(text === undefined ? {} : calls === undefined ? { text } : { plan: text }),
      ...(calls === undefined ? {} : { calls, finishReason: 'TOOL_CALL' }),
      ...lengthOf(pieceLength),
    }),
  refuses: (status, message, retryAfter) => cohereError(status, message, retryAfterHeader(retryAfter)),
  typeOf: () => null,
};

/** The kinds whose requests and answers the bridge translates. */
export const TRANSLATED: readonly Kind[] = [ANTHROPIC, GOOGLE, BEDROCK, COHERE];

/** The kinds whose bytes are passed on. */
const PASSED_THROUGH: readonly Kind[] = [
  passedThrough(
    'openai_compatible',
    '/v1',
    {
      reportsUnasked: false,
      faultOf: ({ path, headers }) =>
        path === '/v1/chat/completions' && headers.authorization === `Bearer ${SECRET}`
          ? null
          : `no such call: ${path}`,
    },
    (status, message) => errorBody(message, `error_${status}`),
    (status) => `error_${status}`,
  ),
  passedThrough(
    'azure_openai',
    '',
    {
      reportsUnasked: false,
      faultOf: ({ path, headers }) =>
        /^\/openai\/deployments\/[\w.-]+\/chat\/completions\?api-version=[\w-]+$/.test(path) &&
        headers['api-key'] === SECRET
          ? null
          : `no such call: ${path}`,
    },
    (_status, message) => ({ error: { code: 'DeploymentSaysSo', message } }),
    () => null,
  ),
  passedThrough(
    'mistral',
    '/v1',
    { reportsUnasked: true, faultOf: mistralsFaultOf },
    (status, message) => ({ object: 'error', message, type: `error_${status}`, param: null, code: null }),
    (status) => `error_${status}`,
  ),
];

export const KINDS: readonly Kind[] = [...PASSED_THROUGH, ...TRANSLATED];

function passedThrough(
  kind: ProviderKind,
  path: string,
  words: OpenaiWords,
  errorOf: (status: number, message: string) => object,
  typeOf: Kind['typeOf'],
): Kind {
  return {
    ...KEYED,
    kind,
    path,
    model: 'gpt-4o-mini',
    says: (said) => openaiSays(words, said),
    refuses: (status, message, retryAfter) =>
      jsonAnswer(errorOf(status, message), status, retryAfterHeader(retryAfter)),
    typeOf,
  };
}

function mistralsFaultOf({ path, headers, body }: WireRequest): string | null {
  if (path !== '/v1/chat/completions') return `no such path: ${path}`;
  if (headers.authorization !== `Bearer ${SECRET}`) return 'Unauthorized';
  const unknown = ['stream_options', 'seed', 'max_completion_tokens'].find((name) => name in body);
  return unknown === undefined ? null : `Extra inputs are not permitted: ${unknown}`;
}

/** Beside calls there is a text only where the answer has one. */
function texts(text: string | undefined, calls: Said['calls']): string[] {
  if (text !== undefined) return [text];
  return calls === undefined ? ['Hello there'] : [];
}

function lengthOf(pieceLength: number | undefined): { readonly pieceLength?: number } {
  return pieceLength === undefined ? {} : { pieceLength };
}

function named(types: Readonly<Record<number, string>>): (status: number) => string {
  return (status) => {
    const type = types[status];
    if (type === undefined) throw new Error(`No name of an error ${status} is written down.`);
    return type;
  };
}

function retryAfterHeader(seconds: number | undefined): Record<string, string> {
  return seconds === undefined ? {} : { 'retry-after': String(seconds) };
}
