import type { FastifyReply, FastifyRequest } from 'fastify';
import helmet from 'helmet';
import { dump } from 'js-yaml';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { READING_TURNS } from '../platform/http/index.js';
import { createDocument } from './openapi/document.js';

/** Serves the document at /openapi.json and Swagger UI at /docs. */
export function serveDocumentation(app: NestFastifyApplication): void {
  const protectPage = helmet({
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
    strictTransportSecurity: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  // Pages alone need a browser's protections; the API's answers are never rendered, and its hot path is spared the work.
  fastify.addHook('onRequest', (request, reply, done) => {
    if (request.url.startsWith('/docs'))
      protectPage(request.raw, reply.raw, (error) => done(error as Error | undefined));
    else done();
  });
  const documentOf = once(() => createDocument(app));
  SwaggerModule.setup('docs', app, documentOf, {
    raw: false,
    customSiteTitle: 'Gatehouse API',
    customCss: '.swagger-ui .topbar { display: none }',
    swaggerOptions: {
      // Credentials outlive a reload of the page, in the browser's own storage.
      persistAuthorization: true,
      docExpansion: 'none',
      filter: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
    },
  });
  // Written once: it is served without a credential, and Nest's own route writes the YAML anew for each, for tens of ms.
  const texts = {
    '/openapi.json': { type: 'application/json', text: once(() => JSON.stringify(documentOf())) },
    '/openapi.yaml': { type: 'text/yaml', text: once(() => dump(documentOf(), { noRefs: true, skipInvalid: true })) },
  };
  for (const [path, { type, text }] of Object.entries(texts)) {
    app.getHttpAdapter().get(path, async (request: FastifyRequest, reply: FastifyReply) => {
      // Anyone may ask, and half a megabyte takes milliseconds to write: one in each turn of the event loop.
      await READING_TURNS.next(request.ip);
      await reply.type(type).send(text());
    });
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
