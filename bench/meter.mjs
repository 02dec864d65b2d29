// One turn of load on one target, with the CPU time of every process and the upstream's own count.
import { setTimeout as sleep } from 'node:timers/promises';
import { readCount } from './checks.mjs';
import { runLoad } from './load-tool.mjs';
import { readMachineCpuSeconds } from './processes.mjs';
import { here } from './session.mjs';

/** @typedef {Pick<import('./load-tool.mjs').LoadOrder, 'body' | 'connections' | 'seconds' | 'amount' | 'rotate'>} MeasureOrder */

/**
 * @typedef {object} Turn
 * @property {import('./load-tool.mjs').LoadResult} load
 * @property {Record<string, number | null>} cpuSeconds by process
 * @property {number} servedByUpstream
 */

export class Meter {
  /** `answered` and `leftOpen` are the service's: how many it answered, and the most that the load tool can have cut off. */
  totals = { answered: 0, leftOpen: 0, non2xx: 0, errors: 0, loadSeconds: 0, elsewhereSeconds: 0 };
  /** @type {string[]} what went missing or ended badly, a sentence each */
  losses = [];

  /** @type {import('./session.mjs').Session} */
  #session;
  /** @type {import('./ring.mjs').Ring} */
  #ring;
  /** @type {'wrk' | 'autocannon'} */
  #tool;

  /**
   * @param {import('./session.mjs').Session} session
   * @param {import('./ring.mjs').Ring} ring
   * @param {'wrk' | 'autocannon'} tool
   */
  constructor(session, ring, tool) {
    this.#session = session;
    this.#ring = ring;
    this.#tool = tool;
  }

  /**
   * @param {import('./ring.mjs').Target} target
   * @param {MeasureOrder} order
   * @returns {Promise<Turn>}
   */
  async measure(target, order) {
    const { upstreamUrl, monitors } = this.#ring;
    const { group, runDirectory } = this.#session;
    const readAll = () => new Map([...monitors].map(([name, read]) => [name, read()]));
    const countBefore = await readCount(upstreamUrl);
    const machineBefore = readMachineCpuSeconds();
    const cpuBefore = readAll();
    const load = await runLoad(group, this.#tool, runDirectory, { ...order, url: target.url, headers: target.headers });
    const cpuAfter = readAll();
    const machineAfter = readMachineCpuSeconds();
    const served = (await this.#readCountAtRest()).byKey[target.upstreamKey] ?? 0;
    const servedByUpstream = served - (countBefore.byKey[target.upstreamKey] ?? 0);

    /** @type {Record<string, number | null>} */
    const cpuSeconds = { load: load.cpuSeconds };
    for (const [name, after] of cpuAfter) {
      const before = cpuBefore.get(name) ?? null;
      cpuSeconds[name] = before === null || after === null ? null : after - before;
    }
    // The CPU time that none of these processes used: other work on the machine, the kernel's, and the host's share.
    const known = Object.values(cpuSeconds).reduce((/** @type {number} */ all, value) => all + (value ?? 0), 0);
    cpuSeconds['elsewhere'] =
      machineBefore === null || machineAfter === null ? null : Math.max(0, machineAfter - machineBefore - known);

    const { totals } = this;
    totals.non2xx += load.non2xx;
    totals.errors += load.errors + load.timeouts;
    totals.loadSeconds += load.seconds;
    totals.elsewhereSeconds += cpuSeconds['elsewhere'] ?? 0;
    if (target.id === 'service') {
      totals.answered += load.requests;
      if (order.amount === undefined) totals.leftOpen += order.connections;
    }
    if (target.answersItself === true) {
      if (servedByUpstream > 0) this.losses.push(`${target.title}: the upstream was asked for what is kept`);
    } else if (load.requests - load.non2xx > servedByUpstream) {
      this.losses.push(`${target.title}: ${load.requests} answered, ${servedByUpstream} seen by the upstream`);
    }
    return { load, cpuSeconds, servedByUpstream };
  }

  /**
   * @param {import('./latency.mjs').LatencyOrder} order
   * @returns {Promise<import('./latency.mjs').LatencyResult>}
   */
  async measureLatency(order) {
    const out = await this.#session.group.run(process.execPath, [here('latency.mjs')], {
      timeoutMs: 300_000,
      input: `${JSON.stringify(order)}\n`,
    });
    /** @type {import('./latency.mjs').LatencyResult} */
    const result = JSON.parse(out);
    for (const { non2xx } of Object.values(result)) this.totals.non2xx += non2xx;
    this.totals.answered += result['service']?.calls ?? 0;
    return result;
  }

  /** Calls that the load tool left open must not weigh on the next turn, and must be counted. */
  async #readCountAtRest() {
    let count = await readCount(this.#ring.upstreamUrl);
    for (let wait = 0; wait < 100 && count.inFlight > 0; wait += 1) {
      await sleep(50);
      count = await readCount(this.#ring.upstreamUrl);
    }
    await sleep(250);
    return count;
  }
}
