import { Fault, type FieldFault } from '../../platform/errors/index.js';
import { PROVIDER_FACTORIES } from '../providers/provider-factories.js';
import {
  PROVIDER_KINDS,
  type ProviderCredentials,
  type ProviderKind,
  type ProviderSettings,
} from '../providers/provider-factory.js';

type CredentialName = keyof ProviderCredentials;
type SettingName = keyof ProviderSettings;

/** What is set up for a kind, as far as a form can know it. */
interface KindRules {
  readonly baseUrl: 'required' | 'optional';
  /** Each way to sign in: the credentials that it takes together. */
  readonly signIns: readonly (readonly CredentialName[])[];
  readonly settings: readonly SettingName[];
  readonly requiredSettings: readonly SettingName[];
}

const KEY: KindRules = { baseUrl: 'optional', signIns: [['apiKey']], settings: [], requiredSettings: [] };

const RULES: Readonly<Record<ProviderKind, KindRules>> = {
  openai: { ...KEY, settings: ['organization', 'project', 'responses'] },
  openai_compatible: { ...KEY, baseUrl: 'required', signIns: [['apiKey'], []], settings: ['responses'] },
  azure_openai: { ...KEY, baseUrl: 'required', settings: ['apiVersion', 'deployments'] },
  anthropic: KEY,
  google: KEY,
  mistral: KEY,
  amazon_bedrock: {
    ...KEY,
    signIns: [['apiKey'], ['accessKeyId', 'secretAccessKey'], ['accessKeyId', 'secretAccessKey', 'sessionToken']],
    settings: ['region'],
    requiredSettings: ['region'],
  },
  cohere: KEY,
};

/** What a provider is set up with. */
export interface ProviderForm {
  readonly kind: ProviderKind;
  readonly baseUrl: string | null;
  /** Null: those that are stored stay. */
  readonly credentials: ProviderCredentials | null;
  readonly settings: ProviderSettings;
}

/** @throws Fault invalid_input naming each field that its kind does not have, or that it needs */
export function assertFitsKind(form: ProviderForm): void {
  const { kind, baseUrl } = form;
  const rules = RULES[kind];
  const faults: FieldFault[] = [];
  if (PROVIDER_FACTORIES[kind] === undefined) {
    const served = PROVIDER_KINDS.filter((one) => PROVIDER_FACTORIES[one] !== undefined).join(', ');
    faults.push({ field: 'kind', reason: `is not served by this version; it serves ${served}` });
  }
  if (baseUrl === null && rules.baseUrl === 'required')
    faults.push({ field: 'baseUrl', reason: `is required for the kind ${kind}` });
  faults.push(...faultsOfSettings(form, rules));
  if (form.credentials !== null) faults.push(...faultsOfCredentials(kind, form.credentials, rules));
  if (faults.length === 0) return;
  throw new Fault('invalid_input', faults.map(({ field, reason }) => `${field}: ${reason}`).join('; '), {
    fields: faults,
  });
}

function faultsOfSettings({ kind, settings }: ProviderForm, rules: KindRules): FieldFault[] {
  const unknown = namesOf(settings).filter((name) => !rules.settings.includes(name));
  const missing = rules.requiredSettings.filter((name) => settings[name] === undefined);
  return [
    ...unknown.map((name) => ({
      field: `settings.${name}`,
      reason: `is not a setting of the kind ${kind}${has(rules.settings)}`,
    })),
    ...missing.map((name) => ({ field: `settings.${name}`, reason: `is required for the kind ${kind}` })),
  ];
}

function faultsOfCredentials(kind: ProviderKind, given: ProviderCredentials, { signIns }: KindRules): FieldFault[] {
  const names = namesOf(given);
  const unknown = names.filter((name) => !signIns.some((signIn) => signIn.includes(name)));
  if (unknown.length > 0) {
    return unknown.map((name) => ({
      field: `credentials.${name}`,
      reason: `is not a credential of the kind ${kind}${has([...new Set(signIns.flat())])}`,
    }));
  }
  const isWhole = signIns.some(
    (signIn) => signIn.length === names.length && names.every((name) => signIn.includes(name)),
  );
  if (isWhole) return [];
  const ways = signIns.filter((signIn) => signIn.length > 0).map((signIn) => signIn.join(' and '));
  return [{ field: 'credentials', reason: `must hold ${ways.join(', or ')} for the kind ${kind}` }];
}

const has = (names: readonly string[]): string =>
  names.length === 0 ? ', which has none' : `, which has ${names.join(', ')}`;

function namesOf<Name extends string>(given: { readonly [name in Name]?: unknown }): Name[] {
  return (Object.keys(given) as Name[]).filter((name) => given[name] !== undefined);
}
