import { EmbeddedPostgresError } from './embedded-postgres.error.js';

export interface ClusterSettings {
  /** `none` turns fsync off: for clusters that are thrown away, such as the tests'. */
  durability?: 'full' | 'none';
  /** Further settings of postgresql.conf, e.g. `{ max_connections: '300' }`. */
  settings?: Record<string, string>;
}

/** The text of gatehouse.conf. Throws on a setting that would write another line than its own. */
export function configurationOf({ durability, settings }: ClusterSettings): string {
  const throwaway = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
  };
  const all: Record<string, string> = {
    listen_addresses: "'127.0.0.1'",
    unix_socket_directories: "''",
    lc_messages: "'C'",
    log_checkpoints: 'off',
    ...(durability === 'none' ? throwaway : {}),
  };
  for (const [name, value] of Object.entries(settings ?? {})) {
    if (!/^\w+(\.\w+)?$/.test(name) || /[\r\n\0]/.test(value)) {
      throw new EmbeddedPostgresError(`The Postgres setting ${JSON.stringify(name)} is not valid.`);
    }
    all[name] = `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  return ['# Written by Gatehouse at each start.', "include 'data/postgresql.conf'", ...lines, ''].join('\n');
}
