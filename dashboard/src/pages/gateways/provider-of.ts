import type { Gateway, RequestOf } from '../../api/types.js';
import { readProvider, type FieldNames } from '../models/provider-fields.js';

type Stored = Gateway['providers'][number];
type Given = RequestOf<'/api/v1/gateways/create'>['providers'][number];

/** A provider of a gateway, as it was typed. */
export function providerOf(form: FormData, names: FieldNames, stored?: Stored): Given {
  const { kind, url, ...rest } = readProvider(form, names, stored?.settings);
  return { provider: kind, ...(url === '' ? {} : { endpoint: url }), ...rest };
}

/** A provider that stays unchanged: the API keeps its key by its name. */
export const asStored = ({ provider, name, endpoint, models, settings }: Stored): Given => ({
  provider,
  name,
  models,
  settings,
  ...(endpoint === undefined ? {} : { endpoint }),
});
