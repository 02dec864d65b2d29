import type { LanguageModelV4FilePart } from '@ai-sdk/provider';
import { invalidField } from '../../../platform/errors/index.js';
import { OutboundError, type OutboundHttp, type OutboundRequest } from '../../../platform/outbound/index.js';
import type { RemoteImage } from './files.js';

const TIMEOUT_MS = 10_000;
const MAX_IMAGE_BYTES = 10 * 1024 * 1024;
const MAX_IMAGES = 20;
/** Of all images of a call together. */
const MAX_BYTES = 20 * 1024 * 1024;
const IMAGE = /^image\/[\w.+-]+/;

const TIMEOUTS: Pick<OutboundRequest, 'firstByteTimeoutMs' | 'idleTimeoutMs' | 'totalTimeoutMs'> = {
  firstByteTimeoutMs: TIMEOUT_MS,
  idleTimeoutMs: TIMEOUT_MS,
  totalTimeoutMs: TIMEOUT_MS,
};

/**
 * Puts the images that messages name by a URL into the messages themselves, for a provider that fetches none. They are
 * fetched by the rules for addresses that a tenant chose, one after another, so that one call takes one connection.
 *
 * @throws Fault invalid_input naming the image's field
 */
export async function inlineImages(
  images: readonly RemoteImage[],
  http: Pick<OutboundHttp, 'fetchFor'>,
  signal: AbortSignal,
): Promise<void> {
  let left = MAX_BYTES;
  let count = 0;
  for (const { part, field } of images) {
    count += 1;
    if (count > MAX_IMAGES) throw invalidField(field, `must be one of at most ${MAX_IMAGES} images named by a URL`);
    const image = await fetchImage(part, field, http, Math.min(left, MAX_IMAGE_BYTES), signal);
    left -= image.bytes.byteLength;
    part.mediaType = image.mediaType;
    part.data = { type: 'data', data: image.bytes };
  }
}

async function fetchImage(
  part: LanguageModelV4FilePart,
  field: string,
  http: Pick<OutboundHttp, 'fetchFor'>,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ readonly mediaType: string; readonly bytes: Uint8Array }> {
  if (part.data.type !== 'url') throw new Error('Only an image with a URL is fetched.');
  const { url } = part.data;
  const fetch = http.fetchFor({ policy: 'tenant', origins: [url.origin], timeouts: TIMEOUTS, maxBytes });
  let response: Response;
  let bytes: Uint8Array;
  try {
    response = await fetch(url, { headers: { accept: 'image/*' }, signal });
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal.throwIfAborted();
    throw invalidField(field, reasonOf(error, maxBytes), 'image_unreachable');
  }
  const mediaType = IMAGE.exec(response.headers.get('content-type')?.toLowerCase() ?? '')?.[0];
  if (response.status !== 200)
    throw invalidField(
      field,
      `must lead to an image; the server answered with status ${response.status}`,
      'image_unreachable',
    );
  if (mediaType === undefined)
    throw invalidField(field, 'must lead to an image; the server sent something else', 'image_unreachable');
  return { mediaType, bytes };
}

function reasonOf(error: unknown, maxBytes: number): string {
  const reason = error instanceof OutboundError ? error.reason : 'broken';
  switch (reason) {
    case 'forbidden':
      return 'must be an address that can be reached from here';
    case 'too_large':
      return `must lead to an image of at most ${maxBytes} bytes`;
    case 'timeout':
      return 'must lead to an image that is answered in time';
    default:
      return 'must lead to an image; the server could not be reached';
  }
}
