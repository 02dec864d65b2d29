import { useState } from 'react';
import type { ModelProvider, RequestOf } from '../../api/types.js';
import { listOf, SelectField, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';
import { KINDS, type ProviderKind } from './kinds.js';

type Credentials = NonNullable<RequestOf<'/api/v1/llm/providers/create'>['credentials']>;
type Settings = NonNullable<RequestOf<'/api/v1/llm/providers/create'>['settings']>;

const CREDENTIALS = ['apiKey', 'accessKeyId', 'secretAccessKey', 'sessionToken'] as const;
const LABELS = {
  apiVersion: m.models.apiVersion,
  organization: m.models.organization,
  project: m.models.project,
  region: m.models.region,
};
/** The settings that a kind's form has beside the address and the models. */
const SETTINGS_OF: Partial<Readonly<Record<ProviderKind, readonly (keyof typeof LABELS)[]>>> = {
  openai: ['organization', 'project'],
  azure_openai: ['apiVersion'],
  amazon_bedrock: ['region'],
};
const NEEDS_URL: ReadonlySet<ProviderKind> = new Set(['openai_compatible', 'azure_openai']);

/** Field names as the API uses them in its errors. */
export interface FieldNames {
  /** Such as `providers[0].`. */
  readonly prefix?: string;
  readonly url: 'baseUrl' | 'endpoint';
}

interface ProviderFieldsProps {
  readonly of?: Pick<ModelProvider, 'kind' | 'baseUrl' | 'models' | 'settings'> | undefined;
  readonly names: FieldNames;
}

/**
 * How a provider is reached and authenticated, by its kind. Stored credentials are never shown, and stay where the field is
 * empty.
 */
export function ProviderFields({ of, names: { prefix = '', url } }: ProviderFieldsProps) {
  const [kind, setKind] = useState<ProviderKind>(of?.kind ?? 'openai');
  const keep = of === undefined ? undefined : m.models.keepKey;
  const isBedrock = kind === 'amazon_bedrock';
  const credential = (name: (typeof CREDENTIALS)[number], label: string, hint: string | undefined) => (
    <TextField name={`${prefix}credentials.${name}`} label={label} hint={keep ?? hint} type="password" />
  );
  return (
    <>
      {of === undefined ? (
        <SelectField
          name={`${prefix}kind`}
          label={m.models.kind}
          options={KINDS}
          value={kind}
          onChange={(event) => setKind(kindOf(event.target.value))}
        />
      ) : (
        <input type="hidden" name={`${prefix}kind`} value={kind} />
      )}
      {isBedrock ? (
        <div className="grid gap-4 sm:grid-cols-2">
          {credential('accessKeyId', m.models.accessKeyId, undefined)}
          {credential('secretAccessKey', m.models.secretAccessKey, m.models.keyHint)}
          {credential('sessionToken', m.models.sessionToken, m.models.sessionTokenHint)}
          {credential('apiKey', m.models.key, m.models.bedrockHint)}
        </div>
      ) : (
        credential('apiKey', m.models.key, m.models.keyHint)
      )}
      {(SETTINGS_OF[kind] ?? []).map((name) => (
        <TextField
          key={name}
          name={`${prefix}settings.${name}`}
          label={LABELS[name]}
          hint={name === 'region' ? undefined : m.models.optional}
          required={name === 'region'}
          placeholder={name === 'region' ? 'eu-central-1' : undefined}
          defaultValue={of?.settings[name]}
        />
      ))}
      <TextField
        name={`${prefix}${url}`}
        label={m.models.baseUrl}
        hint={m.models.baseUrlHint}
        type="url"
        placeholder="https://"
        required={NEEDS_URL.has(kind)}
        defaultValue={of?.baseUrl}
      />
      <TextField
        name={`${prefix}models`}
        label={m.models.modelNames}
        hint={m.models.modelNamesHint}
        defaultValue={of?.models.join(', ')}
      />
    </>
  );
}

const kindOf = (value: string): ProviderKind => KINDS.find(([one]) => one === value)?.[0] ?? 'openai';

export interface TypedProvider {
  readonly kind: ProviderKind;
  readonly url: string;
  readonly models: string[];
  /** Absent: no credentials were typed. */
  readonly credentials?: Credentials;
  /** Absent: the kind has no settings, or none were typed. */
  readonly settings?: Settings;
}

/** The typed values. Settings that the form does not show stay as they are stored. */
export function readProvider(form: FormData, { prefix = '', url }: FieldNames, stored: Settings = {}): TypedProvider {
  const typed = <N extends string>(group: string, names: readonly N[]) =>
    Object.fromEntries(
      names.map((name) => [name, textOf(form, `${prefix}${group}.${name}`)]).filter(([, value]) => value !== ''),
    ) as Partial<Record<N, string>>;
  const kind = kindOf(textOf(form, `${prefix}kind`));
  const credentials: Credentials = typed('credentials', CREDENTIALS);
  const shown = SETTINGS_OF[kind] ?? [];
  const others = Object.fromEntries(Object.entries(stored).filter(([name]) => !shown.some((one) => one === name)));
  const settings: Settings = { ...others, ...typed('settings', shown) };
  return {
    kind,
    url: textOf(form, `${prefix}${url}`),
    models: listOf(textOf(form, `${prefix}models`)),
    ...(Object.keys(credentials).length === 0 ? {} : { credentials }),
    ...(Object.keys(settings).length === 0 ? {} : { settings }),
  };
}
