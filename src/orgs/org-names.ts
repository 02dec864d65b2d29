import { randomBase62 } from '../platform/crypto/index.js';

const SUFFIX_LENGTH = 6;
const BASE_LENGTH = 40;

/** A slug made of a name; `org` where nothing of the name can stand in one. */
export function slugOf(name: string): string {
  const slug = cut(
    name
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, ''),
  );
  return slug.length >= 2 ? slug : 'org';
}

/** The same slug made another's, for where the first is taken. */
export function withSuffix(slug: string): string {
  return `${cut(slug)}-${lowerRandom(SUFFIX_LENGTH)}`;
}

/** A tenant's id shows its name, and can't be chosen. */
export function newTenantId(slug: string): string {
  return withSuffix(slug);
}

function cut(slug: string): string {
  return slug.slice(0, BASE_LENGTH).replace(/-$/, '');
}

function lowerRandom(length: number): string {
  let text = '';
  while (text.length < length) text += randomBase62(length).replace(/[A-Z]/g, '');
  return text.slice(0, length);
}
