import type { RequestOf, WebhookEndpoint } from '../../api/types.js';
import { Check, TextField, textOf } from '../../kit/fields.js';
import { m } from '../../messages/index.js';

type Body = RequestOf<'/api/v1/webhooks/create'>;

const EVENTS = [
  'usage.tracked',
  'usage.limit_exceeded',
  'usage.threshold_reached',
  'usage.token_revoked',
  'run.completed',
  'run.failed',
  'member.invited',
] as const satisfies readonly Body['events'][number][];

interface EndpointFieldsProps {
  readonly of?: WebhookEndpoint;
  readonly onUrl?: (url: string) => void;
}

export function EndpointFields({ of, onUrl }: EndpointFieldsProps) {
  return (
    <>
      <TextField
        name="url"
        label={m.webhooks.url}
        hint={m.webhooks.urlHint}
        type="url"
        required
        placeholder="https://"
        defaultValue={of?.url}
        onChange={(event) => onUrl?.(event.target.value.trim())}
      />
      <TextField name="description" label={m.webhooks.description} maxLength={1000} defaultValue={of?.description} />
      <fieldset>
        <legend className="mb-1.5 font-medium">{m.webhooks.events}</legend>
        <div className="grid gap-2 sm:grid-cols-2">
          {EVENTS.map((name) => (
            <Check
              key={name}
              name={name}
              label={<span className="font-mono text-[13px]">{name}</span>}
              defaultChecked={of === undefined || of.events.includes(name)}
            />
          ))}
        </div>
      </fieldset>
    </>
  );
}

/** The fields as they were filled in, in the API's form. */
export function endpointOf(form: FormData): Body {
  return {
    url: textOf(form, 'url'),
    description: textOf(form, 'description'),
    events: EVENTS.filter((name) => form.get(name) !== null),
  };
}
