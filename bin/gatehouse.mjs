#!/usr/bin/env node
// `npx gatehouse`: the command line of this package. In a checkout the build is brought up to date first, and the command
// runs on the Node that package.json pins, whichever one npx found.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = 24;
const beside = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const [major] = process.versions.node.split('.').map(Number);
const pinned = beside('node_modules/node/bin/node');

if (major < OLDEST_NODE) {
  if (!existsSync(pinned)) {
    process.stderr.write(
      `gatehouse needs Node ${OLDEST_NODE} or later, and this is ${process.version}. Install a later Node, or run it in a checkout: \`npm ci\` brings one along.\n`,
    );
    process.exit(1);
  }
  const { status } = spawnSync(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
const build = beside('scripts/build.mjs');
if (existsSync(build)) {
  const { status } = spawnSync(process.execPath, [build], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
// Most of a command's time is compiling what it loads.
module.enableCompileCache?.();
await import('../dist/app/cli/cli.js');
