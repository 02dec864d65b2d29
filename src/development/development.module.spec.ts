import { generateKeyPairSync } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose';
import { DEVELOPMENT_ISSUER, DevelopmentIssuer } from './development-issuer.js';
import { DevelopmentModule } from './development.module.js';

describe('the development module', () => {
  it('serves the keys that verify development tokens', async () => {
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
    const issuer = new DevelopmentIssuer(path.join(os.tmpdir(), 'gatehouse-nowhere'), pem.toString());
    const app = await NestFactory.create<NestFastifyApplication>(
      DevelopmentModule.register(issuer),
      new FastifyAdapter(),
      {
        logger: false,
      },
    );
    try {
      await app.init();
      const answer = await app.inject({ method: 'GET', url: '/.well-known/development-jwks.json' });
      expect(answer.statusCode).toBe(200);
      expect(answer.headers['cache-control']).toBe('public, max-age=300');
      const keys = createLocalJWKSet(answer.json<JSONWebKeySet>());
      const { payload } = await jwtVerify(await issuer.issue({ userId: 'dev-owner' }), keys, {
        issuer: DEVELOPMENT_ISSUER,
      });
      expect(payload.sub).toBe('dev-owner');
    } finally {
      await app.close();
    }
  });
});
