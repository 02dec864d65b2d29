import type { RunCode } from '../../platform/errors/index.js';
import type { LiveRun } from './live-run.js';
import type { RunFailure, ToolCall } from './run.types.js';

/**
 * Why a run can't wait for the outputs of these calls: the caller has no tool of that name, and would never send one.
 *
 * @param tools - the names of the tools that the model was given
 * @returns null: the caller has all of them
 */
export function unknownToolOf(calls: readonly ToolCall[], tools: readonly string[]): RunFailure | null {
  const unknown = calls.find(({ name }) => !tools.includes(name));
  if (unknown === undefined) return null;
  const called = unknown.name === '' ? 'a tool without a name' : `the tool ${shownName(unknown.name)}`;
  const given = tools.length === 0 ? 'has no tools' : `has only these: ${tools.join(', ')}`;
  const code: RunCode = 'unknown_tool';
  const message =
    `The model called ${called}, and the run ${given}. Add the tool to \`tools\`, name the tools in the system prompt, ` +
    'or use another model; then send a new message.';
  return { code, message };
}

/** Outputs are matched by ids. Some servers give none, or the same one to several calls. */
export function withIds(calls: readonly ToolCall[], { id: runId, step }: LiveRun): readonly ToolCall[] {
  const taken = new Set<string>();
  return calls.map((call, index) => {
    const id = call.id === '' || taken.has(call.id) ? `call_${runId}_${step}_${index}` : call.id;
    taken.add(id);
    return { ...call, id };
  });
}

const MOST_SHOWN = 100;

/** What a model wrote can have any length. */
function shownName(name: string): string {
  return JSON.stringify(name.length > MOST_SHOWN ? `${name.slice(0, MOST_SHOWN)}…` : name);
}
