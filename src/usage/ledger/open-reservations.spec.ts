import fc from 'fast-check';
import { OpenReservations, type OpenReservation } from './open-reservations.js';

const at = (reservedAtMs: number): OpenReservation => ({ reservedAtMs, tenantId: 'acme', human: null });

describe('OpenReservations', () => {
  it('holds what a Map would, however many come and go, and knows the oldest', () => {
    const step = fc.tuple(fc.nat(3_000), fc.boolean());
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 20 }), (steps) => {
        const open = new OpenReservations();
        const model = new Map<string, OpenReservation>();
        let made = 0;
        for (const [count, oldestFirst] of steps) {
          for (let i = 0; i < count; i += 1) {
            made += 1;
            open.set(`id-${made}`, at(made));
            model.set(`id-${made}`, at(made));
          }
          const ids = [...model.keys()];
          const gone = ids.slice(...(oldestFirst ? [0, count / 2] : [-count / 2]));
          for (const id of [...gone, 'never']) {
            open.delete(id);
            model.delete(id);
          }
          for (const id of [...ids.slice(0, 5), ...ids.slice(-5)]) expect(open.get(id)).toEqual(model.get(id));
          const [oldest = null] = model.values();
          expect(open.oldest).toEqual(oldest);
        }
      }),
      { numRuns: 10 },
    );
  });
});
