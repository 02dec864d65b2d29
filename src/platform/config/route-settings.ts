import { group, integer } from './setting-definition.js';

const routes = group('Routes').define;

/** When a route passes a target over. */
export const ROUTE_SETTINGS = {
  circuitFailures: routes(
    'GATEHOUSE_CIRCUIT_FAILURES',
    integer(1, 1_000_000),
    'Failures in a row after which routes skip a target. Each process counts for itself.',
    { fallback: '5' },
  ),
  circuitOpenMs: routes(
    'GATEHOUSE_CIRCUIT_OPEN_MS',
    integer(10, 3_600_000),
    'How long routes skip such a target, until one call tries it again.',
    { fallback: '10000' },
  ),
} as const;
