import type { LoadedRow } from './run-statements.js';

type Stored = Pick<LoadedRow, 'id' | 'message_ids' | 'roles' | 'tokens'>;

/**
 * Which messages of a thread go to the model: the newest that fit into `room` tokens, without a gap, beginning with a
 * user's. What a tool said stays beside the answer that called it. The run's own messages go in any case: whether the model
 * takes them is the provider's to say.
 *
 * @returns places in the row's lists, oldest first
 */
export function chooseMessages({ id, message_ids: ids, roles, tokens }: Stored, room: number): number[] {
  const isOwn = (at: number): boolean => ids[at]?.startsWith(`${id}.`) === true;
  let count = 0;
  let used = 0;
  // Newest first: a group ends with what the tools' outputs answer to.
  for (let at = 0, group = 0; at < ids.length; at += 1) {
    group += tokens[at] ?? 0;
    if (roles[at] === 'tool') continue;
    if (used + group > room && !isOwn(at)) break;
    used += group;
    group = 0;
    count = at + 1;
  }
  while (count > 0 && roles[count - 1] !== 'user' && !isOwn(count - 1)) count -= 1;
  return Array.from({ length: count }, (_, index) => count - 1 - index);
}
