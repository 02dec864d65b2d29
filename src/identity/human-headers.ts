import type { IncomingMessage } from 'node:http';
import { Fault, invalidField } from '../platform/errors/index.js';
import type { Principal } from './principal.js';

const ON_BEHALF_OF = 'x-on-behalf-of';
const HUMAN_ID = 'x-human-id';
const TENANT = 'x-gatehouse-tenant';
const ENCODING = 'x-human-id-encoding';
const MAX_CHARACTERS = 256;
const NOT_ASCII = /[\u0080-\u00ff]/;

/**
 * Whom the caller says the request is for. Such a header is never ignored: else a caller would believe that a human was
 * charged, or acted for, although the header went unread. Ids are compared byte for byte.
 * @returns the principal itself, or the one that acts for that human
 * @throws Fault permission_denied: this principal may not name a human; invalid_input: the header names none; conflict: the
 * caller is in another tenant than the header says
 */
export function actingFor(principal: Principal, request: IncomingMessage): Principal {
  const { headers } = request;
  assertInTenant(principal, headers[TENANT]);
  if (headers[ON_BEHALF_OF] === undefined && headers[HUMAN_ID] === undefined) return principal;
  if (headers[ON_BEHALF_OF] !== undefined) {
    if (principal.kind !== 'secretKey' || !principal.scopes.has('users:impersonate')) {
      throw new Fault('permission_denied', `${ON_BEHALF_OF}: needs a secret key with the scope users:impersonate.`);
    }
    const human = humanOf(request, ON_BEHALF_OF);
    if (headers[HUMAN_ID] !== undefined && humanOf(request, HUMAN_ID) !== human) {
      throw invalidField(HUMAN_ID, `must be the same as ${ON_BEHALF_OF}`);
    }
    const { tenantId, keyId, scopes, requestsPerMinute } = principal;
    return Object.freeze({ kind: 'impersonation', tenantId, keyId, scopes, requestsPerMinute, human });
  }
  switch (principal.kind) {
    case 'secretKey':
      return Object.freeze({ ...principal, human: humanOf(request, HUMAN_ID) });
    case 'endUser':
    case 'usageToken':
      if (humanOf(request, HUMAN_ID) === principal.human) return principal;
      throw new Fault('permission_denied', `${HUMAN_ID}: must be the human of the token, or be left out.`);
    default:
      throw new Fault('permission_denied', `${HUMAN_ID}: needs a secret key; leave it out with any other credential.`);
  }
}

/**
 * A user's tenant can change between two requests, by a switch elsewhere. A page that says which tenant it shows changes nothing
 * in another one. A user without a tenant can do nothing in any, and is refused by the routes.
 */
function assertInTenant(principal: Principal, named: string | string[] | undefined): void {
  if (named === undefined || principal.kind === 'account' || principal.tenantId === named) return;
  const reason =
    'is not the tenant of your credential, or no longer: ask /api/v1/me/get for it, or leave the header out';
  throw new Fault('conflict', `${TENANT}: ${reason}`, { fields: [{ field: TENANT, reason }] });
}

/** A human's id as a header carries it: UTF-8 bytes, or percent-encoded where `x-human-id-encoding` says so. */
function humanOf(request: IncomingMessage, name: string): string {
  const raw = request.rawHeaders.filter((header, index) => index % 2 === 0 && header.toLowerCase() === name);
  if (raw.length > 1) throw invalidField(name, 'is sent twice');
  const human = decode(request, name, String(request.headers[name]));
  if (human.trim() === '') throw invalidField(name, 'is blank');
  if (human.includes('\0')) throw invalidField(name, 'must not contain U+0000');
  if ([...human].length > MAX_CHARACTERS) throw invalidField(name, `must have 1 to ${MAX_CHARACTERS} characters`);
  return human;
}

function decode(request: IncomingMessage, name: string, value: string): string {
  const encoding = request.headers[ENCODING];
  if (encoding !== undefined && encoding !== 'percent') throw invalidField(ENCODING, 'must be percent, or absent');
  // Bytes beside percent codes would be read as Latin-1: another human's id.
  if (encoding === 'percent' && NOT_ASCII.test(value)) throw invalidField(name, 'is not percent-encoded throughout');
  try {
    if (encoding === 'percent') return decodeURIComponent(value);
    // Node reads a header's bytes as Latin-1.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    throw invalidField(name, encoding === 'percent' ? 'is not percent-encoded UTF-8' : 'is not UTF-8');
  }
}
