// Builds dist/: Prisma's client from the schema (when that changed), then the sources (when any of them changed).
// Silent unless something fails, so that a script's own output (`npm run -s token`) stays clean. The new tree replaces
// the old one by a rename: a service that is running keeps its modules.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
const freshFolder = `dist.${process.pid}`;
const CONFIGURATION = path.join('node_modules', '.cache', `gatehouse-build.${process.pid}.json`);
const bin = (name) => path.join(root, 'node_modules', '.bin', name);

function run(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' },
  });
  if (status !== 0) {
    for (const unfinished of [freshFolder, CONFIGURATION]) rmSync(unfinished, { recursive: true, force: true });
    process.stderr.write(
      `${stdout ?? ''}${stderr ?? ''}\nThe build failed: ${path.basename(command)} ${args.join(' ')}\n`,
    );
    process.exit(1);
  }
}

/** One hash over the names and contents of all files that the build reads. */
function hashOf(...paths) {
  const hash = createHash('sha256');
  for (const entry of paths) {
    const files = entry.endsWith('/')
      ? readdirSync(entry, { recursive: true, withFileTypes: true })
          .filter((file) => file.isFile() && file.name.endsWith('.ts') && !file.name.endsWith('.spec.ts'))
          .map((file) => path.join(file.parentPath ?? file.path, file.name))
          .filter((file) => !file.startsWith('src/generated'))
          .sort()
      : [entry];
    for (const file of files) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

const upToDate = (stamp, hash) => existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;

const schemaHash = hashOf('prisma/schema.prisma');
if (!upToDate('src/generated/.hash', schemaHash)) {
  rmSync('src/generated', { recursive: true, force: true });
  run(bin('prisma'), ['generate']);
  mkdirSync('src/generated', { recursive: true });
  writeFileSync('src/generated/.hash', schemaHash);
}

const sourceHash = hashOf(
  'prisma/schema.prisma',
  '.swcrc',
  'nest-cli.json',
  'tsconfig.json',
  'package-lock.json',
  'src/',
);
if (!upToDate('dist/.hash', sourceHash)) {
  // nest-cli.json says how to compile. Only the output folder is set here, and nest reads that from a tsconfig.
  mkdirSync(path.dirname(CONFIGURATION), { recursive: true });
  const within = (...names) => path.join(root, ...names);
  writeFileSync(
    CONFIGURATION,
    JSON.stringify({
      extends: within('tsconfig.json'),
      compilerOptions: { outDir: within(freshFolder) },
      files: [within('src', 'main.ts')],
      include: [],
    }),
  );
  run(bin('nest'), ['build', '--silent', '--path', CONFIGURATION]);
  rmSync(CONFIGURATION);
  writeFileSync(path.join(freshFolder, '.hash'), sourceHash);
  const old = `dist.old.${process.pid}`;
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(freshFolder, 'dist');
  rmSync(old, { recursive: true, force: true });
}
