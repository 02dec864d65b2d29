import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Fault } from '../platform/errors/index.js';
import { sendFault } from '../platform/http/index.js';

/** What scripts/build-dashboard.mjs made; from src/ and from dist/ the same number of folders up. */
const BUILT = fileURLToPath(new URL('../../dashboard/dist', import.meta.url));
const PREFIX = '/dashboard';
const PAGE = 'index.html';
/** One name for all of it in the metrics, whatever the build called its files. */
const ROUTE = `${PREFIX}/*`;
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
/** By preference. */
const ENCODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Where the Firebase SDK signs people in and renews their tokens: the only other hosts that pages may ask. */
const FIREBASE_HOSTS = 'https://identitytoolkit.googleapis.com https://securetoken.googleapis.com';
/** Only the build's own files run, and text never becomes markup: what a user typed can't become a script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  `connect-src 'self' ${FIREBASE_HOSTS}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/**
 * Serves the web application: the files that the build made, by a list that is read once, and its one page for every other
 * path below. `/accept-invitation`, which invitations link to, leads to its page there.
 */
export function serveDashboard(app: NestFastifyApplication): void {
  const names = existsSync(BUILT) ? readdirSync(BUILT, { recursive: true, encoding: 'utf8' }) : [];
  const files = new Set(names.map((file) => file.split(path.sep).join('/')));
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    request.routePath = ROUTE;
    const [asked = ''] = request.url.split('?');
    const name = asked.slice(PREFIX.length + 1);
    const type = TYPES[path.extname(name)];
    const isFile = type !== undefined && files.has(name);
    if (!isFile && name.startsWith('assets/'))
      return refuse(
        request,
        reply,
        'The dashboard has no such file. Reload the page: a newer version may have replaced it.',
      );
    if (!files.has(PAGE)) {
      return refuse(request, reply, 'The dashboard is not built: run `npm run dashboard`.');
    }
    const file = isFile ? name : PAGE;
    const [encoding, ending] = encodingOf(request, (suffix) => files.has(`${file}${suffix}`));
    reply
      .type(TYPES[path.extname(file)] ?? '')
      .header('cache-control', file.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
      .header('content-security-policy', CONTENT_SECURITY_POLICY)
      .header('cross-origin-opener-policy', 'same-origin')
      .header('cross-origin-resource-policy', 'same-origin')
      .header('permissions-policy', 'camera=(), geolocation=(), microphone=()')
      .header('referrer-policy', 'no-referrer')
      .header('vary', 'accept-encoding');
    if (encoding !== '') reply.header('content-encoding', encoding);
    return reply.send(await readFile(path.join(BUILT, `${file}${ending}`)));
  };
  const fastify = app.getHttpAdapter().getInstance();
  fastify.get(PREFIX, serve);
  fastify.get(ROUTE, serve);
  // The token stands after the #, which browsers keep to themselves and take along.
  fastify.get('/accept-invitation', (request, reply) => {
    request.routePath = ROUTE;
    return reply.redirect(`${PREFIX}/accept-invitation`, 302);
  });
}

function refuse(request: FastifyRequest, reply: FastifyReply, message: string): void {
  sendFault(request, reply, new Fault('not_found', message));
}

/** The first of ours that the caller takes and the build has. */
function encodingOf(request: FastifyRequest, has: (ending: string) => boolean): readonly [string, string] {
  const taken = String(request.headers['accept-encoding'] ?? '').toLowerCase();
  const isTaken = (name: string): boolean =>
    taken.split(',').some((part) => part.split(';', 1)[0]?.trim() === name && !/;\s*q=0(?:\.0*)?\s*$/.test(part));
  return ENCODINGS.find(([name, ending]) => isTaken(name) && has(ending)) ?? ['', ''];
}
