/**
 * Every event in every state of a call, on a real call. The test plays the ledger, the provider and the caller, since they must
 * be able to do anything at any time.
 */
import fc from 'fast-check';
import { LATE, CallStage, USED } from '../../../test/support/call-stage.js';
import { logger } from '../../platform/logging/index.js';
import type { Settlement } from '../../usage/index.js';
import { TRANSITIONS, stateAfter, type CallEvent, type CallState } from './call-states.js';

const STATES: readonly CallState[] = ['admitting', 'dispatching', 'retrying', 'answering', 'settling', 'over'];
const EVENTS: readonly CallEvent[] = [
  'admitted',
  'refused',
  'withdrawn',
  'streamed',
  'answered',
  'failed',
  'retried',
  'delayed',
  'left',
  'read',
  'stopped',
];

/** The next state for each event, state by state in the order above; null: it can't happen. Written by hand. */
const EXPECTED: Readonly<Record<CallEvent, readonly (CallState | null)[]>> = {
  admitted: ['dispatching', null, 'dispatching', null, null, null],
  refused: ['over', null, 'over', null, null, null],
  withdrawn: ['over', null, 'over', null, null, null],
  streamed: [null, 'answering', null, 'answering', 'settling', 'over'],
  answered: [null, 'over', null, 'over', 'over', 'over'],
  failed: [null, 'over', null, 'over', 'over', 'over'],
  retried: [null, 'retrying', null, null, null, null],
  delayed: [null, 'settling', null, null, 'settling', 'over'],
  left: [null, 'settling', 'retrying', 'settling', 'settling', 'over'],
  read: [null, null, null, null, 'over', 'over'],
  stopped: ['admitting', 'over', 'retrying', 'over', 'over', 'over'],
};

const PAIRS = STATES.flatMap((state) => EVENTS.map((event) => [state, event] as const));

/** A model that hides its reasoning, so that its call continues when its caller has left. */
const HIDING = 'o3';

const WAYS: Readonly<Record<CallState, readonly CallEvent[]>> = {
  admitting: [],
  dispatching: ['admitted'],
  retrying: ['admitted', 'retried'],
  answering: ['admitted', 'streamed'],
  settling: ['admitted', 'streamed', 'left'],
  over: ['admitted', 'streamed', 'answered'],
};

/** Only a call of a route has further tries. */
const KINDS = ['direct', 'routed'] as const;
const CASES = KINDS.flatMap((kind) =>
  PAIRS.filter(([state, event]) => TRANSITIONS[state][event] !== undefined)
    .filter(([state, event]) => kind === 'routed' || (state !== 'retrying' && event !== 'retried'))
    .map(([state, event]) => [kind, state, event] as const),
);

async function stageAt(
  state: CallState,
  kind: (typeof KINDS)[number] = 'direct',
  ways: readonly CallEvent[] = WAYS[state],
): Promise<CallStage> {
  const stage = new CallStage(HIDING, kind);
  for (const event of ways) await stage.happen(event);
  expect(stage.state).toBe(state);
  return stage;
}

beforeAll(() => {
  logger.level = 'silent';
});

describe('the table of states', () => {
  it('has every state, and exactly the transitions that are written here', () => {
    expect(Object.keys(TRANSITIONS)).toEqual(STATES);
    for (const [state, event] of PAIRS) {
      expect([state, event, TRANSITIONS[state][event] ?? null]).toEqual([
        state,
        event,
        EXPECTED[event][STATES.indexOf(state)],
      ]);
    }
    expect(
      Object.values(TRANSITIONS)
        .flatMap((events) => Object.keys(events))
        .every((event) => event in EXPECTED),
    ).toBe(true);
  });

  it('refuses impossible events, since they are our own mistakes', () => {
    expect(() => stateAfter('admitting', 'answered')).toThrow("A call that is admitting can't be answered.");
    expect(() => stateAfter('answering', 'delayed')).toThrow();
  });

  it('leads from every state to the end, and from the end nowhere', () => {
    for (const state of STATES) {
      const reached = new Set<CallState>([state]);
      for (const from of reached) for (const to of Object.values(TRANSITIONS[from])) reached.add(to);
      expect(reached).toContain('over');
    }
    expect(new Set(Object.values(TRANSITIONS.over))).toEqual(new Set(['over']));
  });
});

describe('a call', () => {
  it.each(CASES)(
    '(%s) that is %s goes with “%s” where the table says, and each of its tries is settled once when it is over',
    async (kind, state, event) => {
      // A route with another target continues there when the first one is late.
      const atLastTarget = kind === 'routed' && state === 'dispatching' && event === 'delayed';
      const stage = await stageAt(state, kind, atLastTarget ? ['admitted', 'retried', 'admitted'] : WAYS[state]);
      const settledBefore = stage.settlements.length;
      await stage.happen(event);
      expect(stage.state).toBe(TRANSITIONS[state][event]);
      const isOver = stage.state === 'over';
      if (isOver) expect(stage.settledIds).toEqual(stage.admittedIds);
      expect(stage.overs).toBe(isOver ? 1 : 0);
      if (state === 'over') expect(settledBefore).toBe(1);

      // Later events change nothing of it.
      if (!isOver) return;
      const said = [...stage.said];
      for (const later of ['streamed', 'answered', 'failed', 'delayed', 'left', 'read', 'stopped'] as const)
        await stage.happen(later);
      expect(stage.settledIds).toEqual(stage.admittedIds);
      expect(stage.overs).toBe(1);
      expect(stage.said).toEqual(said);
    },
  );

  it.each<[string, readonly CallEvent[], string, Partial<Settlement>]>([
    ['is answered', ['admitted', 'answered'], 'done', { outcome: 'OK', outputTokens: 5, counted: true }],
    ['is refused', ['refused'], 'unavailable', {}],
    ['is withdrawn', ['withdrawn'], 'done', { outcome: 'CLIENT_ABORTED', counted: false, inputTokens: 0 }],
    ['fails before a word', ['admitted', 'failed'], 'upstream_failed', { outcome: 'UPSTREAM_BROKEN', counted: false }],
    ['fails within its stream', ['admitted', 'streamed', 'failed'], 'done', { outcome: 'UPSTREAM_BROKEN' }],
    [
      'is late, then answered',
      ['admitted', 'delayed', 'answered'],
      'upstream_timeout',
      { outcome: 'UPSTREAM_TIMEOUT', outputTokens: 5 },
    ],
    [
      'is late, then fails',
      ['admitted', 'delayed', 'failed'],
      'upstream_timeout',
      { outcome: 'UPSTREAM_TIMEOUT', counted: false },
    ],
    [
      'is left, then answered',
      ['admitted', 'left', 'answered'],
      'done',
      { outcome: 'CLIENT_ABORTED', outputTokens: 5 },
    ],
    [
      'is left, then late, then answered',
      ['admitted', 'left', 'delayed', 'answered'],
      'done',
      { outcome: 'CLIENT_ABORTED', outputTokens: 5 },
    ],
    [
      'is stopped while it is admitted',
      ['stopped', 'withdrawn'],
      'done',
      { outcome: 'CLIENT_ABORTED', counted: false },
    ],
    ['is stopped before a word', ['admitted', 'stopped'], 'unavailable', { outcome: 'SHUTDOWN', counted: false }],
    ['is stopped within its stream', ['admitted', 'streamed', 'stopped'], 'done', { outcome: 'SHUTDOWN' }],
  ])('that %s is answered and charged accordingly', async (_what, events, told, settled) => {
    const stage = new CallStage(HIDING);
    for (const event of events) await stage.happen(event);
    expect(stage.state).toBe('over');
    expect(stage.settlements).toMatchObject(events[0] === 'refused' ? [] : [settled]);
    // There is one place for late calls: it is free again.
    expect(stage.lateCalls.admit(stage.owner)).toBe(true);
    const ended = Promise.race([stage.run, new Promise((resolve) => setImmediate(() => resolve('waits')))]);
    // A caller who has left gets no answer: its request ends with the call.
    expect(await ended).toBe(told);
  });

  it('that is admitted while the service stops is withdrawn, and its caller gets an error', async () => {
    const stage = new CallStage(HIDING);
    stage.isStopping = true;
    await stage.happen('admitted');
    expect(await stage.run).toBe('unavailable');
    expect(stage.settlements).toMatchObject([{ outcome: 'SHUTDOWN', counted: false }]);
  });

  it('of a model that shows all its output ends with its caller, who pays for what had arrived', async () => {
    const stage = new CallStage('gpt-4o');
    for (const event of ['admitted', 'streamed'] as const) await stage.happen(event);
    stage.used = USED;
    await stage.happen('left');
    expect(stage.state).toBe('over');
    expect(stage.aborts).toBe(1);
    expect(stage.settlements).toMatchObject([{ outcome: 'CLIENT_ABORTED', outputTokens: 5 }]);
  });

  it('is not awaited where all places for late calls are taken', async () => {
    const stage = await stageAt('dispatching');
    stage.lateCalls.admit(stage.owner);
    expect(stage.call.onLate(LATE)).toBe(false);
    expect(stage.state).toBe('dispatching');
  });
});

describe('a call of a route', () => {
  it('that is late continues without that try, which is settled by its real usage, and releases everything after both', async () => {
    const stage = await stageAt('dispatching', 'routed');
    const late = stage.tryUnderWay;
    await stage.happen('delayed');
    expect(stage.state).toBe('retrying');
    for (const event of ['admitted', 'streamed', 'answered'] as const) await stage.happen(event);
    expect([stage.state, await stage.run, stage.overs]).toEqual(['over', 'done', 0]);
    const said = [...stage.said];
    late.onJson({}, Buffer.from('{}'));
    expect(stage.said).toEqual(said);
    expect(stage.settlements).toMatchObject([
      { outcome: 'OK', outputTokens: 5, counted: true },
      { outcome: 'UPSTREAM_TIMEOUT', outputTokens: 5, counted: false },
    ]);
    expect([stage.overs, stage.lateCalls.admit(stage.owner)]).toEqual([1, true]);
  });

  it('returns its last failure where the ledger admits no further try', async () => {
    const stage = await stageAt('retrying', 'routed');
    await stage.happen('refused');
    expect([stage.state, await stage.run]).toEqual(['over', 'upstream_failed']);
    expect(stage.settlements).toMatchObject([{ outcome: 'UPSTREAM_BROKEN', counted: false }]);
  });

  it('never continues once a part of an answer has reached the caller', async () => {
    const stage = await stageAt('answering', 'routed');
    stage.tryUnderWay.onFailure(LATE);
    expect([stage.state, stage.admittedIds.length, stage.retries]).toEqual(['over', 1, 0]);
  });

  it('settles each admitted try once and releases all that it holds, in any order of events', async () => {
    const happens = fc.constantFrom(...EVENTS.filter((event) => event !== 'read' && event !== 'withdrawn'));
    await fc.assert(
      fc.asyncProperty(fc.array(happens, { maxLength: 12 }), async (events) => {
        const stage = new CallStage(HIDING, 'routed');
        for (const event of events) {
          if (TRANSITIONS[stage.state][event] === undefined) continue;
          await stage.happen(event);
        }
        stage.isStopping = true;
        await stage.happen('stopped');
        if (stage.state !== 'over') await stage.happen('withdrawn');
        await stage.run;
        expect([...stage.settledIds].sort()).toEqual([...stage.admittedIds].sort());
        expect([stage.state, stage.overs, stage.lateCalls.admit(stage.owner)]).toEqual(['over', 1, true]);
      }),
      { numRuns: 300 },
    );
  });
});
