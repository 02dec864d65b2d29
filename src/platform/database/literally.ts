/** A text as a part of a LIKE pattern: its own wildcards stand for themselves. */
export function literally(text: string): string {
  return text.replace(/[\\%_]/g, String.raw`\$&`);
}
