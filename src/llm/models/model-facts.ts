import { Injectable } from '@nestjs/common';

/** Whose tokenizer a model's texts are counted by. */
export type TokenFamily = 'o200k' | 'cl100k' | 'claude' | 'gemini' | 'llama' | 'mistral' | 'unknown';

/** Per token, in millionths of a micro-dollar (10^-12 USD). */
export interface ModelPrice {
  readonly inputPicoUsd: bigint;
  readonly cachedInputPicoUsd: bigint;
  readonly outputPicoUsd: bigint;
  /** When the price was true (a date), and where it was published. */
  readonly asOf: string;
  readonly source: string;
}

export interface ModelFacts {
  readonly id: string;
  readonly family: TokenFamily;
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** The field by which the model takes an output limit. */
  readonly outputField: 'max_tokens' | 'max_completion_tokens';
  readonly price: ModelPrice | null;
}

@Injectable()
export class KnownModels {
  find(_model: string): ModelFacts | null {
    return null;
  }
}
