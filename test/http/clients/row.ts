/** One row of the tables of this folder: a provider's answer, and what each client must make of it. */
import type { UpstreamAnswer } from '../../support/openai-upstream.js';
import type { Asks, Client, Said } from './clients.js';

export const FORMS = ['JSON', 'stream'] as const;
/** The form that the caller asks for. */
export type Form = (typeof FORMS)[number];

export interface Row {
  readonly what: string;
  /** Absent: the ordinary question. */
  readonly asks?: Partial<Asks>;
  /** One answer for each time the provider is asked, in the form that the caller wants. */
  readonly answers: (form: Form) => readonly UpstreamAnswer[];
  readonly gets: Gets | Readonly<Record<Form, Gets>>;
  readonly charged: Charged;
  /** No limit counts the caller's calls, so the provider receives exactly what the client sent. */
  readonly unlimited?: boolean;
  /** Clients that refuse to send it, with or without the service. */
  readonly refusedBy?: { readonly clients: readonly Client[]; readonly message: string };
}

export interface Gets {
  /** Absent: the ordinary text where there is no error, else none. */
  readonly text?: string;
  readonly toolCalls?: Said['toolCalls'];
  /**
   * `status` null: the error is in a stream that has begun and so has no status. The AI SDK invents one, which is not checked.
   */
  readonly error?: { readonly status: number | null; readonly message: string };
}

export interface Charged {
  /** `estimate`: the service counts the ordinary answer, or a part of it. */
  readonly tokens: number | 'estimate';
  /** The number of calls that `request_cnt` falls by. */
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
