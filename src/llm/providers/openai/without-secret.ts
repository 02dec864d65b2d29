/** Servers that need no key are given a word for one ("x", "none", "ollama"), which stands in other words too. */
const SHORTEST_SECRET = 8;

/** What a provider said, without our credential: some repeat it as they refuse it. */
export function withoutSecret(text: string, secret: string | undefined): string {
  return secret === undefined || secret.length < SHORTEST_SECRET ? text : text.replaceAll(secret, '[redacted]');
}

/** The same of events. */
export function eventsWithoutSecret(events: Buffer, secret: string | undefined): Buffer {
  if (secret === undefined || !events.includes(secret)) return events;
  return Buffer.from(withoutSecret(events.toString('latin1'), Buffer.from(secret).toString('latin1')), 'latin1');
}
