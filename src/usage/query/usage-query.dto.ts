import { z } from 'zod';
import { enumeration, integer, text, timestamp } from '../../platform/protojson/index.js';

const GROUPS = ['HUMAN', 'KEY', 'MODEL', 'HOUR', 'DAY'] as const;
export type Group = (typeof GROUPS)[number];

/** 0, the default of the wire format, is no group. */
const group = enumeration(GROUPS, { HUMAN: 1, KEY: 2, MODEL: 3, HOUR: 4, DAY: 5 });

export const queryUsageRequest = z.strictObject({
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
    .meta({ description: 'Any of HUMAN, KEY, MODEL, and HOUR or DAY (UTC). None: one row for everything.' }),
  human: text(0, 256).default('').meta({ description: 'Of this human alone.' }),
  keyId: text(0, 64).default('').meta({ description: 'Of this API key alone.' }),
  model: text(0, 256).default('').meta({ description: 'Of this model alone.' }),
  format: enumeration(['JSON', 'CSV']).default('JSON').meta({ description: 'CSV is whole, and has no pages.' }),
  pageSize: integer(0, 500).default(0).meta({ description: '1 to 500; 0: 50.' }),
  pageToken: text(0, 4096).default(''),
});
export type QueryUsageRequest = z.output<typeof queryUsageRequest>;

const whole = z.string().meta({ format: 'int64' });
const decimal = z.string().meta({ description: 'An exact decimal.' });

export const measures = {
  requestCnt: whole,
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
    model: z.string().optional().meta({ description: 'Absent: reported usage, which has none.' }),
    keyId: z.string().optional().meta({ description: 'Absent: used by somebody at the dashboard.' }),
    humanId: z.string().optional().meta({ description: 'Absent: not charged to a human.' }),
    human: z.string().optional().meta({ description: 'Absent: erased.' }),
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
