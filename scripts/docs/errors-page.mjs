// docs/errors.md, from the registry in src/platform/errors and the dialects.
import {
  ANSWER_CODES,
  CREDENTIAL_CODES,
  ERROR_CODES,
  FAULT_GUIDE,
  FAULT_STATUS,
  Fault,
  RUN_CODES,
} from '../../dist/platform/errors/index.js';
import { OPENAI_DIALECT, PLATFORM_DIALECT } from '../../dist/platform/http/index.js';
import { GENERATED, page, table } from './markdown.mjs';

export function errorsPage() {
  return page(
    '# Errors',
    GENERATED,
    `Each surface tells errors in the shape that its clients know. A message is for people and may change; status, type and code
are for programs. Every answer carries \`x-request-id\`, which the log has too.`,
    '## Kinds',
    table(['HTTP', 'platform `status`', 'OpenAI `type`', 'OpenAI `code`', 'meaning', 'what to do'], kinds()),
    "A model provider's own refusal of a request (its 400, a 403 about its content, 404, 413, 422, 429 and 5xx) is passed on with its status, message, type and code.",
    '## Codes that say more',
    'Where the cause has a name of its own, `error.code` on the OpenAI surface is one of these instead of the one above.',
    table(['code', 'HTTP', 'meaning', 'what to do'], codes()),
    '## Codes of runs',
    'A run that failed has its code in the `end` event and in the webhook `run.failed`: one of these, one of the codes above, or one of the provider.',
    table(
      ['code', 'meaning', 'what to do'],
      Object.entries(RUN_CODES).map(([code, { meaning, remedy }]) => [`\`${code}\``, meaning, remedy]),
    ),
    '## Refused credentials',
    `The codes of 401. On the OpenAI surface the code is \`error.code\`; on the platform surface it is the \`reason\` of an entry in
\`details\`. \`WWW-Authenticate\` is \`Bearer error="invalid_token"\` where a credential was judged, and \`Bearer\` where there was
none to judge.`,
    table(
      ['code', 'challenge', 'meaning', 'what to do'],
      Object.entries(CREDENTIAL_CODES).map(([code, { isTokenJudged, meaning, message }]) => [
        `\`${code}\``,
        isTokenJudged ? '`invalid_token`' : '–',
        meaning,
        message,
      ]),
    ),
    `No answer says whether an API key exists, was revoked or has expired: all three are \`invalid_credential\`, in the same words.
The log of the service has the real reason of each, under the request id.`,
    example(PLATFORM_DIALECT, refusedCredential()),
    '## Platform surface',
    '`/api/v1/…`: `details` lists the fields at fault, and `requestId` is the id for the log.',
    example(PLATFORM_DIALECT, wrongField()),
    '## OpenAI surface',
    "`/v1/…`: OpenAI's `error`, and beside it the `type` and `message` that older clients of this surface read.",
    example(OPENAI_DIALECT, wrongField()),
  );
}

function kinds() {
  return Object.keys(FAULT_STATUS).map((kind) => {
    const fault = new Fault(kind, 'message');
    const platform = PLATFORM_DIALECT.renderError(fault, 'request').error;
    const openai = OPENAI_DIALECT.renderError(fault, 'request');
    const outer = openai.type === openai.error.type ? '' : ` (outer \`${openai.type}\`)`;
    return [
      String(fault.status),
      `\`${platform.status}\``,
      `\`${openai.error.type}\`${outer}`,
      openai.error.code === null ? '–' : `\`${openai.error.code}\``,
      FAULT_GUIDE[kind].meaning,
      FAULT_GUIDE[kind].remedy,
    ];
  });
}

function codes() {
  const ofFaults = Object.entries(ERROR_CODES).map(([code, entry]) => ({
    code,
    ...entry,
    statuses: entry.kinds.map((kind) => FAULT_STATUS[kind]),
  }));
  const ofAnswers = Object.entries(ANSWER_CODES).map(([code, entry]) => ({ code, ...entry, statuses: [entry.status] }));
  return [...ofFaults, ...ofAnswers]
    .toSorted((one, other) => (one.code < other.code ? -1 : 1))
    .map(({ code, statuses, meaning, remedy }) => [`\`${code}\``, statuses.join(', '), meaning, remedy]);
}

function example(dialect, fault) {
  return `\`\`\`json\n${JSON.stringify(dialect.renderError(fault, 'req_0123456789'), null, 2)}\n\`\`\``;
}

function wrongField() {
  return new Fault('invalid_input', 'model: is required', { fields: [{ field: 'model', reason: 'is required' }] });
}

function refusedCredential() {
  const code = 'missing_credential';
  return new Fault('unauthenticated', CREDENTIAL_CODES[code].message, { code });
}
