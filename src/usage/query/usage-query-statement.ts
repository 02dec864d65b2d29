import type { Group, Rank } from './usage-query.dto.js';

/** The parts of a query that decide a statement's text; values are passed as parameters. */
export interface QueryShape {
  readonly groupBy: readonly Group[];
  readonly fill: boolean;
  /** 0: all groups are named. */
  readonly top: number;
  readonly topBy: Rank;
}

/** All groups but time, with their columns, in the order of rows. */
export const TEXT_GROUPS = [
  ['MODEL', 'model'],
  ['KEY', 'key_id'],
  ['HUMAN', 'human_id'],
  ['USER', 'user_id'],
  ['PROVIDER', 'provider'],
  ['GATEWAY', 'gateway_id'],
  ['OUTCOME', 'outcome'],
] as const satisfies readonly (readonly [Group, string])[];
const COLUMNS = TEXT_GROUPS.map(([, column]) => column);

/** The summed columns, by their names in the answer. */
const SUMS = [
  ['calls', 'calls'],
  ['failed', 'failed'],
  ['requests', 'requests'],
  ['input_tokens', 'input_tokens'],
  ['output_tokens', 'output_tokens'],
  ['cost', 'cost_pico_usd'],
  ['unpriced', 'unpriced'],
  ['conversational', 'conversational'],
  ['voice', 'voice'],
  ['memory', 'memory'],
] as const;
const SUM_NAMES = SUMS.map(([name]) => name);

const RANKS: Readonly<Record<Rank, string>> = {
  COST: 'sum(g.cost)',
  TOKENS: 'sum(g.input_tokens + g.output_tokens)',
  REQUESTS: 'sum(g.requests)',
};

/** Shorter than the shortest hour or day of any time zone, so that no bucket is skipped. */
const STEPS = { hour: '30 minutes', day: '12 hours' } as const;

/** The places of the values: those of every statement, then where its page begins, then how many rows it has. */
const VALUES = {
  tenant: '$1',
  from: '$2::timestamptz',
  before: '$3::timestamptz',
  zone: '$4::text',
  human: '$5::text',
  key: '$6::text',
  user: '$7::text',
  model: '$8::text',
  provider: '$9::text',
  gateway: '$10::text',
  outcome: '$11::text',
  top: '$12::integer',
  afterBucket: '$13::timestamptz',
  afterOther: '$14::boolean',
} as const;
const FIRST_AFTER_COLUMN = 15;
const TAKE = `$${FIRST_AFTER_COLUMN + COLUMNS.length}::integer`;
const AFTER_COLUMNS = COLUMNS.map((_, index) => `$${FIRST_AFTER_COLUMN + index}::text`);

const equal = (column: string, value: string): string => `(${value} IS NULL OR ${column} = ${value})`;
const list = (parts: readonly string[]): string => parts.join(', ');
const columnsOf = (alias: string): string => list(COLUMNS.map((column) => `${alias}.${column}`));

/** The tenant, the time and the filters of a query. */
const asked = (alias: string, time: string): string => {
  const v = VALUES;
  return `${alias}.tenant_id = ${v.tenant} AND ${alias}.${time} >= ${v.from} AND ${alias}.${time} < ${v.before}
        AND ${equal(`${alias}.human_id`, v.human)} AND ${equal(`${alias}.key_id`, v.key)}
        AND ${equal(`${alias}.user_id`, v.user)} AND ${equal(`${alias}.model`, v.model)}
        AND ${equal(`${alias}.provider`, v.provider)} AND ${equal(`${alias}.gateway_id`, v.gateway)}
        AND ${equal(`${alias}.outcome`, v.outcome)}`;
};

const callsOf = (from: string): string => `
      SELECT r.created_at, r.model, r.key_id, r.human_id, r.user_id, r.provider, r.gateway_id, r.outcome,
             (r.kind = 'CALL')::integer AS calls,
             (r.kind = 'CALL' AND r.outcome IS DISTINCT FROM 'OK')::integer AS failed,
             r.requests, r.input_tokens, r.output_tokens, r.cost_pico_usd,
             CASE WHEN r.cost_pico_usd IS NULL THEN r.requests END AS unpriced,
             NULL::bigint AS conversational, NULL::bigint AS voice, NULL::bigint AS memory
      ${from}
      WHERE ${asked('r', 'created_at')} AND r.state <> 'RESERVED'`;

/**
 * The ledger's rows and the reports, each with the sums that it adds to. A dropped month has its kept sums in place of its
 * rows; a month that still exists has its rows.
 */
function lines(): string {
  const v = VALUES;
  return `lines AS (${callsOf('FROM usage_records r')}
      UNION ALL ${callsOf('FROM usage_records_retired r')}
      UNION ALL
      SELECT s.bucket, s.model, s.key_id, s.human_id, s.user_id, s.provider, s.gateway_id, s.outcome, s.calls, s.failed, s.requests,
             s.input_tokens, s.output_tokens, s.cost_pico_usd, s.unpriced, s.conversational, s.voice, s.memory
      FROM usage_rollups s
      WHERE ${asked('s', 'bucket')}
        AND (s.month IS NULL OR s.month = ANY ((SELECT dropped_usage_months())::date[]))
      UNION ALL
      SELECT u.created_at, NULL, u.key_id, u.human_id, u.user_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             CASE WHEN u.type = 'conversational_seconds' THEN u.micro_units END,
             CASE WHEN u.type = 'voice_synthesis_seconds' THEN u.micro_units END,
             CASE WHEN u.type = 'memory_message_cnt' THEN u.micro_units END
      FROM usage_reports u
      WHERE u.tenant_id = ${v.tenant} AND u.created_at >= ${v.from} AND u.created_at < ${v.before}
        AND ${equal('u.human_id', v.human)} AND ${equal('u.key_id', v.key)} AND ${equal('u.user_id', v.user)}
        AND coalesce(${v.model}, ${v.provider}, ${v.gateway}, ${v.outcome}) IS NULL
    )`;
}

/**
 * The sums of a time of the ledger by group, the latest hour or day first. A group that is not asked for has the same value in
 * all rows, so that the order and the page's beginning use the same columns in every query.
 */
function groupsStatement({ groupBy, fill, top, topBy }: QueryShape): string {
  const unit = groupBy.includes('HOUR') ? 'hour' : groupBy.includes('DAY') ? 'day' : null;
  const bucketOf = (time: string): string =>
    unit === null ? "'epoch'::timestamptz" : `date_trunc('${unit}', ${time}, ${VALUES.zone})`;
  const named = TEXT_GROUPS.map(
    ([group, column]) => `${groupBy.includes(group) ? `coalesce(l.${column}, '')` : "''"} COLLATE "C" AS ${column}`,
  );
  const parts = [
    // Postgres refuses a parameter that no part of a statement uses, since it has no type.
    `asked AS (SELECT ${VALUES.zone} AS zone, ${VALUES.top} AS top)`,
    lines(),
    `grouped AS MATERIALIZED (
      SELECT ${bucketOf('l.created_at')} AS bucket, false AS other, ${list(named)},
             ${list(SUMS.map(([name, column]) => `coalesce(sum(l.${column}), 0) AS ${name}`))}
      FROM lines l GROUP BY 1, ${list(COLUMNS.map((_, index) => String(index + 3)))})`,
  ];
  let last = 'grouped';
  if (top > 0) {
    parts.push(
      `ranked AS (
        SELECT ${columnsOf('g')}, row_number() OVER (ORDER BY ${RANKS[topBy]} DESC, ${columnsOf('g')}) > ${VALUES.top} AS rest
        FROM grouped g GROUP BY ${columnsOf('g')})`,
      `topped AS MATERIALIZED (
        SELECT g.bucket, r.rest AS other,
               ${list(COLUMNS.map((column) => `CASE WHEN r.rest THEN '' ELSE g.${column} END COLLATE "C" AS ${column}`))},
               ${list(SUM_NAMES.map((name) => `sum(g.${name}) AS ${name}`))}
        FROM grouped g JOIN ranked r ON (${columnsOf('r')}) = (${columnsOf('g')})
        GROUP BY 1, 2, ${list(COLUMNS.map((_, index) => String(index + 3)))})`,
    );
    last = 'topped';
  }
  if (fill && unit !== null) {
    parts.push(
      `buckets AS (
        SELECT DISTINCT ${bucketOf('t.at')} AS bucket
        FROM (SELECT generate_series(${VALUES.from}, ${VALUES.before}, '${STEPS[unit]}') AS at
              UNION SELECT ${VALUES.before} - interval '1 microsecond') AS t WHERE t.at < ${VALUES.before})`,
      `filled AS MATERIALIZED (
        SELECT b.bucket, k.other, ${columnsOf('k')}, ${list(SUM_NAMES.map((name) => `coalesce(g.${name}, 0) AS ${name}`))}
        FROM buckets b CROSS JOIN (SELECT DISTINCT g.other, ${columnsOf('g')} FROM ${last} g) AS k
        LEFT JOIN ${last} g ON (g.bucket, g.other, ${columnsOf('g')}) = (b.bucket, k.other, ${columnsOf('k')}))`,
    );
    last = 'filled';
  }
  return `${parts.join(',\n    ')},
    groups AS (SELECT * FROM ${last}),
    rest AS (
      SELECT g.* FROM groups g
      WHERE g.bucket < ${VALUES.afterBucket}
         OR g.bucket = ${VALUES.afterBucket}
            AND (g.other, ${columnsOf('g')}) > (${VALUES.afterOther}, ${list(AFTER_COLUMNS)}))`;
}

const orderOf = (alias: string): string => `${alias}.bucket DESC, ${alias}.other, ${columnsOf(alias)}`;
const sumsOf = (alias: string): string => list(SUM_NAMES.map((name) => `${alias}.${name}::text`));

/** A row with the current names of its ids. */
const ROW = `p.bucket, p.other, ${columnsOf('p')}, h.human, k.name AS key_name, w.name AS gateway_name, ${sumsOf('p')}`;
const NAMES = `LEFT JOIN humans h ON h.tenant_id = ${VALUES.tenant} AND h.id = p.human_id
    LEFT JOIN api_keys k ON k.tenant_id = ${VALUES.tenant} AND k.id = p.key_id
    LEFT JOIN gateways w ON w.tenant_id = ${VALUES.tenant} AND w.id = p.gateway_id`;

/** A page, with the totals in each row; an empty page is one row with the totals alone. */
export function pageStatement(shape: QueryShape): string {
  return `WITH ${groupsStatement(shape)}, page AS (SELECT * FROM rest p ORDER BY ${orderOf('p')} LIMIT ${TAKE}),
    totals AS (SELECT ${list(SUM_NAMES.map((name) => `coalesce(sum(g.${name}), 0) AS ${name}`))} FROM groups g)
    SELECT ${ROW}, ${list(SUM_NAMES.map((name) => `t.${name}::text AS total_${name}`))}
    FROM totals t LEFT JOIN page p ON true ${NAMES}
    ORDER BY ${orderOf('p')}`;
}

/**
 * Runs before a cursor, whose snapshot is older than its plan: a month that is dropped between the two would
 * have neither rows nor sums.
 */
export const HOLD_MONTHS = 'LOCK TABLE usage_records, usage_records_retired IN ACCESS SHARE MODE';

/** A cursor over all rows, to fetch them a few at a time. */
export function cursorStatement(shape: QueryShape): string {
  return `DECLARE usage_rows NO SCROLL CURSOR FOR WITH ${groupsStatement(shape)}
    SELECT ${ROW} FROM rest p ${NAMES} ORDER BY ${orderOf('p')}`;
}
