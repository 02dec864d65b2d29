/** Google's Gemini API as its documentation describes it (ai.google.dev: generateContent, streamGenerateContent, errors). */
import { jsonAnswer, piecesOf, type Answerer, type WireAnswer, type WireRequest } from './wire-upstream.js';

type Part = Readonly<Record<string, unknown>>;

export interface GoogleSaid {
  readonly parts?: readonly Part[];
  readonly finishReason?: string | null;
  readonly promptFeedback?: object;
  readonly usage?: object | null;
  /** The length of a stream's pieces; absent: each part is whole. */
  readonly pieceLength?: number;
}

const USAGE = {
  promptTokenCount: 120,
  candidatesTokenCount: 10,
  totalTokenCount: 153,
  thoughtsTokenCount: 23,
  cachedContentTokenCount: 100,
  promptTokensDetails: [{ modality: 'TEXT', tokenCount: 120 }],
};
const PATH = /^\/v1beta\/models\/[\w.-]+:(?:generateContent|streamGenerateContent\?alt=sse)$/;

export function googleSays(said: GoogleSaid = {}): Answerer {
  return (request) => {
    const fault = faultOf(request);
    if (fault !== null) return googleError(400, 'INVALID_ARGUMENT', fault);
    return request.path.includes('streamGenerateContent') ? googleStream(said) : jsonAnswer(whole(said));
  };
}

export function googleError(status: number, name: string, message: string, details: object[] = []): WireAnswer {
  return jsonAnswer({ error: { code: status, message, status: name, details } }, status);
}

/** A chunk for each part; the last one has the finish reason and the usage. */
export function googleStream(said: GoogleSaid, rest: Partial<WireAnswer> = {}): WireAnswer {
  const { parts: given = [{ text: 'Hello ' }, { text: 'there' }], pieceLength } = said;
  const parts = pieceLength === undefined ? given : given.flatMap((part) => inPieces(part, pieceLength));
  const chunks = parts.map((part, index) =>
    index === parts.length - 1
      ? whole({ ...said, parts: [part] })
      : {
          ...whole({
            ...said,
            parts: [part],
            finishReason: null,
            usage: { promptTokenCount: 120, totalTokenCount: 120 },
          }),
        },
  );
  if (parts.length === 0) chunks.push(whole(said));
  return {
    headers: { 'content-type': 'text/event-stream' },
    chunks: chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`),
    ...rest,
  };
}

function inPieces(part: Part, pieceLength: number): Part[] {
  const { text } = part;
  return typeof text === 'string' ? piecesOf(text, pieceLength).map((piece) => ({ ...part, text: piece })) : [part];
}

function whole({
  parts = [{ text: 'Hello there' }],
  finishReason = 'STOP',
  promptFeedback,
  usage = USAGE,
}: GoogleSaid): object {
  return {
    ...(promptFeedback === undefined
      ? {
          candidates: [
            { content: { parts, role: 'model' }, ...(finishReason === null ? {} : { finishReason }), index: 0 },
          ],
        }
      : { promptFeedback }),
    ...(usage === null ? {} : { usageMetadata: usage }),
    modelVersion: 'gemini-2.5-flash-002',
    responseId: 'mAitaLmkHPPlz7IPvtfUqQ4',
  };
}

interface GoogleBody {
  readonly contents?: readonly { readonly role: string; readonly parts: readonly Part[] }[];
  readonly generationConfig?: {
    readonly maxOutputTokens?: number;
    readonly thinkingConfig?: { readonly thinkingBudget?: number };
  };
}

function faultOf({ path, headers, body }: WireRequest): string | null {
  const { contents = [], generationConfig = {} } = body as unknown as GoogleBody;
  if (!PATH.test(path)) return `no such path: ${path}`;
  if (typeof headers['x-goog-api-key'] !== 'string') return 'API key missing';
  if (contents.length === 0) return 'contents is not specified';
  if (contents.some(({ role }) => role !== 'user' && role !== 'model')) return 'Please use a valid role: user, model.';
  if (contents.some(({ parts }) => parts.length === 0)) return 'contents.parts must not be empty.';
  const { maxOutputTokens = Infinity, thinkingConfig } = generationConfig;
  return (thinkingConfig?.thinkingBudget ?? 0) > maxOutputTokens ? 'The thinking budget is invalid.' : null;
}
