import { readFileSync } from 'node:fs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import helmet from 'helmet';
import { dump } from 'js-yaml';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';

/** From src/ and from dist/ the same number of folders up. */
const PACKAGE = new URL('../../package.json', import.meta.url);

/** The OpenAPI document of every route, with the credentials that each takes. */
function createDocument(app: NestFastifyApplication): OpenAPIObject {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  const config = new DocumentBuilder()
    .setTitle('Gatehouse')
    .setDescription('Tenants, keys, limits, a ledger and an OpenAI-compatible gateway, in front of your AI features.')
    .setVersion(version)
    .addSecurity('dashboardToken', {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: "A dashboard user's ID token, with a `tenant_id` claim.",
    })
    .addSecurity('secretKey', { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A secret key, `sk_…`.' })
    .addSecurity('secretKeyBearer', {
      type: 'http',
      scheme: 'bearer',
      description: "A secret key, `sk_…`, as OpenAI's clients send it.",
    })
    .addSecurity('publishableKey', {
      type: 'apiKey',
      in: 'header',
      name: 'X-API-Key',
      description: 'A publishable key, `pk_…`; good only beside a user token.',
    })
    .addSecurity('userToken', {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: "An end user's JWT, of the issuer that the publishable key beside it names.",
    })
    .addSecurity('usageToken', {
      type: 'http',
      scheme: 'bearer',
      bearerFormat: 'JWT',
      description: "A usage token: one of a tenant's humans, by a token that the tenant's server made.",
    })
    .addSecurity('sealedToken', {
      type: 'http',
      scheme: 'bearer',
      description: 'A sealed access token, `aisbreaker_…`, which brings its providers’ secrets in itself.',
    })
    .addSecurity('gatewayToken', { type: 'http', scheme: 'bearer', description: 'A token of one gateway.' })
    .addSecurity('gatewayTokenHeader', {
      type: 'apiKey',
      in: 'header',
      name: 'cf-aig-authorization',
      description: 'A token of one gateway, as `Bearer …`; it goes before `Authorization`.',
    })
    .build();
  return SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
}

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
  SwaggerModule.setup('docs', app, documentOf, { raw: false });
  // Written once: it is served without a credential, and Nest's own route writes the YAML anew for each, for tens of ms.
  const texts = {
    '/openapi.json': { type: 'application/json', text: once(() => JSON.stringify(documentOf())) },
    '/openapi.yaml': { type: 'text/yaml', text: once(() => dump(documentOf(), { noRefs: true, skipInvalid: true })) },
  };
  for (const [path, { type, text }] of Object.entries(texts)) {
    app.getHttpAdapter().get(path, (_request: FastifyRequest, reply: FastifyReply) => reply.type(type).send(text()));
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
