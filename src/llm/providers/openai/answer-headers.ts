/** What a provider's headers say of its answer. */
import type { IncomingHttpHeaders } from 'node:http';
import type { AnswerHeaders } from '../provider.js';

export const JSON_TYPE = 'application/json';
/** What compresses; any other coding is a name that some servers give to none. */
const COMPRESSED = /gzip|compress|deflate|br|zstd/i;
const NO_HEADERS: AnswerHeaders = {};

export function isCompressed(headers: IncomingHttpHeaders): boolean {
  const encoding = headers['content-encoding'];
  return encoding !== undefined && COMPRESSED.test(encoding);
}

export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? JSON_TYPE).toLowerCase();
}

/** The type of an answer that is not a stream. A provider does not choose what a browser takes it for. */
export function jsonTypeOf(mediaType: string): string {
  return mediaType.startsWith(JSON_TYPE) ? mediaType : JSON_TYPE;
}

/** The headers that the caller gets too. */
export function passedOn(headers: IncomingHttpHeaders): AnswerHeaders {
  const processing = headers['openai-processing-ms'];
  return typeof processing === 'string' ? { 'openai-processing-ms': processing } : NO_HEADERS;
}
