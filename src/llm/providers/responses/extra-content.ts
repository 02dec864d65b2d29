import { isObject } from '../requests/chat-request.js';

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a provider wants to see again beside an item, as chat carries it in `extra_content`: of two the newer one's fields, and
 * the thoughts of both in their order.
 */
export function merged(one: Fields | null, other: Fields): Fields {
  if (one === null) return other;
  const all: Record<string, unknown> = { ...one };
  for (const [provider, fields] of Object.entries(other)) {
    const known = all[provider];
    all[provider] = isObject(known) && isObject(fields) ? joined(known, fields) : fields;
  }
  return all;
}

function joined(known: Fields, fields: Fields): Fields {
  const [before, after] = [known['thinking'], fields['thinking']];
  if (!Array.isArray(before) || !Array.isArray(after)) return { ...known, ...fields };
  return { ...known, ...fields, thinking: [...(before as readonly unknown[]), ...(after as readonly unknown[])] };
}
