type Field = string | number | bigint | boolean | null;

/**
 * A row as Postgres reads the text of a composite type. Each field is quoted, so that none can end it.
 */
export function compositeText(fields: readonly Field[]): string {
  let text = '(';
  for (let at = 0; at < fields.length; at += 1) text += (at === 0 ? '' : ',') + fieldText(fields[at] as Field);
  return `${text})`;
}

const ESCAPED = /["\\]/;

function fieldText(field: Field): string {
  if (field === null) return '';
  if (typeof field === 'string') return `"${ESCAPED.test(field) ? field.replaceAll(/["\\]/g, '\\$&') : field}"`;
  if (typeof field === 'boolean') return field ? 't' : 'f';
  return String(field);
}
