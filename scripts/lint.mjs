// Lints the whole tree. With `--cache <folder>` it skips each file that was clean before, unless something changed that its
// rules can see. Rules that know types depend on other files too: a function that begins to return a promise makes calls wrong
// in unchanged files. So a file's key covers the declarations (by tsc, in the same folder) of everything that it imports.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';
import ts from 'typescript';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const cacheFolder = process.argv[2] === '--cache' ? process.argv[3] : null;
const LINTED = /\.(?:tsx?|mjs|cjs|js)$/;
const TYPED = /\.tsx?$/;
const SEEN_BY_ALL = [
  'eslint.config.mjs',
  'scripts/lint.mjs',
  'scripts/lint-rules.mjs',
  'tsconfig.json',
  'dashboard/tsconfig.json',
];

const eslint = new ESLint();
const files = await listFiles();
const keys = cacheFolder === null ? new Map() : keysOf(files);
const cacheFile = cacheFolder === null ? null : path.join(cacheFolder, 'lint.json');
const known = cacheFile !== null && existsSync(cacheFile) ? JSON.parse(readFileSync(cacheFile, 'utf8')) : {};
const isClean = (file) => keys.has(file) && known[file] === keys.get(file);

const unsure = files.filter((file) => !isClean(file));
// Given an empty list, ESLint lints the whole folder.
const results = unsure.length === 0 ? [] : await eslint.lintFiles(unsure);
const found = results.filter(({ errorCount, warningCount }) => errorCount + warningCount > 0);
if (cacheFile !== null) {
  const faulty = new Set(found.map(({ filePath }) => path.relative(root, filePath)));
  const clean = files.filter((file) => keys.has(file) && !faulty.has(file));
  writeFileSync(cacheFile, JSON.stringify(Object.fromEntries(clean.map((file) => [file, keys.get(file)]))));
}
if (found.length > 0) {
  const formatter = await eslint.loadFormatter('stylish');
  process.stdout.write(await formatter.format(found));
  process.exitCode = 1;
}

/** All files that ESLint's configuration does not ignore, relative to the root. */
async function listFiles() {
  const listed = below('.').filter((file) => LINTED.test(file));
  const ignored = await Promise.all(listed.map((file) => eslint.isPathIgnored(file)));
  return listed.filter((_, index) => !ignored[index]);
}

/** Skips `node_modules` and hidden folders: packages there have ESLint configurations of their own. */
function below(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (!entry.isDirectory()) return [file];
    return entry.name === 'node_modules' || entry.name.startsWith('.') ? [] : below(file);
  });
}

/** A key for each file whose types are known; a file without a key is linted each time. */
function keysOf(all) {
  const imports = new Map();
  const surfaces = new Map();
  const fileHash = once((file) => hash(readFileSync(file, 'utf8')));

  /** The part of a file that its importers see: its declarations, or its text where it is not TypeScript. */
  const surfaceOf = (file) => {
    if (!surfaces.has(file)) {
      const declaration = path.join(cacheFolder, 'declarations', file.replace(/\.tsx?$/, '.d.ts'));
      if (!TYPED.test(file)) surfaces.set(file, fileHash(file));
      else surfaces.set(file, existsSync(declaration) ? fileHash(declaration) : null);
    }
    return surfaces.get(file);
  };
  const importsOf = (file) => {
    if (!imports.has(file)) imports.set(file, LINTED.test(file) ? relativeImports(file) : []);
    return imports.get(file);
  };

  // A declaration for a package or for all files (`declare module 'fastify'`) is seen without an import.
  const typed = all.filter((file) => TYPED.test(file));
  const ambient = typed.filter((file) => /^declare (?:module|global)\b/m.test(readFileSync(file, 'utf8')));
  const common = hash(
    [process.version, ...[...SEEN_BY_ALL, 'package-lock.json'].map(fileHash), ...ambient.map(surfaceOf)].join('\n'),
  );
  const made = new Map();
  for (const file of all) {
    const reached = new Set(TYPED.test(file) ? [file] : []);
    // Iterating over a set also visits items that are added meanwhile.
    for (const one of reached) for (const other of importsOf(one)) reached.add(other);
    reached.delete(file);
    const seen = [...reached].sort().map((other) => [other, surfaceOf(other)]);
    if (seen.some(([, surface]) => surface === null)) continue;
    made.set(file, hash(JSON.stringify([common, fileHash(file), seen])));
  }
  return made;
}

/** The project's own files that a source names, by static, type-only or dynamic imports. */
function relativeImports(file) {
  return ts
    .preProcessFile(readFileSync(file, 'utf8'), true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => path.join(path.dirname(file), name))
    .map((name) =>
      [name.replace(/\.js$/, '.ts'), name.replace(/\.js$/, '.tsx'), name].find((candidate) => existsSync(candidate)),
    )
    .filter((name) => name !== undefined);
}

function hash(text) {
  return createHash('sha256').update(text).digest('base64url');
}

function once(make) {
  const values = new Map();
  return (key) => {
    if (!values.has(key)) values.set(key, make(key));
    return values.get(key);
  };
}
