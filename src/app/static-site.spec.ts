import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import http, { type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveSites } from './static-site.js';

@Module({})
class Nothing {}

const SCRIPT = 'export const answer = 42;\n'.repeat(100);
const OPEN = { brotli: brotliDecompressSync, gzip: gunzipSync };

let folder: string;
let app: NestFastifyApplication;
let labels: (string | undefined)[];

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'static-site-'));
  await mkdir(path.join(folder, 'assets'));
  await writeFile(path.join(folder, 'index.html'), '<!doctype html>');
  await writeFile(path.join(folder, '.hash'), 'secret of the build');
  for (const name of ['both.js', 'zipped.js']) {
    await writeFile(path.join(folder, 'assets', name), SCRIPT);
    await writeFile(path.join(folder, 'assets', `${name}.gz`), gzipSync(SCRIPT));
  }
  await writeFile(path.join(folder, 'assets', 'both.js.br'), brotliCompressSync(SCRIPT));
  app = await NestFactory.create<NestFastifyApplication>(Nothing, new FastifyAdapter(), { logger: false });
  labels = [];
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', (request, _reply, done) => {
      labels.push(request.routePath);
      done();
    });
  await serveSites(app, [
    {
      ...{ prefix: '/site', folder, notBuilt: 'not built', noSuchFile: 'no such file' },
      isPage: (name) => !name.startsWith('assets/'),
      headersOf: (file) => ({ 'cache-control': file.startsWith('assets/') ? 'immutable' : 'no-cache' }),
    },
  ]);
  await app.listen(0, '127.0.0.1');
});

afterEach(async () => {
  await app.close();
  await rm(folder, { recursive: true });
});

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Fetch would choose and undo the encoding by itself. */
const get = (target: string, headers: Record<string, string> = {}): Promise<Got> =>
  new Promise((resolve, reject) => {
    const { port } = app.getHttpServer().address() as AddressInfo;
    http
      .get({ host: '127.0.0.1', port, path: target, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      })
      .on('error', reject);
  });

it.each([
  ['both.js', 'gzip, deflate, br', 'br', OPEN.brotli],
  ['both.js', 'br', 'br', OPEN.brotli],
  ['both.js', 'gzip', 'gzip', OPEN.gzip],
  ['both.js', 'gzip, br;q=0', 'gzip', OPEN.gzip],
  ['zipped.js', 'gzip, deflate, br', 'gzip', OPEN.gzip],
] as const)('gives of %s to a caller that accepts %s the copy in %s', async (file, accepted, encoding, open) => {
  const { headers, body } = await get(`/site/assets/${file}`, { 'accept-encoding': accepted });
  expect(headers).toMatchObject({
    'content-encoding': encoding,
    'cache-control': 'immutable',
    'content-type': expect.stringContaining('javascript') as string,
    vary: 'accept-encoding',
  });
  expect(open(body).toString()).toBe(SCRIPT);
});

it.each([[undefined], ['identity'], ['zstd']])(
  'gives the file itself to a caller that accepts %s',
  async (accepted) => {
    const { headers, body } = await get(
      '/site/assets/both.js',
      accepted === undefined ? {} : { 'accept-encoding': accepted },
    );
    expect(headers['content-encoding']).toBeUndefined();
    expect(headers.vary).toBe('accept-encoding');
    expect(body.toString()).toBe(SCRIPT);
  },
);

it('answers 304 to a caller that has the copy of its encoding', async () => {
  const first = await get('/site/assets/both.js', { 'accept-encoding': 'br' });
  const again = await get('/site/assets/both.js', {
    'accept-encoding': 'br',
    'if-none-match': String(first.headers.etag),
  });
  expect([again.status, again.body.length]).toEqual([304, 0]);
});

it('serves the page for each path that is not a file, uncached, and nothing that the build keeps for itself', async () => {
  for (const target of ['/site', '/site/', '/site/any/path?x=1', '/site/.hash', '/site/index.html.gz']) {
    const { status, headers, body } = await get(target);
    expect([target, status, body.toString()]).toEqual([target, 200, '<!doctype html>']);
    expect(headers['cache-control']).toBe('no-cache');
  }
});

it.each(['bytes=0-4', 'bytes=999999999-', 'bytes=5-1', 'bytes=abc'])(
  'serves the whole file for the range %s',
  async (range) => {
    const got = await get('/site/assets/both.js', { range });
    expect([got.status, got.body.toString()]).toEqual([200, SCRIPT]);
  },
);

it('is one label in the metrics, whatever was asked for', async () => {
  for (const target of ['/site', '/site/assets/both.js', '/site/assets/zipped.js', '/site/any/path']) await get(target);
  expect(new Set(labels)).toEqual(new Set(['/site/*']));
});
