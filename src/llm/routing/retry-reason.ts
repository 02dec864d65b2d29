import { Fault } from '../../platform/errors/index.js';
import type { ProviderFailure } from '../providers/provider.js';

/**
 * Failures after which another try may help:
 * - `RATE_LIMIT`: 429
 * - `SERVER_ERROR`: a status from 500 on, or an answer that broke off or can't be read
 * - `TIMEOUT`: the answer did not begin in time, or 408
 * - `CONNECT_ERROR`: no connection
 * - `CREDENTIAL`: the provider refused our credential; another target may take its own
 */
export const RETRY_REASONS = ['RATE_LIMIT', 'SERVER_ERROR', 'TIMEOUT', 'CONNECT_ERROR', 'CREDENTIAL'] as const;
export type RetryReason = (typeof RETRY_REASONS)[number];

/** Null: the failure is of the request, or ours, so that no other try would end otherwise. */
export function reasonOf({ outcome, error }: ProviderFailure): RetryReason | null {
  if (error instanceof Fault) {
    if (outcome === 'UPSTREAM_TIMEOUT') return 'TIMEOUT';
    if (outcome === 'UPSTREAM_BROKEN') return 'SERVER_ERROR';
    if (error.code === 'upstream_unreachable') return 'CONNECT_ERROR';
    if (error.code === 'provider_authentication_failed') return 'CREDENTIAL';
    return null;
  }
  if (error.status === 429) return 'RATE_LIMIT';
  if (error.status === 408) return 'TIMEOUT';
  return error.status >= 500 ? 'SERVER_ERROR' : null;
}

/** How long the provider asked to be left alone; 0: it did not ask. In `Retry-After` stand seconds, or a date. */
export function retryAfterMsOf({ error }: ProviderFailure, now: number): number {
  if (error instanceof Fault) return (error.retryAfterSeconds ?? 0) * 1000;
  const said = error.headers['retry-after']?.trim() ?? '';
  if (/^\d+(?:\.\d+)?$/.test(said)) return Number(said) * 1000;
  const at = Date.parse(said);
  return Number.isNaN(at) ? 0 : Math.max(0, at - now);
}
