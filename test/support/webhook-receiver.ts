/**
 * A developer's backend that receives events: it keeps every request byte for byte, and answers as a test says.
 *
 * A service reaches it with its `settings`, a service's process with its `environment`.
 */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { Webhook } from 'standardwebhooks';
import type { z } from 'zod';
import type { Settings } from '../../src/platform/config/index.js';
import { TEST_EVENT, TEST_EVENT_PAYLOAD, WEBHOOK_EVENTS } from '../../src/webhooks/event-types.js';
import { selfSignedCertificate } from './self-signed-certificate.js';

export interface Received {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly raw: Buffer;
  /** The header `webhook-id`. */
  readonly id: string;
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The answer to one request; `hang`: no answer. */
export type Reaction = number | 'hang' | { readonly status: number; readonly headers?: Record<string, string> };

const certificate = selfSignedCertificate(['127.0.0.1', 'localhost']);

export class WebhookReceiver {
  readonly received: Received[] = [];
  /** By path; other paths are answered with 200. */
  readonly reactions = new Map<string, Reaction | ((received: Received) => Reaction)>();
  /** Received events that are not in the registry, or whose payload differs from it. */
  private readonly undocumented: string[] = [];
  private readonly server: https.Server;
  private port = 0;
  private folder: string | null = null;

  private constructor() {
    this.server = https.createServer(certificate, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('error', () => undefined);
      request.on('end', () => this.take(request, Buffer.concat(chunks), response));
    });
  }

  static async start(): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver();
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
    await receiver.comeBack();
    return receiver;
  }

  async stop(): Promise<void> {
    await this.goDown();
    const own = certificate.cert.trim();
    tls.setDefaultCACertificates(tls.getCACertificates('default').filter((known) => known.trim() !== own));
    if (this.folder !== null) rmSync(this.folder, { recursive: true, force: true });
    if (this.undocumented.length > 0) throw new Error(this.undocumented.join('\n'));
  }

  /** From now on connections are refused, and open ones are cut. */
  async goDown(): Promise<void> {
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  /** Listens again at the same address. */
  async comeBack(): Promise<void> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  url(at = '/hook'): string {
    return `https://127.0.0.1:${this.port}${at}`;
  }

  /** The requests to one path, in order. */
  at(at: string): Received[] {
    return this.received.filter((received) => received.path === at);
  }

  /** The settings with which a service in this process reaches it. */
  get settings(): Partial<Settings> {
    return { outboundAllowCidrs: ['127.0.0.0/8'] };
  }

  /** The environment for a service's own process. */
  get environment(): Record<string, string> {
    this.folder ??= mkdtempSync(path.join(os.tmpdir(), 'gatehouse-receiver-'));
    const file = path.join(this.folder, 'trust.mjs');
    writeFileSync(
      file,
      `import tls from 'node:tls';
      tls.setDefaultCACertificates([...tls.getCACertificates('default'), ${JSON.stringify(certificate.cert)}]);`,
    );
    return { OUTBOUND_ALLOW_CIDRS: '127.0.0.0/8', NODE_OPTIONS: `--import=${file}` };
  }

  private take(request: http.IncomingMessage, raw: Buffer, response: http.ServerResponse): void {
    const { type, payload } = JSON.parse(raw.toString()) as Pick<Received, 'type' | 'payload'>;
    const { headers, url = '' } = request;
    const received = { path: url, headers, raw, id: String(headers['webhook-id']), type, payload };
    this.received.push(received);
    this.undocumented.push(...differencesFromRegistry(type, payload));
    const set = this.reactions.get(url) ?? 200;
    const reaction = typeof set === 'function' ? set(received) : set;
    if (reaction === 'hang') return;
    const { status, headers: answered = {} } = typeof reaction === 'number' ? { status: reaction } : reaction;
    response.writeHead(status, answered).end('thank you');
  }
}

function differencesFromRegistry(type: string, payload: unknown): string[] {
  const schemas: Readonly<Record<string, { readonly payload: z.ZodType }>> = WEBHOOK_EVENTS;
  const schema = type === TEST_EVENT ? TEST_EVENT_PAYLOAD : schemas[type]?.payload;
  if (schema === undefined) return [`The webhook ${type} is not in WEBHOOK_EVENTS.`];
  const { error } = schema.safeParse(payload);
  return error === undefined
    ? []
    : [`The webhook ${type} has another payload than WEBHOOK_EVENTS says: ${error.message}`];
}

/** Whether the library of Standard Webhooks accepts the request with this secret. */
export function verifiesByLibrary({ raw, headers }: Received, secret: string): boolean {
  try {
    new Webhook(secret).verify(raw, headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

/** Whether a plain HMAC does, as in a receiver without a library. */
export function verifiesByHmac({ raw, headers }: Received, secret: string): boolean {
  return createHmac('sha256', secret).update(raw).digest('hex') === headers['x-webhook-signature'];
}
