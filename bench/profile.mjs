// Reads a V8 CPU profile and says where the time went, by function and by package, counting self time only.
//
//   node bench/profile.mjs <file.cpuprofile> [rows]
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/**
 * @typedef {object} CpuProfile
 * @property {{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }[]} nodes
 * @property {number} startTime microseconds
 * @property {number} endTime microseconds
 * @property {number[]} samples node ids
 * @property {number[]} timeDeltas microseconds before each sample
 */

/**
 * @typedef {object} ProfileSummary
 * @property {number} seconds of the window
 * @property {number} busySeconds of it that were not idle
 * @property {{ name: string, share: number, milliseconds: number }[]} functions shares of the busy time
 * @property {{ name: string, share: number, milliseconds: number }[]} packages
 */

/** @param {string} url */
function shorten(url) {
  if (url === '') return '';
  const path = url.startsWith('file:') ? fileURLToPath(url) : url;
  const inModules = path.lastIndexOf('node_modules/');
  if (inModules >= 0) return path.slice(inModules + 'node_modules/'.length);
  return path.startsWith(root) ? path.slice(root.length + 1) : path;
}

/**
 * @param {string} place a shortened path
 * @param {string} functionName
 */
function packageOf(place, functionName) {
  if (place === '') return functionName === '(anonymous)' || !functionName.startsWith('(') ? '(native)' : functionName;
  if (place.startsWith('wasm:')) return '(wasm)';
  if (place.startsWith('node:')) return 'node';
  const [first = '', second = ''] = place.split('/');
  if (first.startsWith('@')) return `${first}/${second}`;
  if (first === 'dist') return second.endsWith('.js') ? 'dist' : `dist/${second}`;
  return first;
}

/**
 * @param {CpuProfile} profile
 * @param {{ fromMs?: number, toMs?: number }} [window] milliseconds since the profile began; default: all of it
 * @returns {ProfileSummary}
 */
export function summarizeProfile(profile, { fromMs = 0, toMs = Number.POSITIVE_INFINITY } = {}) {
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  /** @type {Map<string, number>} */
  const byFunction = new Map();
  /** @type {Map<string, number>} */
  const byPackage = new Map();
  const add = (/** @type {Map<string, number>} */ map, /** @type {string} */ key, /** @type {number} */ micros) =>
    map.set(key, (map.get(key) ?? 0) + micros);
  let atMicros = 0;
  let idle = 0;
  let total = 0;
  profile.samples.forEach((id, index) => {
    // A sample stands for the time until the next one.
    atMicros += profile.timeDeltas[index] ?? 0;
    const micros = Math.max(0, profile.timeDeltas[index + 1] ?? 0);
    if (atMicros < fromMs * 1000 || atMicros > toMs * 1000) return;
    const frame = frames.get(id);
    if (frame === undefined) return;
    total += micros;
    if (frame.functionName === '(idle)') {
      idle += micros;
      return;
    }
    const place = shorten(frame.url);
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    add(byFunction, place === '' ? name : `${name}  ${place}:${frame.lineNumber + 1}`, micros);
    add(byPackage, packageOf(place, name), micros);
  });
  const busy = total - idle;
  const ranked = (/** @type {Map<string, number>} */ map) =>
    [...map]
      .sort((a, b) => b[1] - a[1])
      .map(([name, micros]) => ({ name, share: busy === 0 ? 0 : micros / busy, milliseconds: micros / 1000 }));
  return {
    seconds: total / 1e6,
    busySeconds: busy / 1e6,
    functions: ranked(byFunction),
    packages: ranked(byPackage),
  };
}

/**
 * @param {ProfileSummary} summary
 * @param {number} rows
 */
export function renderProfile(summary, rows) {
  const line = (/** @type {{ name: string, share: number, milliseconds: number }} */ entry) =>
    `${(entry.share * 100).toFixed(1).padStart(6)} %  ${entry.milliseconds.toFixed(0).padStart(6)} ms  ${entry.name}`;
  return [
    `Self time of the main thread: ${summary.busySeconds.toFixed(2)} s busy of ${summary.seconds.toFixed(2)} s`,
    '',
    'By package',
    ...summary.packages.slice(0, 20).map(line),
    '',
    `By function, the first ${rows}`,
    ...summary.functions.slice(0, rows).map(line),
  ].join('\n');
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file, rows = '25'] = process.argv;
  if (file === undefined) {
    process.stderr.write('node bench/profile.mjs <file.cpuprofile> [rows]\n');
    process.exit(2);
  }
  const profile = /** @type {CpuProfile} */ (JSON.parse(readFileSync(file, 'utf8')));
  process.stdout.write(`${renderProfile(summarizeProfile(profile), Number(rows))}\n`);
}
