// Builds the dashboard into dashboard/dist/: the types of the API from docs/openapi.json, then the application by Vite, then a
// compressed copy of each file. Skips what is up to date, as scripts/build.mjs does. With --types it makes the types alone.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const OUT = path.join('dashboard', 'dist');
const DOCUMENT = path.join('docs', 'openapi.json');
const TYPES = path.join('dashboard', 'src', 'api', 'schema.d.ts');
const COMPRESSED = /\.(?:html|js|css|svg|json)$/;
/** A thorough compression, done once in an image, is worth the time; at each start on a developer's machine it is not. */
const thorough = process.argv.includes('--thorough');

const upToDate = (stamp, hash) => existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
const hashOf = (files) => {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
};
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .sort();

const documentHash = hashOf([DOCUMENT, 'package-lock.json']);
const typesStamp = path.join('node_modules', '.cache', 'gatehouse-dashboard-types');
if (!existsSync(TYPES) || !upToDate(typesStamp, documentHash)) {
  const { default: openapiTypes, astToString } = await import('openapi-typescript');
  const types = astToString(
    await openapiTypes(JSON.parse(readFileSync(DOCUMENT, 'utf8')), { defaultNonNullable: false }),
  );
  writeFileSync(TYPES, `// Generated from docs/openapi.json by scripts/build-dashboard.mjs.\n${types}`);
  mkdirSync(path.dirname(typesStamp), { recursive: true });
  writeFileSync(typesStamp, documentHash);
}
if (process.argv.includes('--types')) process.exit(0);

const sources = filesBelow('dashboard').filter((file) => !file.startsWith('dashboard/dist'));
const hash = `${hashOf([...sources, DOCUMENT, 'package-lock.json', 'scripts/build-dashboard.mjs'])}${thorough ? ' thorough' : ''}`;
if (upToDate(path.join(OUT, '.hash'), hash)) process.exit(0);

const fresh = `${OUT}.${process.pid}`;
// With another value, as under a test, React would be built for development.
process.env.NODE_ENV = 'production';
const { build } = await import('vite');
try {
  await build({
    root: path.join(root, 'dashboard'),
    logLevel: 'warn',
    build: { outDir: path.join(root, fresh), emptyOutDir: true },
  });
} catch (error) {
  rmSync(fresh, { recursive: true, force: true });
  process.stderr.write(`${error.message}\nThe build of the dashboard failed.\n`);
  process.exit(1);
}
for (const file of filesBelow(fresh).filter((name) => COMPRESSED.test(name))) {
  const content = readFileSync(file);
  writeFileSync(`${file}.gz`, gzipSync(content, { level: thorough ? 9 : 6 }));
  if (thorough) {
    writeFileSync(`${file}.br`, brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  }
}
writeFileSync(path.join(fresh, '.hash'), hash);
const old = `${OUT}.old.${process.pid}`;
if (existsSync(OUT)) renameSync(OUT, old);
renameSync(fresh, OUT);
rmSync(old, { recursive: true, force: true });
