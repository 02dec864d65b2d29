/** One line of the tables of this room: what a provider answers, and what each client must make of it. */
import type { UpstreamAnswer } from '../../support/openai-upstream.js';
import type { Asks, Client, Said } from './clients.js';

export const FORMS = ['JSON', 'stream'] as const;
/** What the caller asks for. */
export type Form = (typeof FORMS)[number];

export interface Row {
  readonly what: string;
  /** Absent: the ordinary question. */
  readonly asks?: Partial<Asks>;
  /** One for each time the provider is asked, by the form that the caller wants. */
  readonly answers: (form: Form) => readonly UpstreamAnswer[];
  readonly gets: Gets | Readonly<Record<Form, Gets>>;
  readonly charged: Charged;
  /** No limit counts the caller's calls: what reaches the provider is then what the client sent. */
  readonly unlimited?: boolean;
  /** Clients that refuse to send it, with or without the service. */
  readonly refusedBy?: { readonly clients: readonly Client[]; readonly message: string };
}

export interface Gets {
  /** Absent: the ordinary text where there is no error, else none. */
  readonly text?: string;
  readonly toolCalls?: Said['toolCalls'];
  /** `status` null: the error stands in a stream that has begun and so has no status. The AI SDK makes one up: not looked at. */
  readonly error?: { readonly status: number | null; readonly message: string };
}

export interface Charged {
  /** `estimate`: what the service counts in the ordinary answer, or in a part of it. */
  readonly tokens: number | 'estimate';
  /** How many calls `request_cnt` loses. */
  readonly requests: number;
  readonly costMicros?: number;
}

export const FREE: Charged = { tokens: 0, requests: 0 };

export function charged(tokens: Charged['tokens'], requests = 1): Charged {
  return { tokens, requests };
}

export function getsOf({ gets }: Row, form: Form): Gets {
  return 'JSON' in gets ? gets[form] : gets;
}
