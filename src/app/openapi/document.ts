import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { VERSION } from '../../platform/config/index.js';
import { declaredRoutes } from '../assert-routes-declared.js';
import { recordedAnswers, tellAnswer } from './answer-examples.js';
import { accessText } from './access-text.js';
import { tellErrors } from './error-responses.js';
import { tellExamples } from './examples.js';
import { ANSWER_HEADERS, callerHeaders, headersOf, headersOfPath } from './headers.js';
import { nameSchemas } from './named-schemas.js';
import { shareResponses } from './shared-responses.js';
import { toldRoutes, type ToldRoute } from './operations.js';
import { addSecuritySchemes } from './security-schemes.js';
import { groupByTask } from './tasks.js';

const DESCRIPTION = `Tenants, keys, limits, a ledger and an OpenAI-compatible gateway, in front of your AI features.

Authorise with one of the credentials below; each operation lists those that it takes, with their scopes and roles, in its
description and as \`x-access\`. Every error response lists its codes, what they mean and what to do.`;

/** The OpenAPI document of every route, made from what the routes declare. */
export function createDocument(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Gatehouse')
    .setDescription(DESCRIPTION)
    .setVersion(VERSION)
    .addServer('/', 'This service');
  const written = SwaggerModule.createDocument(app, addSecuritySchemes(builder).build(), {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}_${method}`,
  });
  // Routes that stand under two paths share parts of what the library writes.
  const document = JSON.parse(JSON.stringify(written)) as OpenAPIObject;
  const declared = declaredRoutes(
    app.get(DiscoveryService, { strict: false }),
    app.get(MetadataScanner, { strict: false }),
  );
  const told = toldRoutes(document, declared);
  groupByTask(document, told);
  const answers = recordedAnswers();
  for (const one of told) {
    complete(one);
    tellAnswer(one, answers);
  }
  document.components = { ...document.components, headers: ANSWER_HEADERS };
  nameSchemas(document, told);
  shareResponses(document, told);
  return document;
}

function complete(told: ToldRoute): void {
  const { operation, route, path } = told;
  const { access } = route;
  if (access === undefined) return;
  // The operation ids of routes under two paths come with a number, which most languages do not allow in a name.
  operation.operationId = (operation.operationId ?? '').replace(
    /\[\d\]$/,
    path.includes('/v1alpha1/') ? 'V1alpha1' : '',
  );
  operation.description = [operation.description, accessText(access)].filter(Boolean).join('\n\n');
  operation.security ??= [];
  operation.parameters = [...(operation.parameters ?? []), ...callerHeaders(access, operation)];
  if (operation.parameters.length === 0) delete operation.parameters;
  const isIdempotent = (operation.parameters ?? []).some((one) => 'name' in one && one.name === 'Idempotency-Key');
  for (const [status, response] of Object.entries(operation.responses)) {
    if (response === undefined || '$ref' in response) continue;
    response.description ||= 'Done.';
    response.headers = {
      ...response.headers,
      ...headersOf(access, Number(status), isIdempotent),
      ...(status === '200' ? headersOfPath(path) : {}),
    };
  }
  tellErrors(told);
  tellExamples(told);
}
