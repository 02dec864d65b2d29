// `npm run docs`: writes docs/configuration.md and .env.example from the settings, docs/errors.md from the faults and their
// dialects. With --check it writes nothing and fails where a committed file says something else.
//
// All of it is read from the build, which `npm run docs` and `npm test` bring up to date first.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SETTINGS } from '../dist/platform/config/settings.js';
import { CREDENTIAL_CODES, FAULT_STATUS, Fault } from '../dist/platform/errors/index.js';
import { OPENAI_DIALECT, PLATFORM_DIALECT } from '../dist/platform/http/index.js';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** When each kind of fault is answered. */
const FAULT_WHEN = {
  invalid_input: 'The request is malformed, or a field of it is wrong; the answer names the field.',
  unauthenticated:
    'No credential where one is needed, or one that was refused; the code says more (see [below](#refused-credentials)).',
  permission_denied: 'The credential is good, but may not do this: its kind, its role or its scopes.',
  not_found: "There is no such route or thing, or it is another tenant's.",
  method_not_allowed: 'The path exists, but not with this method.',
  already_exists: 'What was to be made is there already.',
  conflict: 'The thing is in a state that does not allow this.',
  payload_too_large:
    'The body is larger than `GATEHOUSE_BODY_LIMIT_BYTES`, or holds more values than `GATEHOUSE_BODY_LIMIT_VALUES`.',
  unsupported_media_type: 'The body is no JSON, or it is compressed.',
  rate_limited:
    "The key's requests of this window are used up; `Retry-After` says in how many seconds the next one opens.",
  usage_limit_exceeded:
    'A budget has too little left; the answer names its holder, type and period. `Retry-After` says when it renews; where it does not, or only in more than a minute, `x-should-retry: false` says that trying again does not help.',
  usage_limit_busy:
    'A budget has enough left, but open calls hold it, and did so for `GATEHOUSE_ADMISSION_WAIT_MS`; try again after `Retry-After`.',
  internal: 'A mistake of ours. The log has it under the request id.',
  upstream_failed:
    'The model provider cannot be reached, refused our credential, or broke off. What it had produced by then is charged, and `x-should-retry: false` says so.',
  unavailable: 'The database cannot be reached, the ledger is behind, or the service is stopping; try again shortly.',
  upstream_timeout:
    'The model provider did not answer in time. What it answers later is charged, and `x-should-retry: false` says so; without that header nothing is charged.',
};

/** What each reason that a fault names by itself says; it stands as `error.code` on the OpenAI surface. */
const CODE_MEANING = {
  concurrency_limit_exceeded:
    'The tenant or its org has as many calls or queries under way, or as many bytes of bodies in memory, as it may; the message names the setting. Try again after `Retry-After`.',
  body_timeout: 'Nothing of the body came for `GATEHOUSE_IDLE_TIMEOUT_MS`; its connection is closed.',
  too_many_values: 'The body holds more JSON values than `GATEHOUSE_BODY_LIMIT_VALUES`.',
  too_many_fields: 'The body has more than 4,096 fields of its own, or its objects differ in more than 10,000 fields.',
  nested_too_deep: 'The body is nested deeper than `GATEHOUSE_BODY_LIMIT_DEPTH`.',
  model_not_set:
    'A thread names no model, and the tenant has no list to take one from: set `generationConfig.model` of the thread.',
  run_in_progress:
    'The thread has a run under way, and refuses a second message until that has ended (`settings.interruptPolicy`).',
  no_tool_outputs_wanted: 'The run does not wait for the outputs of tools, or not any more.',
  answer_too_long: 'Of a run: its answers have more characters than are kept. What came before that is kept.',
  too_many_steps: 'Of a run: the model called tools again and again.',
  credential_revoked: 'Of a run: the message had waited, and meanwhile the credential that sent it was revoked.',
  human_erased: 'Of a run: the human whose limits it would be charged to was erased meanwhile.',
  invalid_api_key: 'The model provider refused the credential that came with the call: in a sealed access token.',
  no_service_secret: 'A sealed access token has no secret for the service.',
  unknown_service: 'No service of this id is served.',
  model_not_allowed: 'The key is confined to other models; `GET /v1/models` lists those.',
  model_not_found: 'No model of that name is served to this tenant.',
  no_provider_configured:
    'The tenant has no model provider, and may not use one of the platform. Add one by `/api/v1/llm/providers/create`, with the scope `providers:write`.',
  provider_credentials_unreadable:
    "The credentials of the tenant's own provider can't be read: they, or the operator's key around them, were changed. Set them again by `/api/v1/llm/providers/update`.",
  operation_not_supported:
    "Neither the model's provider nor any target of the route serves what was asked for (embeddings, say); the answer names what they serve.",
  response_not_found:
    'There is no such response of the caller that a provider keeps: it was not kept, was deleted, is older than thirty days, or is of somebody else.',
  previous_response_not_found: 'The same of `previous_response_id`.',
  content_refused:
    'The provider refused the request because of its content (a moderation, a policy); with its status, 403.',
  provider_authentication_failed:
    "The provider refused the credential that this service presented; the caller's is fine.",
  route_without_provider:
    "Every provider that the route names is disabled. Enable one by `/api/v1/llm/providers/update`, or change the route's targets.",
  route_unavailable:
    'Every target of the route failed several times in a row, and is left alone for the time in `Retry-After`.',
  invalid_authentication_token:
    'Of a gateway: its token is missing, unknown, expired, deleted or of another gateway. The answer is the same for all of these.',
  provider_not_found: 'The gateway has no provider of the name that stands in the path.',
  server_shutting_down: 'The service was stopped before the answer was complete.',
  upstream_broken: 'The provider broke off its answer, or sent one that cannot be passed on.',
  upstream_error: 'The provider ended a stream with an error of its own.',
  upstream_unreachable: 'No connection to the provider.',
  unsupported_by_provider:
    'The provider has no place for the field that the message names; nothing was sent. Leave it out, or take another provider.',
  image_unreachable: 'An image that the request names by a URL could not be fetched; the message says why.',
};

/** When a 401 has each of its codes. */
const CREDENTIAL_WHEN = {
  missing_credential: 'The request has neither `Authorization` nor `X-API-Key`.',
  wrong_scheme: '`Authorization` has another scheme than `Bearer`, or none.',
  malformed_credential:
    'What was sent is neither an API key, whole and with the right check digits, nor a JWT that names its issuer.',
  expired_token:
    "A JWT or a usage token whose signature is good and whose time is over; of a usage token, its key's time too. Get a new one.",
  publishable_key_needs_user_token: 'A `pk_` key came without a JWT of the user beside it.',
  invalid_credential:
    'All else: an API key that is unknown, revoked or expired; a token with a bad signature, of another issuer or audience, or of an account that is disabled; a revoked usage token.',
};

const GENERATED = 'Generated by `npm run docs`: change what it is made from, not this file.';

const files = {
  'docs/configuration.md': configurationPage(),
  '.env.example': environmentExample(),
  'docs/errors.md': errorsPage(),
};

const check = process.argv.includes('--check');
const stale = [];
for (const [name, content] of Object.entries(files)) {
  const file = path.join(root, name);
  if (readIfThere(file) === content) continue;
  stale.push(name);
  if (!check) writeFileSync(file, content);
}
if (check && stale.length > 0) {
  process.stderr.write(`Out of date: ${stale.join(', ')}. Run \`npm run docs\`.\n`);
  process.exit(1);
}
process.stdout.write(stale.length === 0 ? 'The generated documents are up to date.\n' : `Wrote ${stale.join(', ')}.\n`);

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** The settings by their group, in the order in which they are defined. */
function settingGroups() {
  return Map.groupBy(Object.values(SETTINGS), ({ group }) => group);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function configurationPage() {
  const fallbackOf = ({ fallback, fallbackNote }) => {
    if (fallbackNote !== undefined) return fallbackNote;
    if (fallback === undefined) return 'unset';
    return fallback === '' ? 'empty' : `\`${fallback}\``;
  };
  const groups = [...settingGroups()].map(([group, settings]) => {
    const rows = settings.map((setting) => [
      `\`${setting.variable}\``,
      setting.description,
      fallbackOf(setting),
      setting.requiredInProduction ? 'required' : '',
      setting.secret ? 'secret' : '',
    ]);
    return `## ${group}\n\n${table(['variable', 'meaning', 'default', 'in production', 'secret'], rows)}`;
  });
  return [
    '# Configuration',
    GENERATED,
    `Every setting is an environment variable; a \`.env\` file in the working folder fills what the environment leaves unset
(\`.env.example\` lists them all). An empty variable counts as unset. A wrong value stops the service from starting, and all
that is wrong is named at once. An unknown variable that begins with \`GATEHOUSE_\` is warned of.`,
    `Naming a \`DATABASE_URL\` makes a start production, unless \`GATEHOUSE_DEV=1\` says otherwise; what production requires is
marked. Without it the service runs in development mode: on an embedded Postgres, with generated secrets, on loopback.`,
    ...groups,
  ]
    .join('\n\n')
    .concat('\n');
}

/** Everything commented out: copied as it stands, it changes nothing. */
function environmentExample() {
  const wrapped = (text) => {
    const lines = [''];
    for (const word of text.replaceAll('`', '').split(/\s+/)) {
      const line = lines.at(-1);
      if (line.length > 0 && line.length + word.length + 1 > 110) lines.push(word);
      else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
    }
    return lines.map((line) => `# ${line}`).join('\n');
  };
  const groups = [...settingGroups()].map(([group, settings]) => {
    const entries = settings.map((setting) => {
      const marks = [
        setting.requiredInProduction ? ['Required in production.'] : [],
        setting.secret ? ['Secret.'] : [],
        setting.fallbackNote === undefined ? [] : [`Default: ${setting.fallbackNote}.`],
      ].flat();
      return `${wrapped([setting.description, ...marks].join(' '))}\n#${setting.variable}=${setting.fallback ?? ''}`;
    });
    return `# ──────── ${group}\n\n${entries.join('\n\n')}`;
  });
  return ['# Copy to .env and remove the # of what you set. Generated by `npm run docs`.', ...groups]
    .join('\n\n')
    .concat('\n');
}

function errorsPage() {
  assertSameNames('fault kinds', Object.keys(FAULT_STATUS), Object.keys(FAULT_WHEN));
  assertSameNames('codes of 401', Object.keys(CREDENTIAL_CODES), Object.keys(CREDENTIAL_WHEN));
  assertSameNames('error codes', codesInSources(), Object.keys(CODE_MEANING));
  const kinds = Object.keys(FAULT_STATUS).map((kind) => {
    const fault = new Fault(kind, 'message');
    const platform = PLATFORM_DIALECT.renderError(fault, 'request').error;
    const openai = OPENAI_DIALECT.renderError(fault, 'request');
    const outer = openai.type === openai.error.type ? '' : ` (outer \`${openai.type}\`)`;
    return [
      String(fault.status),
      `\`${platform.status}\``,
      `\`${openai.error.type}\`${outer}`,
      openai.error.code === null ? '–' : `\`${openai.error.code}\``,
      FAULT_WHEN[kind],
    ];
  });
  const example = (dialect, fault) =>
    `\`\`\`json\n${JSON.stringify(dialect.renderError(fault, 'req_0123456789'), null, 2)}\n\`\`\``;
  return [
    '# Errors',
    GENERATED,
    `Each surface tells errors in the shape that its clients know. A message is meant to be read and may change; status, type
and code are meant for programs. Every answer carries \`x-request-id\`, which the log knows too.`,
    '## Kinds',
    table(['HTTP', 'platform `status`', 'OpenAI `type`', 'OpenAI `code`', 'when'], kinds),
    "A model provider's own refusal of a request (its 400, a 403 about its content, 404, 413, 422, 429 and 5xx) is passed on with its status, message, type and code.",
    '## Codes that say more',
    'Where the cause has a name of its own, it stands as `error.code` on the OpenAI surface instead of the one above.',
    table(
      ['code', 'what'],
      Object.entries(CODE_MEANING).map(([code, meaning]) => [`\`${code}\``, meaning]),
    ),
    '## Refused credentials',
    `The codes of 401. On the OpenAI surface the code is \`error.code\`; on the platform surface it is the \`reason\` of an entry in
\`details\`. \`WWW-Authenticate\` is \`Bearer error="invalid_token"\` where a credential was judged, and \`Bearer\` where there was
none to judge.`,
    table(
      ['code', 'challenge', 'when'],
      Object.entries(CREDENTIAL_CODES).map(([code, { isTokenJudged }]) => [
        `\`${code}\``,
        isTokenJudged ? '`invalid_token`' : '–',
        CREDENTIAL_WHEN[code],
      ]),
    ),
    `Whether an API key exists, was revoked or has expired, no answer says: all three are \`invalid_credential\`, in the same words.
The log of the service has the real reason of each, under the request id.`,
    example(PLATFORM_DIALECT, refusedCredential()),
    '## Platform surface',
    '`/api/v1/…`: `details` lists the fields at fault, and `requestId` is the id for the log.',
    example(PLATFORM_DIALECT, wrongField()),
    '## OpenAI surface',
    "`/v1/…`: OpenAI's `error`, and beside it the `type` and `message` that older clients of this surface read.",
    example(OPENAI_DIALECT, wrongField()),
  ]
    .join('\n\n')
    .concat('\n');
}

function wrongField() {
  return new Fault('invalid_input', 'model: is required', { fields: [{ field: 'model', reason: 'is required' }] });
}

function refusedCredential() {
  const code = 'missing_credential';
  return new Fault('unauthenticated', CREDENTIAL_CODES[code].message, { code });
}

/** Every `code: 'some_name'` of the sources, and the codes of `invalidField`: such names are given to faults alone. */

function codesInSources() {
  const given = /(?:\bcode: |\bCODE = |\binvalidField\([^;]*?, ?\s*)'([a-z]+(?:_[a-z]+)+)'/g;
  const codes = new Set();
  for (const name of readdirSync(path.join(root, 'src'), { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.spec.ts') || name.startsWith('generated')) continue;
    const source = readFileSync(path.join(root, 'src', name), 'utf8');
    for (const [, code] of source.matchAll(given)) codes.add(code);
  }
  return [...codes];
}

function assertSameNames(what, found, described) {
  const missing = found.filter((name) => !described.includes(name));
  const gone = described.filter((name) => !found.includes(name));
  if (missing.length === 0 && gone.length === 0) return;
  const parts = [
    missing.length > 0 ? [`scripts/generate-docs.mjs does not describe ${missing.join(', ')}`] : [],
    gone.length > 0 ? [`it describes ${gone.join(', ')}, which no source has`] : [],
  ].flat();
  throw new Error(`The ${what} changed: ${parts.join('; ')}.`);
}
