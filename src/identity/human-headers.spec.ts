import type { IncomingMessage } from 'node:http';
import { Fault } from '../platform/errors/index.js';
import { actingFor } from './human-headers.js';
import type {
  AccountPrincipal,
  DashboardUserPrincipal,
  EndUserPrincipal,
  Principal,
  SecretKeyPrincipal,
  UsageTokenPrincipal,
} from './principal.js';
import type { Scope } from './scope.js';

const ON_BEHALF_OF = 'X-On-Behalf-Of';
const HUMAN_ID = 'x-human-id';
const PERCENT = ['x-human-id-encoding', 'percent'] as const;

const secretKey = (...scopes: Scope[]): SecretKeyPrincipal => ({
  kind: 'secretKey',
  tenantId: 'acme-1',
  keyId: 'key_1',
  scopes: new Set(scopes),
  requestsPerMinute: 1000,
  human: null,
});
const KEY = secretKey('chat:write', 'users:impersonate');
const BARE_KEY = secretKey('chat:write');
const END_USER: EndUserPrincipal = {
  kind: 'endUser',
  tenantId: 'acme-1',
  keyId: 'key_2',
  scopes: new Set<Scope>(['chat:write']),
  requestsPerMinute: 1000,
  requestsPerMinutePerHuman: 60,
  human: 'bea',
  origin: null,
};
const USAGE_TOKEN: UsageTokenPrincipal = {
  kind: 'usageToken',
  tenantId: 'acme-1',
  tokenId: 'ut_1',
  keyId: 'key_1',
  scopes: new Set<Scope>(['chat:write']),
  requestsPerMinutePerHuman: 60,
  human: 'bea',
};
const DASHBOARD_USER: DashboardUserPrincipal = {
  kind: 'dashboardUser',
  tenantId: 'acme-1',
  userId: 'owner',
  role: 'owner',
  email: null,
  emailVerified: false,
};
const ACCOUNT: AccountPrincipal = {
  kind: 'account',
  userId: 'nobody',
  email: null,
  emailVerified: false,
  claimsTenant: false,
};
const OTHERS: readonly Principal[] = [END_USER, USAGE_TOKEN, DASHBOARD_USER, ACCOUNT];

/** A text's UTF-8 bytes as Node's parser returns them, which reads them as Latin-1. */
const bytes = (text: string): string => Buffer.from(text).toString('latin1');

/** A request's headers as Node passes them on, which joins the values of a repeated header. */
function request(...headers: (readonly [name: string, value: string])[]): IncomingMessage {
  const joined: Record<string, string> = {};
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    joined[key] = joined[key] === undefined ? value : `${joined[key]}, ${value}`;
  }
  return { headers: joined, rawHeaders: headers.flat() } as unknown as IncomingMessage;
}

const acting = (principal: Principal, ...headers: (readonly [string, string])[]): Principal =>
  actingFor(principal, request(...headers));

function refusal(
  principal: Principal,
  ...headers: (readonly [string, string])[]
): { status: number; fields: string[] } {
  try {
    acting(principal, ...headers);
  } catch (error) {
    if (error instanceof Fault) return { status: error.status, fields: error.fields.map(({ field }) => field) };
    throw error;
  }
  throw new Error('It was not refused.');
}

const humanNamed = (...headers: (readonly [string, string])[]): string => {
  const principal = acting(KEY, ...headers);
  if (principal.kind !== 'impersonation' && principal.kind !== 'secretKey') throw new Error(principal.kind);
  return String(principal.human);
};

it('a request without such a header keeps its principal, of any kind', () => {
  for (const principal of [KEY, ...OTHERS]) expect(acting(principal, ['accept', '*/*'])).toBe(principal);
});

describe('x-gatehouse-tenant', () => {
  const TENANT = 'x-gatehouse-tenant';

  it('is 409 for a credential of another tenant, of any kind', () => {
    for (const principal of [KEY, END_USER, USAGE_TOKEN, DASHBOARD_USER]) {
      expect(acting(principal, [TENANT, 'acme-1'])).toBe(principal);
      for (const other of ['acme-2', 'ACME-1', '', 'acme-1, acme-2'])
        expect(refusal(principal, [TENANT, other])).toEqual({ status: 409, fields: [TENANT] });
    }
  });

  it('lets a user without a tenant use the routes that need none', () => {
    expect(acting(ACCOUNT, [TENANT, 'acme-1'])).toBe(ACCOUNT);
  });
});

describe('X-On-Behalf-Of', () => {
  it('makes a key with the scope act as that human, with the key’s own rights and window, and changes nothing else', () => {
    const principal = acting(KEY, [ON_BEHALF_OF, 'ann']);
    const { tenantId, keyId, scopes, requestsPerMinute } = KEY;
    expect(principal).toEqual({ kind: 'impersonation', tenantId, keyId, scopes, requestsPerMinute, human: 'ann' });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it('is 403 from a principal that may not act for others, and never ignored, whatever its value', () => {
    for (const principal of [BARE_KEY, secretKey(), ...OTHERS]) {
      for (const value of ['ann', '', ' ', '\0', 'x'.repeat(300), bytes('ü'), '\xff']) {
        expect(refusal(principal, [ON_BEHALF_OF, value]).status).toBe(403);
        expect(refusal(principal, [ON_BEHALF_OF, value], [ON_BEHALF_OF, 'bea'], [HUMAN_ID, 'bea']).status).toBe(403);
      }
    }
    // Not even for the caller's own name.
    for (const human of [END_USER, USAGE_TOKEN]) expect(refusal(human, [ON_BEHALF_OF, 'bea']).status).toBe(403);
  });

  it('may accompany the same x-human-id, and no other', () => {
    expect(acting(KEY, [ON_BEHALF_OF, 'ann'], [HUMAN_ID, 'ann'])).toMatchObject({
      kind: 'impersonation',
      human: 'ann',
    });
    for (const other of ['bea', 'Ann', 'ann2', 'an']) {
      expect(refusal(KEY, [ON_BEHALF_OF, 'ann'], [HUMAN_ID, other])).toEqual({ status: 400, fields: [HUMAN_ID] });
    }
    expect(refusal(KEY, [ON_BEHALF_OF, 'ann'], [HUMAN_ID, ' ']).status).toBe(400);
  });
});

describe('x-human-id', () => {
  it('of a key names the human to charge; it needs no scope, and the key keeps its identity', () => {
    const principal = acting(BARE_KEY, [HUMAN_ID, 'ann']);
    expect(principal).toEqual({ ...BARE_KEY, human: 'ann' });
    expect(Object.isFrozen(principal)).toBe(true);
  });

  it('of an end user must be the user’s own, or it is 403', () => {
    for (const human of [END_USER, USAGE_TOKEN]) {
      expect(acting(human, [HUMAN_ID, 'bea'])).toBe(human);
      for (const other of ['ann', 'Bea', 'bea2']) expect(refusal(human, [HUMAN_ID, other]).status).toBe(403);
    }
  });

  it('of a person at the dashboard is 403', () => {
    for (const principal of [DASHBOARD_USER, ACCOUNT]) expect(refusal(principal, [HUMAN_ID, 'ann']).status).toBe(403);
  });
});

describe.each([ON_BEHALF_OF, HUMAN_ID])('the id in %s', (name) => {
  const field = name.toLowerCase();

  it('is 400 where it is blank, also with blanks of Unicode', () => {
    for (const blank of ['', ' ', '   ', '\t', bytes('\u00a0'), bytes('\u2003\u3000')])
      expect(refusal(KEY, [name, blank])).toEqual({ status: 400, fields: [field] });
    for (const blank of ['', '%20', '%20%09%0a', '%C2%A0', '%E3%80%80'])
      expect(refusal(KEY, [name, blank], PERCENT)).toEqual({ status: 400, fields: [field] });
  });

  it('is 400 where the header is repeated, even with one value', () => {
    expect(refusal(KEY, [name, 'ann'], [name, 'ann'])).toEqual({ status: 400, fields: [field] });
    expect(refusal(KEY, [name, 'ann'], [name.toUpperCase(), 'bea'])).toEqual({ status: 400, fields: [field] });
  });

  it('has 1 to 256 characters, counted as code points and not in bytes or halves', () => {
    for (const id of ['x', 'x'.repeat(256), 'ü'.repeat(256), '🦊'.repeat(256)]) {
      expect(humanNamed([name, bytes(id)])).toBe(id);
      expect(humanNamed([name, encodeURIComponent(id)], PERCENT)).toBe(id);
    }
    for (const id of ['x'.repeat(257), 'ü'.repeat(257), '🦊'.repeat(257), 'x'.repeat(5000)]) {
      expect(refusal(KEY, [name, bytes(id)])).toEqual({ status: 400, fields: [field] });
      expect(refusal(KEY, [name, encodeURIComponent(id)], PERCENT)).toEqual({ status: 400, fields: [field] });
    }
  });

  it('is UTF-8: anything else is 400, and is never repaired', () => {
    const notUtf8 = {
      'Latin-1': [0xfc],
      'a lone surrogate': [0xed, 0xa0, 0x80],
      'both halves of a pair, each by itself': [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
      'an overlong slash': [0xc0, 0xaf],
      'a character cut short': [0x61, 0xf0, 0x9f, 0xa6],
      'beyond Unicode': [0xf4, 0x90, 0x80, 0x80],
      'a byte that never stands in UTF-8': [0x61, 0xff],
    };
    for (const [what, raw] of Object.entries(notUtf8)) {
      const refused = { what, status: 400, fields: [field] };
      expect({ what, ...refusal(KEY, [name, Buffer.from(raw).toString('latin1')]) }).toEqual(refused);
      const encoded = raw.map((byte) => `%${byte.toString(16)}`).join('');
      expect({ what, ...refusal(KEY, [name, encoded], PERCENT) }).toEqual(refused);
    }
  });

  it('is percent-encoded where x-human-id-encoding says so: in all of it, and only there', () => {
    expect(humanNamed([name, 'a%20b%2Fc%25d%F0%9F%A6%8A+%c3%bc'], PERCENT)).toBe('a b/c%d🦊+ü');
    expect(humanNamed([name, 'a%20b'])).toBe('a%20b');
    for (const value of ['%', '%2', '%zz', 'a%', '%u00fc', bytes('ü'), `%C3%BC${bytes('ü')}`, '\xfc'])
      expect(refusal(KEY, [name, value], PERCENT)).toEqual({ status: 400, fields: [field] });
  });

  it('accepts no other encoding', () => {
    for (const encoding of ['Percent', 'PERCENT', 'base64', 'utf-8', '', 'percent, percent']) {
      const refused = refusal(KEY, [name, 'ann'], ['x-human-id-encoding', encoding]);
      expect({ encoding, ...refused }).toEqual({ encoding, status: 400, fields: ['x-human-id-encoding'] });
    }
    expect(refusal(KEY, [name, 'ann'], PERCENT, PERCENT).status).toBe(400);
  });

  it("never contains U+0000, which can't be stored", () => {
    expect(refusal(KEY, [name, '%00'], PERCENT)).toEqual({ status: 400, fields: [field] });
    expect(refusal(KEY, [name, 'ann%00bea'], PERCENT)).toEqual({ status: 400, fields: [field] });
  });

  it('is taken byte for byte: no case or Unicode form is folded, and inner blanks stay', () => {
    const composed = 'é'.normalize('NFC');
    const ids = [
      'ann',
      'Ann',
      composed,
      composed.normalize('NFD'),
      'ß',
      'ss',
      'ﬁ',
      'fi',
      'İ',
      'a b',
      'a  b',
      '\ufeffann',
    ];
    const named = ids.map((id) => humanNamed([name, bytes(id)]));
    expect(named).toEqual(ids);
    expect(new Set(named).size).toBe(ids.length);
    expect(ids.map((id) => humanNamed([name, encodeURIComponent(id)], PERCENT))).toEqual(ids);
    expect(humanNamed([name, '%20ann%20'], PERCENT)).toBe(' ann ');
  });
});

it('the two headers name one human where one spells what the other encodes; x-human-id-encoding applies to both', () => {
  expect(acting(KEY, [ON_BEHALF_OF, '%C3%BC'], [HUMAN_ID, '%c3%bc'], PERCENT)).toMatchObject({ human: 'ü' });
  expect(refusal(KEY, [ON_BEHALF_OF, 'é'.normalize('NFC')], [HUMAN_ID, bytes('é')]).status).toBe(400);
});
