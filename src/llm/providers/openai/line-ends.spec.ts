import fc from 'fast-check';
import { LineEnds, withLineFeeds } from './line-ends.js';

const ANY = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', 'data: a', ''), { maxLength: 20 })
  .map((parts) => parts.join(''));

/** What the standard says: a CR that no LF follows ends a line. */
const expected = (text: string): string => text.replace(/\r(?!\n)/g, '\n');

it('gives every CR that stands alone as LF, and leaves each CRLF', () => {
  fc.assert(
    fc.property(ANY, (text) => {
      expect(withLineFeeds(Buffer.from(text)).toString()).toBe(expected(text));
    }),
  );
});

/** The lines of each event, as every reader takes them. */
const eventsIn = (text: string): readonly string[] =>
  text
    .replace(/\r\n|\r/g, '\n')
    .split(/\n{2,}/)
    .filter((event) => event !== '');

it('gives the same events of a stream, whatever way it is cut', () => {
  fc.assert(
    fc.property(ANY, fc.array(fc.nat(40)), (text, cuts) => {
      const ends = new LineEnds();
      const places = [...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort((a, b) => a - b);
      const out = places.map((place, at) => ends.push(Buffer.from(text.slice(places[at - 1] ?? 0, place))));
      const given = Buffer.concat([...out, ends.end()]).toString();
      expect(given).not.toMatch(/\r(?!\n)/);
      expect(eventsIn(given)).toEqual(eventsIn(text));
    }),
  );
});

it('keeps no event back that is over', () => {
  expect(new LineEnds().push(Buffer.from('data: a\r\r')).toString()).toBe('data: a\n\n');
});
