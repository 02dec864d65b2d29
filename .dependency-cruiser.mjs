// The rules of test/contracts/import-table.ts, in dependency-cruiser's language. `npm run check` runs them over src and
// test; type-only imports count, since a type ties two areas together as much as a value does.
import {
  COMMANDS,
  COMPOSITION_ROOT,
  CONFINED_PACKAGES,
  DEVELOPMENT,
  FEATURES,
  ROOMS,
  importsOf,
  roomsBefore,
} from './test/contracts/import-table.ts';

const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const anyOf = (names) => `(?:${names.map(literally).join('|')})`;
const exactly = (files) => `^${anyOf(files)}$`;
const SPEC = '\\.spec\\.ts$';

/** One rule for each area: whatever of src is neither its own nor in its row of the table is not for it. */
const directions = FEATURES.map((area) => ({
  name: `direction-${area}`,
  comment: `${area} may import ${importsOf(area).join(', ') || 'no other area'}; see test/contracts/import-table.ts.`,
  severity: 'error',
  from: { path: `^src/${area}/` },
  to: { path: '^src/', pathNot: `^src/${anyOf([area, ...importsOf(area), 'generated'])}/` },
}));

/** The same within an area: a room sees the rooms of the rows before its own, and none of the area's own files. */
const orders = Object.entries(ROOMS).flatMap(([area, rows]) => [
  ...rows.flat().map((room) => ({
    name: `order-${area}-${room}`,
    comment: `${area}/${room} may import ${roomsBefore(area, room).join(', ') || 'no other room'} of ${area}; see test/contracts/import-table.ts.`,
    severity: 'error',
    from: { path: `^src/${area}/${room}/`, pathNot: SPEC },
    to: { path: `^src/${area}/`, pathNot: `^src/${area}/${anyOf([room, ...roomsBefore(area, room)])}/` },
  })),
  {
    name: 'unknown-room',
    comment: 'A new room gets its place in test/contracts/import-table.ts first.',
    severity: 'error',
    from: { path: `^src/${area}/[^/]+/`, pathNot: `^src/${area}/${anyOf(rows.flat())}/` },
    to: {},
  },
]);

const confined = CONFINED_PACKAGES.map(({ packages, rooms }) => ({
  name: `confined-to-${rooms[0].split('/').at(-1)}`,
  comment: `${packages.join(', ')}: only for ${rooms.join(', ')}.`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^${anyOf(rooms)}/` },
  // DefinitelyTyped's package of that name is the same thing.
  to: { path: `(?:^|/)node_modules/(?:@types/)?${anyOf(packages)}/` },
}));

export default {
  forbidden: [
    ...directions,
    {
      name: 'unknown-area',
      comment: 'A new area gets its place in test/contracts/import-table.ts first.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [`^src/${anyOf([...FEATURES, COMPOSITION_ROOT, DEVELOPMENT, 'generated'])}/`, '^src/main\\.ts$'],
      },
      to: {},
    },
    {
      name: 'door',
      comment: "Across areas import the other area's index.ts, and nothing behind it.",
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: {
        path: '^src/[^/]+/',
        pathNot: [
          '^src/$1/',
          '^src/(?!platform/)[^/]+/index\\.ts$',
          '^src/platform/[^/]+/index\\.ts$',
          '^src/generated/',
        ],
      },
    },
    {
      name: 'door-of-a-room',
      comment: "Across the platform's rooms import the other room's index.ts, and nothing behind it.",
      severity: 'error',
      from: { path: '^src/platform/([^/]+)/' },
      to: {
        path: '^src/platform/',
        pathNot: ['^src/platform/$1/', '^src/platform/[^/]+/index\\.ts$'],
      },
    },
    ...orders,
    {
      name: 'development-by-app-alone',
      comment: 'Only the composition root loads development.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/${anyOf([COMPOSITION_ROOT, DEVELOPMENT])}/` },
      to: { path: `^src/${DEVELOPMENT}/` },
    },
    {
      name: 'development-never-statically',
      comment: 'A static import would put development code into a production process: use `await import()`.',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/${DEVELOPMENT}/` },
      to: { path: `^src/${DEVELOPMENT}/`, dynamic: false },
    },
    {
      name: 'composition-root-by-main-alone',
      comment: 'Nothing but the entry point imports the composition root.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/main\\.ts$', `^src/${COMPOSITION_ROOT}/`, SPEC] },
      to: { path: `^src/${COMPOSITION_ROOT}/` },
    },
    {
      name: 'main-starts-only',
      comment: 'The entry point knows the composition root alone.',
      severity: 'error',
      from: { path: '^src/main\\.ts$' },
      to: { path: '^src/', pathNot: `^src/${COMPOSITION_ROOT}/` },
    },
    {
      name: 'generated-client',
      comment: "Prisma's generated client is for src/platform/database and test/support alone.",
      severity: 'error',
      from: { path: '^(?:src|test)/', pathNot: ['^src/platform/database/', '^src/generated/', '^test/support/'] },
      to: { path: '^src/generated/' },
    },
    ...confined,
    {
      name: 'no-cycle',
      comment: 'Two files that need each other are one file, or hide a third.',
      severity: 'error',
      from: { path: '^(?:src|test)/', pathNot: '^src/generated/' },
      to: { circular: true },
    },
    {
      name: 'no-test-code',
      comment: 'What is shipped imports no test.',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: { path: ['^test/', '^bench/', SPEC] },
    },
    {
      name: 'no-dev-dependency',
      comment: 'What is shipped runs on dependencies alone; the image has no others.',
      severity: 'error',
      from: { path: '^src/', pathNot: SPEC },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'declared-package',
      comment: 'A package that is imported is in package.json; one that another package brought may leave with it.',
      severity: 'error',
      from: { path: '^(?:src|test)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      comment: 'This import leads nowhere.',
      severity: 'error',
      from: { path: '^(?:src|test)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'unused',
      comment: 'No command reaches this file: delete it, or export it from its index.ts.',
      severity: 'error',
      from: { path: exactly(COMMANDS) },
      to: {
        path: '^src/.+\\.ts$',
        pathNot: [SPEC, '\\.d\\.ts$', '^src/generated/', exactly(COMMANDS)],
        reachable: false,
      },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules', '^src/generated/'] },
    exclude: { path: ['^dist/', '^test/http/.*\\.snap$'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
    builtInModules: { add: [] },
    skipAnalysisNotInRules: true,
  },
};
