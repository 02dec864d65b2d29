/** Amazon Bedrock's Converse API as its documentation describes it: JSON, and AWS's binary event stream with its checksums. */
import { createHash, createHmac } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { jsonAnswer, piecesOf, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

type Block = Readonly<Record<string, unknown>>;

export interface BedrockSaid {
  readonly content?: readonly Block[];
  readonly stopReason?: string;
  /** The length of a stream's pieces; absent: 5 letters. */
  readonly pieceLength?: number;
}

export const ACCOUNT = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
export const REGION = 'us-east-1';

const USAGE = {
  inputTokens: 25,
  outputTokens: 33,
  totalTokens: 165,
  cacheReadInputTokens: 100,
  cacheWriteInputTokens: 7,
};

export function bedrockSays(said: BedrockSaid = {}): Answerer {
  return (request) => {
    const fault = faultOf(request);
    if (fault !== null) return bedrockError(fault === SIGNATURE ? 403 : 400, 'ValidationException', fault);
    const { content = [{ text: 'Hello there' }], stopReason = 'end_turn' } = said;
    return request.path.endsWith('/converse-stream')
      ? bedrockStream(bedrockFrames(said))
      : jsonAnswer({
          output: { message: { role: 'assistant', content } },
          stopReason,
          usage: USAGE,
          metrics: { latencyMs: 12 },
        });
  };
}

export function bedrockError(
  status: number,
  type: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): WireAnswer {
  return jsonAnswer({ message }, status, { ...headers, 'x-amzn-errortype': `${type}:http://internal.amazon.com/` });
}

export function bedrockStream(frames: readonly Buffer[], rest: Partial<WireAnswer> = {}): WireAnswer {
  return { headers: { 'content-type': 'application/vnd.amazon.eventstream' }, chunks: frames, ...rest };
}

export function bedrockFrames({
  content = [{ text: 'Hello there' }],
  stopReason = 'end_turn',
  pieceLength,
}: BedrockSaid = {}): Buffer[] {
  const frames = [frame('messageStart', { role: 'assistant' })];
  content.forEach((block, contentBlockIndex) => {
    const { toolUse } = block as { toolUse?: { toolUseId: string; name: string; input: object } };
    if (toolUse !== undefined) {
      const { toolUseId, name } = toolUse;
      frames.push(frame('contentBlockStart', { contentBlockIndex, start: { toolUse: { toolUseId, name } } }));
    }
    for (const delta of deltasOf(block, pieceLength))
      frames.push(frame('contentBlockDelta', { contentBlockIndex, delta }));
    frames.push(frame('contentBlockStop', { contentBlockIndex }));
  });
  frames.push(frame('messageStop', { stopReason }), frame('metadata', { metrics: { latencyMs: 10 }, usage: USAGE }));
  return frames;
}

function deltasOf(block: Block, pieceLength: number | undefined): object[] {
  const { text, toolUse, reasoningContent } = block as {
    text?: string;
    toolUse?: { input: object };
    reasoningContent?: { reasoningText: { text: string; signature: string } };
  };
  if (text !== undefined) return piecesOf(text, pieceLength).map((piece) => ({ text: piece }));
  if (toolUse !== undefined) return piecesOf(JSON.stringify(toolUse.input), 7).map((input) => ({ toolUse: { input } }));
  if (reasoningContent === undefined) return [];
  const { reasoningText: thought } = reasoningContent;
  return [{ reasoningContent: { text: thought.text } }, { reasoningContent: { signature: thought.signature } }];
}

/** One message of AWS's event stream: lengths, their checksum, headers, payload, a checksum of all. */
export function frame(type: string, payload: object, kind: 'event' | 'exception' = 'event'): Buffer {
  const headers = [
    [kind === 'event' ? ':event-type' : ':exception-type', type],
    [':content-type', 'application/json'],
    [':message-type', kind],
  ].map(([name = '', value = '']) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(value.length);
    return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)]);
  });
  return framed(Buffer.concat(headers), JSON.stringify(payload));
}

/** The same frame, its payload changed. */
export function changedFrame(whole: Buffer, change: (payload: string) => string): Buffer {
  const start = 12 + whole.readUInt32BE(4);
  return framed(whole.subarray(12, start), change(whole.toString('utf8', start, whole.length - 4)));
}

function framed(headers: Buffer, payload: string): Buffer {
  const body = Buffer.from(payload);
  const prelude = Buffer.alloc(8);
  prelude.writeUInt32BE(16 + headers.length + body.length);
  prelude.writeUInt32BE(headers.length, 4);
  const checked = Buffer.concat([prelude, checksum(prelude), headers, body]);
  return Buffer.concat([checked, checksum(checked)]);
}

function checksum(bytes: Buffer): Buffer {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum;
}

const SIGNATURE = 'The request signature we calculated does not match the signature you provided.';

interface ConverseBody {
  readonly messages?: readonly { readonly role: string; readonly content: readonly Block[] }[];
  readonly toolConfig?: unknown;
  readonly inferenceConfig?: { readonly maxTokens?: number };
  readonly additionalModelRequestFields?: { readonly thinking?: { readonly budget_tokens?: number } };
}

function faultOf(request: WireRequest): string | null {
  const {
    messages = [],
    toolConfig,
    inferenceConfig,
    additionalModelRequestFields: more,
  } = request.body as ConverseBody;
  if (!/^\/model\/[^/]+\/converse(?:-stream)?$/.test(request.path)) return `no such path: ${request.path}`;
  if (request.headers.authorization !== 'Bearer bedrock-api-key' && !isSigned(request)) return SIGNATURE;
  const holdsTools = messages.some(({ content }) =>
    content.some((block) => 'toolUse' in block || 'toolResult' in block),
  );
  if (holdsTools && toolConfig === undefined)
    return 'The toolConfig field must be defined when using toolUse and toolResult.';
  const budget = more?.thinking?.budget_tokens ?? 0;
  return budget >= (inferenceConfig?.maxTokens ?? Infinity)
    ? 'max_tokens must be greater than thinking.budget_tokens'
    : null;
}

/** Signature Version 4, calculated again from the received request. */
function isSigned({ path, headers, rawBody }: WireRequest): boolean {
  const match = /^AWS4-HMAC-SHA256 Credential=(.+?)\/(.+?), SignedHeaders=(.+?), Signature=(\w+)$/.exec(
    headers.authorization ?? '',
  );
  if (match === null) return false;
  const [, keyId = '', scope = '', names = '', signature = ''] = match;
  if (keyId !== ACCOUNT.accessKeyId) return false;
  const signed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  // Each part of the path is encoded once more, as for every service except S3.
  const canonicalPath = path.split('/').map(encodeURIComponent).join('/');
  const canonical = ['POST', canonicalPath, '', signed.join(''), names, sha256(rawBody)].join('\n');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = scope
    .split('/')
    .reduce<Buffer | string>((sum, step) => hmac(sum, step), `AWS4${ACCOUNT.secretAccessKey}`);
  return scope.endsWith(`/${REGION}/bedrock/aws4_request`) && hmac(key, text).toString('hex') === signature;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
