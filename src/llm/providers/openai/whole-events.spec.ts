import fc from 'fast-check';
import { WholeEvents } from './whole-events.js';

const MIB = 1024 * 1024;
const EVENT = fc.tuple(fc.constantFrom('data: a', 'data: {"b":1}', ': c'), fc.constantFrom('\n\n', '\r\n\r\n'));

it('gives all events of a stream, whatever way it is cut, and no piece of one', () => {
  fc.assert(
    fc.property(fc.array(EVENT), fc.array(fc.nat(80)), (events, cuts) => {
      const text = events.flat().join('');
      const whole = new WholeEvents();
      const places = [...cuts.map((cut) => Math.min(cut, text.length)), text.length].sort((a, b) => a - b);
      const out = places.map((place, at) => whole.push(Buffer.from(text.slice(places[at - 1] ?? 0, place))).toString());
      for (const given of out) expect(given).toMatch(/^(?:[^]*(?:\n\n|\n\r\n))?$/);
      expect(out.join('')).toBe(text);
      expect(whole.end()).toHaveLength(0);
    }),
  );
});

it('leaves an event out that is too long, and gives the next one', () => {
  const whole = new WholeEvents();
  const piece = Buffer.alloc(MIB, 'a');
  for (let i = 0; i < 20; i += 1) expect(whole.push(piece)).toHaveLength(0);
  expect(whole.push(Buffer.from('\n\ndata: b\n\n')).toString()).toBe('data: b\n\n');
});

it('gives what is left of an event at the end', () => {
  const whole = new WholeEvents();
  expect(whole.push(Buffer.from('data: a\n\ndata: b')).toString()).toBe('data: a\n\n');
  expect(whole.end().toString()).toBe('data: b');
});
