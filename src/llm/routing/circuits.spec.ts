import { Metrics } from '../../platform/metrics/index.js';
import { Circuits } from './circuit.js';

describe('circuits', () => {
  const circuits = new Circuits({ circuitFailures: 1, circuitOpenMs: 60_000 }, new Metrics());

  it('are separate for each tenant, provider and model: a failure for one leaves the others closed', () => {
    circuits.of('acme', 'provider', 'model').failed(0, 0);
    expect(circuits.of('acme', 'provider', 'model').isOpen).toBe(true);
    for (const other of [
      circuits.of('globex', 'provider', 'model'),
      circuits.of('acme', 'another', 'model'),
      circuits.of('acme', 'provider', 'another'),
      // A separator inside a name must not make two circuits equal.
      circuits.of('acme', 'provider,model', ''),
    ])
      expect(other.isOpen).toBe(false);
  });
});
