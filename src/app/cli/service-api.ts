import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { loadClientSettings, type ClientSettings } from '../../platform/config/index.js';
import { OperatorError } from '../../platform/errors/index.js';
import { OutboundHttp, type Fetch } from '../../platform/outbound/index.js';

const DEVELOPMENT_OWNER = 'dev-owner';
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const PAGE_SIZE = 200;
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

export interface Caller {
  /** Whom the development issuer signs for, where no token is set. */
  readonly user?: string;
}

/**
 * The routes of a running service, as the person whose dashboard token is sent: what a command may do is judged, and
 * written to the audit log, as for everybody else.
 */
export class ServiceApi {
  private readonly outbound = new OutboundHttp({ connectTimeoutMs: CONNECT_TIMEOUT_MS });
  private readonly fetch: Fetch;

  private constructor(
    private readonly baseUrl: string,
    private readonly token: string,
  ) {
    this.fetch = this.outbound.fetchFor({
      policy: 'operator',
      origins: [new URL(baseUrl).origin],
      timeouts: {
        firstByteTimeoutMs: ANSWER_TIMEOUT_MS,
        idleTimeoutMs: ANSWER_TIMEOUT_MS,
        totalTimeoutMs: ANSWER_TIMEOUT_MS,
      },
      maxBytes: MAX_ANSWER_BYTES,
    });
  }

  /** Does `work` with the service that the settings name. */
  static async use<T>(caller: Caller, work: (api: ServiceApi) => Promise<T>): Promise<T> {
    const settings = loadClientSettings();
    const baseUrl = await baseUrlOf(settings);
    const api = new ServiceApi(baseUrl, await tokenOf(settings, baseUrl, caller));
    try {
      return await work(api);
    } finally {
      await api.outbound.onApplicationShutdown();
    }
  }

  /** @throws OperatorError with what the service said */
  async post<T>(route: string, body: object = {}): Promise<T> {
    const answer = await this.fetch(`${this.baseUrl}/api/v1/${route}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).catch((error: unknown) => {
      throw new OperatorError(
        `No service answers at ${this.baseUrl}. Start it, or set GATEHOUSE_URL to where it runs.`,
        { cause: error },
      );
    });
    const told = parseJson(await answer.text());
    if (answer.ok) return told as T;
    throw new OperatorError(refusalOf(answer.status, told));
  }

  /** The first things of a list, over as many pages as that takes. */
  async list<T>(route: string, field: string, most: number, filter: object = {}): Promise<T[]> {
    const found: T[] = [];
    let pageToken = '';
    do {
      const pageSize = Math.min(PAGE_SIZE, most - found.length);
      const page = await this.post<Readonly<Record<string, T[]>> & { readonly nextPageToken: string }>(route, {
        ...filter,
        pageSize,
        pageToken,
      });
      found.push(...(page[field] ?? []));
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && found.length < most);
    return found;
  }
}

/** In development the service writes down where it listens. */
async function baseUrlOf({ commandUrl, publicUrl, port, mode, home }: ClientSettings): Promise<string> {
  const named = commandUrl ?? (mode === 'development' ? await quickstartUrl(home) : null) ?? publicUrl;
  return (named ?? `http://127.0.0.1:${port}`).replace(/\/+$/, '');
}

async function quickstartUrl(home: string): Promise<string | null> {
  const text = await readFile(path.join(home, 'quickstart.json'), 'utf8').catch(() => '');
  const baseUrl = (parseJson(text) as { baseUrl?: unknown } | null)?.baseUrl;
  return typeof baseUrl === 'string' ? baseUrl : null;
}

async function tokenOf(settings: ClientSettings, baseUrl: string, { user }: Caller): Promise<string> {
  const { commandToken, mode, home } = settings;
  if (user === undefined && commandToken !== undefined) return commandToken;
  const isDevelopment = mode === 'development' && LOOPBACK.has(new URL(baseUrl).hostname);
  if (isDevelopment && (await isThere(path.join(home, 'secrets.json')))) {
    const { DevelopmentIssuer, loadDevelopmentSecrets } = await import('../../development/index.js');
    const { issuerKeyPem } = await loadDevelopmentSecrets(home);
    return new DevelopmentIssuer(home, issuerKeyPem).issue({ userId: user ?? DEVELOPMENT_OWNER });
  }
  if (user !== undefined) {
    throw new OperatorError(
      '--user works with a development service on this machine alone; set GATEHOUSE_TOKEN instead.',
    );
  }
  throw new OperatorError(
    `Set GATEHOUSE_TOKEN to a dashboard token for ${baseUrl}: the ID token of a person who is a member there.`,
  );
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

function refusalOf(status: number, told: unknown): string {
  const { message, requestId } = (told as { error?: { message?: string; requestId?: string } } | null)?.error ?? {};
  if (message === undefined) return `The service answered ${status}, and not as Gatehouse does; check GATEHOUSE_URL.`;
  return requestId === undefined ? message : `${message} (${status}, request ${requestId})`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
