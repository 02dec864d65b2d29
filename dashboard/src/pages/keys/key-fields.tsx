import { useState } from 'react';
import { useMe } from '../../api/may.js';
import type { ApiKey, RequestOf, Scope } from '../../api/types.js';
import { Check, listOf, TextField, textOf } from '../../kit/fields.js';
import { Note } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { ExpiryField, expiryOf } from './expiry-field.js';
import { ScopeGrid } from './scope-grid.js';

type SecretBody = RequestOf<'/api/v1/api-keys/create'>;
type PublishableBody = Omit<RequestOf<'/api/v1/api-keys/create-publishable'>, keyof SecretBody>;

interface KeyFieldsProps {
  readonly kind: ApiKey['type'];
  readonly of?: ApiKey | undefined;
  readonly offered: readonly Scope[];
  readonly scopes: ReadonlySet<Scope>;
  readonly onScopes: (scopes: ReadonlySet<Scope>) => void;
}

export function KeyFields({ kind, of, offered, scopes, onScopes }: KeyFieldsProps) {
  return (
    <>
      <TextField
        name="name"
        label={m.kit.name}
        required
        maxLength={100}
        defaultValue={of?.name}
        placeholder={m.keyForm.example}
      />
      <TextField
        name="description"
        label={m.keyForm.description}
        hint={m.keyForm.descriptionHint}
        maxLength={1000}
        defaultValue={of?.description}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          name="rateLimit.requestsPerMinute"
          label={m.keyForm.limit}
          hint={m.keyForm.limitHint}
          type="number"
          min={1}
          inputMode="numeric"
          defaultValue={of?.rateLimit.requestsPerMinute}
        />
        <ExpiryField keeps={of !== undefined} />
      </div>
      {kind === 'PUBLISHABLE' ? <IssuerFields of={of} /> : null}
      <TextField
        name="models"
        label={m.keyForm.models}
        hint={m.keyForm.modelsHint}
        defaultValue={of?.models.join(', ')}
      />
      <ScopeGrid offered={offered} chosen={scopes} onChange={onScopes} />
    </>
  );
}

/** A user who names an issuer can sign in as any human, so only owners and admins may. */
function IssuerFields({ of }: { of?: ApiKey | undefined }) {
  const { role } = useMe();
  const [unlimited, setUnlimited] = useState(of?.unlimited ?? false);
  const tokens = of?.defaultLimits?.find(({ type }) => type === 'token_cnt')?.value;
  return (
    <>
      {role === 'owner' || role === 'admin' ? (
        <div className="grid gap-4 sm:grid-cols-2">
          <TextField
            name="oidcConfig.issuer"
            label={m.keyForm.issuer}
            hint={m.keyForm.issuerHint}
            defaultValue={of?.oidcConfig?.issuer}
          />
          <TextField
            name="oidcConfig.audience"
            label={m.keyForm.audience}
            hint={m.keyForm.audienceHint}
            defaultValue={of?.oidcConfig?.audience}
          />
        </div>
      ) : (
        <Note tone="accent">{m.keyForm.issuerRole}</Note>
      )}
      <TextField
        name="allowedOrigins"
        label={m.keyForm.origins}
        hint={m.keyForm.originsHint}
        defaultValue={of?.allowedOrigins?.join(', ')}
      />
      <Check name="unlimited" label={m.keyForm.unlimited} checked={unlimited} onCheck={setUnlimited} />
      {unlimited ? null : (
        <TextField
          name="defaultLimits"
          label={m.keyForm.defaultTokens}
          type="number"
          min={0}
          required
          inputMode="numeric"
          defaultValue={tokens === undefined ? '100000' : String(tokens)}
        />
      )}
    </>
  );
}

/** The fields that keys of both kinds have, in the API's form. */
export function commonBody(form: FormData, scopes: readonly Scope[]): SecretBody {
  const limit = textOf(form, 'rateLimit.requestsPerMinute');
  return {
    name: textOf(form, 'name'),
    description: textOf(form, 'description'),
    permissions: [...scopes],
    models: listOf(textOf(form, 'models')),
    ...(limit === '' ? {} : { rateLimit: { requestsPerMinute: Number(limit) } }),
    ...expiryOf(textOf(form, 'expiresAt')),
  };
}

export function issuerBody(form: FormData): PublishableBody {
  const [issuer, audience] = [textOf(form, 'oidcConfig.issuer'), textOf(form, 'oidcConfig.audience')];
  const unlimited = form.get('unlimited') !== null;
  const tokens = textOf(form, 'defaultLimits');
  return {
    ...(issuer === '' && audience === '' ? {} : { oidcConfig: { issuer, audience } }),
    allowedOrigins: listOf(textOf(form, 'allowedOrigins')),
    unlimited,
    defaultLimits: unlimited || tokens === '' ? [] : [{ type: 'token_cnt', value: Number(tokens) }],
  };
}
