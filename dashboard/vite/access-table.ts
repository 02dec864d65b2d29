import { readFileSync } from 'node:fs';
import type { Plugin } from 'vite';

const DOCUMENT = new URL('../../docs/openapi.json', import.meta.url);
const NAME = 'virtual:access';

interface Operation {
  readonly 'x-access'?: { readonly dashboardUser?: unknown };
}

/** What each route asks of a signed-in person, from the API's own description: pages show what the user may do by it. */
export function accessTable(): Plugin {
  return {
    name: 'gatehouse-access',
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load: (id) => (id === `\0${NAME}` ? `export const ACCESS = ${JSON.stringify(readRules())};` : null),
  };
}

function readRules(): Record<string, unknown> {
  const { paths } = JSON.parse(readFileSync(DOCUMENT, 'utf8')) as { paths: Record<string, Record<string, Operation>> };
  const rules: Record<string, unknown> = {};
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const rule = operation['x-access']?.dashboardUser;
      if (rule !== undefined) rules[`${method.toUpperCase()} ${path}`] = rule;
    }
  }
  return rules;
}
