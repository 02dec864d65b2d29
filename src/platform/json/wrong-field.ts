import { Fault } from '../errors/index.js';

/** An error repeats the caller's text, cut to a useful length. */
const MAX_TOLD_LENGTH = 100;

/** A fault in a field of a body, whose name the caller chose. */
export function wrongField(name: string, reason: string): Fault {
  const field = name.length > MAX_TOLD_LENGTH ? `${name.slice(0, MAX_TOLD_LENGTH)}…` : name;
  return new Fault('invalid_input', `${field}: ${reason}.`, { fields: [{ field, reason }] });
}
