import { captureLog, type CapturedLog } from '../../../test/support/captured-log.js';
import { eventually, pause } from '../../../test/support/eventually.js';
import { Jobs } from './jobs.js';
import type { JobOptions, RepeatingJob } from './repeating-job.js';

let log: CapturedLog;
let jobs: Jobs;

beforeEach(() => {
  log = captureLog();
  jobs = new Jobs();
});

afterEach(async () => {
  await jobs.beforeApplicationShutdown();
  log.stop();
});

/** A job that never ends by itself, unless told otherwise. */
function repeat(options: Partial<JobOptions> & Pick<JobOptions, 'run'>): RepeatingJob {
  return jobs.repeat({ failure: 'The work could not be done.', everyMs: 3_600_000, ...options });
}

interface HeldRuns {
  readonly run: () => Promise<void>;
  readonly begun: () => number;
  readonly atOnce: () => number;
  readonly end: () => void;
}

/** Runs that last until they are told to end. */
function heldRuns(): HeldRuns {
  let begun = 0;
  let open = 0;
  let most = 0;
  let release: () => void = () => undefined;
  return {
    run: async () => {
      begun += 1;
      open += 1;
      most = Math.max(most, open);
      await new Promise<void>((resolve) => (release = resolve));
      open -= 1;
    },
    begun: () => begun,
    atOnce: () => most,
    end: () => release(),
  };
}

describe('a repeating job', () => {
  it('waits for the bootstrap, and then repeats', async () => {
    let runs = 0;
    repeat({ everyMs: 1, run: () => Promise.resolve((runs += 1)) });
    await pause(20);
    expect(runs).toBe(0);

    jobs.start();
    await eventually(() => expect(runs).toBeGreaterThan(3));
  });

  it('runs at once where that is requested, and where it is declared after the bootstrap', async () => {
    let runs = 0;
    jobs.start();
    repeat({ atOnce: true, run: () => Promise.resolve((runs += 1)) });
    await eventually(() => expect(runs).toBe(1));
  });

  it('never overlaps itself, however often it is due meanwhile', async () => {
    const held = heldRuns();
    let ticks = 0;
    repeat({ everyMs: 1, run: held.run });
    repeat({ everyMs: 1, run: () => Promise.resolve((ticks += 1)) });
    jobs.start();
    await eventually(() => expect(ticks).toBeGreaterThan(10));
    expect(held.begun()).toBe(1);
    held.end();
    await eventually(() => expect(held.begun()).toBe(2));
    expect(held.atOnce()).toBe(1);
    held.end();
    const stopping = jobs.beforeApplicationShutdown();
    held.end();
    await stopping;
  });

  it('runs once more after the run in which it was woken, however often that was', async () => {
    const held = heldRuns();
    const job = repeat({ run: held.run });
    job.wake();
    job.wake();
    job.wake();
    expect(held.begun()).toBe(1);
    held.end();
    await eventually(() => expect(held.begun()).toBe(2));
    held.end();
    await job.stop();
    expect(held.begun()).toBe(2);
  });

  it('that fails is logged once for each outage, with the error, and continues', async () => {
    const outcomes = [false, false, true, false, true];
    let runs = 0;
    repeat({
      everyMs: 1,
      run: () => {
        const good = outcomes[runs] ?? true;
        runs += 1;
        return good ? Promise.resolve() : Promise.reject(new Error(`run ${runs}`));
      },
    });
    jobs.start();
    await eventually(() => expect(runs).toBeGreaterThan(outcomes.length));
    expect(log.lines.map(({ msg, err }) => [msg, (err as Error).message])).toEqual([
      ['The work could not be done.', 'run 1'],
      ['The work could not be done.', 'run 4'],
    ]);
  });

  it('that is stopped signals its run, waits for it, and begins no other', async () => {
    const held = heldRuns();
    let told = false;
    const job = repeat({
      everyMs: 1,
      run: (stopping) => {
        stopping.addEventListener('abort', () => (told = true));
        return held.run();
      },
    });
    jobs.start();
    await eventually(() => expect(held.begun()).toBe(1));
    job.wake();
    let stopped = false;
    const stopping = jobs.beforeApplicationShutdown().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect([told, stopped]).toEqual([true, false]);
    held.end();
    await stopping;
    job.wake();
    job.start();
    await pause(20);
    expect(held.begun()).toBe(1);
  });
});
