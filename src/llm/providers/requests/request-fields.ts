import { invalidField } from '../../../platform/errors/index.js';
import { isCredential } from '../../../platform/http/index.js';
import { replaceField, type JsonObject } from '../../../platform/json/index.js';

/** What each request has, whatever its operation. */
export interface ProviderRequest {
  /** The body as it came, but for a byte order mark. */
  readonly raw: Buffer;
  readonly json: JsonObject;
  readonly model: string;
  readonly stream: boolean;
}

const MAX_MODEL_LENGTH = 256;

/** The same request of another model; all else stays as it is, byte for byte. */
export function ofModel<Request extends ProviderRequest>(request: Request, model: string): Request {
  const json = replaceField(request.json, 'model', model);
  return { ...request, raw: json.bytes, json, model };
}

/**
 * Some servers match keys without regard to case (Go's parser does, the long s and the Kelvin sign included): `Model`
 * beside `model` would then be one model to us and another one upstream.
 *
 * @throws Fault invalid_input
 */
export function refuseLookalikes(json: JsonObject, governed: ReadonlySet<string>): void {
  for (const key of json.fields.keys()) {
    if (governed.has(key)) continue;
    const folded = key.toUpperCase().toLowerCase();
    if (governed.has(folded)) throw invalidField(key, `must be written ${folded}`);
  }
}

/** @throws Fault invalid_input */
export function readModel(value: unknown): string {
  if (value === undefined) throw invalidField('model', 'is missing');
  if (typeof value !== 'string') throw invalidField('model', 'must be a string');
  if (value === '') throw invalidField('model', 'must not be empty');
  if (value.length > MAX_MODEL_LENGTH) throw invalidField('model', `must be at most ${MAX_MODEL_LENGTH} characters`);
  // It is stored in the ledger, and Postgres takes neither.
  if (value.includes('\0') || !value.isWellFormed())
    throw invalidField('model', 'must not hold U+0000 or a lone surrogate');
  // It is stored and logged as it stands.
  if (isCredential(value)) throw invalidField('model', 'must be the name of a model, and holds a key or a token');
  return value;
}

/** @throws Fault invalid_input */
export function readStream(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalidField('stream', 'must be true or false');
  return value;
}
