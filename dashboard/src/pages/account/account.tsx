import { Form } from '@base-ui/react/form';
import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { faultsByField } from '../../api/api-error.js';
import { answerOf, api, IdempotencyKeys } from '../../api/client.js';
import type { Me } from '../../api/types.js';
import { Mark } from '../../app/mark.js';
import { switchTenant } from '../../app/switch-tenant.js';
import { Button } from '../../kit/button.js';
import { Fault } from '../../kit/fault.js';
import { TextField, textOf } from '../../kit/fields.js';
import { Icon } from '../../kit/icon.js';
import { Panel } from '../../kit/surface.js';
import { m } from '../../messages/index.js';
import { session } from '../../session/session.js';

/** A page for a signed-in person who is in no tenant. */
export function AccountPage({
  me,
  title,
  lead,
  children,
}: {
  me: Me;
  title: string;
  lead?: string;
  children: ReactNode;
}) {
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-md">
        <div className="mb-5 grid justify-items-center">
          <Mark size={44} />
        </div>
        <h1 className="text-center text-xl font-semibold tracking-tight">{title}</h1>
        {lead ? <p className="mt-1.5 text-center text-pretty text-soft">{lead}</p> : null}
        <Panel className="mt-6 grid gap-4 p-6">{children}</Panel>
        <p className="mt-4 flex items-center justify-center gap-2 text-[13px] text-soft">
          {m.newOrg.signedInAs(me.email ?? me.userId)}
          <button type="button" className="text-accent-text hover:underline" onClick={() => void session.leave()}>
            {m.shell.signOut}
          </button>
        </p>
      </div>
    </main>
  );
}

/** Signed in but in no tenant yet: the user creates the first org, or enters one that they belong to. */
export default function Account({ me }: { me: Me }) {
  return me.orgs.length === 0 ? <NewOrg me={me} /> : <Choice me={me} />;
}

function NewOrg({ me }: { me: Me }) {
  const [keys] = useState(() => new IdempotencyKeys());
  const create = useMutation({
    mutationFn: async (name: string) => {
      const body = { name };
      await answerOf(api.POST('/api/v1/orgs/create', { body, headers: keys.of(body) }));
      await session.enter();
    },
  });
  const errors = faultsByField(create.error);
  return (
    <AccountPage me={me} title={m.newOrg.title} lead={m.newOrg.lead}>
      <Form
        className="grid gap-4"
        errors={errors}
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate(textOf(new FormData(event.currentTarget), 'name'));
        }}
      >
        <TextField name="name" label={m.newOrg.name} required maxLength={100} placeholder={m.newOrg.example} />
        {create.isError && Object.keys(errors).length === 0 ? <Fault error={create.error} /> : null}
        <Button type="submit" look="primary" busy={create.isPending}>
          {m.newOrg.submit}
        </Button>
      </Form>
      <p className="text-[13px] text-soft">{m.newOrg.invited}</p>
    </AccountPage>
  );
}

function Choice({ me }: { me: Me }) {
  const go = useMutation({ mutationFn: switchTenant });
  return (
    <AccountPage me={me} title={m.newOrg.choose}>
      {go.isError ? <Fault error={go.error} /> : null}
      <ul className="grid gap-2">
        {me.orgs.flatMap((org) =>
          org.tenants.map((tenant) => (
            <li key={tenant.id}>
              <button
                type="button"
                onClick={() => go.mutate(tenant.id)}
                className="flex w-full items-center gap-3 rounded-lg border border-line px-4 py-3 text-left hover:border-strong hover:bg-sunken"
              >
                <span className="min-w-0 flex-1">
                  <span className="block truncate font-medium">{tenant.name}</span>
                  <span className="block truncate text-xs text-soft">
                    {org.name} · {m.roles[org.role]}
                  </span>
                </span>
                <Icon name="chevron-right" className="text-faint" />
              </button>
            </li>
          )),
        )}
      </ul>
    </AccountPage>
  );
}
