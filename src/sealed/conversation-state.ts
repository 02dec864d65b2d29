import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { invalidField } from '../platform/errors/index.js';
import type { Said } from './process.dto.js';
import { SealedKeys } from './sealed-keys.js';

const FIELD = 'request.conversationState';
/** The most that a conversation keeps; the oldest messages are dropped first. */
const MOST_BYTES = 128 * 1024;
const MOST_SAID = 200;
/** The most text that a client may send back: the kept messages, encrypted and in base64. */
const MOST_STATE_LENGTH = 256 * 1024;

const stateSchema = z.object({
  w: z.string(),
  m: z.array(z.tuple([z.enum(['user', 'assistant', 'system']), z.string()])),
});

/**
 * A conversation's messages, kept by the client. They are sealed, so that only this service reads them, and only for the caller
 * for whom it sealed them. Nothing is stored here.
 */
@Injectable()
export class ConversationStates {
  constructor(private readonly keys: SealedKeys) {}

  /** @param whose the owner; another owner can't open the state */
  seal(whose: string, said: readonly Said[]): Promise<string> {
    return this.keys.seal('state', { w: whose, m: bounded(said).map(({ role, content }) => [role, content]) });
  }

  /** @throws Fault invalid_input: it was not made here, or for another caller */
  async open(whose: string, state: string): Promise<readonly Said[]> {
    if (state.length > MOST_STATE_LENGTH) throw notOurs();
    const { success, data } = stateSchema.safeParse(await this.keys.open('state', state));
    if (!success || data.w !== whose) throw notOurs();
    return data.m.map(([role, content]) => ({ role, content }));
  }
}

function bounded(said: readonly Said[]): readonly Said[] {
  let bytes = 0;
  let from = said.length;
  while (from > 0 && said.length - from < MOST_SAID) {
    const last = said[from - 1] as Said;
    // A text has at least as many bytes as characters, and a long text takes long to count.
    if (last.content.length > MOST_BYTES) break;
    bytes += Buffer.byteLength(JSON.stringify(last));
    if (bytes > MOST_BYTES) break;
    from -= 1;
  }
  return said.slice(from);
}

function notOurs() {
  return invalidField(
    FIELD,
    'was not made here for this caller: send the one of the last answer, or leave it out to begin a new conversation',
  );
}
