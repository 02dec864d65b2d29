import { generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { UnknownUserError } from './claims-writer.js';
import { FirebaseClaimsWriter } from './firebase-claims-writer.js';

const HOSTS = ['identitytoolkit.googleapis.com', 'oauth2.googleapis.com'];
const PROJECT = 'demo-gatehouse-tests';
const UPDATE = `identitytoolkit.googleapis.com/v1/projects/${PROJECT}/accounts:update`;
const OURS = { tenant_id: 'acme-1', role: 'owner' };

/**
 * Google's two hosts on one loopback port, over TLS: gives an access token to whoever signs with the service account's
 * key, and keeps the claims of users. firebase-admin talks to it as to the real ones, through its `httpAgent`.
 */
class GoogleStandIn {
  readonly claims = new Map<string, string>();
  readonly requests: string[] = [];
  /** While true, nothing is answered. */
  silent = false;
  private readonly certificate = selfSignedCertificate(HOSTS);
  private readonly account = generateKeyPairSync('rsa', { modulusLength: 2048 });
  private readonly server = https.createServer(this.certificate, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const address = `${request.headers.host}${request.url}`;
      this.requests.push(address);
      if (this.silent) return;
      const respond = (): void => {
        const { status, body } = this.answer(address, Buffer.concat(chunks).toString(), request.headers.authorization);
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      // The first update takes effect late: one that was sent after it without waiting would be overwritten by it.
      if (address === UPDATE && this.requests.indexOf(UPDATE) === this.requests.length - 1) setTimeout(respond, 150);
      else respond();
    });
  });

  async start(): Promise<void> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  /** Leads every connection here, and still verifies whom it talks to. */
  agent(authority = this.certificate.cert): https.Agent {
    const { port } = this.server.address() as AddressInfo;
    const agent = new https.Agent();
    agent.createConnection = ({ host, servername }) =>
      tls.connect({ host: '127.0.0.1', port, servername: servername || (host ?? ''), ca: authority });
    return agent;
  }

  /** Of somebody who is not this one. */
  static strangerAuthority(): string {
    return selfSignedCertificate(HOSTS).cert;
  }

  serviceAccount(): object {
    return {
      type: 'service_account',
      project_id: PROJECT,
      client_email: `writer@${PROJECT}.iam.gserviceaccount.com`,
      private_key: this.account.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    };
  }

  private answer(address: string, body: string, authorization: string | undefined): { status: number; body: object } {
    if (address === 'oauth2.googleapis.com/token') {
      const [header, claims, signature] = new URLSearchParams(body).get('assertion')?.split('.') ?? [];
      const signed = Buffer.from(`${header}.${claims}`);
      const genuine = verify('sha256', signed, this.account.publicKey, Buffer.from(signature ?? '', 'base64url'));
      return genuine
        ? { status: 200, body: { access_token: 'granted', expires_in: 3600, token_type: 'Bearer' } }
        : { status: 401, body: { error: 'invalid_grant' } };
    }
    if (authorization !== 'Bearer granted') return { status: 401, body: { error: { message: 'INVALID_CREDENTIALS' } } };
    const { localId, customAttributes } = JSON.parse(body) as { localId: string | string[]; customAttributes?: string };
    const userId = String(localId);
    const known = this.claims.get(userId);
    switch (address) {
      case `identitytoolkit.googleapis.com/v1/projects/${PROJECT}/accounts:lookup`:
        return {
          status: 200,
          body: known === undefined ? {} : { users: [{ localId: userId, customAttributes: known }] },
        };
      case UPDATE:
        if (customAttributes !== undefined) this.claims.set(userId, customAttributes);
        return { status: 200, body: { localId: userId } };
      default:
        return { status: 404, body: { error: { message: 'NOT_FOUND' } } };
    }
  }
}

let google: GoogleStandIn;
let folder: string;
let account: string;
const writers: FirebaseClaimsWriter[] = [];

beforeEach(async () => {
  google = new GoogleStandIn();
  await google.start();
  folder = await mkdtemp(path.join(os.tmpdir(), 'gatehouse-firebase-'));
  account = path.join(folder, 'account.json');
  await writeFile(account, JSON.stringify(google.serviceAccount()));
});

afterEach(async () => {
  await Promise.all(writers.splice(0).map((writer) => writer.onApplicationShutdown()));
  await google.stop();
  await rm(folder, { recursive: true, force: true });
});

function writerTo(
  standIn: GoogleStandIn,
  options: { timeoutMs?: number; serviceAccount?: string } = {},
): FirebaseClaimsWriter {
  const writer = new FirebaseClaimsWriter({
    projectId: PROJECT,
    serviceAccount: account,
    agent: standIn.agent(),
    ...options,
  });
  writers.push(writer);
  return writer;
}

const claimsOf = (userId: string): unknown => JSON.parse(google.claims.get(userId) ?? 'null');

describe('FirebaseClaimsWriter', () => {
  it('sets our claims and keeps those that others set', async () => {
    google.claims.set('user-1', '{"plan":"x","role":"viewer"}');
    await writerTo(google).setClaims('user-1', OURS);
    expect(claimsOf('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('sets claims of a user who has none', async () => {
    google.claims.set('user-1', '');
    await writerTo(google).setClaims('user-1', OURS);
    expect(claimsOf('user-1')).toEqual(OURS);
  });

  it('takes the service account as JSON as well as by its path', async () => {
    google.claims.set('user-1', '{"plan":"x"}');
    await writerTo(google, { serviceAccount: JSON.stringify(google.serviceAccount()) }).setClaims('user-1', OURS);
    expect(claimsOf('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('takes ours away and nothing else', async () => {
    google.claims.set('user-1', JSON.stringify({ plan: 'x', ...OURS }));
    await writerTo(google).setClaims('user-1', null);
    expect(claimsOf('user-1')).toEqual({ plan: 'x' });
  });

  it('can be repeated', async () => {
    google.claims.set('user-1', '{"plan":"x"}');
    const writer = writerTo(google);
    await writer.setClaims('user-1', OURS);
    await writer.setClaims('user-1', OURS);
    expect(claimsOf('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('writes in the order in which it was asked, each write whole', async () => {
    google.claims.set('user-1', '{"plan":"x"}');
    const writer = writerTo(google);
    await Promise.all([
      writer.setClaims('user-1', OURS),
      writer.setClaims('user-1', null),
      writer.setClaims('user-1', { tenant_id: 'acme-2', role: 'viewer' }),
    ]);
    expect(claimsOf('user-1')).toEqual({ plan: 'x', tenant_id: 'acme-2', role: 'viewer' });
  });

  it('says so where Firebase has no such user, and writes nothing', async () => {
    const writer = writerTo(google);
    await expect(writer.setClaims('nobody', OURS)).rejects.toBeInstanceOf(UnknownUserError);
    expect(google.claims.size).toBe(0);
    google.claims.set('user-1', '{}');
    await expect(writer.setClaims('user-1', OURS)).resolves.toBeUndefined();
  });

  it('gives up on a silent Firebase, writes nothing later, and works again once it answers', async () => {
    google.claims.set('user-1', '{"plan":"x"}');
    const writer = writerTo(google, { timeoutMs: 1000 });
    google.silent = true;
    await expect(writer.setClaims('user-1', OURS)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(google.requests).not.toContain(UPDATE);
    expect(claimsOf('user-1')).toEqual({ plan: 'x' });
    google.silent = false;
    // The access token that was asked for in vain must run out of time before the same writer asks for another one.
    let attempts = 0;
    while (!google.requests.includes(UPDATE) && attempts < 10) {
      attempts += 1;
      await writer.setClaims('user-1', OURS).catch(() => undefined);
    }
    expect(claimsOf('user-1')).toEqual({ plan: 'x', ...OURS });
  });

  it('lets two services in one process write side by side', async () => {
    google.claims.set('user-1', '{}');
    google.claims.set('user-2', '{}');
    const [one, two] = [writerTo(google), writerTo(google)];
    await Promise.all([one.setClaims('user-1', OURS), two.setClaims('user-2', OURS)]);
    await one.onApplicationShutdown();
    await two.setClaims('user-2', null);
    expect(claimsOf('user-1')).toEqual(OURS);
    expect(claimsOf('user-2')).toEqual({});
  });

  it('talks to nobody who cannot prove to be Google', async () => {
    google.claims.set('user-1', '{}');
    const agent = google.agent(GoogleStandIn.strangerAuthority());
    const writer = new FirebaseClaimsWriter({ projectId: PROJECT, serviceAccount: account, agent });
    writers.push(writer);
    await expect(writer.setClaims('user-1', OURS)).rejects.toThrow(/certificate/);
    expect(google.requests).toEqual([]);
  });

  it.each<[string, string]>([
    ['JSON that is cut off', '{"private_key":"-----BEGIN PRIVATE KEY-----\\nMIIEsecret'],
    ['JSON without a key', '{"client_email":"MIIEsecret"}'],
    ['JSON with a damaged key', '{"client_email":"a@b","private_key":"-----BEGIN PRIVATE KEY-----\\nMIIEsecret"}'],
    ['a path to nothing', '/nowhere/account.json'],
  ])('refuses %s for a service account, and quotes nothing of it', async (_what, serviceAccount) => {
    const error = await writerTo(google, { serviceAccount })
      .setClaims('user-1', OURS)
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Error);
    expect((error as Error).message).toMatch(/^FIREBASE_SERVICE_ACCOUNT [^\n]+\.$/);
    expect(String((error as Error).stack)).not.toContain('MIIEsecret');
    expect(google.requests).toEqual([]);
  });
});

/** An X.509 certificate for some hosts, signed by its own key, so that it is its own authority. */
function selfSignedCertificate(hosts: readonly string[]): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSha256 = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const commonName = der(0x30, Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('Gatehouse tests')));
  const name = der(0x30, der(0x31, commonName));
  const validity = der(0x30, utcTime(Date.now() - 3_600_000), utcTime(Date.now() + 3_600_000));
  const alternatives = der(0x30, ...hosts.map((host) => der(0x82, Buffer.from(host))));
  const extension = der(0x30, Buffer.from('0603551d11', 'hex'), der(0x04, alternatives));
  const content = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1)),
    ecdsaWithSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(0x30, extension)),
  );
  const signature = der(0x03, Buffer.of(0), sign('sha256', content, privateKey));
  return { key: pem(privateKey), cert: pemBlock('CERTIFICATE', der(0x30, content, ecdsaWithSha256, signature)) };
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}

function utcTime(ms: number): Buffer {
  return der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));
}

const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

const pemBlock = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END ${label}-----\n`;
