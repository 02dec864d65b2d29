const BYTE_ORDER_MARK = '\ufeff';

/**
 * RFC 4180 strictly: CRLF after every line, quotes only around whole fields, the same number of fields in each line. The byte
 * order mark comes first, by which a spreadsheet knows that the file is UTF-8.
 */
export function parseStrictCsv(text: string): string[][] {
  const lines: string[][] = [];
  let at = BYTE_ORDER_MARK.length;
  const fail = (why: string): never => {
    throw new Error(`at ${at}: ${why}: ${JSON.stringify(text.slice(Math.max(0, at - 20), at + 20))}`);
  };
  const field = (): string => {
    if (text[at] !== '"') {
      const end = text.slice(at).search(/[",\r\n]|$/);
      const plain = text.slice(at, at + end);
      at += end;
      return text[at] === '"' ? fail('a quote in a plain field') : plain;
    }
    let value = '';
    for (at += 1; ; at += 1) {
      const character = text[at] ?? fail('an open quote');
      if (character !== '"') value += character;
      else if (text[at + 1] === '"') {
        value += '"';
        at += 1;
      } else {
        at += 1;
        return value;
      }
    }
  };
  if (!text.startsWith(BYTE_ORDER_MARK)) fail('no byte order mark');
  while (at < text.length) {
    const fields = [field()];
    while (text[at] === ',') {
      at += 1;
      fields.push(field());
    }
    if (text.slice(at, at + 2) !== '\r\n') fail('no CRLF');
    at += 2;
    if (lines[0] !== undefined && fields.length !== lines[0].length) fail('another number of fields');
    lines.push(fields);
  }
  return lines;
}
