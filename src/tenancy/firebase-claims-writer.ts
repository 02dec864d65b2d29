import { randomUUID } from 'node:crypto';
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
  /** Leads the calls elsewhere. (With the account's JSON, not those for access tokens: its library ignores it there.) */
  readonly agent?: Agent;
}

const TIMEOUT_MS = 20_000;

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
 * against a writer elsewhere.
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
    const connection = await this.connection?.catch(() => null);
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
    const { projectId, serviceAccount, agent } = this.options;
    const { applicationDefault, cert, deleteApp, initializeApp } = await import('firebase-admin/app');
    const { getAuth } = await import('firebase-admin/auth');
    const credential: Credential =
      serviceAccount === undefined ? applicationDefault(agent) : cert(readServiceAccount(serviceAccount), agent);
    // firebase-admin keeps its apps by name for the whole process: two services in one must not share one.
    const app = initializeApp(
      { projectId, credential, ...(agent === undefined ? {} : { httpAgent: agent }) },
      `gatehouse-${randomUUID()}`,
    );
    return { auth: getAuth(app), close: () => deleteApp(app) };
  }
}

/** An account's JSON as an object, a path as it is. The text itself stays out of the error: it holds a private key. */
function readServiceAccount(text: string): string | object {
  if (!text.trimStart().startsWith('{')) return text;
  try {
    return JSON.parse(text) as object;
  } catch {
    throw new Error('FIREBASE_SERVICE_ACCOUNT begins like JSON but is none.');
  }
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
