import { createPrivateKey, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type { Credential } from 'firebase-admin/app';
import type { Auth } from 'firebase-admin/auth';
import type { AuthClient } from 'google-auth-library';
import { Fault } from '../../platform/errors/index.js';
import { Deadline } from '../deadline.js';

export interface FirebaseAdminOptions {
  readonly projectId: string;
  /** The account's JSON, or a path to it; absent: the machine's own Google credentials. */
  readonly serviceAccount?: string | undefined;
  /** How long the request for an access token may take. */
  readonly tokenTimeoutMs?: number;
  /** Opens the connections to Google. */
  readonly agent?: Agent;
}

const TOKEN_TIMEOUT_MS = 5_000;
const SCOPES = ['https://www.googleapis.com/auth/cloud-platform', 'https://www.googleapis.com/auth/identitytoolkit'];

interface Connection {
  readonly auth: Auth;
  readonly close: () => Promise<void>;
}

/**
 * The service's one connection to its Firebase project; also its injection token. firebase-admin is loaded at the
 * first use: it is large, and development does not use it. A malformed service account stops the start, since no
 * user could sign in without it.
 */
export class FirebaseAdmin implements OnModuleInit, OnApplicationShutdown {
  private connection: Promise<Connection> | null = null;
  private closed = false;

  constructor(private readonly options: FirebaseAdminOptions) {}

  /** @throws Error of the service account */
  async onModuleInit(): Promise<void> {
    if (this.options.serviceAccount !== undefined) await readServiceAccount(this.options.serviceAccount);
  }

  /** @throws Error of the service account; Fault unavailable once the service stops */
  async auth(): Promise<Auth> {
    if (this.closed) throw new Fault('unavailable', 'The service is stopping.');
    this.connection ??= this.open().catch((error: unknown) => {
      this.connection = null;
      throw error;
    });
    return (await this.connection).auth;
  }

  async onApplicationShutdown(): Promise<void> {
    this.closed = true;
    const opened = this.connection;
    this.connection = null;
    const connection = await opened?.catch(() => null);
    await connection?.close();
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
   * Replaces firebase-admin's `cert()` and `applicationDefault()`: those keep one credential for the whole process, whose
   * request for an access token has no time limit. After a lost request, all later calls would wait for its answer.
   */
  private async credential(): Promise<Credential> {
    const { serviceAccount, agent, tokenTimeoutMs: timeoutMs = TOKEN_TIMEOUT_MS } = this.options;
    const { GoogleAuth, JWT } = await import('google-auth-library');
    // Ends requests that no caller waits for.
    const transporterOptions = { timeout: 4 * timeoutMs, ...(agent === undefined ? {} : { agent }) };
    if (serviceAccount === undefined) {
      const clientOptions = { transporterOptions };
      return new RenewedCredential(() => new GoogleAuth({ scopes: SCOPES, clientOptions }).getClient(), timeoutMs);
    }
    const { email, key } = await readServiceAccount(serviceAccount);
    return new RenewedCredential(
      () => Promise.resolve(new JWT({ email, key, scopes: SCOPES, transporterOptions })),
      timeoutMs,
    );
  }
}

/**
 * Access tokens from a client that is replaced when it is too slow: the library makes every caller wait for the same
 * request, with all of its retries.
 */
class RenewedCredential implements Credential {
  private client: Promise<AuthClient> | null = null;

  constructor(
    private readonly newClient: () => Promise<AuthClient>,
    private readonly timeoutMs: number,
  ) {}

  async getAccessToken(): Promise<{ access_token: string; expires_in: number }> {
    const deadline = new Deadline(this.timeoutMs, 'Google gave no access token in time.');
    try {
      this.client ??= this.newClient();
      const client = await deadline.race(this.client);
      const { token } = await deadline.race(client.getAccessToken());
      const expiresInMs = (client.credentials.expiry_date ?? 0) - Date.now();
      return { access_token: token ?? '', expires_in: Math.max(0, Math.floor(expiresInMs / 1000)) };
    } catch (error) {
      this.client = null;
      throw error;
    } finally {
      deadline.clear();
    }
  }
}

/** @throws Error without any of the text, which holds a private key */
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
    // The error below covers this case.
  }
  throw new Error("FIREBASE_SERVICE_ACCOUNT is not a service account's JSON with client_email and private_key.");
}
