import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import { sendFault } from '../platform/http/index.js';

/** What stands beside a file that the build compressed, and what the build keeps for itself. */
const NOT_SERVED = /\.(?:br|gz)$|(?:^|\/)\./;
const PAGE = 'index.html';

type Headers = Readonly<Record<string, string>>;

/** Files that a build made, below one path of the service. */
export interface StaticSite {
  /** Such as `/dashboard`, without a slash at its end. */
  readonly prefix: string;
  readonly folder: string;
  /** Said where there are no files. */
  readonly notBuilt: string;
  /** Said where there is no such file. */
  readonly noSuchFile: string;
  /** Whether a path that names no file is answered with the site's one page, which then knows what to show. */
  isPage(name: string): boolean;
  headersOf(file: string): Headers | Promise<Headers>;
}

/**
 * Serves sites by @fastify/static, which chooses the compressed copy that the caller takes and answers 304. Only files that were
 * there at the start are ever read. All of a site is one label in the metrics, whatever the build called its files.
 */
export async function serveSites(app: NestFastifyApplication, sites: readonly StaticSite[]): Promise<void> {
  // Browsers ask for whole files; ranges of them would only be another thing to refuse.
  const whole = { cacheControl: false, index: false, acceptRanges: false } as const;
  await app.register(fastifyStatic, { serve: false, preCompressed: true, ...whole });
  for (const site of sites) serveSite(app, site);
}

function serveSite(app: NestFastifyApplication, site: StaticSite): void {
  const { prefix, folder } = site;
  const files = filesOf(folder);
  const route = `${prefix}/*`;
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    request.routePath = route;
    const [asked = ''] = request.url.split('?');
    // Without the slash the links of pages would lead one folder too high.
    if (asked === prefix && !site.isPage('')) return reply.redirect(`${prefix}/`, 302);
    const name = asked.slice(prefix.length + 1);
    const file = name === '' || (!files.has(name) && site.isPage(name)) ? PAGE : name;
    if (!files.has(file)) {
      sendFault(request, reply, new Fault('not_found', files.size === 0 ? site.notBuilt : site.noSuchFile));
      // Waits until it is sent: a handler that is over without an answer would be one of 200.
      return reply;
    }
    return reply.headers({ vary: 'accept-encoding', ...(await site.headersOf(file)) }).sendFile(file, folder);
  };
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get(prefix, serve);
  fastify.get(route, serve);
}

function filesOf(folder: string): ReadonlySet<string> {
  if (!existsSync(folder)) return new Set();
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name)));
  const names = paths.map((name) => name.split(path.sep).join('/'));
  return new Set(names.filter((name) => !NOT_SERVED.test(name)));
}
