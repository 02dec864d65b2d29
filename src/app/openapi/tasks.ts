import type { OpenAPIObject } from '@nestjs/swagger';
import type { ToldRoute } from './operations.js';

/** What the routes are for, in the order in which a new user needs them; `of` are the tags of the controllers. */
const TASKS = [
  {
    name: 'Call models',
    of: ['OpenAI'],
    description: "OpenAI's API: chat completions, responses, embeddings and models.",
  },
  { name: 'Threads and runs', of: ['Threads'], description: 'Conversations that the service keeps and answers.' },
  { name: 'Contexts', of: ['Contexts'], description: 'Messages that calls can put before their own.' },
  { name: 'API keys', of: ['API keys'], description: 'Secret keys for servers and publishable keys for apps.' },
  { name: 'Humans', of: ['Humans'], description: 'The people of a tenant, and what is left of their limits.' },
  {
    name: 'Usage tokens',
    of: ['Usage tokens'],
    description: 'Tokens that let one human call from a browser or an app.',
  },
  { name: 'Budgets', of: ['Budgets'], description: 'What a tenant, key, human or gateway may use in a period.' },
  { name: 'Usage', of: ['Usage'], description: 'What was used, as JSON or CSV, and reports of your own.' },
  {
    name: 'Model providers',
    of: ['Model providers', 'Models', 'Routes'],
    description: "A tenant's providers, its routes between them, and the facts and prices of its models.",
  },
  { name: 'Gateways', of: ['Gateways'], description: 'Gateways, their tokens and their log of calls.' },
  {
    name: 'Call models through a gateway',
    of: ['Calls by gateways'],
    description: "OpenAI's API with a gateway's token.",
  },
  {
    name: 'Sealed access tokens',
    of: ['Sealed access tokens'],
    description: "Tokens that hold a provider's secret, encrypted.",
  },
  {
    name: 'Orgs, members and tenants',
    of: ['Orgs', 'Members', 'Invitations', 'Tenants'],
    description: 'The people of an org, their roles, and its tenants.',
  },
  { name: 'Webhooks', of: ['Webhooks'], description: 'Events that are sent to your backend.' },
  { name: 'Audit log', of: ['Audit'], description: 'Who did what, and on whose behalf.' },
  {
    name: 'Dashboard',
    of: ['Dashboard'],
    description: 'What the web application reads before a user is signed in.',
  },
  { name: 'Operations', of: ['Health', 'Keys'], description: 'Health checks and public signing keys.' },
] as const;

/** Groups the operations by task. The tags of controllers that have no task stay. */
export function groupByTask(document: OpenAPIObject, told: readonly ToldRoute[]): void {
  const taskOf = new Map<string, string>(TASKS.flatMap(({ name, of }) => of.map((tag) => [tag, name] as const)));
  for (const { operation } of told) {
    operation.tags = [...new Set((operation.tags ?? []).map((tag) => taskOf.get(tag) ?? tag))];
  }
  document.tags = TASKS.map(({ name, description }) => ({ name, description }));
}
