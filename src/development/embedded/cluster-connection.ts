import { randomBytes } from 'node:crypto';
import path from 'node:path';
import pg from 'pg';

/** What connection.json remembers: how to get into the cluster. */
export interface Connection {
  port: number;
  superuserPassword: string;
  ownerPassword: string;
}

export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

export function urlOf(user: string, password: string, port: number, database: string): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
}

/** The role and database that Gatehouse works with. Found there at every start but the first. */
export async function ensureOwner({ port, superuserPassword, ownerPassword }: Connection): Promise<void> {
  const client = await connect(port, superuserPassword);
  try {
    // Keeps the password out of Postgres' log, should the statement that carries it fail.
    await client.query('SET log_min_error_statement = panic');
    const role = await client.query("SELECT FROM pg_roles WHERE rolname = 'gatehouse'");
    const password = client.escapeLiteral(ownerPassword);
    if (!role.rowCount) await client.query(`CREATE ROLE gatehouse LOGIN CREATEROLE NOSUPERUSER PASSWORD ${password}`);
    const database = await client.query("SELECT FROM pg_database WHERE datname = 'gatehouse'");
    if (!database.rowCount) await client.query('CREATE DATABASE gatehouse OWNER gatehouse');
  } finally {
    await client.end();
  }
}

/**
 * Recognises our own Postgres: it takes the remembered password, and serves this folder.
 * Ask it only of a process that postmaster.pid names: another program on the port would be offered the password.
 */
export async function isOurs(data: string, { superuserPassword }: Connection, port: number): Promise<boolean> {
  const client = port > 0 ? await connect(port, superuserPassword).catch(() => null) : null;
  if (!client) return false;
  try {
    const shown = await client.query<{ data_directory: string }>('SHOW data_directory');
    return path.relative(shown.rows[0]?.data_directory ?? '', data) === '';
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function connect(port: number, password: string): Promise<pg.Client> {
  const address = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' };
  const client = new pg.Client({ ...address, password, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
