import { Fault } from '../../platform/errors/index.js';
import type { BodyRoom } from '../../platform/http/index.js';
import { usedOtherwise } from '../../platform/idempotency/index.js';
import type { BeginVerdict } from './run-statements.js';
import type { ToolCall } from './run.types.js';

export interface ToolOutput {
  readonly toolCallId: string;
  readonly output: string;
}

/** Why a message was not taken. */
export function refused(verdict: Exclude<BeginVerdict, 'running' | 'waiting' | 'repeat'>): Fault {
  switch (verdict) {
    case 'busy':
      return new Fault(
        'conflict',
        'The thread has a run under way, and its settings.interruptPolicy is REJECT: wait for the run to end, cancel it, ' +
          'or set QUEUE or INTERRUPT.',
        { code: 'run_in_progress' },
      );
    case 'full':
      return new Fault('rate_limited', 'Too many messages wait in this thread. Send again when some are answered.', {
        retryAfterSeconds: 5,
      });
    case 'again':
      return new Fault('conflict', 'The thread is being deleted, or the same request is under way; send again.');
    case 'other':
      return usedOtherwise();
    case 'gone':
      return new Fault('permission_denied', 'The tenant was deleted.');
  }
}

export function waitsForNone(): Fault {
  return new Fault(
    'conflict',
    'The run is not waiting for tool outputs. Read its status with /api/v1/llm/gateway/conversation-state.',
    { code: 'no_tool_outputs_wanted' },
  );
}

/**
 * The outputs in the order of their calls.
 * @throws Fault invalid_input: a call has no output, or two, or an output has no call
 */
export function inOrderOf(calls: readonly ToolCall[], outputs: readonly ToolOutput[]): readonly ToolOutput[] {
  const byId = new Map(outputs.map((output) => [output.toolCallId, output]));
  const wanted = calls.map(({ id }) => byId.get(id));
  const found = wanted.filter((output) => output !== undefined);
  if (found.length === calls.length && outputs.length === calls.length) return found;
  const reason = `must hold one output for each of the run's calls: ${calls.map(({ id }) => id).join(', ')}`;
  throw new Fault('invalid_input', `toolOutputs: ${reason}`, { fields: [{ field: 'toolOutputs', reason }] });
}

/** @throws Fault rate_limited: no room, and the run waits for it */
export function takeRoom(room: BodyRoom, bytes: number): void {
  try {
    room.growTo(bytes);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault('rate_limited', error.message, { code: 'concurrency_limit_exceeded', retryAfterSeconds: 1 });
  }
}

/** All places for calls, or all room for bodies, are taken: of the tenant, the org or the process. */
export function isFullHouse(error: unknown): boolean {
  return error instanceof Fault && error.code === 'concurrency_limit_exceeded';
}
