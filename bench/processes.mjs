// Children of the bench: started, watched and ended here only. A process is never ended by its name.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * @typedef {object} Child
 * @property {string} name
 * @property {number} pid
 * @property {() => boolean} hasEnded
 * @property {Promise<number | null>} ended the exit code; null after a signal
 * @property {(graceMs?: number) => Promise<void>} stop closes its input, sends SIGTERM, and SIGKILL after the grace
 */

/**
 * @typedef {object} StartOptions
 * @property {NodeJS.ProcessEnv} [env] the whole environment of the child; default: the bench's own
 * @property {string} [cwd]
 * @property {string} [logFile] where its output goes, when it prints no ready line
 */

export class ProcessGroup {
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #living = new Set();
  /** @type {Set<() => void>} */
  #lastActs = new Set();

  constructor() {
    process.once('exit', () => this.killAll());
  }

  /**
   * Registers an act for something that must end with the bench but is not a child of this class; called synchronously, at the
   * very end.
   * @param {() => void} act
   * @returns {() => void} takes it back
   */
  atExit(act) {
    this.#lastActs.add(act);
    return () => this.#lastActs.delete(act);
  }

  /** Ends at once all processes that still run. */
  killAll() {
    for (const child of this.#living) child.kill('SIGKILL');
    for (const act of this.#lastActs) {
      try {
        act();
      } catch {
        // Already gone.
      }
    }
    this.#lastActs.clear();
  }

  /**
   * A child that writes its output to a file.
   * @param {string} name
   * @param {string} command
   * @param {string[]} args
   * @param {StartOptions & { logFile: string }} options
   * @returns {Child}
   */
  start(name, command, args, options) {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'w');
    try {
      return this.#adopt(
        name,
        spawn(command, args, { env: options.env, cwd: options.cwd, stdio: ['pipe', log, log], windowsHide: true }),
      );
    } finally {
      closeSync(log);
    }
  }

  /**
   * A script of the bench that prints {"ready":true,"port":n} as its first line.
   * @param {string} name
   * @param {string[]} args arguments to node, the script first
   * @returns {Promise<{ child: Child, port: number }>}
   */
  async startListener(name, args) {
    const spawned = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], windowsHide: true });
    const child = this.#adopt(name, spawned);
    const lines = createInterface({ input: spawned.stdout });
    const first = await Promise.race([
      new Promise((resolve) => lines.once('line', resolve)),
      child.ended.then((code) => Promise.reject(new Error(`${name} ended at start with code ${code}`))),
      sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error(`${name} did not start in 20 s`))),
    ]);
    return { child, port: JSON.parse(String(first)).port };
  }

  /**
   * Runs a program to its end.
   * @param {string} command
   * @param {string[]} args
   * @param {{ timeoutMs: number, env?: NodeJS.ProcessEnv, cwd?: string, input?: string }} options
   * @returns {Promise<string>} its standard output
   * @throws {Error} with the end of its standard error, when it fails or takes longer than allowed
   */
  async run(command, args, options) {
    const spawned = spawn(command, args, { env: options.env, cwd: options.cwd, windowsHide: true });
    const child = this.#adopt(command, spawned);
    let out = '';
    let errors = '';
    spawned.stdout.setEncoding('utf8').on('data', (text) => (out += text));
    spawned.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
    spawned.stdin.on('error', () => undefined);
    if (options.input !== undefined) spawned.stdin.write(options.input);
    const timer = setTimeout(() => spawned.kill('SIGKILL'), options.timeoutMs);
    const [code] = await Promise.all([child.ended, new Promise((resolve) => spawned.once('close', resolve))]);
    clearTimeout(timer);
    if (code !== 0) {
      const reason = code === null ? `was ended, or took over ${options.timeoutMs} ms` : `ended with code ${code}`;
      throw new Error(`${command} ${args[0] ?? ''} ${reason}: ${errors.trim().slice(-600)}`);
    }
    return out;
  }

  /**
   * @param {string} name
   * @param {import('node:child_process').ChildProcess} spawned
   * @returns {Child}
   */
  #adopt(name, spawned) {
    this.#living.add(spawned);
    let over = false;
    /** @type {Promise<number | null>} */
    const ended = new Promise((resolve) => {
      const finish = (/** @type {number | null} */ code) => {
        over = true;
        this.#living.delete(spawned);
        resolve(code);
      };
      spawned.once('exit', finish);
      spawned.once('error', (error) => {
        process.stderr.write(`${name}: ${error.message}\n`);
        finish(-1);
      });
    });
    return {
      name,
      pid: spawned.pid ?? -1,
      hasEnded: () => over,
      ended,
      stop: async (graceMs = 5_000) => {
        if (over) return;
        spawned.stdin?.end();
        spawned.kill('SIGTERM');
        const timer = setTimeout(() => spawned.kill('SIGKILL'), graceMs);
        await ended;
        clearTimeout(timer);
      },
    };
  }
}

/** A port of the loopback interface that was free a moment ago. */
export async function findFreePort() {
  const server = createServer();
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const ticksPerSecond = readTicksPerSecond();

function readTicksPerSecond() {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  } catch {
    return 100;
  }
}

/** Whether this system tells the CPU time of other processes. */
export const hasProc = readStat(process.pid) !== null;

/**
 * /proc/<pid>/stat; the name in it may hold anything, so fields are counted from its closing bracket.
 * @param {number | 'self'} pid
 * @returns {{ parent: number, ownSeconds: number, reapedSeconds: number } | null} null when there is no such process
 */
export function readStat(pid) {
  let text;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const at = (/** @type {number} */ index) => fields[index] ?? 0;
  return {
    parent: at(1),
    ownSeconds: (at(11) + at(12)) / ticksPerSecond,
    reapedSeconds: (at(13) + at(14)) / ticksPerSecond,
  };
}

/**
 * CPU seconds, user and system, of a process and of its direct children, ended ones included. For Postgres, given the
 * postmaster, that is every backend and background worker of the cluster.
 * @param {number} pid
 * @returns {number | null} null where there is no /proc
 */
export function readTreeCpuSeconds(pid) {
  const root = readStat(pid);
  if (root === null) return null;
  let total = root.ownSeconds + root.reapedSeconds;
  for (const entry of readdirSync('/proc')) {
    const child = /^\d+$/.test(entry) ? readStat(Number(entry)) : null;
    if (child !== null && child.parent === pid) total += child.ownSeconds + child.reapedSeconds;
  }
  return total;
}

/**
 * CPU seconds of a process alone.
 * @param {number} pid
 * @returns {number | null}
 */
export function readCpuSeconds(pid) {
  return readStat(pid)?.ownSeconds ?? null;
}

/** CPU seconds of the bench's own children that have ended and were waited for. */
export function readReapedCpuSeconds() {
  return readStat('self')?.reapedSeconds ?? null;
}

/**
 * CPU seconds that the whole machine has spent on anything, time stolen by its host included.
 * @returns {number | null} null where there is no /proc
 */
export function readMachineCpuSeconds() {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line.split(/ +/).slice(1).map(Number);
    return (user + nice + system + irq + softirq + steal) / ticksPerSecond;
  } catch {
    return null;
  }
}

/**
 * Resident set of a process.
 * @param {number} pid
 * @returns {number | null} bytes; null when the system does not tell
 */
export function readRssBytes(pid) {
  try {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return line === null ? null : Number(line[1]) * 1024;
  } catch {
    try {
      return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
    } catch {
      return null;
    }
  }
}
