import type { LanguageModelV4FilePart } from '@ai-sdk/provider';
import { invalidField } from '../../../platform/errors/index.js';
import { isObject } from '../requests/chat-request.js';
import { unsupported } from './refusals.js';
import type { Fields } from './request-fields.js';

/** What a provider reads beside text. */
export interface FileKinds {
  readonly provider: string;
  readonly images: boolean;
  readonly pdfs: boolean;
  readonly audio: boolean;
}

/** An image that stands elsewhere, and the field that says where. */
export interface RemoteImage {
  readonly part: LanguageModelV4FilePart;
  readonly field: string;
}

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,/i;
const WEB_URL = /^https?:\/\//i;
const AUDIO = new Map([
  ['mp3', 'audio/mpeg'],
  ['wav', 'audio/wav'],
]);

/** A part of a user's message that is not text. @throws Fault invalid_input, naming the field */
export function filePartOf(part: Fields, at: string, kinds: FileKinds): LanguageModelV4FilePart {
  switch (part['type']) {
    case 'image_url':
      if (!kinds.images) throw unsupported(at, kinds.provider);
      return imageOf(part['image_url'], `${at}.image_url`);
    case 'file':
      if (!kinds.pdfs) throw unsupported(at, kinds.provider);
      return pdfOf(part['file'], `${at}.file`, kinds.provider);
    case 'input_audio':
      if (!kinds.audio) throw unsupported(at, kinds.provider);
      return audioOf(part['input_audio'], `${at}.input_audio`);
    default:
      throw unsupported(`${at}.type`, kinds.provider, 'send text, or what this provider reads beside it');
  }
}

function imageOf(image: unknown, at: string): LanguageModelV4FilePart {
  const url = isObject(image) ? image['url'] : image;
  if (typeof url !== 'string') throw invalidField(`${at}.url`, 'must be a string');
  if (WEB_URL.test(url) && URL.canParse(url))
    return { type: 'file', mediaType: 'image', data: { type: 'url', url: new URL(url) } };
  const { mediaType, data } = dataOf(url, `${at}.url`, 'a web address or a data URL in base64');
  if (!mediaType.startsWith('image/')) throw invalidField(`${at}.url`, 'must be an image');
  return { type: 'file', mediaType, data: { type: 'data', data } };
}

function pdfOf(file: unknown, at: string, provider: string): LanguageModelV4FilePart {
  if (!isObject(file)) throw invalidField(at, 'must be an object');
  if (file['file_id'] !== undefined && file['file_id'] !== null)
    throw unsupported(`${at}.file_id`, provider, 'send the file itself as file_data');
  const given = file['file_data'];
  if (typeof given !== 'string') throw invalidField(`${at}.file_data`, 'must be a string');
  const { mediaType, data } = dataOf(given, `${at}.file_data`, 'a data URL in base64');
  if (mediaType !== 'application/pdf') throw unsupported(`${at}.file_data`, provider, 'send a PDF');
  const { filename } = file;
  return {
    type: 'file',
    mediaType,
    data: { type: 'data', data },
    ...(typeof filename === 'string' ? { filename } : {}),
  };
}

function audioOf(audio: unknown, at: string): LanguageModelV4FilePart {
  if (!isObject(audio)) throw invalidField(at, 'must be an object');
  const { format, data } = audio;
  const mediaType = typeof format === 'string' ? AUDIO.get(format) : undefined;
  if (mediaType === undefined) throw invalidField(`${at}.format`, 'must be wav or mp3');
  if (typeof data !== 'string') throw invalidField(`${at}.data`, 'must be a string');
  return { type: 'file', mediaType, data: { type: 'data', data } };
}

function dataOf(url: string, at: string, expected: string): { readonly mediaType: string; readonly data: string } {
  const match = DATA_URL.exec(url.slice(0, 256));
  const mediaType = match?.[1];
  if (match === null || mediaType === undefined) throw invalidField(at, `must be ${expected}`);
  return { mediaType: mediaType.toLowerCase(), data: url.slice(match[0].length) };
}
