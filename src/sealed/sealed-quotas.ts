import { Inject, Injectable } from '@nestjs/common';
import { refusedCredential, type AnonymousPrincipal, type SealedTokenPrincipal } from '../identity/index.js';
import { SETTINGS_TOKEN, type QuotaLimits, type Settings } from '../platform/config/index.js';
import { PepperRing } from '../platform/crypto/index.js';
import { Database, GroupCommit } from '../platform/database/index.js';
import { Fault } from '../platform/errors/index.js';
import { sourceOf } from '../platform/http/index.js';
import { Jobs } from '../platform/jobs/index.js';
import { SealedTokenDirectory } from './sealed-token.directory.js';

const TAKE = {
  name: 'take_sealed_quotas',
  text: 'SELECT * FROM take_sealed_quotas($1, $2, $3, $4, $5)',
};
const PRUNE = { name: 'prune_sealed_quotas', text: 'SELECT prune_sealed_quotas()' };
const PRUNE_EVERY_MS = 10 * 60_000;

interface QuotaRow {
  readonly holder: string;
  readonly limits: QuotaLimits;
}

/** A request, and the rows that judge it: at most four, in the order in which refusals name them. */
interface Wanted {
  readonly tenantId: string;
  readonly rows: readonly QuotaRow[];
}

interface Judged {
  readonly isGranted: boolean;
  /** The place of the refusing limit, from 1. */
  readonly blamed: number;
  readonly resetsInMs: number;
}

interface TakenRow extends Record<string, unknown> {
  readonly granted: readonly number[];
  readonly blamed: readonly (number | null)[] | null;
  readonly resets_in_ms: readonly (string | null)[] | null;
}

const ROWS = 4;
const NO_LIMITS: QuotaLimits = [0, 0, 0];
const PERIODS = ['minute', 'hour', 'day'];

/**
 * Counts requests by sealed access tokens, and by callers without one, in Postgres: exact over all replicas, and kept
 * over a restart. A request must pass all its limits, and counts against all or none of them. Requests that come together
 * are counted by one statement.
 */
@Injectable()
export class SealedQuotas {
  private readonly takes: GroupCommit<Wanted, Judged>;

  constructor(
    private readonly database: Database,
    private readonly directory: SealedTokenDirectory,
    private readonly peppers: PepperRing,
    @Inject(SETTINGS_TOKEN)
    private readonly settings: Pick<
      Settings,
      'sealedGlobalQuota' | 'sealedClientQuota' | 'anonymousGlobalQuota' | 'anonymousClientQuota'
    >,
    jobs: Jobs,
  ) {
    this.takes = new GroupCommit({
      what: 'The quotas of access tokens',
      maxItems: 500,
      waitMs: 3000,
      run: (items) => this.takeTogether(items),
    });
    jobs.repeat({
      failure: 'Old quotas of access tokens could not be pruned.',
      everyMs: PRUNE_EVERY_MS,
      run: () => database.callAside(PRUNE, []),
    });
  }

  /** @throws Fault rate_limited: names the first limit that is reached; unauthenticated: the tenant is gone; unavailable */
  async take(principal: SealedTokenPrincipal | AnonymousPrincipal, address: string): Promise<void> {
    const { isGranted, blamed, resetsInMs } = await this.takes.add(this.wanted(principal, address));
    if (isGranted) return;
    if (blamed === 0) throw refusedCredential('gone_meanwhile');
    const row = Math.floor((blamed - 1) / 3);
    const layer = row < 2 ? 'API request quota exceeded' : 'Request quota exceeded';
    const whose = row % 2 === 0 ? 'global' : 'client';
    throw new Fault(
      'rate_limited',
      `${layer}: ${whose} requests per ${PERIODS[(blamed - 1) % 3] ?? ''} limit exceeded`,
      { retryAfterSeconds: resetsInMs / 1000 },
    );
  }

  private wanted(principal: SealedTokenPrincipal | AnonymousPrincipal, address: string): Wanted {
    const { settings } = this;
    const { tenantId } = principal;
    const client = this.peppers.hash(`sealed-client\0${sourceOf(address)}`).toString('base64url');
    if (principal.kind === 'anonymous') {
      return {
        tenantId,
        rows: [
          { holder: 'anonymous', limits: settings.anonymousGlobalQuota },
          { holder: `anonymous@${client}`, limits: settings.anonymousClientQuota },
        ],
      };
    }
    const { quotas } = this.directory.openedBy(principal);
    const token = `token:${principal.tokenId}`;
    return {
      tenantId,
      rows: [
        { holder: 'api', limits: settings.sealedGlobalQuota },
        { holder: `api@${client}`, limits: settings.sealedClientQuota },
        { holder: token, limits: quotas?.global ?? settings.sealedGlobalQuota },
        { holder: `${token}@${client}`, limits: quotas?.client ?? settings.sealedClientQuota },
      ],
    };
  }

  private async takeTogether(items: readonly Wanted[]): Promise<readonly Judged[]> {
    const groups = new Map<string, { readonly wanted: Wanted; count: number }>();
    const keys = items.map((wanted) => {
      // The last row's holder determines the other rows, and a token's limits never change.
      const key = `${wanted.tenantId} ${wanted.rows.at(-1)?.holder ?? ''}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { wanted, count: 1 });
      else group.count += 1;
      return key;
    });
    const judged = await this.judge([...groups.values()]);
    const byKey = new Map([...groups.keys()].map((key, at) => [key, { ...(judged[at] as Verdict), passed: 0 }]));
    return keys.map((key) => {
      const verdict = byKey.get(key);
      if (verdict === undefined) throw new TypeError('The quotas did not answer for a request.');
      const isGranted = verdict.passed < verdict.granted;
      if (isGranted) verdict.passed += 1;
      return { isGranted, blamed: verdict.blamed, resetsInMs: verdict.resetsInMs };
    });
  }

  private async judge(groups: readonly { readonly wanted: Wanted; readonly count: number }[]): Promise<Verdict[]> {
    const named = new Map<string, { readonly tenantId: string; readonly holder: string }>();
    for (const { wanted } of groups)
      for (const { holder } of wanted.rows)
        named.set(`${wanted.tenantId} ${holder}`, { tenantId: wanted.tenantId, holder });
    // All batches of all replicas lock rows in this order, so that they can't deadlock.
    const names = [...named.keys()].sort((one, other) => (one < other ? -1 : 1));
    const places = new Map(names.map((name, at) => [name, at + 1]));
    const rows = names.map((name) => named.get(name));
    const [taken] = await this.database.call<TakenRow>(TAKE, [
      rows.map((row) => row?.tenantId),
      rows.map((row) => row?.holder),
      groups.map(({ count }) => count),
      groups.flatMap(({ wanted }) => rowPlaces(wanted, places)),
      groups.flatMap(({ wanted }) =>
        Array.from({ length: ROWS }, (_, at) => wanted.rows[at]?.limits ?? NO_LIMITS).flat(),
      ),
    ]);
    if (taken === undefined) throw new TypeError('The quotas did not answer.');
    return groups.map((_, at) => ({
      granted: taken.granted[at] ?? 0,
      blamed: taken.blamed?.[at] ?? 0,
      resetsInMs: Number(taken.resets_in_ms?.[at] ?? 1000),
    }));
  }
}

interface Verdict {
  /** How many of the group's requests pass. */
  readonly granted: number;
  readonly blamed: number;
  readonly resetsInMs: number;
}

function rowPlaces({ tenantId, rows }: Wanted, places: ReadonlyMap<string, number>): number[] {
  return Array.from({ length: ROWS }, (_, at) => {
    const row = rows[at];
    return row === undefined ? 0 : (places.get(`${tenantId} ${row.holder}`) ?? 0);
  });
}
