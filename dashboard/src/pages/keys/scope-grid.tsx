import { m } from '../../messages/index.js';
import type { Scope } from '../../api/types.js';
import { Check } from '../../kit/fields.js';
import { Icon } from '../../kit/icon.js';
import { groupsOf, isFar } from './scopes.js';

interface ScopeGridProps {
  readonly offered: readonly Scope[];
  readonly chosen: ReadonlySet<Scope>;
  readonly onChange: (chosen: ReadonlySet<Scope>) => void;
}

export function ScopeGrid({ offered, chosen, onChange }: ScopeGridProps) {
  const set = (scope: Scope, on: boolean): void =>
    onChange(new Set(on ? [...chosen, scope] : [...chosen].filter((one) => one !== scope)));
  return (
    <fieldset>
      <legend className="mb-1.5 font-medium">{m.keyForm.scopes}</legend>
      <div className="rounded-lg border border-line">
        {[...groupsOf(offered)].map(([group, scopes]) => (
          <div
            key={group}
            className="flex flex-wrap items-center gap-x-5 gap-y-1 border-t border-line px-3.5 py-2 first:border-0"
          >
            <span className="w-28 text-soft">{m.keyForm.scopeGroups[group] ?? group}</span>
            {scopes.map((scope) => (
              <Check
                key={scope}
                name={scope}
                checked={chosen.has(scope)}
                onCheck={(on) => set(scope, on)}
                label={
                  <span className="inline-flex items-center gap-1.5 text-[13px]">
                    <span className="sr-only">{group} </span>
                    {scope.split(':')[1]}
                    {isFar(scope) ? (
                      <span className="text-warn" title={m.keyForm.far}>
                        <Icon name="triangle-alert" size={12} />
                        <span className="sr-only">{m.keyForm.far}</span>
                      </span>
                    ) : null}
                  </span>
                }
              />
            ))}
          </div>
        ))}
      </div>
    </fieldset>
  );
}
