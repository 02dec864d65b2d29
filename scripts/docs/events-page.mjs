// docs/events.md, from the registries of webhook and audit events.
import { z } from 'zod';
import { AUDIT_EVENTS } from '../../dist/platform/events/index.js';
import { TEST_EVENT, TEST_EVENT_PAYLOAD, WEBHOOK_EVENTS } from '../../dist/webhooks/event-types.js';
import { GENERATED, page, table } from './markdown.mjs';

export function eventsPage() {
  return page(
    '# Events',
    GENERATED,
    '## Webhooks',
    'Each is a POST of `{"type", "payload"}` to the endpoints that chose the type. [The guide](guides/webhooks.md) says how to verify the signature.',
    ...Object.entries(WEBHOOK_EVENTS).flatMap(([type, { when, payload }]) => [
      `### ${type}`,
      when,
      table(['field of `payload`', 'type', 'meaning'], fieldsOf(payload)),
    ]),
    `### ${TEST_EVENT}`,
    'Sent by `POST /api/v1/webhooks/test` alone, whatever the endpoint chose.',
    table(['field of `payload`', 'type', 'meaning'], fieldsOf(TEST_EVENT_PAYLOAD)),
    '## Audit log',
    '`POST /api/v1/audit/list` answers these. Every event has `id`, `occurredAt`, `action`, `actor` and `resource`; `details` is by action. They hold ids and names of fields, never secrets.',
    table(
      ['action', 'when', '`details`'],
      Object.entries(AUDIT_EVENTS).map(([action, { when, details }]) => [`\`${action}\``, when, detailsOf(details)]),
    ),
  );
}

function fieldsOf(schema) {
  const { properties, required = [] } = z.toJSONSchema(schema, { unrepresentable: 'any' });
  return Object.entries(properties).map(([name, field]) => [
    `\`${name}\`${required.includes(name) ? '' : ' (optional)'}`,
    typeOf(field),
    field.description ?? '',
  ]);
}

function detailsOf(schema) {
  const { properties = {}, required = [], additionalProperties } = z.toJSONSchema(schema, { unrepresentable: 'any' });
  const names = Object.entries(properties).map(([name, field]) => {
    const optional = required.includes(name) ? '' : '?';
    const description = field.description === undefined ? '' : `: ${field.description.replace(/\.$/, '')}`;
    return `\`${name}${optional}\`${description}`;
  });
  if (names.length > 0) return names.join('; ');
  return additionalProperties === false ? '–' : 'the fields that were set';
}

function typeOf({ type, format, const: constant, anyOf, items }) {
  if (constant !== undefined) return `\`${JSON.stringify(constant)}\``;
  if (anyOf !== undefined) return anyOf.map(typeOf).join(' or ');
  if (type === 'array') return `list of ${typeOf(items)}`;
  return format ?? type ?? 'any';
}
