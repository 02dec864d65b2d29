type Field = string | number | bigint | boolean | null;

/**
 * A row as Postgres reads the text of a composite type. Each field is quoted, so that none can end it.
 */
export function compositeText(fields: readonly Field[]): string {
  return `(${fields.map(fieldText).join(',')})`;
}

function fieldText(field: Field): string {
  if (field === null) return '';
  if (typeof field === 'string') return `"${field.replaceAll(/["\\]/g, '\\$&')}"`;
  if (typeof field === 'boolean') return field ? 't' : 'f';
  return String(field);
}
