import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { invalidField } from '../platform/errors/index.js';
import type { Said } from './process.dto.js';
import { SealedKeys } from './sealed-keys.js';

const FIELD = 'request.conversationState';
/** Of what was said; what is older is forgotten first. */
const MOST_BYTES = 128 * 1024;
const MOST_SAID = 200;
/** Of the text that comes back: what was said, encrypted and in base64. */
const MOST_STATE_LENGTH = 256 * 1024;

const stateSchema = z.object({
  w: z.string(),
  m: z.array(z.tuple([z.enum(['user', 'assistant', 'system']), z.string()])),
});

/**
 * What was said in a conversation, kept by the client: sealed, so that only we read it, and only for whom it was made.
 * Nothing is stored here.
 */
@Injectable()
export class ConversationStates {
  constructor(private readonly keys: SealedKeys) {}

  /** @param whose of another's state nothing is known here */
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
    // Its bytes are more than its letters, and a long one takes long to count.
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
