import { z } from 'zod';
import { boolean, enumeration, integer, text, timeZone, timestamp } from '../../platform/protojson/index.js';

/** 0, the default of the wire format, is not a group. */
const GROUP_NUMBERS = {
  HUMAN: 1,
  KEY: 2,
  MODEL: 3,
  HOUR: 4,
  DAY: 5,
  USER: 6,
  PROVIDER: 7,
  GATEWAY: 8,
  OUTCOME: 9,
} as const;
export type Group = keyof typeof GROUP_NUMBERS;
const GROUPS = Object.keys(GROUP_NUMBERS) as [Group, ...Group[]];
const RANKS = ['COST', 'TOKENS', 'REQUESTS'] as const;
export type Rank = (typeof RANKS)[number];
const MAX_TOP = 100;

const group = enumeration(GROUPS, GROUP_NUMBERS);
export const isByTime = (groupBy: readonly Group[]): boolean => groupBy.includes('HOUR') || groupBy.includes('DAY');

export const queryUsageRequest = z
  .strictObject({
    startTime: timestamp
      .optional()
      .meta({ format: 'date-time', description: 'From then on. Absent: 30 days before the end.' }),
    endTime: timestamp.optional().meta({ format: 'date-time', description: 'Before then. Absent: now.' }),
    groupBy: z
      .array(group, 'must be a list of groups')
      .max(GROUPS.length)
      .refine((groups) => new Set(groups).size === groups.length, 'names a group twice')
      .refine((groups) => !(groups.includes('HOUR') && groups.includes('DAY')), 'takes HOUR or DAY, not both')
      .default([])
      .meta({
        description:
          'Any of HUMAN, KEY, USER, MODEL, PROVIDER, GATEWAY, OUTCOME, and HOUR or DAY. None: one row for everything.',
      }),
    timeZone: timeZone
      .default('')
      .meta({ description: 'IANA name of the zone in which hours and days begin. Absent: UTC.' }),
    fill: boolean.default(false).meta({
      description: 'true: a row for each hour or day of each group, also where nothing was used. Needs HOUR or DAY.',
    }),
    top: integer(0, MAX_TOP).default(0).meta({
      description:
        'The number of groups to name, those with the most of `topBy` in the whole time. All others are one row, with `other`. 0: all are named.',
    }),
    topBy: enumeration(RANKS).default('COST').meta({ description: 'What `top` goes by.' }),
    human: text(0, 256).default('').meta({ description: 'Of this human alone.' }),
    keyId: text(0, 64).default('').meta({ description: 'Of this API key alone.' }),
    userId: text(0, 128).default('').meta({ description: 'Of this dashboard user alone.' }),
    model: text(0, 256).default('').meta({ description: 'Of this model alone.' }),
    provider: text(0, 128).default('').meta({ description: 'Of this provider alone.' }),
    gatewayId: text(0, 64).default('').meta({ description: 'Of this gateway alone.' }),
    outcome: text(0, 64)
      .default('')
      .meta({ description: 'Of calls alone that ended so: `OK`, `UPSTREAM_ERROR` and others.' }),
    format: enumeration(['JSON', 'CSV']).default('JSON').meta({ description: 'CSV is whole, and has no pages.' }),
    pageSize: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
    pageToken: text(0, 4096).default(''),
  })
  .refine(({ fill, groupBy }) => !fill || isByTime(groupBy), {
    path: ['fill'],
    message: 'needs HOUR or DAY in groupBy',
  });
export type QueryUsageRequest = z.output<typeof queryUsageRequest>;

const whole = z.string().meta({ format: 'int64' });
const decimal = z.string().meta({ description: 'An exact decimal.' });

export const measures = {
  callCnt: whole.meta({ format: 'int64', description: 'Calls that are over, failed ones too.' }),
  failedCallCnt: whole.meta({ format: 'int64', description: 'Of these: that ended with another outcome than `OK`.' }),
  requestCnt: whole.meta({ format: 'int64', description: 'Calls that are charged.' }),
  tokenCnt: whole.meta({ format: 'int64', description: 'Input and output.' }),
  inputTokens: whole,
  outputTokens: whole,
  costMicros: decimal.meta({ description: 'Millionths of a dollar, an exact decimal; of what has a price.' }),
  unpricedRequestCnt: whole.meta({
    format: 'int64',
    description: 'Of these no price is known: costMicros lacks them.',
  }),
  conversationalSeconds: decimal,
  voiceSynthesisSeconds: decimal,
  memoryMessageCnt: decimal,
};
export type Measures = Readonly<Record<keyof typeof measures, string>>;

const usageRowView = z
  .object({
    startTime: z.string().optional().meta({ format: 'date-time', description: 'Of HOUR and DAY: when it begins.' }),
    other: z.boolean().optional().meta({ description: 'true: all groups that `top` leaves unnamed.' }),
    model: z.string().optional().meta({ description: 'Absent: reported usage, which has none.' }),
    keyId: z.string().optional().meta({ description: 'Absent: used by somebody at the dashboard.' }),
    keyName: z.string().optional().meta({ description: 'Absent: the key is gone.' }),
    humanId: z.string().optional().meta({ description: 'Absent: not charged to a human.' }),
    human: z.string().optional().meta({ description: 'Absent: erased.' }),
    userId: z.string().optional().meta({ description: 'Absent: not called by a dashboard user.' }),
    provider: z.string().optional().meta({ description: 'Absent: reported usage, which has none.' }),
    gatewayId: z.string().optional().meta({ description: 'Absent: not called by a gateway.' }),
    gatewayName: z.string().optional().meta({ description: 'Absent: the gateway is gone.' }),
    outcome: z.string().optional().meta({ description: 'Absent: reported usage, which has none.' }),
    ...measures,
  })
  .meta({ 'x-name': 'UsageRow' });
export type UsageRowView = z.output<typeof usageRowView>;

export const queryUsageResponse = z.object({
  startTime: z.string().meta({ format: 'date-time' }),
  endTime: z.string().meta({ format: 'date-time' }),
  rows: z.array(usageRowView),
  totals: z.object(measures).meta({ description: 'Of the whole query, whichever page this is.' }),
  nextPageToken: z.string(),
});
