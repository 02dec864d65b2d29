type Field = string | number | bigint | boolean | null;

/** A row as Postgres reads the text of a composite type. A string that has more than plain characters is quoted. */
export function compositeText(fields: readonly Field[]): string {
  let text = '(';
  for (let at = 0; at < fields.length; at += 1) text += (at === 0 ? '' : ',') + fieldText(fields[at] as Field);
  return `${text})`;
}

/** A list of texts as Postgres reads it; the driver would search each of them twice for what it escapes. */
export function arrayText(items: readonly string[]): string {
  let text = '{';
  for (let at = 0; at < items.length; at += 1) text += (at === 0 ? '' : ',') + quoted(items[at] as string);
  return `${text}}`;
}

/** The characters of ids, numbers and most names: none of them ends a field. */
const PLAIN = /^[\w:./@+-]+$/;
const ESCAPED = /["\\]/;

function fieldText(field: Field): string {
  if (field === null) return '';
  if (typeof field === 'string') return PLAIN.test(field) ? field : quoted(field);
  if (typeof field === 'boolean') return field ? 't' : 'f';
  return String(field);
}

function quoted(text: string): string {
  return `"${ESCAPED.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`;
}
