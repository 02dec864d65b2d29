import type { Gateway } from '../../api/types.js';
import { SelectField, TextField } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { WINDOWS } from './limits.js';

const OPTIONS = WINDOWS.map((window) => [window, m.gateways.windowNames[window] ?? window] as const);

/** Requests and tokens, each in a window of its own. */
export function LimitFields({ of }: { of?: Gateway['rateLimit'] | undefined }) {
  return (
    <>
      {(['requests', 'tokens'] as const).map((name) => (
        <div key={name} className="grid grid-cols-2 gap-4">
          <TextField
            name={`rateLimit.${name}.limit`}
            label={name === 'requests' ? m.gateways.requestLimit : m.gateways.tokenLimit}
            hint={m.gateways.limitHint}
            type="number"
            min={0}
            inputMode="numeric"
            defaultValue={of?.[name]?.limit}
          />
          <SelectField
            name={`rateLimit.${name}.window`}
            label={m.gateways.window}
            options={OPTIONS}
            defaultValue={of?.[name]?.window ?? 'MINUTE'}
          />
        </div>
      ))}
    </>
  );
}
