// Completes package-lock.json after `npm install` on a registry that does not carry every platform's packages. npm then leaves
// such optional packages out of the lock, and `npm ci` refuses it because they are missing. The added entries hold version and
// platform: npm needs them to skip a package on other platforms and to fetch it on its own. With --check it writes nothing, and
// fails where something is missing.
import { readFileSync, writeFileSync } from 'node:fs';

const FILE = 'package-lock.json';
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32'];
const LIBRARIES = { gnu: 'glibc', musl: 'musl' };

const lock = JSON.parse(readFileSync(FILE, 'utf8'));
const added = {};
for (const [place, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (placesSeenFrom(place).some((folder) => `${folder}node_modules/${name}` in lock.packages)) continue;
    added[`node_modules/${name}`] = entryFor(name, version, dev);
  }
}

const names = Object.keys(added).map((place) => place.replace('node_modules/', ''));
if (names.length === 0) {
  process.stdout.write('package-lock.json is complete.\n');
} else if (process.argv.includes('--check')) {
  process.stderr.write(`package-lock.json lacks ${names.join(', ')}. Run \`node scripts/complete-lock.mjs\`.\n`);
  process.exit(1);
} else {
  const packages = Object.entries({ ...lock.packages, ...added }).sort(([one], [other]) =>
    one.localeCompare(other, 'en'),
  );
  writeFileSync(FILE, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`);
  process.stdout.write(`Added ${names.join(', ')}.\n`);
}

/** The folders whose node_modules a package sees: its own, and its parents'. */
function placesSeenFrom(place) {
  const folders = [''];
  for (let end = 0; end !== -1; end = place.indexOf('/node_modules/', end + 1)) {
    folders.push(end === 0 ? `${place}/` : `${place.slice(0, end)}/`);
  }
  return folders;
}

/** Such packages tell their platform by their names: `@scope/name-linux-x64-gnu`. */
function entryFor(name, version, dev) {
  const words = name.split('/').at(-1).split('-');
  const at = words.findIndex((word) => SYSTEMS.includes(word));
  if (at === -1 || at + 1 >= words.length || !/^\d+\.\d+\.\d+/.test(version)) {
    throw new Error(`${name}@${version} is missing from ${FILE}, and its name tells no platform: add it by hand.`);
  }
  const [os, cpu, library] = words.slice(at);
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(os === 'linux' && library in LIBRARIES ? { libc: [LIBRARIES[library]] } : {}),
    optional: true,
    os: [os],
  };
}
