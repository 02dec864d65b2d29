import { createPrivateKey, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { Credential } from 'firebase-admin/app';
import type { Auth, UserRecord } from 'firebase-admin/auth';
import { Fault } from '../platform/errors/index.js';
import { ClaimsWriter, UnknownUserError, mergeClaims, type DashboardClaims } from './claims-writer.js';

export interface FirebaseClaimsWriterOptions {
  readonly projectId: string;
  /** The account's JSON, or a path to it; absent: the machine's own Google credentials. */
  readonly serviceAccount?: string | undefined;
  /** For one write as a whole: both of its calls, and the token that they need. */
  readonly timeoutMs?: number;
  /** Opens the connections to Google. */
  readonly agent?: Agent;
}

const TIMEOUT_MS = 20_000;
const SCOPES = ['https://www.googleapis.com/auth/cloud-platform', 'https://www.googleapis.com/auth/identitytoolkit'];

interface Connection {
  readonly auth: Auth;
  readonly close: () => Promise<void>;
}

/**
 * Writes claims through firebase-admin, which is loaded with the first write: it is large, and development has no use
 * for it.
 *
 * `setCustomUserClaims` replaces all claims of a user, so each write reads them first and keeps what is not ours. Writes
 * of this process wait for each other, so that none reads what another is about to replace. Firebase offers nothing
 * against a writer elsewhere. A write that was given up for time may still arrive: its outcome is unknown, and whoever
 * asked for it asks again.
 */
export class FirebaseClaimsWriter extends ClaimsWriter implements OnApplicationShutdown {
  private connection: Promise<Connection> | null = null;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: FirebaseClaimsWriterOptions) {
    super();
  }

  /** @throws UnknownUserError; Fault unavailable after the timeout; Error of the service account or of Firebase */
  setClaims(userId: string, claims: DashboardClaims | null): Promise<void> {
    const write = this.last.then(() => this.write(userId, claims));
    this.last = write.catch(() => undefined);
    return write;
  }

  async onApplicationShutdown(): Promise<void> {
    const opened = this.connection;
    this.connection = null;
    const connection = await opened?.catch(() => null);
    await connection?.close();
  }

  private async write(userId: string, claims: DashboardClaims | null): Promise<void> {
    const deadline = new Deadline(this.options.timeoutMs ?? TIMEOUT_MS);
    try {
      const { auth } = await deadline.race(this.connect());
      const user = await deadline.race(getUser(auth, userId));
      await deadline.race(auth.setCustomUserClaims(userId, mergeClaims(user.customClaims, claims)));
    } finally {
      deadline.clear();
    }
  }

  private connect(): Promise<Connection> {
    this.connection ??= this.open().catch((error: unknown) => {
      this.connection = null;
      throw error;
    });
    return this.connection;
  }

  private async open(): Promise<Connection> {
    const { projectId, agent } = this.options;
    const credential = await this.credential();
    const { deleteApp, initializeApp } = await import('firebase-admin/app');
    const { getAuth } = await import('firebase-admin/auth');
    // firebase-admin keeps its apps by name for the whole process: two services in one must not share one.
    const app = initializeApp(
      { projectId, credential, ...(agent === undefined ? {} : { httpAgent: agent }) },
      `gatehouse-${randomUUID()}`,
    );
    return { auth: getAuth(app), close: () => deleteApp(app) };
  }

  /**
   * Not firebase-admin's own `cert()`: that keeps one credential per account for the whole process, whose request for an
   * access token has no time limit, and all later writes would wait for one that a silent network swallowed.
   */
  private async credential(): Promise<Credential> {
    const { serviceAccount, agent, timeoutMs = TIMEOUT_MS } = this.options;
    if (serviceAccount === undefined) return (await import('firebase-admin/app')).applicationDefault(agent);
    const { email, key } = await readServiceAccount(serviceAccount);
    const { JWT } = await import('google-auth-library');
    const transporterOptions = { timeout: timeoutMs, ...(agent === undefined ? {} : { agent }) };
    const client = new JWT({ email, key, scopes: SCOPES, transporterOptions });
    return {
      getAccessToken: async () => {
        const { token } = await client.getAccessToken();
        const expiresInMs = (client.credentials.expiry_date ?? 0) - Date.now();
        return { access_token: token ?? '', expires_in: Math.max(0, Math.floor(expiresInMs / 1000)) };
      },
    };
  }
}

/** @throws Error that quotes nothing: the text holds a private key */
async function readServiceAccount(setting: string): Promise<{ email: string; key: string }> {
  const text = setting.trimStart().startsWith('{') ? setting : await readFile(setting, 'utf8').catch(() => null);
  if (text === null) throw new Error('FIREBASE_SERVICE_ACCOUNT names a file that can not be read.');
  try {
    const { client_email: email, private_key: key } = JSON.parse(text) as Record<string, unknown>;
    if (typeof email === 'string' && typeof key === 'string') {
      createPrivateKey(key);
      return { email, key };
    }
  } catch {
    // Told below.
  }
  throw new Error("FIREBASE_SERVICE_ACCOUNT is not a service account's JSON with client_email and private_key.");
}

async function getUser(auth: Auth, userId: string): Promise<UserRecord> {
  try {
    return await auth.getUser(userId);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'auth/user-not-found') throw new UnknownUserError({ cause: error });
    throw error;
  }
}

/** One time limit over several steps; no step begins after it. */
class Deadline {
  private timer: NodeJS.Timeout | undefined;
  private readonly expired: Promise<never>;

  constructor(timeoutMs: number) {
    this.expired = new Promise((_resolve, reject) => {
      this.timer = setTimeout(() => reject(new Fault('unavailable', 'Firebase did not answer in time.')), timeoutMs);
    });
    this.expired.catch(() => undefined);
  }

  race<T>(step: Promise<T>): Promise<T> {
    return Promise.race([step, this.expired]);
  }

  clear(): void {
    clearTimeout(this.timer);
  }
}
