// Asks `/health/live` every few milliseconds, from a process of its own: the bench's other work must not slow the probes.
import { fork } from 'node:child_process';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readRssBytes, readTreeCpuSeconds } from './processes.mjs';

const PROBE_EVERY_MS = 5;
/** The argument that starts this file as the process that probes. */
const PROBES = 'probes';

/**
 * @param {number} port
 * @returns {Promise<number>} milliseconds
 */
function probe(port) {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const request = http.get({ port, host: '127.0.0.1', path: '/health/live', agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(performance.now() - startedAt));
    });
    request.on('error', reject);
  });
}

/**
 * @typedef {object} Watched
 * @property {number} slowestMs of the probes
 * @property {number} rssBytes the most
 * @property {number} cpuMs
 */

/**
 * Probes a service while something is done with it.
 *
 * @template Result
 * @param {{ port: number, pid: number }} service
 * @param {() => Promise<Result>} work
 * @returns {Promise<Watched & { result: Result }>}
 */
export async function probedDuring({ port, pid }, work) {
  const child = fork(fileURLToPath(import.meta.url), [PROBES, String(port), String(pid)]);
  await new Promise((resolve) => child.once('message', resolve));
  const cpuBefore = readTreeCpuSeconds(pid) ?? 0;
  const result = await work();
  const cpuMs = ((readTreeCpuSeconds(pid) ?? 0) - cpuBefore) * 1_000;
  const watched = new Promise((resolve) => child.once('message', resolve));
  child.send('stop');
  const { slowestMs, rssBytes } = /** @type {Watched} */ (await watched);
  child.disconnect();
  return { slowestMs, rssBytes, cpuMs, result };
}

/** @param {Watched} watched */
export function watchedText({ slowestMs, rssBytes, cpuMs }) {
  const mib = (rssBytes / 1024 / 1024).toFixed(0);
  return `slowest probe ${slowestMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms of CPU, RSS at most ${mib} MiB`;
}

/**
 * @param {number} port
 * @param {number} pid
 */
async function probes(port, pid) {
  let isOver = false;
  let slowestMs = 0;
  let rssBytes = 0;
  process.once('message', () => (isOver = true));
  await probe(port);
  process.send?.('ready');
  while (!isOver) {
    slowestMs = Math.max(slowestMs, await probe(port));
    rssBytes = Math.max(rssBytes, readRssBytes(pid) ?? 0);
    await sleep(PROBE_EVERY_MS);
  }
  process.send?.({ slowestMs, rssBytes });
}

if (process.argv[2] === PROBES) await probes(Number(process.argv[3]), Number(process.argv[4]));
