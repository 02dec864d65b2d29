import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  LanguageModelV4,
  LanguageModelV4GenerateResult,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider';
import type { BodyFilter, Fetch, OutboundHttp } from '../../../platform/outbound/index.js';
import type { LoadModels } from '../../models/model-catalogue.js';
import type { TokenCounts } from '../provider.js';
import type { ChatRequest } from '../requests/chat-request.js';
import type { EmbeddingsRequest } from '../requests/embeddings-request.js';
import type { TranslatedCall } from './call-options.js';
import type { ReportForm } from './counts.js';
import type { SaidError } from './failures.js';

/** What a provider with a dialect of its own has of its own, for one connection and its credential. */
export interface Dialect {
  /** The package's name for its options. */
  readonly namespace: string;
  readonly baseUrl: URL;
  /** No message to a caller holds it. */
  readonly secret: string;
  /** The provider fetches images from the web itself. */
  readonly fetchesImages: boolean;
  /** The most output that a body asks for; null: it names no limit. */
  outputIn(body: Readonly<Record<string, unknown>>): number | null;
  /** Loads the package, which takes its time and room where it is used alone. */
  load(): Promise<DialectPackage>;
  /** Loads what makes embeddings; absent: it makes none. */
  loadEmbedder?(): Promise<Embedder>;
  /** Reads an answer with an error status. */
  readError(status: number, headers: Headers, body: unknown): SaidError;
  /** Asks for the provider's models; null: it keeps no list. */
  loadModels(http: OutboundHttp): ReturnType<LoadModels>;
  /** What the package leaves out of a whole answer: which model answered, text that it has no place for. */
  complete?(result: LanguageModelV4GenerateResult): Completion;
  /** The package leaves things out of a stream too: it hands on what it read, and `reread` finds them. */
  readonly rereads?: boolean;
  /** What stands in a chunk that the package read. */
  reread?(chunk: unknown): Completion;
  /** A stream's events stand in AWS' frames, not in lines. */
  readonly isFramed?: boolean;
  /** How its answers report what was used; absent: they don't. */
  readonly report?: ReportForm;
  /** Reads the text of a stream by itself, where the package's way costs more than all else of a call. */
  readText?(onText: (text: string) => void): TextShortcut;
  /** What a stream reports of the input before its end. */
  reportedEarly?(part: LanguageModelV4StreamPart): TokenCounts | null;
}

/** Takes pieces of text out of a stream's bytes. */
export interface TextShortcut extends BodyFilter {
  /** The package has said that a block of text begins. */
  begin(id: string): void;
}

export interface Completion {
  readonly model?: string;
  readonly text?: string;
}

/** A request as the package takes it, but for images that have to be fetched. */
export type ReadyCall = Pick<TranslatedCall, 'options' | 'images'>;

export interface DialectPackage {
  /** @throws Fault invalid_input naming a field that the provider can't carry */
  translate(request: ChatRequest): ReadyCall;
  /** `newId` names tool calls that the provider left without an id. */
  model(id: string, fetch: Fetch, newId: () => string, prompt: LanguageModelV4Prompt): LanguageModelV4;
}

/** The package's embedding models. */
export interface Embedder {
  /** How many texts one exchange takes. */
  mostTexts(model: string): number;
  /** @throws Fault invalid_input naming a field that the provider can't carry */
  translate(request: EmbeddingsRequest): Pick<EmbeddingModelV4CallOptions, 'dimensions' | 'providerOptions'>;
  model(id: string, fetch: Fetch): EmbeddingModelV4;
  /** Absent: the package refuses no answer because of its report. */
  readonly report?: ReportForm;
}

export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function textIn(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
