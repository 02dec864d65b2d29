import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import { sendFault } from '../platform/http/index.js';

/** What scripts/build-guide.mjs made; from src/ and from dist/ the same number of folders up. */
const SITE = fileURLToPath(new URL('../../site', import.meta.url));
const PREFIX = '/docs/guide';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
};

/** Serves the documentation's site. Only files that were there at the start are ever read; without any it says how to build them. */
export function serveGuide(app: NestFastifyApplication): void {
  const names = existsSync(SITE) ? readdirSync(SITE, { recursive: true, encoding: 'utf8' }) : [];
  const files = new Set(
    names.map((file) => file.split(path.sep).join('/')).filter((file) => path.extname(file) in TYPES),
  );
  const missing = files.size === 0 ? 'The guides are not built: run `npm run docs:site`.' : 'There is no such page.';
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const [asked = ''] = request.url.split('?');
    // Without the slash the pages' own links would lead one folder too high.
    if (asked === PREFIX) return reply.redirect(`${PREFIX}/`, 302);
    const file = asked.slice(PREFIX.length + 1) || 'index.html';
    if (!files.has(file)) return sendFault(request, reply, new Fault('not_found', missing));
    return reply
      .header('cache-control', 'no-cache')
      .type(TYPES[path.extname(file)] ?? '')
      .send(await readFile(path.join(SITE, file)));
  };
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get(PREFIX, serve);
  fastify.get(`${PREFIX}/*`, serve);
}
