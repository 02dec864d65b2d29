import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Fault } from '../platform/errors/index.js';
import { classifyCredential, type Credential } from './credential.js';

const SK = 'sk_gh_0123456789abcdefghijklmnopqrstuvw';
const OTHER_SK = 'sk_gh_9999999999abcdefghijklmnopqrstuvw';

const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const jwt = (payload: unknown): string => `${encoded({ alg: 'RS256' })}.${encoded(payload)}.${encoded('signature')}`;
const JWT = jwt({ iss: 'https://issuer.example', sub: 'u' });

/** A real socket, since Node's own parser decides how it reads a repeated header. */
let server: http.Server;
let seen: { credential?: Credential; fault?: Fault };

beforeAll(async () => {
  server = http.createServer((request, response) => {
    try {
      seen = { credential: classifyCredential(request) };
    } catch (error) {
      seen = { fault: error as Fault };
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(async () => {
  server.close();
  await once(server, 'close');
});

async function classify(...headers: string[]): Promise<Credential> {
  const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  socket.end(
    `GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`,
    'latin1',
  );
  socket.resume();
  await once(socket, 'close');
  if (seen.fault !== undefined) throw seen.fault;
  return seen.credential!;
}

async function refusal(...headers: string[]): Promise<Fault> {
  const error: unknown = await classify(...headers).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Fault);
  return error as Fault;
}

describe('a request that presents', () => {
  it.each<[string, string[], Credential]>([
    ['nothing has no credential', [], { kind: 'none' }],
    ['a key in X-API-Key is that key', [`X-API-Key: ${SK}`], { kind: 'secretKey', secret: SK }],
    ['a key in x-api-key is that key', [`x-api-key: ${SK}`], { kind: 'secretKey', secret: SK }],
    [
      "a key as OpenAI's clients send it is that key",
      [`Authorization: Bearer ${SK}`],
      { kind: 'secretKey', secret: SK },
    ],
    ['a scheme in any case', [`Authorization: bEaReR ${SK}`], { kind: 'secretKey', secret: SK }],
    ['blanks around a key', [`Authorization: Bearer   ${SK}  `], { kind: 'secretKey', secret: SK }],
    [
      'the same key in both headers is one identity',
      [`X-API-Key: ${SK}`, `Authorization: Bearer ${SK}`],
      { kind: 'secretKey', secret: SK },
    ],
    [
      'a sealed access token',
      ['Authorization: Bearer aisbreaker_eyJ2ZXIi.a.b.c.d'],
      { kind: 'sealedToken', token: 'aisbreaker_eyJ2ZXIi.a.b.c.d' },
    ],
    [
      'a token is identified by its issuer',
      [`Authorization: Bearer ${JWT}`],
      { kind: 'jwt', token: JWT, issuer: 'https://issuer.example' },
    ],
    [
      'a key that looks like a token is a key: the prefix decides',
      ['Authorization: Bearer sk_a.b.c'],
      { kind: 'secretKey', secret: 'sk_a.b.c' },
    ],
    [
      'a key with a bad checksum is a key, and is refused as one',
      ['X-API-Key: sk_x'],
      { kind: 'secretKey', secret: 'sk_x' },
    ],
    [
      "a publishable key beside a user's token is both together",
      [`X-API-Key: pk_gh_x`, `Authorization: Bearer ${JWT}`],
      { kind: 'endUser', publishableKey: 'pk_gh_x', token: JWT, issuer: 'https://issuer.example' },
    ],
  ])('%s', async (_case, headers, credential) => {
    expect(await classify(...headers)).toEqual(credential);
  });
});

describe('two identities in one request are 400, and neither is used', () => {
  it.each<[string, string[]]>([
    ['a key beside another key', [`X-API-Key: ${SK}`, `Authorization: Bearer ${OTHER_SK}`]],
    ['a key beside a token', [`X-API-Key: ${SK}`, `Authorization: Bearer ${JWT}`]],
    ['a key beside a publishable one', [`X-API-Key: ${SK}`, 'Authorization: Bearer pk_gh_x']],
    ['a key beside Basic', [`X-API-Key: ${SK}`, 'Authorization: Basic dTpw']],
    ['a key beside an empty Authorization', [`X-API-Key: ${SK}`, 'Authorization:']],
    ['a key beside Bearer without a token', [`X-API-Key: ${SK}`, 'Authorization: Bearer']],
    ['a key beside garbage', [`X-API-Key: ${SK}`, 'Authorization: whatever this is']],
    ['a key beside itself in another case', [`X-API-Key: ${SK}`, `Authorization: Bearer ${SK.toUpperCase()}`]],
    ['two Authorization headers', [`Authorization: Bearer ${SK}`, `Authorization: Bearer ${OTHER_SK}`]],
    ['two Authorization headers, the first a token', [`Authorization: Bearer ${JWT}`, `Authorization: Bearer ${SK}`]],
    ['two Authorization headers in different case', [`Authorization: Bearer ${SK}`, `AUTHORIZATION: Bearer ${SK}`]],
    ['two equal Authorization headers', [`Authorization: Bearer ${SK}`, `Authorization: Bearer ${SK}`]],
    ['two Authorization headers, one empty', [`Authorization: Bearer ${SK}`, 'Authorization:']],
    ['two X-API-Key headers', [`X-API-Key: ${SK}`, `x-api-key: ${OTHER_SK}`]],
    ['two equal X-API-Key headers', [`X-API-Key: ${SK}`, `X-API-Key: ${SK}`]],
    ['two X-API-Key headers, the first empty', ['X-API-Key:', `X-API-Key: ${SK}`]],
  ])('%s', async (_case, headers) => {
    const fault = await refusal(...headers);
    expect(fault.status).toBe(400);
    expect(['authorization', 'x-api-key']).toContain(fault.fields[0]?.field);
  });
});

const MALFORMED = 'malformed_credential';
const SCHEME = 'wrong_scheme';
const ALONE = 'publishable_key_needs_user_token';

describe('a credential of no known shape is 401, with a code for the mistake in its shape', () => {
  it.each<[string, string, string[]]>([
    ['an empty X-API-Key', MALFORMED, ['X-API-Key:']],
    ['a word in X-API-Key', MALFORMED, ['X-API-Key: letmein']],
    ['a token in X-API-Key', MALFORMED, [`X-API-Key: ${JWT}`]],
    ['a key in X-API-Key behind its scheme', MALFORMED, [`X-API-Key: Bearer ${SK}`]],
    ['a key in the wrong case', MALFORMED, [`X-API-Key: ${SK.replace('sk_', 'SK_')}`]],
    ['a publishable key', ALONE, ['X-API-Key: pk_gh_x']],
    ['a publishable key beside a secret one', ALONE, ['X-API-Key: pk_gh_x', `Authorization: Bearer ${SK}`]],
    ['a publishable key beside itself', ALONE, ['X-API-Key: pk_gh_x', 'Authorization: Bearer pk_gh_x']],
    ['a publishable key beside Basic', SCHEME, ['X-API-Key: pk_gh_x', 'Authorization: Basic dTpw']],
    ['a publishable key beside a word', MALFORMED, ['X-API-Key: pk_gh_x', 'Authorization: Bearer letmein']],
    [
      'a publishable key beside a token without an issuer',
      MALFORMED,
      ['X-API-Key: pk_gh_x', `Authorization: Bearer ${jwt({ sub: 'u' })}`],
    ],
    [
      'a publishable key beside a sealed token',
      MALFORMED,
      ['X-API-Key: pk_gh_x', 'Authorization: Bearer aisbreaker_eyJ2ZXIi.a.b.c.d'],
    ],
    ['a publishable key as bearer', ALONE, ['Authorization: Bearer pk_gh_x']],
    ['an empty Authorization', MALFORMED, ['Authorization:']],
    ['a scheme without a token', MALFORMED, ['Authorization: Bearer']],
    ['a token without a scheme', SCHEME, [`Authorization: ${JWT}`]],
    ['a key without a scheme', SCHEME, [`Authorization: ${SK}`]],
    ['Basic with a key in it', SCHEME, [`Authorization: Basic ${Buffer.from(`${SK}:`).toString('base64')}`]],
    ['two tokens in one header', MALFORMED, [`Authorization: Bearer ${JWT} ${JWT}`]],
    ['two credentials joined by a comma', MALFORMED, [`Authorization: Bearer ${JWT}, Bearer ${SK}`]],
    ['a word as bearer', MALFORMED, ['Authorization: Bearer letmein']],
    ['a token of two parts', MALFORMED, [`Authorization: Bearer ${JWT.split('.').slice(0, 2).join('.')}`]],
    ['a token of four parts', MALFORMED, [`Authorization: Bearer ${JWT}.x`]],
    ['a token of three empty parts', MALFORMED, ['Authorization: Bearer ..']],
    ['a token without JSON', MALFORMED, ['Authorization: Bearer a.b.c']],
    ['a token that holds null', MALFORMED, [`Authorization: Bearer ${jwt('null')}`]],
    ['a token that holds a text', MALFORMED, [`Authorization: Bearer ${jwt('"x"')}`]],
    ['a token without an issuer', MALFORMED, [`Authorization: Bearer ${jwt({ sub: 'u' })}`]],
    [
      'a token whose issuer is not text',
      MALFORMED,
      [`Authorization: Bearer ${jwt({ iss: ['https://issuer.example'] })}`],
    ],
    ['a token that is too long', MALFORMED, [`Authorization: Bearer ${jwt({ iss: 'x', pad: 'x'.repeat(13_000) })}`]],
  ])('%s: %s', async (_case, code, headers) => {
    const fault = await refusal(...headers);
    expect(fault.kind).toBe('unauthenticated');
    expect(fault.code).toBe(code);
  });
});
