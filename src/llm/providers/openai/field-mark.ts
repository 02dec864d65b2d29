const COLON = 0x3a;
const LF = 0x0a;
/** JSON's white space. */
const BLANK: ReadonlySet<number | undefined> = new Set([0x20, 0x09, LF, 0x0d]);
/** How each further line of an event begins whose JSON is written on several. */
const NEXT_LINE = 'data:';
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
  for (;;) {
    if (BLANK.has(bytes[at])) at += 1;
    else if (at > from && bytes[at - 1] === LF && bytes.toString('latin1', at, at + NEXT_LINE.length) === NEXT_LINE)
      at += NEXT_LINE.length;
    else return at;
  }
}
