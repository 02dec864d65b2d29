import fc from 'fast-check';
import { compositeText } from './composite.js';

/** Reads a row as Postgres does: fields between commas, quoted ones with backslashes before quotes and backslashes. */
function fieldsOf(text: string): (string | null)[] {
  const fields: (string | null)[] = [];
  const field = /("((?:[^"\\]|\\.)*)"|([^",()]*))([,)])/gsu;
  field.lastIndex = 1;
  for (let match = field.exec(text); match !== null; match = field.exec(text)) {
    fields.push(match[2] === undefined ? (match[3] === '' ? null : match[3]!) : match[2].replaceAll(/\\(.)/gsu, '$1'));
    if (match[4] === ')') return field.lastIndex === text.length ? fields : [];
  }
  return [];
}

describe('the text of a row', () => {
  it('is empty for null, and quotes every string, the empty one too', () => {
    expect(compositeText(['a', null, '', 1, 2n, true, false])).toBe('("a",,"",1,2,t,f)');
  });

  it('quotes a string so that it is one field, whatever it contains', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 5 }), (strings) => {
        expect(fieldsOf(compositeText(strings))).toEqual(strings);
      }),
    );
  });
});
