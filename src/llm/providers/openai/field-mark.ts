const COLON = 0x3a;
/** JSON's white space. */
const BLANK: ReadonlySet<number | undefined> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const SIGNS: ReadonlySet<string> = new Set(['[', '{', '"']);

/**
 * Whether a field begins with these characters somewhere in the bytes, whatever white space stands before each bracket or quote.
 * Within a string the quotes of its name would be escaped, and not match.
 *
 * @param name with its quotes
 * @param value the first characters of its value
 */
export function holdsField(bytes: Buffer, name: string, value: string): boolean {
  for (let at = bytes.indexOf(name); at !== -1; at = bytes.indexOf(name, at)) {
    at = pastBlank(bytes, at + name.length);
    if (bytes[at] === COLON && beginsWith(bytes, at + 1, value)) return true;
  }
  return false;
}

function beginsWith(bytes: Buffer, from: number, value: string): boolean {
  let at = from;
  for (const char of value) {
    if (SIGNS.has(char)) at = pastBlank(bytes, at);
    if (bytes[at] !== char.charCodeAt(0)) return false;
    at += 1;
  }
  return true;
}

function pastBlank(bytes: Buffer, from: number): number {
  let at = from;
  while (BLANK.has(bytes[at])) at += 1;
  return at;
}
