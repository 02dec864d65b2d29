import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import pg from 'pg';
import { SETTINGS_TOKEN, type Settings } from '../config/index.js';
import { OperatorError } from '../errors/index.js';
import { logger } from '../logging/index.js';
import { appConnection, directConnection } from './connections.js';
import { ImpatientClient } from './impatient-client.js';
import { directSetting, tlsRefusal } from './tls-refusals.js';

const CHANNEL = 'gatehouse_revoked';
const HEARTBEAT_EVERY_MS = 200;
const FRESH_FOR_MS = 700;
const SILENT_FOR_MS = 3000;
const RECONNECT_AFTER_MS = 250;
const FROM_ELSEWHERE = 'from another connection';
/** Several, at other moments than the heartbeat's: one may come along with an answer by chance. */
const PROBES = 5;
const PROBE_EVERY_MS = 30;

type Listener = (topic: string, key: string) => void;

/**
 * Hears what was revoked, on every replica, by LISTEN on a connection of its own.
 *
 * NOTIFY is lost while a listener is down, and a half-open socket is silent. So this process sends itself a heartbeat
 * through the same connection, several times a second: only while the last one came back within 700 ms may anything be
 * served from memory. A connection that breaks or stays silent is replaced, and then everything kept is dropped.
 */
@Injectable()
export class Revocations implements OnApplicationShutdown {
  private readonly settings: Settings;
  private readonly channel = `gatehouse_heartbeat_${randomUUID().replaceAll('-', '')}`;
  private readonly listeners = new Set<Listener>();
  private readonly resetListeners = new Set<() => void>();
  private client: pg.Client | null = null;
  private timer: NodeJS.Timeout | null = null;
  private stopped = false;
  /** How often the connection was lost. */
  losses = 0;
  private heardAtMs = -Infinity;
  private heardElsewhere = 0;
  /** Database clock minus this process's, in ms, as of the last heartbeat. */
  private clockOffsetMs = 0;

  constructor(@Inject(SETTINGS_TOKEN) settings: Settings) {
    this.settings = settings;
  }

  /** True while nothing revoked can have gone unheard for longer than the heartbeat allows. */
  isFresh(): boolean {
    return performance.now() - this.heardAtMs < FRESH_FOR_MS;
  }

  /** Now, by the database's clock. */
  databaseNow(): number {
    return Date.now() + this.clockOffsetMs;
  }

  onRevoked(listener: Listener): void {
    this.listeners.add(listener);
  }

  /** Called when notifications may have been missed. */
  onReset(listener: () => void): void {
    this.resetListeners.add(listener);
  }

  /**
   * Connects and waits for the first heartbeat to come round, and for a notification from another connection, heard while
   * this one asks nothing: a transaction pooler may deliver what comes along with an answer, and lose all else.
   *
   * @throws Error with one plain sentence when none does.
   */
  async start(): Promise<void> {
    await this.connect().catch((error: unknown) => {
      const tls = tlsRefusal(error, directSetting(this.settings));
      throw tls === undefined ? error : new OperatorError(`The database ${tls}.`, { cause: error });
    });
    await this.notifyFromElsewhere();
    const deadline = performance.now() + SILENT_FOR_MS;
    while (!this.isFresh() || this.heardElsewhere < PROBES) {
      if (performance.now() > deadline) {
        await this.onApplicationShutdown();
        throw new Error(
          'LISTEN/NOTIFY does not work on this database connection, so that revoked keys would be served; behind a transaction pooler set DATABASE_DIRECT_URL to an address of Postgres itself.',
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopped = true;
    if (this.timer !== null) clearTimeout(this.timer);
    const { client } = this;
    this.client = null;
    await client?.end().catch(() => undefined);
  }

  private async notifyFromElsewhere(): Promise<void> {
    const client = new ImpatientClient({ ...appConnection(this.settings), connectionTimeoutMillis: 3000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      for (let probe = 0; probe < PROBES; probe += 1) {
        await client.query('SELECT pg_notify($1, $2)', [this.channel, FROM_ELSEWHERE]);
        await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS));
      }
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private async connect(): Promise<void> {
    const client = new ImpatientClient({ ...directConnection(this.settings), connectionTimeoutMillis: 3000 });
    client.on('notification', ({ channel, payload }) => this.hear(client, channel, payload ?? ''));
    client.on('error', () => this.lose(client));
    client.on('end', () => this.lose(client));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}; LISTEN ${this.channel}`);
    } catch (error) {
      client.removeAllListeners('end');
      await client.end().catch(() => undefined);
      throw error;
    }
    if (this.stopped) {
      await client.end().catch(() => undefined);
      return;
    }
    this.client = client;
    // Revocations that came while no listener was connected are unknown: nothing kept may be served.
    for (const listener of this.resetListeners) listener();
    void this.beat(client, performance.now());
  }

  private async beat(client: pg.Client, lastReplyAtMs: number): Promise<void> {
    if (client !== this.client) return;
    const watchdog = setTimeout(() => this.lose(client), SILENT_FOR_MS);
    const sentAt = Date.now();
    let repliedAtMs = lastReplyAtMs;
    try {
      const { rows } = await client.query<{ now: number }>({
        name: 'heartbeat',
        text: 'SELECT pg_notify($1, $2), (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
        values: [this.channel, String(performance.now())],
      });
      repliedAtMs = performance.now();
      const middle = (sentAt + Date.now()) / 2;
      this.clockOffsetMs = (rows[0]?.now ?? middle) - middle;
    } catch {
      this.lose(client);
      return;
    } finally {
      clearTimeout(watchdog);
    }
    // The query may come back although notifications do not (a pooler): then the connection is as good as lost.
    if (this.heardAtMs < repliedAtMs - SILENT_FOR_MS && this.heardAtMs > 0) {
      this.lose(client);
      return;
    }
    this.timer = setTimeout(() => void this.beat(client, repliedAtMs), HEARTBEAT_EVERY_MS);
  }

  private hear(client: pg.Client, channel: string, payload: string): void {
    if (client !== this.client) return;
    if (channel === this.channel && payload === FROM_ELSEWHERE) {
      this.heardElsewhere += 1;
      return;
    }
    if (channel === this.channel) {
      // From when it was sent, not from when it arrived: what was notified before it has been heard, nothing later.
      this.heardAtMs = Math.max(this.heardAtMs, Number(payload));
      return;
    }
    const colon = payload.indexOf(':');
    const topic = payload.slice(0, colon);
    const key = payload.slice(colon + 1);
    for (const listener of this.listeners) listener(topic, key);
  }

  private lose(client: pg.Client): void {
    if (client !== this.client) return;
    this.client = null;
    this.losses += 1;
    this.heardAtMs = -Infinity;
    if (this.timer !== null) clearTimeout(this.timer);
    client.removeAllListeners('end');
    // A silent peer never answers a polite goodbye.
    void client.end().catch(() => undefined);
    (client as unknown as { connection?: { stream?: { destroy(): void } } }).connection?.stream?.destroy();
    if (this.stopped) return;
    logger.warn(
      'The revocation listener lost its connection; credentials are looked up in the database until it is back.',
    );
    this.reconnectLater();
  }

  private reconnectLater(): void {
    this.timer = setTimeout(() => {
      this.connect().catch(() => {
        if (!this.stopped) this.reconnectLater();
      });
    }, RECONNECT_AFTER_MS);
  }
}
